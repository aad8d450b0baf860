"""A minion's look at its own things, and what it says of it."""

from __future__ import annotations

import json
import threading
import time

import pytest
import salt.loader
from core_fixtures import private_key, private_pem, public_pem

from salt_itstack.errors import Denied, Invalid, ItstackError, Missing, Unreachable
from salt_itstack.integrations import database, oidc
from salt_itstack.integrations.probing import Idle
from salt_itstack.integrations.view import view, watch
from salt_itstack.loader import folder
from salt_itstack.remediation import look as looks
from salt_itstack.remediation.announcement import WRONG as SUBJECT
from salt_itstack.remediation.announcement import heard
from salt_itstack.remediation.look import UNKNOWN, WELL, WRONG, Check, Finding, checks, look
from salt_itstack.remediation.policy import DRIFTED, STOPPED
from salt_itstack.remediation.watch import REPEAT, Watch
from salt_itstack.services import redis
from salt_itstack.stack import load

OPTS = {"id": "m", "pki_dir": "/nowhere", "test": False}


def pillar(minion, **extra):
    stack = load(extra={"mode": "enforce", **extra})
    return {"itstack": view(stack, minion)}


def keys(found):
    return {check.key for check in found}


# What there is to look at -------------------------------------------------------------------------------


def test_services_ends_and_silent_proofs_of_the_minion_are_looked_at():
    assert keys(checks(OPTS, pillar("lab-db1"))) == {"postgresql stopped", "redis stopped"}
    assert keys(checks(OPTS, pillar("lab-id1"))) == {
        "freeipa stopped",
        "keycloak stopped",
        "keycloak-nextcloud drifted source",
        "freeipa-keycloak probe failed",
        "postgresql-keycloak probe failed",
    }
    # A login is visible to people: no proof of it is made again and again.
    assert keys(checks(OPTS, pillar("lab-app1"))) >= {
        "nextcloud stopped",
        "postgresql-nextcloud probe failed",
        "redis-nextcloud probe failed",
    }
    assert "keycloak-nextcloud probe failed" not in keys(checks(OPTS, pillar("lab-app1")))


def test_only_what_is_in_mode_enforce_and_not_held_is_looked_at():
    found = pillar("lab-db1", services={"redis": {"mode": "manage"}})
    assert keys(checks(OPTS, found)) == {"postgresql stopped"}
    assert keys(checks(OPTS, found, enforced=False)) == {"postgresql stopped", "redis stopped"}
    held = {
        "itstack": view(
            load(extra={"mode": "enforce"}), "lab-id1", lambda what: "x" if what == "keycloak" else ""
        )
    }
    assert "keycloak stopped" not in keys(checks(OPTS, held))
    assert "keycloak-nextcloud drifted source" not in keys(checks(OPTS, held))
    assert "freeipa stopped" in keys(checks(OPTS, held))


def test_a_selection_names_services_and_integrations():
    found = checks(OPTS, pillar("lab-id1"), services=["keycloak", "redis"], integrations=[])
    assert keys(found) == {"keycloak stopped"}
    assert checks(OPTS, {}) == []


@pytest.mark.parametrize(
    ("extra", "beacon"),
    [
        ({"mode": "enforce"}, {"itstack": [{"interval": 10}]}),
        ({"mode": "enforce", "periods": {"beacon": 45}}, {"itstack": [{"interval": 45}]}),
        ({"mode": "enforce", "periods": {"beacon": None}}, {}),
        ({"mode": "manage"}, {}),
        ({"services": {"redis": {"mode": "enforce"}}}, {"itstack": [{"interval": 10}]}),
        ({"services": {"nextcloud": {"mode": "enforce"}}}, {}),
    ],
)
def test_the_map_switches_the_beacon_on_where_something_is_in_mode_enforce(extra, beacon):
    assert watch(load(extra=extra), "lab-db1") == beacon


def test_a_look_that_is_too_often_is_refused():
    with pytest.raises(Invalid, match=r"periods\.beacon.*from 5 to 3600"):
        load(extra={"periods": {"beacon": 1}})


# Looking ------------------------------------------------------------------------------------------------


def raising(error):
    def run():
        raise error

    return run


@pytest.mark.parametrize(
    ("run", "state"),
    [
        (lambda: "PostgreSQL", WELL),
        (raising(Unreachable("no answer", "redis")), WRONG),
        (raising(ItstackError("refused")), WRONG),
        (raising(Idle("the key space is there, but the application isn't ready")), UNKNOWN),
        (raising(ImportError("no", name="redis")), UNKNOWN),
        (raising(KeyError("a mistake of ours")), UNKNOWN),
    ],
)
def test_what_a_check_says(run, state):
    (found,) = look("m", [Check("redis", STOPPED, "", run)], 5)
    assert found.state == state and bool(found.reason) == (state != WELL)


def test_a_hanging_check_holds_nobody_up_and_isnt_started_again():
    release, begun = threading.Event(), []

    def hang():
        begun.append(1)
        release.wait(30)

    wanted = [Check("redis", STOPPED, "", hang), Check("postgresql", STOPPED, "", lambda: "there")]
    try:
        for _ in range(3):
            started = time.monotonic()
            found = {finding.what: finding for finding in look("hanging", wanted, 0.2)}
            assert time.monotonic() - started < 2
            assert found["redis"].state == WRONG and "no answer in 0.2 s" in found["redis"].reason
            assert found["postgresql"].state == WELL
        assert len(begun) == 1
    finally:
        release.set()
    looks._asked["hanging", "redis stopped"].thread.join(10)
    wanted[0] = Check("redis", STOPPED, "", lambda: "there")
    assert {finding.state for finding in look("hanging", wanted, 5)} == {WELL}
    assert not [key for key in looks._asked if key[0] == "hanging"]


class Slow:
    """A check that has its answer when it is let go, and who looks at it again and again as a beacon does."""

    def __init__(self, answer):
        self.asked = 0
        self.free = threading.Event()
        self.answer = answer
        self.check = Check("redis", STOPPED, "", self.run)

    def run(self):
        self.asked += 1
        self.free.wait(30)
        self.answer()

    def look(self, seconds=0.05):
        (found,) = look("slow", [self.check], seconds, repeated=True)
        return found.state

    def let_go(self):
        question = looks._asked["slow", self.check.key]
        self.free.set()
        question.thread.join(10)
        return question


@pytest.fixture
def slow(request):
    found = Slow(getattr(request, "param", lambda: "there"))
    yield found
    found.free.set()
    looks._asked.pop(("slow", found.check.key), None)


def test_who_looks_again_and_again_gives_a_check_until_the_next_look(slow):
    assert slow.look() == UNKNOWN
    assert [slow.look(), slow.look()] == [WRONG, WRONG]
    assert slow.asked == 1


@pytest.mark.parametrize(
    ("slow", "state"),
    [(lambda: "there", WELL), (raising(Unreachable("no answer in 5 s", "redis")), WRONG)],
    indirect=["slow"],
)
def test_what_has_answered_between_two_looks_is_taken_at_the_next(slow, state):
    assert slow.look() == UNKNOWN
    slow.let_go()
    assert slow.look() == state
    assert slow.asked == 1, "that answer is the look"
    assert slow.look(seconds=10) == state
    assert slow.asked == 2, "and the next look asks anew"


def test_what_answered_long_before_the_next_look_is_asked_again_and_has_no_second_time(slow):
    assert slow.look() == UNKNOWN
    slow.let_go().ended -= looks.FRESH + 1
    slow.free.clear()
    assert slow.look() == WRONG
    assert slow.asked == 2


def test_checks_run_at_the_same_time():
    barrier = threading.Barrier(8)
    wanted = [Check(f"service-{number}", STOPPED, "", lambda: barrier.wait(10)) for number in range(8)]
    assert {finding.state for finding in look("m", wanted, 20)} == {WELL}


def drifting(monkeypatch, answer):
    def drift(request):
        assert request.values["client_id"] == "nextcloud"
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(oidc, "drift", drift)
    monkeypatch.setattr(looks.plugin, "reveal", lambda value, *rest: value)
    wanted = checks(OPTS, pillar("lab-id1"), [], ["keycloak-nextcloud"])
    (found,) = look("m", [check for check in wanted if check.kind == DRIFTED], 5)
    return found


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ({}, WELL),
        ({"redirect_uris": {"old": ["x"], "new": ["y"]}}, WRONG),
        (Missing("there is no realm it-stack", "keycloak"), WRONG),
        # Who doesn't let us look isn't drifted: that is for the service's own check.
        (Unreachable("no answer", "keycloak"), UNKNOWN),
        (Denied("wrong secret", "keycloak"), UNKNOWN),
    ],
)
def test_drift_of_a_client(monkeypatch, answer, state):
    found = drifting(monkeypatch, answer)
    assert (found.what, found.side, found.state) == ("keycloak-nextcloud", "source", state)
    if state == WRONG and isinstance(answer, dict):
        assert found.reason == "not as declared: redirect_uris"


def test_a_kind_without_drift_has_only_its_proof():
    assert not hasattr(database, "drift")
    found = checks(OPTS, pillar("lab-app1"), [], ["postgresql-nextcloud"])
    assert keys(found) == {"postgresql-nextcloud probe failed"}


# Telling ------------------------------------------------------------------------------------------------


class Clock:
    now = 1_800_000_000.0

    def __call__(self):
        return self.now


def finding(state, what="redis", kind=STOPPED):
    return Finding(what, kind, "", state)


@pytest.fixture
def memory(tmp_path):
    clock = Clock()
    found = Watch(tmp_path / "itstack" / "watch.json", clock)
    found.forward = lambda seconds: setattr(clock, "now", clock.now + seconds)
    found.again = lambda: Watch(found.path, clock)
    return found


def test_only_what_was_well_once_is_told(memory):
    assert memory.news([finding(WRONG)]) == [], "it was never deployed"
    assert memory.news([finding(WELL)]) == []
    assert memory.news([finding(WRONG)]) == [finding(WRONG)]


def test_it_is_told_on_the_change_and_then_every_minute(memory):
    memory.news([finding(WELL)])
    told = []
    for _ in range(13):
        told.append(len(memory.news([finding(WRONG)])))
        memory.forward(REPEAT / 6)
    assert told == [1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1]
    assert memory.news([finding(WELL)]) == [finding(WELL)], "that it is well again is told once"
    assert memory.news([finding(WELL)]) == []
    assert len(memory.news([finding(WRONG)])) == 1, "a new trouble is told at once"


def test_what_isnt_known_is_neither_told_nor_forgotten(memory):
    memory.news([finding(WELL)])
    assert memory.news([finding(UNKNOWN)]) == []
    assert len(memory.news([finding(WRONG)])) == 1


def test_a_restarted_minion_knows_what_was_well_and_what_it_told(memory):
    memory.news([finding(WELL)])
    assert memory.again().news([finding(WRONG)]) == [finding(WRONG)]
    assert memory.again().news([finding(WRONG)]) == []
    assert memory.again().news([finding(WELL)]) == [finding(WELL)]
    memory.path.write_text("{broken")
    assert memory.again().news([finding(WRONG)]) == []


def test_what_is_wrong_after_a_run_is_told_at_once(memory):
    memory.news([finding(WELL)])
    memory.news([finding(WRONG)])
    memory.disturbed()
    assert memory.news([finding(WRONG)]) == [finding(WRONG)]
    assert memory.news([finding(WRONG)]) == []


def test_a_clock_that_is_set_back_silences_nothing(memory):
    memory.news([finding(WELL)])
    memory.news([finding(WRONG)])
    memory.forward(-10_000)
    assert memory.news([finding(WRONG)]) == [finding(WRONG)]


# The beacon, through Salt's loader ----------------------------------------------------------------------


@pytest.fixture
def beacon(tmp_path, monkeypatch):
    """The beacon of lab-db1 with only Redis in mode enforce; ``down`` says whether it answers."""
    key = private_key()
    (tmp_path / "pki").mkdir()
    (tmp_path / "pki" / "minion.pem").write_bytes(private_pem(key))
    opts = salt.config.minion_config(None, minion_id="lab-db1")
    found = pillar("lab-db1", mode="manage", services={"redis": {"mode": "enforce"}})
    opts.update(
        file_client="local", grains={}, pillar=found, cachedir=str(tmp_path / "cache"),
        pki_dir=str(tmp_path / "pki"), beacons_dirs=[str(folder("beacons"))], extension_modules="",
        sock_dir=str(tmp_path),
    )  # fmt: skip
    beacons = salt.loader.beacons(opts, salt.loader.minion_mods(opts))
    state = {"down": False, "asked": 0}

    def readiness(facts):
        state["asked"] += 1
        if state["down"]:
            raise Unreachable("connection refused, secret-of-a-reason", "redis")
        return "Redis 7"

    monkeypatch.setattr(redis, "readiness", readiness)

    def run():
        return beacons["itstack.beacon"]([{"interval": 10}])

    run.state, run.key, run.opts, run.beacons = state, public_pem(key), opts, beacons
    return run


def test_the_beacon_tells_a_signed_event_with_ids_alone(beacon):
    assert beacon() == []
    beacon.state["down"] = True
    (event,) = beacon()
    assert event["tag"] == "redis" and event["id"] == "lab-db1"
    assert "secret-of-a-reason" not in json.dumps(event)
    told = heard(event, SUBJECT, lambda minion: beacon.key.decode(), time.time())
    assert told == ("lab-db1", {"what": "redis", "kind": STOPPED, "side": ""})
    assert beacon() == [], "not again at once"


@pytest.mark.parametrize("job", ["state.highstate", "state.sls", "itstack.restart", "itstack.enforce"])
def test_no_look_is_made_while_states_run(beacon, monkeypatch, job):
    beacon()
    asked = beacon.state["asked"]
    monkeypatch.setattr("salt.utils.minion.running", lambda opts: [{"fun": job, "jid": "1"}])
    assert beacon() == [] and beacon.state["asked"] == asked
    monkeypatch.setattr("salt.utils.minion.running", lambda opts: [{"fun": "test.ping", "jid": "1"}])
    beacon()
    assert beacon.state["asked"] == asked + 1


def test_what_was_looked_at_is_what_the_pillar_says_now(beacon):
    beacon()
    beacon.opts["pillar"]["itstack"]["services"]["redis"]["mode"] = "manage"
    asked = beacon.state["asked"]
    beacon()
    assert beacon.state["asked"] == asked


def test_salt_takes_the_beacon_from_the_pillar_beside_the_users_own():
    opts = salt.config.minion_config(None, minion_id="m")
    mine = {"beacons": {"load": [{"averages": {}}], **watch(load(extra={"mode": "enforce"}), "lab-db1")}}
    opts.update(file_client="local", grains={}, pillar=mine)
    merged = salt.loader.minion_mods(opts)["config.merge"]("beacons", opts["beacons"], omit_opts=True)
    assert set(merged) == {"load", "itstack"} and merged["itstack"] == [{"interval": 10}]


def test_beacons_of_a_minions_own_configuration_are_hidden_by_those_of_a_pillar():
    # Not ours to change, but docs/repair.md warns of it: if Salt stops doing so, the warning goes.
    opts = salt.config.minion_config(None, minion_id="m")
    opts.update(file_client="local", grains={}, pillar={"beacons": {"itstack": []}}, beacons={"load": []})
    merged = salt.loader.minion_mods(opts)["config.merge"]("beacons", opts["beacons"], omit_opts=True)
    assert set(merged) == {"itstack"}
