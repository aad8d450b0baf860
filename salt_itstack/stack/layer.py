"""What is wrong in one map file by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import Problem
from .schema import STACK, check, dotted, nearest, shown

FIXED = ("number", "kind", "source", "target")

Document = dict[str, Any]
Path = tuple[Any, ...]


def check_layer(layer: Mapping[str, Any], file: str, base: Document, problems: list[Problem]) -> Document:
    """What is right in one file; what is wrong in it by itself is added to the problems."""
    good = check(STACK, layer, (), file, problems)
    for section in ("services", "integrations"):
        for key, entry in good.get(section, {}).items():
            known = base[section].get(key)
            if known is not None and "settings" in entry:
                path = (section, key, "settings")
                entry["settings"] = _settings(
                    entry["settings"], known.get("settings", {}), path, file, problems
                )
    for key, entry in good.get("integrations", {}).items():
        known = base["integrations"].get(key, {})
        for name in FIXED:
            if name in known and entry.get(name, known[name]) != known[name]:
                message = f"the {name} of a built-in integration is {known[name]} and can't be changed"
                remedy = f"switch it off (enabled: false) and add one under another id than {key}"
                problems.append(Problem(file, f"integrations.{key}.{name}", entry.pop(name), message, remedy))
    return good


def _settings(
    found: Mapping[str, Any], defaults: Mapping[str, Any], path: Path, file: str, problems: list[Problem]
) -> Document:
    """The settings that the defaults know, of the type that they have there."""
    kept: Document = {}
    for key, value in found.items():
        here = (*path, key)
        if key not in defaults:
            problems.append(Problem(file, dotted(here), None, "unknown setting", nearest(key, defaults)))
            continue
        usual = defaults[key]
        if isinstance(usual, Mapping) and isinstance(value, Mapping) and usual:
            kept[key] = _settings(value, usual, here, file, problems)
            continue
        expected = _expected(usual, value)
        if expected:
            remedy = "put it in quotes" if expected == "a text" else f"the default is {usual!r}"
            problems.append(Problem(file, dotted(here), shown(value, here), f"expected {expected}", remedy))
            continue
        kept[key] = value
    return kept


def _expected(usual: Any, value: Any) -> str:
    """What should stand there in words, or nothing when the value is of the type of the default."""
    if usual is None:
        return ""
    if isinstance(usual, bool):
        return "" if isinstance(value, bool) else "true or false"
    if isinstance(usual, int):
        return "" if isinstance(value, int) and not isinstance(value, bool) else "a whole number"
    if isinstance(usual, str):
        return "" if isinstance(value, str) else "a text"
    if isinstance(usual, (list, tuple)):
        return "" if isinstance(value, (list, tuple)) else "a list"
    return "" if isinstance(value, Mapping) else "a mapping"
