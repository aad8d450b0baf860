"""Client scopes: settings and mappers that clients share."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from ...reconcile import Changes, body, creation, diff, removal
from .mappers import (
    OPENID,
    by_name,
    check_types,
    mapper_changes,
    mappers_wanted,
    representation,
    write_mappers,
)
from .resources import CLIENT_SCOPE, attributes, deletions, text
from .view import View

Wanted = Mapping[str, Any]


def scope_wanted(fields: Wanted) -> dict[str, Any]:
    """Declared fields of a client scope, checked; the protocol is OpenID Connect if none is named."""
    CLIENT_SCOPE.check(fields)
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
    wanted = scope_wanted(fields)
    found = view.scopes(realm).get(name)
    own = mappers_wanted(mappers, wanted["protocol"])
    old = by_name(found)
    of_mappers = mapper_changes(own, old, exclusive)
    of_scope = diff(CLIENT_SCOPE, wanted, found)
    changes = {**of_mappers, **of_scope}
    if not changes:
        return {}
    if of_mappers:
        check_types(view, own, wanted["protocol"])
    if test:
        if found is None:
            view.plan(realm, "scope", name)
        return changes
    sent = copy.deepcopy(wanted)
    if found is None:
        made = [representation(each, mapper) for each, mapper in own.items()]
        view.api.create_client_scope(
            realm, {"name": name, "protocolMappers": made, **deletions(body(CLIENT_SCOPE, sent))}
        )
    else:
        if of_scope:
            rest = deletions(body(CLIENT_SCOPE, sent))
            kept = {**(found.get("attributes") or {}), **rest.get("attributes", {})}
            view.api.update_client_scope(
                realm,
                found["id"],
                {"name": name, "description": found.get("description"), **rest, "attributes": kept},
            )
        write_mappers(view, realm, ("client-scopes", found["id"]), own, old, of_mappers)
    view.changed(realm, "scopes")
    return changes


def remove_scope(view: View, realm: str, name: str, test: bool = False) -> Changes:
    """Delete a client scope; nothing if it isn't there."""
    found = view.scopes(realm).get(name)
    if found is None:
        return {}
    if not test:
        view.api.delete_client_scope(realm, found["id"])
        view.changed(realm, "scopes", "clients")
    return removal(name)
