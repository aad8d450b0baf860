"""Whether FreeIPA is usable, which is more than that its processes run."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any

from ...errors import ItstackError, Unreachable, Unsupported
from . import directory
from .api import SERVICE, FreeIPA

try:
    import dns.exception
    import dns.message
    import dns.query
    import dns.rcode
    import dns.rdatatype
except ImportError:
    # The package asks for it, but where files are only synced nobody does.
    dns = None  # type: ignore[assignment]

#: Seconds for each question: a gate asks again and again.
PATIENCE = 2.0


def readiness(facts: Mapping[str, Any]) -> str:
    """
    What FreeIPA is and which version, once its web, directory and DNS parts all answer.

    facts
        ``address``, ``fqdn``, ``domain`` of the server, with ``ca_file``, ``base_dn``, and its ``ports``:
        ``ldap``, ``dns``, ``https``.

    Raises :class:`Unreachable` naming the part that doesn't, :class:`Unsupported` without dnspython.
    """
    if dns is None:
        raise Unsupported(
            "whether its DNS answers can't be asked without dnspython", SERVICE,
            remedy="on this minion: salt-pip install dnspython",
        )  # fmt: skip
    address, ports = facts["address"], facts.get("ports") or {}
    _directory(address, int(ports.get("ldap", 389)), facts.get("base_dn") or "")
    _names(address, int(ports.get("dns", 53)), facts["domain"])
    return _web(facts["fqdn"], f"{address}:{ports.get('https', 443)}", facts.get("ca_file"))


def _web(fqdn: str, address: str, ca: str | None) -> str:
    server = FreeIPA(fqdn, "", "", ca=ca, address=address, retries=0)
    try:
        return f"FreeIPA {server.version((PATIENCE, PATIENCE))}".strip()
    except ItstackError as error:
        raise Unreachable(f"its web part isn't ready ({error})", SERVICE) from None
    finally:
        server.close()


def _directory(address: str, port: int, base: str) -> None:
    try:
        socket.create_connection((address, port), timeout=PATIENCE).close()
    except OSError as error:
        raise Unreachable(
            f"its directory at {address}:{port} doesn't accept connections ({error})", SERVICE
        ) from None
    if not directory.is_available():
        return
    found = directory.base_dn(f"ldap://{address}:{port}", timeout=PATIENCE)
    if base and found and found.casefold() != base.casefold():
        raise Unreachable(f"the directory at {address}:{port} serves {found}, not {base}", SERVICE)


def _names(address: str, port: int, domain: str) -> None:
    wanted = f"_ldap._tcp.{domain}"
    question = dns.message.make_query(wanted, dns.rdatatype.SRV)
    try:
        # An external server's address may be a name, which only sockets understand.
        numeric = socket.getaddrinfo(address, port, type=socket.SOCK_DGRAM)[0][4][0]
        answer = dns.query.udp(question, str(numeric), timeout=PATIENCE, port=port)
    except (dns.exception.DNSException, OSError) as error:
        raise Unreachable(
            f"its DNS at {address}:{port} doesn't answer for {wanted} ({type(error).__name__})", SERVICE
        ) from None
    if not any(row.rdtype == dns.rdatatype.SRV for row in answer.answer):
        raise Unreachable(
            f"its DNS at {address}:{port} has no {wanted} ({dns.rcode.to_text(answer.rcode())})", SERVICE
        )
