"""
How long a deploy takes, against the longest chain of needs, and against phase by phase.

A real master and eight real minions run the real orchestration of the whole map. What isn't real is how long
a service takes to start: its SLS is replaced by one that waits. So the figure is the order's alone.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from salt_itstack.lab import client
from salt_itstack.lab.runtime import Runtime
from salt_itstack.lab.settings import MASTER, choose
from salt_itstack.stack import critical_path, load, steps

TITLE = "A deploy of all twenty services on eight servers, with injected start times"
NETWORK = "127.0.57"
#: Seconds from nothing to ready, in the order of what such services take on small machines.
SECONDS = {
    "freeipa": 14, "postgresql": 4, "redis": 2, "keycloak": 12, "traefik": 2, "nextcloud": 8, "mattermost": 6,
    "jitsi": 9, "iredmail": 16, "zammad": 18, "elasticsearch": 20, "freepbx": 15, "suitecrm": 10, "odoo": 14,
    "openkm": 16, "taiga": 9, "snipeit": 6, "glpi": 6, "zabbix": 10, "graylog": 14,
}  # fmt: skip


def bench_map() -> dict[str, Any]:
    """
    All services can be deployed, and none of them has integrations: those need states of their own. The
    schedule is off: a run of it would wait as a start does, and the deploy for it.
    """
    stack = load()
    return {
        "periods": {"enforce": None, "beacon": None},
        "services": {name: {"supported": True} for name in stack.services},
        "integrations": {name: {"enabled": False} for name in stack.integrations},
    }


def sls(service: str, seconds: float) -> str:
    """A state that takes so long and changes nothing, in the step of its service alone."""
    wait = yaml.safe_dump(
        {f"{service}: wait": {"cmd.run": [{"name": f"sleep {seconds}"}, {"stateful": True}]}}
    )
    wait = wait.replace(f"sleep {seconds}", f"sleep {seconds}; echo; echo changed=no comment=ready")
    return f"{{%- if salt['itstack.active']('{service}') %}}\n{wait}{{%- endif %}}\n"


class Fleet:
    """A lab of the bench's own, with a map and SLS of its own, started and not deployed."""

    def __init__(self, state: Path) -> None:
        self.lab = choose(NETWORK, str(state), None)
        self.runtime = Runtime(self.lab)

    def start(self) -> None:
        self.runtime.up(deploy=False)
        folder = "/etc/salt/bench"
        for service, seconds in SECONDS.items():
            place = f"{folder}/itstack/{service}"
            self.shell(f"mkdir -p {place} && cat > {place}/init.sls", sls(service, seconds))
        self.shell("cat > /etc/salt/itstack.d/zz-bench.yaml", yaml.safe_dump(bench_map()))
        # Before the product's own folders, so that its SLS aren't found.
        roots = "sed -i 's#^  base:#  base:\\n  - /etc/salt/bench#' /etc/salt/master.d/itstack.conf"
        self.shell(roots)
        programs = client.supervisor(self.runtime.processes()[MASTER]).supervisor
        programs.stopProcess("salt-master")
        programs.startProcess("salt-master")
        self.runtime.await_minions()
        self.runtime.hand_over_password()
        self.shell("salt '*' saltutil.refresh_pillar wait=True")
        # What the schedule began before it was off.
        while "itstack.enforce" in self.shell("salt '*' saltutil.running"):
            pass

    def shell(self, line: str, stdin: str | None = None, timeout: float = 900) -> str:
        done = subprocess.run(
            client.enter_command(self.runtime.processes()[MASTER], ["sh", "-c", line]),
            capture_output=True, text=True, input=stdin, timeout=timeout, check=False,
            env=client.inside_environment(),
        )  # fmt: skip
        assert done.returncode == 0, f"{line}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        return done.stdout

    def deploy(self, *options: str) -> dict[str, Any]:
        found = json.loads(self.shell(f"salt-run --out=json itstack.deploy {' '.join(options)}"))
        assert not found["failures"], found["failures"]
        return found

    def end(self) -> None:
        self.runtime.reset()


def measure(tell: Callable[[str], None]) -> dict[str, Any]:
    """Deploy twice in the order of needs and once phase by phase; nothing is proved, for nothing is there."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as place:
        fleet = Fleet(Path(place) / "state")
        try:
            tell("starting eight minions")
            fleet.start()
            plan = steps(load(extra=bench_map()))
            seconds, path = critical_path(plan, SECONDS)
            tell(f"in the order of needs (the longest chain takes {seconds:.0f} s)")
            by_needs = [fleet.deploy()["seconds"] for _ in range(2)]
            tell("phase by phase")
            by_phase = fleet.deploy("phase_by_phase=True")["seconds"]
        finally:
            fleet.end()
    return {
        "services": len(plan),
        "minions": len({step.minion for step in plan}),
        "one_by_one_s": sum(SECONDS.values()),
        "longest_chain": " > ".join(path),
        "longest_chain_s": seconds,
        "by_needs_s": max(by_needs),
        "by_needs_faster_s": min(by_needs),
        "by_phase_s": by_phase,
        "over_longest_chain": round(max(by_needs) / seconds, 2),
        "faster_than_by_phase": round(by_phase / max(by_needs), 2),
    }


#: What the figures are.
FIGURES = {
    "services": "services",
    "minions": "minions",
    "one_by_one_s": "all start times together, s",
    "longest_chain": "longest chain of needs",
    "longest_chain_s": "its start times together, s",
    "by_needs_s": "deploy in the order of needs, the slower of two, s",
    "by_needs_faster_s": "the faster, s",
    "by_phase_s": "the same phase by phase, s",
    "over_longest_chain": "in the order of needs, over the longest chain",
    "faster_than_by_phase": "phase by phase, over the order of needs",
}
#: Figure, what is wanted of it, and whether it is.
WANTED = (
    ("over_longest_chain", "at most 1.15", lambda found: found["over_longest_chain"] <= 1.15),
    ("faster_than_by_phase", "at least 1.8", lambda found: found["faster_than_by_phase"] >= 1.8),
)
