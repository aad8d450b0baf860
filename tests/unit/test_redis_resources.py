"""Redis's rules and settings as data."""

import hashlib

import pytest

from salt_itstack.errors import Invalid
from salt_itstack.services.redis import resources


def test_a_user_is_written_from_scratch_and_by_hash_only():
    digest = resources.hashed("clear")
    assert digest == hashlib.sha256(b"clear").hexdigest()
    words = resources.rules(
        {
            "enabled": True,
            "passwords": [digest],
            "keys": ["a:*"],
            "channels": ["*"],
            "commands": "+@all -flushall",
        }
    )
    assert words == ["reset", "on", f"#{digest}", "~a:*", "&*", "+@all", "-flushall"]
    assert resources.rules({}) == ["reset", "off"]


def test_patterns_are_spelled_as_the_server_does():
    given = {"keys": ["a:*", "~b:*", "%R~c:*"], "channels": [], "commands": " +@all  -get "}
    assert resources.spelled(given) == {"keys": "~a:* ~b:* %R~c:*", "channels": "", "commands": "+@all -get"}
    assert resources.spelled({"enabled": True}) == {"enabled": True}


@pytest.mark.parametrize("fields", [{"keys": ["a b"]}, {"keys": [""]}, {"channels": [3]}, {"commands": ">x"}])
def test_bad_rules_are_refused(fields):
    with pytest.raises(Invalid, match="Remedy"):
        resources.spelled(fields)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("256mb", "268435456"),
        ("1G", "1000000000"),
        ("2kb", "2048"),
        (5, "5"),
        ("noeviction", "noeviction"),
        (True, "yes"),
        (False, "no"),
        (["900 1", "300 10"], "900 1 300 10"),
        ("", ""),
        ("normal 0 0 0", "normal 0 0 0"),
    ],
)
def test_settings_in_base_units(value, kept):
    assert resources.in_base_units(value) == kept
    assert resources.in_base_units(kept) == kept


def test_an_empty_password_is_refused():
    with pytest.raises(Invalid, match="empty"):
        resources.hashed("")
