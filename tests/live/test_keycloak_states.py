"""Keycloak's states against a real server, through Salt's own loader."""

import uuid

import pytest
import requests
from database_fixtures import Salt, assert_converges, free_port, until
from keycloak_fixtures import ACCOUNT, BOOTSTRAP, Gate
from salt_loader import load

pytest_plugins = ("keycloak_fixtures",)

SECRET = "Canary-of-a-client-13"
GROUPS = {
    "groups": {
        "type": "oidc-group-membership-mapper",
        "config": {"claim.name": "groups", "full.path": False, "id.token.claim": True},
    }
}
NEXTCLOUD = {
    "secret": SECRET,
    "redirect_uris": [
        "https://cloud.it-stack.lab/apps/user_oidc/code",
        "https://cloud.it-stack.lab/index.php/*",
    ],
    "web_origins": [],
    "pkce": "S256",
    "post_logout_redirect_uris": ["https://cloud.it-stack.lab/*", "https://cloud.it-stack.lab/out"],
    "backchannel_logout_url": "https://cloud.it-stack.lab/index.php/apps/user_oidc/backchannel-logout/keycloak",
    "backchannel_logout_session": True,
    "default_scopes": ["basic", "profile", "email"],
    "display_on_consent_screen": False,
    "mappers": GROUPS,
}


@pytest.fixture
def salt(keycloak_account):
    return Salt("keycloak", keycloak_account.profile)


@pytest.fixture(scope="module")
def realm(keycloak_account):
    name = f"stack-{uuid.uuid4().hex[:8]}"
    salt = Salt("keycloak", keycloak_account.profile)
    assert_converges(
        salt, "realm_present", name, display_name="IT-Stack", brute_force_protected=True,
        attributes={"frontendUrl": "", "owner": "salt", "number": 5, "flag": "true"},
    )  # fmt: skip
    return name


@pytest.fixture
def nextcloud(salt, realm):
    name = f"nextcloud-{uuid.uuid4().hex[:8]}"
    assert_converges(salt, "client_present", name, realm=realm, **NEXTCLOUD)
    return name


def refused(salt, function, name, **arguments):
    """The comment of a clean failure."""
    failed = salt.state(function, name, **arguments)
    assert (failed["result"], failed["changes"]) == (False, {}), failed
    assert SECRET not in str(failed)
    return failed["comment"]


def repaired(salt, function, name, **arguments):
    changes = assert_converges(salt, function, name, **arguments)
    return {key: (change["old"], change["new"]) for key, change in changes.items()}


# The account


def test_the_account_is_made_as_predicted_and_the_temporary_one_is_gone(keycloak_account, salt):
    made = keycloak_account.making_of_the_account
    assert made["predicted"]["result"] is None
    assert made["first"]["changes"] == made["predicted"]["changes"]
    assert made["first"]["changes"] == {
        "account": {"old": None, "new": ACCOUNT["client_id"]},
        "secret": {"old": None, "new": "(hidden)"},
        "role": {"old": None, "new": "admin"},
        "temporary account": {"old": BOOTSTRAP["client_id"], "new": None},
    }
    assert keycloak_account.client("master", BOOTSTRAP["client_id"]) is None
    second = salt.state("account_present", "account", bootstrap=BOOTSTRAP)
    assert (second["result"], second["changes"]) == (True, {})
    own = keycloak_account.client("master", ACCOUNT["client_id"])
    assert (own["publicClient"], own["standardFlowEnabled"], own["directAccessGrantsEnabled"]) == (
        False, False, False,
    )  # fmt: skip
    assert own["attributes"]["client.use.lightweight.access.token.enabled"] == "true"


def test_a_temporary_account_that_was_left_over_is_removed(keycloak_account, salt):
    keycloak_account.ask("POST", "/realms/master/clients", json={"clientId": "left-over"})
    arguments = {"bootstrap": {"client_id": "left-over", "client_secret": "anything"}}
    assert repaired(salt, "account_present", "account", **arguments) == {
        "temporary account": ("left-over", None)
    }
    assert keycloak_account.client("master", "left-over") is None


def test_the_secret_of_the_account_is_repaired_with_a_temporary_one(keycloak_account):
    """A helper of the same rights stands in for `kc.sh bootstrap-admin`, which wants the server stopped."""
    helper = {"client_id": f"helper-{uuid.uuid4().hex[:6]}", "client_secret": "Canary-of-a-helper-1"}
    other = {"url": keycloak_account.url, "client_id": "second-account", "client_secret": "first-secret-21"}
    first = Salt("keycloak", {**other, **helper})
    assert "kc.sh bootstrap-admin" in refused(first, "account_present", "helper")
    ours = Salt("keycloak", {"url": keycloak_account.url, **helper})
    made = ours.state("account_present", "helper", bootstrap={**ACCOUNT})
    # The account that helped is the lasting one here, so it goes: make it again with the helper.
    assert made["result"] is True, made
    again = Salt("keycloak", keycloak_account.profile)
    assert again.state("account_present", "account", bootstrap=helper)["result"] is True
    assert keycloak_account.client("master", helper["client_id"]) is None


# Realms


def test_a_realm_keeps_the_attributes_that_others_gave_it(salt, realm, keycloak_account):
    found = keycloak_account.ask("GET", f"/realms/{realm}")
    attributes = {**found["attributes"], "others": "value", "owner": "somebody"}
    keycloak_account.ask("PUT", f"/realms/{realm}", json={"attributes": attributes, "displayName": "Mine"})
    wanted = {"display_name": "IT-Stack", "attributes": {"owner": "salt", "flag": "true"}}
    assert repaired(salt, "realm_present", realm, **wanted) == {
        "display_name": ("Mine", "IT-Stack"),
        "attributes": ({"owner": "somebody"}, {"owner": "salt"}),
    }
    after = keycloak_account.ask("GET", f"/realms/{realm}")["attributes"]
    assert (after["others"], after["owner"], after["number"]) == ("value", "salt", "5")


def test_a_realm_is_removed(salt):
    assert_converges(salt, "realm_present", "short-lived")
    assert_converges(salt, "realm_absent", "short-lived")


def test_a_realm_and_what_is_in_it_are_predicted_in_one_dry_run(salt, keycloak_account):
    name = f"planned-{uuid.uuid4().hex[:6]}"

    def run(test):
        _, states = load({"test": test}, salt.pillar)
        call = {key.rsplit(".")[1]: states[key] for key in states if key.startswith("itstack_keycloak.")}
        done = [
            call["realm_present"](name, display_name="Planned"),
            call["client_scope_present"]("files", realm=name, mappers=GROUPS),
            call["client_present"]("app", realm=name, secret=SECRET, default_scopes=["basic", "files"]),
            call["group_present"]("/staff", realm=name),
            call["group_present"]("/staff/admins", realm=name),
            call["realm_role_present"]("auditor", realm=name, description="Reads"),
        ]
        return [one["result"] for one in done], [one["changes"] for one in done]

    results, predicted = run(True)
    assert results == [None] * 6
    assert not [row for row in keycloak_account.ask("GET", "/realms") if row["realm"] == name]
    results, changes = run(False)
    assert (results, changes) == ([True] * 6, predicted)
    assert run(False) == ([True] * 6, [{}] * 6)


# Clients


def test_a_new_client_is_as_declared_and_keeps_its_secret_to_itself(keycloak_account, realm, nextcloud, salt):
    made = keycloak_account.client(realm, nextcloud)
    assert made["secret"] == SECRET
    assert sorted(made["redirectUris"]) == sorted(NEXTCLOUD["redirect_uris"])
    assert made["attributes"]["pkce.code.challenge.method"] == "S256"
    assert sorted(made["defaultClientScopes"]) == ["basic", "email", "profile"]
    # Only one of the lists was declared: the other one is what the realm gives.
    assert "offline_access" in made["optionalClientScopes"]
    assert made["protocolMappers"][0]["config"] == {
        "claim.name": "groups",
        "full.path": "false",
        "id.token.claim": "true",
        "userinfo.token.claim": "true",
    }
    first = salt.state("client_present", f"{nextcloud}-2", realm=realm, **NEXTCLOUD)
    assert first["changes"]["secret"] == {"old": None, "new": "(hidden)"}
    assert SECRET not in str(first)


def test_drift_made_in_the_console_is_repaired_and_nothing_else_is_touched(
    keycloak_account, realm, nextcloud, salt
):
    keycloak_account.change_client(
        realm, nextcloud, redirectUris=["https://evil.example/*"], secret="changed-by-hand",
        description="A note", attributes={"pkce.code.challenge.method": "", "others": "1"},
    )  # fmt: skip
    assert repaired(salt, "client_present", nextcloud, realm=realm, **NEXTCLOUD) == {
        "redirect_uris": (["https://evil.example/*"], NEXTCLOUD["redirect_uris"]),
        "secret": ("(hidden)", "(hidden)"),
        "pkce": (None, "S256"),
        # The server filled them when the redirect URIs were changed.
        "web_origins": (["https://evil.example"], []),
    }
    after = keycloak_account.client(realm, nextcloud)
    assert (after["secret"], after["description"], after["webOrigins"]) == (SECRET, "A note", [])
    assert after["attributes"]["others"] == "1"


def test_scopes_move_between_the_lists(keycloak_account, realm, nextcloud, salt):
    wanted = {"default_scopes": ["basic", "email", "phone"], "optional_scopes": ["profile", "address"]}
    changes = repaired(salt, "client_present", nextcloud, realm=realm, **wanted)
    assert set(changes) == {"default_scopes", "optional_scopes"}
    after = keycloak_account.client(realm, nextcloud)
    assert sorted(after["defaultClientScopes"]) == ["basic", "email", "phone"]
    assert sorted(after["optionalClientScopes"]) == ["address", "profile"]
    # One list alone, with a scope that has to leave the other.
    repaired(salt, "client_present", nextcloud, realm=realm, default_scopes=["basic", "profile"])
    after = keycloak_account.client(realm, nextcloud)
    assert sorted(after["defaultClientScopes"]) == ["basic", "profile"]
    assert after["optionalClientScopes"] == ["address"]


def test_the_scope_of_a_service_account_is_no_drift(keycloak_account, realm, nextcloud, salt):
    wanted = {"service_accounts": True, "default_scopes": ["basic", "email"]}
    repaired(salt, "client_present", nextcloud, realm=realm, **wanted)
    assert "service_account" in keycloak_account.client(realm, nextcloud)["defaultClientScopes"]


def test_authorization_services_of_a_client_stay_on(keycloak_account, realm, nextcloud, salt):
    """Keycloak switches them off in whoever writes a client without naming them."""
    keycloak_account.change_client(
        realm, nextcloud, serviceAccountsEnabled=True, authorizationServicesEnabled=True
    )
    wanted = {"realm": realm, **NEXTCLOUD, "description": "With policies"}
    assert "description" in repaired(salt, "client_present", nextcloud, **wanted)
    assert keycloak_account.client(realm, nextcloud)["authorizationServicesEnabled"] is True


def test_mappers_of_others_stay_unless_ours_are_exclusive(keycloak_account, realm, nextcloud, salt):
    client = keycloak_account.client(realm, nextcloud)
    models = f"/realms/{realm}/clients/{client['id']}/protocol-mappers/models"
    own = client["protocolMappers"][0]
    keycloak_account.ask(
        "PUT", f"{models}/{own['id']}", json={**own, "config": {**own["config"], "claim.name": "teams"}}
    )
    audience = {"included.custom.audience": "x", "access.token.claim": "true"}
    body = {"protocol": "openid-connect", "protocolMapper": "oidc-audience-mapper", "config": audience}
    keycloak_account.ask("POST", models, json={"name": "theirs", **body})
    assert repaired(salt, "client_present", nextcloud, realm=realm, mappers=GROUPS) == {
        "mapper groups": ({"config": {"claim.name": "teams"}}, {"config": {"claim.name": "groups"}})
    }
    after = keycloak_account.client(realm, nextcloud)["protocolMappers"]
    assert sorted(mapper["name"] for mapper in after) == ["groups", "theirs"]
    alone = {"mappers": GROUPS, "exclusive_mappers": True}
    assert repaired(salt, "client_present", nextcloud, realm=realm, **alone) == {
        "mapper theirs": ("oidc-audience-mapper", None)
    }
    # Another type under the same name is another mapper.
    other = {"groups": {"type": "oidc-audience-mapper", "config": {"included.custom.audience": "y"}}}
    repaired(salt, "client_present", nextcloud, realm=realm, mappers=other)


def test_a_client_is_removed(salt, realm, nextcloud):
    assert_converges(salt, "client_absent", nextcloud, realm=realm)


def test_the_second_run_of_fifty_clients_reads_one_list(salt, realm, sent):
    def run():
        _, states = load({}, salt.pillar)
        return [
            states["itstack_keycloak.client_present"](f"many-{number}", realm=realm, **NEXTCLOUD)
            for number in range(50)
        ]

    sent.clear()
    assert {one["result"] for one in run()} == {True}
    # The first list; of each that was written only itself is read again, by the next.
    kinds = [f"GET /admin/realms/{realm}/clients", f"POST /admin/realms/{realm}/clients"]
    assert [sent.count(kind) for kind in kinds] == [50, 50]
    sent.clear()
    second = run()
    assert {(one["result"], bool(one["changes"])) for one in second} == {(True, False)}
    assert sent == [f"GET /admin/realms/{realm}/clients"]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"redirect_ursi": []}, "did you mean redirect_uris?"),
        ({"redirect_uris": ["https://*/x"]}, "wildcard for a host"),
        ({"default_scopes": ["basic", "emial"]}, "did you mean email?"),
        (
            {"mappers": {"g": {"type": "oidc-group-membershp-mapper"}}},
            "did you mean oidc-group-membership-mapper?",
        ),
        ({"secret": SECRET, "public": True}, "public client has no secret"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_sent(salt, realm, keycloak_account, sent, fields, expected):
    assert expected in refused(salt, "client_present", "bad", realm=realm, **fields)
    assert not [request for request in sent if not request.startswith("GET ")]
    assert keycloak_account.client(realm, "bad") is None


# Scopes, groups, roles


def test_a_client_scope_converges_and_is_removed(salt, realm, keycloak_account):
    wanted = {"description": "Group names", "in_token_scope": False, "mappers": GROUPS}
    assert_converges(salt, "client_scope_present", "groups", realm=realm, **wanted)
    row = next(
        one
        for one in keycloak_account.ask("GET", f"/realms/{realm}/client-scopes")
        if one["name"] == "groups"
    )
    changed = {**row, "description": "Mine", "attributes": {**row["attributes"], "gui.order": "7"}}
    keycloak_account.ask("PUT", f"/realms/{realm}/client-scopes/{row['id']}", json=changed)
    assert repaired(salt, "client_scope_present", "groups", realm=realm, **wanted) == {
        "description": ("Mine", "Group names")
    }
    after = keycloak_account.ask("GET", f"/realms/{realm}/client-scopes/{row['id']}")
    assert after["attributes"]["gui.order"] == "7"
    assert_converges(salt, "client_scope_absent", "groups", realm=realm)


def test_groups_converge_by_path_and_are_removed_with_those_below(salt, realm, keycloak_account):
    assert_converges(salt, "group_present", "/staff", realm=realm, attributes={"floor": ["2", "1"]})
    assert_converges(salt, "group_present", "staff/admins", realm=realm)
    group = keycloak_account.ask("GET", f"/realms/{realm}/group-by-path/staff")
    attributes = {"floor": ["9"], "others": ["x"]}
    keycloak_account.ask(
        "PUT", f"/realms/{realm}/groups/{group['id']}", json={"name": "staff", "attributes": attributes}
    )
    changes = repaired(salt, "group_present", "/staff", realm=realm, attributes={"floor": ["1", "2"]})
    assert changes == {"attributes": ({"floor": ["9"]}, {"floor": ["1", "2"]})}
    after = keycloak_account.ask("GET", f"/realms/{realm}/groups/{group['id']}")
    assert after["attributes"]["others"] == ["x"]
    assert "declare /nowhere with" in refused(salt, "group_present", "/nowhere/below", realm=realm)
    assert_converges(salt, "group_absent", "/staff", realm=realm)
    assert not [
        one for one in keycloak_account.ask("GET", f"/realms/{realm}/groups") if one["name"] == "staff"
    ]


def test_a_realm_role_converges_and_is_removed(salt, realm, keycloak_account):
    wanted = {"description": "May read logs", "attributes": {"level": 3}}
    assert_converges(salt, "realm_role_present", "auditor", realm=realm, **wanted)
    path = f"/realms/{realm}/roles/auditor"
    role = keycloak_account.ask("GET", path)
    assert role["attributes"] == {"level": ["3"]}
    keycloak_account.ask("PUT", path, json={**role, "description": "Mine", "attributes": {"others": ["x"]}})
    changes = repaired(salt, "realm_role_present", "auditor", realm=realm, **wanted)
    assert set(changes) == {"description", "attributes"}
    assert keycloak_account.ask("GET", path)["attributes"] == {"level": ["3"], "others": ["x"]}
    assert_converges(salt, "realm_role_absent", "auditor", realm=realm)


# Faults

STATES = [
    ("account_present", {}),
    ("realm_present", {"display_name": "x"}),
    ("realm_absent", {}),
    ("client_present", {"realm": "any", "secret": SECRET}),
    ("client_absent", {"realm": "any"}),
    ("client_scope_present", {"realm": "any"}),
    ("client_scope_absent", {"realm": "any"}),
    ("group_present", {"realm": "any"}),
    ("group_absent", {"realm": "any"}),
    ("realm_role_present", {"realm": "any"}),
    ("realm_role_absent", {"realm": "any"}),
    (
        "federation_present",
        {"realm": "any", "url": "ldap://x", "bind_dn": "cn=x", "bind_credential": SECRET, "users_dn": "dc=x"},
    ),
    ("federation_absent", {"realm": "any"}),
]


@pytest.mark.parametrize(("function", "arguments"), STATES, ids=[row[0] for row in STATES])
def test_faults_are_told_with_their_remedy(keycloak_account, salt, function, arguments):
    wrong = Salt("keycloak", {**keycloak_account.profile, "client_secret": "Canary-wrong-1"})
    comment = refused(wrong, function, "thing", **arguments)
    assert "salt-itstack" in comment and "Remedy: correct the" in comment and "Canary-wrong-1" not in comment
    stopped = Salt("keycloak", {**keycloak_account.profile, "url": f"http://127.0.0.1:{free_port()}"})
    comment = refused(stopped, function, "thing", **arguments)
    assert "no answer from" in comment and "Remedy: start the service" in comment
    if "realm" in arguments:
        assert "there is no realm any. Remedy: declare it" in refused(salt, function, "thing", **arguments)


PRESENT = [row for row in STATES if row[0].endswith("_present")]


@pytest.mark.parametrize(("function", "arguments"), PRESENT, ids=[row[0] for row in PRESENT])
def test_a_server_that_this_run_would_start_is_predicted(keycloak_account, function, arguments):
    profile = {**keycloak_account.profile, "url": f"http://127.0.0.1:{free_port()}"}
    coming = Salt("keycloak", profile, services={"keycloak": {}})
    dry = coming.state(function, "thing", test=True, **arguments)
    assert dry["result"] is None and dry["changes"], dry


def test_a_stopped_server_that_this_run_would_not_start_fails_a_dry_run(keycloak_account):
    stopped = Salt("keycloak", {**keycloak_account.profile, "url": f"http://127.0.0.1:{free_port()}"})
    dry = stopped.state("client_present", "thing", test=True, realm="any", secret=SECRET)
    assert (dry["result"], dry["changes"]) == (False, {})


def test_a_server_that_stops_in_mid_run_is_told_and_the_next_run_converges(keycloak_account, realm, salt):
    gate = Gate(keycloak_account.port)
    profile = {**keycloak_account.profile, "url": f"http://127.0.0.1:{gate.port}"}
    _, states = load({}, Salt("keycloak", profile).pillar)
    present = states["itstack_keycloak.client_present"]
    assert present("mid-1", realm=realm, **NEXTCLOUD)["result"] is True
    gate.shut()
    broken = present("mid-2", realm=realm, **NEXTCLOUD)
    assert (broken["result"], broken["changes"]) == (False, {})
    assert "Remedy: start the service" in broken["comment"]
    assert salt.state("client_present", "mid-1", realm=realm, **NEXTCLOUD)["changes"] == {}
    assert_converges(salt, "client_present", "mid-2", realm=realm, **NEXTCLOUD)


def test_a_token_that_lapses_in_mid_run_is_replaced(keycloak_account, realm, salt):
    account = {"client_id": f"hasty-{uuid.uuid4().hex[:6]}", "client_secret": SECRET}
    wanted = {
        "realm": "master", "secret": SECRET, "service_accounts": True, "access_token_lifespan": 1,
        "service_account_realm_roles": ["admin"],
    }  # fmt: skip
    assert salt.state("client_present", account["client_id"], **wanted)["result"] is True
    profiles = {"keycloak": {"url": keycloak_account.url, **account}}
    run, _ = load({}, {"itstack": {"profiles": profiles}})
    assert run["itstack_keycloak.client_apply"]("before", realm)
    token = keycloak_account.grant("master", *account.values(), "client_credentials")["access_token"]

    def lapsed():
        place = f"{keycloak_account.url}/admin/realms/{realm}"
        answer = requests.get(place, headers={"Authorization": f"Bearer {token}"}, timeout=10)
        return answer.status_code == 401

    until(lapsed, "the end of a token")
    assert run["itstack_keycloak.client_apply"]("after", realm)
    assert keycloak_account.client(realm, "after")


def test_the_server_tells_its_version(salt, keycloak_account):
    assert salt.call("version") == keycloak_account.version


def test_people_log_in_with_the_profile_of_a_person_too(keycloak_account, salt, realm):
    keycloak_account.ask(
        "POST", "/realms/master/users",
        json={
            "username": "operator", "enabled": True, "email": "o@it-stack.lab",
            "firstName": "O", "lastName": "P",
            "credentials": [{"type": "password", "value": "Canary-of-an-operator"}],
        },
    )  # fmt: skip
    person = keycloak_account.ask("GET", "/realms/master/users?username=operator&exact=true")[0]
    role = keycloak_account.ask("GET", "/realms/master/roles/admin")
    keycloak_account.ask("POST", f"/realms/master/users/{person['id']}/role-mappings/realm", json=[role])
    given = {"url": keycloak_account.url, "user": "operator", "password": "Canary-of-an-operator"}
    assert "salt-itstack" in salt.call("client_list", "master", profile=given)
    wrong = Salt("keycloak", {**given, "password": "wrong"})
    assert "the account operator gets no token" in refused(wrong, "realm_present", realm)
