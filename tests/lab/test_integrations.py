"""Each of the first integrations, both ends: what hand-made drift, removal and refusals lead to."""

from __future__ import annotations

import json

import pytest
from direct import APPLICATION_SERVER, DATABASE_SERVER, IDENTITY_SERVER, Direct
from fleet import changed, changes
from promises import WRONG, promises

FIVE = sorted(promises("127.0.0"))
REMOVABLE = [name for name in FIVE if promises("127.0.0")[name].removal]
SERVERS = (IDENTITY_SERVER, DATABASE_SERVER, APPLICATION_SERVER)


@pytest.fixture(scope="module")
def direct(deployed):
    """The servers' own interfaces; at the end nothing is left to do."""
    yield Direct(deployed)
    for server, states in deployed.highstates(*SERVERS).items():
        assert not changed(states), server
        assert not [state for state in states.values() if state["result"] is not True], server


@pytest.fixture(params=FIVE)
def integration(request, deployed):
    """Id and promise of each integration in turn, which works again afterwards."""
    yield request.param, promises(deployed.network)[request.param]
    row, _ = status(deployed, request.param)
    if row["state"] != "works":
        # The next test isn't to fail for this one's reason.
        for server in (DATABASE_SERVER, IDENTITY_SERVER, APPLICATION_SERVER):
            deployed.highstates(server)
    assert row["state"] == "works", row["reason"]


def status(fleet, identifier):
    """A row of the matrix as it is right now, and the exit code."""
    answer, code = fleet.runner("itstack.status", "fresh=True", f"integrations=['{identifier}']")
    return next(row for row in answer["rows"] if row["id"] == identifier), code


@pytest.mark.parametrize("identifier", FIVE)
def test_the_first_run_makes_each_state_of_both_ends(deployed, identifier):
    made = {name for name in changes(deployed.first) if name.split(" ", 1)[1].startswith(f"{identifier}:")}
    promise = promises(deployed.network)[identifier]
    wanted = {f"{server} {state}" for server, states in promise.states.items() for state in states}
    assert wanted <= made
    # All that is made besides belongs to it as well, and to one of its ends.
    assert {name.split(" ", 1)[0] for name in made - wanted} <= {APPLICATION_SERVER}


def test_drift_made_by_hand_is_told_predicted_and_repaired(deployed, direct, integration):
    identifier, promise = integration
    promise.drift(direct)

    row, code = status(deployed, identifier)
    state, words = promise.verdict
    assert row["state"] == state, row["reason"]
    assert all(word in row["reason"] for word in words), row["reason"]
    assert code == 1

    wanted = {server: set(states) for server, states in promise.repair.items()}
    predicted = deployed.highstates(*promise.repair, test=True)
    made = {server: deployed.highstates(server)[server] for server in promise.repair}
    assert {server: set(changed(states)) for server, states in made.items()} == wanted
    failed = [
        state["comment"] for states in made.values() for state in states.values() if not state["result"]
    ]
    assert not failed
    # The dry run said exactly that, and left it to the real one.
    assert {server: changed(states) for server, states in predicted.items()} == {
        server: changed(states) for server, states in made.items()
    }
    assert WRONG not in json.dumps([row, predicted, made])


@pytest.mark.parametrize("integration", REMOVABLE, indirect=True)
def test_it_is_removed_by_states_and_brought_back_by_the_highstate(deployed, direct, integration):
    identifier, promise = integration
    for single in promise.removal:
        first = deployed.state(single.server, single.function, test=True, **single.arguments)
        assert first["result"] is None and first["changes"], first
        gone = deployed.state(single.server, single.function, **single.arguments)
        assert gone["result"] is True and gone["changes"] == first["changes"], gone
        again = deployed.state(single.server, single.function, **single.arguments)
        assert again["result"] is True and not again["changes"], again
    row, code = status(deployed, identifier)
    assert (row["state"], code) == ("broken", 1), row["reason"]
    for server in promise.states:
        made = deployed.highstates(server)[server]
        assert changed(made)
        assert all(name.startswith(f"{identifier}:") for name in changed(made)), changed(made)


@pytest.mark.parametrize("identifier", FIVE)
@pytest.mark.parametrize("what", ["denied", "unreachable"])
def test_wrong_credentials_and_a_server_that_isnt_there_fail_cleanly(deployed, identifier, what):
    refusal = getattr(promises(deployed.network)[identifier], what)
    answer = deployed.state(refusal.single.server, refusal.single.function, **refusal.single.arguments)
    comment = answer["comment"]
    assert answer["result"] is False and answer["changes"] == {}
    assert all(word in comment for word in refusal.words), comment
    assert "Remedy: " in comment
    assert "Traceback" not in comment and WRONG not in comment


@pytest.mark.parametrize(
    ("server", "function", "arguments"),
    [
        (
            IDENTITY_SERVER,
            "itstack_freeipa.system_account_present",
            {
                "name": "wiki",
                "password": WRONG,
                "profile": {
                    "host": "ipa.it-stack.lab",
                    "user": "admin",
                    "password": WRONG,
                    "ca": "/etc/ssl/certs/ca-certificates.crt",
                },
            },
        ),
        (
            APPLICATION_SERVER,
            "itstack_nextcloud.app_enabled",
            {
                "name": "user_oidc",
                "profile": {"occ_command": "/var/www/elsewhere/occ"},
            },
        ),
    ],
)
def test_the_other_ends_fail_cleanly_as_well(deployed, server, function, arguments):
    answer = deployed.state(server, function, **arguments)
    assert answer["result"] is False and answer["changes"] == {}
    assert "Remedy: " in answer["comment"], answer["comment"]
    assert "Traceback" not in answer["comment"] and WRONG not in answer["comment"]


def test_a_database_is_removed_only_with_the_word_for_it(deployed, direct):
    def state(function, **arguments):
        return deployed.state(DATABASE_SERVER, f"itstack_postgresql.{function}", **arguments)

    made = [
        state("role_present", name="throwaway_user", password="secret://postgresql-nextcloud"),
        state("database_present", name="throwaway", owner="throwaway_user"),
    ]
    assert all(step["result"] is True and step["changes"] for step in made), made
    refused = [state("database_absent", name="throwaway"), state("role_absent", name="throwaway_user")]
    for step in refused:
        assert step["result"] is False and not step["changes"] and "Remedy: " in step["comment"], step
    assert direct.sql("SELECT datname FROM pg_database WHERE datname = 'throwaway'") == "throwaway"
    gone = [
        state("database_absent", name="throwaway", data_loss=True),
        state("role_absent", name="throwaway_user"),
    ]
    assert all(step["result"] is True and step["changes"] for step in gone), gone
    assert direct.sql("SELECT rolname FROM pg_roles WHERE rolname = 'throwaway_user'") == ""


def test_a_stopped_server_is_told_by_states_and_matrix(deployed, direct):
    unit = "redis-server"
    assert deployed.call(DATABASE_SERVER, "service.stop", unit) is True
    answer = deployed.state(DATABASE_SERVER, "itstack_redis.user_present", name="nextcloud")
    assert answer["result"] is False and not answer["changes"]
    assert "Redis" in answer["comment"] and "Remedy: " in answer["comment"], answer["comment"]
    row, code = status(deployed, "redis-nextcloud")
    assert (row["state"], code) == ("broken", 1) and "Redis" in row["reason"], row
    made = deployed.highstates(DATABASE_SERVER)[DATABASE_SERVER]
    assert set(changed(made)) == {"redis: running"}
    row, code = status(deployed, "redis-nextcloud")
    assert (row["state"], code) == ("works", 0), row["reason"]
