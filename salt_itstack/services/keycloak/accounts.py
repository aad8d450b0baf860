"""Our permanent account, and what a person looks like to Keycloak."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import Denied, Missing
from ...reconcile import HIDDEN, Changes
from .clients import apply_client
from .view import View

#: Rights are looked up at each request with such a token, so that a realm made a moment ago is included.
LIGHTWEIGHT = "client.use.lightweight.access.token.enabled"
ROLE = "admin"


def account_fields(secret: str) -> dict[str, Any]:
    """The client that our account is."""
    return {
        "description": "Configures this server",
        "enabled": True,
        "public": False,
        "secret": secret,
        "standard_flow": False,
        "direct_access_grants": False,
        "service_accounts": True,
        "full_scope_allowed": True,
        "attributes": {LIGHTWEIGHT: "true"},
    }


def account_creation(client_id: str, bootstrap_id: str) -> Changes:
    """What making the account with the help of a temporary one changes."""
    changes: Changes = {
        "account": {"old": None, "new": client_id},
        "secret": {"old": None, "new": HIDDEN},
        "role": {"old": None, "new": ROLE},
    }
    if bootstrap_id and bootstrap_id != client_id:
        changes["temporary account"] = {"old": bootstrap_id, "new": None}
    return changes


def works(view: View) -> bool:
    """Whether the account gets a token and has its rights in the realm it lives in."""
    try:
        view.clients(view.api.auth_realm)
    except Denied:
        return False
    return True


def apply_account(view: View, secret: str, bootstrap: View | None, test: bool = False) -> Changes:
    """
    Make sure that our account works; returns what changed or would change.

    view
        The server as our account sees it, if it does.
    secret
        The account's secret.
    bootstrap
        The server as the temporary account sees it, or ``None``. It is removed once ours works.

    Raises :class:`Denied` where neither gets in.
    """
    client_id, realm = view.api.account, view.api.auth_realm
    helper = bootstrap.api.account if bootstrap else ""
    if works(view):
        return _remove_temporary(view, helper, test)
    if bootstrap is None or not works(bootstrap):
        raise Denied(
            f"neither the account {client_id} nor the temporary account {helper or '(none was given)'} is "
            f"accepted in the realm {realm}",
            view.api.service,
            "correct the profile's secret; or stop the server, make a temporary account with `kc.sh "
            "bootstrap-admin service`, and name it as bootstrap",
        )
    changes = account_creation(client_id, helper)
    existing = bootstrap.clients(realm).get(client_id)
    if existing is not None:
        changes["account"]["old"] = client_id
        changes["secret"]["old"] = HIDDEN
    if test:
        return changes
    apply_client(bootstrap, realm, client_id, account_fields(secret))
    made = bootstrap.api.client(realm, client_id)
    if made is None:
        raise Missing(f"the account {client_id} isn't there after it was made", bootstrap.api.service)
    person = bootstrap.api.service_account(realm, made["id"])
    bootstrap.api.give_roles(realm, ("users", person["id"]), [bootstrap.api.role(realm, ROLE)])
    view.api.http.renew()
    view.changed(realm, "clients")
    _remove_temporary(view, helper, test)
    return changes


def _remove_temporary(view: View, helper: str, test: bool) -> Changes:
    realm = view.api.auth_realm
    if not helper or helper == view.api.account:
        return {}
    found = view.clients(realm).get(helper)
    if found is None:
        return {}
    if not test:
        view.api.delete_client(realm, found["id"])
        view.changed(realm, "clients")
    return {"temporary account": {"old": helper, "new": None}}


def look_up(view: View, realm: str, username: str) -> dict[str, Any]:
    """
    A person as Keycloak knows them: names, address, ``federationLink`` and ``groups`` (their paths).

    Raises :class:`Missing`.
    """
    found = view.api.user(realm, username)
    if found is None:
        raise Missing(f"the realm {realm} knows nobody called {username}", view.api.service)
    kept = ("id", "username", "email", "firstName", "lastName", "enabled", "federationLink", "attributes")
    groups = view.api.user_groups(realm, found["id"])
    return {
        **{key: found[key] for key in kept if key in found},
        "groups": sorted(group["path"] for group in groups),
    }


def connection(profile: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of :class:`~.api.Keycloak` that a profile holds; it may hold more."""
    names = ("url", "client_id", "client_secret", "user", "password", "auth_realm", "ca")
    return {name: profile[name] for name in names if profile.get(name)}
