"""
Runs on a minion as its owner: sends the master a list of events, as the minion does for its beacons.

In such a list Salt checks who sent it, but neither tags nor data.
"""

from __future__ import annotations

import json
import sys
import time

import salt.channel.client
import salt.config
import salt.crypt

from salt_itstack.remediation.announcement import WRONG, announce


def main() -> None:
    """Forge, or send a thousand true ones: the first argument is a JSON object with what and how."""
    order = json.loads(sys.argv[1])
    opts = salt.config.minion_config("/etc/salt/minion")
    opts["master_uri"] = f"tcp://{opts['master']}:{opts['master_port']}"
    content = {"what": order["what"], "kind": "stopped", "side": ""}
    said = announce(opts, WRONG, content, time.time())
    if order.get("as"):
        said["id"] = order["as"]
        if order.get("inside"):
            said["said"] = said["said"].replace(f'"{opts["id"]}"', f'"{order["as"]}"')
    if order.get("bare"):
        said = {"id": order["as"], **content}
    minion = order.get("as") or opts["id"]
    tag = f"salt/beacon/{minion}/itstack/{order['what']}"
    load = {
        "id": opts["id"],
        "cmd": "_minion_event",
        "pretag": None,
        "tok": salt.crypt.SAuth(opts).gen_token(b"salt"),
        "events": [{"tag": tag, "data": dict(said)} for _ in range(order.get("times", 1))],
    }
    with salt.channel.client.ReqChannel.factory(opts) as channel:
        channel.send(load)


main()
