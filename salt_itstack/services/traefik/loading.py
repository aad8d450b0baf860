"""What of a document the running Traefik has loaded, by what its API shows. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from .document import names, spelled

NOT_LOADED = "isn't loaded"
_PART = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
#: What a field has that isn't set; such a field isn't shown.
_NOTHING = ("", "0", "false", "0s")


def unloaded(document: Mapping[str, Any], loaded: Mapping[str, Any]) -> dict[str, str]:
    """
    What isn't loaded as it stands in the document, or isn't enabled, by name: with Traefik's reason.

    loaded
        What ``/api/rawdata`` answers. It shows every field that is set, so its objects tell which version of
        a document is loaded.
    """
    lacking: dict[str, str] = {}
    for protocol, section, name, row in _rows(document, loaded):
        if row is None:
            lacking[name] = NOT_LOADED
        elif row.get("status") not in (None, "enabled"):
            lacking[name] = "; ".join(row.get("error") or [str(row.get("status"))])
        elif not _holds(document[protocol][section][name], row):
            lacking[name] = NOT_LOADED
    return lacking


def gone(before: Mapping[str, Any], document: Mapping[str, Any]) -> dict[str, Any]:
    """What a document had that its next version doesn't define any more, as a document."""
    there = names(document)
    return {
        protocol: {
            section: {
                name: content
                for name, content in objects.items()
                if name not in there.get((protocol, section), ())
            }
            for section, objects in sections.items()
            if isinstance(objects, Mapping)
        }
        for protocol, sections in before.items()
        if isinstance(sections, Mapping)
    }


def remaining(document: Mapping[str, Any], loaded: Mapping[str, Any]) -> list[str]:
    """The names of a document that are loaded still."""
    return sorted(name for _, _, name, row in _rows(document, loaded) if row is not None)


def lingers(before: Mapping[str, Any], document: Mapping[str, Any], loaded: Mapping[str, Any]) -> bool:
    """Whether something is loaded that only the document's last version said. It may be a default, too."""
    return any(
        row is not None
        and _lingers(before[protocol][section].get(name), document[protocol][section][name], row)
        for protocol, section, name, row in _rows(document, loaded)
        if isinstance((before.get(protocol) or {}).get(section), Mapping)
    )


def _lingers(before: Any, wanted: Any, found: Any) -> bool:
    if not isinstance(before, Mapping) or not isinstance(wanted, Mapping) or not isinstance(found, Mapping):
        return False
    return any(
        _lingers(value, wanted[key], found[key]) if key in wanted else _holds(value, found[key])
        for key, value in before.items()
        if key in found
    )


def _rows(
    document: Mapping[str, Any], loaded: Mapping[str, Any]
) -> Iterator[tuple[str, str, str, Mapping[str, Any] | None]]:
    for (protocol, section), objects in names(document).items():
        # Options, stores and transports aren't shown; what needs them says so.
        if protocol == "tls" or section == "serversTransports":
            continue
        there = loaded.get(section if protocol == "http" else protocol + section.capitalize()) or {}
        for name in objects:
            yield protocol, section, name, there.get(f"{name}@file")


def _holds(wanted: Any, found: Any) -> bool:
    """Whether a loaded object has what the document says; Traefik adds defaults and its provider's name."""
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(
            _holds(value, found[key]) if key in found else _is_nothing(value) for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        return (
            isinstance(found, list)
            and len(found) == len(wanted)
            and all(_holds(one, other) for one, other in zip(wanted, found))
        )
    spelling, other = spelled(wanted), spelled(found)
    # 60s, and a plain 60, are shown as 1m0s.
    return other in (spelling, f"{spelling}@file") or _seconds(spelling) == _seconds(other) is not None


def _is_nothing(value: Any) -> bool:
    return value == [] if isinstance(value, (list, Mapping)) else spelled(value) in _NOTHING


def _seconds(duration: str) -> float | None:
    if duration.isdigit():
        return float(duration)
    if not re.fullmatch(f"({_PART.pattern})+", duration):
        return None
    return round(sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(duration)), 9)
