"""Clients."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from ...errors import Invalid, Problem, nearest
from ...reconcile import Changes, body, creation, diff
from . import administrators, grants
from .api import Row
from .checks import check_client, check_new_client
from .flows import flows
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
from .resources import CLIENT, SERVICE_ACCOUNT, SERVICE_ACCOUNT_SCOPE, attributes, deletions, text
from .roles import default_role
from .view import View

Wanted = Mapping[str, Any]

#: What has to be read again when a client was written.
LISTS = ("clients",)
#: Made by the server in each realm (26.7).
BUILT_IN = frozenset({
    "account", "account-console", "admin-cli", "broker", "realm-management", "security-admin-console",
    "admin-permissions",
})  # fmt: skip
#: What is said of a client beside its fields.
OWN = ("mappers", "exclusive_mappers", "exclusive_roles")
_BINDINGS = ("browser", "direct_grant")
_KINDS = {"default": "default_scopes", "optional": "optional_scopes"}


def client_wanted(fields: Wanted) -> dict[str, Any]:
    """
    Declared fields of a client, checked, in the form that the server keeps them.

    Raises :class:`Invalid` with everything that is wrong.
    """
    CLIENT.check(fields)
    wanted = {name: fields[name] for name in CLIENT.fields if name in fields}
    check_client(wanted)
    if "attributes" in wanted:
        wanted["attributes"] = attributes(wanted["attributes"])
    for name in ("post_logout_redirect_uris", "default_acr_values"):
        if isinstance(wanted.get(name), (list, tuple)):
            wanted[name] = "##".join(wanted[name])
    for name, spec in CLIENT.fields.items():
        if name in wanted and spec.keys[0] == "attributes" and spec.compare is text:
            wanted[name] = text(wanted[name])
    if "flow_bindings" in wanted:
        wanted["flow_bindings"] = {
            str(key): alias or "" for key, alias in (wanted["flow_bindings"] or {}).items()
        }
    return wanted


def predicted_client(fields: Wanted, mappers: Wanted | None = None) -> Changes:
    """What creating a client on a server that isn't there yet would change."""
    given = {key: value for key, value in fields.items() if key not in OWN}
    roles = {key: given.pop(key) for key in SERVICE_ACCOUNT.fields if key in given}
    wanted = client_wanted(given)
    check_new_client(wanted)
    own = mappers_wanted(mappers, wanted.get("protocol") or OPENID)
    of_roles = creation(SERVICE_ACCOUNT, roles) if roles else {}
    return {**mapper_changes(own, {}, False), **creation(CLIENT, wanted), **of_roles}


def client_plan(view: View, realm: str, client_id: str, fields: Wanted) -> Plan:
    """
    What a client lacks.

    fields
        Those of :data:`~.resources.CLIENT` and :data:`~.resources.SERVICE_ACCOUNT`, and

        - ``mappers`` by name, ``{type, config}``; others stay, unless ``exclusive_mappers``;
        - ``exclusive_roles``: whether its service account is given no other roles.
    """
    given = dict(fields)
    mappers, exclusive = given.pop("mappers", None), given.pop("exclusive_mappers", False)
    exclusive_roles = given.pop("exclusive_roles", False)
    roles = {key: given.pop(key) for key in SERVICE_ACCOUNT.fields if key in given}
    wanted = client_wanted(given)
    found = view.clients(realm).get(client_id)
    protocol = wanted.get("protocol") or (found or {}).get("protocol") or OPENID
    own = mappers_wanted(mappers, protocol)
    old = by_name(found)
    of_mappers = mapper_changes(own, old, exclusive)
    bindings = _flow_ids(view, realm, wanted)
    row = found if found is None else _with_aliases(view, realm, wanted, found)
    changes = diff(CLIENT, wanted, row)
    if of_mappers:
        check_types(view, own, protocol)
    ids = _scope_ids(view, realm, wanted) if set(changes) & set(_KINDS.values()) else {}
    plan = Plan(client_id)
    made: dict[str, str] = {}
    if row is None:
        check_new_client(wanted)
        plan.add(
            {**of_mappers, **changes},
            lambda: made.update(id=_create(view, realm, client_id, wanted, own, bindings)),
        )
    else:
        _keep_own_account(view, realm, row, wanted, exclusive_roles)
        here = row
        made["id"] = here["id"]
        of_scopes = {key: value for key, value in changes.items() if key in _KINDS.values()}
        rest = {key: value for key, value in changes.items() if key not in of_scopes}
        plan.add(rest, lambda: _update(view, realm, here, wanted, rest, bindings))
        plan.add(of_scopes, lambda: _move_scopes(view, realm, here, wanted, of_scopes, ids))
        for change, write in mapper_steps(view, realm, ("clients", here["id"]), own, old, of_mappers):
            plan.add(change, write)
    if roles:
        _plan_roles(view, realm, row, wanted, roles, exclusive_roles, made, plan)
    if row is None:
        view.plan(realm, "client", client_id)
    return plan


@looked_at_again
def apply_client(
    view: View,
    realm: str,
    client_id: str,
    fields: Wanted,
    mappers: Wanted | None = None,
    exclusive: bool = False,
    test: bool = False,
) -> Changes:
    """
    Bring a client to the declared shape; returns what changed or would change.

    fields, mappers, exclusive
        As of :func:`client_plan`.
    """
    given = {**fields, "mappers": mappers, "exclusive_mappers": exclusive}
    return carry_out(view, realm, client_plan(view, realm, client_id, given), test, client=client_id)


def remove_client_plan(view: View, realm: str, client_id: str) -> Plan:
    """
    What removing a client takes; nothing if it isn't there.

    Raises :class:`Invalid` for a client that the server made, for our own account, and for the last one that
    administers the realm.
    """
    found = view.clients(realm).get(client_id)
    if found is None:
        return Plan(client_id)
    if is_built_in(client_id, realm):
        raise Invalid(
            Problem(
                "", "name", client_id, "is a client that Keycloak made and needs itself", "set enabled: false"
            )
        )
    if is_own_account(view, realm, client_id):
        raise Invalid(
            Problem("", "name", client_id, "is the account that this comes in with", "use another profile")
        )
    if found.get("serviceAccountsEnabled"):
        person = f"service-account-{client_id}".lower()
        administrators.keep_one(
            view, realm, lambda kind, row: kind == "users" and row.get("username") == person, client_id
        )
    return removal_plan(client_id, lambda: view.api.delete_client(realm, found["id"]))


def remove_client(view: View, realm: str, client_id: str, test: bool = False) -> Changes:
    """Delete a client; nothing if it isn't there."""
    return carry_out(view, realm, remove_client_plan(view, realm, client_id), test, client=client_id)


def is_built_in(client_id: str, realm: str) -> bool:
    """Whether the server made this client itself; those of master stand for the realms of the server."""
    return client_id in BUILT_IN or (realm == "master" and client_id.endswith("-realm"))


def is_own_account(view: View, realm: str, client_id: str) -> bool:
    """Whether this client is the account that we came in with."""
    return realm == view.api.auth_realm and client_id == view.api.account


def _keep_own_account(view: View, realm: str, found: Row, wanted: Wanted, exclusive_roles: bool) -> None:
    if not is_own_account(view, realm, found["clientId"]):
        return
    for field in ("enabled", "service_accounts"):
        if wanted.get(field) is False:
            raise Invalid(
                Problem("", field, False, "would shut out the account that this comes in with",
                        "use another profile")
            )  # fmt: skip
    if exclusive_roles:
        raise Invalid(
            Problem("", "exclusive_roles", True, "could take the rights of the account of this profile",
                    "use another profile")
        )  # fmt: skip


def _plan_roles(
    view: View,
    realm: str,
    found: Row | None,
    wanted: Wanted,
    declared: Wanted,
    exclusive: bool,
    made: dict[str, str],
    plan: Plan,
) -> None:
    names = tuple(SERVICE_ACCOUNT.fields)
    if not wanted.get("service_accounts", (found or {}).get("serviceAccountsEnabled")):
        raise Invalid(
            Problem("", min(declared), None, "needs a service account", "set service_accounts: true")
        )
    declared = grants.checked(view, realm, declared, *names)
    old: dict[str, Any] = {}
    if found is not None and found.get("serviceAccountsEnabled"):
        person = view.api.service_account(realm, found["id"])
        old = grants.of_mappings(view.api.role_mappings(realm, ("users", person["id"])))
        old["realmRoles"] = [name for name in old["realmRoles"] if name != default_role(realm)]
        if not exclusive:
            declared = grants.united(declared, old, *names)
    changes = diff(SERVICE_ACCOUNT, declared, old if found is not None else None)

    def write() -> None:
        owner = ("users", view.api.service_account(realm, made["id"])["id"])
        new = {SERVICE_ACCOUNT.fields[name].keys[0]: value for name, value in declared.items()}
        grants.write(
            view, realm, old, new,
            lambda roles, client: view.api.give_roles(realm, owner, roles, client),
            lambda roles, client: view.api.take_roles(realm, owner, roles, client),
        )  # fmt: skip

    plan.add(changes, write)


def _flow_ids(view: View, realm: str, wanted: Wanted) -> dict[str, str]:
    """Ids of the flows that ``flow_bindings`` names by alias; an empty one takes the binding away."""
    given = wanted.get("flow_bindings") or {}
    if not given or view.planned_realm(realm):
        return {}
    known = {alias: row["id"] for alias, row in flows(view, realm).items()}
    problems = [
        Problem("", f"flow_bindings:{key}", None, "a client has no such binding", nearest(key, _BINDINGS))
        for key in given
        if key not in _BINDINGS
    ]
    problems += [
        Problem(
            "", f"flow_bindings:{key}", alias, f"the realm {realm} has no such flow", nearest(alias, known)
        )
        for key, alias in given.items()
        if alias and alias not in known and not view.planned(realm, "flow", alias)
    ]
    if problems:
        raise Invalid(problems)
    return {key: known.get(alias, "") if alias else "" for key, alias in given.items()}


def _with_aliases(view: View, realm: str, wanted: Wanted, found: Row) -> Row:
    if "flow_bindings" not in wanted:
        return found
    aliases = {row["id"]: alias for alias, row in flows(view, realm).items()}
    bound = found.get("authenticationFlowBindingOverrides") or {}
    shown = {key: aliases.get(identifier, identifier) for key, identifier in bound.items()}
    return {**found, "authenticationFlowBindingOverrides": shown}


def _create(
    view: View, realm: str, client_id: str, wanted: dict[str, Any], own: Wanted, bindings: Mapping[str, str]
) -> str:
    sent = deletions(body(CLIENT, copy.deepcopy(wanted)))
    if "flow_bindings" in wanted:
        sent["authenticationFlowBindingOverrides"] = dict(bindings)
    declared = [kind for kind, name in _KINDS.items() if name in wanted]
    if len(declared) == 1:
        # keycloak: naming one of the lists empties the other one, instead of giving the realm's.
        other = "optional" if declared == ["default"] else "default"
        usual = view.new_client_scopes(realm, other)
        taken = wanted[_KINDS[declared[0]]]
        sent[f"{other}ClientScopes"] = [name for name in usual if name not in taken]
    sent["protocolMappers"] = [representation(name, mapper) for name, mapper in own.items()]
    if not sent["protocolMappers"]:
        del sent["protocolMappers"]
    return view.api.create_client(realm, {"clientId": client_id, **sent})


def _update(
    view: View, realm: str, found: Row, wanted: dict[str, Any], changes: Changes, bindings: Mapping[str, str]
) -> None:
    names = [name for name in wanted if name in changes]
    if "redirect_uris" in names and "web_origins" in wanted:
        # keycloak: redirect URIs sent alone fill empty origins again.
        names.append("web_origins")
    sent = deletions(body(CLIENT, copy.deepcopy(wanted), names))
    if "flow_bindings" in names:
        sent["authenticationFlowBindingOverrides"] = dict(bindings)
    if found.get("authorizationServicesEnabled"):
        # keycloak: absent means off.
        sent.setdefault("authorizationServicesEnabled", True)
    view.api.update_client(realm, found["id"], {"clientId": found["clientId"], **sent})


def _move_scopes(
    view: View, realm: str, found: Row, wanted: Wanted, changes: Changes, ids: Mapping[str, str]
) -> None:
    # keycloak: taking a scope from one list takes it from the other one too, and assigning one that is in
    # the other list answers 204 and moves nothing. So all are taken first, and given afterwards.
    has = {kind: set(found.get(f"{kind}ClientScopes") or []) for kind in _KINDS}
    target = {kind: set(wanted[field]) for kind, field in _KINDS.items() if field in changes}
    known = view.scopes(realm)
    taken = {
        (kind, name)
        for kind in has
        for name in has[kind] - target.get(kind, has[kind]) - {SERVICE_ACCOUNT_SCOPE}
    }
    for kind, names in target.items():
        other = "optional" if kind == "default" else "default"
        taken |= {(other, name) for name in (names - has[kind]) & has[other]}
    for kind, name in sorted(taken):
        view.api.withdraw_scope(realm, found["id"], kind, known[name]["id"])
    for kind, names in target.items():
        for name in sorted(names - has[kind]):
            view.api.assign_scope(realm, found["id"], kind, ids[name])


def _scope_ids(view: View, realm: str, wanted: Wanted) -> dict[str, str]:
    known = view.scopes(realm)
    problems = []
    assumed = view.planned_realm(realm)
    names = [(field, name) for field in _KINDS.values() for name in wanted.get(field, ())]
    for field, name in names:
        # keycloak: a client made with an unknown scope is made without it, and the answer is 201.
        if name not in known and not assumed and not view.planned(realm, "scope", name):
            problems.append(
                Problem(
                    "",
                    field,
                    name,
                    f"the realm {realm} has no such client scope",
                    nearest(name, sorted(known)),
                )
            )
    if problems:
        raise Invalid(problems)
    return {name: known[name]["id"] for _, name in names if name in known}
