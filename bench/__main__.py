"""The command line of the benches: `./lab bench [NAME …] [--json] [--into FILE] [--quick]`."""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

NAMES = ("deploy", "repair", "scale", "keycloak", "freeipa")


def main() -> int:
    """Run the chosen benches; 1 if a figure isn't what is wanted of it."""
    parser = argparse.ArgumentParser(prog="lab bench", description="Measure on this machine, as root.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; all by default")
    parser.add_argument("--json", action="store_true", help="figures as JSON on standard output")
    parser.add_argument(
        "--into", type=Path, metavar="FILE", help="put the figures into such JSON, beside other benches'"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="few objects, where a bench can: to see that it runs, not to judge",
    )
    chosen = parser.parse_args()
    # Servers are ended and folders removed as after Ctrl-C.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    if chosen.quick and chosen.into:
        parser.error("--quick is no measurement: leave out --into")
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
        options = (
            {"quick": True} if chosen.quick and "quick" in inspect.signature(bench.measure).parameters else {}
        )
        figures = bench.measure(teller(name), **options)
        found[name] = figures
        missed = [f"{name}: {figure} is {figures[figure]}, wanted is {wanted}"
                  for figure, wanted, holds in bench.WANTED if not holds(figures)]  # fmt: skip
        if not options:
            bad += missed
        if not chosen.json:
            show(bench, figures)
        if chosen.into:
            merge(chosen.into, found)
    if chosen.json:
        print(json.dumps(found, indent=1), file=result, flush=True)
    for line in bad:
        print(f"NOT MET: {line}", file=sys.stderr)
    return int(bool(bad))


def merge(file: Path, found: dict[str, Any]) -> None:
    """Put figures into a file that ``--json`` printed; those of other benches stay."""
    before = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    file.write_text(json.dumps({**before, **found}, indent=1) + "\n", encoding="utf-8")


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
    """One bench as a table, and a table for each figure that has rows."""
    aims = {figure: wanted for figure, wanted, _ in bench.WANTED}
    single = {name: value for name, value in figures.items() if not isinstance(value, list)}
    width = max(len(bench.FIGURES[name]) for name in single)
    print(f"\n{bench.TITLE}")
    for name, value in single.items():
        aim = f"   (wanted: {aims[name]})" if name in aims else ""
        print(f"  {bench.FIGURES[name]:<{width}}  {value}{aim}")
    for name in figures.keys() - single.keys():
        columns = bench.COLUMNS[name]
        lines = [[*columns.values()], *([str(row.get(key, "")) for key in columns] for row in figures[name])]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        print(f"\n  {bench.FIGURES[name]}")
        for line in lines:
            print("  " + "  ".join(f"{text:<{width}}" for text, width in zip(line, widths, strict=True)))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
