"""
Wait until minions answer: `python -m salt_itstack.lab.await_minions SECONDS NAME...`, in the master's server.

Prints each name as it answers; ends with 1 and the names that didn't.
"""

from __future__ import annotations

import sys
import time

import salt.client

ROUND_SECONDS = 3


def main() -> int:
    """Ping again and again those that haven't answered."""
    end = time.monotonic() + float(sys.argv[1])
    waiting = set(sys.argv[2:])
    while True:
        try:
            with salt.client.get_local_client() as client:
                found = client.cmd_iter(
                    sorted(waiting), "test.ping", tgt_type="list", timeout=ROUND_SECONDS, gather_job_timeout=2
                )
                for answer in found:
                    for name in set(answer) & waiting:
                        waiting.discard(name)
                        print(name, flush=True)
                    if not waiting:
                        return 0
        except Exception as problem:  # noqa: BLE001 - the master may be starting: anything may be missing yet
            last = str(problem)
            time.sleep(0.3)
        else:
            last = ""
        if time.monotonic() > end:
            print(f"no answer from {', '.join(sorted(waiting))}. {last}", file=sys.stderr)
            return 1


if __name__ == "__main__":
    sys.exit(main())
