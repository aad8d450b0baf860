"""
How long it takes from a fault to its repair, by events alone: the schedule is off.

A real Redis in a lab of one server is stopped as somebody does it by hand, again and again.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from salt_itstack.lab import client
from salt_itstack.lab.runtime import Runtime
from salt_itstack.lab.settings import MASTER, choose

TITLE = "From a stopped service to a running one, by events"
NETWORK, SERVER, UNIT = "127.0.58", "lab-db1", "redis-server"
TIMES = 20
LIMIT = 120.0
#: No budgets: they are for people's fleets. Pauses that grow with each repair of the same thing are kept off
#: by forgetting the earlier repairs.
FORGET = "rm -f /var/cache/salt/master/itstack/repairs.json"
OWN_MAP = {
    "periods": {"enforce": None, "beacon": 5},
    "repairs": {"cooldown": 1, "budget_per_hour": 1000, "budget_of_all": 1000},
}


def measure(tell: Callable[[str], None], times: int = TIMES) -> dict[str, Any]:
    """Stop the service so many times; seconds until it answers again."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as place:
        lab = choose(NETWORK, str(Path(place) / "state"), None, [SERVER])
        runtime = Runtime(lab)
        try:
            tell("starting a lab of one server")
            runtime.up()
            inside(runtime, MASTER, "cat > /etc/salt/itstack.d/zz-bench.yaml", yaml.safe_dump(OWN_MAP))
            inside(runtime, MASTER, f"salt {SERVER} saltutil.refresh_pillar wait=True")
            await_(lambda: seen_well(runtime), "the minion has seen its services well")
            found = []
            for number in range(times):
                tell(f"fault {number + 1} of {times}")
                found.append(repaired_after(runtime))
                await_(lambda: seen_well(runtime), "the minion has seen its services well")
                inside(runtime, MASTER, FORGET)
        finally:
            runtime.reset()
    return {
        "faults": times,
        "repaired": len(found),
        "median_s": round(statistics.median(found), 1),
        "worst_s": round(max(found), 1),
        "looks_every_s": OWN_MAP["periods"]["beacon"],
    }


def repaired_after(runtime: Runtime) -> float:
    """Seconds from the fault until the service runs again."""
    programs = client.supervisor(runtime.processes()[SERVER]).supervisor
    programs.stopProcess(UNIT)
    begun = time.monotonic()
    await_(lambda: programs.getProcessInfo(UNIT)["statename"] == "RUNNING", "the service runs again")
    return time.monotonic() - begun


def seen_well(runtime: Runtime) -> bool:
    """Whether the minion's own look finds nothing wrong, and no repair is on its way."""
    watch = inside(runtime, SERVER, "cat /var/cache/salt/minion/itstack/watch.json 2>/dev/null || echo '{}'")
    known = json.loads(watch)
    record = json.loads(inside(runtime, MASTER, "salt-run --out=json itstack.repairs"))
    return "redis" in " ".join(known.get("well", [])) and not known.get("told") and not record.get("running")


def inside(runtime: Runtime, server: str, line: str, stdin: str | None = None) -> str:
    """Run a shell line in a server of the lab."""
    done = subprocess.run(
        client.enter_command(runtime.processes()[server], ["sh", "-c", line]),
        capture_output=True, text=True, input=stdin, timeout=120, check=False,
        env=client.inside_environment(),
    )  # fmt: skip
    assert done.returncode == 0, f"{line}: {done.stdout[-1000:]}{done.stderr[-1000:]}"
    return done.stdout


def await_(condition: Callable[[], bool], what: str) -> None:
    """Wait until a condition holds, or fail saying what it was."""
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end, f"not in {LIMIT:.0f} s: {what}"
        time.sleep(0.1)


#: What the figures are.
FIGURES = {
    "faults": "faults: a real Redis is stopped",
    "repaired": "repaired",
    "median_s": "from the fault to a running service, median, s",
    "worst_s": "the worst, s",
    "looks_every_s": "the minion looks every (10 by default), s",
}
#: Figure, what is wanted of it, and whether it is.
WANTED = (("worst_s", "at most 60", lambda found: found["worst_s"] <= 60),)
