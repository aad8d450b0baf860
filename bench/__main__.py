"""The command line of the benches: `./lab bench [NAME …] [--json]`."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from collections.abc import Callable
from typing import Any

NAMES = ("deploy", "repair", "scale")


def main() -> int:
    """Run the chosen benches; 1 if a figure isn't what is wanted of it."""
    parser = argparse.ArgumentParser(prog="lab bench", description="Measure on this machine, as root.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; all by default")
    parser.add_argument("--json", action="store_true", help="figures as JSON on standard output")
    chosen = parser.parse_args()
    unknown = sorted(set(chosen.names) - set(NAMES))
    if unknown:
        parser.error(f"no bench {', '.join(unknown)}; there are {', '.join(NAMES)}")
    found: dict[str, Any] = {"machine": machine()}
    result = sys.stdout
    if chosen.json:
        # Labs and their programs also print; what is printed here is to be read by a program.
        result = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    bad = []
    for name in chosen.names or NAMES:
        bench = importlib.import_module(f"bench.{name}")
        figures = bench.measure(teller(name))
        found[name] = figures
        missed = [f"{name}: {figure} is {figures[figure]}, wanted is {wanted}"
                  for figure, wanted, holds in bench.WANTED if not holds(figures)]  # fmt: skip
        bad += missed
        if not chosen.json:
            show(bench, figures)
    if chosen.json:
        print(json.dumps(found, indent=1), file=result, flush=True)
    for line in bad:
        print(f"NOT MET: {line}", file=sys.stderr)
    return int(bool(bad))


def teller(name: str) -> Callable[[str], None]:
    """What tells how far a bench is."""

    def tell(text: str) -> None:
        print(f"{name}: {text} …", file=sys.stderr, flush=True)

    return tell


def machine() -> str:
    """What it was measured on, and what else ran there when it began."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, load {os.getloadavg()[0]:.1f} at the start"


def show(bench: Any, figures: dict[str, Any]) -> None:
    """One bench as a table."""
    aims = {figure: wanted for figure, wanted, _ in bench.WANTED}
    width = max(map(len, bench.FIGURES.values()))
    print(f"\n{bench.TITLE}")
    for name, value in figures.items():
        aim = f"   (wanted: {aims[name]})" if name in aims else ""
        print(f"  {bench.FIGURES[name]:<{width}}  {value}{aim}")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
