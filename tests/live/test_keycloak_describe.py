"""Realms as people let them grow, described as states and made anew, on a real Keycloak."""

import json
import re
import uuid

import pytest
import yaml
from database_fixtures import Salt
from keycloak_fixtures import remembering

pytest_plugins = ("keycloak_fixtures",)

SECRET = "Canary-of-a-client-27"
MAIL_PASSWORD = "Canary-of-the-mail-server-29"
PROVIDER_SECRET = "Canary-of-a-provider-31"
GROUPS = {"type": "oidc-group-membership-mapper", "config": {"claim.name": "groups", "full.path": "false"}}


@pytest.fixture(scope="module")
def salt(keycloak_account, keycloak_minion):
    return Salt("keycloak", keycloak_account.profile, keycloak_minion)


@pytest.fixture
def realm(salt):
    """A realm to let grow; it goes with those that were made like it."""
    name = f"grown-{uuid.uuid4().hex[:8]}"
    made(salt, "realm_present", name)
    yield name
    for each in (name, f"{name}-again"):
        assert salt.state("realm_absent", each)["result"] is True


def made(salt, function, name, **arguments):
    outcome = salt.state(function, name, **arguments)
    assert outcome["result"] is True and outcome["changes"], outcome


def opened(reference):
    if reference.endswith("-smtp"):
        return MAIL_PASSWORD
    return PROVIDER_SECRET if "-provider-" in reference else SECRET


def apply(salt, text):
    """Every state of an SLS, in its order, with the secrets opened; their outcomes by id."""
    outcomes = {}
    plain = re.sub(r"secret://\S+", lambda found: opened(found.group()), text)
    for title, state in yaml.safe_load(plain).items():
        ((function, arguments),) = state.items()
        merged = {key: value for one in arguments for key, value in one.items()}
        outcomes[title] = salt.state(function.removeprefix("itstack_keycloak."), merged.pop("name"), **merged)
    return outcomes


def changed_or_failed(outcomes):
    return {title: one for title, one in outcomes.items() if one["changes"] or not one["result"]}


def failed(outcomes):
    return {title: one["comment"] for title, one in outcomes.items() if one["result"] is not True}


def assert_made_anew(salt, name):
    """What a realm is said to be changes nothing there, and makes another one that is said to be the same."""
    text = salt.call("describe", name)
    for secret in (SECRET, MAIL_PASSWORD, PROVIDER_SECRET, "PRIVATE"):
        assert secret not in text
    assert changed_or_failed(apply(salt, text)) == {}
    again = text.replace(name, f"{name}-again")
    assert failed(apply(salt, again)) == {}
    assert salt.call("describe", f"{name}-again") == again
    return text


def test_what_a_realm_is_made_of(salt, realm, keycloak_account):
    made(salt, "realm_present", realm, display_name="Grown", attributes={"frontendUrl": "https://x.it-stack.lab"},
         smtp={"host": "mail", "from": "a@it-stack.lab", "auth": True, "user": "a"},
         smtp_password=MAIL_PASSWORD)  # fmt: skip
    made(salt, "realm_roles_present", "roles", realm=realm,
         roles={"zebra": {}, "ant": {"realm_roles": ["zebra"]}})  # fmt: skip
    made(
        salt,
        "client_scope_present",
        "floor",
        realm=realm,
        realm_default="default",
        mappers={"groups": GROUPS},
    )
    clients = {
        "wiki": {"secret": SECRET, "redirect_uris": ["https://b.it-stack.lab/*", "https://a.it-stack.lab/*"],
                 "post_logout_redirect_uris": ["https://b.it-stack.lab/", "https://a.it-stack.lab/"],
                 "default_scopes": ["basic", "floor"], "optional_scopes": ["email"], "pkce": "S256",
                 "mappers": {"groups": GROUPS}, "service_accounts": True,
                 "service_account_realm_roles": ["ant"], "flow_bindings": {"browser": "browser"},
                 "attributes": {"acr.loa.map": json.dumps({"gold": 2})}},
        "assets": {"protocol": "saml", "assertion_consumer_url": "https://assets.it-stack.lab/acs"},
    }  # fmt: skip
    made(salt, "clients_present", "clients", realm=realm, clients=clients)
    keycloak_account.change_client(realm, "wiki", secret=SECRET)
    made(salt, "client_role_present", "editor", realm=realm, client="wiki", attributes={"a": ["2", "1"]})
    # Each of these stands on something that is made after it: the roles of clients are given last.
    wiki = {"client_roles": {"wiki": ["editor"]}}
    made(salt, "realm_role_present", "beetle", realm=realm, **wiki)
    made(salt, "client_role_present", "all", realm=realm, client="assets", **wiki, realm_roles=["ant"])
    given = {"wiki": ["editor"], "realm-management": ["view-users"]}
    made(salt, "client_present", "butler", realm=realm, secret=SECRET, service_accounts=True,
         service_account_client_roles=given)  # fmt: skip
    made(salt, "groups_present", "groups", realm=realm,
         groups={"/a": {}, "/a/b": {"realm_roles": ["ant"], "attributes": {"x": "1"}}})  # fmt: skip
    assert "# Not described" not in assert_made_anew(salt, realm)


def test_roles_that_bring_along_each_other(salt, realm):
    # The first by name only waits for the circle, and the circle has another way out.
    roles = {"end": {}, "ping": {"realm_roles": ["end"]}, "pong": {"realm_roles": ["ping"]},
             "all": {"realm_roles": ["pong"]}}  # fmt: skip
    made(salt, "realm_roles_present", "roles", realm=realm, roles=roles)
    made(salt, "realm_role_present", "ping", realm=realm, realm_roles=["pong"])
    states = yaml.safe_load(assert_made_anew(salt, realm))
    titles = [title for title in states if "role" in title]
    assert titles == [
        f"{realm}: realm role end",
        f"{realm}: realm role ping",
        f"{realm}: realm role pong",
        f"{realm}: realm role all",
        f"{realm}: realm role ping, with roles of the realm",
    ]


def test_what_people_have_to_do_and_what_is_known_of_them(salt, realm, keycloak_account):
    made(salt, "required_action_present", "TERMS_AND_CONDITIONS", realm=realm, enabled=True,
         default_action=True, priority=15, config={"max_auth_age": 600})  # fmt: skip
    made(salt, "required_action_absent", "UPDATE_PROFILE", realm=realm)
    department = {
        "display_name": "Department", "group": "work", "required": {"roles": ["user"]},
        "permissions": {"view": ["user", "admin"], "edit": ["admin"]}, "multivalued": True,
        "validations": {"length": {"max": 40}, "options": {"options": ["sales", "buying"]}},
        "annotations": {"inputType": "select"}, "default_value": "sales",
    }  # fmt: skip
    badge = {"required": True, "selector": {"scopes": ["email"]}, "permissions": {"edit": ["admin"]}}
    made(salt, "user_profile_present", "people", realm=realm, groups={"work": {"display_header": "At work"}},
         attributes={"department": department, "badge": badge},
         unmanaged_attribute_policy="ADMIN_EDIT")  # fmt: skip
    made(salt, "user_profile_attribute_absent", "lastName", realm=realm)
    text = assert_made_anew(salt, realm)
    assert "# Not described" not in text
    path = f"/realms/{realm}-again"
    actions = keycloak_account.ask("GET", f"{path}/authentication/required-actions")
    assert "UPDATE_PROFILE" not in [row["alias"] for row in actions]
    profile = keycloak_account.ask("GET", f"{path}/users/profile")
    assert profile == keycloak_account.ask("GET", f"/realms/{realm}/users/profile")
    assert "lastName" not in [row["name"] for row in profile["attributes"]]
    # A changed profile lies among the components, without a name.
    assert salt.state("federation_absent", "nobody", realm=realm) == {
        "name": "nobody", "result": True, "changes": {}, "comment": "nobody is absent",
    }  # fmt: skip
    # An order that states can't make is told, and doesn't come back as a difference.
    moved = [*profile["attributes"][1:], profile["attributes"][0]]
    keycloak_account.ask("PUT", f"/realms/{realm}/users/profile", json={**profile, "attributes": moved})
    again = salt.call("describe", realm)
    told, _, rest = again.partition("\n")
    assert told.startswith("# Not described: the order of the user profile's attributes, email, ")
    assert rest == text


def flow_of(server, realm, alias):
    rows = server.ask("GET", f"/realms/{realm}/authentication/flows/{alias}/executions")
    kept = ("requirement", "displayName", "providerId", "level", "index", "priority", "description")
    return [{key: row.get(key) for key in kept} for row in rows]


def config_of(server, realm, alias, provider):
    rows = server.ask("GET", f"/realms/{realm}/authentication/flows/{alias}/executions")
    identifier = next(row for row in rows if row.get("providerId") == provider)["authenticationConfig"]
    found = server.ask("GET", f"/realms/{realm}/authentication/config/{identifier}")
    return found["alias"], found["config"]


OURS = [
    {"flow": "Browser - Conditional 2FA", "requirement": "REQUIRED"},
    {"provider": "webauthn-authenticator", "requirement": "ALTERNATIVE"},
    {"provider": "identity-provider-redirector", "config": {"defaultProvider": "corporate"}},
    {"flow": "extra", "in": "forms", "requirement": "CONDITIONAL", "description": "Only some"},
    {"provider": "conditional-user-role", "in": "extra", "requirement": "REQUIRED",
     "config": {"condUserRole": "auditor"}, "config_alias": "who"},
]  # fmt: skip
PROVIDER = {
    "type": "oidc", "trust_email": True, "display_name": "The company",
    "first_broker_login_flow": "ours for the first time",
    "config": {
        "clientId": "it-stack", "clientSecret": PROVIDER_SECRET,
        "authorizationUrl": "https://login.example.org/a", "tokenUrl": "https://login.example.org/t",
        "useJwksUrl": True, "jwksUrl": "https://login.example.org/k", "validateSignature": True,
    },
    "mappers": {
        "department": {
            "type": "oidc-user-attribute-idp-mapper",
            "config": {"claim": "department", "user.attribute": "department", "syncMode": "FORCE"},
        }
    },
}  # fmt: skip


def test_how_people_log_in(salt, realm, keycloak_account, tmp_path):
    path = f"/realms/{realm}/authentication"
    made(salt, "flow_copy_present", "ours", realm=realm, copy_of="browser", executions=OURS)
    # By hand: an execution less, and a flow that was never copied from another one.
    rows = keycloak_account.ask("GET", f"{path}/flows/ours/executions")
    spnego = next(row for row in rows if row.get("providerId") == "auth-spnego")
    keycloak_account.ask("DELETE", f"{path}/executions/{spnego['id']}")
    mine = {"alias": "made by hand", "providerId": "basic-flow", "topLevel": True, "builtIn": False}
    keycloak_account.ask("POST", f"{path}/flows", json=mine)
    for provider in ("auth-username-password-form", "auth-otp-form"):
        place = f"{path}/flows/made by hand/executions/execution"
        keycloak_account.ask("POST", place, json={"provider": provider})
    made(salt, "flow_copy_present", "made by hand", realm=realm, copy_of="browser",
         executions=[{"provider": "auth-otp-form", "in": "", "requirement": "REQUIRED"}])  # fmt: skip
    made(salt, "flow_copy_present", "registering", realm=realm, copy_of="registration",
         executions=[
             {"provider": "registration-terms-and-conditions", "requirement": "REQUIRED"},
             {"provider": "registration-recaptcha-action", "requirement": "REQUIRED",
              "config": {"site.key": "of the site", "secret.key": SECRET}},
         ],
         )  # fmt: skip
    made(salt, "flow_copy_present", "ours for the first time", realm=realm, copy_of="first broker login",
         executions=[{"provider": "idp-review-profile", "config": {"update.profile.on.first.login": ""}}],
         )  # fmt: skip
    made(salt, "flow_copy_present", "clients of ours", realm=realm, copy_of="clients",
         executions=[{"provider": "client-jwt", "requirement": "DISABLED"}])  # fmt: skip
    made(salt, "flow_bindings_present", "bindings", realm=realm, browser="ours", registration="registering",
         client_authentication="clients of ours")  # fmt: skip
    made(salt, "identity_provider_present", "corporate", realm=realm, **PROVIDER)
    made(
        salt, "client_present", "wiki", realm=realm, secret=SECRET, flow_bindings={"browser": "made by hand"}
    )
    text = assert_made_anew(salt, realm)
    assert "# Not described" not in text
    assert f"secret://keycloak-{realm}-provider-corporate" in text
    again = f"{realm}-again"
    for alias in ("ours", "made by hand", "registering", "ours for the first time", "clients of ours"):
        assert flow_of(keycloak_account, again, alias) == flow_of(keycloak_account, realm, alias), alias
    assert config_of(keycloak_account, again, "ours", "conditional-user-role") == (
        "who",
        {"condUserRole": "auditor"},
    )
    found = keycloak_account.ask("GET", f"/realms/{again}")
    assert (found["browserFlow"], found["directGrantFlow"]) == ("ours", "direct grant")
    # A minion that doesn't remember the secret takes it for the one that is there.
    other = Salt("keycloak", keycloak_account.profile, remembering(tmp_path))
    assert changed_or_failed(apply(other, text)) == {}


def test_what_states_can_not_say_is_told(salt, realm, keycloak_account, caplog):
    path = f"/realms/{realm}/authentication"
    made(salt, "flow_copy_present", "ours", realm=realm, copy_of="browser")
    keycloak_account.ask("POST", f"{path}/flows/ours/executions/execution", json={"provider": "auth-cookie"})
    keycloak_account.ask("PUT", f"/realms/{realm}", json={"browserFlow": "ours"})
    text = salt.call("describe", realm)
    told = "the authentication flow ours: auth-cookie is twice in one part; make it by hand"
    assert f"# Not described: {told}" in text
    assert told in caplog.text
    assert changed_or_failed(apply(salt, text)) == {}
    # Elsewhere people aren't let in by another flow in its place.
    again = f"{realm}-again"
    refused = failed(apply(salt, text.replace(realm, again)))
    assert list(refused) == [f"{again}: flow bindings {again}"]
    assert "no such flow" in next(iter(refused.values()))
    assert salt.call("describe", realm, text=False, kinds=["flow"]) == {}
    # What somebody did to a flow that is built in.
    rows = keycloak_account.ask("GET", f"{path}/flows/browser/executions")
    given = {row.get("providerId"): row for row in rows}
    change = {**given["auth-cookie"], "requirement": "DISABLED"}
    keycloak_account.ask("PUT", f"{path}/flows/browser/executions", json=change)
    config = {"alias": "straight on", "config": {"defaultProvider": "corporate"}}
    place = f"{path}/executions/{given['identity-provider-redirector']['id']}/config"
    keycloak_account.ask("POST", place, json=config)
    text = salt.call("describe", realm)
    told = "auth-cookie, identity-provider-redirector of the built-in authentication flow browser"
    assert f"# Not described: {told} isn't as in the realm master" in text


def test_a_described_realm_with_what_each_has_changes_nothing(salt, realm):
    made(salt, "client_present", "wiki", realm=realm)
    text = salt.call("describe", realm, builtin=True, secrets=False)
    assert f"{realm}: client account" in text and "secret://" not in text
    assert changed_or_failed(apply(salt, text)) == {}


def test_an_account_of_one_realm_is_told_what_it_may_not_see(salt, realm, keycloak_account):
    roles = {"realm-management": ["manage-realm", "manage-clients", "manage-users"]}
    made(salt, "client_present", "keeper", realm=realm, secret=SECRET, service_accounts=True,
         service_account_client_roles=roles)  # fmt: skip
    made(salt, "flow_copy_present", "ours", realm=realm, copy_of="browser")
    profile = {
        "url": keycloak_account.url, "client_id": "keeper", "client_secret": SECRET, "auth_realm": realm,
    }  # fmt: skip
    text = Salt("keycloak", profile, salt.options).call("describe", realm)
    told, _, rest = text.partition("\n")
    assert told == "# Not described: identity providers: the account of the profile may not see them"
    # Its own account it doesn't describe either.
    whole = salt.call("describe", realm)
    assert rest and whole.startswith(rest)
    assert list(yaml.safe_load(whole.removeprefix(rest))) == [f"{realm}: client keeper"]
