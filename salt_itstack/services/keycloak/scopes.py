"""Client scopes: settings and mappers that clients share."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from ...errors import Invalid, Problem, nearest
from ...reconcile import Changes, body, creation, diff
from .api import Row
from .checks import attribute_problems
from .mappers import (
    OPENID,
    by_name,
    check_types,
    mapper_changes,
    mapper_steps,
    mappers_wanted,
    representation,
)
from .plans import Plan, carry_out, looked_at_again, removal_plan
from .resources import CLIENT_SCOPE, attributes, deletions, text
from .view import View

Wanted = Mapping[str, Any]

KINDS = ("default", "optional")
#: What has to be read again when a scope was written: clients show the names of theirs.
LISTS = ("scopes", "clients", "default scopes", "optional scopes")
#: Made by the server in each realm (26.7).
BUILT_IN = frozenset({
    "web-origins", "acr", "roles", "profile", "basic", "email", "address", "phone", "offline_access",
    "organization", "microprofile-jwt", "service_account", "role_list", "saml_organization",
    "AuthnContextClassRef",
})  # fmt: skip


def scope_wanted(fields: Wanted) -> dict[str, Any]:
    """Declared fields of a client scope, checked; the protocol is OpenID Connect if none is named."""
    CLIENT_SCOPE.check(fields)
    problems = attribute_problems(fields)
    if problems:
        raise Invalid(problems)
    wanted = {name: fields[name] for name in CLIENT_SCOPE.fields if name in fields}
    wanted.setdefault("protocol", OPENID)
    if "attributes" in wanted:
        wanted["attributes"] = attributes(wanted["attributes"])
    if "in_token_scope" in wanted:
        wanted["in_token_scope"] = text(wanted["in_token_scope"])
    return wanted


def predicted_scope(fields: Wanted, mappers: Wanted | None = None) -> Changes:
    """What creating a client scope on a server that isn't there yet would change."""
    wanted = scope_wanted(fields)
    return {**mapper_changes(mappers_wanted(mappers, wanted["protocol"]), {}, False),
            **creation(CLIENT_SCOPE, wanted)}  # fmt: skip


def scope_plan(view: View, realm: str, name: str, fields: Wanted) -> Plan:
    """
    What a client scope lacks.

    fields
        Those of :data:`~.resources.CLIENT_SCOPE`, and ``mappers``, ``exclusive_mappers`` and
        ``realm_default``: ``default``, ``optional`` or ``none``, for the clients that are made from now on.
    """
    given = dict(fields)
    mappers, exclusive = given.pop("mappers", None), given.pop("exclusive_mappers", False)
    default = checked_default(given.pop("realm_default", None))
    wanted = scope_wanted(given)
    found = view.scopes(realm).get(name)
    own = mappers_wanted(mappers, wanted["protocol"])
    old = by_name(found)
    of_mappers = mapper_changes(own, old, exclusive)
    if of_mappers:
        check_types(view, own, wanted["protocol"])
    plan = Plan(name)
    made: dict[str, str] = {} if found is None else {"id": found["id"]}
    if found is None:
        plan.add(
            {**of_mappers, **diff(CLIENT_SCOPE, wanted, None)},
            lambda: made.update(id=_create(view, realm, name, wanted, own)),
        )
    else:
        row = found
        plan.add(diff(CLIENT_SCOPE, wanted, row), lambda: _update(view, realm, row, wanted))
        for change, write in mapper_steps(view, realm, ("client-scopes", row["id"]), own, old, of_mappers):
            plan.add(change, write)
    _assign(view, realm, name, default, made, plan)
    if found is None:
        view.plan(realm, "scope", name)
    return plan


@looked_at_again
def apply_scope(
    view: View,
    realm: str,
    name: str,
    fields: Wanted,
    mappers: Wanted | None = None,
    exclusive: bool = False,
    test: bool = False,
) -> Changes:
    """Bring a client scope and its mappers to the declared shape; returns what changed or would change."""
    plan = scope_plan(view, realm, name, {**fields, "mappers": mappers, "exclusive_mappers": exclusive})
    return carry_out(view, realm, plan, test, *LISTS)


def remove_scope_plan(view: View, realm: str, name: str) -> Plan:
    """What removing a client scope takes; nothing if it isn't there."""
    found = view.scopes(realm).get(name)
    if found is None:
        return Plan(name)
    return removal_plan(name, lambda: view.api.delete_client_scope(realm, found["id"]))


def remove_scope(view: View, realm: str, name: str, test: bool = False) -> Changes:
    """Delete a client scope; nothing if it isn't there."""
    return carry_out(view, realm, remove_scope_plan(view, realm, name), test, *LISTS)


def checked_default(value: Any) -> str | None:
    """Where a scope stands, one of ``default``, ``optional`` and ``none``; ``None`` isn't looked at."""
    if value is not None and value not in (*KINDS, "none"):
        raise Invalid(Problem("", "realm_default", value, "is unknown", "default, optional or none"))
    return value


def assign(view: View, realm: str, name: str, client: str, kind: str | None, test: bool = False) -> Changes:
    """
    Give one client scope to a client, or take it, and leave the client's others alone.

    kind
        ``default`` or ``optional``; ``None`` takes it from both lists.

    Raises :class:`Invalid` for a scope or a client that isn't there.
    """
    if kind is not None and kind not in KINDS:
        raise Invalid(Problem("", "kind", kind, "is unknown", "default or optional"))
    found, scope = view.clients(realm).get(client), view.scopes(realm).get(name)
    if kind is None and (found is None or scope is None):
        return {}
    problems = []
    if found is None and not view.planned(realm, "client", client) and not view.planned_realm(realm):
        problems.append(Problem("", "client", client, f"the realm {realm} has no such client",
                                nearest(client, view.clients(realm))))  # fmt: skip
    if scope is None and not view.planned(realm, "scope", name) and not view.planned_realm(realm):
        problems.append(Problem("", "name", name, f"the realm {realm} has no such client scope",
                                nearest(name, view.scopes(realm))))  # fmt: skip
    if problems:
        raise Invalid(problems)
    old = next((one for one in KINDS if name in ((found or {}).get(f"{one}ClientScopes") or ())), None)
    if old == kind:
        return {}
    changes = {name: {"old": old, "new": kind}}
    if test or found is None or scope is None:
        return changes
    row, identifier = found, scope["id"]
    plan = Plan(name)
    plan.add(changes, lambda: _reassign(view, realm, row["id"], identifier, old, kind))
    return carry_out(view, realm, plan, test, client=client)


def _reassign(view: View, realm: str, client: str, scope: str, old: str | None, new: str | None) -> None:
    # keycloak: assigning one that is in the other list answers 204 and moves nothing.
    if old:
        view.api.withdraw_scope(realm, client, old, scope)
    if new:
        view.api.assign_scope(realm, client, new, scope)


def _create(view: View, realm: str, name: str, wanted: Wanted, own: Wanted) -> str:
    made = [representation(each, mapper) for each, mapper in own.items()]
    sent = deletions(body(CLIENT_SCOPE, copy.deepcopy(wanted)))
    return view.api.create_client_scope(realm, {"name": name, "protocolMappers": made, **sent})


def _update(view: View, realm: str, found: Row, wanted: Wanted) -> None:
    rest = deletions(body(CLIENT_SCOPE, copy.deepcopy(wanted)))
    kept = {**(found.get("attributes") or {}), **rest.get("attributes", {})}
    sent = {"name": found["name"], "description": found.get("description"), **rest, "attributes": kept}
    view.api.update_client_scope(realm, found["id"], sent)


def _assign(view: View, realm: str, name: str, wanted: str | None, made: dict[str, str], plan: Plan) -> None:
    if wanted is None:
        return
    has = {kind: name in view.new_client_scopes(realm, kind) for kind in KINDS}
    old = next((kind for kind in KINDS if has[kind]), "none")
    if old == wanted:
        return
    is_new = "id" not in made

    def write() -> None:
        if old != "none":
            view.api.withdraw_default_scope(realm, old, made["id"])
        if wanted != "none":
            view.api.assign_default_scope(realm, wanted, made["id"])

    plan.add({"realm_default": {"old": None if is_new else old, "new": wanted}}, write)
