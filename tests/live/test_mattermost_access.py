"""The first administrator, settings and readiness of Mattermost, against the double."""

import json
import threading

import pytest
from database_fixtures import Salt, assert_converges, until
from mattermost_fixtures import ADMIN, DATABASE_PASSWORD, PASSWORD, TEAM, make_site
from salt_loader import load

from salt_itstack.errors import Missing, Unreachable
from salt_itstack.integrations.webhook import speak
from salt_itstack.services.mattermost import readiness
from salt_itstack.services.mattermost.probe import find_message

pytest_plugins = ("database_fixtures", "mattermost_fixtures")

EMAIL = "salt-itstack@example.test"


def changed(changes):
    return {key: (change["old"], change["new"]) for key, change in changes.items()}


def facts(site, **more):
    return {"address": "127.0.0.1", "ports": {"http": site.port}, "external": False, **more}


# The first administrator


def test_local_mode_makes_the_first_administrator(empty):
    salt = Salt("mattermost", empty.profile)
    changes = assert_converges(salt, "administrator_present", ADMIN, email=EMAIL)
    assert changed(changes) == {
        "email": (None, EMAIL), "password": (None, "(hidden)"), "administrator": (None, True),
        "active": (None, True),
    }  # fmt: skip
    empty.admin = empty.login(ADMIN, PASSWORD)
    assert "system_admin" in empty.get("/users/me")["roles"].split()
    empty.requests.clear()
    assert salt.state("administrator_present", ADMIN)["changes"] == {}
    assert not [one for one in empty.requests if "(local)" in one], "what works is asked as itself"


def test_local_mode_makes_an_administrator_of_a_later_account(site):
    site.person("second")
    salt = Salt("mattermost", site.profile)
    changes = assert_converges(salt, "administrator_present", "second", password=PASSWORD)
    assert changed(changes) == {"administrator": (False, True)}
    assert site.get("/users/username/second")["roles"].split() == ["system_user", "system_admin"]


def test_an_administrator_that_was_tampered_with_is_mended(site):
    salt = Salt("mattermost", site.profile)
    person = site.person("third")
    assert_converges(salt, "administrator_present", "third", password=PASSWORD)
    site.put(f"/users/{person['id']}/password", new_password="another-password")
    changes = assert_converges(salt, "administrator_present", "third", password=PASSWORD)
    assert changed(changes) == {"password": ("(hidden)", "(hidden)")}
    site.put(f"/users/{person['id']}/roles", roles="system_user")
    site.put(f"/users/{person['id']}/active", active=False)
    changes = assert_converges(salt, "administrator_present", "third", password=PASSWORD)
    assert changed(changes) == {"administrator": (False, True), "active": (False, True)}


def test_a_locked_account_is_opened_again(site):
    person = site.person("locked")
    salt = Salt("mattermost", site.profile)
    assert_converges(salt, "administrator_present", "locked", password=PASSWORD)
    for _ in range(11):
        site.call("POST", "/api/v4/users/login", {"login_id": "locked", "password": "wrong-one"})
    assert (
        site.call("POST", "/api/v4/users/login", {"login_id": "locked", "password": PASSWORD}).status == 401
    )
    assert set(assert_converges(salt, "administrator_present", "locked", password=PASSWORD)) == {"password"}
    assert site.get(f"/users/{person['id']}").get("failed_attempts", 0) == 0


def test_the_first_account_of_all_needs_no_local_mode(empty):
    profile = {key: value for key, value in empty.profile.items() if key != "socket"}
    assert_converges(Salt("mattermost", profile), "administrator_present", ADMIN, email=EMAIL)
    empty.admin = empty.login(ADMIN, PASSWORD)
    assert "system_admin" in empty.get("/users/me")["roles"].split()


@pytest.mark.parametrize("socket", [None, "/nonexistent/local.socket"])
def test_without_local_mode_an_account_cant_be_mended(site, socket):
    profile = {**site.profile, "password": "not-this-one"}
    profile.pop("socket")
    salt = Salt("mattermost", {**profile, **({"socket": socket} if socket else {})})
    for test in (True, False):
        done = salt.state("administrator_present", "nobody", test=test, email=EMAIL)
        assert (done["result"], done["changes"]) == (False, {})
        assert "Remedy: set ServiceSettings.EnableLocalMode to true" in done["comment"]
        assert "not-this-one" not in done["comment"]


def test_an_account_that_can_t_be_an_administrator(site):
    salt = Salt("mattermost", site.profile)
    site.make("/bots", username="abot")
    person = site.person("sso.person")
    site.put(f"/users/{person['id']}/auth", auth_service="gitlab", auth_data="4711")
    for name, words in (("abot", "is a bot"), ("sso.person", "logs in through gitlab"), ("new.one", "email")):
        done = salt.state("administrator_present", name, password=PASSWORD)
        assert (done["result"], done["changes"]) == (False, {}) and words in done["comment"], done
    done = salt.state("administrator_present", "new.one", password="short", email="new@example.test")
    assert done["result"] is False and "at least 8 characters" in done["comment"]
    assert "'short'" not in done["comment"]


def test_a_dry_run_goes_on_where_its_administrator_would_be_made(empty):
    """What the states behind it would do is seen through local mode, which needs no account."""

    def run(test):
        _, states = load({"test": test}, Salt("mattermost", empty.profile).pillar)
        settings = {"TeamSettings": {"MaxUsersPerTeam": 77}}
        return [
            states["itstack_mattermost.administrator_present"](name=ADMIN, email=EMAIL),
            states["itstack_mattermost.config_present"](name="x", settings=settings),
            states["itstack_mattermost.team_present"](name=TEAM),
            states["itstack_mattermost.channel_present"](name="ops", purpose="p"),
            states["itstack_mattermost.member_present"](name=ADMIN, channel="ops"),
        ]

    predicted = [done["changes"] for done in run(True)]
    assert all(predicted[:4])
    done = run(False)
    assert {one["result"] for one in done} == {True}
    assert [one["changes"] for one in done[:4]] == predicted[:4]
    assert [one["changes"] for one in run(False)] == [{}] * 5


def test_local_mode_alone_is_enough_for_most(site):
    salt = Salt("mattermost", {"socket": site.socket, "team": TEAM})
    site.requests.clear()
    assert_converges(salt, "channel_present", "by-socket", purpose="p")
    assert site.channel("by-socket")["purpose"] == "p"
    assert not [one for one in site.requests if "login" in one]
    done = salt.state("bot_present", "by.socket")
    assert done["result"] is False and "give user and password in the profile" in done["comment"]


def test_a_token_is_enough(site):
    site.put("/config/patch", ServiceSettings={"EnableUserAccessTokens": True})
    token = site.make(f"/users/{site.get('/users/me')['id']}/tokens", description="t")["token"]
    site.requests.clear()
    salt = Salt("mattermost", {"url": site.profile["url"], "token": token, "team": TEAM})
    assert_converges(salt, "channel_present", "by-token")
    assert not [one for one in site.requests if "login" in one or "logout" in one]
    bad = Salt("mattermost", {"url": site.profile["url"], "token": "x" * 26, "team": TEAM})
    done = bad.state("channel_present", "by-token")
    assert done["result"] is False and "Remedy: check the profile's account" in done["comment"]


# Settings


def test_only_declared_settings_are_compared_and_sent(salt, site):
    before = site.get("/config")
    wanted = {
        "TeamSettings": {"MaxUsersPerTeam": 123},
        "ServiceSettings": {
            "EnablePostUsernameOverride": True,
            "SiteURL": before["ServiceSettings"]["SiteURL"] + "/",
        },
        "LocalizationSettings": {"AvailableLocales": "en,de"},
    }  # fmt: skip
    changes = assert_converges(salt, "config_present", "x", settings=wanted)
    assert changed(changes) == {
        "TeamSettings.MaxUsersPerTeam": (50, 123),
        "ServiceSettings.EnablePostUsernameOverride": (False, True),
        "LocalizationSettings.AvailableLocales": ("", "en,de"),
    }
    after = site.get("/config")
    before["TeamSettings"]["MaxUsersPerTeam"] = 123
    before["ServiceSettings"]["EnablePostUsernameOverride"] = True
    before["LocalizationSettings"]["AvailableLocales"] = "en,de"
    assert after == before, "nothing else was touched"
    site.put("/config/patch", TeamSettings={"MaxUsersPerTeam": 9})
    assert set(assert_converges(salt, "config_present", "x", settings=wanted)) == {
        "TeamSettings.MaxUsersPerTeam"
    }


def test_a_secret_that_isn_t_shown_is_compared_by_what_was_written(salt, site):
    def wanted(secret):
        return {"GitLabSettings": {"Secret": secret, "Id": "mattermost"}}

    kept = lambda: json.loads(site.file.read_text())["GitLabSettings"]["Secret"]  # noqa: E731
    first = salt.state("config_present", "x", settings=wanted("Canary-one"))
    assert first["changes"]["GitLabSettings.Secret"]["new"] == "(hidden)" and kept() == "Canary-one"
    assert salt.state("config_present", "x", settings=wanted("Canary-one"))["changes"] == {}
    changes = assert_converges(salt, "config_present", "x", settings=wanted("Canary-two"))
    assert changed(changes) == {"GitLabSettings.Secret": ("(hidden)", "(hidden)")} and kept() == "Canary-two"
    site.put("/config/patch", GitLabSettings={"Secret": ""})
    changes = assert_converges(salt, "config_present", "x", settings=wanted("Canary-two"))
    assert set(changes) == {"GitLabSettings.Secret"} and kept() == "Canary-two"
    assert "Canary" not in str(changes)


def test_what_waits_for_a_restart_is_said(salt):
    settings = {"SqlSettings": {"MaxIdleConns": 31}, "TeamSettings": {"MaxUsersPerTeam": 31}}
    for test in (True, False):
        done = salt.state("config_present", "x", test=test, settings=settings)
        assert done["warnings"] == ["SqlSettings.MaxIdleConns: takes effect once the server is restarted"]
    assert "warnings" not in salt.state("config_present", "x", settings=settings)


@pytest.fixture
def locked(tmp_path, postgresql_server):
    made = make_site(tmp_path, postgresql_server, {"MM_TEAMSETTINGS_SITENAME": "Locked"}).start()
    yield made.administrator()
    made.stop()


def test_what_the_environment_holds_is_told_and_nothing_is_sent(locked):
    salt = Salt("mattermost", locked.profile)
    same = {"TeamSettings": {"SiteName": "Locked"}}
    assert salt.state("config_present", "x", settings=same)["changes"] == {}
    other = {"TeamSettings": {"SiteName": "Mine", "MaxUsersPerTeam": 5}, "SqlSettings": {"DataSource": "x"}}
    for test in (True, False):
        done = salt.state("config_present", "x", test=test, settings=other)
        assert (done["result"], done["changes"]) == (False, {})
        for word in ("TeamSettings.SiteName", "MM_TEAMSETTINGS_SITENAME", "MM_SQLSETTINGS_DATASOURCE"):
            assert word in done["comment"]
    assert locked.get("/config")["TeamSettings"]["MaxUsersPerTeam"] == 50
    assert "Locked" not in json.dumps(json.loads(locked.file.read_text())["TeamSettings"])


def test_what_the_server_refuses_is_told(salt, site):
    for settings, words in (
        ({"TeamSettings": {"MaxUsersPerTeam": 0}}, "Must be a positive number"),
        ({"ServiceSettings": {"ConnectionSecurity": "foo"}}, "webserver connection security"),
    ):
        done = salt.state("config_present", "x", settings=settings)
        assert (done["result"], done["changes"]) == (False, {}) and words in done["comment"]


# Readiness and proof


def test_ready_is_told_with_the_version(site):
    assert readiness(facts(site)) == "Mattermost 10.11.6"
    assert readiness(facts(site, external=True, url=site.profile["url"])) == "Mattermost 10.11.6"
    assert Salt("mattermost", site.profile).call("version") == "10.11.6"


def test_a_lost_database_isn_t_ready(tmp_path, postgresql_server):
    site = make_site(tmp_path, postgresql_server).start()
    postgresql_server.stop()
    try:
        assert site.call("GET", "/api/v4/system/ping").status == 200
        with pytest.raises(Unreachable, match="can't use its database"):
            readiness(facts(site))
    finally:
        postgresql_server.start()
        assert readiness(facts(site)) == "Mattermost 10.11.6"
        site.stop()


def test_what_isn_t_there_isn_t_ready(stopped_port):
    with pytest.raises(Unreachable, match="Remedy: start the service"):
        readiness({"address": "127.0.0.1", "ports": {"http": stopped_port}})


def test_what_was_said_through_a_hook_is_found_and_taken_away(salt, site):
    assert_converges(salt, "channel_present", "said")
    hook = site.make("/hooks/incoming", channel_id=site.channel("said")["id"], display_name="h")["id"]
    values = {"hook": f"{site.profile['url']}/hooks/{hook}", "ca": None}
    speak(values, "Deployment finished", "mark-4711")
    for _ in range(3):
        salt.call("post", "said", "something else")
    assert find_message(site.profile, TEAM, "#said", "mark-4711").endswith(" UTC")
    find_message(site.profile, TEAM, "said", "mark-4711", remove=True)
    with pytest.raises(Missing, match="mark-4711"):
        find_message(site.profile, TEAM, "said", "mark-4711", patience=0)


def test_what_appears_late_is_waited_for(salt, site):
    assert_converges(salt, "channel_present", "late")
    channel = site.channel("late")["id"]
    looked = f"GET /api/v4/channels/{channel}/posts"

    def say():
        # With the second look under way, the first one was in vain.
        until(lambda: site.requests.count(looked) > 1, "a second look")
        site.make("/posts", channel_id=channel, message="done (mark-4712)")

    site.requests.clear()
    speaker = threading.Thread(target=say)
    speaker.start()
    try:
        assert find_message(site.profile, TEAM, "late", "mark-4712", patience=20).endswith(" UTC")
    finally:
        speaker.join(timeout=30)


def test_the_data_source_never_shows(salt, site):
    found = [salt.call(function) for function in ("teams", "channels", "bots", "people", "version")]
    assert DATABASE_PASSWORD not in str(found) and PASSWORD not in str(found)
    assert [name for name in salt.call("people") if name == ADMIN]
