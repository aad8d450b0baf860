"""The store, the policies, sealing and fingerprints."""

import json
import multiprocessing
import os
import stat
import string
import tempfile

import pytest
from core_fixtures import private_key, private_pem, public_pem
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from salt_itstack.errors import Conflict, Denied, Invalid, ItstackError, Missing
from salt_itstack.secrets import fingerprint, policy, seal
from salt_itstack.secrets import store as store_module
from salt_itstack.secrets.store import Store, places

CANARY = "Canary-of-the-store-58"


@pytest.fixture
def store(tmp_path):
    store_module._read.clear()
    return Store(tmp_path / "itstack.store", tmp_path / "itstack.key")


def again(store):
    """The same files as another process reads them."""
    store_module._read.clear()
    return Store(store.path, store.key)


# The store


def test_a_secret_comes_back_and_is_not_in_the_file(store):
    store.put("demo", CANARY)
    assert again(store).get("demo") == CANARY
    assert CANARY.encode() not in store.path.read_bytes()


def test_only_the_owner_may_read_the_files_whatever_the_umask(store):
    old = os.umask(0)
    try:
        store.put("demo", CANARY)
    finally:
        os.umask(old)
    for path in store.path.parent.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_descriptions_hold_no_values(store):
    store.put("demo", CANARY, "password")
    assert CANARY not in repr(store.describe())
    assert store.describe()["demo"]["kind"] == "password"


def test_a_secret_that_is_not_there_is_missing_with_the_remedy(store):
    with pytest.raises(Missing, match="secret_import demo"):
        store.get("demo")


def test_deleting_says_whether_it_was_there(store):
    store.put("demo", CANARY)
    assert store.delete("demo") is True
    assert again(store).delete("demo") is False
    assert again(store).describe() == {}


def test_an_empty_secret_is_refused(store):
    with pytest.raises(Invalid):
        store.put("demo", "")
    assert not store.path.exists()


def test_what_another_process_wrote_is_seen(store):
    store.put("demo", "first")
    assert store.get("demo") == "first"
    reader = Store(store.path, store.key)
    changed = multiprocessing.get_context("fork").Process(target=store.put, args=("demo", "second"))
    changed.start()
    changed.join()
    assert reader.get("demo") == "second"


@pytest.mark.parametrize("fault", ["fsync", "replace", "mkstemp"])
def test_a_full_disk_leaves_the_old_file_and_no_other(store, monkeypatch, fault):
    store.put("demo", "old")
    before = store.path.read_bytes()
    files = sorted(path.name for path in store.path.parent.iterdir())

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile if fault == "mkstemp" else os, fault, full)
    with pytest.raises(ItstackError, match="No space left on device") as caught:
        store.put("demo", CANARY)
    monkeypatch.undo()
    assert CANARY not in str(caught.value) and "nothing was changed" in str(caught.value)
    assert store.path.read_bytes() == before
    assert again(store).get("demo") == "old"
    assert sorted(path.name for path in store.path.parent.iterdir()) == files


def test_an_interruption_leaves_the_old_file(store, monkeypatch):
    store.put("demo", "old")

    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.put("demo", "new")
    monkeypatch.undo()
    assert again(store).get("demo") == "old"
    assert not [path for path in store.path.parent.iterdir() if path.name.startswith(".")]


def test_a_wrong_key_is_told_and_nothing_is_overwritten(store):
    store.put("demo", CANARY)
    content = store.path.read_bytes()
    store.key.write_bytes(Fernet.generate_key())
    for action in (lambda s: s.get("demo"), lambda s: s.put("demo", "x"), lambda s: s.ensure(WANTED)):
        with pytest.raises(Denied, match=r"itstack\.key doesn't open"):
            action(again(store))
    assert store.path.read_bytes() == content


def test_a_missing_key_is_told_and_never_made_anew_for_an_old_store(store):
    store.put("demo", CANARY)
    content = store.path.read_bytes()
    store.key.unlink()
    for action in (lambda s: s.get("demo"), lambda s: s.put("demo", "x"), lambda s: s.ensure(WANTED)):
        with pytest.raises((Missing, Conflict), match="key"):
            action(again(store))
    assert store.path.read_bytes() == content and not store.key.exists()


@pytest.mark.parametrize("content", [b"", b"not a key"])
def test_a_file_that_is_no_key_is_told(store, content):
    store.key.write_bytes(content)
    with pytest.raises(Denied, match="isn't a key"):
        store.put("demo", CANARY)
    assert store.key.read_bytes() == content


def test_a_damaged_store_is_told(store):
    store.put("demo", CANARY)
    store.path.write_bytes(store.path.read_bytes()[:-20])
    with pytest.raises(Denied, match="backup"):
        again(store).get("demo")


def test_a_place_that_cannot_be_used_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file" / "itstack.store", tmp_path / "itstack.key")
    for action in (store.describe, lambda: store.put("demo", CANARY), lambda: store.ensure(WANTED)):
        with pytest.raises(ItstackError, match="can't be opened") as caught:
            action()
        assert CANARY not in str(caught.value)


def test_places_are_configurable(tmp_path):
    opts = {"conf_file": "/etc/salt/master", "itstack": {"key": "/other/volume/key"}}
    assert [str(place) for place in places(opts)] == ["/etc/salt/itstack.store", "/other/volume/key"]
    assert [str(place) for place in places({"itstack": None})] == [
        "/etc/salt/itstack.store",
        "/etc/salt/itstack.key",
    ]


WANTED = {
    "one": {"kind": "password", "length": None, "alphabet": None},
    "two": {"kind": "client-secret", "length": 64, "alphabet": None},
    "theirs": {"kind": "given"},
}


def test_ensure_makes_what_can_be_made_and_keeps_what_is_there(store):
    assert store.ensure(WANTED) == ["one", "two"]
    values = [store.get("one"), store.get("two")]
    assert len(values[1]) == 64 and "theirs" not in store.describe()
    assert again(store).ensure(WANTED) == []
    assert [store.get("one"), store.get("two")] == values


def test_several_processes_agree_on_one_value(store):
    context = multiprocessing.get_context("fork")
    go = context.Event()
    answers = context.Queue()

    def race():
        go.wait()
        own = Store(store.path, store.key)
        made = own.ensure(WANTED)
        answers.put((own.get("one"), made))

    racers = [context.Process(target=race) for _ in range(6)]
    for racer in racers:
        racer.start()
    go.set()
    found = [answers.get(timeout=30) for _ in racers]
    for racer in racers:
        racer.join()
    assert len({value for value, _ in found}) == 1
    assert sum(len(made) for _, made in found) == 2
    assert again(store).get("one") == found[0][0]


# Policies


@pytest.mark.parametrize(("kind", "length"), [("password", 32), ("client-secret", 40), ("token", 48)])
def test_each_kind_has_its_length_and_plain_letters(kind, length):
    values = {policy.generate(kind) for _ in range(50)}
    assert len(values) == 50
    for value in values:
        assert len(value) == length
        assert set(value) <= set(string.ascii_letters + string.digits)
        assert any(map(str.islower, value)) and any(map(str.isupper, value)) and any(map(str.isdigit, value))


@settings(max_examples=100, deadline=None)
@given(st.integers(16, 80), st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=10))
def test_a_policy_of_the_users_own_is_followed_or_refused(length, alphabet):
    if len(set(alphabet)) < 10:
        with pytest.raises(Invalid):
            policy.generate("password", length, alphabet)
    else:
        value = policy.generate("password", length, alphabet)
        assert len(value) == length and set(value) <= set(alphabet)


@pytest.mark.parametrize(
    ("kind", "length", "alphabet", "told"),
    [
        ("password", 15, None, "length"),
        ("password", 0, None, "length"),
        ("password", 257, None, "length"),
        ("password", None, "", "alphabet"),
        ("password", None, "0123456789"[:9], "alphabet"),
        ("password", None, "äöüßáéíóúñ", "alphabet"),
        ("password", None, "abcdefghij ", "alphabet"),
        ("password", None, "abcdefghij\n", "alphabet"),
        ("given", None, None, "kind"),
        ("passwort", None, None, "kind"),
        ("person", None, None, "kind"),
    ],
)
def test_weak_policies_and_unknown_kinds_are_refused(kind, length, alphabet, told):
    with pytest.raises(Invalid, match=told):
        policy.generate(kind, length, alphabet)


# Sealing


@pytest.mark.parametrize("text", ["", "short", "ü€ " * 50, CANARY * 200])
def test_what_was_sealed_opens_with_the_own_key_only(minion_keys, text):
    mine, other = list(minion_keys.values())[:2]
    sealed = seal.seal(text, public_pem(mine))
    assert seal.unseal(sealed, private_pem(mine)) == text
    with pytest.raises(Denied, match="another key") as caught:
        seal.unseal(sealed, private_pem(other))
    assert not text or text not in str(caught.value)


def test_sealing_twice_differs_and_shows_nothing(minion_keys):
    key = next(iter(minion_keys.values()))
    first, second = (seal.seal(CANARY, public_pem(key).decode()) for _ in range(2))
    assert first != second and CANARY not in first


@pytest.mark.parametrize("sealed", ["", "?", "e30=", "W10=", "bnVsbA==", "eyJrIjogMSwgInQiOiAyfQ=="])
def test_what_is_damaged_is_refused(minion_keys, sealed):
    with pytest.raises(Denied):
        seal.unseal(sealed, private_pem(next(iter(minion_keys.values()))))


def test_only_rsa_keys_are_sealed_to():
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(Denied, match="RSA"):
        seal.seal(CANARY, pem)


# Fingerprints


@pytest.fixture
def minion(tmp_path):
    (tmp_path / "pki").mkdir()
    (tmp_path / "pki" / "minion.pem").write_bytes(private_pem(private_key()))
    return {"cachedir": str(tmp_path / "cache"), "pki_dir": str(tmp_path / "pki")}


def test_a_fingerprint_knows_a_value_without_keeping_it(minion, tmp_path):
    name = "ldaps://ipa.example.org/uid=keycloak"
    assert fingerprint.known(minion, name, CANARY) is None
    fingerprint.remember(minion, name, CANARY)
    assert fingerprint.known(minion, name, CANARY) is True
    assert fingerprint.known(minion, name, "other") is False
    assert fingerprint.known(minion, "other name", CANARY) is None
    files = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert files and all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in files)
    assert not any(CANARY.encode() in path.read_bytes() for path in files)
    fingerprint.forget(minion, name)
    assert fingerprint.known(minion, name, CANARY) is None


def test_a_fingerprint_of_a_former_key_says_nothing(minion, tmp_path):
    fingerprint.remember(minion, "name", CANARY)
    (tmp_path / "pki" / "minion.pem").write_bytes(private_pem(private_key()))
    assert fingerprint.known(minion, "name", CANARY) is None


def test_fingerprints_work_without_a_minion_key(minion):
    alone = {**minion, "pki_dir": "/nowhere"}
    fingerprint.remember(alone, "name", CANARY)
    assert fingerprint.known(alone, "name", CANARY) is True


@pytest.mark.parametrize("content", ["", "[]", "null", '{"key": 1}', json.dumps("text")])
def test_a_damaged_fingerprint_counts_as_not_remembered(minion, tmp_path, content):
    fingerprint.remember(minion, "name", CANARY)
    kept = next(path for path in (tmp_path / "cache").rglob("*.json"))
    kept.write_text(content)
    assert fingerprint.known(minion, "name", CANARY) is None
