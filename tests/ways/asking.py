"""
Makes calls on a master and on its minion; the answers are printed as JSON.

    python asking.py CONFIGURATION MINION < calls.json
"""

import contextlib
import json
import sys
import time

import salt.client
import salt.config
import salt.exceptions
import salt.runner

folder, minion = sys.argv[1:]
opts = salt.config.client_config(f"{folder}/master")
runner = salt.runner.RunnerClient(dict(opts))


def on_minion(function, arguments, named):
    client = salt.client.LocalClient(mopts=dict(opts))
    return client.cmd(minion, function, arguments, kwarg=named, timeout=60).get(minion, "no answer")


def wait_for_minion():
    end = time.monotonic() + 60
    while time.monotonic() < end:
        # Neither the master's key and sockets nor the minion's connection need be there at once.
        with contextlib.suppress(salt.exceptions.SaltException):
            client = salt.client.LocalClient(mopts=dict(opts))
            if client.cmd(minion, "test.ping", timeout=1).get(minion) is True:
                return
        time.sleep(0.1)
    sys.exit("the minion doesn't answer")


answers, ready = [], False
with contextlib.redirect_stdout(sys.stderr):
    for where, function, *arguments in json.load(sys.stdin):
        named = arguments.pop() if arguments and isinstance(arguments[-1], dict) else {}
        if where == "minion":
            ready = ready or wait_for_minion() is None
            answers.append(on_minion(function, arguments, named))
        else:
            answers.append(runner.cmd(function, arguments, kwarg=named, print_event=False))
print(json.dumps(answers, default=str))
