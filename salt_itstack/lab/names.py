"""The lab's names: a zone made from its layout, served by Knot on the directory's server."""

from __future__ import annotations

import time
from pathlib import Path

from .inside import write_files
from .settings import Lab

ZONE_FOLDER = Path("/var/lib/knot")
TIME_TO_LIVE = 60


def zone(lab: Lab) -> dict:
    """The zone's name and its records, as (name, type, value)."""
    records = [(server.name, "A", server.address) for server in lab.everyone]
    for service in sorted(lab.public_names):
        server = lab.server_of("traefik" if service in lab.proxied else service)
        if server:
            records.append((lab.public_names[service], "A", server.address))
    directory = lab.server_of("freeipa")
    if directory:
        host = f"{directory.name}.{lab.domain}."
        records.append(("@", "NS", host))
        records.append(("_kerberos", "TXT", f'"{lab.domain.upper()}"'))
        records.append(("ipa-ca", "A", directory.address))
        for service, protocol, port in (
            ("_ldap", "_tcp", 389),
            ("_kerberos", "_tcp", 88),
            ("_kerberos", "_udp", 88),
        ):
            records.append((f"{service}.{protocol}", "SRV", f"0 100 {port} {host}"))
    return {"domain": lab.domain, "records": records}


def zone_text(zone_data: dict, serial: int) -> str:
    """The zone as a zone file."""
    domain = zone_data["domain"]
    lines = [
        f"$ORIGIN {domain}.",
        f"$TTL {TIME_TO_LIVE}",
        f"@ SOA ipa-ca.{domain}. hostmaster.{domain}. {serial} 3600 900 1209600 {TIME_TO_LIVE}",
        *(f"{name} {kind} {value}" for name, kind, value in zone_data["records"]),
    ]
    return "\n".join(lines) + "\n"


def configuration(domain: str, address: str) -> str:
    """Knot's configuration for one zone on one address."""
    return f"""\
server:
    listen: {address}@53
    user: knot:knot
    rundir: /run/knot
    udp-workers: 1
    tcp-workers: 2
    background-workers: 1
log:
  - target: stdout
    any: info
database:
    storage: {ZONE_FOLDER}
zone:
  - domain: {domain}
    storage: {ZONE_FOLDER}
    file: {domain}.zone
"""


def write(zone_data: dict, address: str) -> None:
    """Write Knot's files on the server one is on; a zone that is there is only replaced when it differs."""
    domain = zone_data["domain"]
    path = ZONE_FOLDER / f"{domain}.zone"
    serial = _serial(path) if path.exists() else 0
    if not path.exists() or path.read_text() != zone_text(zone_data, serial):
        serial = max(serial + 1, int(time.time()))
    write_files(
        [
            {"path": str(path), "text": zone_text(zone_data, serial), "user": "knot", "group": "knot"},
            {
                "path": "/etc/knot/knot.conf",
                "text": configuration(domain, address),
                "group": "knot",
                "mode": "0640",
            },
        ]
    )


def _serial(path: Path) -> int:
    words = path.read_text().partition(" SOA ")[2].split()
    return int(words[2]) if len(words) > 2 and words[2].isdigit() else 0
