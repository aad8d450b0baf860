"""A thousand minions on the master's side: their pillars, the graph, the rendering, and memory."""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import salt.config
import salt.pillar
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from salt_itstack.orchestration import Selection, render
from salt_itstack.stack import load_for, steps

MINIONS = 1000
#: Applications, each on a server of its own, that have a database or a cache at the other end.
TITLE = "1,000 minions on the master's side"


def stack_of(minions: int) -> dict[str, Any]:
    """A map with so many more servers: an application each, with a database and a cache of its own."""
    servers, services, integrations = {}, {}, {}
    for number in range(minions):
        name = f"app{number:04}"
        servers[f"server{number:04}"] = {
            "address": f"10.{60 + number // 65000}.{number // 250 % 256}.{number % 250 + 1}",
            "services": [name],
        }
        services[name] = {
            "layer": "business", "phase": "3c", "supported": True, "needs": ["postgresql", "redis"],
        }  # fmt: skip
        about = {"target": name, "supported": True}
        integrations[f"postgresql-{name}"] = {"kind": "database", "source": "postgresql", **about}
        integrations[f"redis-{name}"] = {"kind": "cache", "source": "redis", **about}
    return {"servers": servers, "services": services, "integrations": integrations}


def master(folder: Path, document: dict[str, Any], minions: list[str]) -> dict[str, Any]:
    """The options of a master with this map, which has accepted these minions."""
    (folder / "itstack.d").mkdir(parents=True)
    (folder / "itstack.d" / "many.yaml").write_text(yaml.safe_dump(document))
    accepted = folder / "pki" / "minions"
    accepted.mkdir(parents=True)
    # One key for all: making a thousand would take minutes, and sealing to it is as much work.
    public = (
        rsa.generate_private_key(65537, 2048)
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    for name in minions:
        (accepted / name).write_bytes(public)
    (folder / "master").write_text(
        json.dumps(
            {
                "root_dir": str(folder),
                "pki_dir": str(folder / "pki"),
                "cachedir": str(folder / "cache"),
                "sock_dir": str(folder / "sock"),
                "itstack": {"driver": "itstack"},
                "ext_pillar": [{"itstack": {}}],
                "pillar_roots": {"base": [str(folder / "none")]},
                "file_roots": {"base": [str(folder / "none")]},
            }
        )
    )
    return salt.config.master_config(str(folder / "master"))


def timed(function: Callable[[], object]) -> float:
    """Seconds that one call takes."""
    begun = time.perf_counter()
    function()
    return time.perf_counter() - begun


def memory() -> int:
    """What this process holds right now, in bytes."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def measure(tell: Callable[[str], None], minions: int = MINIONS) -> dict[str, Any]:
    """Compile the pillar of each minion, twice over, and render the whole deploy."""
    with tempfile.TemporaryDirectory() as place:
        document = stack_of(minions)
        names = [*document["servers"], "lab-db1"]
        opts = master(Path(place), document, names)

        def pillar(name: str) -> dict[str, Any]:
            found = salt.pillar.Pillar(opts, {}, name, "base").compile_pillar()
            assert found.get("itstack", {}).get("sealed"), found.get("_errors")
            return found

        tell(f"the map of {minions} minions")
        reading = timed(lambda: load_for(opts))
        tell("their first pillars, in which each secret is made")
        first = [timed(lambda name=name: pillar(name)) for name in names]
        before = memory()
        tell("their pillars again")
        again = [timed(lambda name=name: pillar(name)) for name in names]
        after = memory()
        tell("pillars of Salt alone")
        plain = {**opts, "ext_pillar": []}
        alone = [
            timed(lambda name=name: salt.pillar.Pillar(plain, {}, name, "base").compile_pillar())
            for name in names
        ]
        stack = load_for(opts)
        tell("graph and rendering")
        graph = timed(lambda: steps(stack))
        rendering = timed(lambda: render(load_for(opts), Selection(), {"id": "1", "process": 1}))
    milliseconds = sorted(seconds * 1000 for seconds in again[:-1])
    return {
        "minions": minions,
        "integrations": len(stack.integrations),
        "map_read_s": round(reading, 2),
        "pillar_first_ms": round(statistics.median(first) * 1000, 1),
        "pillar_median_ms": round(statistics.median(milliseconds), 1),
        "pillar_of_salt_alone_ms": round(statistics.median(alone) * 1000, 1),
        "pillar_worst_ms": round(milliseconds[-1], 1),
        "pillar_99_percent_ms": round(milliseconds[int(len(milliseconds) * 0.99)], 1),
        "pillar_of_database_server_ms": round(again[-1] * 1000, 1),
        "graph_s": round(graph, 3),
        "rendering_s": round(rendering, 3),
        "memory_growth_mib": round((after - before) / 2**20, 1),
    }


#: What the figures are.
FIGURES = {
    "minions": "minions",
    "integrations": "integrations in their map",
    "map_read_s": "reading and checking the map, s",
    "pillar_first_ms": "first pillar of a minion, in which its secrets are made, median, ms",
    "pillar_median_ms": "pillar of a minion, as a whole, median, ms",
    "pillar_of_salt_alone_ms": "the same by Salt alone, without this pack, median, ms",
    "pillar_worst_ms": "slowest pillar, ms",
    "pillar_99_percent_ms": "99 of 100 pillars take at most, ms",
    "pillar_of_database_server_ms": "pillar of the database server, with two secrets for each minion, ms",
    "graph_s": "graph of needs, s",
    "rendering_s": "rendering the deploy, with reading the map, s",
    "memory_growth_mib": "memory that a second round of all pillars adds, MiB",
}
#: Figure, what is wanted of it, and whether it is.
WANTED = (
    ("pillar_median_ms", "below 50 ms", lambda found: found["pillar_median_ms"] < 50),
    (
        "rendering_s",
        "graph and rendering below 1 s",
        lambda found: found["graph_s"] + found["rendering_s"] < 1,
    ),
    ("memory_growth_mib", "flat", lambda found: found["memory_growth_mib"] < 5),
)
