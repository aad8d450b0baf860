"""
People of FreeIPA: this pack against Ansible's modules and a bare script.

FreeIPA's server can't be had here: what answers is the lab's double of its interface, with a real 389
Directory Server below it. Requests are counted in its log.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from salt_itstack.lab import mounts, packages
from salt_itstack.lab.alone import Alone, running
from salt_itstack.lab.progress import Progress
from salt_itstack.lab.settings import DEFAULT_NETWORK, choose

from . import processes
from .processes import SET, Ansible, AsStates, Objects, Salt, Script, Tool, extrapolated, growth, measured

TITLE = "People of FreeIPA"
#: With a port behind its name it would refuse everybody, as the real server does.
ADDRESS = "127.0.59.1"
COUNTS, FEW = (1, 100, 10000), (1, 10)
#: One by one takes minutes: beyond it the others' figures are computed from this number of people.
MOST_OF_OTHERS = 100


class Server:
    """A double of FreeIPA with nobody but its administrator."""

    def __init__(self, site: Alone, about: dict[str, Any]) -> None:
        self.site, self.about = site, about
        self.account = {
            "host": ADDRESS,
            "user": about["user"],
            "password": about["password"],
            "ca": about["ca"],
        }

    def requests(self) -> int:
        """How many requests there have been."""
        # A line is written before its answer is sent.
        return (self.site.folder / "ipa-rpc.log").read_text(encoding="utf-8").count('"POST /')


PREFIX = "person"


def declared(count: int, changed: bool = False) -> dict[str, dict[str, Any]]:
    """So many people, as this pack is told; ``changed`` is with another title of one of them."""
    return {
        f"{PREFIX}{number:05}": {
            "first_name": f"First{number:05}",
            "last_name": f"Last{number:05}",
            "title": "Head Clerk" if changed and number == count // 2 else "Clerk",
            "telephone_numbers": [f"+49 30 {number:05}"],
        }
        for number in range(count)
    }


def wire(fields: Any) -> dict[str, Any]:
    """The same person as FreeIPA's own interface wants it."""
    return {
        "givenname": fields["first_name"],
        "sn": fields["last_name"],
        "title": fields["title"],
        "telephonenumber": fields["telephone_numbers"][0],
    }


def options(name: str, fields: Any) -> dict[str, Any]:
    """The same person as community.general's ipa_user wants it."""
    return {"uid": name, **wire(fields)}


def as_set(objects: Objects) -> Any:
    """All people in one state."""
    return {SET: {"itstack_freeipa.users_present": [{"users": dict(objects)}]}}


def as_states(objects: Objects) -> Any:
    """A state for each of them."""
    return {
        name: {"itstack_freeipa.user_present": [{key: value} for key, value in fields.items()]}
        for name, fields in objects.items()
    }


def measure(tell: Callable[[str], None], quick: bool = False) -> dict[str, Any]:
    """Make, look at and change people with each tool, each on a server of its own."""
    counts = FEW if quick else COUNTS
    lab = choose(DEFAULT_NETWORK, None, None)
    packages.install(lab, Progress())
    ansible = processes.ANSIBLE.provide(lab.cache, tell)
    # The directory isn't root's, and the checkout may be in a folder that is.
    mounts.own_mounts()
    mounts.empty_closed_folders(lab.visible)
    folder = Path(tempfile.mkdtemp(prefix="itstack-bench-", dir="/var/tmp"))
    bench = Bench(folder, ansible, tell)
    try:
        rows = [row for count in counts for row in bench.rows(count)]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    ours = next(row for row in rows if (row["tool"], row["count"]) == (Salt.name, counts[-1]))
    if counts[-1] > MOST_OF_OTHERS:
        rows.append(extrapolated(rows, Ansible.name, counts[-1]))
    return {
        "runs": rows,
        "no_op_requests": ours["no_op_requests"],
        "no_op_s": ours["no_op_s"],
        "no_op_first_s": ours["no_op_first_s"],
        "memory_growth_mib": bench.growth,
    }


class Bench:
    """The tools, each on a server of its own."""

    def __init__(self, folder: Path, ansible: Path, tell: Callable[[str], None]) -> None:
        self.folder, self.ansible, self.tell = folder, ansible, tell
        #: Of this pack's runs that change nothing, over the most people.
        self.growth = 0.0

    def rows(self, count: int) -> Iterator[dict[str, Any]]:
        """The rows for a number of people."""
        others = (self._states, self._ansible) if count <= MOST_OF_OTHERS else ()
        for tool in (self._script, self._salt, *others):
            with self._server() as server:
                yield self._row(tool(server, f"{tool.__name__}-{count}"), count, server)

    def _row(self, tool: Tool, count: int, server: Server) -> dict[str, Any]:
        self.tell(f"{tool.name}, {count}")
        people = [declared(count), declared(count, changed=True)]
        if isinstance(tool, Script):
            people = [_wired(each) for each in people]
        repeats = 1 if isinstance(tool, (AsStates, Ansible)) else processes.REPEATS
        row, again = measured(tool, *people, server.requests, repeats)
        if type(tool) is Salt:
            self.growth = growth(again)
        return row

    @contextlib.contextmanager
    def _server(self) -> Iterator[Server]:
        with running("freeipa", ADDRESS) as (site, about):
            yield Server(site, about)

    def _script(self, server: Server, name: str) -> Script:
        return Script(self.folder / name, "freeipa", server.account)

    def _salt(self, server: Server, name: str) -> Salt:
        return Salt(self.folder / name, {"freeipa": server.account}, as_set)

    def _states(self, server: Server, name: str) -> AsStates:
        return AsStates(self.folder / name, {"freeipa": server.account}, as_states)

    def _ansible(self, server: Server, name: str) -> Ansible:
        account = server.account
        access = {"ipa_host": ADDRESS, "ipa_user": account["user"], "ipa_pass": account["password"]}
        trust = {"SSL_CERT_FILE": account["ca"]}
        return Ansible(self.folder / name, self.ansible, "ipa_user", access, options, trust)


def _wired(people: Objects) -> dict[str, dict[str, Any]]:
    return {name: wire(fields) for name, fields in people.items()}


COLUMNS = {"runs": {**processes.COLUMNS, "count": "people"}}
#: What the figures are.
FIGURES = {
    "runs": "whole processes, from start to exit",
    "no_op_requests": "requests of a run that changes nothing, over the most people",
    "no_op_s": "its seconds, median of three, s",
    "no_op_first_s": "the first of them, s",
    "memory_growth_mib": "memory that the third run that changes nothing needs more than the first, MiB",
}
#: Figure, what is wanted of it, and whether it is.
WANTED = (
    ("no_op_requests", "at most 3", lambda found: found["no_op_requests"] <= 3),
    ("no_op_s", "below 5", lambda found: found["no_op_s"] < 5),
    ("memory_growth_mib", "flat", lambda found: found["memory_growth_mib"] < 5),
)
