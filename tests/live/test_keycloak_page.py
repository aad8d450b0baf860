"""What Keycloak's page promises: its first realm, and the least rights, of which each is needed."""

import re
import uuid

import pytest
import yaml
from database_fixtures import Salt, assert_converges
from keycloak_fixtures import BIND_DN, BIND_PASSWORD, PEOPLE, VERSIONS, remembering

from docs.generator import plugins
from salt_itstack.errors import Denied

pytest_plugins = ("keycloak_fixtures",)

SECRET = "Canary-of-a-narrow-account-17"
MAPPER = {"type": "oidc-group-membership-mapper", "config": {"claim.name": "groups"}}
PROVIDER = {
    "type": "oidc",
    "config": {
        "clientId": "it-stack", "clientSecret": SECRET, "authorizationUrl": "https://login.example.org/a",
        "tokenUrl": "https://login.example.org/t",
    },
}  # fmt: skip

#: The roles of ``realm-management`` that are needed, the state, its name and arguments.
NEEDED = {
    "realm": ({"manage-realm"}, "realm_present", None, {"display_name": "Narrow"}),
    "events": ({"manage-realm"}, "realm_present", None, {"events_enabled": True}),
    "client": ({"manage-clients"}, "client_present", "wiki", {"mappers": {"groups": MAPPER}}),
    "client scope": ({"manage-clients"}, "client_scope_present", "floor", {"mappers": {"groups": MAPPER}}),
    "realm role": ({"manage-realm"}, "realm_role_present", "reader", {"description": "Reads"}),
    "client role": ({"manage-clients"}, "client_role_present", "editor", {"client": "account-console"}),
    "group": ({"manage-users"}, "group_present", "/clerks", {"attributes": {"office": "Graz"}}),
    "user profile": (
        {"manage-realm"}, "user_profile_present", "people", {"attributes": {"floor": {}}},
    ),
    "required action": ({"manage-realm"}, "required_action_present", "CONFIGURE_TOTP", {"priority": 77}),
    "flow": ({"manage-realm"}, "flow_copy_present", "ours", {"copy_of": "browser"}),
    "identity provider": (
        {"manage-identity-providers", "view-realm"}, "identity_provider_present", "corporate", PROVIDER,
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def realm(keycloak_account):
    name = f"rights-{uuid.uuid4().hex[:8]}"
    assert_converges(Salt("keycloak", keycloak_account.profile), "realm_present", name)
    return name


def narrow(keycloak, realm, roles, options=None):
    """States with an account of the realm that has these roles of ``realm-management``, on a minion."""
    account = f"narrow-{uuid.uuid4().hex[:8]}"
    keycloak.ask(
        "POST", f"/realms/{realm}/clients",
        json={"clientId": account, "secret": SECRET, "serviceAccountsEnabled": True},
    )  # fmt: skip
    person = keycloak.ask(
        "GET", f"/realms/{realm}/clients/{keycloak.client(realm, account)['id']}/service-account-user"
    )
    manager = keycloak.client(realm, "realm-management")["id"]
    rows = [keycloak.ask("GET", f"/realms/{realm}/clients/{manager}/roles/{role}") for role in sorted(roles)]
    place = f"/realms/{realm}/users/{person['id']}/role-mappings/clients/{manager}"
    keycloak.ask("POST", place, json=rows)
    profile = {"url": keycloak.url, "client_id": account, "client_secret": SECRET, "auth_realm": realm}
    return Salt("keycloak", profile, options)


def page():
    return (plugins.ROOT / "docs" / "services" / "keycloak.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", NEEDED)
def test_the_rights_of_the_page_are_enough_and_each_is_needed(keycloak_account, realm, kind):
    roles, function, name, wanted = NEEDED[kind]
    given = wanted if name is None else {"realm": realm, **wanted}
    for lacking in sorted(roles):
        salt = narrow(keycloak_account, realm, roles - {lacking} | {"view-users"})
        outcome = salt.state(function, name or realm, **given)
        assert (outcome["result"], outcome["changes"]) == (False, {}), outcome
        assert "403" in outcome["comment"] and "Remedy" in outcome["comment"], outcome["comment"]
    assert_converges(narrow(keycloak_account, realm, roles), function, name or realm, **given)


def test_a_federation_whose_people_may_not_be_imported_is_told(
    keycloak_account, keycloak_directory, realm, tmp_path
):
    wanted = {
        "realm": realm, "url": keycloak_directory.url, "bind_dn": BIND_DN, "bind_credential": BIND_PASSWORD,
        "users_dn": PEOPLE,
    }  # fmt: skip

    def run(*roles, minion="minion", test=False):
        salt = narrow(keycloak_account, realm, roles, remembering(tmp_path / minion))
        return salt.state("federation_present", "freeipa", test=test, **wanted)

    for roles in (["manage-users"], ["view-realm"]):
        outcome = run(*roles)
        assert (outcome["result"], outcome["changes"]) == (False, {})
        assert "403" in outcome["comment"] and "Remedy" in outcome["comment"]
    predicted = run("manage-realm", test=True)
    outcome = run("manage-realm")
    assert outcome["result"] is False and "/sync was answered with 403" in outcome["comment"]
    assert set(predicted["changes"]) - set(outcome["changes"]) == {"people"}
    assert "mapper first name" in outcome["changes"] and BIND_PASSWORD not in str(outcome)
    again = run("manage-realm")
    assert (again["result"], again["changes"]) == (False, {}), again
    assert "was answered with 403" in again["comment"] and "Remedy" in again["comment"]
    # Another minion doesn't know of it: whoever is asked for is imported, all others with the next period.
    other = run("manage-realm", "manage-users", minion="other")
    assert (other["result"], other["changes"]) == (True, {}), other
    imports = {"people": {"old": "not imported after the last change", "new": "imported"}}
    foreseen = run("manage-realm", "manage-users", test=True)
    assert (foreseen["result"], foreseen["changes"]) == (None, imports), foreseen
    later = run("manage-realm", "manage-users")
    assert (later["result"], later["changes"]) == (True, imports), later
    last = run("manage-realm", "manage-users")
    assert (last["result"], last["changes"]) == (True, {}), last


def test_whether_an_account_of_a_realm_sees_the_version(keycloak_account, realm):
    salt = narrow(keycloak_account, realm, {"manage-realm"})
    if keycloak_account.version == VERSIONS[0]:
        assert salt.call("version") == keycloak_account.version
    else:
        # keycloak: 26.4 doesn't tell it to them.
        with pytest.raises(Denied, match="Remedy: use an account of the realm master"):
            salt.call("version")


def test_the_rights_that_were_tried_are_those_of_the_page():
    rows = [line for line in page().splitlines() if line.startswith("|") and "`manage-" in line]
    shown = {role for row in rows for role in re.findall(r"`((?:manage|view)-[a-z-]+)`", row)}
    assert shown == {role for roles, *_ in NEEDED.values() for role in roles}


def test_who_may_only_create_realms_has_those_that_it_made(keycloak_account):
    """On 26.4 the token that was made before the realm has no right to it."""
    account = f"maker-{uuid.uuid4().hex[:8]}"
    profile = {"url": keycloak_account.url, "client_id": account, "client_secret": SECRET}
    wanted = {"realm": "master", "secret": SECRET, "service_accounts": True}
    roles = {"service_account_realm_roles": ["create-realm"]}
    admin = Salt("keycloak", keycloak_account.profile)
    assert admin.state("client_present", account, **wanted, **roles)["result"] is True
    salt, other = Salt("keycloak", profile), f"others-{account}"
    assert admin.state("realm_present", other)["result"] is True
    assert_converges(salt, "realm_present", account, display_name="Made by a maker")
    assert_converges(salt, "client_present", "wiki", realm=account)
    for outcome in (
        salt.state("client_present", "wiki", realm=other),
        salt.state("realm_present", other, display_name="Theirs"),
    ):
        assert (outcome["result"], outcome["changes"]) == (False, {})
        assert "Remedy" in outcome["comment"]


def test_states_of_the_page_converge(keycloak_account):
    salt = Salt("keycloak", keycloak_account.profile)
    blocks = [block for block in re.findall(r"```yaml\n(.*?)```", page(), re.DOTALL) if "_present:" in block]
    assert len(blocks) == 2
    for block in blocks:
        for name, state in yaml.safe_load(block).items():
            ((function, arguments),) = state.items()
            given = {key: value for argument in arguments for key, value in argument.items()}
            if "secret" in given:
                given["secret"] = SECRET
            changes = assert_converges(salt, function.removeprefix("itstack_keycloak."), name, **given)
            assert SECRET not in str(changes)
    assert salt.state("realm_absent", "staff")["result"] is True
