"""What proves an integration with Keycloak, asked without leaving a trace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import ItstackError, Rejected
from .accounts import connection, look_up
from .api import Keycloak
from .directory import required, test
from .resources import settings_of
from .view import View


def probe_federation(
    profile: Mapping[str, Any], realm: str, provider: str, ldap_url: str, bind_dn: str, person: str
) -> list[str]:
    """
    Names of the groups that a person of the directory has in a realm.

    Keycloak binds to the directory with the credential that it has stored, and looks the person up there.

    profile
        Address and credentials of the server, secrets opened.
    provider
        Name of the federation.
    ldap_url, bind_dn
        What the federation should use.

    Raises an :class:`ItstackError` that says which part failed.
    """
    view = View(Keycloak(**connection(profile)), {})
    try:
        found = required(view, realm, provider)
        for name, wanted in (("connectionUrl", ldap_url), ("bindDn", bind_dn)):
            if settings_of(found, name) != wanted:
                raise Rejected(
                    f"the federation {provider} has {settings_of(found, name) or 'nothing'} for {name}, "
                    f"instead of {wanted}",
                    view.api.service,
                    "apply the highstate",
                )
        test(view, realm, provider)
        known = look_up(view, realm, person)
        if known.get("federationLink") != found["id"]:
            raise ItstackError(
                f"{person} is a person of the realm {realm} itself, not of the federation {provider}",
                view.api.service,
                "remove the local person, so that the directory's can be imported",
            )
        return sorted(path.rsplit("/", 1)[-1] for path in known["groups"])
    finally:
        view.api.close()
