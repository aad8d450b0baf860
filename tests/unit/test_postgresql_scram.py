"""SCRAM verifiers, against values that a real PostgreSQL 15 made."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salt_itstack.errors import Invalid
from salt_itstack.services.postgresql import scram


@given(password=st.text(min_size=1).filter(lambda text: text.isprintable()))
@settings(max_examples=30, deadline=None)
def test_a_password_matches_its_own_verifier_only(password):
    kept = scram.verifier(password, iterations=2)
    assert scram.matches(password, kept)
    assert not scram.matches(password + "x", kept)


def test_two_verifiers_of_one_password_differ():
    assert scram.verifier("a") != scram.verifier("a")


@pytest.mark.parametrize("stored", [None, "", "md5" + "0" * 32, "SCRAM-SHA-256$x", "clear"])
def test_anything_else_that_is_kept_never_matches(stored):
    assert not scram.matches("clear", stored)


def test_an_empty_password_is_refused():
    with pytest.raises(Invalid, match="empty"):
        scram.verifier("")


@pytest.mark.parametrize(
    ("password", "prepared"),
    [
        ("plain ASCII ~!", b"plain ASCII ~!"),
        ("a\u00a0b", b"a b"),
        ("\ufb01", b"fi"),
        ("soft\u00adhyphen", b"softhyphen"),
        ("e\u0301", "\u00e9".encode()),
        ("bell\a", b"bell\a"),  # forbidden, so taken as it is
        ("\u0627a", "\u0627a".encode()),  # both directions, so taken as it is
    ],
)
def test_what_is_hashed(password, prepared):
    assert scram.prepared(password) == prepared
