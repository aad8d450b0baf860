"""What the plug-ins share: profiles, references to secrets, and what this run is about."""

import importlib.util
import pathlib

import pytest
from core_fixtures import private_pem, public_pem

from salt_itstack import plugin
from salt_itstack.errors import Denied, Invalid, Missing
from salt_itstack.secrets import seal

CANARY = "Canary-of-the-profile-31"
MODULES = pathlib.Path(__file__).parents[2] / "_modules"
PILLAR = {"itstack": {"profiles": {"redis": {"host": "from pillar", "port": 6379}}}}


@pytest.fixture
def minion(tmp_path, minion_keys):
    """Options of a minion with a key, and a pillar with a secret sealed to it."""
    key = minion_keys["lab-db1"]
    (tmp_path / "pki").mkdir()
    (tmp_path / "pki" / "minion.pem").write_bytes(private_pem(key))
    opts = {"pki_dir": str(tmp_path / "pki"), "id": "lab-db1"}
    return opts, {"itstack": {"sealed": {"redis-admin": seal.seal(CANARY, public_pem(key))}}}


# Profiles


def test_a_profile_is_found_in_pillar_or_in_the_configuration():
    opts = {"itstack": {"profiles": {"redis": {"host": "from configuration"}}}}
    assert plugin.profile("redis", opts, {}) == {"host": "from configuration"}
    assert plugin.profile("redis", {}, PILLAR)["host"] == "from pillar"
    assert plugin.profile("redis", opts, PILLAR)["host"] == "from pillar"


def test_the_maps_profiles_leave_the_users_own_in_place():
    opts = {"itstack": {"profiles": {"wiki": {"host": "wiki.example.org"}}}}
    assert plugin.profile("wiki", opts, PILLAR) == {"host": "wiki.example.org"}


def test_a_profile_may_be_given_as_it_is(minion):
    opts, pillar = minion
    given = {"host": "h", "password": "secret://redis-admin", "port": 1, "database": None}
    opened = {"host": "h", "password": CANARY, "port": 1, "database": None}
    assert plugin.profile(given, opts, pillar) == opened
    assert given["password"] == "secret://redis-admin", "the caller's dict was changed"


@pytest.mark.parametrize("wanted", ["rediss", "", None, ["redis"], 7])
def test_a_profile_that_is_not_there_is_told_by_name(wanted):
    with pytest.raises(Invalid, match="there is no such profile") as caught:
        plugin.profile(wanted, {}, PILLAR)
    assert str(wanted) in str(caught.value) and "Remedy" in str(caught.value)


@pytest.mark.parametrize("found", ["redis://host", ["host"], None])
def test_a_profile_that_is_no_mapping_is_told(found):
    with pytest.raises(Invalid, match="itstack:profiles:redis"):
        plugin.profile("redis", {}, {"itstack": {"profiles": {"redis": found}}})


@pytest.mark.parametrize("broken", [None, [], "text", {"profiles": None}])
def test_a_broken_tree_is_an_empty_one(broken):
    with pytest.raises(Invalid):
        plugin.profile("redis", {"itstack": broken}, {"itstack": broken})
    assert plugin.tree({}, None) == {}


# References


@pytest.mark.parametrize("value", ["plain text", "", None, 5, True, ["secret://x"]])
def test_what_is_no_reference_stays_as_it_is(value):
    assert plugin.reveal(value, {}, {}) == value


def test_a_secret_is_opened_with_the_minions_key(minion):
    assert plugin.reveal("secret://redis-admin", *minion) == CANARY


def test_references_at_any_depth_are_opened_and_their_places_told(minion):
    given = {"a": {5: ["plain", "secret://redis-admin"]}, "b": "secret://redis-admin", "c": 7}
    value, places = plugin.opened(given, *minion)
    assert value == {"a": {5: ["plain", CANARY]}, "b": CANARY, "c": 7}
    assert places == [("a", "5"), ("b",)]
    assert given["b"] == "secret://redis-admin", "what was given stays as it is"
    assert plugin.opened(given, *minion, key=str)[0]["a"] == {"5": ["plain", CANARY]}


@pytest.mark.parametrize("pillar", [None, {}])
def test_a_reference_within_that_leads_nowhere_is_missing(minion, pillar):
    with pytest.raises(Missing):
        plugin.opened({"a": ["secret://redis-admin"]}, minion[0], pillar)


@pytest.mark.parametrize("pillar", [None, {}, {"itstack": {}}, {"itstack": {"sealed": {"redis-admin": ""}}}])
def test_a_secret_that_is_not_ours_is_missing_by_name(minion, pillar):
    with pytest.raises(Missing, match="redis-admin") as caught:
        plugin.reveal("secret://redis-admin", minion[0], pillar)
    assert "salt-run itstack.secrets" in str(caught.value)


def test_a_secret_of_another_key_is_refused(minion, minion_keys):
    opts, _ = minion
    foreign = {"itstack": {"sealed": {"x": seal.seal(CANARY, public_pem(minion_keys["lab-id1"]))}}}
    with pytest.raises(Denied, match="another key"):
        plugin.reveal("secret://x", opts, foreign)


def test_a_minion_without_its_key_is_told(minion, tmp_path):
    with pytest.raises(Denied, match=r"minion\.pem"):
        plugin.reveal("secret://redis-admin", {"pki_dir": str(tmp_path / "nowhere")}, minion[1])


@pytest.fixture
def sdb(tmp_path):
    """Options with a real sdb driver of Salt."""
    import salt.config

    opts = salt.config.minion_config(None, minion_id="lab-db1")
    opts.update(
        cachedir=str(tmp_path / "cache"),
        # It gives back what it's configured with.
        from_environment={"driver": "env"},
        of_nobody={"driver": "no_such_driver"},
    )
    return opts


def test_sdb_is_asked(sdb, monkeypatch):
    monkeypatch.setenv("ITSTACK_TEST_SECRET", CANARY)
    assert plugin.reveal("sdb://from_environment/ITSTACK_TEST_SECRET", sdb, {}) == CANARY


@pytest.mark.parametrize(
    "reference",
    [
        "sdb://from_environment/ITSTACK_NOT_SET",
        "sdb://from_environment/ITSTACK_EMPTY",
        "sdb://no-such-profile/key",
        "sdb://of_nobody/key",
        "sdb://from_environment",
    ],
)
def test_sdb_that_gives_nothing_is_never_an_empty_secret(sdb, monkeypatch, reference):
    monkeypatch.setenv("ITSTACK_EMPTY", "")
    with pytest.raises(Missing, match=reference):
        plugin.reveal(reference, sdb, {})


# What this run is about


@pytest.mark.parametrize(
    ("pillar", "service", "starts"),
    [
        ({"itstack": {"services": {"redis": {}}}}, "redis", True),
        ({"itstack": {"services": {"redis": {}}}}, "keycloak", False),
        (
            {"itstack": {"services": {"redis": {}}}, "itstack_run": {"services": ["keycloak"]}},
            "keycloak",
            True,
        ),
        ({"itstack": {"services": {"redis": {}}}, "itstack_run": {"services": ["keycloak"]}}, "redis", False),
        ({"itstack": {"services": {"redis": {}}}, "itstack_run": {"services": None}}, "redis", False),
        ({"itstack": {"services": {"redis": {}}}}, {"host": "my own"}, False),
        ({}, "redis", False),
        (None, "redis", False),
    ],
)
def test_only_a_service_of_this_run_is_started_by_it(pillar, service, starts):
    assert plugin.starts_in_this_run({}, pillar, service) is starts


def test_own_arguments_leave_out_what_salt_hands_over():
    given = {
        "title": "mine", "__env__": "base", "__pub_jid": "1", "order": 1, "require": [], "fun": "x",
        "retry": {}, "unless": "", "aggregate": True, "names": [],
    }  # fmt: skip
    assert plugin.own_arguments(given) == {"title": "mine"}


def test_a_childs_environment_is_only_what_it_needs(monkeypatch):
    monkeypatch.setenv("SECRET_OF_THE_MINION", CANARY)
    monkeypatch.setenv("PATH", "/usr/bin")
    kept = plugin.environment()
    assert kept["PATH"] == "/usr/bin" and CANARY not in kept.values()


def test_without_a_master_the_pillar_is_the_one_at_hand():
    opts = {"file_client": "local", "pillar": {"itstack": {"services": {}}}}
    assert plugin.fresh_pillar(opts, {}) == {"itstack": {"services": {}}}


# Versions


def test_every_service_that_has_a_function_for_its_version_is_asked_by_it():
    spec = importlib.util.spec_from_file_location("the_module", MODULES / "itstack.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    having = [
        path.stem.removeprefix("itstack_")
        for path in MODULES.glob("itstack_*.py")
        if "\ndef version(profile=" in path.read_text()
    ]
    assert sorted(module._ASKED_BY_ACCOUNT) == sorted(having)
