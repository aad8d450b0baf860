"""Realm roles and client roles, with the roles that they bring along."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import Invalid, Missing, Problem
from ...reconcile import Changes, body, creation, diff
from . import grants
from .api import Row
from .plans import Plan, carry_out, looked_at_again, removal_plan
from .resources import ROLE, lists
from .view import View

Wanted = Mapping[str, Any]

#: Made by the server in each realm, and those of the realm master.
BUILT_IN = ("offline_access", "uma_authorization", "admin", "create-realm")
_GRANTS = ("realm_roles", "client_roles")


def role_wanted(fields: Wanted) -> dict[str, Any]:
    """Declared fields of a role, checked."""
    ROLE.check(fields)
    wanted = dict(fields)
    if "attributes" in wanted:
        wanted["attributes"] = lists(wanted["attributes"])
    return wanted


def predicted_role(fields: Wanted) -> Changes:
    """What creating a role on a server that isn't there yet would change."""
    return creation(ROLE, role_wanted(fields))


def is_built_in(realm: str, name: str) -> bool:
    """Whether the server made this realm role itself."""
    return name in BUILT_IN or name == default_role(realm)


def default_role(realm: str) -> str:
    """The role that everybody in a realm is given."""
    return f"default-roles-{realm.lower()}"


def role_plan(view: View, realm: str, name: str, fields: Wanted, client: str = "") -> Plan:
    """
    What a realm role lacks, or a role of ``client``.

    fields
        Those of :data:`~.resources.ROLE`, and ``exclusive``: whether it brings along no others.
    """
    wanted = dict(fields)
    exclusive = wanted.pop("exclusive", False)
    wanted = grants.checked(view, realm, role_wanted(wanted), *_GRANTS)
    if name in (wanted.get("client_roles", {}).get(client, ()) if client else wanted.get("realm_roles", ())):
        raise Invalid(Problem("", name, None, "a role can't bring along itself", "take it out of its list"))
    found = _found(view, realm, name, client)
    plan = Plan(name)
    if found is None:
        plan.add(diff(ROLE, wanted, None), lambda: _create(view, realm, name, wanted, client))
        view.plan(realm, f"role {client}", name)
        return plan
    given = any(field in wanted for field in _GRANTS)
    if given:
        has = view.api.composites(realm, found["id"]) if found.get("composite") else []
        found = {**found, **grants.of_composites(view, realm, has)}
        if not exclusive:
            wanted = grants.united(wanted, found, *_GRANTS)
    changes = diff(ROLE, wanted, found)
    own = {key: value for key, value in changes.items() if key not in _GRANTS}
    row: Row = found
    plan.add(own, lambda: view.api.update_role(realm, row["id"], replacing(row, _own(wanted))))
    plan.add(
        {key: value for key, value in changes.items() if key in _GRANTS},
        lambda: _bring_along(view, realm, row, wanted),
    )
    return plan


@looked_at_again
def apply_role(
    view: View, realm: str, name: str, fields: Wanted, test: bool = False, client: str = ""
) -> Changes:
    """Bring a role to the declared shape; returns what changed or would change."""
    plan = role_plan(view, realm, name, fields, client)
    return carry_out(view, realm, plan, test, _list(client))


def remove_role_plan(view: View, realm: str, name: str, client: str = "") -> Plan:
    """
    What removing a role takes; nothing if it isn't there.

    Raises :class:`Invalid` for a role that the server made.
    """
    if client and view.clients(realm).get(client) is None:
        return Plan(name)
    found = (view.client_roles(realm, client) if client else view.roles(realm)).get(name)
    if found is None:
        return Plan(name)
    if not client and is_built_in(realm, name):
        raise Invalid(
            Problem(
                "",
                "name",
                name,
                "is a role that Keycloak made and needs itself",
                "leave it, and don't give it",
            )
        )
    return removal_plan(name, lambda: view.api.delete_role(realm, found["id"]))


def remove_role(view: View, realm: str, name: str, test: bool = False, client: str = "") -> Changes:
    """Delete a role; nothing if it isn't there."""
    return carry_out(view, realm, remove_role_plan(view, realm, name, client), test, _list(client))


def _list(client: str) -> str:
    return f"roles of {client}" if client else "roles"


def _found(view: View, realm: str, name: str, client: str) -> Row | None:
    if not client:
        return view.roles(realm).get(name)
    known = view.clients(realm)
    if client not in known and not view.planned_realm(realm) and not view.planned(realm, "client", client):
        raise Missing(
            f"the role {name} can't be made, because the realm {realm} has no client {client}",
            view.api.service,
            "declare the client with itstack_keycloak.client_present and require that",
        )
    return view.client_roles(realm, client).get(name)


def _create(view: View, realm: str, name: str, wanted: Wanted, client: str) -> None:
    identifier = view.clients(realm)[client]["id"] if client else ""
    sent = _own(wanted)
    view.api.create_role(realm, {"name": name, **sent}, identifier)
    if not any(field in wanted for field in ("attributes", *_GRANTS)):
        return
    made = view.api.role(realm, name, identifier)
    if "attributes" in wanted:
        # keycloak: attributes are ignored when a role is created.
        view.api.update_role(realm, made["id"], replacing(made, sent))
    _bring_along(view, realm, made, wanted)


def _bring_along(view: View, realm: str, row: Row, wanted: Wanted) -> None:
    new = {ROLE.fields[field].keys[0]: wanted[field] for field in _GRANTS if field in wanted}
    grants.write(
        view, realm, row, new,
        lambda roles, _: view.api.add_composites(realm, row["id"], roles),
        lambda roles, _: view.api.remove_composites(realm, row["id"], roles),
    )  # fmt: skip


def _own(wanted: Wanted) -> dict[str, Any]:
    return body(ROLE, wanted, [name for name in wanted if name not in _GRANTS])


def replacing(found: Wanted, sent: dict[str, Any]) -> dict[str, Any]:
    """A body for PUT, which replaces the map of attributes: those that others made go along."""
    result = {key: found[key] for key in ("name", "description", "attributes") if found.get(key) is not None}
    merged = {**(found.get("attributes") or {}), **(sent.get("attributes") or {})}
    return {**result, **sent, "attributes": {key: item for key, item in merged.items() if item}}
