"""Whether Nextcloud is usable: its status page alone also says yes while Redis is down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import ItstackError, Unreachable
from ...http import Session

SERVICE = "Nextcloud"
#: Seconds for each question: a gate asks again and again.
PATIENCE = (2.0, 5.0)


def readiness(facts: Mapping[str, Any]) -> str:
    """
    What answers at Nextcloud's address, such as ``Nextcloud 33.0.7``, once people can use it.

    facts
        ``url``, and ``ca_file`` where its certificate isn't one that the system trusts.

    Raises :class:`Unreachable` with the reason.
    """
    http = Session(
        facts["url"],
        service=SERVICE,
        ca=facts.get("ca_file"),
        headers={"OCS-APIRequest": "true"},
        timeout=PATIENCE,
        retries=0,
        # The public name may lead to a proxy, and this is about Nextcloud itself.
        address=None if facts.get("external") else facts.get("address"),
    )
    try:
        status = http.get("/status.php", accept=(400,))
        said = status.data if isinstance(status.data, dict) else {}
        if said.get("code") == 15:
            raise Unreachable(
                f"{facts['url']} isn't among its trusted domains",
                SERVICE,
                "add the host to `trusted_domains`",
            )
        _check(said)
        # Nobody logs in here, so that no failed login is counted against this address: 401 with OCS code 997
        # is the answer of a Nextcloud that works. With its cache or database gone it is 500 or 503.
        user = http.get("/ocs/v2.php/cloud/user", accept=(401,))
        ocs = user.data.get("ocs") if isinstance(user.data, dict) else None
        if not ocs or ocs.get("meta", {}).get("statuscode") not in (200, 997):
            raise Unreachable("its OCS interface gives no answer", SERVICE, "look at Nextcloud's log")
    except Unreachable:
        raise
    except ItstackError as error:
        raise Unreachable(f"it isn't usable ({error})", SERVICE) from None
    finally:
        http.close()
    return f"Nextcloud {said.get('versionstring', '')}".strip()


def _check(said: Mapping[str, Any]) -> None:
    if not said.get("installed"):
        raise Unreachable("it isn't installed", SERVICE, "use `itstack_nextcloud.installed`")
    if said.get("maintenance"):
        raise Unreachable("it is in maintenance mode", SERVICE, "`occ maintenance:mode --off` ends that")
    if said.get("needsDbUpgrade"):
        raise Unreachable("it waits for its upgrade", SERVICE, "run `occ upgrade`")
