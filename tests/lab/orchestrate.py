"""Runs the deploy inside the lab's master and prints its whole return as JSON: `orchestrate.py [test]`."""

import json
import os
import sys

import salt.config
import salt.runner

answer = os.fdopen(os.dup(1), "w")
# Whatever Salt prints besides would be in the way.
os.dup2(2, 1)
arguments = json.loads(sys.argv[1])
opts = salt.config.master_config("/etc/salt/master")
client = salt.runner.RunnerClient(opts)
returned = client.cmd(
    "state.orchestrate",
    arg=["itstack.deploy"],
    kwarg={"pillar": {"itstack_deploy": arguments.get("select", {})}, "test": arguments.get("test", False)},
    pub_data={"user": "root"},
    print_event=False,
)
json.dump(returned, answer, default=str)
answer.flush()
os._exit(0)
