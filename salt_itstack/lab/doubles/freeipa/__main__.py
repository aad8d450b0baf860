"""``python -m salt_itstack.lab.doubles.freeipa --config FILE`` runs the double in the foreground."""

from __future__ import annotations

import argparse
import json
import logging
import signal
import sys
import threading
from pathlib import Path

NEEDED = (
    "address",
    "host",
    "certificate",
    "key",
    "ldap_url",
    "manager_password_file",
    "domain",
    "realm",
    "base_dn",
)


def main() -> int:
    """Run until told to stop. Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="freeipa-double", description="FreeIPA's JSON-RPC on a real directory"
    )
    parser.add_argument("--config", type=Path, required=True, help="JSON file: " + ", ".join(NEEDED))
    chosen = parser.parse_args()
    try:
        configuration = json.loads(chosen.config.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        print(f"{chosen.config}: {error}", file=sys.stderr)
        return 2
    lacking = [name for name in NEEDED if name not in configuration]
    if lacking:
        print(f"{chosen.config}: these keys are missing: {', '.join(lacking)}", file=sys.stderr)
        return 2
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    # Not before the arguments are right: python-ldap may be missing, and its message should come last.
    from salt_itstack.lab.doubles.freeipa.server import serve

    server = serve({"port": 443, "manager": "cn=Directory Manager", **configuration})
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever(poll_interval=0.1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
