"""Who is believed: events, the reactor that hears them, and the lines that switch it on."""

from __future__ import annotations

import json
import logging
import time

import pytest
import salt.config
import salt.loader
import salt.utils.reactor
from core_fixtures import private_key, private_pem, public_pem

from salt_itstack.errors import Denied, Invalid
from salt_itstack.loader import folder
from salt_itstack.master import configuration
from salt_itstack.remediation.announcement import AGE, ENFORCED, WRONG, announce, heard
from salt_itstack.remediation.pokes import Pokes
from salt_itstack.remediation.record import Record

NOW = 1_800_000_000.0
STOPPED = {"what": "redis", "kind": "stopped", "side": ""}


def minion_opts(tmp_path, minion, key):
    place = tmp_path / minion / "pki"
    place.mkdir(parents=True, exist_ok=True)
    (place / "minion.pem").write_bytes(private_pem(key))
    return {"id": minion, "pki_dir": str(place)}


@pytest.fixture
def says(tmp_path, minion_keys):
    """What a minion says, signed with its key or another's."""

    def make(minion, content=STOPPED, subject=WRONG, at=None, key=None):
        opts = minion_opts(tmp_path, minion, key or minion_keys[minion])
        return announce(opts, subject, content, time.time() if at is None else at)

    return make


@pytest.fixture
def keys(minion_keys):
    """The accepted key of a minion."""
    pems = {minion: public_pem(key).decode() for minion, key in minion_keys.items()}
    return lambda minion: pems.get(minion, "")


# Believing ----------------------------------------------------------------------------------------------


def test_what_a_minion_signed_is_believed(says, keys):
    assert heard(says("lab-db1", at=NOW), WRONG, keys, NOW) == ("lab-db1", STOPPED)


def test_a_single_event_has_it_one_level_deeper(says, keys):
    event = {"id": "lab-db1", "tag": "itstack/x", "cmd": "_minion_event", "data": says("lab-db1", at=NOW)}
    assert heard(event, WRONG, keys, NOW) == ("lab-db1", STOPPED)


def test_another_minions_name_isnt_believed_wherever_it_stands(says, keys, minion_keys):
    forged = says("lab-db1", at=NOW, key=minion_keys["lab-app1"])
    assert "isn't signed by 'lab-db1'" in heard(forged, WRONG, keys, NOW)
    # The sender may write what it likes around what it signed.
    own = says("lab-app1", at=NOW)
    for disguise in ({**own, "id": "lab-db1"}, {"id": "lab-db1", "data": {**own, "id": "lab-db1"}}):
        assert heard(disguise, WRONG, keys, NOW) == ("lab-app1", STOPPED)
    told = json.loads(own["said"])
    changed = {**own, "said": json.dumps({**told, "id": "lab-db1"})}
    assert isinstance(heard(changed, WRONG, keys, NOW), str)


@pytest.mark.parametrize("late", [AGE + 1, -AGE - 1])
def test_an_old_event_isnt_believed_and_names_the_clock(says, keys, late):
    assert "clock" in heard(says("lab-db1", at=NOW - late), WRONG, keys, NOW)
    assert heard(says("lab-db1", at=NOW - late / 2), WRONG, keys, NOW) == ("lab-db1", STOPPED)


def test_one_subject_isnt_taken_for_the_other(says, keys):
    assert "something else" in heard(says("lab-db1", at=NOW, subject=ENFORCED), WRONG, keys, NOW)


def test_a_minion_without_an_accepted_key_isnt_believed(says, keys):
    assert "isn't signed" in heard(says("stranger", at=NOW, key=private_key()), WRONG, keys, NOW)


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"id": "lab-db1", "what": "redis"},
        {"said": 5, "signature": None},
        {"said": "[]", "signature": ""},
        {"said": "{", "signature": "x"},
        {"said": json.dumps({"id": ["lab-db1"], "at": "x", "content": {}}), "signature": "x"},
        {"said": json.dumps({"id": "lab-db1", "at": NOW, "content": {}}), "signature": "no base64 ü"},
        {"data": {"data": {"said": "x"}}},
    ],
)
def test_what_isnt_an_announcement_is_a_reason_and_no_exception(data, keys):
    assert isinstance(heard(data, WRONG, keys, NOW), str)


def test_a_minion_whose_key_cant_be_read_says_what_to_do(tmp_path):
    with pytest.raises(Denied, match="Remedy"):
        announce({"id": "lab-db1", "pki_dir": str(tmp_path)}, WRONG, STOPPED, NOW)


# The reactor, as Salt runs it ---------------------------------------------------------------------------


@pytest.fixture
def reactor(master):
    """Salt's own reactor with our lines; gives the reactions to an event."""
    (master.folder / "itstack.d" / "mode.yaml").write_text("mode: enforce\n")
    path = master.folder / "master"
    options = json.loads(path.read_text())
    options["reactor"] = configuration()["reactor"]
    path.write_text(json.dumps(options))
    opts = salt.config.master_config(str(path))
    found = salt.utils.reactor.Reactor(opts)

    def react(tag, data):
        return found.reactions(tag, data, found.list_reactors(tag))

    yield react
    found.minion.destroy()


TAG = "salt/beacon/lab-db1/itstack/redis"


def test_an_event_becomes_one_poke_and_one_call(master, reactor, says):
    (call,) = reactor(TAG, says("lab-db1"))
    assert (call["state"], call["fun"]) == ("runner", "itstack.remediate")
    assert {"what": "redis"} in call["args"]
    assert Pokes.of(master.opts).waiting() == ["redis"]
    assert [reactor(TAG, says("lab-db1")) for _ in range(50)] == [[]] * 50


@pytest.mark.parametrize(
    ("minion", "content"),
    [
        ("lab-app1", STOPPED),
        ("lab-db1", {**STOPPED, "what": "keycloak"}),
        ("lab-db1", {"what": "keycloak-nextcloud", "kind": "drifted", "side": "source"}),
        ("lab-db1", {**STOPPED, "what": "../../etc/passwd"}),
        ("lab-db1", {**STOPPED, "what": ["redis"]}),
        ("lab-db1", {**STOPPED, "kind": "rm -rf"}),
        ("lab-db1", {}),
    ],
)
def test_what_isnt_the_minions_own_business_does_nothing(master, reactor, says, minion, content, caplog):
    with caplog.at_level(logging.INFO, "salt_itstack.remediation.reactions"):
        assert reactor(TAG, says(minion, content)) == []
    assert Pokes.of(master.opts).waiting() == []
    assert minion in caplog.text and "isn't its own" in caplog.text


def test_an_end_of_an_integration_is_the_minions_business(master, reactor, says):
    for minion, side in (("lab-id1", "source"), ("lab-app1", "target")):
        content = {"what": "keycloak-nextcloud", "kind": "drifted", "side": side}
        assert len(reactor(TAG, says(minion, content))) == 1
        pokes = Pokes.of(master.opts)
        with pokes.working("keycloak-nextcloud"):
            assert pokes.take("keycloak-nextcloud")["side"] == side
            pokes.done("keycloak-nextcloud")


def test_a_minion_cant_speak_for_another_in_a_list_of_events(master, reactor, says, minion_keys):
    # As Salt fires each event of a list: the data are the sender's, `id` and all.
    forged = says("lab-db1", key=minion_keys["lab-app1"])
    unsigned = {"id": "lab-db1", **STOPPED}
    for data in (forged, unsigned, {"id": "lab-db1", "tag": TAG, "cmd": "_minion_event", "data": forged}):
        assert reactor(TAG, data) == []
    assert Pokes.of(master.opts).waiting() == []


def test_a_wrong_map_is_logged_and_breaks_no_reactor(master, reactor, says, caplog):
    (master.folder / "itstack.d" / "map.yaml").write_text("domian: x\n")
    assert reactor(TAG, says("lab-db1")) == []
    assert "domian" in caplog.text


def test_what_the_schedule_put_back_twice_calls_a_worker(master, reactor, says):
    changes = {
        "redis-nextcloud: user nextcloud": {"commands": {"old": "+@all", "new": "+@all -@admin"}},
        "keycloak: settings": {"heap": {"old": "1g", "new": "512m"}},
    }
    event = {"id": "lab-db1", "tag": "itstack/enforced", "data": says("lab-db1", changes, ENFORCED)}
    assert reactor("itstack/enforced", event) == []
    (call,) = reactor("itstack/enforced", event)
    assert call["fun"] == "itstack.remediate" and not [item for item in call["args"] if "what" in item]
    (fight,) = Record.of(master.opts).read()["fights"]
    assert fight["state"].startswith("redis-nextcloud"), "what isn't on that minion doesn't count"


# The lines ----------------------------------------------------------------------------------------------


def test_the_reactors_lines_keep_what_is_there_and_come_once():
    theirs = [{"salt/minion/*/start": ["/srv/reactor/start.sls"]}]
    found = configuration({"reactor": theirs})
    assert found["reactor"][:1] == theirs and len(found["reactor"]) == 4
    assert configuration({**found})["reactor"] == found["reactor"]
    paths = [path for line in found["reactor"][1:] for (path,) in line.values()]
    assert all((folder("reactor") / "itstack" / path.rsplit("/", 1)[1]).is_file() for path in paths)


def test_a_reactor_that_is_a_file_is_refused_with_the_lines_to_write():
    with pytest.raises(Invalid, match=r"/etc/salt/reactor.*wrong\.sls"):
        configuration({"reactor": "/etc/salt/reactor"})


def test_the_hooks_lines_come_on_request_only(master):
    runners = salt.loader.runner(master.opts)
    assert "engines" not in runners["itstack.config"]()
    (engine,) = runners["itstack.config"](hook=True)["engines"]
    assert engine["itstack_hook"]["address"] == "127.0.0.1"
    theirs = {"engines": [{"logstash": {}}]}
    found = configuration(theirs, hook=True)
    assert found["engines"][0] == {"logstash": {}} and configuration(found, hook=True) == found
