"""What goes wrong between us and a real Keycloak in the middle of a run."""

import concurrent.futures
import http.server
import json
import threading
import urllib.request
import uuid

import pytest
from database_fixtures import Salt
from keycloak_fixtures import BIND_DN, BIND_PASSWORD, ONE_VERSION, PEOPLE
from keycloak_fixtures import GROUPS as GROUPS_DN

from salt_itstack.errors import Invalid
from salt_itstack.services.keycloak.api import PAUSES, Keycloak

pytest_plugins = ("keycloak_fixtures",)
pytestmark = ONE_VERSION

GROUPS = {"type": "oidc-group-membership-mapper", "config": {"claim.name": "groups"}}


class Aside:
    """What somebody else does just before a request about something is passed on, or answered by a status."""

    def __init__(self, do, status=None, about=""):
        self.do, self.status, self.about = do, status, about


class Between:
    """A proxy before a server, which does to chosen requests what it is told to."""

    def __init__(self, port):
        self.faults = []
        self.seen = []
        between = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                between.seen.append(f"{self.command} {self.path}")
                fault = between.take(self.command, self.path, body)
                if isinstance(fault, Aside):
                    between.body = json.loads(body or b"null")
                    fault.do()
                    fault = fault.status
                if callable(fault):
                    fault()
                if fault == "cut" or callable(fault):
                    self.close_connection = True
                    self.connection.close()
                    return
                headers = dict(self.headers.items())
                if fault == "revoked":
                    headers["Authorization"] = "Bearer of-yesterday"
                if isinstance(fault, int):
                    self.answer(fault, {"Retry-After": "1"}, b"")
                    return
                request = urllib.request.Request(
                    f"http://127.0.0.1:{port}{self.path}", body or None, headers, method=self.command
                )
                try:
                    with urllib.request.urlopen(request) as answer:
                        self.answer(answer.status, answer.headers, answer.read())
                except urllib.error.HTTPError as error:
                    self.answer(error.code, error.headers, error.read())
                except urllib.error.URLError:
                    self.close_connection = True

            def answer(self, status, headers, content):
                self.send_response(status)
                for name, value in headers.items():
                    if name.lower() not in ("content-length", "transfer-encoding", "connection", "date"):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_DELETE = handle_any

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def take(self, method, path, body):
        for fault in self.faults:
            what, part, kind = fault
            about = getattr(kind, "about", "")
            if what == method and part in path and "/token" not in path and about.encode() in body:
                self.faults.remove(fault)
                return kind
        return None

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def between(keycloak_account):
    proxy = Between(keycloak_account.port)
    yield proxy
    proxy.close()


@pytest.fixture
def salt(keycloak_account, between):
    return Salt("keycloak", {**keycloak_account.profile, "url": between.url})


@pytest.fixture(scope="module")
def realm(keycloak_account):
    name = f"faults-{uuid.uuid4().hex[:8]}"
    assert Salt("keycloak", keycloak_account.profile).state("realm_present", name)["result"] is True
    return name


def test_a_client_that_was_half_written_is_told_and_mended_by_the_next_run(salt, between, realm):
    assert salt.state("client_present", "half", realm=realm)["result"] is True
    wanted = {"realm": realm, "description": "Whole", "mappers": {"groups": GROUPS}}
    between.faults = [("POST", "protocol-mappers", "cut")]
    outcome = salt.state("client_present", "half", **wanted)
    assert outcome["result"] is False
    assert outcome["changes"] == {"description": {"old": None, "new": "Whole"}}
    assert "no answer" in outcome["comment"] and "Remedy" in outcome["comment"]
    mended = salt.state("client_present", "half", **wanted)
    assert mended["result"] is True and set(mended["changes"]) == {"mapper groups"}
    assert salt.state("client_present", "half", **wanted)["changes"] == {}


def test_keycloak_killed_between_two_writes_of_a_client(salt, between, realm, keycloak_account):
    assert salt.state("client_present", "killed", realm=realm)["result"] is True
    wanted = {"realm": realm, "description": "Whole", "mappers": {"groups": GROUPS}}
    between.faults = [("POST", "protocol-mappers", keycloak_account.kill)]
    outcome = salt.state("client_present", "killed", **wanted)
    assert outcome["result"] is False and set(outcome["changes"]) == {"description"}
    assert "no answer" in outcome["comment"] and "Remedy" in outcome["comment"]
    while_gone = salt.state("client_present", "killed", **wanted)
    assert (while_gone["result"], while_gone["changes"]) == (False, {})
    keycloak_account.start()
    # What a server had answered just before it was killed may be lost: that depends on its database.
    mended = salt.state("client_present", "killed", **wanted)
    assert mended["result"] is True and "mapper groups" in mended["changes"]
    assert keycloak_account.client(realm, "killed")["description"] == "Whole"
    assert salt.state("client_present", "killed", **wanted)["changes"] == {}


HALVES = {
    "flow": (
        "flow_copy_present", "half-flow",
        {"copy_of": "browser", "executions": [{"provider": "auth-cookie", "requirement": "DISABLED"}]},
        ("PUT", "/executions", "cut"), {"copy_of"},
    ),
    "identity provider": (
        "identity_provider_present", "half-provider",
        {
            "type": "oidc", "trust_email": True,
            "config": {
                "clientId": "it-stack", "authorizationUrl": "https://login.example.org/a",
                "tokenUrl": "https://login.example.org/t",
            },
            "mappers": {
                "floor": {
                    "type": "oidc-user-attribute-idp-mapper",
                    "config": {"claim": "floor", "user.attribute": "floor"},
                },
            },
        },
        ("POST", "/mappers", "cut"),
        {"type", "trust_email", "config clientId", "config authorizationUrl", "config tokenUrl"},
    ),
    "required action": (
        "required_action_present", "TERMS_AND_CONDITIONS", {"enabled": True, "priority": 7},
        ("PUT", "/required-actions", "cut"), {"enabled"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", HALVES)
def test_what_was_written_before_a_failure_is_told_and_the_rest_is_written_later(
    salt, between, realm, keycloak_account, kind
):
    function, name, wanted, fault, before = HALVES[kind]
    if kind == "required action":
        assert salt.state("required_action_absent", name, realm=realm)["result"] is True
    predicted = salt.state(function, name, test=True, realm=realm, **wanted)["changes"]
    # What may be asked twice is.
    between.faults = [fault] * 9
    outcome = salt.state(function, name, realm=realm, **wanted)
    between.faults = []
    assert outcome["result"] is False and "no answer" in outcome["comment"], outcome
    assert set(outcome["changes"]) == before
    rest = salt.state(function, name, realm=realm, **wanted)
    assert rest["result"] is True and set(rest["changes"]) == set(predicted) - before
    assert salt.state(function, name, realm=realm, **wanted)["changes"] == {}


def test_of_a_set_the_rest_is_not_tried_when_the_server_goes(salt, between, realm):
    clients = {f"gone-{number}": {} for number in range(20)}
    between.faults = [("POST", "/clients", "cut") for _ in range(20)]
    outcome = salt.state("clients_present", "ours", realm=realm, clients=clients)
    assert (outcome["result"], outcome["changes"]) == (False, {})
    assert "more weren't tried" in outcome["comment"]
    assert len([one for one in between.seen if one.startswith("POST /admin")]) <= 8
    between.faults = []
    assert len(salt.state("clients_present", "ours", realm=realm, clients=clients)["changes"]) == 20


def test_a_token_that_is_revoked_in_mid_run_is_replaced(salt, between, realm):
    between.faults = [("GET", "/clients", "revoked"), ("POST", "/clients", "revoked")]
    assert salt.state("client_present", "renewed", realm=realm)["result"] is True
    assert between.faults == []
    assert len([one for one in between.seen if one.endswith("/token")]) == 3


@pytest.mark.parametrize("status", [429, 503])
def test_a_proxy_that_says_come_again_is_asked_again_for_what_is_safe(salt, between, realm, status):
    name = f"again-{status}"
    between.faults = [("GET", "/clients", status)]
    assert salt.state("client_present", name, realm=realm)["result"] is True
    between.faults = [("POST", "/clients", status)]
    outcome = salt.state("client_present", f"{name}-2", realm=realm)
    assert (outcome["result"], outcome["changes"]) == (False, {})
    assert str(status) in outcome["comment"] and "try again later" in outcome["comment"]
    assert salt.state("client_present", f"{name}-2", realm=realm)["result"] is True


def test_what_an_import_holds_is_deleted_when_the_server_lets_it_go(salt, between, keycloak_account):
    realm = f"held-{uuid.uuid4().hex[:8]}"
    assert salt.state("realm_present", realm)["result"] is True
    # What the server answers while an import writes the same rows.
    between.faults = [("DELETE", realm, 500) for _ in range(len(PAUSES) + 1)]
    outcome = salt.state("realm_absent", realm)
    assert (outcome["result"], outcome["changes"]) == (False, {})
    assert f"DELETE /admin/realms/{realm} was answered with 500, 5 times" in outcome["comment"]
    assert "Remedy: an import of people may be under way" in outcome["comment"]
    between.faults = [("DELETE", realm, 500)]
    outcome = salt.state("realm_absent", realm)
    assert outcome["result"] is True and outcome["changes"]
    # It was gone when we came again: the first answer told of a failure after the deed.
    assert salt.state("realm_present", realm)["result"] is True
    gone = Aside(lambda: keycloak_account.ask("DELETE", f"/realms/{realm}"), 500)
    between.faults = [("DELETE", realm, gone)]
    assert salt.state("realm_absent", realm)["result"] is True
    assert salt.state("realm_absent", realm)["changes"] == {}


def test_a_component_that_an_import_holds_is_written_when_the_server_lets_it_go(
    between, realm, keycloak_account
):
    account = keycloak_account.profile
    server = Keycloak(between.url, account["client_id"], account["client_secret"])
    row = next(row for row in server.components(realm) if row["providerId"] == "rsa-generated")
    between.faults = [("PUT", row["id"], 500), ("DELETE", row["id"], 500)]
    changed = {**row, "config": {**row["config"], "priority": ["7"]}}
    server.update_component(realm, row["id"], changed)
    (found,) = [each for each in server.components(realm) if each["id"] == row["id"]]
    assert found["config"]["priority"] == ["7"]
    server.delete_component(realm, row["id"])
    assert row["id"] not in [each["id"] for each in server.components(realm)]
    assert between.faults == []
    server.close()


RIVALS = {
    "client": (
        "client_present", "rival", {"description": "Ours", "mappers": {"groups": GROUPS}},
        ("POST", "/clients", {"clientId": "rival"}), {"description", "mapper groups"},
    ),
    "role": (
        "realm_role_present", "rival", {"description": "Ours"}, ("POST", "/roles", {"name": "rival"}),
        {"description"},
    ),
    "group": (
        "group_present", "/rival", {"attributes": {"office": "Graz"}}, ("POST", "/groups", {"name": "rival"}),
        {"attributes"},
    ),
    "scope": (
        "client_scope_present", "rival", {"description": "Ours"},
        ("POST", "/client-scopes", {"name": "rival", "protocol": "openid-connect"}), {"description"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", RIVALS)
def test_what_somebody_else_makes_in_between_is_brought_to_the_declared_shape(
    salt, between, realm, keycloak_account, kind
):
    function, name, wanted, (method, path, body), differs = RIVALS[kind]

    def made():
        keycloak_account.ask(method, f"/realms/{realm}{path}", json=body)

    between.faults = [(method, path, Aside(made))]
    outcome = salt.state(function, name, realm=realm, **wanted)
    assert outcome["result"] is True, outcome
    assert differs <= set(outcome["changes"])
    assert salt.state(function, name, realm=realm, **wanted)["changes"] == {}


def federation(realm, keycloak_directory):
    return {
        "realm": realm, "url": keycloak_directory.url, "bind_dn": BIND_DN, "bind_credential": BIND_PASSWORD,
        "users_dn": PEOPLE, "groups_dn": GROUPS_DN,
    }  # fmt: skip


def components(server, realm, name):
    return [row for row in server.ask("GET", f"/realms/{realm}/components") if row.get("name") == name]


@pytest.mark.parametrize("what", ["freeipa", "groups"])
def test_a_federation_or_mapper_that_somebody_else_makes_in_between_isnt_there_twice(
    salt, between, realm, keycloak_account, keycloak_directory, what
):
    wanted = federation(realm, keycloak_directory)

    def made():
        # As another run of the same states does it: the server would take both.
        theirs = {key: value for key, value in between.body.items() if key != "id"}
        keycloak_account.ask("POST", f"/realms/{realm}/components", json=theirs)

    between.faults = [("POST", "/components", Aside(made, about=f'"name": "{what}"'))]
    try:
        outcome = salt.state("federation_present", "freeipa", **wanted)
        assert outcome["result"] is True, outcome
        assert between.faults == []
        assert len(components(keycloak_account, realm, what)) == 1
        again = salt.state("federation_present", "freeipa", **wanted)
        assert (again["result"], again["changes"]) == (True, {})
    finally:
        assert salt.state("federation_absent", "freeipa", realm=realm)["result"] is True


def test_of_two_federations_of_a_name_none_is_used(salt, realm, keycloak_account, keycloak_directory):
    wanted = federation(realm, keycloak_directory)
    assert salt.state("federation_present", "freeipa", **wanted)["result"] is True
    (first,) = components(keycloak_account, realm, "freeipa")
    keycloak_account.ask(
        "POST",
        f"/realms/{realm}/components",
        json={key: value for key, value in first.items() if key != "id"},
    )
    try:
        for function, arguments in (("federation_present", wanted), ("federation_absent", {"realm": realm})):
            for test in (True, False):
                outcome = salt.state(function, "freeipa", test=test, **arguments)
                assert (outcome["result"], outcome["changes"]) == (False, {})
                assert "the name of 2 federations" in outcome["comment"] and "Remedy: " in outcome["comment"]
        for function in ("federation_sync", "federation_vanished", "federation_prune"):
            with pytest.raises(Invalid, match="the name of 2 federations"):
                salt.call(function, "freeipa", realm)
    finally:
        (second,) = [
            row for row in components(keycloak_account, realm, "freeipa") if row["id"] != first["id"]
        ]
        keycloak_account.ask("DELETE", f"/realms/{realm}/components/{second['id']}")
        assert salt.state("federation_absent", "freeipa", realm=realm)["result"] is True


def test_two_runs_at_once_leave_one_federation(keycloak_account, realm, keycloak_directory):
    wanted = federation(realm, keycloak_directory)

    def run(_):
        salt = Salt("keycloak", keycloak_account.profile)
        return salt.state("federation_present", "freeipa", **wanted)

    try:
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            outcomes = list(pool.map(run, range(2)))
        # Whose was taken back looks again; where both collide twice, one says so and the next run is right.
        assert any(outcome["result"] for outcome in outcomes), outcomes
        for name in ("freeipa", "groups", "first name"):
            assert len(components(keycloak_account, realm, name)) == 1
        last = run(0)
        assert (last["result"], last["changes"]) == (True, {})
    finally:
        salt = Salt("keycloak", keycloak_account.profile)
        assert salt.state("federation_absent", "freeipa", realm=realm)["result"] is True


def test_two_runs_at_once_leave_one_of_each(keycloak_account, realm):
    clients = {f"both-{number}": {"mappers": {"groups": GROUPS}} for number in range(12)}

    def run(_):
        salt = Salt("keycloak", keycloak_account.profile)
        return salt.state("clients_present", "ours", realm=realm, clients=clients)

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(run, range(2)))
    made = [name for outcome in outcomes for name in outcome["changes"]]
    assert sorted(made) == sorted(clients)
    # Who comes second looks again, and finds it as it wants it.
    assert [outcome["result"] for outcome in outcomes] == [True, True], outcomes
    last = run(0)
    assert (last["result"], last["changes"]) == (True, {})
