"""What the schedule puts back, what it leaves alone, and that nobody writes at the same time."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator

import pytest
import yaml
from direct import DATABASE_SERVER, Direct
from fleet import changed, wait_for

from salt_itstack.lab import client

OWN_MAP = "/etc/salt/itstack.d/zz-test.yaml"
USER = "redis-nextcloud: user nextcloud"


@pytest.fixture(scope="module")
def direct(deployed):
    return Direct(deployed)


@contextlib.contextmanager
def own_map(deployed, **content) -> Iterator[None]:
    """A further file of the map, for the time of a block."""
    deployed.shell("lab-master", f"cat > {OWN_MAP}", stdin=yaml.safe_dump(content))
    try:
        yield
    finally:
        deployed.shell("lab-master", f"rm -f {OWN_MAP}")


def borrow(direct, rule: str = "&*") -> None:
    """Give the application's user more than the map says."""
    direct.redis("ACL", "SETUSER", "nextcloud", rule)


def borrowed(direct, rule: str = "&*") -> bool:
    return rule in direct.redis("ACL", "LIST").split("user nextcloud ", 1)[1].splitlines()[0].split()


def locks(deployed) -> dict[str, str]:
    answer, _ = deployed.runner("itstack.status")
    return answer["locks"]


@contextlib.contextmanager
def deploying(deployed) -> Iterator[subprocess.Popen[str]]:
    """A deploy that goes on, and holds its servers already."""
    words = ["salt-run", "--out=json", "itstack.deploy", "services=[postgresql, redis]"]
    # One that was killed has left its file, which counts no more.
    earlier = holder(deployed)
    process = subprocess.Popen(
        client.enter_command(deployed.process("lab-master"), words),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=client.inside_environment(),
    )
    try:
        # Of the file: a runner takes as long as such a deploy, which would be past its steps by then.
        wait_for(lambda: holder(deployed) not in ({}, earlier), "the deploy holds its server", 60, pause=0.1)
        yield process
    finally:
        process.kill()
        process.wait()


def holder(deployed) -> dict:
    """Who holds the database's server; empty if nobody does."""
    path = f"/var/cache/salt/master/itstack/locks/{DATABASE_SERVER}.json"
    return json.loads(deployed.inside("lab-master", "cat", path).stdout or "{}")


def paused(deployed, process: int) -> None:
    """Stop a process where it is, so that what it holds stays held as long as a test looks at it."""
    deployed.shell("lab-master", f"kill -STOP {process}")


def enforcing(deployed) -> list:
    return deployed.call(DATABASE_SERVER, "saltutil.is_running", "itstack.enforce")


def test_nothing_overlaps_and_the_second_says_who_holds_the_server(deployed, direct):
    with deploying(deployed) as process:
        first = holder(deployed)
        paused(deployed, first["process"])
        try:
            words = (f"deploy (job {first['jid']}, started by root at", f"process {first['process']}")
            answer, code = deployed.runner("itstack.deploy", "services=[redis]")
            assert code == 1 and not answer["changes"], answer
            assert all(word in " ".join(answer["failures"]) for word in words), answer["failures"]
            assert "nothing was changed" in answer["failures"][0]
            wait_for(
                lambda: not deployed.call(DATABASE_SERVER, "saltutil.is_running", "state.*"),
                "the step that was under way is over",
            )
            borrow(direct)
            skipped = deployed.call(DATABASE_SERVER, "itstack.enforce")
            assert set(skipped) == {"skipped"}, skipped
            assert all(word in skipped["skipped"] for word in words), skipped
            by_hand = deployed.highstate(DATABASE_SERVER)
            assert by_hand["redis: needs"]["result"] is False
            assert all(word in by_hand["redis: needs"]["comment"] for word in words)
            assert "Remedy: " in by_hand["redis: needs"]["comment"]
            assert all(not state["changes"] for state in by_hand.values()), by_hand
            assert borrowed(direct)
            dry = deployed.highstate(DATABASE_SERVER, test=True)
            assert dry[USER]["result"] is None, "a dry run disturbs nobody, and is let through"
        finally:
            deployed.shell("lab-master", f"kill -CONT {first['process']}")
        said = json.loads(process.communicate(timeout=300)[0])
        assert (process.returncode, said["failures"]) == (0, []), said
        assert said["changes"] == 1, "its step came after what was borrowed, and put it back"
    assert locks(deployed) == {}
    deployed.highstate(DATABASE_SERVER)
    assert not borrowed(direct)


def test_a_killed_holder_leaves_no_lock_behind(deployed):
    with deploying(deployed):
        deployed.shell("lab-master", f"kill -9 {holder(deployed)['process']}")
        wait_for(lambda: not locks(deployed), "the lock of a killed deploy is over", 10)
    answer, code = deployed.runner("itstack.deploy", "services=[postgresql, redis]")
    assert (code, answer["failures"], answer["changes"]) == (0, [], 0), answer


def test_the_schedule_puts_back_what_somebody_changed(deployed, direct):
    deployed.periods(enforce=4, beacon=None)
    try:
        shown = deployed.call(DATABASE_SERVER, "schedule.list", "show_all=True", "return_yaml=False")
        assert shown["itstack_enforce"]["seconds"] == 4 and shown["itstack_enforce"]["splay"] == 4
        borrow(direct)
        wait_for(lambda: not borrowed(direct), "the schedule has put it back", 60)
    finally:
        deployed.periods(enforce=None, beacon=None)
    # One that was due in the meantime would still put back what the next test changes.
    wait_for(lambda: not enforcing(deployed), "the last scheduled run is over")


# Each of these changes something else: what is put back twice within a day would be taken for a fight.


def test_what_is_not_in_that_mode_is_not_enforced(deployed, direct):
    with own_map(deployed, services={"redis": {"mode": "manage"}}):
        borrow(direct, "off")
        answer = deployed.call(DATABASE_SERVER, "itstack.enforce")
        assert answer["services"] == ["postgresql"] and not answer["changes"], answer
        assert borrowed(direct, "off")
    dry = deployed.call(DATABASE_SERVER, "itstack.enforce", "test=True")
    assert set(dry["changes"]) == {USER} and borrowed(direct, "off")
    put_back = deployed.call(DATABASE_SERVER, "itstack.enforce")
    assert put_back["changes"] == dry["changes"] and not put_back["failures"]
    assert not borrowed(direct, "off")
    assert deployed.call(DATABASE_SERVER, "itstack.enforce")["changes"] == {}


@pytest.mark.parametrize("what", ["redis", "redis-nextcloud", DATABASE_SERVER])
def test_what_is_held_is_left_alone_by_everything_until_it_is_released(deployed, direct, what):
    borrow(direct)
    answer, code = deployed.runner("itstack.hold", what, "for=10m", "reason=somebody works on it")
    assert code == 0 and f"{what} is left alone until" in answer, answer
    try:
        assert changed(deployed.highstates(DATABASE_SERVER)[DATABASE_SERVER]) == {}
        assert not deployed.call(DATABASE_SERVER, "itstack.enforce").get("changes")
        answer, code = deployed.runner("itstack.deploy", "services=[postgresql, redis]")
        assert (answer["failures"], answer["changes"]) == ([], 0), answer
        assert any("somebody works on it" in note for note in answer["notes"]), answer["notes"]
        assert borrowed(direct)
        shown, _ = deployed.runner("itstack.status")
        assert "somebody works on it" in shown["holds"][what]
        held = {row["id"] for row in shown["rows"] if row["held"]}
        assert held == ({what} if what == "redis-nextcloud" else set())
    finally:
        released, code = deployed.runner("itstack.release", what)
    assert code == 0 and what in released
    assert set(changed(deployed.highstates(DATABASE_SERVER)[DATABASE_SERVER])) == {USER}
    assert not borrowed(direct)


def test_a_hold_ends_by_itself(deployed, direct):
    borrow(direct, "+config")
    deployed.runner("itstack.hold", "redis-nextcloud", "for=5s", "reason=a moment")
    wait_for(lambda: not deployed.runner("itstack.status")[0]["holds"], "the hold is over", 30)
    assert set(deployed.call(DATABASE_SERVER, "itstack.enforce")["changes"]) == {USER}
