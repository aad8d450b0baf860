"""Each integration, both ends: what hand-made drift, removal and refusals lead to."""

from __future__ import annotations

import json

import pytest
from direct import APPLICATION_SERVER, DATABASE_SERVER, IDENTITY_SERVER, PROXY_SERVER, Direct
from fleet import changed, changes
from promises import WRONG, promises

ROWS = sorted(promises("127.0.0"))
REMOVABLE = tuple(name for name in ROWS if promises("127.0.0")[name].removal)
#: What hides other drift while it lasts: without database or route Nextcloud tells nothing of the rest.
ALONE = ("postgresql-nextcloud", "traefik-nextcloud")
#: Broken at the same time, which saves minutes.
TOGETHER = (tuple(name for name in ROWS if name not in ALONE), *((name,) for name in ALONE))
#: In the order of their services' needs.
SERVERS = (DATABASE_SERVER, IDENTITY_SERVER, APPLICATION_SERVER, PROXY_SERVER)


@pytest.fixture(scope="module")
def direct(deployed):
    """The servers' own interfaces; at the end nothing is left to do."""
    yield Direct(deployed)
    # The second highstate after all that, too.
    for server, states in deployed.highstates(*SERVERS).items():
        assert not changed(states), server
        assert not [state for state in states.values() if state["result"] is not True], server


@pytest.fixture
def several(request, deployed):
    """Promises of several integrations by id, which work again afterwards."""
    yield {name: promises(deployed.network)[name] for name in request.param}
    rows, _ = status(deployed, *request.param)
    broken = {name: row["reason"] for name, row in rows.items() if row["state"] != "works"}
    if broken:
        # The next test isn't to fail for this one's reason.
        for server in SERVERS:
            deployed.highstates(server)
    assert not broken


def status(fleet, *identifiers):
    """Rows of the matrix as they are right now, by id, and the exit code."""
    chosen = f"integrations={json.dumps(identifiers)}"
    answer, code = fleet.runner("itstack.status", "fresh=True", chosen)
    return {row["id"]: row for row in answer["rows"] if row["id"] in identifiers}, code


@pytest.mark.parametrize("identifier", ROWS)
def test_the_first_run_makes_each_state_of_both_ends(deployed, identifier):
    made = {name for name in changes(deployed.first) if name.split(" ", 1)[1].startswith(f"{identifier}:")}
    promise = promises(deployed.network)[identifier]
    wanted = {f"{server} {state}" for server, states in promise.states.items() for state in states}
    assert wanted <= made
    # All that is made besides belongs to it as well, and to one of its ends.
    assert {name.split(" ", 1)[0] for name in made - wanted} <= {APPLICATION_SERVER}


@pytest.mark.parametrize("several", TOGETHER, indirect=True, ids="+".join)
def test_drift_made_by_hand_is_told_predicted_and_repaired(deployed, direct, several):
    for promise in several.values():
        promise.drift(direct)

    rows, code = status(deployed, *several)
    assert code == 1
    for name, promise in several.items():
        state, words = promise.verdict
        assert rows[name]["state"] == state, (name, rows[name]["reason"])
        assert all(word in rows[name]["reason"] for word in words), (name, rows[name]["reason"])

    wanted = {
        server: {state for promise in several.values() for state in promise.repair.get(server, ())}
        for server in SERVERS
    }
    predicted = deployed.highstates(*SERVERS, test=True)
    made = {server: deployed.highstates(server)[server] for server in SERVERS}
    assert {server: set(changed(states)) for server, states in made.items()} == wanted
    failed = [
        state["comment"] for states in made.values() for state in states.values() if not state["result"]
    ]
    assert not failed
    # The dry run said exactly that, and left it to the real one.
    for server in SERVERS:
        told, done = changed(predicted[server]), changed(made[server])
        assert {state: told.get(state) for state in done} == done
        # While the database refuses Nextcloud, each state that could mend the password says so.
        assert set(told) - set(done) <= {"postgresql-nextcloud: connection"}
    assert WRONG not in json.dumps([rows, predicted, made])


@pytest.mark.parametrize("several", [REMOVABLE], indirect=True, ids="+".join)
def test_they_are_removed_by_states_and_brought_back_by_the_highstate(deployed, direct, several):
    for single in (single for promise in several.values() for single in promise.removal):
        first = deployed.state(single.server, single.function, test=True, **single.arguments)
        assert first["result"] is None and first["changes"], first
        gone = deployed.state(single.server, single.function, **single.arguments)
        assert gone["result"] is True and gone["changes"] == first["changes"], gone
        again = deployed.state(single.server, single.function, **single.arguments)
        assert again["result"] is True and not again["changes"], again
    rows, code = status(deployed, *several)
    assert ({row["state"] for row in rows.values()}, code) == ({"broken"}, 1), rows
    made = {state for server in SERVERS for state in changed(deployed.highstates(server)[server])}
    assert {state.split(":", 1)[0] for state in made} == set(several), made


@pytest.mark.parametrize("identifier", ROWS)
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
    rows, code = status(deployed, "redis-nextcloud")
    row = rows["redis-nextcloud"]
    assert (row["state"], code) == ("broken", 1) and "Redis" in row["reason"], row
    made = deployed.highstates(DATABASE_SERVER)[DATABASE_SERVER]
    assert set(changed(made)) == {"redis: running"}
    rows, code = status(deployed, "redis-nextcloud")
    assert (rows["redis-nextcloud"]["state"], code) == ("works", 0), rows
