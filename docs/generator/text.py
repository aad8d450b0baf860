"""Small pieces of Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

NOTE = "<!-- Written by docs/generate.py; changes made here are lost. -->\n\n"


def table(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """A table; cells are texts without line breaks."""
    lines = [[*head]]
    lines.append(["---"] * len(lines[0]))
    lines += [[cell(value) for value in row] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def cell(value: Any) -> str:
    """A value in one cell."""
    text = "" if value is None else str(value)
    return " ".join(text.replace("|", "\\|").split())


def code(value: Any) -> str:
    """A value in the type of a program; nothing where there is none."""
    return f"`{value}`" if value not in (None, "") else ""


def block(text: str, language: str = "") -> str:
    """A block of code."""
    return f"```{language}\n{text.rstrip()}\n```\n"


def replaced(document: str, name: str, content: str) -> str:
    """
    A document with other text between ``<!-- generated: NAME -->`` and ``<!-- end: NAME -->``.

    Raises :class:`ValueError` where the marks aren't there exactly once.
    """
    first, last = f"<!-- generated: {name} -->", f"<!-- end: {name} -->"
    if document.count(first) != 1 or document.count(last) != 1:
        raise ValueError(f"the marks of {name} have to be there once each")
    before, rest = document.split(first)
    return f"{before}{first}\n{content.strip()}\n{last}{rest.split(last)[1]}"
