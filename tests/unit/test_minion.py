"""What a minion makes of its part of the map, through Salt's loader and renderer."""

from __future__ import annotations

import copy
from urllib.parse import unquote, urlsplit

import pytest
import salt.config
import salt.loader
import salt.template

from salt_itstack.errors import Invalid
from salt_itstack.integrations import KINDS
from salt_itstack.integrations.view import view
from salt_itstack.loader import folder
from salt_itstack.orchestration import Selection, render
from salt_itstack.plugin import starts_in_this_run
from salt_itstack.secrets.sealing import specification
from salt_itstack.stack import load
from salt_itstack.stack.load import Base

FAR = {"address": "192.0.2.77", "speaker": "far"}
EXTERNAL = {
    "freeipa": {**FAR, "url": "https://ipa.a.example"},
    "postgresql": FAR,
    "redis": FAR,
    "keycloak": {**FAR, "url": "https://sso.a.example"},
    "mattermost": {**FAR, "url": "https://chat.a.example"},
}
#: What a service that nobody here installed must not see.
INSTALLING = {"pkg", "service", "user", "file", "cmd", "archive", "module"}
#: What each provides for its neighbours, by the function of the state.
PROVIDED = {
    "freeipa": {"system_account_present", "group_present", "user_present"},
    "postgresql": {"role_present", "database_present"},
    "redis": {"user_present"},
    "keycloak": {"realm_present", "federation_present", "client_present"},
    "mattermost": {"team_present", "channel_present"},
}


def options(pillar, tmp_path, **opts):
    found = copy.deepcopy(salt.config.DEFAULT_MINION_OPTS)
    found.update(
        id="m", file_client="local", pillar=pillar, grains={}, root_dir=str(tmp_path),
        cachedir=str(tmp_path / "cache"), pki_dir=str(tmp_path / "pki"), extension_modules="",
        file_roots={"base": [str(folder("sls"))]}, **opts,
    )  # fmt: skip
    return found


def modules(pillar, tmp_path, **opts):
    """Execution modules of a minion with this pillar and no master."""
    return salt.loader.minion_mods(options(pillar, tmp_path, **opts))


def of(stack, minion, **more):
    return {"itstack": view(stack, minion), **more}


def test_an_end_that_does_not_exist_is_refused_by_name(tmp_path):
    with pytest.raises(Invalid, match=r"side \('sauce'\).*source or target"):
        modules(of(load(), "lab-db1"), tmp_path)["itstack.ends"]("redis", "sauce")


def states(service, pillar, tmp_path):
    """All states of a service as its SLS say them, by id: functions with their arguments."""
    opts = options(pillar, tmp_path)
    renderers = salt.loader.render(opts, salt.loader.minion_mods(opts))
    found = {}
    for path in sorted((folder("sls") / "itstack" / service).glob("*.sls")):
        made = salt.template.compile_template(
            str(path), renderers, "jinja|yaml", [], [], sls=f"itstack.{service}.{path.stem}"
        )
        made.pop("include", None)
        assert not set(made) & set(found), "an id stands twice"
        found.update(made)
    for calls in found.values():
        for call, given in calls.items():
            for argument in given:
                for requisite in argument.get("require", []) + argument.get("require_in", []):
                    ((kind, name),) = requisite.items()
                    assert any(other.split(".")[0] == kind for other in found[name]), (call, requisite)
    return found


def calls(found):
    return {call for item in found.values() for call in item}


def arguments(call):
    return {key: value for argument in call for key, value in argument.items()}


def beside(service, mode="manage", **more):
    """The default map with one service that existed before."""
    extra = {
        "sandbox": {"person": "ann", "group": "staff"},
        "services": {service: {"external": {**EXTERNAL[service], **more}, "mode": mode}},
    }
    return load(extra=extra)


@pytest.mark.parametrize("service", EXTERNAL)
def test_an_external_service_is_not_installed_but_has_what_others_need(service, tmp_path):
    stack = beside(service)
    found = states(service, of(stack, "far"), tmp_path)
    kinds = {call.split(".")[0] for call in calls(found)}
    assert not kinds & INSTALLING
    assert {call.split(".")[1] for call in calls(found) if f"itstack_{service}" in call} == PROVIDED[service]
    assert f"{service}: ready" in found
    step = next(one for one in Selection().steps(stack) if one.service == service)
    assert (step.minion, stack.services_on("far")) == ("far", [service])
    deploy = render(stack, Selection())
    told = arguments(deploy[service]["salt.state"])["pillar"]["itstack_run"]["services"]
    assert service not in told and "nextcloud" in told
    assert not starts_in_this_run({}, of(stack, "far"), service)


def test_an_external_nextcloud_keeps_its_installation_and_its_database(tmp_path):
    external = {**FAR, "url": "https://cloud.a.example"}
    stack = load(extra={"services": {"nextcloud": {"external": external, "mode": "manage"}}})
    found = states("nextcloud", of(stack, "far"), tmp_path)
    assert not {call.split(".")[0] for call in calls(found)} & INSTALLING
    written = {name.split(":")[0] for name, item in found.items() if "itstack_nextcloud" in str(item)}
    assert written == {"redis-nextcloud", "keycloak-nextcloud"}
    assert "itstack_nextcloud.installed" not in calls(found)
    assert "nextcloud-admin" not in stack.secrets()
    assert set(stack.needs("nextcloud")) == {"postgresql", "redis", "keycloak"}


@pytest.mark.parametrize("service", EXTERNAL)
def test_in_observe_nothing_is_written_and_no_admin_secret_is_asked_for(service, tmp_path):
    stack = beside(service, "observe")
    assert service not in [step.service for step in Selection().steps(stack)]
    assert stack.services_on("far") == [] and view(stack, "far")["profiles"] == {}
    assert states(service, of(stack, "far"), tmp_path) == {}
    asked = specification(stack)
    assert f"{service}-admin" not in asked
    assert ("keycloak-bootstrap" in asked) is (service != "keycloak")
    targets = {item.id for item in stack.integrations.values() if item.target == service}
    assert set(stack.secrets_for("far")) <= targets | ({"sandbox-person"} if service == "keycloak" else set())


@pytest.mark.parametrize("service", EXTERNAL)
def test_the_speaker_gets_in_over_the_network_with_a_given_secret(service):
    stack = beside(service)
    assert stack.secrets()[f"{service}-admin"].kind == "given"
    assert stack.readers(f"{service}-admin") == {"far"}
    assert "keycloak-bootstrap" not in stack.secrets_for("far")
    profile = view(stack, "far")["profiles"][service]
    assert f"secret://{service}-admin" in profile.values()
    assert not [value for value in profile.values() if str(value).startswith("/var/run")]


def test_the_speaker_may_have_a_profile_of_its_own():
    stack = beside("postgresql", access="profile")
    assert view(stack, "far")["profiles"] == {}
    assert "postgresql-admin" not in stack.secrets()
    assert "postgresql" in view(stack, "far")["services"]
    assert "postgresql-admin" not in load().secrets(), "on its own machine root gets in by peer"


def test_the_end_of_an_integration_is_proved_by_the_speaker_too(tmp_path, monkeypatch):
    stack = beside("keycloak", "observe")
    pillar = of(stack, "far")
    proved = {key for key, item in pillar["itstack"]["integrations"].items() if item["proved_here"]}
    assert proved == {"freeipa-keycloak", "postgresql-keycloak"}
    assert not [item for item in view(stack, "lab-db1")["integrations"].values() if item["proved_here"]]
    pillar["itstack"]["integrations"] = {
        "freeipa-keycloak": {**pillar["itstack"]["integrations"]["freeipa-keycloak"], "values": {}}
    }
    monkeypatch.setattr("salt_itstack.integrations.probing.readiness", lambda facts: facts["name"])
    monkeypatch.setattr(KINDS["ldap"], "probe", lambda request: request.profile("keycloak"))
    found = modules(pillar, tmp_path)["itstack.probe"]()
    assert found["freeipa-keycloak"]["state"] == "unproved"
    assert "no access to keycloak" in found["freeipa-keycloak"]["reason"]


@pytest.mark.parametrize("change", [{"enabled": False}, {"mode": "observe"}], ids=str)
@pytest.mark.parametrize("service", ["keycloak", "mattermost", "nextcloud"])
def test_without_a_database_that_may_be_written_only_that_service_fails(service, change, tmp_path):
    stack = load(extra={"integrations": {f"postgresql-{service}": change}})
    found = states(service, of(stack, stack.minion(service)), tmp_path)
    refusal = found[f"{service}: database"]["itstack.refused"]
    assert "set the mode of both ends to manage" in arguments(refusal)["remedy"]
    assert not {call.split(".")[0] for call in calls(found)} & INSTALLING
    assert states("redis", of(stack, "lab-db1"), tmp_path)


def test_a_refusal_says_why_also_in_a_dry_run(tmp_path):
    for test in (True, False):
        opts = options({}, tmp_path, test=test)
        mods = salt.loader.minion_mods(opts)
        found = salt.loader.states(opts, mods, {}, {})
        ret = found["itstack.refused"]("keycloak", reason="no Java", remedy="install one")
        assert ret["result"] is False and ret["changes"] == {}
        assert ret["comment"] == "keycloak isn't touched: no Java. Remedy: install one"


def keycloak(tmp_path, monkeypatch, java, **settings):
    # Salt looks in folders of its own as well as in the path.
    monkeypatch.setattr("salt.utils.path.which", lambda name: f"/usr/bin/{name}" if java else None)
    stack = load(extra={"services": {"keycloak": {"settings": settings}}})
    return states("keycloak", of(stack, "lab-id1"), tmp_path)["keycloak: java"]


def test_keycloak_needs_a_java(tmp_path, monkeypatch):
    refusal = keycloak(tmp_path, monkeypatch, java=False)["itstack.refused"]
    assert "no java" in arguments(refusal)["reason"] and "java_package" in arguments(refusal)["remedy"]
    assert keycloak(tmp_path, monkeypatch, java=True) == {"test.nop": []}
    installed = keycloak(tmp_path, monkeypatch, java=False, java_package="openjdk-17-jre-headless")
    assert arguments(installed["pkg.installed"])["name"] == "openjdk-17-jre-headless"


def test_how_a_system_accounts_password_is_checked_is_a_setting(tmp_path):
    def check(settings):
        stack = load(extra={"services": {"freeipa": {"settings": settings}}})
        found = states("freeipa", of(stack, "lab-id1"), tmp_path)
        account = found["freeipa-keycloak: system account keycloak"]["itstack_freeipa.system_account_present"]
        return arguments(account)["password_check"]

    assert check({}) == "bind"
    assert check({"password_check": "fingerprint"}) == "fingerprint"


@pytest.mark.parametrize(
    ("tls", "rule", "url"),
    [
        ("prefer", "host", "keycloak"),
        ("require", "hostssl", "keycloak?sslmode=require"),
        ("verify-full", "hostssl", "keycloak?sslmode=verify-full&sslrootcert=/ca.pem"),
    ],
)
def test_how_the_way_to_the_database_is_encrypted(tls, rule, url, tmp_path):
    stack = load(
        extra={"ca_file": "/ca.pem", "integrations": {"postgresql-keycloak": {"settings": {"tls": tls}}}}
    )
    found = states("postgresql", of(stack, "lab-db1"), tmp_path)
    rules = arguments(found["postgresql: who may come from where"]["itstack_postgresql.hba_present"])["rules"]
    assert f"{rule} keycloak keycloak_user 10.0.50.11/32 scram-sha-256" in rules
    pillar = of(stack, "lab-id1")
    values = pillar["itstack"]["integrations"]["postgresql-keycloak"]["values"]
    opts = options(pillar, tmp_path)
    mods = {"itstack.secret": lambda identifier: "hidden"}
    text = salt.template.compile_template(
        str(folder("sls") / "itstack" / "keycloak" / "keycloak.conf"),
        salt.loader.render(opts, mods), "jinja", [], [],
        context={"facts": pillar["itstack"]["services"]["keycloak"], "database": values},
    ).read()  # fmt: skip
    (line,) = [line for line in text.splitlines() if line.startswith("db-url=")]
    assert line.endswith(f":5432/{url}")


@pytest.mark.parametrize(
    ("tls", "rule", "options_of_it"),
    [
        ("prefer", "host", "sslmode=require"),
        ("require", "hostssl", "sslmode=require"),
        ("disable", "host", "sslmode=disable"),
        ("verify-full", "hostssl", "sslmode=verify-full&sslrootcert=%2Fca.pem"),
    ],
)
def test_mattermosts_database_is_one_address_whatever_its_password_holds(tls, rule, options_of_it, tmp_path):
    stack = load(
        extra={"ca_file": "/ca.pem", "integrations": {"postgresql-mattermost": {"settings": {"tls": tls}}}}
    )
    found = states("postgresql", of(stack, "lab-db1"), tmp_path)
    rules = arguments(found["postgresql: who may come from where"]["itstack_postgresql.hba_present"])["rules"]
    assert f"{rule} mattermost mattermost_user 10.0.50.13/32 scram-sha-256" in rules
    pillar = of(stack, "lab-app1")
    values = pillar["itstack"]["integrations"]["postgresql-mattermost"]["values"]
    password = """p@ss/w:o?r#d%41 &+"'$\\`ä"""
    text = salt.template.compile_template(
        str(folder("sls") / "itstack" / "mattermost" / "database.env"),
        salt.loader.render(options(pillar, tmp_path), {"itstack.secret": lambda identifier: password}),
        "jinja", [], [], context={"database": values},
    ).read()  # fmt: skip
    (line,) = [line for line in text.splitlines() if line.startswith("MM_SQLSETTINGS_DATASOURCE=")]
    address = urlsplit(line.partition("=")[2].strip('"'))
    assert (unquote(address.password), address.username) == (password, "mattermost_user")
    assert (address.hostname, address.port, address.path) == ("lab-db1.it-stack.lab", 5432, "/mattermost")
    assert set(address.query.split("&")) == {"connect_timeout=10", *options_of_it.split("&")}


def test_every_kind_that_the_map_calls_wired_has_a_module():
    assert {kind for kind, facts in Base().kinds.items() if facts.get("wired")} == set(KINDS)


def test_an_application_may_come_from_a_name_or_another_kind_of_address():
    from salt_itstack.integrations.database import network

    assert [network(one) for one in ("192.0.2.1", "2001:db8::1", "app.a.example")] == [
        "192.0.2.1/32",
        "2001:db8::1/128",
        "app.a.example",
    ]
