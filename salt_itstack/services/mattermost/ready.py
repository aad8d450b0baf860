"""Whether Mattermost can be used: its plain ping also says yes while the database is away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import ItstackError, Unreachable
from ...http import Answer, Session

SERVICE = "Mattermost"
#: Asks the database and the files, too (Mattermost's API reference, "Check system health").
STATUS = "/api/v4/system/ping?get_server_status=true"
#: Seconds for each question: a gate asks again and again.
PATIENCE = (2.0, 5.0)
_PARTS = {"database_status": "its database", "filestore_status": "its file store"}


def readiness(facts: Mapping[str, Any]) -> str:
    """
    What answers at the server's own address, such as ``Mattermost 10.11.6``, once people can use it.

    facts
        ``address`` and ``ports`` of the service as the map gives them; ``url`` of an external one, and
        ``ca_file``.

    Raises :class:`~salt_itstack.errors.Unreachable` with the reason.
    """
    http = Session(address(facts), SERVICE, ca=facts.get("ca_file"), timeout=PATIENCE, retries=0)
    try:
        status = http.get(STATUS, accept=(500,))
        check(status)
    except Unreachable:
        raise
    except ItstackError as error:
        raise Unreachable(f"it isn't usable ({error})", SERVICE) from None
    finally:
        http.close()
    return f"{SERVICE} {version(status)}".strip()


def address(facts: Mapping[str, Any]) -> str:
    """Where the server itself listens, whatever stands before it; of an external one, its public address."""
    if facts.get("external"):
        return str(facts["url"])
    host = str(facts["address"])
    return f"http://{f'[{host}]' if ':' in host else host}:{facts['ports']['http']}"


def check(status: Answer) -> None:
    """Raise :class:`Unreachable` unless the answer to :data:`STATUS` says that all is well."""
    said = status.data if isinstance(status.data, dict) else {}
    if "status" not in said:
        raise Unreachable(
            "what answers there isn't Mattermost", SERVICE, "correct its address and port in the map"
        )
    if status.status == 200 and said["status"] == "OK":
        return
    away = [words for key, words in _PARTS.items() if said.get(key, "OK") != "OK"]
    raise Unreachable(
        f"it can't use {' and '.join(away) or 'a part of itself'}",
        SERVICE,
        "start that; if it runs, see that the address and password that Mattermost has are right",
    )


def version(answer: Answer) -> str:
    """
    The server's version, as each of its answers carries it; empty where a proxy took it away.

    The header is the version, the build's number, a digest of the settings and whether it is licensed, with
    dots between them: ``10.11.6.10.11.6.ade6….false``.
    """
    return ".".join(answer.headers.get("X-Version-Id", "").split(".")[:3])
