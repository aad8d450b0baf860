"""Realms, realm roles and groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import Invalid, Missing, Problem
from ...reconcile import Changes, body, creation, diff, removal
from .resources import GROUP, REALM, REALM_ROLE, attributes, lists
from .view import View

Wanted = Mapping[str, Any]


def realm_wanted(fields: Wanted) -> dict[str, Any]:
    """Declared fields of a realm, checked, in the form that the server keeps them."""
    REALM.check(fields)
    wanted = dict(fields)
    wanted.setdefault("enabled", True)
    if "attributes" in wanted:
        wanted["attributes"] = attributes(wanted["attributes"])
    return wanted


def apply_realm(view: View, realm: str, fields: Wanted, test: bool = False) -> Changes:
    """Bring a realm to the declared shape; returns what changed or would change."""
    wanted = realm_wanted(fields)
    found = view.realm(realm)
    changes = diff(REALM, wanted, found)
    if not changes:
        return {}
    if test:
        if found is None:
            view.plan(realm, "realm")
        return changes
    if found is None:
        view.api.create_realm({"realm": realm, **body(REALM, wanted)})
    else:
        rest = body(REALM, wanted, changes)
        if "attributes" in rest:
            # Replaced as a whole when sent.
            rest["attributes"] = {**(found.get("attributes") or {}), **rest["attributes"]}
        view.api.update_realm(realm, rest)
    view.changed(realm, "realm", "clients", "scopes", "components", "roles", "groups")
    return changes


def remove_realm(view: View, realm: str, test: bool = False) -> Changes:
    """Delete a realm with all that is in it; nothing if it isn't there."""
    if view.realm(realm) is None:
        return {}
    if not test:
        view.api.delete_realm(realm)
        view.changed(realm, "realm", "clients", "scopes", "components", "roles", "groups")
    return removal(realm)


def role_wanted(fields: Wanted) -> dict[str, Any]:
    """Declared fields of a realm role, checked."""
    REALM_ROLE.check(fields)
    return _with_lists(fields)


def apply_role(view: View, realm: str, name: str, fields: Wanted, test: bool = False) -> Changes:
    """Bring a realm role to the declared shape; returns what changed or would change."""
    wanted = role_wanted(fields)
    found = view.roles(realm).get(name)
    changes = diff(REALM_ROLE, wanted, found)
    if not changes or test:
        return changes
    if found is None:
        view.api.create_role(realm, {"name": name, **body(REALM_ROLE, wanted)})
        # keycloak: attributes are ignored when a role is created.
        found = view.api.role(realm, name) if "attributes" in wanted else None
    if found is not None:
        view.api.update_role(realm, name, _replacing(found, body(REALM_ROLE, wanted)))
    view.changed(realm, "roles")
    return changes


def remove_role(view: View, realm: str, name: str, test: bool = False) -> Changes:
    """Delete a realm role; nothing if it isn't there."""
    if name not in view.roles(realm):
        return {}
    if not test:
        view.api.delete_role(realm, name)
        view.changed(realm, "roles")
    return removal(name)


def group_path(path: str) -> str:
    """
    A group's path with one slash in front and none behind.

    Raises :class:`Invalid` for an empty name in it. Names that hold a slash can't be managed: the server
    doesn't escape them in paths.
    """
    parts = path.strip("/").split("/")
    if not all(part.strip() for part in parts):
        raise Invalid(Problem("", "name", path, "isn't the path of a group", "write it like /staff/admins"))
    return "/" + "/".join(parts)


def group_wanted(fields: Wanted) -> dict[str, Any]:
    """Declared fields of a group, checked."""
    GROUP.check(fields)
    return _with_lists(fields)


def apply_group(view: View, realm: str, path: str, fields: Wanted, test: bool = False) -> Changes:
    """Bring a group, by its path, to the declared shape; returns what changed or would change."""
    path = group_path(path)
    wanted = group_wanted(fields)
    found = view.group(realm, path)
    changes = diff(GROUP, wanted, found)
    if not changes or test:
        return changes
    if found is None:
        parent, _, name = path.rpartition("/")
        above = view.group(realm, parent) if parent else None
        if parent and above is None:
            raise Missing(
                f"the group {path} can't be made, because {parent} isn't there in the realm {realm}",
                view.api.service,
                f"declare {parent} with itstack_keycloak.group_present and require that",
            )
        view.api.create_group(realm, {"name": name, **body(GROUP, wanted)}, above["id"] if above else "")
    else:
        view.api.update_group(
            realm, found["id"], {"name": found["name"], **_replacing(found, body(GROUP, wanted))}
        )
    view.changed(realm, "groups")
    return changes


def remove_group(view: View, realm: str, path: str, test: bool = False) -> Changes:
    """Delete a group and those below it; nothing if it isn't there."""
    path = group_path(path)
    found = view.group(realm, path)
    if found is None:
        return {}
    if not test:
        view.api.delete_group(realm, found["id"])
        view.changed(realm, "groups")
    return removal(path)


def predicted(kind: str, fields: Wanted) -> Changes:
    """What creating a ``realm``, ``role`` or ``group`` on a server that isn't there yet would change."""
    resource, wanted = {
        "realm": (REALM, realm_wanted),
        "role": (REALM_ROLE, role_wanted),
        "group": (GROUP, group_wanted),
    }[kind]
    return creation(resource, wanted(fields))


def _with_lists(fields: Wanted) -> dict[str, Any]:
    wanted = dict(fields)
    if "attributes" in wanted:
        wanted["attributes"] = lists(wanted["attributes"])
    return wanted


def _replacing(found: Wanted, sent: dict[str, Any]) -> dict[str, Any]:
    # PUT replaces the map of attributes, so those that others made go along.
    result = {key: found[key] for key in ("name", "description", "attributes") if found.get(key) is not None}
    merged = {**(found.get("attributes") or {}), **(sent.get("attributes") or {})}
    return {**result, **sent, "attributes": {key: item for key, item in merged.items() if item}}
