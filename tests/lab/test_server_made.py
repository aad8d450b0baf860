"""What only a server can make: deleted by hand, it is made anew, and the other end has it at once."""

from __future__ import annotations

import json

import pytest
from direct import APPLICATION_SERVER, Direct
from fleet import wait_for

HOOK = "taiga-mattermost"


@pytest.fixture(scope="module")
def direct(deployed):
    """The servers' own interfaces."""
    return Direct(deployed)


def row_of(fleet):
    answer, _ = fleet.runner("itstack.status", "fresh=True", f"integrations={json.dumps([HOOK])}")
    (row,) = [row for row in answer["rows"] if row["id"] == HOOK]
    return row


def test_a_deploy_makes_the_deleted_hook_anew_and_speaks_through_the_new_one(deployed, direct):
    before = direct.stored(HOOK)
    direct.delete_hooks()
    row = row_of(deployed)
    assert row["state"] == "broken" and before not in row["reason"], row
    said = direct.messages("dev-notifications")

    done = deployed.inside("lab-master", "salt-run", "--out=json", "itstack.deploy", timeout=600)
    report = json.loads(done.stdout)
    assert (report["failures"], report["changes"]) == ([], 1), done.stderr
    after = direct.stored(HOOK)
    assert after != before
    assert {row["id"]: row["state"] for row in report["rows"]}[HOOK] == "works"
    # Said by the minion of the other end, which therefore had the new address in that same run.
    assert len(direct.messages("dev-notifications")) == len(said) + 1
    assert after not in done.stdout + done.stderr


def test_outside_of_a_deploy_an_event_brings_the_new_one_to_the_other_end(deployed, direct):
    before = direct.stored(HOOK)
    direct.delete_hooks()
    made = [name for name, state in deployed.highstate(APPLICATION_SERVER).items() if state["changes"]]
    assert made == [f"{HOOK}: hook"]
    wait_for(lambda: direct.stored(HOOK) != before, "the master's store has the new address", 60)
    assert row_of(deployed)["state"] == "works"
