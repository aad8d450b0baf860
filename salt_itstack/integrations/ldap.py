"""People and groups of the directory, federated by an application with an account of its own."""

from __future__ import annotations

from typing import Any

from ..errors import ItstackError
from ..stack import Integration, Stack
from .facts import url
from .probing import Request, Unproved


def values(stack: Stack, integration: Integration) -> dict[str, Any]:
    """Where the directory is, with which account to bind, and what to take from it."""
    base = stack.base_dn
    account = integration.settings["account"]
    return {
        "ldap_url": f"ldaps://{stack.fqdn(integration.source)}:{stack.services[integration.source].ports['ldaps']}",
        "account": account,
        "bind_dn": f"uid={account},cn=sysaccounts,cn=etc,{base}",
        "password": f"secret://{integration.id}",
        "users_dn": f"cn=users,cn=accounts,{base}",
        "groups_dn": f"cn=groups,cn=accounts,{base}",
        "realm": stack.services[integration.target].settings.get("realm") or stack.realm,
        "target_url": url(stack, integration.target),
        **{key: value for key, value in integration.settings.items() if key != "account"},
    }


def probe(request: Request) -> str:
    """
    Prove that Keycloak reads the directory right now, with its own account.

    Keycloak itself binds with the credentials it has stored; then a person is looked up through it, which is
    a live search in the directory, and must come from the federation with the groups that the directory has.
    """
    from ..services.keycloak.probe import probe_federation

    person = request.sandbox.get("person")
    if not person:
        raise Unproved(
            "no person is named that may be looked up",
            request.integration,
            "name one as `sandbox: {person: …}` in the map",
        )
    own = request.values
    groups = probe_federation(
        request.profile(request.target["service"]),
        realm=own["realm"],
        provider=own["provider"],
        ldap_url=own["ldap_url"],
        bind_dn=own["bind_dn"],
        person=person,
    )
    expected = request.sandbox.get("group")
    if expected and expected not in groups:
        raise ItstackError(
            f"{person} is federated, but without the group {expected} (has {', '.join(groups) or 'none'})",
            request.target["service"],
            "look at the group mapper and at the last sync",
        )
    return f"bound as {own['account']}, found {person} in the groups {', '.join(groups)}"
