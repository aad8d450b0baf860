"""How people log in: user profile, required actions, flows, identity providers, against a real Keycloak."""

import uuid

import pytest
from database_fixtures import Salt, assert_converges, free_port
from keycloak_fixtures import remembering

pytest_plugins = ("keycloak_fixtures",)

SECRET = "Canary-of-a-provider-15"
DEPARTMENT = {
    "display_name": "Department",
    "group": "work",
    "permissions": {"view": ["user", "admin"], "edit": ["admin"]},
    "validations": {"length": {"max": 40}},
}
PROFILE = {
    "groups": {"work": {"display_header": "At work"}},
    "attributes": {"department": DEPARTMENT},
    "unmanaged_attribute_policy": "ADMIN_EDIT",
}
ACTION = {"enabled": True, "default_action": True, "priority": 15, "config": {"max_auth_age": 600}}
FLOW = {
    "copy_of": "browser",
    "description": "With a second factor",
    "executions": [
        {"flow": "Browser - Conditional 2FA", "requirement": "REQUIRED"},
        {"provider": "webauthn-authenticator", "requirement": "ALTERNATIVE"},
        {"provider": "identity-provider-redirector", "config": {"defaultProvider": "corporate"}},
        {"flow": "extra", "in": "forms", "requirement": "CONDITIONAL"},
        {"provider": "conditional-user-role", "in": "extra", "requirement": "REQUIRED",
         "config": {"condUserRole": "auditor"}},
    ],
}  # fmt: skip
PROVIDER = {
    "type": "oidc",
    "trust_email": True,
    "link_only": False,
    "config": {
        "clientId": "it-stack", "clientSecret": SECRET, "authorizationUrl": "https://login.example.org/a",
        "tokenUrl": "https://login.example.org/t", "validateSignature": True,
        "useJwksUrl": True, "jwksUrl": "https://login.example.org/k",
    },
    "mappers": {
        "department": {
            "type": "oidc-user-attribute-idp-mapper",
            "config": {"claim": "department", "user.attribute": "department"},
        }
    },
}  # fmt: skip


@pytest.fixture
def salt(keycloak_account, keycloak_minion):
    return Salt("keycloak", keycloak_account.profile, keycloak_minion)


@pytest.fixture(scope="module")
def realm(keycloak_account):
    name = f"login-{uuid.uuid4().hex[:8]}"
    assert_converges(Salt("keycloak", keycloak_account.profile), "realm_present", name)
    return name


def refused(salt, function, name, **arguments):
    """The comment of a clean failure."""
    failed = salt.state(function, name, **arguments)
    assert (failed["result"], failed["changes"]) == (False, {}), failed
    assert SECRET not in str(failed)
    return failed["comment"]


def test_a_user_profile_converges_keeps_what_others_declared_and_gives_up_an_attribute(
    salt, realm, keycloak_account
):
    path = f"/realms/{realm}/users/profile"
    assert_converges(salt, "user_profile_present", "people", realm=realm, **PROFILE)
    found = keycloak_account.ask("GET", path)
    for row in found["attributes"]:
        if row["name"] == "department":
            row["validations"]["length"]["max"] = 9
    keycloak_account.ask(
        "PUT", path, json={**found, "attributes": [*found["attributes"], {"name": "theirs"}]}
    )
    changes = assert_converges(salt, "user_profile_present", "people", realm=realm, **PROFILE)
    assert set(changes) == {"attribute department"}
    names = [row["name"] for row in keycloak_account.ask("GET", path)["attributes"]]
    assert names == ["username", "email", "firstName", "lastName", "department", "theirs"]
    alone = {**PROFILE, "exclusive": True}
    changes = assert_converges(salt, "user_profile_present", "people", realm=realm, **alone)
    assert "attribute theirs" in changes and "attribute email" not in changes
    assert_converges(salt, "user_profile_attribute_absent", "department", realm=realm)
    assert "every realm has" in refused(salt, "user_profile_attribute_absent", "email", realm=realm)


def test_a_required_action_converges_and_is_registered_again(salt, realm, keycloak_account):
    path = f"/realms/{realm}/authentication/required-actions/TERMS_AND_CONDITIONS"
    assert_converges(salt, "required_action_present", "TERMS_AND_CONDITIONS", realm=realm, **ACTION)
    found = keycloak_account.ask("GET", path)
    changed = {**found, "enabled": False, "config": {**found["config"], "max_auth_age": "1"}}
    keycloak_account.ask("PUT", path, json=changed)
    changes = assert_converges(salt, "required_action_present", "TERMS_AND_CONDITIONS", realm=realm, **ACTION)
    assert set(changes) == {"enabled", "config"}
    assert keycloak_account.ask("GET", path) == found
    assert_converges(salt, "required_action_absent", "TERMS_AND_CONDITIONS", realm=realm)
    assert_converges(salt, "required_action_present", "TERMS_AND_CONDITIONS", realm=realm, **ACTION)


def executions(server, realm, alias):
    rows = server.ask("GET", f"/realms/{realm}/authentication/flows/{alias}/executions")
    return {row.get("providerId") or row["displayName"]: row for row in rows}


def test_a_copy_of_a_flow_converges_is_bound_and_removed(salt, realm, keycloak_account):
    assert_converges(salt, "flow_copy_present", "ours", realm=realm, **FLOW)
    rows = executions(keycloak_account, realm, "ours")
    assert rows["ours Browser - Conditional 2FA"]["requirement"] == "REQUIRED"
    assert (rows["ours extra"]["level"], rows["conditional-user-role"]["level"]) == (1, 2)
    row = rows["webauthn-authenticator"]
    path = f"/realms/{realm}/authentication/flows/ours/executions"
    keycloak_account.ask("PUT", path, json={**row, "requirement": "DISABLED"})
    changes = assert_converges(salt, "flow_copy_present", "ours", realm=realm, **FLOW)
    assert changes == {
        "execution webauthn-authenticator": {
            "old": {"requirement": "DISABLED"},
            "new": {"requirement": "ALTERNATIVE"},
        }
    }
    assert (
        executions(keycloak_account, realm, "ours")["webauthn-authenticator"]["priority"] == row["priority"]
    )
    assert_converges(salt, "flow_bindings_present", "bindings", realm=realm, browser="ours")
    keycloak_account.ask("PUT", f"/realms/{realm}", json={"browserFlow": "browser"})
    assert_converges(salt, "flow_bindings_present", "bindings", realm=realm, browser="ours")
    assert "is used as browser. Remedy: bind another" in refused(salt, "flow_absent", "ours", realm=realm)
    assert_converges(salt, "flow_bindings_present", "bindings", realm=realm, browser="browser")
    assert_converges(salt, "flow_absent", "ours", realm=realm)


def test_what_is_not_declared_of_an_exclusive_flow_is_taken_out(salt, realm, keycloak_account):
    whole = {
        "copy_of": "browser",
        "exclusive": True,
        "executions": [
            {"provider": "auth-cookie", "requirement": "ALTERNATIVE"},
            {"provider": "auth-username-password-form", "in": "forms"},
            {"flow": "extra", "in": "forms", "requirement": "CONDITIONAL"},
        ],
    }
    path = f"/realms/{realm}/authentication/flows"
    made = assert_converges(salt, "flow_copy_present", "short", realm=realm, **whole)
    assert "execution auth-spnego" not in made
    kept = ["auth-cookie", "short forms", "auth-username-password-form", "short extra"]
    assert list(executions(keycloak_account, realm, "short")) == kept
    keycloak_account.ask(
        "POST", f"{path}/short forms/executions/execution", json={"provider": "auth-otp-form"}
    )
    sub = {"alias": "theirs", "type": "basic-flow", "description": "", "provider": "registration-page-form"}
    keycloak_account.ask("POST", f"{path}/short/executions/flow", json=sub)
    keycloak_account.ask("POST", f"{path}/theirs/executions/execution", json={"provider": "auth-spnego"})
    # Left alone by one who doesn't ask for it.
    shared = {**whole, "exclusive": False}
    assert salt.state("flow_copy_present", "short", realm=realm, **shared)["changes"] == {}
    changes = assert_converges(salt, "flow_copy_present", "short", realm=realm, **whole)
    # A part goes with what is in it.
    gone = {"old": "present", "new": None}
    assert changes == {"execution auth-otp-form in forms": gone, "flow theirs": gone}
    assert list(executions(keycloak_account, realm, "short")) == kept
    assert_converges(salt, "flow_absent", "short", realm=realm)


def test_a_minion_that_knows_nothing_of_a_secret_takes_the_one_that_is_there(
    salt, realm, keycloak_account, tmp_path
):
    assert_converges(salt, "identity_provider_present", "taken-over", realm=realm, **PROVIDER)
    other = Salt("keycloak", keycloak_account.profile, remembering(tmp_path))
    assert other.state("identity_provider_present", "taken-over", realm=realm, **PROVIDER)["changes"] == {}
    # From then on it knows.
    rotated = {**PROVIDER, "config": {**PROVIDER["config"], "clientSecret": f"{SECRET}-3"}}
    changes = assert_converges(other, "identity_provider_present", "taken-over", realm=realm, **rotated)
    assert changes == {"config clientSecret": {"old": "(hidden)", "new": "(hidden)"}}


def test_an_identity_provider_converges_and_its_secret_is_written_once(salt, realm, keycloak_account):
    path = f"/realms/{realm}/identity-provider/instances/corporate"
    made = assert_converges(salt, "identity_provider_present", "corporate", realm=realm, **PROVIDER)
    assert made["config clientSecret"] == {"old": None, "new": "(hidden)"}
    found = keycloak_account.ask("GET", path)
    theirs = {**found["config"], "prompt": "login", "clientId": "other"}
    keycloak_account.ask("PUT", path, json={**found, "trustEmail": False, "config": theirs})
    changes = assert_converges(salt, "identity_provider_present", "corporate", realm=realm, **PROVIDER)
    assert set(changes) == {"trust_email", "config clientId"}
    assert keycloak_account.ask("GET", path)["config"]["prompt"] == "login"
    mapper = keycloak_account.ask("GET", f"{path}/mappers")[0]
    keycloak_account.ask(
        "PUT", f"{path}/mappers/{mapper['id']}", json={**mapper, "config": {"claim": "x", "y": "z"}}
    )
    changes = assert_converges(salt, "identity_provider_present", "corporate", realm=realm, **PROVIDER)
    assert set(changes) == {"mapper department"}
    other = {**PROVIDER, "config": {**PROVIDER["config"], "clientSecret": f"{SECRET}-2"}}
    changes = assert_converges(salt, "identity_provider_present", "corporate", realm=realm, **other)
    assert changes == {"config clientSecret": {"old": "(hidden)", "new": "(hidden)"}}
    assert "can't be changed" in refused(
        salt, "identity_provider_present", "corporate", realm=realm, **{**PROVIDER, "type": "github"}
    )
    assert_converges(salt, "identity_provider_absent", "corporate", realm=realm)


@pytest.mark.parametrize(
    ("function", "name", "fields", "expected"),
    [
        ("user_profile_present", "x", {"attributes": {"a": {"grup": "x"}}}, "did you mean group?"),
        ("user_profile_present", "x", {"attributes": {"a": {"group": "x"}}}, "has no such group"),
        ("user_profile_present", "x", {"attributes": {"a": {"validations": {"lenght": {}}}}}, "mean length?"),
        ("required_action_present", "CONFIGURE_TOPT", {}, "did you mean CONFIGURE_TOTP?"),
        ("required_action_present", "CONFIGURE_TOTP", {"config": {"max_age": 5}}, "mean max_auth_age?"),
        ("flow_copy_present", "browser", {"copy_of": "browser"}, "never changed"),
        ("flow_copy_present", "x", {"copy_of": "brwser"}, "did you mean browser?"),
        ("flow_copy_present", "x", {"copy_of": "browser", "executions": [{"provider": "auth-opt-form"}]},
         "did you mean auth-otp-form?"),
        ("flow_copy_present", "x",
         {"copy_of": "browser", "executions": [{"provider": "auth-cookie", "requirement": "CONDITIONAL"}]},
         "isn't possible there"),
        ("flow_copy_present", "x", {"copy_of": "browser", "exclusive": True}, "would leave nothing"),
        ("flow_bindings_present", "x", {"browser": "clients"}, "flow of another kind"),
        ("flow_bindings_present", "x", {"browser": "nowhere"}, "no such flow"),
        ("flow_absent", "browser", {}, "never removed"),
        ("identity_provider_present", "x", {**PROVIDER, "type": "githup"}, "did you mean github?"),
        ("identity_provider_present", "x", {"type": "oidc"}, "is needed for a provider"),
        ("identity_provider_present", "x", {**PROVIDER, "post_broker_login_flow": "nowhere"}, "no such flow"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_before_anything_is_sent(salt, realm, sent, function, name, fields, expected):
    assert expected in refused(salt, function, name, realm=realm, **fields)
    assert not [request for request in sent if not request.startswith("GET ")]


STATES = [
    ("user_profile_present", PROFILE),
    ("user_profile_attribute_absent", {}),
    ("required_action_present", {"enabled": True}),
    ("required_action_absent", {}),
    ("flow_copy_present", FLOW),
    ("flow_absent", {}),
    ("flow_bindings_present", {"browser": "browser"}),
    ("identity_provider_present", PROVIDER),
    ("identity_provider_absent", {}),
]


@pytest.mark.parametrize(("function", "arguments"), STATES, ids=[row[0] for row in STATES])
def test_faults_are_told_with_their_remedy(keycloak_account, salt, function, arguments):
    wrong = Salt("keycloak", {**keycloak_account.profile, "client_secret": "Canary-wrong-1"})
    comment = refused(wrong, function, "thing", realm="any", **arguments)
    assert "Remedy: correct the" in comment and "Canary-wrong-1" not in comment
    stopped = Salt("keycloak", {**keycloak_account.profile, "url": f"http://127.0.0.1:{free_port()}"})
    assert "Remedy: start the service" in refused(stopped, function, "thing", realm="any", **arguments)
    assert "there is no realm any. Remedy: declare it" in refused(
        salt, function, "thing", realm="any", **arguments
    )
