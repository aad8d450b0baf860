"""From what people declare, one object or a whole set, to items that can be written; or all that is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ...errors import Invalid, Problem, Rejected
from .api import SERVICE
from .guarding import Guard
from .kinds import Kind, cycle
from .resources import KINDS
from .workspace import Workspace
from .writing import Item, removing

#: How many objects an exclusive set removes at most, where nobody says another number.
LIMIT = 10
_BY_COMMAND = {kind.command: kind for kind in KINDS.values()}
#: Members that FreeIPA stores as somebody else's where it doesn't know them.
_KEPT_AS_EXTERNAL = ("user", "group", "host", "hostgroup")

Opening = Callable[[Kind, str, dict[str, Any], "dict[str, Any] | None"], list[str]]


def items(
    workspace: Workspace,
    guard: Guard,
    kind: Kind,
    declared: Mapping[str, Any],
    opening: Opening,
    shared_numbers: bool = True,
) -> list[Item]:
    """
    One planned item for each declared object.

    declared
        By name the fields, and ``exclusive`` where members that aren't declared are to go.
    opening
        Opens the secrets among the fields, and says which of them have to be written again.
    shared_numbers
        Whether several people may have the same telephone number.

    Raises :class:`Invalid` with all that is wrong, before anything is sent that writes.
    """
    made, problems = _prepared(kind, declared)
    if kind.name == "user" and not shared_numbers:
        problems += _numbers_of_several(declared)
    if problems and not made:
        raise Invalid(problems)
    fields = {key for item in made for key in item.wanted}
    for category, members in kind.categories.items():
        if category in fields:
            fields.update(members)
    entries = workspace.entries(kind, fields)
    for item in made:
        item.found = entries.get(kind.identity(item.name))
        if item.found is not None and kind.key(item.found):
            item.name = kind.key(item.found)
        problems += kind.problems(item.name, item.wanted, item.found, item.exclusive)
        problems += guard.problems(item)
    problems += _circles(kind, made, entries)
    if kind.external and not problems:
        problems += _unknown_names(workspace, kind, made)
    if problems:
        raise Invalid(problems)
    for item in made:
        item.rewrite = opening(kind, item.name, item.wanted, item.found)
        item.plan()
    return made


def others(workspace: Workspace, guard: Guard, kind: Kind, declared: Iterable[str], limit: int) -> list[Item]:
    """
    An item for the removal of each object that isn't declared, and may go.

    limit
        How many at most. Raises :class:`Rejected` where there are more.
    """
    kept = {kind.identity(name) for name in declared}
    entries = workspace.entries(kind, ())
    candidates = [name for name in entries if name not in kept]
    going = [name for name in candidates if not guard.against(kind, name, entries[name])]
    if len(going) > limit:
        shown = ", ".join(sorted(going)[:5])
        raise Rejected(
            f"{len(going)} {kind.plural} aren't declared and would be removed ({shown}, …), and at most "
            f"{limit} may be",
            SERVICE,
            "declare those that are to stay, or raise `limit`",
        )
    return [removing(kind, kind.key(entries[name])) for name in sorted(going)]


def _prepared(kind: Kind, declared: Mapping[str, Any]) -> tuple[list[Item], list[Problem | str]]:
    made: list[Item] = []
    problems: list[Problem | str] = []
    names: dict[str, str] = {}
    for given, fields in declared.items():
        name = str(given)
        identity = kind.identity(name)
        if identity in names:
            problems.append(
                Problem("", name, None, f"this is the same {kind.resource.kind} as {names[identity]}",
                        "take one out")
            )  # fmt: skip
            continue
        names[identity] = name
        if fields is not None and not isinstance(fields, Mapping):
            problems.append(Problem("", name, fields, "this isn't a mapping", "write its fields below it"))
            continue
        values = {key: value for key, value in (fields or {}).items() if value is not None}
        exclusive = values.pop("exclusive", False)
        try:
            wanted = kind.prepared(name, values)
        except Invalid as error:
            problems += error.problems
            continue
        # Names that FreeIPA changes are known by their changed form; those of rules stay as they are written.
        made.append(
            Item(
                kind,
                identity if kind.identity is not str.casefold else name,
                wanted,
                exclusive=bool(exclusive),
            )
        )
    return made, problems


def _numbers_of_several(declared: Mapping[str, Any]) -> list[Problem]:
    owners: dict[str, list[str]] = {}
    for name, fields in declared.items():
        given = fields.get("telephone_numbers") if isinstance(fields, Mapping) else None
        numbers = given if isinstance(given, (list, tuple)) else [given] if given else []
        for number in dict.fromkeys(map(str, numbers)):
            owners.setdefault(number, []).append(str(name))
    return [
        Problem(
            "", f"{names[1]}:telephone_numbers", number, f"{names[0]} is declared with it too",
            "give each person a number of their own, or say `shared_numbers: true`",
        )
        for number, names in owners.items()
        if len(names) > 1
    ]  # fmt: skip


def _circles(kind: Kind, made: list[Item], entries: Mapping[str, Mapping[str, Any]]) -> list[Problem]:
    if not kind.nested:
        return []
    spec = kind.resource.fields[kind.nested]
    inside = {name: list(spec.read(entry) or ()) for name, entry in entries.items()}
    for item in made:
        declared = item.wanted.get(kind.nested)
        if declared is not None:
            before = [] if item.exclusive else inside.get(kind.identity(item.name), [])
            inside[kind.identity(item.name)] = [*before, *declared]
    told = []
    for item in made:
        way = cycle(inside, item.name, item.wanted.get(kind.nested) or ())
        if way:
            told.append(
                Problem(
                    "", f"{item.name}:{kind.nested}", None,
                    f"a {kind.resource.kind} would be its own member ({' > '.join(way)})",
                    "take one of these out of the next",
                )
            )  # fmt: skip
    return told


def _unknown_names(workspace: Workspace, kind: Kind, made: list[Item]) -> list[Problem]:
    """FreeIPA takes any name it doesn't know into a sudo rule, as somebody else's, without a word."""
    asked: dict[str, list[tuple[Item, str, str]]] = {}
    for item in made:
        for field, link in kind.members.items():
            if link.option not in _KEPT_AS_EXTERNAL:
                continue
            spec = kind.resource.fields[field]
            present = set(spec.compare(spec.read(item.found or {})) or ())
            for name in item.wanted.get(field) or ():
                if not present.intersection(spec.compare([name]) or ()):
                    asked.setdefault(link.option, []).append((item, field, name))
    told = []
    for option, uses in asked.items():
        lacking = set(workspace.lacking(_BY_COMMAND[option], dict.fromkeys(name for _, _, name in uses)))
        for item, field, name in uses:
            if field in kind.external and name not in lacking:
                told.append(
                    Problem(
                        "", f"{item.name}:{field}", name, f"FreeIPA has this {option} itself",
                        f"declare it under {kind.external[field]}",
                    )
                )  # fmt: skip
            elif field not in kind.external and name in lacking:
                outside = next((ours for ours, inner in kind.external.items() if inner == field), "")
                told.append(
                    Problem(
                        "", f"{item.name}:{field}", name,
                        f"there is no such {option}, and FreeIPA would take it for somebody else's",
                        f"correct it, or declare it under {outside}" if outside else "correct it",
                    )
                )  # fmt: skip
    return told
