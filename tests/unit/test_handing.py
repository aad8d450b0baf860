"""What only a server can make, on its way from the minion that made it to the master and to its reader."""

import json
import threading

import pytest
import salt.pillar
from core_fixtures import private_key, private_pem, public_pem

from salt_itstack import collecting
from salt_itstack.errors import Denied, Invalid, Missing
from salt_itstack.remediation import reactions
from salt_itstack.secrets import handing, seal
from salt_itstack.stack import load_for

CANARY = "https://chat.example/hooks/canary-of-a-hook-made-by-the-server"
MADE = "taiga-mattermost"
PRODUCER, READER = "lab-app1", "lab-mgmt1"
MAP = """
services: {mattermost: {supported: true}}
integrations: {taiga-mattermost: {supported: true}}
"""


@pytest.fixture
def stack(master, monkeypatch):
    (master.folder / "itstack.d" / "made.yaml").write_text(MAP)
    key = private_key()
    (master.folder / "pki" / "master.pem").write_bytes(private_pem(key))
    (master.folder / "pki" / "master.pub").write_bytes(public_pem(key))
    return load_for(master.opts)


def minion(master, name, tmp_path, key=None):
    """The options of a minion that has met this master."""
    pki = tmp_path / name / "pki"
    pki.mkdir(parents=True)
    (pki / "minion.pem").write_bytes(private_pem(key or master.keys[name]))
    (pki / "minion_master.pub").write_bytes((master.folder / "pki" / "master.pub").read_bytes())
    return {"id": name, "pki_dir": str(pki), "cachedir": str(tmp_path / name / "cache")}


class Fleet:
    """Answers of minions as their own function gives them."""

    def __init__(self, *minions):
        self.minions = {opts["id"]: opts for opts in minions}

    def ask(self, wanted, function, timeout, identifiers):
        assert function == "itstack.made"
        return {
            name: handing.parcels(self.minions[name], identifiers) for name in wanted if name in self.minions
        }


def pillar_of(master, name):
    return salt.pillar.Pillar(master.opts, {}, name, "base").compile_pillar()["itstack"]


def test_the_way_from_the_producer_to_the_one_reader(master, stack, tmp_path):
    producer = minion(master, PRODUCER, tmp_path)
    assert pillar_of(master, READER)["awaited"] == [MADE]
    assert pillar_of(master, PRODUCER)["produces"] == [MADE]
    assert handing.hand_over(producer, MADE, CANARY) is True
    assert collecting.collect(master.opts, stack, Fleet(producer)) == [MADE]
    reader = pillar_of(master, READER)
    assert reader["awaited"] == []
    assert seal.unseal(reader["sealed"][MADE], private_pem(master.keys[READER])) == CANARY
    for other in set(master.keys) - {READER}:
        sealed = pillar_of(master, other).get("sealed") or {}
        assert MADE not in sealed, f"{other} gets what only {READER} needs"


def test_nothing_readable_lies_on_the_way(master, stack, tmp_path):
    producer = minion(master, PRODUCER, tmp_path)
    handing.hand_over(producer, MADE, CANARY)
    collecting.collect(master.opts, stack, Fleet(producer))
    words = [CANARY, "canary-of-a-hook"]
    for folder in (tmp_path, master.folder):
        for path in folder.rglob("*"):
            text = path.read_bytes() if path.is_file() else b""
            assert not any(word.encode() in text for word in words), path
    parcel = handing.parcels(producer, [MADE])[MADE]
    with pytest.raises(Denied):
        seal.unseal(parcel["sealed"], private_pem(master.keys[PRODUCER]))


def test_the_same_value_is_handed_over_once(master, stack, tmp_path):
    producer = minion(master, PRODUCER, tmp_path)
    assert [handing.hand_over(producer, MADE, CANARY) for _ in range(2)] == [True, False]
    assert handing.lies_there(producer, MADE, CANARY) and not handing.lies_there(producer, MADE, "other")
    assert collecting.collect(master.opts, stack, Fleet(producer)) == [MADE]
    assert collecting.collect(master.opts, stack, Fleet(producer)) == [], "the store has it"
    assert handing.hand_over(producer, MADE, "another") is True
    assert collecting.collect(master.opts, stack, Fleet(producer)) == [MADE]
    assert master.store.get(MADE) == "another"


def test_a_parcel_that_was_lost_is_laid_down_again(master, stack, tmp_path):
    producer = minion(master, PRODUCER, tmp_path)
    handing.hand_over(producer, MADE, CANARY)
    handing.forget(producer, MADE)
    assert handing.parcels(producer, [MADE]) == {}
    assert handing.hand_over(producer, MADE, CANARY) is True


def test_only_the_producer_is_believed(master, stack, tmp_path):
    """Another minion that answers in the producer's name, with its own key or with a copied parcel."""
    producer = minion(master, PRODUCER, tmp_path)
    liar = {**minion(master, "lab-db1", tmp_path), "id": PRODUCER}
    handing.hand_over(liar, MADE, "a hook of the liar's")
    with pytest.raises(Missing, match=f"isn't signed by {PRODUCER}"):
        collecting.collect(master.opts, stack, Fleet(liar))
    assert MADE not in master.store.describe()
    handing.hand_over(producer, "some-other-secret", "made for something else")
    copied = handing.parcels(producer, ["some-other-secret"])["some-other-secret"]
    (tmp_path / PRODUCER / "cache" / "itstack" / "made" / f"{MADE}.json").write_text(json.dumps(copied))
    with pytest.raises(Missing, match="was made for another secret"):
        collecting.collect(master.opts, stack, Fleet(producer))
    assert MADE not in master.store.describe()


@pytest.mark.parametrize("parcel", [None, {}, {"sealed": "x"}, {"sealed": "x", "signature": "y"}, "text"])
def test_what_is_no_parcel_is_refused(master, stack, tmp_path, parcel):
    answers = Fleet()
    answers.ask = lambda *words, **more: {PRODUCER: {MADE: parcel} if parcel is not None else "Traceback"}
    with pytest.raises(Missing) as caught:
        collecting.collect(master.opts, stack, answers)
    assert PRODUCER in str(caught.value) and "Remedy: " in str(caught.value)
    assert MADE not in master.store.describe()


def test_who_has_made_nothing_or_is_silent_is_named(master, stack, tmp_path):
    with pytest.raises(Missing, match=f"{PRODUCER} hasn't made {MADE}"):
        collecting.collect(master.opts, stack, Fleet(minion(master, PRODUCER, tmp_path)))
    with pytest.raises(Missing, match=f"{PRODUCER} doesn't answer"):
        collecting.collect(master.opts, stack, Fleet())


def test_a_full_disk_writes_nothing_anywhere_and_says_why(master, stack, tmp_path, monkeypatch):
    producer = minion(master, PRODUCER, tmp_path)
    handing.hand_over(producer, MADE, CANARY)
    collecting.collect(master.opts, stack, Fleet(producer))
    handing.hand_over(producer, MADE, "another-canary")
    before = {path: path.read_bytes() for path in master.folder.rglob("*") if path.is_file()}

    def full(*words):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(Missing, match="No space left on device"):
        collecting.collect(master.opts, stack, Fleet(producer))
    monkeypatch.undo()
    after = {path: path.read_bytes() for path in master.folder.rglob("*") if path.is_file()}
    assert {path: text for path, text in after.items() if path.suffix != ".lock"} == {
        path: text for path, text in before.items() if path.suffix != ".lock"
    }
    assert master.store.get(MADE) == CANARY


@pytest.mark.parametrize("identifier", ["", "../x", "a/b", ".hidden"])
def test_an_id_that_is_a_path_is_refused(master, stack, tmp_path, identifier):
    with pytest.raises(Invalid, match="isn't the id of a secret"):
        handing.hand_over(minion(master, PRODUCER, tmp_path), identifier, CANARY)


def test_without_a_master_there_is_nobody_to_hand_it_to(tmp_path):
    opts = {"id": "alone", "pki_dir": str(tmp_path), "cachedir": str(tmp_path / "cache")}
    with pytest.raises(Missing, match="Remedy: run this on a minion"):
        handing.hand_over(opts, MADE, CANARY)
    assert handing.parcels(opts, [MADE]) == {}


def test_events_that_come_together_are_one_collection_and_the_next_one_is_another(master, stack, tmp_path):
    producer = minion(master, PRODUCER, tmp_path)
    handing.hand_over(producer, MADE, CANARY)
    asked = [bool(reactions.made(master.opts)) for _ in range(1000)]
    assert asked == [True] + [False] * 999
    assert collecting.when_asked(master.opts, stack, Fleet(producer)) == [MADE]
    # Right behind it, somebody makes another one: nothing tells the master of that but this event.
    handing.hand_over(producer, MADE, "another")
    assert reactions.made(master.opts)
    assert collecting.when_asked(master.opts, stack, Fleet(producer)) == [MADE]
    assert master.store.get(MADE) == "another"
    assert collecting.when_asked(master.opts, stack, Fleet(producer)) == [], "nobody asked for it"


def test_what_is_made_during_a_collection_is_collected_by_the_one_that_waits(master, stack, tmp_path):
    producer = minion(master, PRODUCER, tmp_path)
    handing.hand_over(producer, MADE, CANARY)
    second = []

    class Slow(Fleet):
        def ask(self, *args, **kwargs):
            answer = super().ask(*args, **kwargs)
            handing.hand_over(producer, MADE, "another")
            assert reactions.made(master.opts)
            waiting = threading.Thread(
                target=lambda: second.append(collecting.when_asked(master.opts, stack, Fleet(producer)))
            )
            waiting.start()
            waiting.join(0.2)
            assert not second, "two at once"
            self.waiting = waiting
            return answer

    slow = Slow(producer)
    reactions.made(master.opts)
    assert collecting.when_asked(master.opts, stack, slow) == [MADE]
    slow.waiting.join(10)
    assert second == [[MADE]] and master.store.get(MADE) == "another"
