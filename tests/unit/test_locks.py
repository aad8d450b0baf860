"""One lock per server: who holds it, what ends it, and what the second is told."""

import multiprocessing
import os
import signal
import subprocess
import sys

import pytest

from salt_itstack.errors import Conflict, ItstackError
from salt_itstack.locks import LONGEST, Locks


class Clock:
    def __init__(self):
        self.moment = 1_790_000_000.0

    def __call__(self):
        return self.moment


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def locks(tmp_path, clock):
    return Locks(tmp_path / "locks", clock)


@pytest.fixture
def sleeper():
    """A process that lives until it's killed."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.wait()


def test_the_second_is_told_who_holds_what(locks):
    with locks.held(["db1", "app1"], "deploy", "20260102030405060708"):
        with pytest.raises(Conflict) as caught:
            locks.take(["app1", "id1"], "enforcement")
        told = str(caught.value)
        assert "app1 by deploy (job 20260102030405060708" in told and "2026-" in told and "Remedy: " in told
        assert str(os.getpid()) in told
        assert "db1" not in told, "only what was asked for"
        assert locks.holder("id1") is None, "all or none"
    assert locks.holders() == {}


def test_the_holder_may_take_more_and_others_keep_theirs(locks):
    mine = locks.take(["db1"], "deploy")
    locks.take(["db1", "app1"], "deploy", identifier=mine.id)
    other = locks.take(["id1"], "repair")
    locks.release(mine.id)
    assert locks.holders() == {"id1": other}


def test_a_killed_holder_leaves_nothing_behind(locks, sleeper):
    locks.take(["db1"], "deploy", process=sleeper.pid)
    assert locks.holder("db1").process == sleeper.pid
    os.kill(sleeper.pid, signal.SIGKILL)
    # Not waited for: what a killed process leaves in the kernel's table must not count as alive.
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert locks.holder("db1") is None
    assert locks.take(["db1"], "repair").what == "repair"


def test_a_process_that_got_the_number_of_a_dead_one_holds_nothing(locks, sleeper, tmp_path):
    locks.take(["db1"], "deploy", process=sleeper.pid)
    path = tmp_path / "locks" / "db1.json"
    born = locks.holder("db1").born
    path.write_text(path.read_text().replace(f'"born": "{born}"', '"born": "1"'))
    assert locks.holder("db1") is None


def test_a_lock_is_over_when_its_time_is(locks, clock):
    locks.take(["db1"], "deploy", expires=60)
    clock.moment += 59
    assert locks.holder("db1")
    clock.moment += 2
    assert locks.holder("db1") is None
    locks.take(["db1"], "repair")


def test_the_usual_time_is_longer_than_any_deploy(locks, clock):
    holder = locks.take(["db1"], "deploy")
    assert holder.until - holder.since == LONGEST


@pytest.mark.parametrize("text", ["", "{", "[]", '{"id": 1}'])
def test_a_damaged_file_holds_nobody_up(locks, tmp_path, text):
    locks.take(["db1"], "deploy")
    (tmp_path / "locks" / "db1.json").write_text(text)
    assert locks.holder("db1") is None
    locks.take(["db1"], "repair")


def test_where_nothing_can_be_written_nothing_is_held(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ItstackError, match=r"nothing was changed.*Remedy: make room"):
        Locks(tmp_path / "file" / "locks").take(["db1"], "deploy")


def _race(folder, start, outcomes):
    locks = Locks(folder)
    start.wait()
    try:
        locks.take(["a", "b", "c"], "deploy")
        outcomes.put("held")
        # Until the test ends it: the lock must last that long.
        signal.pause()
    except Conflict:
        outcomes.put("refused")


def test_of_many_at_once_one_gets_it(tmp_path):
    context = multiprocessing.get_context("fork")
    start, outcomes = context.Event(), context.Queue()
    racers = [context.Process(target=_race, args=(tmp_path, start, outcomes)) for _ in range(8)]
    for racer in racers:
        racer.start()
    start.set()
    found = [outcomes.get(timeout=30) for _ in racers]
    for racer in racers:
        racer.kill()
        racer.join()
    assert sorted(found) == ["held", *["refused"] * 7]
