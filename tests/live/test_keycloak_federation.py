"""Keycloak's federation of a real directory with FreeIPA's schema, through Salt's own loader."""

import contextlib
import uuid

import pytest
import requests
import yaml
from database_fixtures import Salt, assert_converges, until
from keycloak_fixtures import (
    BIND_DN,
    BIND_PASSWORD,
    GROUPS,
    ONE_VERSION,
    PEOPLE,
    PERSON_PASSWORD,
    Gate,
    free_port,
)

from salt_itstack.errors import Denied, Invalid, Missing, Rejected, Unreachable
from salt_itstack.services.keycloak import readiness
from salt_itstack.services.keycloak.probe import probe_federation

pytest_plugins = ("keycloak_fixtures",)

NAME = "freeipa"
COMPONENTS = {"type": "org.keycloak.storage.UserStorageProvider"}


@pytest.fixture
def salt(keycloak_account):
    return Salt("keycloak", keycloak_account.profile)


@pytest.fixture
def realm(salt, keycloak_account):
    name = f"people-{uuid.uuid4().hex[:8]}"
    keycloak_account.ask("POST", "/realms", json={"realm": name, "enabled": True})
    yield name
    assert salt.state("realm_absent", name)["result"] is True


@pytest.fixture
def wanted(realm, keycloak_directory):
    return {
        "realm": realm,
        "url": keycloak_directory.url,
        "bind_dn": BIND_DN,
        "bind_credential": BIND_PASSWORD,
        "users_dn": PEOPLE,
        "groups_dn": GROUPS,
        "groups_path": "/freeipa",
        "filter": "(!(nsAccountLock=TRUE))",
    }


def component(server, realm, name=NAME):
    rows = server.ask("GET", f"/realms/{realm}/components")
    return next((row for row in rows if row["name"] == name), None)


def refused(salt, function, name, **arguments):
    failed = salt.state(function, name, **arguments)
    assert (failed["result"], failed["changes"]) == (False, {}), failed
    assert BIND_PASSWORD not in str(failed)
    return failed["comment"]


def test_people_come_with_names_and_groups_and_can_log_in(salt, realm, wanted, keycloak_account):
    changes = assert_converges(salt, "federation_present", NAME, **wanted)
    assert changes["bind_credential"] == {"old": None, "new": "(hidden)"}
    assert changes["groups_path"] == {"old": None, "new": "/freeipa"}
    jane = salt.call("user", realm, "jdoe")
    assert (jane["firstName"], jane["lastName"], jane["email"]) == ("Jane", "Doe", "jdoe@it-stack.lab")
    assert jane["federationLink"] == component(keycloak_account, realm)["id"]
    assert jane["groups"] == ["/freeipa/admin", "/freeipa/users"]
    mappers = {
        "groups": {
            "type": "oidc-group-membership-mapper",
            "config": {"claim.name": "groups", "full.path": False, "access.token.claim": True,
                       "id.token.claim": True},
        }
    }  # fmt: skip
    arguments = {"realm": realm, "secret": "Canary-15", "direct_access_grants": True, "mappers": mappers}
    assert_converges(salt, "client_present", "app", **arguments)
    claims = keycloak_account.claims(realm, "app", "Canary-15", "jdoe", PERSON_PASSWORD)
    assert sorted(claims["groups"]) == ["admin", "users"]
    assert claims["preferred_username"] == "jdoe"


def test_hand_made_drift_is_repaired(salt, realm, wanted, keycloak_account):
    assert_converges(salt, "federation_present", NAME, **wanted)
    found = component(keycloak_account, realm)
    path = f"/realms/{realm}/components"
    config = {
        **found["config"],
        "editMode": ["WRITABLE"],
        "userObjectClasses": ["organizationalPerson,inetOrgPerson"],
    }
    keycloak_account.ask("PUT", f"{path}/{found['id']}", json={**found, "config": config})
    mappers = keycloak_account.ask("GET", path, params={"parent": found["id"]})
    first = next(row for row in mappers if row["name"] == "first name")
    keycloak_account.ask(
        "PUT",
        f"{path}/{first['id']}",
        json={**first, "config": {**first["config"], "ldap.attribute": ["cn"]}},
    )
    keycloak_account.ask("DELETE", f"{path}/{next(row for row in mappers if row['name'] == 'groups')['id']}")
    changes = assert_converges(salt, "federation_present", NAME, **wanted)
    # The same object classes in another order are no drift.
    assert set(changes) == {"edit_mode", "mapper first name", "mapper groups", "people"}
    assert changes["mapper first name"]["new"] == {"config": {"ldap.attribute": "givenName"}}
    assert component(keycloak_account, realm)["config"]["bindCredential"] == ["**********"]
    assert salt.call("federation_test", NAME, realm) is True


def test_a_credential_is_written_again_only_when_the_stored_one_fails(
    salt, realm, wanted, keycloak_directory, sent
):
    assert_converges(salt, "federation_present", NAME, **wanted)
    # One that the directory doesn't know isn't written over one that works.
    sent.clear()
    other = {**wanted, "bind_credential": "Canary-of-the-future"}
    assert salt.state("federation_present", NAME, **other)["changes"] == {}
    assert [request.split("/")[-1] for request in sent] == [
        "components", "testLDAPConnection", "groups", "users",
    ]  # fmt: skip
    keycloak_directory.set_password(BIND_DN, "Canary-of-the-future")
    try:
        assert f"refuses {BIND_DN}" in refused(salt, "federation_present", NAME, **wanted)
        with pytest.raises(Denied):
            salt.call("federation_test", NAME, realm)
        with pytest.raises(Denied):
            salt.call("federation_sync", NAME, realm)
        changes = assert_converges(salt, "federation_present", NAME, **other)
        assert changes["bind_credential"] == {"old": "(hidden)", "new": "(hidden)"}
        assert salt.call("federation_test", NAME, realm) is True
    finally:
        keycloak_directory.set_password(BIND_DN, BIND_PASSWORD)


RISKS = {"uuid_attribute": "entryUUID", "username_attribute": "mail", "import_users": False}


def identities(server, realm):
    return {row["username"]: row["id"] for row in server.ask("GET", f"/realms/{realm}/users")}


@pytest.mark.parametrize("risk", RISKS)
def test_what_would_cut_people_off_from_their_records_is_refused(salt, realm, wanted, keycloak_account, risk):
    assert_converges(salt, "federation_present", NAME, **wanted)
    people, before = identities(keycloak_account, realm), component(keycloak_account, realm)
    assert set(people) == {"jdoe", "rroe"}
    other = {**wanted, risk: RISKS[risk], "filter": "(uid=jdoe)"}
    for test in (True, False):
        told = refused(salt, "federation_present", NAME, **other, test=test)
        assert risk in told and "Remedy: " in told and "allow_identity_loss: true" in told
    assert identities(keycloak_account, realm) == people
    assert component(keycloak_account, realm) == before, "nothing is half-applied"
    told = refused(salt, "federation_present", NAME, **other, allow_identity_loss="yes")
    assert "allow_identity_loss" in told and "'yes'" in told


def test_who_says_so_may_have_everybody_renamed(salt, realm, wanted, keycloak_account):
    assert_converges(salt, "federation_present", NAME, **wanted)
    people = identities(keycloak_account, realm)
    other = {**wanted, "username_attribute": "mail", "allow_identity_loss": True}
    assert set(assert_converges(salt, "federation_present", NAME, **other)) == {
        "username_attribute",
        "people",
    }
    # What the refusal warns of: an application that goes by names knows none of them.
    assert identities(keycloak_account, realm) == {
        f"{name}@it-stack.lab": identifier for name, identifier in people.items()
    }


def test_without_people_nothing_can_be_lost(salt, realm, wanted):
    nobody = {**wanted, "filter": "(uid=nobody-at-all)"}
    assert_converges(salt, "federation_present", NAME, **nobody)
    changes = assert_converges(salt, "federation_present", NAME, **{**nobody, "uuid_attribute": "entryUUID"})
    assert set(changes) == {"uuid_attribute", "people"}


def test_people_keep_their_ids(salt, realm, wanted, keycloak_account, keycloak_directory):
    """Through a taking-over, a changed bind password, and a sync with a wrong one."""
    assert_converges(salt, "federation_present", NAME, **wanted)
    made = component(keycloak_account, realm)
    people = identities(keycloak_account, realm)
    # As somebody made it by hand: ours takes it over with what is declared.
    config = {**made["config"], "batchSizeForSync": ["77"], "editMode": ["WRITABLE"], "pagination": ["false"]}
    path = f"/realms/{realm}/components/{made['id']}"
    keycloak_account.ask("PUT", path, json={**made, "config": config})
    assert "edit_mode" in assert_converges(salt, "federation_present", NAME, **wanted)
    assert identities(keycloak_account, realm) == people
    keycloak_directory.set_password(BIND_DN, "Canary-of-the-next-year")
    try:
        with pytest.raises(Denied):
            salt.call("federation_sync", NAME, realm)
        assert_converges(
            salt, "federation_present", NAME, **{**wanted, "bind_credential": "Canary-of-the-next-year"}
        )
        assert salt.call("federation_sync", NAME, realm)["failed"] == 0
        assert identities(keycloak_account, realm) == people
    finally:
        keycloak_directory.set_password(BIND_DN, BIND_PASSWORD)


def test_a_federation_of_another_provider_is_left_alone(salt, realm, wanted, keycloak_account):
    body = {
        "name": NAME, "providerId": "kerberos", "providerType": COMPONENTS["type"],
        "config": {"kerberosRealm": ["IT-STACK.LAB"], "serverPrincipal": ["HTTP/x@IT-STACK.LAB"],
                   "keyTab": ["/none"], "enabled": ["false"]},
    }  # fmt: skip
    keycloak_account.ask("POST", f"/realms/{realm}/components", json=body)
    before = component(keycloak_account, realm)
    for test in (True, False):
        told = refused(salt, "federation_present", NAME, **wanted, test=test)
        assert "provider kerberos" in told and "Remedy: " in told
    assert component(keycloak_account, realm) == before


def test_a_new_group_arrives_with_a_sync_and_leaves_with_one(salt, realm, wanted, keycloak_directory):
    assert_converges(salt, "federation_present", NAME, **wanted)
    assert_converges(salt, "group_present", "/ours", realm=realm)
    name = f"team-{uuid.uuid4().hex[:6]}"
    dn = f"cn={name},{GROUPS}"
    keycloak_directory.add_group(name, "rroe")
    assert salt.call("federation_sync", NAME, realm, full=False)["failed"] == 0
    assert f"/freeipa/{name}" in salt.call("user", realm, "rroe")["groups"]
    keycloak_directory.connect().delete_s(dn)
    salt.call("federation_sync", NAME, realm)
    assert salt.state("group_absent", f"/freeipa/{name}", realm=realm)["changes"] == {}
    # What isn't below groups_path isn't the directory's to delete.
    assert salt.state("group_present", "/ours", realm=realm)["changes"] == {}


def test_a_directory_that_is_down_fails_and_nothing_is_written(
    salt, realm, wanted, keycloak_account, keycloak_directory
):
    nowhere = {**wanted, "url": f"ldap://127.0.0.1:{free_port()}"}
    comment = refused(salt, "federation_present", NAME, **nowhere)
    assert "doesn't reach the directory" in comment and "Remedy: start the directory" in comment
    assert component(keycloak_account, realm) is None
    assert_converges(salt, "federation_present", NAME, **wanted)
    keycloak_directory.stop()
    try:
        for test in (False, True):
            assert "doesn't reach the directory" in refused(
                salt, "federation_present", NAME, test=test, **wanted
            )
        with pytest.raises(Rejected, match="doesn't reach"):
            salt.call("federation_sync", NAME, realm)
    finally:
        keycloak_directory.start()
    assert salt.state("federation_present", NAME, **wanted)["changes"] == {}


def test_a_wrong_credential_fails_and_nothing_is_written(salt, realm, wanted, keycloak_account):
    wrong = {**wanted, "bind_credential": "Canary-wrong-2"}
    comment = refused(salt, "federation_present", NAME, **wrong)
    assert f"refuses {BIND_DN}" in comment and "Canary-wrong-2" not in comment
    assert component(keycloak_account, realm) is None


def test_unknown_settings_are_refused_with_the_nearest(salt, realm, wanted, keycloak_account):
    assert "did you mean users_dn?" in refused(salt, "federation_present", NAME, **wanted, user_dn="x")
    mapper = {"number": {"type": "user-attribute-ldap-mapper", "config": {"ldap.atribute": "uidNumber"}}}
    assert "did you mean ldap.attribute?" in refused(
        salt, "federation_present", NAME, **wanted, mappers=mapper
    )
    mapper = {"number": {"type": "user-attribut-ldap-mapper"}}
    assert "did you mean user-attribute-ldap-mapper?" in refused(
        salt, "federation_present", NAME, **wanted, mappers=mapper
    )
    assert component(keycloak_account, realm) is None


@pytest.fixture
def folk(keycloak_directory):
    """People of one test, and their groups; each name leads to an entry. Gone afterwards, also renamed."""
    tag = uuid.uuid4().hex[:6]
    names = {who: f"{who}-{tag}" for who in ("ann", "bob", "cid", "team", "outer")}
    for who in ("ann", "bob", "cid"):
        keycloak_directory.add_person(names[who], who.title(), "Poe")
    keycloak_directory.add_group(names["team"], "rroe")
    keycloak_directory.add_group(names["outer"], "rroe")
    yield names
    connection = keycloak_directory.connect()
    for base in (PEOPLE, GROUPS):
        for dn, _ in connection.search_s(base, 1, f"(|(cn=*{tag})(uid=*{tag}))"):
            connection.delete_s(dn)


def entry(uid):
    return f"uid={uid},{PEOPLE}"


def person_by_id(server, realm, identifier):
    """As the server knows somebody without a search by name, which would look into the directory."""
    path = f"/realms/{realm}/users/{identifier}"
    groups = sorted(group["name"] for group in server.ask("GET", f"{path}/groups"))
    return {**server.ask("GET", path), "groups": groups}


def test_real_groups_come_with_nested_members_and_private_ones_dont(
    salt, realm, wanted, folk, keycloak_account, keycloak_directory
):
    keycloak_directory.set(f"cn={folk['team']},{GROUPS}", "member", entry(folk["ann"]))
    keycloak_directory.set(f"cn={folk['outer']},{GROUPS}", "member", f"cn={folk['team']},{GROUPS}")
    private = keycloak_directory.connect().search_s(f"cn={folk['bob']},{GROUPS}", 0)
    assert private, "the directory's plug-in has made one"
    assert_converges(salt, "federation_present", NAME, **wanted)
    ann = salt.call("user", realm, folk["ann"])
    assert ann["groups"] == sorted(f"/freeipa/{folk[name]}" for name in ("outer", "team"))
    assert (ann["firstName"], ann["lastName"]) == ("Ann", "Poe"), "cn is the full name"
    assert ann["attributes"]["LDAP_ID"] == [f"person-{folk['ann']}"]
    assert salt.state("group_absent", f"/freeipa/{folk['bob']}", realm=realm)["changes"] == {}
    assert salt.state("group_absent", f"/freeipa/{folk['outer']}", realm=realm, test=True)["changes"]


@pytest.mark.parametrize("kind", ["changed_sync_period", "full_sync_period"])
def test_what_happens_in_the_directory_is_so_within_one_period(
    salt, realm, wanted, folk, kind, keycloak_account, keycloak_directory
):
    periods = {"changed_sync_period": -1, "full_sync_period": -1, kind: 1}
    assert_converges(salt, "federation_present", NAME, **{**wanted, **periods})
    app = ("app", "Canary-17")
    arguments = {"realm": realm, "secret": app[1], "direct_access_grants": True}
    assert salt.state("client_present", app[0], **arguments)["result"]
    ids = identities(keycloak_account, realm)
    sessions = {
        who: keycloak_account.grant(
            realm, *app, "password", username=folk[who], password=PERSON_PASSWORD
        )["refresh_token"]
        for who in ("ann", "bob", "cid")
    }  # fmt: skip

    def goes_on(who):
        token = sessions[who]
        return "access_token" in keycloak_account.grant(realm, *app, "refresh_token", refresh_token=token)

    def becomes(who, what, condition):
        identifier = ids[folk[who]]
        until(lambda: condition(person_by_id(keycloak_account, realm, identifier)), f"{who} {what}")

    connection = keycloak_directory.connect()
    team = f"cn={folk['team']},{GROUPS}"
    keycloak_directory.set(team, "member", entry(folk["ann"]))
    becomes("ann", "joins", lambda ann: ann["groups"] == [folk["team"]])
    keycloak_directory.set(team, "member", entry("rroe"))
    becomes("ann", "leaves", lambda ann: ann["groups"] == [])
    connection.rename_s(entry(folk["ann"]), f"uid=new{folk['ann']}")
    becomes("ann", "is renamed", lambda ann: ann["username"] == f"new{folk['ann']}")
    assert goes_on("ann"), "the same person"

    keycloak_directory.set(entry(folk["bob"]), "nsAccountLock", "TRUE")
    becomes("bob", "is disabled", lambda bob: not bob["enabled"])
    assert not goes_on("bob")
    keycloak_directory.set(entry(folk["bob"]), "nsAccountLock")
    becomes("bob", "is enabled again", lambda bob: bob["enabled"])
    assert goes_on("bob"), "with the id, and even the session, of before"

    connection.delete_s(entry(folk["cid"]))
    becomes("cid", "is removed", lambda cid: not cid["enabled"])
    assert not goes_on("cid")
    assert salt.call("federation_vanished", NAME, realm) == [folk["cid"]]
    assert salt.state("federation_present", NAME, **{**wanted, **periods})["changes"] == {}
    assert_converges(salt, "federation_absent", NAME, realm=realm)


def test_a_directory_that_is_gone_for_periods_removes_nobody(
    salt, realm, wanted, keycloak_account, keycloak_directory
):
    short = {**wanted, "changed_sync_period": 1, "full_sync_period": 1}
    assert_converges(salt, "federation_present", NAME, **short)
    people = identities(keycloak_account, realm)
    # 26.4 names the realm, 26.7 its id.
    names = (realm, keycloak_account.ask("GET", f"/realms/{realm}")["id"])
    log = keycloak_account.log.read_text
    keycloak_directory.stop()
    try:
        until(
            lambda: sum(log().count(f"users-sync in realm {name}") for name in names) > 5,
            "the failure of several periods without a directory",
        )
        # Nor does who isn't in the cache, and is looked up in vain.
        keycloak_account.ask("POST", f"/realms/{realm}/clear-user-cache")
        for identifier in people.values():
            with contextlib.suppress(AssertionError):
                keycloak_account.ask("GET", f"/realms/{realm}/users/{identifier}")
        with pytest.raises(Rejected, match="doesn't reach"):
            salt.call("federation_prune", NAME, realm, limit=100)
    finally:
        keycloak_directory.start()
    until(lambda: identities(keycloak_account, realm) == people, "the return of the people")

    def all_enabled():
        return all(row["enabled"] for row in keycloak_account.ask("GET", f"/realms/{realm}/users"))

    # 26.4 keeps for a period whom it has looked up in vain.
    until(all_enabled, "the end of what was kept of people")
    assert salt.state("federation_present", NAME, **short)["changes"] == {}
    # The server's timers outlive the realm otherwise.
    assert_converges(salt, "federation_absent", NAME, realm=realm)


def test_records_of_who_vanished_are_removed_on_demand_up_to_a_limit(
    salt, realm, wanted, folk, keycloak_account, keycloak_directory
):
    assert_converges(salt, "federation_present", NAME, **wanted)
    before = identities(keycloak_account, realm)
    # Somebody whom an administrator of Keycloak disabled is still in the directory.
    path = f"/realms/{realm}/users/{before['jdoe']}"
    keycloak_account.ask("PUT", path, json={**keycloak_account.ask("GET", path), "enabled": False})
    assert salt.call("federation_prune", NAME, realm) == {}
    connection = keycloak_directory.connect()
    for who in ("ann", "bob"):
        connection.delete_s(entry(folk[who]))
    keycloak_directory.add_person(folk["ann"], "Ann", "Other", identifier=f"another-{folk['ann']}")
    assert salt.call("federation_sync", NAME, realm)["failed"] == 1, "the name is still somebody's"
    gone = {folk[who]: {"old": before[folk[who]], "new": None} for who in ("ann", "bob")}
    with pytest.raises(Invalid, match=r"limit \(1\).*2 people.*Remedy"):
        salt.call("federation_prune", NAME, realm, limit=1)
    with pytest.raises(Invalid, match="limit"):
        salt.call("federation_prune", NAME, realm, limit=True)
    assert salt.call("federation_prune", NAME, realm, limit=2, test=True) == gone
    assert salt.call("federation_vanished", NAME, realm) == sorted(gone)
    assert salt.call("federation_prune", NAME, realm, limit=2) == gone
    assert salt.call("federation_prune", NAME, realm) == {}
    salt.call("federation_sync", NAME, realm)
    after = identities(keycloak_account, realm)
    # Another person may have the name now, and isn't taken for the former one.
    assert after.pop(folk["ann"]) != before.pop(folk["ann"])
    assert after == {name: identifier for name, identifier in before.items() if name != folk["bob"]}


def test_a_directory_that_gives_nobody_removes_nobody_and_is_noticed(salt, realm, wanted, keycloak_account):
    assert_converges(salt, "federation_present", NAME, **wanted)
    people = identities(keycloak_account, realm)
    empty = {**wanted, "filter": "(uid=nobody-at-all)"}
    assert set(salt.state("federation_present", NAME, **empty)["changes"]) == {"filter", "people"}
    for test in (True, False):
        told = refused(salt, "federation_present", NAME, **empty, test=test)
        assert "gives none of the 2 people" in told and "Remedy: " in told and "filter" in told
    with pytest.raises(Invalid, match="nobody is removed"):
        salt.call("federation_prune", NAME, realm, limit=100)
    assert_converges(salt, "federation_present", NAME, **wanted)
    assert identities(keycloak_account, realm) == people
    assert all(row["enabled"] for row in keycloak_account.ask("GET", f"/realms/{realm}/users"))


@pytest.mark.parametrize("imported_before", [True, False])
def test_a_uuid_that_the_directory_hides_is_noticed_by_later_runs(
    salt, realm, wanted, imported_before, keycloak_account
):
    people = {}
    if imported_before:
        assert_converges(salt, "federation_present", NAME, **wanted)
        people = identities(keycloak_account, realm)
    hidden = {**wanted, "uuid_attribute": "entryUUID", "allow_identity_loss": True}
    failed = salt.state("federation_present", NAME, **hidden)
    assert failed["result"] is False and "import of people failed" in failed["comment"]
    for test in (True, False):
        told = refused(salt, "federation_present", NAME, **hidden, test=test)
        assert "uuid_attribute" in told and "allow_identity_loss: true" in told
    told = refused(salt, "federation_present", NAME, **wanted)
    assert "allow_identity_loss: true" in told
    assert_converges(salt, "federation_present", NAME, **wanted, allow_identity_loss=True)
    after = identities(keycloak_account, realm)
    assert set(after) == {"jdoe", "rroe"}
    assert not people or after == people


def test_a_directory_that_goes_away_in_mid_run_is_a_failure_and_the_next_run_imports(
    realm, wanted, keycloak_account, keycloak_minion, keycloak_directory, monkeypatch
):
    salt = Salt("keycloak", keycloak_account.profile, keycloak_minion)
    original = requests.adapters.HTTPAdapter.send

    def send(adapter, request, **options):
        if request.path_url.split("?")[0].endswith("/sync"):
            keycloak_directory.stop()
        return original(adapter, request, **options)

    with monkeypatch.context() as patch:
        patch.setattr(requests.adapters.HTTPAdapter, "send", send)
        try:
            told = salt.state("federation_present", NAME, **wanted)
            assert told["result"] is False and "doesn't reach the directory" in told["comment"]
        finally:
            keycloak_directory.start()
    imports = {"people": {"old": "not imported after the last change", "new": "imported"}}
    assert assert_converges(salt, "federation_present", NAME, **wanted) == imports
    assert salt.call("user", realm, "jdoe")["groups"] == ["/freeipa/admin", "/freeipa/users"]


@ONE_VERSION
def test_a_directory_that_is_too_slow_is_said_to_be(
    salt, realm, wanted, keycloak_account, keycloak_directory
):
    gate = Gate(keycloak_directory.port)
    # At the default, 5 s, the server would have some answers just in time.
    slow = {**wanted, "url": f"ldap://127.0.0.1:{gate.port}", "read_timeout": 3000}
    assert_converges(salt, "federation_present", NAME, **slow)
    people = identities(keycloak_account, realm)
    gate.delay = 5
    with pytest.raises(Rejected, match=r"takes .* for a login, and Keycloak waits 3 s"):
        salt.call("federation_vanished", NAME, realm)
    keycloak_account.ask("POST", f"/realms/{realm}/clear-user-cache")
    assert "read_timeout" in refused(salt, "federation_present", NAME, **slow)
    gate.delay = 0
    assert salt.state("federation_present", NAME, **slow)["changes"] == {}
    assert identities(keycloak_account, realm) == people
    gate.shut()
    assert "doesn't reach the directory" in refused(salt, "federation_present", NAME, **slow)


@pytest.mark.parametrize("period", ["5 minutes", 0, True, -2, 1.5])
def test_a_period_that_is_none_is_refused(salt, realm, wanted, keycloak_account, period):
    told = refused(salt, "federation_present", NAME, **wanted, changed_sync_period=period)
    assert f"changed_sync_period ({period!r})" in told and "Remedy: write whole seconds" in told
    assert component(keycloak_account, realm) is None


def test_a_federation_is_described_and_made_anew(salt, realm, wanted):
    more = {"nickname": {"type": "user-attribute-ldap-mapper",
                         "config": {"ldap.attribute": "cn", "user.model.attribute": "nickname"}}}  # fmt: skip
    assert salt.state("federation_present", NAME, **wanted, mappers=more)["result"] is True
    text = salt.call("describe", realm, kinds=["group", "federation"])
    assert BIND_PASSWORD not in text and "/freeipa/users" not in text

    def apply():
        for state in yaml.safe_load(text).values():
            ((function, arguments),) = state.items()
            merged = {key: value for one in arguments for key, value in one.items()}
            if "bind_credential" in merged:
                merged["bind_credential"] = BIND_PASSWORD
            outcome = salt.state(function.partition(".")[2], merged.pop("name"), **merged)
            assert outcome["result"] is True, outcome
            yield outcome["changes"]

    assert not any(apply())
    assert salt.state("federation_absent", NAME, realm=realm)["result"] is True
    assert salt.state("group_absent", "/freeipa", realm=realm)["result"] is True
    assert all(list(apply()))
    assert salt.call("describe", realm, kinds=["group", "federation"]) == text
    assert salt.call("user", realm, "jdoe")["groups"] == ["/freeipa/admin", "/freeipa/users"]


def test_the_federation_of_the_last_administrator_stays(salt, realm, wanted, keycloak_account):
    assert salt.state("federation_present", NAME, **wanted)["result"] is True
    management = keycloak_account.client(realm, "realm-management")["id"]
    role = keycloak_account.ask("GET", f"/realms/{realm}/clients/{management}/roles/realm-admin")
    person = salt.call("user", realm, "jdoe")["id"]
    given = f"/realms/{realm}/users/{person}/role-mappings/clients/{management}"
    keycloak_account.ask("POST", given, json=[role])
    assert "last administrator" in refused(salt, "federation_absent", NAME, realm=realm)
    keycloak_account.ask("DELETE", given, json=[role])
    assert salt.state("federation_absent", NAME, realm=realm)["result"] is True


def test_a_federation_is_removed_with_its_people(salt, realm, wanted):
    assert_converges(salt, "federation_present", NAME, **wanted)
    assert_converges(salt, "federation_absent", NAME, realm=realm)
    with pytest.raises(Missing):
        salt.call("user", realm, "jdoe")
    with pytest.raises(Missing, match="federation_present"):
        salt.call("federation_sync", NAME, realm)


def test_the_probe_tells_the_groups_of_a_person(salt, realm, wanted, keycloak_account, keycloak_directory):
    asked = {
        "realm": realm,
        "provider": NAME,
        "ldap_url": wanted["url"],
        "bind_dn": BIND_DN,
        "person": "jdoe",
    }
    with pytest.raises(Missing, match="no federation freeipa"):
        probe_federation(keycloak_account.profile, **asked)
    assert_converges(salt, "federation_present", NAME, **wanted)
    assert probe_federation(keycloak_account.profile, **asked) == ["admin", "users"]
    with pytest.raises(Rejected, match="connectionUrl"):
        probe_federation(keycloak_account.profile, **{**asked, "ldap_url": "ldaps://elsewhere"})
    keycloak_directory.stop()
    try:
        with pytest.raises(Rejected, match="doesn't reach the directory"):
            probe_federation(keycloak_account.profile, **asked)
    finally:
        keycloak_directory.start()


def test_readiness_says_what_answers(keycloak_account):
    assert readiness(keycloak_account.facts) == "Keycloak"
    # The management interface may be closed to other machines.
    assert readiness({**keycloak_account.facts, "ports": {"management": free_port()}}) == "Keycloak"
    with pytest.raises(Unreachable, match="no answer"):
        readiness({**keycloak_account.facts, "url": f"http://127.0.0.1:{free_port()}"})
    with pytest.raises(Unreachable, match="isn't usable"):
        readiness({**keycloak_account.facts, "url": f"http://127.0.0.1:{keycloak_account.management}"})
