"""The record and the pokes: nothing lost, nothing half-written, also when processes die and disks fill up."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import pathlib

import pytest

from salt_itstack import atomic
from salt_itstack.errors import ItstackError
from salt_itstack.remediation import record as records
from salt_itstack.remediation.overview import lines, overview
from salt_itstack.remediation.pokes import STALE, Pokes
from salt_itstack.remediation.policy import INTERRUPTED, REPAIRED, RUNNING
from salt_itstack.remediation.record import Record

FORK = multiprocessing.get_context("fork")
CHANGES = {"redis: settings": {"maxmemory": {"old": "1mb", "new": "256mb"}}}


class Clock:
    """Stands still until it is set forward."""

    def __init__(self):
        self.now = 1_800_000_000.0

    def __call__(self):
        return self.now

    def forward(self, seconds):
        self.now += seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def record(tmp_path, clock):
    return Record(tmp_path / "itstack" / "repairs.json", clock)


@pytest.fixture
def pokes(tmp_path, clock):
    return Pokes(tmp_path / "itstack" / "pokes", clock)


@pytest.fixture
def full(monkeypatch):
    """Switches a full disk on."""

    def switch():
        def refuse(*args, **kwargs):
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(atomic.os, "fsync", refuse)

    return switch


def begin(record, what="redis"):
    return record.begin(what=what, step="restart redis", kind="stopped", why="stopped", by="lab-db1")


# The record ---------------------------------------------------------------------------------------------


def test_an_attempt_is_there_from_its_beginning_on(record, clock):
    number = begin(record)
    (row,) = Record(record.path).attempts()
    assert (row["result"], row["begun"], row["ended"]) == (RUNNING, clock.now, None)
    clock.forward(3)
    record.end(number, REPAIRED, "was started again", changes={})
    (row,) = Record(record.path).attempts()
    assert (row["result"], row["ended"] - row["begun"], row["detail"]) == (REPAIRED, 3, "was started again")


def test_the_oldest_attempts_go_first(record, monkeypatch):
    monkeypatch.setitem(records.MOST, "attempts", 3)
    for number in range(5):
        record.end(begin(record, f"thing-{number}"), REPAIRED, "")
    assert [row["what"] for row in record.attempts()] == ["thing-2", "thing-3", "thing-4"]
    assert [row["number"] for row in record.attempts()] == [3, 4, 5]


def test_what_a_dead_process_began_is_closed_as_interrupted(record):
    child = FORK.Process(target=begin, args=(record,))
    child.start()
    child.join(10)
    begin(record, "other")
    (closed,) = record.interrupted("redis")
    assert closed["result"] == INTERRUPTED
    assert {row["what"]: row["result"] for row in record.attempts()} == {
        "redis": INTERRUPTED,
        "other": RUNNING,
    }
    assert record.interrupted("redis") == []


def test_a_full_disk_is_told_before_anything_is_begun_and_leaves_the_old_record(record, full):
    record.end(begin(record), REPAIRED, "")
    before = record.path.read_bytes()
    full()
    with pytest.raises(ItstackError, match=r"No space left.*no repair is begun.*Remedy: make room"):
        begin(record)
    assert record.path.read_bytes() == before
    assert sorted(path.name for path in record.path.parent.iterdir()) == ["repairs.json", "repairs.json.lock"]


def test_a_damaged_record_is_told_and_not_overwritten(record):
    begin(record)
    record.path.write_text("{half")
    with pytest.raises(ItstackError, match="nothing is repaired without a record"):
        begin(record)
    assert record.path.read_text() == "{half"


def test_several_processes_lose_no_entry(record):
    def many(name):
        for _ in range(10):
            record.end(begin(record, name), REPAIRED, "")

    children = [FORK.Process(target=many, args=(f"thing-{number}",)) for number in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    rows = record.attempts()
    assert len(rows) == 40 and len({row["number"] for row in rows}) == 40
    assert {row["result"] for row in rows} == {REPAIRED}


def test_the_same_decision_is_told_once_an_hour(record, clock):
    assert record.decided("redis", "alert", "too often") is True
    clock.forward(60)
    assert record.decided("redis", "alert", "too often") is False
    assert record.decided("redis", "leave", "held") is True
    clock.forward(3600)
    assert record.decided("redis", "leave", "held") is True
    record.settled("redis")
    assert record.read()["decisions"] == {}


def test_fights_are_found_whoever_put_back_and_told_once(record, clock):
    assert record.changed("lab-db1", CHANGES, "schedule") == []
    clock.forward(3600)
    assert len(record.changed("lab-db1", CHANGES, "repair")) == 1
    (fight,) = record.untold()
    assert (fight["old"], fight["new"]) == ("1mb", "256mb")
    assert record.untold() == []
    assert record.changed("lab-db1", CHANGES, "repair") == [], "counting begins anew"


def test_put_backs_older_than_a_day_are_forgotten(record, clock):
    record.changed("lab-db1", CHANGES, "schedule")
    clock.forward(86400)
    assert record.changed("lab-db1", CHANGES, "schedule") == []
    assert len(record.read()["put_backs"]) == 1


def test_the_overview_tells_what_runs_and_what_nobody_works_on_any_more(record, pokes, clock):
    begin(record)
    with pokes.working("redis") as free:
        assert free
        found = overview(record.read(), Pokes(pokes.place), 5)
        assert [row["what"] for row in found["running"]] == ["redis"]
    found = overview(record.read(), pokes, 5)
    assert not found["running"] and found["attempts"][0]["result"] == INTERRUPTED
    record.decided("keycloak", "alert", "6 repairs of it were tried within the hour")
    told = "\n".join(lines(overview(record.read(), pokes, 5)))
    assert "redis" in told and "interrupted" in told and "not repaired since" in told and "keycloak" in told


# Pokes --------------------------------------------------------------------------------------------------


def test_a_thousand_pokes_are_one(pokes):
    assert [pokes.put("redis", by="lab-db1") for _ in range(1000)].count(True) == 1
    with pokes.working("redis"):
        assert pokes.take("redis")["by"] == "lab-db1"
        assert pokes.put("redis", by="later") is True, "what comes while it is worked on is a new one"
        pokes.done("redis")
        assert pokes.take("redis")["by"] == "later"


def test_of_many_processes_one_makes_the_poke(pokes, tmp_path):
    def poke(number):
        if pokes.put("redis", by=str(number)):
            (tmp_path / f"made-{number}").touch()

    children = [FORK.Process(target=poke, args=(number,)) for number in range(12)]
    for child in children:
        child.start()
    for child in children:
        child.join(30)
    assert len(list(tmp_path.glob("made-*"))) == 1
    assert pokes.waiting() == ["redis"]
    assert [path.name for path in pokes.place.iterdir()] == ["redis.json"]


def test_a_poke_that_nobody_took_up_calls_a_worker_again(pokes, clock):
    assert pokes.put("redis") is True
    clock.forward(STALE - 1)
    assert pokes.put("redis") is False
    clock.forward(1)
    assert pokes.put("redis") is True
    assert pokes.put("redis") is False


def test_one_worker_at_a_time(pokes):
    with pokes.working("redis") as first:
        with pokes.working("redis") as second, pokes.working("keycloak") as other:
            assert (first, second, other) == (True, False, True)
        assert pokes.worked_on("redis")
    assert not pokes.worked_on("redis")


def test_what_a_killed_worker_had_taken_is_taken_up_again(pokes):
    def die():
        with pokes.working("redis"):
            pokes.take("redis")
            os._exit(9)

    pokes.put("redis", by="lab-db1")
    child = FORK.Process(target=die)
    child.start()
    child.join(10)
    assert child.exitcode == 9
    assert pokes.waiting() == ["redis"] and not pokes.waits("redis")
    with pokes.working("redis") as free:
        assert free and pokes.take("redis")["by"] == "lab-db1"


def test_a_poke_that_has_to_wait_is_put_back(pokes):
    pokes.put("redis", by="lab-db1")
    with pokes.working("redis"):
        pokes.take("redis")
        pokes.back("redis")
    assert pokes.waits("redis")


def test_a_full_disk_refuses_the_poke_with_the_reason(pokes, full):
    full()
    with pytest.raises(ItstackError, match=r"No space left.*nothing is done about it.*Remedy"):
        pokes.put("redis")
    assert list(pokes.place.iterdir()) == []


def test_a_damaged_poke_is_still_a_reason_to_look(pokes):
    pokes.put("redis")
    pathlib.Path(pokes.place / "redis.json").write_text("{")
    with pokes.working("redis"):
        assert pokes.take("redis")["what"] == "redis"


def test_the_record_is_plain_json(record):
    record.end(begin(record), REPAIRED, "", changes={"redis: settings": "…"})
    assert json.loads(record.path.read_text())["version"] == 1
