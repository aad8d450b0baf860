"""The same services on one, three or twenty servers, beside existing ones, under other names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from salt_itstack.stack import load, load_for, steps

EXAMPLES = Path(__file__).parents[2] / "examples"
IDS = list(load().services)


def layout(count):
    """All services spread over so many servers."""
    return {
        "servers": {
            f"s{number}": {"address": f"10.1.0.{number + 1}", "services": IDS[number::count]}
            for number in range(count)
        }
    }


@pytest.mark.parametrize("count", [1, 3, 8, 20])
def test_all_services_on_so_many_servers(count):
    stack = load(extra=layout(count))
    assert len(stack.servers) == len(stack.minions()) == count
    assert all(stack.minion(key) in stack.minions() for key in IDS)
    assert sum(len(stack.services_on(minion)) for minion in stack.minions()) == 7
    assert len([key for key in stack.integrations if stack.active(key)]) == 9
    for key in stack.integrations:
        if stack.active(key):
            item = stack.integrations[key]
            if item.secret is None:
                assert stack.readers(key) == frozenset()
            elif item.secret.producer:
                # Who made it needn't be told.
                assert stack.readers(key) == {stack.end_minion(key, "source")}
            else:
                assert stack.readers(key) == {stack.minion(item.source), stack.minion(item.target)}
    assert len(steps(stack)) == 7


def test_on_one_server_there_is_one_reader():
    stack = load(extra=layout(1))
    assert stack.readers("postgresql-nextcloud") == {"s0"}
    assert len(stack.ends_on("s0")) == 18


def test_a_clash_of_ports_is_a_warning():
    assert any(
        "keycloak and graylog both use port 9000 on s0" in text for text in load(extra=layout(1)).warnings
    )
    assert load(extra=layout(20)).warnings == ()


def test_a_service_moves_to_another_server():
    stack = load(extra={"services": {"redis": {"server": "lab-app1"}}})
    assert stack.minion("redis") == "lab-app1"
    assert stack.fqdn("redis") == "lab-app1.it-stack.lab"
    assert stack.readers("redis-nextcloud") == {"lab-app1"}


def test_a_built_in_server_without_services_is_not_there_unless_it_is_named():
    gone = {"services": {"freepbx": {"enabled": False}}}
    assert "lab-pbx1" not in load(extra=gone).servers
    assert "lab-pbx1" in load(extra={**gone, "servers": {"lab-pbx1": {"address": "10.9.9.9"}}}).servers
    assert "lab-pbx1" not in load(extra={**gone, "servers": {"lab-pbx1": None}}).servers


def test_a_minion_has_another_id_than_its_server():
    stack = load(extra={"servers": {"lab-db1": {"minion": "db1.a.example", "fqdn": "db1.a.example"}}})
    assert stack.minion("postgresql") == "db1.a.example"
    assert stack.fqdn("postgresql") == "db1.a.example"
    assert stack.services_on("db1.a.example") == ["postgresql", "redis"]
    assert stack.services_on("lab-db1") == []


def test_another_domain_flows_through():
    stack = load(extra={"domain": "Corp.Example.com"})
    assert stack.fqdn("keycloak") == "sso.corp.example.com"
    assert stack.kerberos_realm == "CORP.EXAMPLE.COM"
    assert stack.base_dn == "dc=corp,dc=example,dc=com"
    assert stack.servers["lab-id1"].fqdn == "lab-id1.corp.example.com"


def test_another_name_flows_through():
    stack = load(
        extra={
            "services": {"nextcloud": {"public_name": "files"}},
            "integrations": {
                "postgresql-nextcloud": {
                    "settings": {"database": "files"},
                    "secret": {"id": "files-database"},
                },
                "keycloak-nextcloud": {"settings": {"client_id": "files"}},
            },
        }
    )
    assert stack.fqdn("nextcloud") == "files.it-stack.lab"
    assert stack.integrations["postgresql-nextcloud"].settings == {
        "database": "files",
        "owner": "nextcloud_user",
        "tls": "prefer",
    }
    assert stack.integrations["keycloak-nextcloud"].settings["client_id"] == "files"
    assert stack.integrations["keycloak-nextcloud"].settings["groups"] == ["admin", "users"]
    assert stack.readers("files-database") == {"lab-db1", "lab-app1"}
    assert stack.readers("postgresql-nextcloud") == frozenset()


def test_an_integration_that_is_off_is_gone_on_both_ends():
    stack = load(extra={"integrations": {"redis-nextcloud": {"enabled": False}}})
    assert stack.why_inactive("redis-nextcloud") == ("not deployed", "switched off in the map")
    assert "redis-nextcloud" not in [end.integration.id for end in stack.ends()]
    assert stack.readers("redis-nextcloud") == frozenset()


def test_a_service_that_is_off_takes_its_integrations_along():
    stack = load(extra={"services": {"nextcloud": {"enabled": False}}})
    assert stack.why_inactive("keycloak-nextcloud") == (
        "not deployed",
        "nextcloud is switched off in the map",
    )
    assert "nextcloud-admin" not in stack.secrets()


def test_who_switches_a_service_off_may_say_why():
    off = {"enabled": False, "remark": "no Java here"}
    stack = load(extra={"services": {"nextcloud": off}})
    reason = "nextcloud is switched off in the map (no Java here)"
    assert stack.why_inactive("redis-nextcloud") == ("not deployed", reason)


def test_one_of_ones_own():
    stack = load(
        extra={
            "services": {
                "wiki": {
                    "name": "Wiki",
                    "layer": "collaboration",
                    "phase": "4a",
                    "server": "lab-app1",
                    "public_name": "wiki",
                    "supported": True,
                    "needs": ["postgresql"],
                    "settings": {"anything": {"goes": 1}},
                }
            },
            "integrations": {
                "postgresql-wiki": {
                    "kind": "database",
                    "source": "postgresql",
                    "target": "wiki",
                    "supported": True,
                },
                "keycloak-wiki": {"kind": "oidc", "source": "keycloak", "target": "wiki", "supported": True},
            },
        }
    )
    item = stack.integrations["postgresql-wiki"]
    assert item.number == 59
    assert item.settings == {"database": "wiki", "owner": "wiki_user", "tls": "prefer"}
    assert stack.active("postgresql-wiki")
    assert stack.readers("postgresql-wiki") == {"lab-db1", "lab-app1"}
    assert stack.needs("wiki") == ("postgresql", "keycloak")
    assert [step.id for step in steps(stack)][-1] == "wiki"


def test_an_external_service():
    stack = load(
        extra={
            "services": {
                "freeipa": {
                    "external": {"address": "10.7.0.1", "url": "https://ipa9.a.example", "speaker": "lab-id1"}
                },
                "redis": {"external": {"address": "10.7.0.2", "speaker": "far"}, "mode": "manage"},
            }
        }
    )
    assert stack.fqdn("freeipa") == "ipa9.a.example"
    assert stack.fqdn("redis") == "10.7.0.2"
    assert stack.minion("redis") == "far"
    assert "far" in stack.minions()
    assert stack.server_of("redis") is None
    assert "freeipa" not in stack.deployable()
    assert "freeipa" in stack.present()
    assert stack.active("freeipa-keycloak")
    assert stack.services_on("far") == ["redis"]
    assert stack.services_on("lab-id1") == ["keycloak"]
    assert [end.side for end in stack.ends_on("far")] == ["source"]
    assert stack.services["freeipa"].mode == "observe"
    assert stack.services["redis"].mode == "manage"
    assert "freeipa-admin" not in stack.secrets(), "nothing is written to it"
    assert stack.secrets()["redis-admin"].kind == "given"
    assert stack.readers("redis-admin") == {"far"}
    assert stack.mode("freeipa-keycloak", "source") == "observe"
    assert stack.mode("freeipa-keycloak", "target") == "manage"


def test_one_mode_for_all_but_some():
    stack = load(extra={"mode": "enforce", "integrations": {"redis-nextcloud": {"mode": "observe"}}})
    assert stack.mode("keycloak-nextcloud", "target") == "enforce"
    assert stack.mode("redis-nextcloud", "target") == "observe"
    assert stack.services["nextcloud"].mode == "enforce"


def test_a_reason_for_not_applying_follows_the_settings():
    assert load().why_inactive("keycloak-mattermost")[0] == "not deployed"
    none = load(extra={"services": {"mattermost": {"settings": {"sso": "none"}}}})
    assert none.why_inactive("keycloak-mattermost")[0] == "not applicable"
    paid = load(extra={"services": {"mattermost": {"settings": {"edition": "enterprise-advanced"}}}})
    assert paid.why_inactive("redis-mattermost")[0] == "not deployed"
    proxy = load(extra={"services": {"traefik": {"settings": {"forward_auth": True}}}})
    assert proxy.why_inactive("redis-keycloak") == ("not deployed", "this version can't configure it")


def test_files_are_merged_in_the_order_of_their_names(tmp_path):
    (tmp_path / "20.yaml").write_text("realm: second\nservices: {redis: {settings: {maxmemory: 1gb}}}\n")
    (tmp_path / "10.yaml").write_text("realm: first\ndomain: a.example\n")
    (tmp_path / "empty.yaml").write_text("# nothing yet\n")
    (tmp_path / "notes.txt").write_text("{")
    stack = load(tmp_path)
    assert (stack.realm, stack.domain) == ("second", "a.example")
    assert stack.services["redis"].settings == {"maxmemory": "1gb", "maxmemory_policy": "noeviction"}
    assert load(tmp_path, extra={"realm": "third"}).realm == "third"


def test_a_master_finds_its_map(tmp_path):
    opts = {"conf_file": str(tmp_path / "master")}
    assert load_for(opts).domain == "it-stack.lab"
    (tmp_path / "itstack.d").mkdir()
    (tmp_path / "itstack.d" / "a.yaml").write_text("domain: a.example\n")
    assert load_for(opts).domain == "a.example"
    assert load_for({**opts, "itstack": {"map": {"domain": "b.example"}}}).domain == "b.example"
    (tmp_path / "other").mkdir()
    assert load_for({**opts, "itstack": {"directory": str(tmp_path / "other")}}).domain == "it-stack.lab"


def test_a_change_of_a_file_is_seen_and_callers_share_nothing(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text("realm: one\n")
    stack = load(tmp_path)
    stack.services["nextcloud"].settings["root"] = "/spoilt"
    stack.integrations["keycloak-nextcloud"].settings["groups"].append("spoilt")
    again = load(tmp_path)
    assert again.services["nextcloud"].settings["root"] == "/var/www/nextcloud"
    assert again.integrations["keycloak-nextcloud"].settings["groups"] == ["admin", "users"]
    file.write_text("realm: two\n")
    os.utime(file, ns=(1, 1))
    assert load(tmp_path).realm == "two"
    assert load(tmp_path, extra={"realm": "three"}).realm == "three"
    assert load(tmp_path).realm == "two"


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.yaml")), ids=lambda file: file.stem)
def test_the_examples_are_valid_and_do_what_this_version_can(file):
    stack = load(files=[file])
    assert stack.warnings == ()
    there = set(stack.deployable())
    wanted = (
        5
        + 3 * ("mattermost" in there)
        + ("traefik" in there)
        - ("mattermost" in there and "traefik" not in there)
    )
    assert len([key for key in stack.integrations if stack.active(key)]) == wanted
    assert not {"lab-id1", "lab-db1", "lab-app1"} & set(stack.servers)


@pytest.mark.parametrize(("name", "count"), [("one-server", 1), ("three-servers", 3), ("eight-servers", 8)])
def test_the_examples_have_as_many_servers_as_they_say(name, count):
    assert len(load(files=[EXAMPLES / f"{name}.yaml"]).servers) == count


def test_the_example_of_three_servers_fits_on_a_screen():
    lines = (EXAMPLES / "three-servers.yaml").read_text().splitlines()
    assert len(lines) <= 36
    assert max(map(len, lines)) <= 90


def test_the_example_beside_existing_servers_writes_only_where_it_says_so():
    stack = load(files=[EXAMPLES / "beside-existing.yaml"])
    assert set(stack.deployable()) == {"postgresql", "redis", "keycloak", "nextcloud"}
    assert stack.services_on("dbhost7") == ["postgresql"]
    assert not {"freeipa-admin", "postgresql-admin"} & set(stack.secrets())
    assert stack.mode("freeipa-keycloak", "source") == "observe"
    assert stack.mode("freeipa-keycloak", "target") == "manage"
    assert stack.mode("postgresql-keycloak", "source") == "manage"
    assert stack.secrets()["freeipa-keycloak"].kind == "given"
    assert stack.readers("postgresql-nextcloud") == {"dbhost7", "cloud1"}
