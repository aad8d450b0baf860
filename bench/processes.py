"""Whole processes, from start to exit: how long, how much memory, and what reached the server."""

from __future__ import annotations

import abc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import yaml

from salt_itstack.lab.environments import Environment

#: Runs that change nothing, one after the other; the median of their seconds counts.
REPEATS = 3
#: Of Ansible's package: the last that Debian 12's Python can have, with community.general 11.4.2.
ANSIBLE = Environment(("ansible==12.3.0",))

Objects = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Run:
    """
    One run of a tool.

    memory_mib
        The most that its process held at a time.
    changed
        How many objects it says that it changed.
    requests
        How many reached the server meanwhile.
    """

    seconds: float
    memory_mib: float
    changed: int
    requests: int


class Tool(abc.ABC):
    """Something that brings a server to what is declared, by a command."""

    #: For the table.
    name = ""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder

    @abc.abstractmethod
    def declare(self, objects: Objects) -> None:
        """Write down what the next runs bring the server to."""

    @abc.abstractmethod
    def command(self) -> list[str]:
        """What does it."""

    @abc.abstractmethod
    def changed(self, said: str) -> int:
        """How many objects were changed, from what the command printed; AssertionError where it failed."""

    def run(self, requests: Callable[[], int]) -> Run:
        """Do it once. ``requests`` says how many the server has had so far."""
        before = requests()
        seconds, memory, said = self._process()
        return Run(seconds, memory, self.changed(said), requests() - before)

    def _process(self) -> tuple[float, float, str]:
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as complaints:
            begun = time.monotonic()
            child = subprocess.Popen(self.command(), stdout=out, stderr=complaints, cwd=self.folder)
            # The kernel counts from before the program was loaded, when it was a copy of this process: the
            # memory of what is smaller than this process isn't its own.
            _, status, used = os.wait4(child.pid, 0)
            seconds = time.monotonic() - begun
            child.returncode = os.waitstatus_to_exitcode(status)
            said, complaint = (_text(file) for file in (out, complaints))
        assert child.returncode == 0, (
            f"{self.name} ended with {child.returncode}: {said[-3000:]}{complaint[-3000:]}"
        )
        return seconds, used.ru_maxrss / 1024, said


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


class Salt(Tool):
    """`salt-call --local` with this pack: one state file, rendered and applied."""

    name = "this pack"

    def __init__(self, folder: Path, profiles: Mapping[str, Any], sls: Callable[[Objects], Any]) -> None:
        super().__init__(folder)
        self._sls = sls
        (folder / "states").mkdir()
        options = {
            "id": "bench",
            "root_dir": str(folder / "root"),
            "file_client": "local",
            "file_roots": {"base": [str(folder / "states")]},
            "itstack": {"profiles": profiles},
        }
        (folder / "minion").write_text(json.dumps(options), encoding="utf-8")

    def declare(self, objects: Objects) -> None:
        document = yaml.dump(self._sls(objects), Dumper=yaml.CSafeDumper, sort_keys=False)
        (self.folder / "states" / "bench.sls").write_text(document, encoding="utf-8")

    def command(self) -> list[str]:
        program = str(Path(sys.executable).with_name("salt-call"))
        return [program, "--local", f"--config-dir={self.folder}", "--out=json", "--log-level=quiet",
                "--retcode-passthrough", "state.apply", "bench"]  # fmt: skip

    def changed(self, said: str) -> int:
        states = json.loads(said)["local"]
        assert all(state["result"] is True for state in states.values()), said[-3000:]
        # A state over many objects names those that it changed; another is of one object.
        return sum(
            len(state["changes"]) if state["__id__"] == SET else bool(state["changes"])
            for state in states.values()
        )


#: Id of a state that declares many objects.
SET = "all of them"


class AsStates(Salt):
    """The same with a state for each object."""

    name = "this pack, a state for each"


class Script(Tool):
    """
    A bare program for this one purpose, as somebody writes it with the requests library.

    It reads a file of JSON, ``server`` and ``objects``, and prints the number of objects that it changed.
    """

    name = "a bare script"

    def __init__(self, folder: Path, module: str, server: Mapping[str, Any]) -> None:
        super().__init__(folder)
        self._file, self._server = folder / "wanted.json", dict(server)
        self._program = Path(__file__).parent / "scripts" / f"{module}.py"

    def declare(self, objects: Objects) -> None:
        self._file.write_text(json.dumps({"server": self._server, "objects": objects}), encoding="utf-8")

    def command(self) -> list[str]:
        return [sys.executable, str(self._program), str(self._file)]

    def changed(self, said: str) -> int:
        return int(said)


class Ansible(Tool):
    """One play with a task that loops over all objects; its module reads and writes one at a time."""

    name = "community.general"

    def __init__(
        self,
        folder: Path,
        environment: Path,
        module: str,
        access: Mapping[str, Any],
        options: Callable[[str, Mapping[str, Any]], dict[str, Any]],
        variables: Mapping[str, str],
    ) -> None:
        super().__init__(folder)
        self._environment, self._module, self._options = environment, module, options
        self._access, self._variables = dict(access), dict(variables)

    def declare(self, objects: Objects) -> None:
        rows = [self._options(name, fields) for name, fields in objects.items()]
        arguments = {**self._access, **{key: f"{{{{ item.{key} }}}}" for key in rows[0]}}
        play = {
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "vars": {"ansible_python_interpreter": str(self._environment / "bin" / "python")},
            "tasks": [
                {
                    f"community.general.{self._module}": arguments,
                    "loop": rows,
                    "loop_control": {"label": ""},
                    "register": "done",
                },
                {"debug": {"msg": "CHANGED={{ done.results | selectattr('changed') | length }}"}},
            ],
        }
        (self.folder / "play.yml").write_text(yaml.safe_dump([play]), encoding="utf-8")

    def command(self) -> list[str]:
        settings = {
            "ANSIBLE_HOME": str(self.folder),
            "ANSIBLE_LOCALHOST_WARNING": "False",
            "ANSIBLE_NOCOLOR": "True",
            **self._variables,
        }
        program = str(self._environment / "bin" / "ansible-playbook")
        variables = (f"{key}={value}" for key, value in settings.items())
        return ["env", *variables, program, "-i", "localhost,", "play.yml"]

    def changed(self, said: str) -> int:
        return int(said.rpartition("CHANGED=")[2].partition('"')[0])


def measured(
    tool: Tool,
    objects: Objects,
    changed: Objects,
    requests: Callable[[], int],
    repeats: int = REPEATS,
    create: bool = True,
) -> tuple[dict[str, Any], list[Run]]:
    """
    A row of the table, and the runs that changed nothing.

    changed
        The objects again, one of which is another now.
    requests
        How many requests the server has had so far.
    repeats
        How many runs that change nothing.
    create
        Whether the objects aren't there yet.

    Raises AssertionError where a run changed other than what it had to; of runs that have nothing to change
    it is only told how many objects they changed.
    """
    row: dict[str, Any] = {"tool": tool.name, "count": len(objects)}
    tool.declare(objects)
    memory: dict[str, float] = {}
    if create:
        made = tool.run(requests)
        assert made.changed == len(objects), f"{tool.name}: made {made.changed} of {len(objects)}"
        row.update(create_s=round(made.seconds, 2), create_requests=made.requests)
        memory["create_mib"] = made.memory_mib
    again = [tool.run(requests) for _ in range(repeats)]
    tool.declare(changed)
    one = tool.run(requests)
    assert one.changed >= 1, f"{tool.name}: a change wasn't made"
    row.update(
        no_op_first_s=round(again[0].seconds, 2),
        no_op_s=round(statistics.median(run.seconds for run in again), 2),
        no_op_requests=max(run.requests for run in again),
        no_op_changed=max(run.changed for run in again),
        change_s=round(one.seconds, 2),
        change_requests=one.requests,
    )
    if isinstance(tool, Salt):
        memory.update(no_op_mib=max(run.memory_mib for run in again), change_mib=one.memory_mib)
        row.update({name: round(most) for name, most in memory.items()})
    return row, again


def extrapolated(rows: list[dict[str, Any]], tool: str, count: int) -> dict[str, Any]:
    """What a tool that takes one object after the other would need for more, by its first and last row."""
    known = [row for row in rows if row["tool"] == tool]
    less, more = known[0], known[-1]
    share = (count - less["count"]) / (more["count"] - less["count"])
    figures = [key for key in more if key.endswith(("_s", "_requests", "_changed"))]
    computed = {key: less[key] + (more[key] - less[key]) * share for key in figures}
    return {
        "tool": f"{tool}, computed from {more['count']}",
        "count": count,
        **{key: round(value, 1) if key.endswith("_s") else round(value) for key, value in computed.items()},
    }


#: The columns of a table of such rows.
COLUMNS = {
    "tool": "",
    "count": "objects",
    "create_s": "create, s",
    "create_requests": "requests",
    "no_op_first_s": "first no-op, s",
    "no_op_s": "no-op, s",
    "no_op_requests": "requests",
    "no_op_changed": "changed by it",
    "change_s": "change one, s",
    "change_requests": "requests",
    "create_mib": "memory to create, MiB",
    "no_op_mib": "for a no-op, MiB",
    "change_mib": "to change one, MiB",
}


def growth(again: list[Run]) -> float:
    """MiB by which the last of some equal runs needed more memory than the first."""
    return round(again[-1].memory_mib - again[0].memory_mib, 1)
