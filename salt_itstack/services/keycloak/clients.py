"""Clients."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from ...errors import Invalid, Problem
from ...reconcile import Changes, body, creation, diff, removal
from .api import Row
from .checks import check_client, nearest
from .mappers import (
    OPENID,
    by_name,
    check_types,
    mapper_changes,
    mappers_wanted,
    representation,
    write_mappers,
)
from .resources import CLIENT, SERVICE_ACCOUNT_SCOPE, attributes, deletions, text
from .view import View

Wanted = Mapping[str, Any]

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
    if isinstance(wanted.get("post_logout_redirect_uris"), (list, tuple)):
        wanted["post_logout_redirect_uris"] = "##".join(wanted["post_logout_redirect_uris"])
    for name in ("backchannel_logout_session", "access_token_lifespan"):
        if name in wanted:
            wanted[name] = text(wanted[name])
    return wanted


def predicted_client(fields: Wanted, mappers: Wanted | None = None) -> Changes:
    """What creating a client on a server that isn't there yet would change."""
    wanted = client_wanted(fields)
    own = mappers_wanted(mappers, wanted.get("protocol") or OPENID)
    return {**mapper_changes(own, {}, False), **creation(CLIENT, wanted)}


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

    mappers
        By name, ``{type, config}``. Others that the client has stay, unless ``exclusive``.
    """
    wanted = client_wanted(fields)
    found = view.clients(realm).get(client_id)
    protocol = wanted.get("protocol") or (found or {}).get("protocol") or OPENID
    own = mappers_wanted(mappers, protocol)
    old = by_name(found)
    of_mappers = mapper_changes(own, old, exclusive)
    changes = {**of_mappers, **diff(CLIENT, wanted, found)}
    if not changes:
        return {}
    if of_mappers:
        check_types(view, own, protocol)
    ids = _scope_ids(view, realm, wanted) if set(changes) & set(_KINDS.values()) else {}
    if test:
        return changes
    if found is None:
        _create(view, realm, client_id, wanted, own, ids)
    else:
        _update(view, realm, found, wanted, changes)
        _move_scopes(view, realm, found, wanted, changes, ids)
        write_mappers(view, realm, ("clients", found["id"]), own, old, of_mappers)
    view.changed(realm, "clients")
    return changes


def remove_client(view: View, realm: str, client_id: str, test: bool = False) -> Changes:
    """Delete a client; nothing if it isn't there."""
    found = view.clients(realm).get(client_id)
    if found is None:
        return {}
    if not test:
        view.api.delete_client(realm, found["id"])
        view.changed(realm, "clients")
    return removal(client_id)


def _create(
    view: View, realm: str, client_id: str, wanted: dict[str, Any], own: Wanted, ids: Mapping[str, str]
) -> None:
    sent = deletions(body(CLIENT, copy.deepcopy(wanted)))
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
    view.api.create_client(realm, {"clientId": client_id, **sent})


def _update(view: View, realm: str, found: Row, wanted: dict[str, Any], changes: Changes) -> None:
    names = [name for name in wanted if name in changes and name not in _KINDS.values()]
    if not names:
        return
    if "redirect_uris" in names and "web_origins" in wanted:
        # keycloak: redirect URIs sent alone fill empty origins again.
        names.append("web_origins")
    sent = deletions(body(CLIENT, copy.deepcopy(wanted), names))
    if found.get("authorizationServicesEnabled"):
        # Absent means off.
        sent["authorizationServicesEnabled"] = True
    view.api.update_client(realm, found["id"], {"clientId": found["clientId"], **sent})


def _move_scopes(
    view: View, realm: str, found: Row, wanted: Wanted, changes: Changes, ids: Mapping[str, str]
) -> None:
    # keycloak: taking a scope from one list takes it from the other one too, and assigning one that is in
    # the other list answers 204 and moves nothing. So all are taken first, and given afterwards.
    has = {kind: set(found.get(f"{kind}ClientScopes") or []) for kind in _KINDS}
    target = {kind: set(wanted[field]) for kind, field in _KINDS.items() if field in changes}
    if not target:
        return
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
