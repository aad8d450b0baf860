"""Repair by events: what breaks is put back without a hand, with the schedule off, and within a minute."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
from functools import partial
from pathlib import Path

import pytest
import requests
from direct import APPLICATION_SERVER, DATABASE_SERVER, IDENTITY_SERVER, PROXY_SERVER, ROUTES, Direct
from fleet import wait_for

from salt_itstack.lab import client
from salt_itstack.remediation.look import WELL, Finding

#: Seconds within which everything here has to be back.
MINUTE = 60
FORGER = Path(__file__).parent / "inside_forger.py"
WATCH = "/var/cache/salt/minion/itstack/watch.json"
RECORD = "/var/cache/salt/master/itstack"
UNIT = "redis-server"
HOOK_FILE = "/etc/salt/master.d/hook.conf"


@pytest.fixture(scope="module")
def wanted(deployed):
    """The keys of all that each minion looks at."""
    return {server: {found.key for found in look} for server, look in _looked_at(deployed).items()}


@pytest.fixture(scope="module")
def repaired(deployed, wanted):
    """The lab with beacons on and the schedule off; each minion has seen everything well once."""
    deployed.periods(enforce=None, beacon=5)
    try:
        _await_well(deployed, wanted)
        yield deployed
    finally:
        # Minions that go on looking would take the machine's time from all later tests.
        deployed.periods(enforce=None, beacon=None)


def _await_well(fleet, wanted):
    """Wait until each minion has found all that it looks at to be well; who hasn't is told."""
    missing = {}

    def seen():
        missing.clear()
        missing.update(_not_well(fleet, wanted) or _wrong_now(fleet))
        return not missing

    try:
        wait_for(seen, "each minion finds all to be well", seconds=4 * MINUTE)
    except AssertionError as problem:
        raise AssertionError(f"{problem}: {missing}") from None


def _looked_at(fleet):
    """What a look of each minion finds right now."""
    servers = (DATABASE_SERVER, IDENTITY_SERVER, APPLICATION_SERVER, PROXY_SERVER)
    answers = fleet.salt(",".join(servers), "itstack.look")
    assert set(answers) == set(servers), answers
    return {server: [Finding(**row) for row in rows] for server, rows in answers.items()}


def _wrong_now(fleet):
    """What isn't well when it is asked for, by minion."""
    found = {
        server: {found.key: found.reason for found in look if found.state != WELL}
        for server, look in _looked_at(fleet).items()
    }
    return {server: wrong for server, wrong in found.items() if wrong}


def _not_well(fleet, wanted):
    """What a minion's own looks have found not to be well, or not yet to be so, by minion."""
    found = {}
    for server, keys in wanted.items():
        # Only the file: to ask for a look each time would take the time of those that are waited for.
        known = json.loads(fleet.inside(server, "cat", WATCH).stdout or '{"well": [], "told": {}}')
        if known["told"] or not set(known["well"]) >= keys:
            found[server] = {"told": known["told"], "unknown": keys - set(known["well"])}
    return found


@pytest.fixture(scope="module")
def direct(repaired):
    """The servers' own interfaces."""
    return Direct(repaired)


@pytest.fixture(autouse=True)
def calm(repaired, wanted):
    """Neither pauses nor budgets of an earlier test, and nothing held."""
    _await_well(repaired, wanted)
    wait_for(lambda: not _record(repaired)["running"], "no repair runs", seconds=MINUTE)
    repaired.shell("lab-master", f"rm -f {RECORD}/repairs.json {RECORD}/holds.json {RECORD}/pokes/*.json")


def _record(fleet):
    answer, code = fleet.runner("itstack.repairs")
    assert code == 0, answer
    return answer


def attempts(fleet, what):
    """The attempts of a thing, the oldest first."""
    return [row for row in reversed(_record(fleet)["attempts"]) if row["what"] == what]


def is_repaired(fleet, what, times=1):
    """Whether the last attempt of a thing repaired it, and how many did."""
    results = _results(fleet, what)
    return results.count("repaired") == times and results[-1:] == ["repaired"]


def redis_answers(fleet):
    return fleet.call(DATABASE_SERVER, "itstack.ready", "redis")["ready"]


def stop_redis(fleet):
    assert fleet.call(DATABASE_SERVER, "service.stop", UNIT) is True


def forge(fleet, server, **order):
    """Send events from a server as its owner can."""
    done = fleet.inside(server, sys.executable, str(FORGER), json.dumps(order))
    assert done.returncode == 0, done.stderr


# What breaks is put back --------------------------------------------------------------------------------


def test_a_stopped_service_is_back_within_a_minute(repaired, direct):
    stop_redis(repaired)
    wait_for(lambda: redis_answers(repaired), "Redis is back", MINUTE)
    wait_for(lambda: is_repaired(repaired, "redis"), "that is recorded")
    (row,) = attempts(repaired, "redis")
    assert (row["by"], row["step"]) == (DATABASE_SERVER, "restart redis")
    wait_for(lambda: attempts(repaired, "redis")[0].get("posted") == "posted", "people are told", MINUTE)
    (told, *_) = direct.messages("ops-alerts")
    assert "redis" in told and DATABASE_SERVER in told and "restart redis: repaired" in told, told


def test_a_redirect_uri_edited_at_the_provider_is_back_within_a_minute(repaired, direct):
    found = direct.client("nextcloud")
    wanted = sorted(found["redirectUris"])
    direct.keycloak(
        "PUT", f"/clients/{found['id']}", {**found, "redirectUris": ["https://elsewhere.example/*"]}
    )
    wait_for(lambda: sorted(direct.client("nextcloud")["redirectUris"]) == wanted, "the URI is back", MINUTE)
    wait_for(lambda: is_repaired(repaired, "keycloak-nextcloud"), "that is recorded")
    (row,) = attempts(repaired, "keycloak-nextcloud")
    assert row["step"] == "re-apply the source end of keycloak-nextcloud (keycloak)"
    assert list(row["changes"]) == ["keycloak-nextcloud: client nextcloud"]


def test_a_route_whose_file_was_overwritten_is_back_within_a_minute(repaired, direct):
    file = f"{ROUTES}/itstack-nextcloud.yml"
    wanted = repaired.shell(PROXY_SERVER, f"cat {file}")
    direct.edit_route("nextcloud", "Host(`[^`]*`)", "Host(`elsewhere.example`)")
    wait_for(lambda: repaired.shell(PROXY_SERVER, f"cat {file}") == wanted, "the route is back", MINUTE)
    wait_for(lambda: is_repaired(repaired, "traefik-nextcloud"), "that is recorded", MINUTE)
    (row,) = attempts(repaired, "traefik-nextcloud")
    assert row["step"] == "re-apply the source end of traefik-nextcloud (traefik)"
    assert list(row["changes"]) == ["traefik-nextcloud: route nextcloud"]


def test_a_database_grant_that_was_revoked_is_back_within_a_minute(repaired, direct):
    def may_connect():
        return direct.sql("SELECT has_database_privilege('nextcloud_user', 'nextcloud', 'CONNECT')") == "t"

    direct.sql(
        "REVOKE CONNECT ON DATABASE nextcloud FROM nextcloud_user; ALTER DATABASE nextcloud OWNER TO postgres"
    )
    direct.sql("REVOKE CONNECT ON DATABASE nextcloud FROM nextcloud_user")
    assert not may_connect()
    wait_for(may_connect, "the grant is back", MINUTE)
    wait_for(lambda: is_repaired(repaired, "postgresql-nextcloud"), "that is recorded", MINUTE)


def test_an_end_that_drifts_while_its_minion_is_away_is_put_back_when_it_returns(repaired):
    supervisor = client.supervisor(repaired.process(DATABASE_SERVER)).supervisor
    supervisor.stopProcess("salt-minion")
    try:
        supervisor.stopProcess(UNIT)
    finally:
        supervisor.startProcess("salt-minion")
    wait_for(lambda: is_repaired(repaired, "redis"), "Redis is repaired", 2 * MINUTE)
    assert redis_answers(repaired)


def test_a_server_that_hangs_doesnt_hold_its_minion_up_and_is_started_again(repaired):
    repaired.shell(DATABASE_SERVER, "pkill -STOP -x redis-server")

    def started_again():
        assert repaired.call(DATABASE_SERVER, "test.ping") is True
        return is_repaired(repaired, "redis")

    try:
        wait_for(started_again, "Redis is started again", 3 * MINUTE)
    finally:
        repaired.inside(DATABASE_SERVER, "pkill", "-CONT", "-x", "redis-server")
    assert redis_answers(repaired)


# Who is believed, and how often -------------------------------------------------------------------------


def test_a_thousand_events_are_one_repair(repaired):
    stop_redis(repaired)
    forge(repaired, DATABASE_SERVER, what="redis", times=1000)
    wait_for(lambda: is_repaired(repaired, "redis"), "Redis is repaired", MINUTE)
    # The last events are heard long after that: each is a look at most.
    wait_for(lambda: not _pokes(repaired), "all events are dealt with", 2 * MINUTE)
    assert len(attempts(repaired, "redis")) == 1


def _pokes(fleet):
    return fleet.shell("lab-master", f"ls {RECORD}/pokes | grep -v lock || true").split()


@pytest.mark.parametrize(
    "order",
    [{"as": DATABASE_SERVER}, {"as": DATABASE_SERVER, "inside": True}, {"as": DATABASE_SERVER, "bare": True}],
    ids=["name beside the signature", "name below the signature", "no signature"],
)
def test_a_minion_cant_speak_for_another(repaired, order):
    forge(repaired, APPLICATION_SERVER, what="redis", **order)
    # What the master hears later is dealt with later: after this one, the forged one has been.
    forge(repaired, DATABASE_SERVER, what="postgresql")
    wait_for(lambda: "postgresql.lock" in _locks(repaired), "the true event is dealt with")
    assert "redis.lock" not in _locks(repaired)


def _locks(fleet):
    return fleet.shell("lab-master", f"ls {RECORD}/pokes || true").split()


@pytest.fixture(autouse=True)
def no_locks(repaired):
    repaired.shell("lab-master", f"rm -f {RECORD}/pokes/*.lock")


# Asked for from outside ---------------------------------------------------------------------------------


def test_monitoring_may_ask_for_a_repair_and_nobody_else(repaired, direct, opened):
    stop_redis(repaired)
    assert opened("a-guess", what="redis") == 403
    assert opened(direct.stored("repair-hook"), what="redis", why="monitoring says that it is down") == 202
    wait_for(lambda: is_repaired(repaired, "redis"), "Redis is repaired", MINUTE)
    assert redis_answers(repaired)
    (row,) = attempts(repaired, "redis")
    assert row["by"].startswith("hook (") and row["step"] == "restart redis"


@pytest.fixture
def opened(repaired):
    """The master's hook is open, and no minion looks by itself; sends a request, and gives its status."""
    address = repaired.lab.master.address
    engine = {"engines": [{"itstack_hook": {"address": address, "port": 4510}}]}
    repaired.periods(enforce=None, beacon=None)
    repaired.shell("lab-master", f"cat > {HOOK_FILE}", stdin=json.dumps(engine))
    _restart_master(repaired)

    def ask(token, **order):
        headers = {"Authorization": f"Bearer {token}"}
        url = f"http://{address}:4510/repair"
        return requests.post(url, json=order, headers=headers, timeout=10).status_code

    def listens():
        with contextlib.suppress(requests.ConnectionError):
            return ask("a-guess", what="redis") == 403
        return False

    wait_for(listens, "the hook is open", MINUTE)
    yield ask
    repaired.shell("lab-master", f"rm {HOOK_FILE}")
    _restart_master(repaired)
    repaired.periods(enforce=None, beacon=5)


def _restart_master(fleet):
    programs = client.supervisor(fleet.process("lab-master")).supervisor
    programs.stopProcess("salt-master")
    programs.startProcess("salt-master")
    wait_for(lambda: fleet.all_answer(fleet.lab.servers), "all minions are back", 2 * MINUTE)


# Faults -------------------------------------------------------------------------------------------------


def test_a_master_that_is_killed_during_a_repair_looks_again(repaired):
    before = client.supervisor(repaired.process("lab-master")).supervisor
    pid = before.getProcessInfo("salt-master")["pid"]
    # One whose process runs is given half a minute to get ready by itself: time enough.
    repaired.shell(DATABASE_SERVER, "pkill -STOP -x redis-server")
    try:
        wait_for(lambda: _results(repaired) == ["running"], "a repair has begun", MINUTE)
        repaired.shell("lab-master", f"kill -{int(signal.SIGKILL)} -{pid}")
        wait_for(lambda: before.getProcessInfo("salt-master")["pid"] not in (0, pid), "a new master runs")
        wait_for(lambda: _results(repaired)[:1] == ["interrupted"], "it is looked at again", 4 * MINUTE)
        wait_for(lambda: redis_answers(repaired), "Redis is back", 2 * MINUTE)
    finally:
        repaired.inside(DATABASE_SERVER, "pkill", "-CONT", "-x", "redis-server")
    wait_for(lambda: not _pokes(repaired), "nothing is left to be looked at", 2 * MINUTE)


def _results(fleet, what="redis"):
    """What became of the attempts of a thing, the oldest first; of the file, which is quicker than to ask."""
    written = fleet.inside("lab-master", "cat", f"{RECORD}/repairs.json").stdout
    with contextlib.suppress(ValueError):
        return [row["result"] for row in json.loads(written)["attempts"] if row["what"] == what]
    return []


def test_what_is_put_back_twice_is_a_fight_and_left_alone(repaired, direct):
    def edit():
        found = direct.client("nextcloud")
        direct.keycloak(
            "PUT", f"/clients/{found['id']}", {**found, "redirectUris": ["https://other.example/*"]}
        )

    def uris():
        return direct.client("nextcloud")["redirectUris"]

    for times in (1, 2):
        edit()
        wait_for(lambda: uris() != ["https://other.example/*"], "it is put back", 2 * MINUTE)
        wait_for(partial(is_repaired, repaired, "keycloak-nextcloud", times), "that is recorded", MINUTE)
    wait_for(lambda: _record(repaired)["fights"], "the fight is told", MINUTE)
    (fight,) = _record(repaired)["fights"]
    assert "https://other.example/*" in fight["told"] and "cloud.it-stack.lab" in fight["told"]

    def status():
        return repaired.runner("itstack.status")[0]

    wait_for(lambda: "keycloak-nextcloud" in status()["holds"], "it is held", MINUTE)
    answer = status()
    assert "other.example" in answer["holds"]["keycloak-nextcloud"]
    assert [row["held"] for row in answer["rows"] if row["id"] == "keycloak-nextcloud"] != [""]

    edit()
    # Also a deploy leaves it alone, until somebody releases it.
    changed = repaired.highstate(IDENTITY_SERVER)
    assert not [state for state in changed if state.startswith("keycloak-nextcloud:")]
    assert uris() == ["https://other.example/*"]
    answer, code = repaired.runner("itstack.release", "keycloak-nextcloud")
    assert code == 0, answer
    answer, code = repaired.runner("itstack.remediate", "keycloak-nextcloud")
    assert code == 0 and answer["keycloak-nextcloud"]["verdict"] == "repaired", answer
    assert uris() != ["https://other.example/*"]
