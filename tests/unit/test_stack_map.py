"""The built-in map is the one that the project promises, name by name and number by number."""

from __future__ import annotations

import pytest

from salt_itstack.stack import PHASES, load
from salt_itstack.stack.load import BUILT_IN
from salt_itstack.stack.reading import read_file
from salt_itstack.stack.schema import STACK, check

SERVICES = {
    # id: (layer, server, phase, public name, ports)
    "freeipa": ("identity", "lab-id1", "0", "ipa", {389, 636, 88, 53, 443}),
    "keycloak": ("identity", "lab-id1", "1b", "sso", {8443, 9000}),
    "postgresql": ("database", "lab-db1", "1a", None, {5432}),
    "redis": ("database", "lab-db1", "1a", None, {6379}),
    "elasticsearch": ("database", "lab-db1", "3a", None, {9200}),
    "nextcloud": ("collaboration", "lab-app1", "2a", "cloud", {80, 443}),
    "mattermost": ("collaboration", "lab-app1", "2a", "chat", {8065}),
    "jitsi": ("collaboration", "lab-app1", "2a", "meet", {443, 10000}),
    "iredmail": ("communications", "lab-comm1", "2b", "mail", {25, 587, 143, 993}),
    "freepbx": ("communications", "lab-pbx1", "3b", "pbx", {5060, 5061, 5038}),
    "zammad": ("communications", "lab-comm1", "2c", "desk", {3000}),
    "suitecrm": ("business", "lab-biz1", "3c", "crm", {80, 443}),
    "odoo": ("business", "lab-biz1", "3c", "erp", {8069, 8072}),
    "openkm": ("business", "lab-biz1", "3c", "dms", {8080}),
    "taiga": ("it-management", "lab-mgmt1", "4a", "pm", {80, 443}),
    "snipeit": ("it-management", "lab-mgmt1", "4a", "assets", {80, 443}),
    "glpi": ("it-management", "lab-mgmt1", "4a", "itsm", {80, 443}),
    "traefik": ("infrastructure", "lab-proxy1", "1c", "proxy", {80, 443, 8080}),
    "zabbix": ("infrastructure", "lab-comm1", "4b", "monitor", {10051, 80, 443}),
    "graylog": ("infrastructure", "lab-proxy1", "4c", "logs", {9000, 1514, 12201}),
}

INTEGRATIONS = [
    *("freeipa-keycloak", "keycloak-nextcloud", "keycloak-mattermost", "keycloak-jitsi", "keycloak-zammad"),
    *("keycloak-odoo", "keycloak-taiga", "keycloak-suitecrm", "keycloak-glpi", "keycloak-snipeit"),
    *("freepbx-freeipa", "odoo-freeipa"),
    *("postgresql-keycloak", "postgresql-nextcloud", "postgresql-mattermost", "postgresql-zammad"),
    *("postgresql-suitecrm", "postgresql-odoo", "postgresql-openkm", "postgresql-taiga"),
    *("postgresql-snipeit", "postgresql-glpi"),
    *("redis-keycloak", "redis-nextcloud", "redis-mattermost", "redis-zammad", "redis-taiga"),
    *("elasticsearch-zammad", "elasticsearch-graylog"),
    *("freepbx-suitecrm", "freepbx-zammad", "suitecrm-odoo", "suitecrm-nextcloud", "suitecrm-openkm"),
    *("odoo-taiga", "odoo-snipeit", "snipeit-glpi", "glpi-zammad", "openkm-nextcloud"),
    *("taiga-mattermost", "zabbix-mattermost", "graylog-zabbix", "traefik-graylog"),
    *("zabbix-freeipa", "zabbix-postgresql", "zabbix-nextcloud", "zabbix-mattermost-monitoring"),
    "zabbix-traefik",
    *("traefik-nextcloud", "traefik-mattermost", "traefik-jitsi", "traefik-zammad", "traefik-suitecrm"),
    *("traefik-odoo", "traefik-openkm", "traefik-taiga", "traefik-snipeit", "traefik-glpi"),
]

KINDS = {
    "ldap": {1, 11, 12},
    "oidc": set(range(2, 8)),
    "saml": {8, 9, 10},
    "database": set(range(13, 23)),
    "cache": set(range(23, 28)),
    "search": {28, 29},
    "flow": set(range(30, 40)),
    "webhook": {40},
    "alerts": {41, 42},
    "logs": {43},
    "monitoring": set(range(44, 49)),
    "ingress": set(range(49, 59)),
}


@pytest.fixture(scope="module")
def stack():
    return load()


def test_the_figures(stack):
    assert (len(stack.services), len(stack.servers), len(stack.phases), len(stack.integrations)) == (
        20,
        8,
        13,
        58,
    )
    assert stack.phases == ["0", "1a", "1b", "1c", "2a", "2b", "2c", "3a", "3b", "3c", "4a", "4b", "4c"]
    assert stack.warnings == ()


def test_services_are_those_of_the_map(stack):
    found = {
        item.id: (item.layer, item.server, item.phase, item.public_name, set(item.ports.values()))
        for item in stack.services.values()
    }
    assert found == SERVICES


def test_services_stand_in_the_order_of_their_phases(stack):
    phases = [PHASES.index(item.phase) for item in stack.services.values()]
    assert phases == sorted(phases)


def test_servers_have_their_addresses(stack):
    assert {name: server.address for name, server in stack.servers.items()} == {
        "lab-id1": "10.0.50.11",
        "lab-db1": "10.0.50.12",
        "lab-app1": "10.0.50.13",
        "lab-comm1": "10.0.50.14",
        "lab-proxy1": "10.0.50.15",
        "lab-pbx1": "10.0.50.16",
        "lab-biz1": "10.0.50.17",
        "lab-mgmt1": "10.0.50.18",
    }
    assert stack.minions() == list(stack.servers)


def test_integrations_have_their_numbers_and_ends(stack):
    assert list(stack.integrations) == INTEGRATIONS
    assert [item.number for item in stack.integrations.values()] == list(range(1, 59))
    for item in stack.integrations.values():
        assert item.id.removesuffix("-monitoring") == f"{item.source}-{item.target}"


def test_integrations_have_their_kinds(stack):
    found: dict[str, set[int]] = {}
    for item in stack.integrations.values():
        found.setdefault(item.kind, set()).add(item.number)
    assert found == KINDS


@pytest.mark.parametrize("name", ["title", "protocol", "trigger", "direction", "owner", "probe", "mode"])
def test_every_integration_declares(stack, name):
    assert [item.id for item in stack.integrations.values() if not getattr(item, name)] == []


def test_the_values_of_the_stack(stack):
    assert (stack.domain, stack.realm, stack.kerberos_realm, stack.base_dn) == (
        "it-stack.lab",
        "it-stack",
        "IT-STACK.LAB",
        "dc=it-stack,dc=lab",
    )


def test_each_application_has_a_database_and_an_owner_of_its_own(stack):
    for item in stack.integrations.values():
        if item.kind == "database":
            assert item.settings["database"] == item.target
            assert item.settings["owner"] == f"{item.target}_user"
        if item.kind == "cache":
            assert item.settings["user"] == item.target


def test_clients_are_called_after_their_applications(stack):
    clients = {
        item.target: item.settings["client_id"]
        for item in stack.integrations.values()
        if item.number in range(2, 11)
    }
    assert clients.pop("glpi") is None, "its plug-in has the id built in"
    assert all(name == client for name, client in clients.items())


def test_databases_that_are_not_postgresql_say_so(stack):
    realised = {
        item.target: item.realised_via for item in stack.integrations.values() if item.engine == "mariadb"
    }
    assert set(realised) == {"suitecrm", "snipeit", "glpi"}
    assert all(text.startswith("MariaDB") for text in realised.values())


def test_what_this_version_does(stack):
    wanted = {"freeipa", "postgresql", "redis", "keycloak", "nextcloud", "mattermost", "traefik"}
    assert set(stack.deployable()) == wanted
    active = [key for key in stack.integrations if stack.active(key)]
    assert [stack.integrations[key].number for key in active] == [1, 2, 13, 14, 15, 24, 40, 49, 50]
    assert {key for key in active if stack.partial(key)} == {"taiga-mattermost"}


def test_every_row_that_is_not_active_says_why(stack):
    for key in stack.integrations:
        status, reason = stack.why_inactive(key)
        if stack.active(key):
            assert (status, reason) == ("", "")
        else:
            assert status in ("not deployed", "not applicable")
            assert reason
    assert stack.why_inactive("redis-keycloak")[0] == "not applicable"
    assert "forward-auth" in stack.why_inactive("redis-keycloak")[1]
    assert stack.why_inactive("traefik-jitsi") == (
        "not deployed",
        "jitsi can't be deployed by this version",
    )


def test_names_and_places(stack):
    assert stack.fqdn("keycloak") == "sso.it-stack.lab"
    assert stack.fqdn("postgresql") == "lab-db1.it-stack.lab"
    assert stack.address("redis") == "10.0.50.12"
    assert stack.minion("nextcloud") == "lab-app1"
    assert stack.services_on("lab-id1") == ["freeipa", "keycloak"]
    ends = {(end.integration.id, end.side) for end in stack.ends_on("lab-app1")}
    assert ends == {
        ("keycloak-nextcloud", "target"),
        ("postgresql-nextcloud", "target"),
        ("redis-nextcloud", "target"),
        ("postgresql-mattermost", "target"),
        ("taiga-mattermost", "target"),
        ("traefik-nextcloud", "target"),
        ("traefik-mattermost", "target"),
    }


def test_a_secret_is_read_at_both_ends_and_nowhere_else(stack):
    assert stack.readers("postgresql-nextcloud") == {"lab-db1", "lab-app1"}
    assert stack.readers("freeipa-keycloak") == {"lab-id1"}
    assert stack.readers("keycloak-admin") == {"lab-id1"}
    assert stack.readers("postgresql-odoo") == frozenset(), "nothing needs it yet"
    assert stack.secrets_for("lab-biz1") == []
    assert "keycloak-nextcloud" not in stack.secrets_for("lab-db1")


def test_the_built_in_files_pass_their_own_check():
    problems: list = []
    for path in BUILT_IN:
        document = read_file(path, problems)
        document.pop("kinds", None)
        for entry in document.get("integrations", {}).values():
            entry.pop("engines", None)
        for entry in document.get("services", {}).values():
            entry.pop("choices", None)
        check(STACK, document, (), path.name, problems)
    assert problems == []


def test_an_unknown_id_names_those_that_exist(stack):
    with pytest.raises(Exception, match=r"no service 'nextclod'.*nextcloud"):
        stack.fqdn("nextclod")
