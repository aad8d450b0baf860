"""The kinds as data, and what a user declares of one, checked. Pure."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from ..errors import Invalid, Problem, nearest
from ..loader import data_file
from ..reconcile import HIDDEN, MADE_BY_SERVER, Changes, Field, Resource, creation, same, unordered

FILE = data_file("links/kinds.yaml")
ENDS = {"source": "target", "target": "source"}
#: What becomes of a value at the other end: it's written to a file, or handed to the master.
SINKS = {
    "file": "path of a file for the value",
    "user": "its owner",
    "group": "its group",
    "mode": "its mode",
    "store": "id of the secret that the master hands on",
}
#: What each end may have beside the kind's own arguments.
COMMON = {"profile": "how to get in", "site": "public address, if it isn't what the server says"}
_TYPES = {"boolean": bool, "list": list, "text": str}
_PLACE = re.compile(r"\{(\w+)\}")


@functools.cache
def _document() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return found


def kinds(state: str | None = None) -> dict[str, dict[str, Any]]:
    """All kinds, or those that one of the two states takes, by name."""
    return {name: kind for name, kind in _document()["kinds"].items() if state in (None, kind["state"])}


def products() -> dict[str, dict[str, Any]]:
    """How to get into each product."""
    return dict(_document()["products"])


def filled(template: Any, places: Mapping[str, Any]) -> Any:
    """A template with its names in braces filled in; one that is only a name keeps the value's type."""
    if isinstance(template, Mapping):
        return {key: filled(item, places) for key, item in template.items()}
    if isinstance(template, list):
        return [filled(item, places) for item in template]
    if not isinstance(template, str):
        return template
    alone = _PLACE.fullmatch(template)
    if alone:
        return places[alone[1]]
    return _PLACE.sub(lambda found: str(places[found[1]]), template)


def named(template: Any) -> set[str]:
    """The names that a template has in braces."""
    if isinstance(template, Mapping):
        return set().union(*(named(item) for item in template.values()))
    if isinstance(template, list):
        return set().union(*(named(item) for item in template))
    return set(_PLACE.findall(template)) if isinstance(template, str) else set()


@dataclass(frozen=True)
class Plan:
    """
    What was declared of one webhook or link.

    ``here`` are the arguments of the end where the object is made, ``there`` those of the other, ``wanted``
    the declared fields with the kind's defaults.
    """

    name: str
    kind: str
    spec: Mapping[str, Any]
    here: Mapping[str, Any]
    there: Mapping[str, Any]
    wanted: Mapping[str, Any]
    secret: Any = None

    @property
    def marker(self) -> str:
        """What says on the server whose the object is."""
        return f"{self.name} (salt-itstack)"

    @property
    def resource(self) -> Resource:
        """What is managed of the object."""
        return resource(self.spec)

    @property
    def places(self) -> dict[str, Any]:
        """What templates are filled in with before the server is asked."""
        return {**self.there, **self.here, "name": self.name, "marker": self.marker}

    @property
    def value_name(self) -> str:
        """What the other end gets is called so in reports; empty where it gets nothing that a server made."""
        made = self.spec.get("value") or self.spec.get("credential") or {}
        return str(made.get("name", ""))

    @property
    def joined(self) -> list[str]:
        """What the object is to be a member of, as people call it."""
        found: list[str] = []
        for join in self.spec.get("joins", ()):
            each = join.get("each")
            found += [str(one) for one in self.here.get(each) or ()] if each else [str(self.here["team"])]
        return found

    def creation(self) -> Changes:
        """What making it anew changes, apart from the other end."""
        changes = creation(self.resource, self.wanted)
        if self.spec.get("secret"):
            changes["secret"] = {"old": None, "new": HIDDEN}
        if self.joined:
            changes["member of"] = {"old": [], "new": self.joined}
        if self.value_name:
            changes[self.value_name] = {"old": None, "new": MADE_BY_SERVER}
        return changes


def resource(spec: Mapping[str, Any]) -> Resource:
    """The fields of a kind, as they are compared."""
    fields = {
        name: Field(about["path"], unordered if about.get("type") == "list" else same)
        for name, about in spec["fields"].items()
    }
    return Resource(spec["object"], "", fields)


def plan(
    state: str,
    name: str,
    kind: Any,
    source: Any,
    target: Any,
    secret: Any = None,
    fields: Mapping[str, Any] | None = None,
) -> Plan:
    """
    What a state declares, checked against its kind. Raises :class:`Invalid` with all that is wrong.

    state
        ``webhook`` or ``link``.
    """
    known = kinds(state)
    if kind not in known:
        raise Invalid(Problem("", "kind", kind, f"no kind of {state}", nearest(kind, known)))
    spec = known[kind]
    problems: list[Problem] = []
    ends = {"source": source, "target": target}
    for end, given in ends.items():
        if not isinstance(given, Mapping):
            problems.append(Problem("", end, None, "isn't a mapping", f"write {end}: {{…}}"))
            ends[end] = {}
    here, there = dict(ends[spec["end"]]), dict(ends[ENDS[spec["end"]]])
    _check_end(
        spec["end"], here, {**spec.get("arguments", {}), **COMMON}, spec.get("arguments", {}), problems
    )
    other = spec.get("other", {})
    takes = SINKS if spec.get("value") or spec.get("credential") else {}
    _check_end(ENDS[spec["end"]], there, {**other, **takes}, other, problems)
    if takes and bool(there.get("file")) == bool(there.get("store")):
        key = ENDS[spec["end"]]
        remedy = "give file: PATH, or store: ID of the secret in the map"
        problems.append(Problem("", key, None, "what the server makes has to go to one place there", remedy))
    if bool(spec.get("secret")) != (secret is not None):
        said = "this kind needs one" if spec.get("secret") else "the server chooses it"
        remedy = "give a reference such as secret://…" if spec.get("secret") else "leave it out"
        problems.append(Problem("", "secret", None, said, remedy))
    wanted = _wanted(
        spec, fields or {}, {**there, **here, "name": name, "marker": f"{name} (salt-itstack)"}, problems
    )
    if problems:
        raise Invalid(problems)
    return Plan(name, kind, spec, here, there, wanted, secret)


def _check_end(
    end: str,
    given: Mapping[str, Any],
    known: Mapping[str, Any],
    needed: Mapping[str, Any],
    problems: list[Problem],
) -> None:
    for key in given:
        if key not in known:
            problems.append(
                Problem("", f"{end}:{key}", None, "no such argument of this kind", nearest(key, known))
            )
    for key, what in needed.items():
        wants = list if str(what).startswith("list of") else str
        if key not in given:
            problems.append(Problem("", f"{end}:{key}", None, "is missing", f"give the {what}"))
        elif not isinstance(given[key], wants) or (wants is str and not given[key].strip()):
            problems.append(
                Problem("", f"{end}:{key}", given[key], f"isn't a {wants.__name__}", f"give the {what}")
            )


def _wanted(
    spec: Mapping[str, Any], given: Mapping[str, Any], places: Mapping[str, Any], problems: list[Problem]
) -> dict[str, Any]:
    wanted: dict[str, Any] = {}
    for key in given:
        if key not in spec["fields"]:
            problems.append(
                Problem("", key, None, f"a {spec['object']} has no such field", nearest(key, spec["fields"]))
            )
    for key, about in spec["fields"].items():
        value = given.get(key)
        if value is None:
            if "default" in about and named(about["default"]) <= set(places):
                wanted[key] = filled(about["default"], places)
            continue
        wants = _TYPES[about.get("type", "text")]
        if not isinstance(value, wants):
            problems.append(
                Problem(
                    "", key, value, f"isn't a {about.get('type', 'text')}", "write it so, or leave it out"
                )
            )
            continue
        wanted[key] = value
    return wanted
