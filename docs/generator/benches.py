"""The figures of `./lab bench`, from the file that it printed."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

from .text import NOTE, table

#: What `./lab bench --json` printed.
FIGURES = Path(__file__).resolve().parents[1] / "benches.json"


def page() -> str:
    """A table for each bench; raises :class:`KeyError` for a figure that no bench has."""
    found = json.loads(FIGURES.read_text(encoding="utf-8"))
    parts = [f"{NOTE}Measured on {found.pop('machine')}.\n"]
    for name, figures in found.items():
        bench = importlib.import_module(f"bench.{name}")
        wanted = {figure: (aim, holds(figures)) for figure, aim, holds in bench.WANTED}
        rows, tables = [], []
        for figure, value in figures.items():
            if isinstance(value, list):
                columns = bench.COLUMNS[figure]
                cells = ([row.get(key) for key in columns] for row in value)
                tables.append(f"\n{bench.FIGURES[figure]}:\n\n{table(columns.values(), cells)}")
                continue
            aim, met = wanted.get(figure, ("", True))
            rows.append((bench.FIGURES[figure], value, aim if met else f"{aim}: not met"))
        parts.append(f"\n## {bench.TITLE}\n\n{table(('', 'measured', 'wanted'), rows)}{''.join(tables)}")
    return "".join(parts)
