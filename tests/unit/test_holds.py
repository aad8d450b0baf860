"""What is left alone for a while, and what that covers."""

import pytest

from salt_itstack import holds
from salt_itstack.errors import Invalid, ItstackError, Missing
from salt_itstack.holds import Holds, covering, duration
from salt_itstack.stack import load


@pytest.fixture
def kept(tmp_path):
    moments = [1_790_000_000.0]
    found = Holds(tmp_path / "itstack" / "holds.json", lambda: moments[0])
    found.moments = moments
    return found


def test_a_hold_lasts_until_its_time_or_its_release(kept):
    kept.put("keycloak", 60, "an upgrade", "ann")
    kept.put("redis", 7200, "a move", "bob")
    assert set(kept.current()) == {"keycloak", "redis"}
    assert str(kept.current()["redis"]).startswith("redis is left alone until 2026-")
    kept.moments[0] += 61
    assert set(kept.current()) == {"redis"}
    assert kept.release("redis").reason == "a move"
    assert kept.current() == {}
    with pytest.raises(Missing, match=r"redis isn't held.*held are: nothing"):
        kept.release("redis")


def test_a_later_hold_replaces_an_earlier_one(kept):
    kept.put("redis", 60, "first", "ann")
    kept.put("redis", 600, "second", "bob")
    assert kept.current()["redis"].reason == "second"


def test_a_damaged_file_is_no_reason_to_write_what_was_held(kept, tmp_path):
    kept.put("redis", 60, "first", "ann")
    (tmp_path / "itstack" / "holds.json").write_text("{")
    with pytest.raises(ItstackError, match=r"can't be used.*Remedy: "):
        kept.current()
    with pytest.raises(ItstackError, match="can't be used"):
        kept.put("keycloak", 60, "second", "ann")


@pytest.mark.parametrize(
    ("held", "covered"),
    [
        ("redis", {"redis"}),
        ("lab-db1", {"postgresql", "redis"}),
        ("redis-nextcloud", {"redis-nextcloud"}),
        ("lab-id1", {"freeipa", "keycloak", "freeipa-keycloak"}),
    ],
)
def test_what_a_hold_covers(kept, held, covered):
    stack = load()
    kept.put(held, 60, "because", "ann")
    known = [
        *("freeipa", "keycloak", "postgresql", "redis", "nextcloud"),
        *("freeipa-keycloak", "postgresql-keycloak", "redis-nextcloud"),
    ]
    assert {name for name in known if covering(stack, name, kept.current())} == covered


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1800), ("2h", 7200), ("3d", 259200), (45, 45), ("45", 45)]
)
def test_durations(text, seconds):
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "-1h", "2 hours", "1.5h", "91d", None, "h", True])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(Invalid, match=r"for.*isn't a duration.*Remedy: write 30m"):
        duration(text)


def test_what_the_map_does_not_have_cannot_be_held():
    assert holds.check(load(), "lab-db1") == "lab-db1"
    with pytest.raises(Invalid, match="did you mean redis-nextcloud"):
        holds.check(load(), "redis-nextclod")
