"""A realm's user profile: which attributes people have, who may see and change them, and what is valid."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import Invalid, Problem, nearest
from ...reconcile import Changes, Resource, body, diff, removal
from .api import Row
from .resources_login import PROFILE_ATTRIBUTE, PROFILE_GROUP
from .view import View

Wanted = Mapping[str, Any]

#: The server refuses a profile without them.
BUILT_IN = ("username", "email")
#: What the server calls a policy by; none is its word for the first.
POLICIES = ("DISABLED", "ENABLED", "ADMIN_VIEW", "ADMIN_EDIT")
_LISTS = {"permissions": ("view", "edit"), "required": ("roles", "scopes"), "selector": ("scopes",)}


def profile_wanted(
    attributes: Wanted | None, groups: Wanted | None, policy: str | None, exclusive: bool
) -> dict[str, Any]:
    """What was declared, checked: ``attributes`` and ``groups`` by name, ``policy``, ``exclusive``."""
    problems: list[Problem | str] = []
    if policy is not None and policy not in POLICIES:
        problems.append(
            Problem("", "unmanaged_attribute_policy", policy, "no such policy", nearest(policy, POLICIES))
        )
    wanted: dict[str, Any] = {
        "attributes": _definitions(PROFILE_ATTRIBUTE, "attributes", attributes, problems),
        "groups": _definitions(PROFILE_GROUP, "groups", groups, problems),
        "policy": policy,
        "exclusive": exclusive,
    }
    if problems:
        raise Invalid(problems)
    if exclusive and attributes is None and groups is None:
        raise Invalid(Problem("", "exclusive", True, "nothing is declared that could be all there is"))
    wanted["of"] = [
        kind for kind, given in (("attributes", attributes), ("groups", groups)) if given is not None
    ]
    return wanted


def profile_changes(wanted: Wanted, found: Wanted) -> Changes:
    """What has to change: an entry ``attribute NAME`` or ``group NAME`` for each that differs."""
    changes: Changes = {}
    # Groups first, as the attributes name them.
    for kind, resource, word in (
        ("groups", PROFILE_GROUP, "group"),
        ("attributes", PROFILE_ATTRIBUTE, "attribute"),
    ):
        old = {row["name"]: row for row in found.get(kind) or []}
        for name, definition in wanted[kind].items():
            differences = diff(resource, definition, old.get(name))
            if differences:
                changes[f"{word} {name}"] = {
                    "old": {key: one["old"] for key, one in differences.items()} if name in old else None,
                    "new": {key: one["new"] for key, one in differences.items()},
                }
        if wanted["exclusive"] and kind in wanted["of"]:
            for name in sorted(set(old) - set(wanted[kind]) - set(BUILT_IN)):
                changes[f"{word} {name}"] = {"old": "present", "new": None}
    policy = found.get("unmanagedAttributePolicy") or POLICIES[0]
    if wanted["policy"] and policy != wanted["policy"]:
        changes["unmanaged_attribute_policy"] = {"old": policy, "new": wanted["policy"]}
    return changes


def apply_profile(view: View, realm: str, wanted: Wanted, test: bool = False) -> Changes:
    """Bring a realm's user profile to the declared shape; returns what changed or would change."""
    found = found_profile(view, realm)
    changes = profile_changes(wanted, found)
    if not changes:
        return {}
    _check_names(view, realm, wanted, found)
    if test:
        return changes
    sent = {**found}
    for kind, resource, word in (
        ("groups", PROFILE_GROUP, "group"),
        ("attributes", PROFILE_ATTRIBUTE, "attribute"),
    ):
        sent[kind] = _merged(resource, wanted[kind], found.get(kind) or [], changes, word)
    if "unmanaged_attribute_policy" in changes:
        # keycloak: the policy DISABLED is the one that isn't there.
        sent["unmanagedAttributePolicy"] = None if wanted["policy"] == POLICIES[0] else wanted["policy"]
    view.api.update_user_profile(realm, sent)
    view.changed(realm, "profile")
    return changes


def remove_attribute(view: View, realm: str, name: str, test: bool = False) -> Changes:
    """Take an attribute out of a realm's user profile; nothing if it isn't there."""
    if name in BUILT_IN:
        raise Invalid(Problem("", "name", name, "is an attribute that every realm has", "leave it there"))
    found = found_profile(view, realm)
    rest = [row for row in found.get("attributes") or [] if row["name"] != name]
    if len(rest) == len(found.get("attributes") or []):
        return {}
    if not test:
        view.api.update_user_profile(realm, {**found, "attributes": rest})
        view.changed(realm, "profile")
    return removal(name)


def found_profile(view: View, realm: str) -> Row:
    """A realm's user profile as the server has it."""
    return view.listed(realm, "profile", lambda: view.api.user_profile(realm), {})


def _definitions(
    resource: Resource, place: str, given: Any, problems: list[Problem | str]
) -> dict[str, dict[str, Any]]:
    if not isinstance(given or {}, Mapping):
        problems.append(Problem("", place, given, "must be a map from names to definitions"))
        return {}
    result = {}
    for name, definition in (given or {}).items():
        if not isinstance(definition or {}, Mapping):
            problems.append(Problem("", f"{place}:{name}", definition, "must be a map"))
            continue
        own = dict(definition or {})
        unknown = [key for key in own if key not in resource.fields]
        problems += [
            Problem("", f"{place}:{name}:{key}", None, f"a {resource.kind} has no such field",
                    nearest(key, resource.fields))
            for key in unknown
        ]  # fmt: skip
        problems += _flaws(f"{place}:{name}", own)
        if isinstance(own.get("required"), bool):
            own["required"] = {} if own["required"] else None
        if isinstance(own.get("validations"), Mapping):
            own["validations"] = {key: value or {} for key, value in own["validations"].items()}
        if not unknown:
            # A definition is declared as a whole.
            result[str(name)] = {key: own.get(key) for key in resource.fields}
    return result


def _flaws(place: str, definition: Wanted) -> list[Problem | str]:
    problems: list[Problem | str] = []
    for field, parts in _LISTS.items():
        value = definition.get(field)
        if value is None or (field == "required" and isinstance(value, bool)):
            continue
        if not isinstance(value, Mapping):
            problems.append(Problem("", f"{place}:{field}", value, f"must be a map of {', '.join(parts)}"))
            continue
        problems += [
            Problem("", f"{place}:{field}:{key}", None, "unknown", nearest(key, parts))
            for key in value
            if key not in parts
        ]
        problems += [
            Problem("", f"{place}:{field}:{key}", names, "must be a list of names")
            for key, names in value.items()
            if not isinstance(names, (list, tuple))
        ]
    problems += [
        Problem("", f"{place}:{field}", definition[field], "must be a map")
        for field in ("validations", "annotations")
        if definition.get(field) is not None and not isinstance(definition[field], Mapping)
    ]
    if not isinstance(definition.get("multivalued", False), bool):
        problems.append(
            Problem("", f"{place}:multivalued", definition["multivalued"], "is neither true nor false")
        )
    return problems


def _check_names(view: View, realm: str, wanted: Wanted, found: Wanted) -> None:
    """Refuse groups and validations that aren't there, with the nearest ones that are."""
    groups = {*wanted["groups"]}
    if not (wanted["exclusive"] and "groups" in wanted["of"]):
        groups |= {row["name"] for row in found.get("groups") or []}
    if view.planned_realm(realm):
        groups.add("user-metadata")
    known = (view.server_info().get("providers") or {}).get("validator", {}).get("providers") or {}
    problems: list[Problem | str] = []
    for name, definition in wanted["attributes"].items():
        if definition.get("group") and definition["group"] not in groups:
            problems.append(
                Problem("", f"attributes:{name}:group", definition["group"], "the profile has no such group",
                        nearest(definition["group"], groups) if groups else "declare it below groups")
            )  # fmt: skip
        problems += [
            Problem("", f"attributes:{name}:validations:{key}", None, "the server has no such validation",
                    nearest(key, known))
            for key in definition.get("validations") or {}
            if known and key not in known
        ]  # fmt: skip
    if problems:
        raise Invalid(problems)


def _merged(resource: Resource, wanted: Wanted, rows: list[Row], changes: Changes, word: str) -> list[Row]:
    # The order of the list is the order that people see.
    made = {
        name: {
            "name": name,
            **body(resource, {key: value for key, value in definition.items() if value is not None}),
        }
        for name, definition in wanted.items()
        if f"{word} {name}" in changes
    }
    kept = [
        made.pop(row["name"], row)
        for row in rows
        if changes.get(f"{word} {row['name']}", {"new": True})["new"] is not None
    ]
    return [*kept, *made.values()]
