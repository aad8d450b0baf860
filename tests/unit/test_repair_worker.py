"""The worker against a small world of services that break: what it does there, and what it leaves alone."""

from __future__ import annotations

import errno
import itertools
import json
import multiprocessing
import os
import threading

import pytest
import salt.loader

from salt_itstack import atomic
from salt_itstack.fleet import Fleet
from salt_itstack.holds import Holds
from salt_itstack.locks import Locks
from salt_itstack.remediation.pokes import Pokes
from salt_itstack.remediation.policy import (
    ALERT,
    BROKE,
    DAMP,
    INTERRUPTED,
    LEAVE,
    REPAIRED,
    RUNNING,
    STILL_WRONG,
    WAIT,
)
from salt_itstack.remediation.record import Record
from salt_itstack.remediation.worker import Master, work
from salt_itstack.stack import load

FORK = multiprocessing.get_context("fork")
DRIFT = {"redirect_uris": {"old": ["https://elsewhere/*"], "new": ["https://cloud/*"]}}
STATE = "keycloak-nextcloud: client nextcloud"


class World:
    """
    A fleet of minions that can be asked, and in which things break.

    ``down`` are services that aren't ready, ``drift`` integrations with an end that isn't as declared, by
    side; ``silent`` are minions. ``stubborn`` services don't start by being restarted.
    """

    def __init__(self, stack):
        self.stack = stack
        self.down, self.silent, self.stubborn = set(), set(), set()
        self.drift = {}
        self.posts, self.runs = [], []
        self.during = lambda: None
        self.post_answer = True

    def wait_until_idle(self, minions, timeout):
        pass

    def ask(self, minions, function, timeout=60, **given):
        answer = getattr(self, function.replace(".", "_"))
        return {minion: answer(minion, **given) for minion in minions if minion not in self.silent}

    def itstack_look(self, minion, services, integrations):
        def row(what, kind, wrong, side=""):
            return {"what": what, "kind": kind, "side": side, "state": wrong, "reason": f"{what} is {wrong}"}

        rows = [
            row(service, "stopped", "wrong" if service in self.down else "well")
            for service in self.stack.services_on(minion)
            if service in services
        ]
        for end in self.stack.ends_on(minion):
            if end.integration.id in integrations:
                wrong = (end.integration.id, end.side) in self.drift
                rows.append(row(end.integration.id, "drifted", "wrong" if wrong else "well", end.side))
        return rows

    def itstack_restart(self, minion, service):
        self.runs.append(("restart", service))
        self.during()
        if service not in self.stubborn:
            self.down.discard(service)
        ready = service not in self.down
        return {"ready": ready, "restarted": True, "reason": "connection refused"}

    def state_highstate(self, minion, pillar):
        service, run = pillar["itstack_step"], pillar["itstack_run"]
        assert run["enforce"] is True and run["services"] == [service]
        assert self.locks.holder(minion).id == run["lock"]
        self.runs.append((service, run.get("ends")))
        self.during()
        states = {}
        for (what, side), (state, changes) in list(self.drift.items()):
            if getattr(self.stack.integrations[what], side) == service and what in run.get("ends", [what]):
                states[f"x_|-{state}"] = {"__id__": state, "changes": changes, "result": True, "comment": ""}
                del self.drift[what, side]
        if service in self.down and run.get("ends") != []:
            self.down.discard(service)
        return states

    def saltutil_refresh_pillar(self, minion):
        return True

    def itstack_mattermost_post(self, minion, channel, text):
        self.posts.append((channel, text))
        return self.post_answer


class Clock:
    now = 1_800_000_000.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture
def build(tmp_path):
    """A master with its own world, and what the map says besides that all is in mode enforce."""

    def make(**extra):
        stack = load(extra={"mode": "enforce", **extra})
        clock, place = Clock(), tmp_path / "itstack"
        world = World(stack)
        world.locks = Locks(place / "locks")
        return Master(
            stack, world, world.locks, Holds(place / "holds.json", clock),
            Record(place / "repairs.json", clock), Pokes(place / "pokes", clock), "1", clock, clock.sleep,
        )  # fmt: skip

    return make


@pytest.fixture
def master(build):
    return build()


def poke(master, what="redis", **more):
    master.pokes.put(what, **{"kind": "stopped", "by": "lab-db1", "why": "stopped", "side": "", **more})


def results(master):
    return [(row["step"], row["result"]) for row in master.record.attempts()]


def test_a_stopped_service_is_started_again_and_nothing_else_is_touched(master):
    master.fleet.down.add("redis")
    poke(master)
    (outcome,) = work(master)
    assert outcome.verdict == REPAIRED
    assert master.fleet.runs == [("restart", "redis")]
    (row,) = master.record.attempts()
    assert (row["what"], row["by"], row["minion"], row["result"]) == ("redis", "lab-db1", "lab-db1", REPAIRED)
    assert master.pokes.waiting() == [] and master.locks.holders() == {}


def test_what_is_well_by_now_is_left_alone(master):
    poke(master)
    (outcome,) = work(master)
    assert outcome.verdict == "well" and master.fleet.runs == [] and master.record.attempts() == []


def test_what_a_restart_doesnt_mend_goes_up_the_ladder_at_once(master):
    master.fleet.down.add("redis")
    master.fleet.stubborn.add("redis")
    poke(master)
    (outcome,) = work(master)
    assert outcome.verdict == REPAIRED
    assert results(master) == [
        ("restart redis", BROKE),
        ("re-apply alone redis", STILL_WRONG),
        ("re-apply the whole of redis", REPAIRED),
    ]
    assert master.fleet.runs == [("restart", "redis"), ("redis", []), ("redis", None)]


def test_of_an_integration_only_the_end_that_differs_is_applied(master):
    master.fleet.drift["keycloak-nextcloud", "source"] = (STATE, DRIFT)
    poke(master, "keycloak-nextcloud", kind="drifted", side="source", by="lab-id1")
    (outcome,) = work(master)
    assert outcome.verdict == REPAIRED
    assert master.fleet.runs == [("keycloak", ["keycloak-nextcloud"])]
    (row,) = master.record.attempts()
    assert "https://elsewhere/*" in row["changes"][STATE]


def test_an_unknown_end_means_the_source_and_then_the_target(master):
    master.fleet.drift["redis-nextcloud", "target"] = (
        "redis-nextcloud: settings",
        {"x": {"old": 1, "new": 0}},
    )
    poke(master, "redis-nextcloud", kind="probe failed", by="lab-app1")
    (outcome,) = work(master)
    assert outcome.verdict == REPAIRED
    assert master.fleet.runs == [("redis", ["redis-nextcloud"]), ("nextcloud", ["redis-nextcloud"])]


def test_what_it_needs_comes_first(master):
    master.fleet.down |= {"keycloak", "postgresql"}
    poke(master, "keycloak", by="lab-id1")
    (outcome,) = work(master)
    assert outcome.verdict == LEAVE and "postgresql" in outcome.reason and master.fleet.runs == []
    poke(master, "postgresql")
    assert [found.verdict for found in work(master)] == [REPAIRED]
    poke(master, "keycloak", by="lab-id1")
    assert [found.verdict for found in work(master)] == [REPAIRED]
    assert master.fleet.runs == [("restart", "postgresql"), ("restart", "keycloak")]


def test_a_broken_integration_comes_before_the_application_that_waits_for_it(master):
    # Its database taken away, Nextcloud isn't ready: to start it again would mend nothing.
    master.fleet.down.add("nextcloud")
    master.fleet.drift["postgresql-nextcloud", "source"] = ("postgresql-nextcloud: database nextcloud", DRIFT)
    poke(master, "nextcloud", by="lab-app1")
    (outcome,) = work(master)
    assert outcome.verdict == LEAVE and "postgresql-nextcloud" in outcome.reason and master.fleet.runs == []
    poke(master, "postgresql-nextcloud", kind="probe failed", by="lab-app1")
    assert [found.verdict for found in work(master)] == [REPAIRED]
    assert master.fleet.runs == [("postgresql", ["postgresql-nextcloud"])]


def test_an_end_that_is_down_comes_before_its_integrations(master):
    master.fleet.down.add("redis")
    master.fleet.drift["redis-nextcloud", "source"] = ("redis-nextcloud: user", DRIFT)
    poke(master, "redis-nextcloud", kind="probe failed", by="lab-app1")
    (outcome,) = work(master)
    assert outcome.verdict == LEAVE and "redis" in outcome.reason and master.fleet.runs == []


def test_a_minion_that_is_away_is_repaired_when_it_is_back(master):
    master.fleet.down.add("redis")
    master.fleet.silent.add("lab-db1")
    poke(master)
    (outcome,) = work(master)
    assert outcome.verdict == LEAVE and "no answer from lab-db1" in outcome.reason
    assert master.fleet.runs == [] and master.record.attempts() == []
    master.fleet.silent.clear()
    poke(master)
    assert [found.verdict for found in work(master)] == [REPAIRED]


def test_a_neighbour_that_is_away_holds_nothing_up(master):
    master.fleet.down.add("redis")
    master.fleet.silent.add("lab-id1")
    poke(master)
    assert [found.verdict for found in work(master)] == [REPAIRED]


def test_pokes_during_a_repair_are_one_further_look(master):
    master.fleet.down.add("redis")
    master.fleet.during = lambda: [poke(master) for _ in range(1000)]
    poke(master)
    assert [outcome.verdict for outcome in work(master)] == [REPAIRED, "well"]
    assert master.fleet.runs == [("restart", "redis")]


def test_two_workers_make_one_repair(master):
    master.fleet.down.add("redis")
    inside, go_on = threading.Event(), threading.Event()

    def pause():
        inside.set()
        assert go_on.wait(20)

    master.fleet.during = pause
    poke(master)
    first = threading.Thread(target=work, args=(master,))
    first.start()
    assert inside.wait(20)
    (outcome,) = work(master)
    go_on.set()
    first.join(20)
    assert outcome.verdict == WAIT and "another worker" in outcome.reason
    assert master.fleet.runs == [("restart", "redis")]


def test_a_held_server_is_waited_for_and_the_poke_stays(master):
    master.fleet.down.add("redis")
    poke(master)
    with master.locks.held(["lab-db1"], "deploy", "1"):
        (outcome,) = work(master)
    assert outcome.verdict == WAIT and "deploy" in outcome.reason
    assert master.fleet.runs == [] and master.record.attempts() == []
    assert master.pokes.waits("redis"), "nothing that was asked for is lost"
    assert [found.verdict for found in work(master)] == [REPAIRED]


def test_a_hold_is_respected_also_when_a_person_asks(master):
    master.fleet.down.add("redis")
    master.holds.put("redis", 3600, "upgrade by hand", "ada")
    for person in (False, True):
        poke(master)
        (outcome,) = work(master, person, ["redis"])
        assert outcome.verdict == LEAVE and "upgrade by hand" in outcome.reason
    master.holds.release("redis")
    poke(master)
    assert [found.verdict for found in work(master)] == [REPAIRED]


def test_what_isnt_in_mode_enforce_isnt_touched(build):
    master = build(services={"redis": {"mode": "manage"}})
    master.fleet.down.add("redis")
    poke(master)
    (outcome,) = work(master, True, ["redis"])
    assert outcome.verdict == LEAVE and "enforce" in outcome.reason and master.fleet.runs == []


def test_flapping_is_damped_and_then_only_told(master):
    verdicts = []
    for _ in range(60):
        master.fleet.down.add("redis")
        poke(master)
        verdicts += [outcome.verdict for outcome in work(master)]
        master.clock.now += 60
    assert verdicts.count(REPAIRED) == 6 and DAMP in verdicts and verdicts[-1] == ALERT
    times = [row["begun"] for row in master.record.attempts()]
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert pauses == sorted(pauses) and pauses[-1] >= 480
    left = master.record.read()["decisions"]["redis"]
    assert left["verdict"] == ALERT and left["times"] > 1


def test_what_was_put_back_twice_is_a_fight_that_is_told_and_left_alone(build):
    master = build(services={"mattermost": {"supported": True}})
    for _ in range(2):
        master.fleet.drift["keycloak-nextcloud", "source"] = (STATE, DRIFT)
        poke(master, "keycloak-nextcloud", kind="drifted", side="source", by="lab-id1")
        assert [outcome.verdict for outcome in work(master)] == [REPAIRED]
        master.clock.now += 3600
    hold = master.holds.current()["keycloak-nextcloud"]
    assert "https://elsewhere/*" in hold.reason and "https://cloud/*" in hold.reason
    assert hold.until - master.clock.now == pytest.approx(86400 - 3600, abs=60)
    (told,) = [text for _, text in master.fleet.posts if "Fight" in text]
    assert "https://elsewhere/*" in told and "https://cloud/*" in told

    master.fleet.drift["keycloak-nextcloud", "source"] = (STATE, DRIFT)
    poke(master, "keycloak-nextcloud", kind="drifted", side="source", by="lab-id1")
    (outcome,) = work(master)
    assert outcome.verdict == LEAVE and "fight" in outcome.reason and len(master.fleet.runs) == 2
    master.holds.release("keycloak-nextcloud")
    poke(master, "keycloak-nextcloud", kind="drifted", side="source", by="lab-id1")
    assert [found.verdict for found in work(master)] == [REPAIRED]
    assert "keycloak-nextcloud" not in master.holds.current(), "counting began anew"


def test_a_master_that_dies_in_the_middle_looks_again(master):
    master.fleet.down.add("redis")
    master.fleet.during = lambda: os._exit(9)
    poke(master)
    child = FORK.Process(target=work, args=(master,))
    child.start()
    child.join(20)
    assert child.exitcode == 9
    assert results(master) == [("restart redis", RUNNING)]
    assert master.locks.holders() == {}, "its lock ends with it"
    master.fleet.during = lambda: None
    # Any worker takes it up, whatever it was called for.
    poke(master, "postgresql")
    assert {outcome.what: outcome.verdict for outcome in work(master)} == {
        "redis": REPAIRED,
        "postgresql": "well",
    }
    assert results(master) == [("restart redis", INTERRUPTED), ("restart redis", REPAIRED)]


def test_on_a_full_disk_nothing_is_repaired_blindly(master, monkeypatch, caplog):
    master.fleet.down.add("redis")
    poke(master)

    def refuse(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(atomic.os, "fsync", refuse)
        outcomes = work(master)
    assert [outcome.verdict for outcome in outcomes] == [LEAVE] and "No space left" in outcomes[0].reason
    assert master.fleet.runs == [] and "No space left" in caplog.text
    poke(master)
    assert [outcome.verdict for outcome in work(master)] == [REPAIRED]


def test_a_step_that_fails_is_recorded_with_the_states_words(master, monkeypatch):
    master.fleet.drift["keycloak-nextcloud", "source"] = (STATE, DRIFT)

    def fail(minion, pillar):
        return {"x": {"__id__": STATE, "changes": {}, "result": False, "comment": "refused: 403"}}

    monkeypatch.setattr(master.fleet, "state_highstate", fail, raising=False)
    poke(master, "keycloak-nextcloud", kind="drifted", side="source", by="lab-id1")
    (outcome,) = work(master)
    assert outcome.verdict == DAMP
    assert [row["result"] for row in master.record.attempts()] == [BROKE] * 3
    assert "refused: 403" in master.record.attempts()[0]["detail"]


def test_something_that_left_the_map_is_dropped(master):
    poke(master, "wiki")
    assert [outcome.verdict for outcome in work(master)] == [LEAVE]
    assert master.pokes.waiting() == []


# Telling people -----------------------------------------------------------------------------------------


def test_each_attempt_is_told_in_the_maps_channel(build):
    master = build(services={"mattermost": {"supported": True}}, repairs={"channel": "night-watch"})
    master.fleet.down.add("redis")
    poke(master)
    work(master)
    ((channel, text),) = master.fleet.posts
    assert channel == "night-watch"
    assert all(word in text for word in ("redis", "lab-db1", "restart", "repaired"))
    assert master.record.attempts()[0]["posted"] == "posted"


@pytest.mark.parametrize("failure", ["silent", "refused"])
def test_a_failing_post_fails_no_repair_and_is_recorded(build, failure):
    master = build(services={"mattermost": {"supported": True}})
    master.fleet.down.add("redis")
    if failure == "silent":
        master.fleet.silent.add(master.stack.minion("mattermost"))
    else:
        master.fleet.post_answer = "mattermost: no channel ops-alerts. Remedy: make it"
    poke(master)
    assert [outcome.verdict for outcome in work(master)] == [REPAIRED]
    assert master.record.attempts()[0]["posted"] not in ("posted", "")


def test_without_mattermost_or_channel_nobody_is_told(build):
    for extra in ({"services": {"mattermost": {"enabled": False}}}, {"repairs": {"channel": None}}):
        master = build(**extra)
        master.fleet.down.add("redis")
        poke(master)
        work(master, True, ["redis"])
        assert master.fleet.posts == []


# The runner ---------------------------------------------------------------------------------------------


@pytest.fixture
def runners(monkeypatch, tmp_path, master_opts):
    world = World(load(extra={"mode": "enforce"}))
    world.locks = Locks.of(master_opts)
    monkeypatch.setattr(Fleet, "__init__", lambda self, opts: None)
    monkeypatch.setattr(Fleet, "ask", lambda self, *args, **kwargs: world.ask(*args, **kwargs))
    monkeypatch.setattr(Fleet, "wait_until_idle", lambda self, *args, **kwargs: None)
    found = salt.loader.runner(master_opts)
    return found, world


@pytest.fixture
def master_opts(request, tmp_path):
    folder = tmp_path / "conf"
    (folder / "itstack.d").mkdir(parents=True)
    (folder / "itstack.d" / "map.yaml").write_text("mode: enforce\n")
    (folder / "master").write_text(json.dumps({"root_dir": str(folder), "cachedir": str(folder / "cache")}))
    return salt.config.master_config(str(folder / "master"))


def test_a_person_repairs_by_hand_and_sees_the_record(runners):
    call, world = runners
    world.down.add("redis")
    found = call["itstack.remediate"]("redis", why="it hangs")
    assert found == {
        "redis": {
            "verdict": "repaired",
            "reason": "redis was started again",
            "steps": ["restart redis: repaired"],
        }
    }
    record = call["itstack.repairs"]()
    assert (record["attempts"][0]["why"], record["attempts"][0]["kind"]) == ("it hangs", "asked for")
    status = call["itstack.status"]()["data"]
    assert status["repairs"]["attempts"][0]["what"] == "redis"
    assert any("redis" in line and "repaired" in line for line in status["notes"])
    assert call["itstack.remediate"]("redis")["redis"]["verdict"] == "well"


def test_an_unknown_thing_is_refused_with_the_nearest(runners):
    call, _world = runners
    told = call["itstack.remediate"]("rediss")
    assert told["retcode"] == 1 and "did you mean redis?" in told["Error"]


def test_the_reactors_call_works_off_what_is_poked(runners, master_opts):
    call, world = runners
    world.down.add("redis")
    Pokes.of(master_opts).put("redis", kind="stopped", side="", by="lab-db1", why="stopped")
    assert call["itstack.remediate"](what="redis", by="event")["redis"]["verdict"] == "repaired"
    assert call["itstack.remediate"](what="redis", by="event") == {}
