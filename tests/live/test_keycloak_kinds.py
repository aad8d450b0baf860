"""Keycloak's other kinds, and whole sets of them, against a real server."""

import uuid

import pytest
from database_fixtures import Salt, assert_converges
from keycloak_fixtures import ACCOUNT
from salt_loader import load

from salt_itstack.errors import Missing

pytest_plugins = ("keycloak_fixtures",)

SECRET = "Canary-of-a-client-17"
MAIL_PASSWORD = "Canary-of-the-mail-server-19"


@pytest.fixture(scope="module")
def salt(keycloak_account):
    return Salt("keycloak", keycloak_account.profile)


@pytest.fixture(scope="module")
def realm(salt):
    name = f"kinds-{uuid.uuid4().hex[:8]}"
    assert salt.state("realm_present", name)["result"] is True
    for role in ("reader", "writer"):
        assert salt.state("realm_role_present", role, realm=name)["result"] is True
    wanted = {"realm": name, "secret": SECRET, "redirect_uris": ["https://wiki.it-stack.lab/callback"]}
    assert salt.state("client_present", "wiki", **wanted)["result"] is True
    assert salt.state("client_role_present", "editor", realm=name, client="wiki")["result"] is True
    assert salt.state("client_scope_present", "office", realm=name)["result"] is True
    return name


def path(keycloak, realm, *, client=None, role=None):
    if client and role:
        return f"/realms/{realm}/clients/{keycloak.client(realm, client)['id']}/roles/{role}"
    return f"/realms/{realm}/roles/{role}" if role else f"/realms/{realm}"


def edit_role(keycloak, realm, role, client=None, **change):
    place = path(keycloak, realm, client=client, role=role)
    keycloak.ask("PUT", place, json={**keycloak.ask("GET", place), **change})


def take_composites(keycloak, realm, role):
    place = f"{path(keycloak, realm, role=role)}/composites"
    keycloak.ask("DELETE", place, json=keycloak.ask("GET", place))


def edit_group(keycloak, realm, group, **change):
    row = keycloak.ask("GET", f"/realms/{realm}/group-by-path/{group}")
    keycloak.ask("PUT", f"/realms/{realm}/groups/{row['id']}", json={"name": row["name"], **change})


def edit_mapper(keycloak, realm, client):
    row = keycloak.client(realm, client)
    mapper = row["protocolMappers"][0]
    place = f"/realms/{realm}/clients/{row['id']}/protocol-mappers/models/{mapper['id']}"
    keycloak.ask("PUT", place, json={**mapper, "config": {**mapper["config"], "claim.name": "other"}})


def withdraw(keycloak, realm, client, scope, kind):
    row = keycloak.client(realm, client)
    rows = keycloak.ask("GET", f"/realms/{realm}/client-scopes")
    identifier = next(one["id"] for one in rows if one["name"] == scope)
    keycloak.ask("DELETE", f"/realms/{realm}/clients/{row['id']}/{kind}-client-scopes/{identifier}")


def undo_default(keycloak, realm, scope):
    rows = keycloak.ask("GET", f"/realms/{realm}/client-scopes")
    identifier = next(one["id"] for one in rows if one["name"] == scope)
    keycloak.ask("DELETE", f"/realms/{realm}/default-optional-client-scopes/{identifier}")


def take_service_account_role(keycloak, realm, client):
    row = keycloak.client(realm, client)
    person = keycloak.ask("GET", f"/realms/{realm}/clients/{row['id']}/service-account-user")
    place = f"/realms/{realm}/users/{person['id']}/role-mappings/realm"
    roles = [role for role in keycloak.ask("GET", place) if role["name"] == "reader"]
    keycloak.ask("DELETE", place, json=roles)


GROUPS = {"type": "oidc-group-membership-mapper", "config": {"claim.name": "groups", "full.path": "false"}}

#: What is declared, what somebody does to it by hand, and the state that removes it with its arguments.
KINDS = {
    "client_role": (
        "client_role_present", "publisher",
        {"client": "wiki", "description": "May publish", "client_roles": {"wiki": ["editor"]}},
        lambda server, realm: edit_role(server, realm, "publisher", "wiki", description="Mine"),
        ("client_role_absent", {"client": "wiki"}),
    ),
    "composite": (
        "realm_role_present", "everything",
        {"realm_roles": ["reader"], "client_roles": {"wiki": ["editor"]}, "attributes": {"level": "9"}},
        lambda server, realm: take_composites(server, realm, "everything"),
        ("realm_role_absent", {}),
    ),
    "group": (
        "group_present", "/clerks",
        {"realm_roles": ["reader"], "client_roles": {"wiki": ["editor"]}, "attributes": {"office": "Graz"}},
        lambda server, realm: edit_group(server, realm, "clerks", attributes={"office": ["Wien"]}),
        ("group_absent", {}),
    ),
    "saml client": (
        "client_present", "https://assets.it-stack.lab/saml/metadata",
        {
            "protocol": "saml", "assertion_consumer_url": "https://assets.it-stack.lab/saml/acs",
            "single_logout_url": "https://assets.it-stack.lab/saml/sls", "name_id_format": "email",
            "force_name_id_format": True, "sign_assertions": True, "client_signature_required": False,
            "frontchannel_logout": True,
            "mappers": {
                "mail": {
                    "type": "saml-user-property-mapper",
                    "config": {"user.attribute": "email", "attribute.name": "mail"},
                }
            },
        },
        lambda server, realm: server.change_client(
            realm, "https://assets.it-stack.lab/saml/metadata",
            attributes={"saml_name_id_format": "username", "saml.assertion.signature": "false"},
        ),
        ("client_absent", {}),
    ),
    "service account": (
        "client_present", "robot",
        {
            "secret": SECRET, "service_accounts": True, "standard_flow": False, "pkce": "S256",
            "service_account_realm_roles": ["reader"],
            "service_account_client_roles": {"realm-management": ["view-users"]},
            "session_idle": 600, "token_exchange": True, "always_display_in_console": True,
            "flow_bindings": {"browser": "browser"}, "default_acr_values": ["1", "2"],
            "attributes": {"acr.loa.map": '{"1": 1, "2": 2}'},
        },
        lambda server, realm: take_service_account_role(server, realm, "robot"),
        ("client_absent", {}),
    ),
    "mapper": (
        "protocol_mapper_present", "groups", {"client": "wiki", **GROUPS},
        lambda server, realm: edit_mapper(server, realm, "wiki"),
        ("protocol_mapper_absent", {"client": "wiki"}),
    ),
    "scope": (
        "client_scope_present", "floor",
        {"in_token_scope": True, "realm_default": "optional", "mappers": {"groups": GROUPS}},
        lambda server, realm: undo_default(server, realm, "floor"),
        ("client_scope_absent", {}),
    ),
    "assignment": (
        "client_scope_assigned", "office", {"client": "wiki", "kind": "optional"},
        lambda server, realm: withdraw(server, realm, "wiki", "office", "optional"),
        ("client_scope_withdrawn", {"client": "wiki"}),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_converges_is_repaired_and_is_removed(salt, keycloak_account, realm, kind):
    function, name, wanted, drift, (remove, arguments) = KINDS[kind]
    assert_converges(salt, function, name, realm=realm, **wanted)
    drift(keycloak_account, realm)
    assert_converges(salt, function, name, realm=realm, **wanted)
    assert_converges(salt, remove, name, realm=realm, **arguments)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_says_what_is_wrong_with_server_and_account(keycloak_account, realm, kind):
    function, name, wanted, _, (remove, arguments) = KINDS[kind]
    for profile, said in (
        ({**keycloak_account.profile, "client_secret": "wrong"}, "gets no token"),
        ({"url": "http://127.0.0.1:9", **ACCOUNT}, "start the service"),
    ):
        salt = Salt("keycloak", profile)
        for each, given in ((function, wanted), (remove, arguments)):
            outcome = salt.state(each, name, realm=realm, **given)
            assert (outcome["result"], outcome["changes"]) == (False, {})
            assert said in outcome["comment"] and "Remedy" in outcome["comment"]


SETS = {
    "clients": {
        "blog": {"public": True, "redirect_uris": ["https://blog.it-stack.lab/*"]},
        "shop": {"secret": SECRET, "pkce": "S256", "mappers": {"groups": GROUPS}},
        "till": {"service_accounts": True, "service_account_realm_roles": ["reader"]},
    },
    "client_scopes": {"room": {"in_token_scope": True}, "desk": {"mappers": {"groups": GROUPS}}},
    "groups": {"/partners/printers": {"attributes": {"office": "Graz"}}, "/partners": {}},
    "realm_roles": {"clerk": {"description": "Writes"}, "keeper": {"realm_roles": ["clerk", "writer"]}},
    "client_roles": {"look": {}, "touch": {"description": "May touch", "client_roles": {"wiki": ["look"]}}},
}
KEYS = {"realm_roles": "roles", "client_roles": "roles"}


@pytest.mark.parametrize("kind", SETS)
def test_a_set_converges_and_removes_what_is_not_in_it_up_to_a_limit(salt, keycloak_account, kind):
    name = f"set-{uuid.uuid4().hex[:8]}"
    salt.state("realm_present", name)
    salt.state("realm_roles_present", "roles", realm=name, roles={"reader": {}, "writer": {}})
    salt.state("client_present", "wiki", realm=name)
    more = {"client": "wiki"} if kind == "client_roles" else {}
    function, key = f"{kind}_present", KEYS.get(kind, kind)
    changes = assert_converges(salt, function, "ours", realm=name, **{key: SETS[kind]}, **more)
    assert set(changes) == set(SETS[kind])
    assert SECRET not in str(changes)
    kept = {
        "realm_roles": {"reader": {}, "writer": {}},
        "clients": {"wiki": {}, "blog": SETS["clients"]["blog"]},
        "client_roles": {"look": {}},
    }.get(kind) or dict(list(SETS[kind].items())[-1:])
    refused = salt.state(function, "ours", realm=name, exclusive=True, limit=0, **{key: kept}, **more)
    assert (refused["result"], refused["changes"]) == (False, {})
    assert "raise limit" in refused["comment"]
    changes = assert_converges(salt, function, "ours", realm=name, exclusive=True, **{key: kept}, **more)
    assert all(change == {each: {"old": "present", "new": "absent"}} for each, change in changes.items())
    built_in = {row["clientId"] for row in keycloak_account.ask("GET", f"/realms/{name}/clients")}
    assert {"account", "admin-cli", "realm-management"} <= built_in
    salt.state("realm_absent", name)


def test_what_the_server_refuses_is_told_by_name_and_the_others_are_made(salt, keycloak_account, realm):
    wanted = {"fine-1": {}, "wrong": {"root_url": "javascript:alert(1)"}, "fine-2": {}}
    outcome = salt.state("clients_present", "ours", realm=realm, clients=wanted)
    assert outcome["result"] is False
    assert set(outcome["changes"]) == {"fine-1", "fine-2"}
    assert "wrong: " in outcome["comment"] and "400" in outcome["comment"]
    assert keycloak_account.client(realm, "wrong") is None
    wanted["wrong"] = {"root_url": "https://wrong.it-stack.lab"}
    assert set(salt.state("clients_present", "ours", realm=realm, clients=wanted)["changes"]) == {"wrong"}


@pytest.mark.parametrize(
    ("function", "arguments", "expected"),
    [
        ("clients_present", {"clients": {"a": {"redirect_uri": []}, "b": {"redirect_uris": ["https://*"]}}},
         ["a: redirect_uri: a client has no such field", "did you mean redirect_uris?", "b: redirect_uris"]),
        ("clients_present", {"clients": ["a"]}, ["isn't a map"]),
        ("client_present", {"protocol": "saml"}, ["assertion_consumer_url", "metadata_descriptor_url"]),
        ("client_present", {"attributes": {"use.refresh.tokens": True}},
         ['attributes:use.refresh.tokens (True)', 'write "true", in quotes']),
        ("client_present", {"mappers": {"m": {"type": "oidc-group-membership-maper"}}},
         ["mappers:m:type", "oidc-group-membership-mapper"]),
        ("client_present", {"service_account_realm_roles": ["reader"]}, ["service_accounts: true"]),
        ("client_present", {"flow_bindings": {"browser": "brauser"}}, ["did you mean browser?"]),
        ("group_present", {"realm_roles": ["raeder"]}, ["realm_roles ('raeder')", "did you mean reader?"]),
        ("realm_role_present", {"client_roles": {"wikki": ["editor"]}}, ["did you mean wiki?"]),
        ("realm_role_present", {"client_roles": {"wiki": ["edtor"]}}, ["did you mean editor?"]),
        ("protocol_mapper_present", {"client": "wiki", "client_scope": "office", **GROUPS},
         ["name one of the two"]),
        ("client_scope_assigned", {"client": "wiki", "kind": "some"}, ["default or optional"]),
        ("client_scope_present", {"realm_default": "yes"}, ["default, optional or none"]),
    ],
)  # fmt: skip
def test_bad_input_is_refused_before_anything_is_sent(salt, realm, sent, function, arguments, expected):
    outcome = salt.state(function, "new-thing", realm=realm, **arguments)
    assert (outcome["result"], outcome["changes"]) == (False, {})
    assert all(words in outcome["comment"] for words in expected), outcome["comment"]
    assert not [request for request in sent if not request.startswith("GET")]


def test_what_a_refused_set_would_have_made_is_not_taken_for_there(salt, realm):
    modules, states = load({"test": False}, salt.pillar)
    present = states["itstack_keycloak.clients_present"]
    refused = present(name="ours", realm=realm, clients={"never": {}, "wrong": {"pkcee": "S256"}})
    assert refused["result"] is False
    with pytest.raises(Missing, match="has no client never"):
        modules["itstack_keycloak.client_role_apply"]("editor", realm, "never")


def test_a_realm_that_is_made_anew_in_one_run_is_read_anew(salt):
    name = f"twice-{uuid.uuid4().hex[:8]}"
    _, states = load({"test": False}, salt.pillar)
    for state, arguments in (
        ("realm_present", {"name": name}),
        ("required_action_present", {"name": "TERMS_AND_CONDITIONS", "realm": name, "enabled": True}),
        ("client_present", {"name": "wiki", "realm": name}),
        ("realm_absent", {"name": name}),
        ("realm_present", {"name": name}),
        ("required_action_present", {"name": "TERMS_AND_CONDITIONS", "realm": name, "enabled": True}),
        ("client_present", {"name": "wiki", "realm": name}),
    ):
        outcome = states[f"itstack_keycloak.{state}"](**arguments)
        assert outcome["result"] is True and outcome["changes"], (state, outcome)
    salt.state("realm_absent", name)


def test_a_realm_takes_all_its_settings(salt, keycloak_account):
    name = f"full-{uuid.uuid4().hex[:8]}"
    wanted = {
        "registration_allowed": True, "brute_force_protected": True, "brute_force_strategy": "LINEAR",
        "max_temporary_lockouts": 3, "otp_digits": 8, "revoke_refresh_token": True,
        "client_session_idle": 900,
        "events_enabled": True, "event_types": ["LOGIN", "LOGOUT"], "admin_events_enabled": True,
        "admin_events_details": True, "password_policy": "length(12) and notUsername",
        "internationalization": True, "supported_locales": ["de", "en"], "default_locale": "de",
        "smtp": {"host": "mail.it-stack.lab", "port": 587, "from": "sso@it-stack.lab", "starttls": True,
                 "auth": True, "user": "sso"},
        "smtp_password": MAIL_PASSWORD, "browser_security_headers": {"xFrameOptions": "DENY"},
    }  # fmt: skip
    changes = assert_converges(salt, "realm_present", name, **wanted)
    assert changes["smtp_password"] == {"old": None, "new": "(hidden)"}
    keycloak_account.ask(
        "PUT", f"/realms/{name}", json={"revokeRefreshToken": False, "enabledEventTypes": ["LOGIN"]}
    )
    changes = assert_converges(salt, "realm_present", name, **wanted)
    assert set(changes) == {"revoke_refresh_token", "event_types"}
    # A part of the policy alone is ignored by the server, and its type alone resets the rest.
    assert set(assert_converges(salt, "realm_present", name, otp_digits=6)) == {"otp_digits"}
    assert keycloak_account.ask("GET", f"/realms/{name}")["otpPolicyPeriod"] == 30
    # A map that is sent as a whole keeps what isn't declared, and the password that reads as a mask.
    changes = assert_converges(salt, "realm_present", name, smtp={"port": 25})
    assert changes == {"smtp": {"old": {"port": "587"}, "new": {"port": "25"}}}
    found = keycloak_account.ask("GET", f"/realms/{name}")["smtpServer"]
    assert (found["host"], found["password"]) == ("mail.it-stack.lab", "**********")
    changes = assert_converges(salt, "realm_present", name, smtp_password="Another-canary-21")
    assert changes == {"smtp_password": {"old": "(hidden)", "new": "(hidden)"}}
    salt.state("realm_absent", name)


def test_what_administers_stays(salt, keycloak_account, realm):
    for function, name, more, said in (
        ("client_absent", ACCOUNT["client_id"], {"realm": "master"}, "the account that this comes in with"),
        ("client_absent", "account", {"realm": realm}, "Keycloak made"),
        ("realm_role_absent", "offline_access", {"realm": realm}, "Keycloak made"),
        ("realm_absent", "master", {}, "administrators live in"),
        ("client_present", ACCOUNT["client_id"], {"realm": "master", "enabled": False}, "shut out"),
    ):
        outcome = salt.state(function, name, **more)
        assert (outcome["result"], outcome["changes"]) == (False, {}), name
        assert said in outcome["comment"]
    keeper = {"realm": realm, "service_accounts": True,
              "service_account_client_roles": {"realm-management": ["realm-admin"]}}  # fmt: skip
    assert salt.state("client_present", "keeper", **keeper)["result"] is True
    outcome = salt.state("client_absent", "keeper", realm=realm)
    assert outcome["result"] is False and "last administrator" in outcome["comment"]
    assert salt.state("client_present", "keeper-2", **keeper)["result"] is True
    assert salt.state("client_absent", "keeper", realm=realm)["result"] is True
    assert keycloak_account.client(realm, "keeper") is None
    # By a group, and the one above it, as well.
    roles = {"client_roles": {"realm-management": ["realm-admin"]}}
    groups = {"/chiefs": {}, "/chiefs/inner": roles}
    assert salt.state("groups_present", "groups", realm=realm, groups=groups)["result"] is True
    assert salt.state("client_absent", "keeper-2", realm=realm)["result"] is True
    for path in groups:
        outcome = salt.state("group_absent", path, realm=realm)
        assert outcome["result"] is False and "last administrator" in outcome["comment"]
