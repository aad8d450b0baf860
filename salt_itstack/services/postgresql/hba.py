"""
The client authentication file, as text: our lines in one marked block.

The first line that matches a client decides, so the block stands before the lines that match everybody.
Source: postgresql.org, "The pg_hba.conf File".
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ...errors import Invalid, Problem

BEGIN = "# BEGIN salt-itstack: these lines are managed, changes are lost"
END = "# END salt-itstack"
TYPES = ("local", "host", "hostssl", "hostnossl", "hostgssenc", "hostnogssenc")
KEYS = ("type", "database", "user", "address", "method", "options")
METHOD = "scram-sha-256"
_PLAIN = re.compile(r"\+?[A-Za-z0-9_.\-]+")
_NAME = re.compile(r'[^"\r\n]+')
_ADDRESS = re.compile(r"[A-Za-z0-9_.:/\-]+")
_WORD = re.compile(r"[A-Za-z0-9_\-]+")


def lines(rules: Iterable[Any]) -> list[str]:
    """
    Rules as lines of the file.

    rules
        Each a line as in the file, or a map with ``type`` (default ``host``), ``database`` and ``user`` (a
        name or a list), ``address`` (not for ``local``), ``method`` (default ``scram-sha-256``) and
        ``options`` (a map).

    Raises :class:`Invalid` with all that is wrong in them.
    """
    problems: list[Problem] = []
    made = [_line(number, rule, problems) for number, rule in enumerate(rules)]
    if problems:
        raise Invalid(problems)
    return made


def managed(text: str) -> list[str]:
    """The lines that stand in our block now."""
    inside = False
    found = []
    for line in text.splitlines():
        if line == BEGIN:
            inside = True
        elif line == END:
            inside = False
        elif inside:
            found.append(line)
    return found


def composed(text: str, wanted: list[str]) -> str:
    """
    The file with the wanted lines in our block, right before the first line for all users of all databases.

    Everything else stays as it is. Without wanted lines there is no block.
    """
    rest = _without_block(text)
    if wanted:
        place = next((number for number, line in enumerate(rest) if _matches_everybody(line)), len(rest))
        rest[place:place] = [BEGIN, *wanted, END]
    return "".join(f"{line}\n" for line in rest)


def _without_block(text: str) -> list[str]:
    rest = []
    inside = False
    for line in text.splitlines():
        if line == BEGIN:
            inside = True
        if not inside:
            rest.append(line)
        if line == END:
            inside = False
    if inside:
        raise Invalid(
            f"pg_hba.conf has the line {BEGIN!r} without {END!r}: where the managed lines end is unknown",
            f"put the line {END!r} after the last managed one",
        )
    return rest


def _matches_everybody(line: str) -> bool:
    words = line.split("#", 1)[0].split()
    return len(words) >= 3 and words[0] in TYPES and words[1:3] == ["all", "all"]


def _line(number: int, rule: Any, problems: list[Problem]) -> str:
    place = f"rules[{number}]"
    if isinstance(rule, str):
        words = rule.split()
        if len(words) < 4 or words[0] not in TYPES or "#" in rule or len(rule.splitlines()) > 1:
            remedy = "write TYPE DATABASE USER [ADDRESS] METHOD on one line, without a comment"
            problems.append(Problem("", place, rule, "isn't a line of pg_hba.conf", remedy))
        return rule.strip()
    if not isinstance(rule, Mapping):
        remedy = f"write the line itself, or its parts: {', '.join(KEYS)}"
        problems.append(Problem("", place, rule, "is neither a text nor a map", remedy))
        return ""

    def wrong(key: str, message: str, remedy: str) -> None:
        problems.append(Problem("", f"{place}:{key}", rule.get(key), message, remedy))

    for key in rule:
        if key not in KEYS:
            near = difflib.get_close_matches(str(key), KEYS, 1)
            wrong(
                key,
                "a rule has no such key",
                f"did you mean {near[0]}?" if near else f"one of {', '.join(KEYS)}",
            )
    kind = rule.get("type", "host")
    if kind not in TYPES:
        wrong("type", "there is no such type", f"one of {', '.join(TYPES)}")
    for key in ("database", "user"):
        if not _names(rule.get(key)):
            wrong(key, "has to be a name or a list of names without quotes and line breaks", "name it")
    address = rule.get("address")
    if (kind == "local") != (address is None):
        wrong(
            "address", "goes with every type but local", "give the network as ADDRESS/BITS, or leave it out"
        )
    elif address is not None and not _ADDRESS.fullmatch(str(address)):
        wrong("address", "isn't an address", "give it as ADDRESS/BITS, such as 10.0.50.11/32")
    method = str(rule.get("method", METHOD))
    if not _WORD.fullmatch(method):
        wrong("method", "isn't a method", "such as scram-sha-256, peer, cert or reject")
    options = rule.get("options") or {}
    if not isinstance(options, Mapping) or not all(_option(*pair) for pair in options.items()):
        wrong(
            "options",
            "isn't a map of words and values without quotes and line breaks",
            "such as {map: people}",
        )
        options = {}
    parts = [kind, _join(rule.get("database")), _join(rule.get("user")), address, method]
    parts += [f'{key}="{value}"' for key, value in options.items()]
    return " ".join(str(part) for part in parts if part is not None)


def _option(key: Any, value: Any) -> bool:
    return bool(_WORD.fullmatch(str(key))) and not re.search(r'["\r\n]', str(value))


def _names(value: Any) -> bool:
    names = value if isinstance(value, list) else [value]
    return bool(names) and all(
        isinstance(name, str) and name and not re.search(r'["\r\n]', name) for name in names
    )


def _join(value: Any) -> str:
    names = value if isinstance(value, list) else [value]
    return ",".join(str(name) if _PLAIN.fullmatch(str(name)) else f'"{name}"' for name in names)
