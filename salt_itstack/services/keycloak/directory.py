"""LDAP federations as they are: find them, try them, let them import."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import Denied, Missing, Rejected
from .api import Row
from .resources import MASK, settings_of
from .view import View

PROVIDER = "org.keycloak.storage.UserStorageProvider"
MAPPERS = "org.keycloak.storage.ldap.mappers.LDAPStorageMapper"


def find(view: View, realm: str, name: str) -> Row | None:
    """The LDAP federation of that name, or ``None``."""
    for row in view.components(realm):
        if row["name"] == name and row["providerType"] == PROVIDER:
            return row
    return None


def required(view: View, realm: str, name: str) -> Row:
    """The LDAP federation of that name, or :class:`Missing`."""
    found = find(view, realm, name)
    if found is None:
        raise Missing(
            f"the realm {realm} has no federation {name}",
            view.api.service,
            "declare it with itstack_keycloak.federation_present",
        )
    return found


def mappers_of(view: View, realm: str, found: Mapping[str, Any] | None) -> dict[str, Row]:
    """A federation's own mappers by name."""
    if found is None:
        return {}
    return {row["name"]: row for row in view.components(realm) if row.get("parentId") == found["id"]}


def has_people(view: View, realm: str, identifier: str) -> bool:
    """Whether a realm knows anybody by a federation: imported, or as the federation gives them."""
    return any(
        row.get("federationLink") == identifier or row["id"].startswith(f"f:{identifier}:")
        for row in view.api.users(realm)
    )


def try_stored(view: View, realm: str, found: Row) -> str:
    """
    Bind with what the federation has stored; an empty text, or what went wrong.

    Measured on 26.7.3: the server uses its stored credential when it gets the mask, the component's id, and
    the very address and account that are stored; with the mask alone, or another account, it doesn't.
    """
    return view.api.test_ldap(realm, {**_test(found), "action": "testAuthentication"})


def prove_bind(view: View, realm: str, fields: Mapping[str, str]) -> None:
    """
    Bind with a credential that isn't stored yet.

    Raises :class:`Rejected` when the directory isn't reached, :class:`Denied` when it refuses the account.
    """
    request = {
        "connectionUrl": fields["url"],
        "bindDn": fields["bind_dn"],
        "bindCredential": fields["bind_credential"],
        "authType": fields.get("auth_type", "simple"),
        "useTruststoreSpi": fields.get("use_truststore", "always"),
        "startTls": fields.get("start_tls", "false"),
    }
    judge(view, realm, request)


def judge(view: View, realm: str, request: Row) -> None:
    """Raise what a directory test says, told apart: not reached, or refused."""
    if not view.api.test_ldap(realm, {**request, "action": "testAuthentication"}):
        return
    url, account = request["connectionUrl"], request["bindDn"]
    reason = view.api.test_ldap(realm, {**request, "action": "testConnection"})
    if reason:
        raise Rejected(
            f"Keycloak doesn't reach the directory at {url} ({reason})",
            view.api.service,
            "start the directory, correct its address, or put its CA into Keycloak's conf/truststores",
        )
    raise Denied(
        f"the directory at {url} refuses {account}",
        view.api.service,
        "correct bind_dn or bind_credential, or set the account's password in the directory",
    )


def test(view: View, realm: str, name: str) -> None:
    """Connect and bind as a federation does; raises what :func:`judge` raises."""
    judge(view, realm, _test(required(view, realm, name)))


def sync(view: View, realm: str, identifier: str, full: bool = True) -> Row:
    """
    Import people and groups.

    Raises :class:`Rejected` where the server says that it failed for everybody. A directory that is down
    isn't such a case: the server answers 200 with zeros then, so callers prove the connection first.
    """
    result = view.api.sync_users(realm, identifier, full)
    view.changed(realm, "groups", "components")
    if result.get("failed") and not result.get("added") and not result.get("updated"):
        raise Rejected(
            f"the import of people failed ({result.get('status') or 'no reason given'})",
            view.api.service,
            "the server's log names the people and why",
        )
    return result


def _test(found: Row) -> Row:
    return {
        "connectionUrl": settings_of(found, "connectionUrl"),
        "bindDn": settings_of(found, "bindDn"),
        "bindCredential": MASK,
        "componentId": found["id"],
        "authType": settings_of(found, "authType"),
        "useTruststoreSpi": settings_of(found, "useTruststoreSpi"),
        "startTls": settings_of(found, "startTls"),
    }
