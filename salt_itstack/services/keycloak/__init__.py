"""Keycloak: the identity provider that people log in with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import ItstackError, Missing, Rejected, Unreachable
from ...http import Session

#: Seconds to connect, and between two bytes of an answer: readiness is asked often.
QUICK = (2.0, 2.0)
#: The management interface's port where none is declared.
MANAGEMENT = 9000


def readiness(facts: Mapping[str, Any]) -> str:
    """
    ``Keycloak``, if people can log in there. The version isn't told to those who aren't logged in.

    facts
        ``url``, ``ca_file``, and for the management interface ``address``, ``fqdn``, ``ports``.

    Raises :class:`Unreachable` with the reason.
    """
    ca = facts.get("ca_file") or None
    _ask_management(facts, ca)
    discovery = "/realms/master/.well-known/openid-configuration"
    http = Session(facts["url"], service="keycloak", ca=ca, timeout=QUICK, retries=0)
    try:
        http.get(discovery)
    except Unreachable:
        raise
    except ItstackError as error:
        raise Unreachable(
            f"answers, but isn't usable at {facts['url']} ({error.strerror})",
            "keycloak",
            "check the address, and the proxy before it",
        ) from None
    finally:
        http.close()
    return "Keycloak"


def _ask_management(facts: Mapping[str, Any], ca: str | None) -> None:
    # The management interface speaks https if the server has a certificate, unless it was told otherwise.
    # It is often closed to other machines: then the public address alone has to do.
    port = (facts.get("ports") or {}).get("management", MANAGEMENT)
    hosts = {"https": facts.get("fqdn") or facts.get("address"), "http": facts.get("address")}
    for scheme, host in hosts.items():
        if not host:
            continue
        http = Session(f"{scheme}://{host}:{port}", service="keycloak", ca=ca, timeout=QUICK, retries=0)
        try:
            answer = http.get("/health/ready", accept=(503,))
        except (Unreachable, Rejected, Missing):
            # Closed, the other scheme's, or built without health.
            continue
        finally:
            http.close()
        checks = answer.data.get("checks", []) if isinstance(answer.data, dict) else []
        if answer.status == 503:
            down = [str(check.get("name")) for check in checks if check.get("status") != "UP"]
            raise Unreachable(
                f"is still starting, or lacks what it needs ({', '.join(down) or 'not ready'})",
                "keycloak",
                "wait; if it stays so, look at its log and at its database",
            )
        return
