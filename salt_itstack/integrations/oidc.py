"""Single sign-on by OpenID Connect: a client at the provider, and the application that uses it."""

from __future__ import annotations

import os
import re
from typing import Any

from ..errors import ItstackError
from ..stack import Integration, Stack
from .browser import Browser
from .facts import url
from .probing import Request, Unproved

#: What each application needs of its client, as `itstack_keycloak.client_present` takes it. `{app}` is the
#: application's public address, other names are settings of the integration.
CLIENTS: dict[str, dict[str, Any]] = {
    # nextcloud/user_oidc; it sends S256 whenever the provider announces it, so it may as well be mandatory.
    "nextcloud": {
        "redirect_uris": ["{app}/apps/user_oidc/code", "{app}/index.php/apps/user_oidc/code"],
        "post_logout_redirect_uris": ["{app}/*"],
        "backchannel_logout_url": "{app}/index.php/apps/user_oidc/backchannel-logout/{identifier}",
        "backchannel_logout_session": True,
        "pkce": "S256",
    },
}


def client(integration: Integration, application: str) -> dict[str, Any]:
    """
    The settings of an application's client: only the authorization-code flow, and the person's groups.

    Unknown applications get no redirect URIs, which lets nobody log in.
    """
    places = {**integration.settings, "app": application}

    def filled(value: Any) -> Any:
        if isinstance(value, list):
            return [filled(item) for item in value]
        return value.format(**places) if isinstance(value, str) else value

    return {
        "display_name": f"{integration.target} (salt-itstack)",
        "protocol": "openid-connect",
        "public": False,
        "enabled": True,
        "standard_flow": True,
        "implicit_flow": False,
        "direct_access_grants": False,
        "service_accounts": False,
        "web_origins": [application],
        "mappers": {
            "groups": {
                "type": "oidc-group-membership-mapper",
                "config": {
                    "claim.name": integration.settings.get("mapping_groups") or "groups",
                    "full.path": "false",
                    "id.token.claim": "true",
                    "access.token.claim": "true",
                    "userinfo.token.claim": "true",
                },
            }
        },
        **{key: filled(value) for key, value in CLIENTS.get(integration.target, {}).items()},
    }


def groups_of(integration: Integration) -> list[str]:
    """The directory's groups that an integration maps to something in the application."""
    groups = integration.settings.get("groups") or []
    return sorted(set(groups.values() if isinstance(groups, dict) else groups))


def values(stack: Stack, integration: Integration) -> dict[str, Any]:
    """Issuer, client, addresses to come back to, and the groups that count."""
    realm = stack.services[integration.source].settings.get("realm") or stack.realm
    issuer = f"{url(stack, integration.source)}/realms/{realm}"
    application = url(stack, integration.target)
    own = dict(integration.settings)
    groups = groups_of(integration)
    result = {
        **own,
        "realm": realm,
        "issuer": issuer,
        "discovery": f"{issuer}/.well-known/openid-configuration",
        "secret": f"secret://{integration.id}",
        "application": application,
        "client": client(integration, application),
        "groups": groups,
    }
    if "group_whitelist" in own:
        exact = "|".join(re.escape(group) for group in groups)
        result["group_whitelist"] = own["group_whitelist"] or f"/^({exact})$/"
    return result


def probe(request: Request) -> str:
    """
    Prove that a person of the directory can log in to the application through the provider's login page.

    A real authorization-code flow: the application sends the browser to the provider, the person's password
    goes into the provider's own form, the application takes the code and then knows person and group.
    """
    person, group, password = (request.sandbox.get(key) for key in ("person", "group", "password"))
    if not person or not password:
        raise Unproved(
            "a login is visible to people, and no person is named that may be used for it",
            request.integration,
            "name one as `sandbox: {person: …, group: …}` in the map",
        )
    login = LOGINS.get(request.target["service"])
    if login is None:
        raise Unproved(f"no way to log in to {request.target['name']} is known", request.integration)
    browser = Browser(ca=request.target["ca_file"])
    try:
        known = login(browser, request, person, password)
    finally:
        browser.close()
    if group and group not in known:
        raise ItstackError(
            f"{person} could log in, but the application doesn't know the group {group} (it has "
            f"{', '.join(known) or 'none'})",
            request.target["service"],
            "look at the client's group mapper and at the provider's group settings",
        )
    return f"{person} logged in by the authorization-code flow, and has the groups {', '.join(known)} there"


def drift(request: Request) -> dict[str, Any]:
    """What of the client at the provider isn't as declared, read afresh; secrets show as hidden."""
    from ..services.keycloak import QUICK
    from ..services.keycloak.accounts import connection
    from ..services.keycloak.api import Keycloak
    from ..services.keycloak.clients import apply_client
    from ..services.keycloak.view import View

    own = request.values
    wanted = {**own["client"], "secret": own["secret"]}
    mappers = wanted.pop("mappers", None)
    provider = request.source["service"]
    server = Keycloak(service=provider, timeout=QUICK, retries=0, **connection(request.profile(provider)))
    try:
        view = View(server, {})
        return apply_client(view, own["realm"], own["client_id"], wanted, mappers, test=True)
    finally:
        server.close()


def _nextcloud(browser: Browser, request: Request, person: str, password: str) -> list[str]:
    application = request.values["application"]
    # ?direct would be the local form; the app redirects by its own number for the provider.
    number = _nextcloud_provider(request)
    page = browser.open(f"{application}/apps/user_oidc/login/{number}")
    browser.log_in(page, person, password)
    answer = browser.open(
        f"{application}/ocs/v2.php/cloud/user?format=json", headers={"OCS-APIRequest": "true"}
    )
    data = browser.json(answer, "the account after the login")["ocs"]["data"]
    if data["id"] != person:
        raise ItstackError(
            f"{person} logged in, but is {data['id']} there",
            "nextcloud",
            "set mapping_uid to preferred_username and unique_uid to false",
        )
    return sorted(data.get("groups") or [])


def _nextcloud_provider(request: Request) -> int:
    from ..services.nextcloud.occ import COMMAND, WEB_USER, Occ

    profile = request.profile("nextcloud")
    occ = Occ(
        profile.get("occ_command", COMMAND),
        profile.get("web_user", WEB_USER),
        {"PATH": os.environ.get("PATH", os.defpath)},
    )
    identifier = request.values["identifier"]
    for row in occ.rows("user_oidc:providers"):
        if row["identifier"] == identifier:
            return int(row["id"])
    raise ItstackError(f"there is no login provider {identifier}", "nextcloud", "apply the highstate")


#: How a browser starts the login of an application, and what the application then says of the person.
LOGINS = {"nextcloud": _nextcloud}
