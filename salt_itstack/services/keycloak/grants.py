"""Roles that are given: to service accounts, to groups, and to other roles as composites."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ...errors import Invalid, Problem, nearest
from .api import Row
from .view import View

#: Adds or takes role objects; with the id of the client that they belong to, or an empty text.
Write = Callable[[list[Row], str], None]


def united(
    wanted: Mapping[str, Any], found: Mapping[str, Any], realm_roles: str, client_roles: str
) -> dict[str, Any]:
    """
    Declared roles together with those that are there, which others may have given.

    realm_roles, client_roles
        The names of the two fields.
    """
    result = dict(wanted)
    if realm_roles in wanted:
        result[realm_roles] = sorted({*wanted[realm_roles], *(found.get("realmRoles") or ())})
    if client_roles in wanted:
        has = found.get("clientRoles") or {}
        result[client_roles] = {
            client: sorted({*(wanted[client_roles].get(client) or ()), *(has.get(client) or ())})
            for client in {*wanted[client_roles], *has}
        }
    return result


def checked(
    view: View, realm: str, wanted: Mapping[str, Any], realm_roles: str, client_roles: str
) -> dict[str, Any]:
    """
    Declared roles in the form that they're compared in.

    Raises :class:`Invalid` for a shape that isn't one, and for roles and clients that the realm doesn't have.
    """
    result = dict(wanted)
    problems: list[Problem | str] = []
    if realm_roles in wanted:
        names = _names(wanted[realm_roles], realm_roles, problems)
        result[realm_roles] = names
        unknown = [] if view.planned_realm(realm) else _unknown(view, realm, names, view.roles(realm), "")
        problems += [
            Problem("", realm_roles, name, f"the realm {realm} has no such role",
                    nearest(name, view.roles(realm)))
            for name in unknown
        ]  # fmt: skip
    if client_roles in wanted:
        given = wanted[client_roles]
        if not isinstance(given, Mapping):
            problems.append(
                Problem(
                    "", client_roles, given, "isn't a map", "write the client, and its roles as a list below"
                )
            )
            given = {}
        result[client_roles] = {
            str(client): _names(names, f"{client_roles}:{client}", problems)
            for client, names in given.items()
        }
        for client, names in result[client_roles].items():
            problems += _client_problems(view, realm, f"{client_roles}:{client}", client, names)
    if problems:
        raise Invalid(problems)
    return result


def write(
    view: View, realm: str, old: Mapping[str, Any], new: Mapping[str, Any], add: Write, remove: Write
) -> None:
    """
    Give and take what differs, one request for each client's roles.

    old, new
        ``{"realmRoles": names, "clientRoles": {client: names}}``; what ``new`` lacks isn't looked at.
    """
    sides = []
    if "realmRoles" in new:
        sides.append(("", set(old.get("realmRoles") or ()), set(new["realmRoles"])))
    if "clientRoles" in new:
        has = old.get("clientRoles") or {}
        sides += [
            (client, set(has.get(client) or ()), set(new["clientRoles"].get(client) or ()))
            for client in sorted({*has, *new["clientRoles"]})
        ]
    for client, before, after in sides:
        known = view.client_roles(realm, client) if client else view.roles(realm)
        identifier = view.clients(realm)[client]["id"] if client else ""
        for names, act in ((after - before, add), (before - after, remove)):
            if names:
                # What this run made itself isn't in what it has read.
                roles = [known.get(name) or view.api.role(realm, name, identifier) for name in sorted(names)]
                act([_brief(role) for role in roles], identifier)


def of_mappings(mappings: Mapping[str, Any]) -> dict[str, Any]:
    """What ``role-mappings`` says, by names."""
    clients = mappings.get("clientMappings") or {}
    return {
        "realmRoles": [role["name"] for role in mappings.get("realmMappings") or ()],
        "clientRoles": {
            client: [role["name"] for role in one.get("mappings") or ()] for client, one in clients.items()
        },
    }


def of_composites(view: View, realm: str, roles: Iterable[Row]) -> dict[str, Any]:
    """What ``composites`` says, by names."""
    clients = {row["id"]: client_id for client_id, row in view.clients(realm).items()}
    result: dict[str, Any] = {"realmRoles": [], "clientRoles": {}}
    for role in roles:
        if role.get("clientRole"):
            owner = clients.get(role["containerId"], role["containerId"])
            result["clientRoles"].setdefault(owner, []).append(role["name"])
        else:
            result["realmRoles"].append(role["name"])
    return result


def _names(value: Any, place: str, problems: list[Problem | str]) -> list[str]:
    if isinstance(value, (list, tuple, set)):
        return sorted({str(name) for name in value})
    problems.append(Problem("", place, value, "must be a list", "write each role on a line of its own"))
    return []


def _unknown(view: View, realm: str, names: Iterable[str], known: Iterable[str], client: str) -> list[str]:
    return [name for name in names if name not in known and not view.planned(realm, f"role {client}", name)]


def _client_problems(view: View, realm: str, place: str, client: str, names: list[str]) -> list[Problem]:
    if view.planned_realm(realm) or view.planned(realm, "client", client):
        return []
    if client not in view.clients(realm):
        return [Problem("", place, client, f"the realm {realm} has no such client",
                        nearest(client, view.clients(realm)))]  # fmt: skip
    known = view.client_roles(realm, client)
    return [
        Problem("", place, name, f"the client {client} has no such role", nearest(name, known))
        for name in _unknown(view, realm, names, known, client)
    ]


def _brief(role: Row) -> Row:
    return {key: role[key] for key in ("id", "name", "clientRole", "containerId") if key in role}
