"""Groups, by their paths, with the roles that they give."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ...errors import Invalid, Missing, Problem
from ...reconcile import Changes, body, creation, diff
from . import administrators, grants
from .plans import Plan, carry_out, looked_at_again, removal_plan
from .resources import GROUP, lists
from .roles import replacing
from .view import View

Wanted = Mapping[str, Any]
_GRANTS = ("realm_roles", "client_roles")


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
    wanted = dict(fields)
    if "attributes" in wanted:
        wanted["attributes"] = lists(wanted["attributes"])
    return wanted


def predicted_group(fields: Wanted) -> Changes:
    """What creating a group on a server that isn't there yet would change."""
    return creation(GROUP, group_wanted(fields))


def group_plan(
    view: View, realm: str, path: str, fields: Wanted, made: dict[str, str] | None = None,
    declared: Collection[str] = (),
) -> Plan:  # fmt: skip
    """
    What a group lacks.

    fields
        Those of :data:`~.resources.GROUP`, and ``exclusive``: whether it gives no other roles.
    made, declared
        Of a set of groups: the ids of those that it has made, and the paths of all that it holds.
    """
    path = group_path(path)
    wanted = dict(fields)
    exclusive = wanted.pop("exclusive", False)
    wanted = grants.checked(view, realm, group_wanted(wanted), *_GRANTS)
    found = view.group(realm, path)
    plan = Plan(path)
    if found is None:
        parent = path.rpartition("/")[0]
        above = view.group(realm, parent) if parent else None
        if parent and above is None and parent not in declared and not view.planned(realm, "group", parent):
            raise Missing(
                f"the group {path} can't be made, because {parent} isn't there in the realm {realm}",
                view.api.service,
                f"declare {parent} with itstack_keycloak.group_present and require that",
            )
        identifiers = {} if made is None else made
        if above is not None:
            identifiers[parent] = above["id"]
        plan.add(diff(GROUP, wanted, None), lambda: _create(view, realm, path, wanted, identifiers))
        view.plan(realm, "group", path)
        return plan
    if not exclusive:
        wanted = grants.united(wanted, found, *_GRANTS)
    changes = diff(GROUP, wanted, found)
    row = found
    plan.add(
        {key: value for key, value in changes.items() if key not in _GRANTS},
        lambda: view.api.update_group(
            realm, row["id"], {"name": row["name"], **replacing(row, _own(wanted))}
        ),
    )
    plan.add(
        {key: value for key, value in changes.items() if key in _GRANTS},
        lambda: _give(view, realm, row["id"], row, wanted),
    )
    return plan


@looked_at_again
def apply_group(view: View, realm: str, path: str, fields: Wanted, test: bool = False) -> Changes:
    """Bring a group, by its path, to the declared shape; returns what changed or would change."""
    return carry_out(view, realm, group_plan(view, realm, path, fields), test, "groups")


def remove_group_plan(view: View, realm: str, path: str) -> Plan:
    """
    What removing a group and those below it takes; nothing if it isn't there.

    Raises :class:`Invalid` where the realm's last administrators are so by it.
    """
    path = group_path(path)
    found = view.group(realm, path)
    if found is None:
        return Plan(path)
    administrators.keep_one(
        view,
        realm,
        lambda kind, row: kind == "groups" and (row["path"] == path or row["path"].startswith(f"{path}/")),
        path,
    )
    return removal_plan(path, lambda: view.api.delete_group(realm, found["id"]))


def remove_group(view: View, realm: str, path: str, test: bool = False) -> Changes:
    """Delete a group and those below it; nothing if it isn't there."""
    return carry_out(view, realm, remove_group_plan(view, realm, path), test, "groups")


def federated_paths(view: View, realm: str) -> list[str]:
    """The paths below which a directory's groups come."""
    found = []
    for row in view.components(realm):
        if row.get("providerId") == "group-ldap-mapper":
            found.append(((row.get("config") or {}).get("groups.path") or ["/"])[0])
    return found


def _create(view: View, realm: str, path: str, wanted: Wanted, made: dict[str, str]) -> None:
    parent, _, name = path.rpartition("/")
    if parent and parent not in made:
        raise Missing(f"the group {path} isn't made, because {parent} couldn't be", view.api.service)
    identifier = view.api.create_group(realm, {"name": name, **_own(wanted)}, made.get(parent, ""))
    made[path] = identifier
    _give(view, realm, identifier, {}, wanted)


def _give(view: View, realm: str, identifier: str, found: Wanted, wanted: Wanted) -> None:
    new = {GROUP.fields[field].keys[0]: wanted[field] for field in _GRANTS if field in wanted}
    owner = ("groups", identifier)
    grants.write(
        view, realm, found, new,
        lambda roles, client: view.api.give_roles(realm, owner, roles, client),
        lambda roles, client: view.api.take_roles(realm, owner, roles, client),
    )  # fmt: skip


def _own(wanted: Wanted) -> dict[str, Any]:
    return body(GROUP, wanted, [name for name in wanted if name not in _GRANTS])
