"""``python -m salt_itstack.lab.doubles.mattermost --address A --port P --config FILE`` runs the double in the
foreground, until SIGTERM."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from pathlib import Path


def main() -> int:
    """Run until told to stop. Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="mattermost-double", description="Mattermost's REST interface on a real PostgreSQL"
    )
    parser.add_argument("--address", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8065, help="port to listen on")
    parser.add_argument("--config", type=Path, required=True, help="config.json; MM_* variables override it")
    parser.add_argument("--socket", default="", help="local mode's socket instead of LocalModeSocketLocation")
    chosen = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    # Not before the arguments are right: psycopg may be missing, and its message should come last.
    from salt_itstack.lab.doubles.mattermost.configuration import Configuration
    from salt_itstack.lab.doubles.mattermost.server import serve
    from salt_itstack.lab.doubles.mattermost.store import DatabaseDown

    try:
        servers = serve(Configuration(chosen.config, os.environ), chosen.address, chosen.port, chosen.socket)
    except DatabaseDown as error:
        logging.critical("can't start: the database can't be used: %s", " ".join(str(error).split()))
        return 1
    except (OSError, ValueError) as error:
        logging.critical("can't start: %s", error)
        return 1
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    for server in servers:
        threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
    stopped.wait()
    for server in servers:
        server.shutdown()
        server.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
