"""
Who may read what, through Salt's own loader and pillar compiler, for the default layout.

Nothing here asks the map's own answer of itself alone: each sealed value is opened with the minion's key.
"""

import json

import pytest
import salt.loader
import salt.pillar
import salt.utils.sdb
from core_fixtures import private_key, private_pem

from salt_itstack.secrets import seal
from salt_itstack.secrets.sealing import specification
from salt_itstack.stack import load_for

MINIONS = [f"lab-{name}1" for name in ("id", "db", "app", "comm", "proxy", "pbx", "biz", "mgmt")]
#: Written down by hand from what each end needs, so that a wrong answer of the map shows.
READERS = {
    "freeipa-admin": {"lab-id1"},
    "keycloak-admin": {"lab-id1"},
    "keycloak-bootstrap": {"lab-id1"},
    "redis-admin": {"lab-db1"},
    "nextcloud-admin": {"lab-app1"},
    "freeipa-keycloak": {"lab-id1"},
    "postgresql-keycloak": {"lab-db1", "lab-id1"},
    "postgresql-nextcloud": {"lab-db1", "lab-app1"},
    "redis-nextcloud": {"lab-db1", "lab-app1"},
    "keycloak-nextcloud": {"lab-id1", "lab-app1"},
    "mattermost-admin": {"lab-app1"},
    "postgresql-mattermost": {"lab-db1", "lab-app1"},
    "taiga-mattermost": {"lab-mgmt1"},
    "sandbox-person": {"lab-id1", "lab-app1"},
}


def canary(identifier):
    return f"Canary-of-{identifier}-93"


@pytest.fixture
def secrets(master):
    """Every secret of the map, each with a canary as its value."""
    found = specification(load_for(master.opts))
    for identifier, spec in found.items():
        master.store.put(identifier, canary(identifier), spec["kind"])
    return found


def compiled(master, minion, grains=None, override=None, **opts):
    return salt.pillar.Pillar(
        {**master.opts, **opts}, grains or {}, minion, "base", pillar_override=override
    ).compile_pillar()


def opened(pillar, key):
    """The secrets that the holder of this key can open among all texts of a pillar, wherever they stand."""
    found = {}
    for identifier, sealed in (pillar.get("itstack", {}).get("sealed") or {}).items():
        found[identifier] = seal.unseal(sealed, private_pem(key))
    return found


def test_the_map_has_these_secrets(secrets):
    assert set(secrets) == set(READERS)


@pytest.mark.parametrize("minion", MINIONS)
def test_a_minion_reads_exactly_what_the_map_says(master, secrets, minion):
    pillar = compiled(master, minion)
    assert "_errors" not in pillar
    mine = opened(pillar, master.keys[minion])
    for identifier in secrets:
        if minion in READERS[identifier]:
            assert mine[identifier] == canary(identifier)
        else:
            assert identifier not in mine, f"{minion} can read {identifier}"
            assert canary(identifier) not in mine.values()


@pytest.mark.parametrize("minion", MINIONS)
def test_no_pillar_holds_a_secret_in_clear(master, secrets, minion):
    text = json.dumps(compiled(master, minion))
    assert "Canary-of-" not in text


@pytest.mark.parametrize("minion", ["lab-app1"])
def test_no_minion_can_open_what_is_sealed_to_another(master, secrets, minion):
    for sealed in compiled(master, minion)["itstack"]["sealed"].values():
        for other in set(MINIONS) - {minion}:
            with pytest.raises(seal.Denied):
                seal.unseal(sealed, private_pem(master.keys[other]))


LIES = {
    "id": "lab-id1",
    "host": "lab-id1",
    "nodename": "lab-id1",
    "fqdn": "lab-id1.it-stack.lab",
    "master": "lab-id1",
    "roles": ["freeipa", "keycloak"],
    "itstack": {"services": ["keycloak"]},
}
CLAIMS = {
    "itstack": {"services": {"keycloak": {}}, "map": {"services": {"keycloak": {"server": "lab-app1"}}}},
    "itstack_step": "keycloak",
    "itstack_run": {"services": ["keycloak"]},
    "id": "lab-id1",
    "minion_id": "lab-id1",
}


@pytest.mark.parametrize("minion", ["lab-app1", "lab-mgmt1"])
def test_a_minion_that_lies_gets_nothing_more(master, secrets, minion):
    honest = opened(compiled(master, minion), master.keys[minion])
    for grains, override in ((LIES, None), ({}, CLAIMS), (LIES, CLAIMS)):
        pillar = compiled(master, minion, grains, override)
        assert opened(pillar, master.keys[minion]) == honest
        assert "Canary-of-" not in json.dumps(pillar)


def test_a_minion_that_is_told_lies_about_in_another_pillar_source_gets_nothing_more(
    master, secrets, tmp_path
):
    root = tmp_path / "pillar"
    root.mkdir()
    (root / "top.sls").write_text("base: {'*': [own]}\n")
    (root / "own.sls").write_text(json.dumps(CLAIMS))
    honest = opened(compiled(master, "lab-app1"), master.keys["lab-app1"])
    pillar = compiled(master, "lab-app1", pillar_roots={"base": [str(root)]})
    assert opened(pillar, master.keys["lab-app1"]) == honest


@pytest.mark.parametrize(
    "minion", ["master_master", "lab-master_master", "stranger", "lab-id1.evil", "LAB-ID1"]
)
@pytest.mark.parametrize("accepted", [True, False])
def test_who_is_not_in_the_map_gets_nothing(master, secrets, minion, accepted):
    if accepted:
        master.accept(minion, master.keys["lab-id1"])
    pillar = compiled(master, minion, {**LIES}, CLAIMS)
    assert "sealed" not in pillar.get("itstack", {})
    assert compiled(master, minion).get("itstack") is None


@pytest.mark.parametrize("folder", [None, "minions_pre", "minions_rejected", "minions_denied"])
def test_a_minion_without_an_accepted_key_gets_nothing(master, secrets, folder):
    (master.folder / "pki" / "minions" / "lab-id1").unlink()
    if folder:
        master.accept("lab-id1", folder=folder)
    assert "itstack" not in compiled(master, "lab-id1")


def test_a_new_key_gets_the_secrets_and_the_old_one_no_longer(master, secrets):
    new = private_key()
    master.accept("lab-id1", new)
    pillar = compiled(master, "lab-id1")
    assert opened(pillar, new)["keycloak-admin"] == canary("keycloak-admin")
    with pytest.raises(seal.Denied):
        opened(pillar, master.keys["lab-id1"])


def test_secrets_that_can_be_made_are_made_on_the_way_once(master):
    # The installer of the directory chose its administrator's; nobody else can.
    assert "freeipa-admin" not in opened(compiled(master, "lab-id1"), master.keys["lab-id1"])
    first = opened(compiled(master, "lab-db1"), master.keys["lab-db1"])
    assert set(first) == {identifier for identifier, readers in READERS.items() if "lab-db1" in readers}
    assert all(len(value) >= 16 for value in first.values())
    assert opened(compiled(master, "lab-db1"), master.keys["lab-db1"]) == first
    both = opened(compiled(master, "lab-app1"), master.keys["lab-app1"])
    assert both["postgresql-nextcloud"] == first["postgresql-nextcloud"], "the two ends got different secrets"


def test_without_a_sandbox_person_there_is_no_password_for_one(master):
    (master.folder / "itstack.d" / "map.yaml").write_text("domain: it-stack.lab\n")
    assert "sandbox-person" not in opened(compiled(master, "lab-id1"), master.keys["lab-id1"])


def test_a_store_that_cannot_be_opened_fails_the_pillar_and_gives_no_empty_secret(master, secrets):
    from salt_itstack.secrets import store

    master.store.key.write_bytes(b"damaged")
    store._read.clear()
    pillar = compiled(master, "lab-id1")
    assert "itstack" not in pillar
    assert pillar["_errors"], "the minion isn't told"


def test_a_wrong_map_fails_the_pillar_of_every_minion(master, secrets):
    (master.folder / "itstack.d" / "map.yaml").write_text("servces: {}\n")
    for minion in ("lab-id1", "stranger"):
        pillar = compiled(master, minion)
        assert "itstack" not in pillar and pillar["_errors"]


# Tops


def tops(master, minion, grains=None):
    loaded = salt.loader.tops({**master.opts, "id": minion})
    return loaded["itstack"](opts={"id": minion}, grains=grains or {})


@pytest.mark.parametrize(
    ("minion", "services"),
    [
        ("lab-id1", {"itstack.freeipa", "itstack.keycloak"}),
        ("lab-db1", {"itstack.postgresql", "itstack.redis"}),
        ("lab-app1", {"itstack.nextcloud", "itstack.mattermost"}),
        ("lab-proxy1", {"itstack.traefik"}),
        ("lab-mgmt1", set()),
        ("master_master", set()),
        ("stranger", set()),
    ],
)
def test_a_minions_top_file_is_what_the_map_places_on_it(master, minion, services):
    for grains in ({}, LIES):
        found = tops(master, minion, grains)
        assert set(found.get("base", [])) == services
        assert not services or set(found) == {"base"}


def test_a_wrong_map_leaves_other_tops_alone(master):
    (master.folder / "itstack.d" / "map.yaml").write_text("servces: {}\n")
    assert tops(master, "lab-id1") == {}


# The store as an sdb driver


def test_the_store_answers_through_salts_sdb(master, secrets):
    assert salt.utils.sdb.sdb_get("sdb://itstack/keycloak-admin", dict(master.opts)) == canary(
        "keycloak-admin"
    )
    assert salt.utils.sdb.sdb_get("sdb://itstack/no-such", dict(master.opts)) is None


def test_the_sdb_driver_writes_and_deletes(master):
    driver = salt.loader.sdb(dict(master.opts), "itstack.get", utils=salt.loader.utils(dict(master.opts)))
    profile = master.opts["itstack"]
    assert driver["itstack.set"]("demo", "Canary-of-demo-93", profile=profile) is True
    assert driver["itstack.get"]("demo", profile=profile) == "Canary-of-demo-93"
    assert master.store.get("demo") == "Canary-of-demo-93"
    assert driver["itstack.delete"]("demo", profile=profile) is True
    assert driver["itstack.get"]("demo", profile=profile) is None
