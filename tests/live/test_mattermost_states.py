"""Mattermost's states against the double, through Salt's own loader."""

import uuid

import pytest
from database_fixtures import Salt, assert_converges
from mattermost_fixtures import ADMIN, DATABASE_PASSWORD, PASSWORD, TEAM
from salt_loader import load

pytest_plugins = ("database_fixtures", "mattermost_fixtures")


@pytest.fixture
def name():
    return f"x{uuid.uuid4().hex[:8]}"


def changed(changes):
    return {key: (change["old"], change["new"]) for key, change in changes.items()}


# Teams


def test_a_team_is_made_changed_and_put_back(salt, site, name):
    changes = assert_converges(salt, "team_present", name, display_name="Ops", description="d", open=True)
    assert changed(changes) == {
        "display_name": (None, "Ops"), "description": (None, "d"), "open": (None, True),
    }  # fmt: skip
    team = site.get(f"/teams/name/{name}")
    assert (team["display_name"], team["allow_open_invite"], team["type"]) == ("Ops", True, "O")
    site.put(f"/teams/{team['id']}/patch", display_name="Mine", description="by hand")
    changes = assert_converges(salt, "team_present", name, display_name="Ops", open=False)
    assert changed(changes) == {"display_name": ("Mine", "Ops"), "open": (True, False)}
    assert site.get(f"/teams/name/{name}")["description"] == "by hand", "it wasn't declared"


def test_an_archived_team_is_restored_and_told(salt, site, name):
    assert_converges(salt, "team_present", name)
    assert_converges(salt, "team_absent", name)
    assert site.get(f"/teams/name/{name}")["delete_at"] > 0
    assert salt.call("teams")[name]["archived"] is True
    changes = assert_converges(salt, "team_present", name, description="again")
    assert changed(changes) == {"archived": (True, False), "description": ("", "again")}
    assert site.get(f"/teams/name/{name}")["delete_at"] == 0


# Channels


def test_a_channel_is_made_changed_and_put_back(salt, site, name):
    wanted = {"team": TEAM, "display_name": "Alerts", "purpose": "p", "header": "h"}
    changes = assert_converges(salt, "channel_present", name, **wanted)
    assert set(changes) == {"display_name", "purpose", "header"}
    assert site.channel(name)["type"] == "O"
    found = site.channel(name)
    site.put(f"/channels/{found['id']}/patch", purpose="mine", header="mine")
    changes = assert_converges(salt, "channel_present", name, team=TEAM, purpose="p")
    assert changed(changes) == {"purpose": ("mine", "p")}
    assert site.channel(name)["header"] == "mine", "it wasn't declared"


@pytest.mark.parametrize("private", [True, False])
def test_who_sees_a_channel_is_kept(salt, site, name, private):
    assert_converges(salt, "channel_present", name, private=private)
    found = site.channel(name)
    assert found["type"] == ("P" if private else "O")
    site.put(f"/channels/{found['id']}/privacy", privacy="O" if private else "P")
    assert changed(assert_converges(salt, "channel_present", name, private=private)) == {
        "private": (not private, private)
    }
    assert site.channel(name)["type"] == ("P" if private else "O")


def test_an_archived_channel_is_restored_and_its_hooks_are_told_of(salt, site, name):
    assert_converges(salt, "channel_present", name)
    hook = site.make("/hooks/incoming", channel_id=site.channel(name)["id"], display_name="h")
    assert_converges(salt, "channel_absent", name)
    assert site.channel(name)["delete_at"] > 0
    for test in (True, False):
        done = salt.state("channel_present", name, test=test, purpose="p")
        assert changed(done["changes"]) == {"archived": (True, False), "purpose": ("", "p")}
        assert "hooks" in str(done["warnings"])
    assert site.channel(name)["delete_at"] == 0 and site.get(f"/hooks/incoming/{hook['id']}") == 404
    assert salt.state("channel_present", name, purpose="p")["changes"] == {}


def test_a_hash_before_the_name_is_dropped(salt, site, name):
    assert_converges(salt, "channel_present", f"#{name}")
    assert salt.state("channel_present", name)["changes"] == {}
    assert site.channel(name)["name"] == name


def test_a_channel_of_a_team_that_this_dry_run_would_make(salt, name):
    _, states = load({"test": True}, salt.pillar)
    assert states["itstack_mattermost.team_present"](name=name)["result"] is None
    done = states["itstack_mattermost.channel_present"](name="ops", team=name)
    assert (done["result"], changed(done["changes"])) == (None, {"exists": (False, True)})
    done = states["itstack_mattermost.member_present"](name=ADMIN, team=name, channel="ops")
    assert done["result"] is False, "nobody would make the member of the team"
    states["itstack_mattermost.bot_present"](name=f"{name}.bot")
    for channel in (None, "ops"):
        done = states["itstack_mattermost.member_present"](name=f"{name}.bot", team=name, channel=channel)
        assert changed(done["changes"]) == {f"{name}.bot": ("absent", "member")}, done


def test_fifty_channels_are_checked_by_a_handful_of_requests(salt, site, name):
    def run():
        _, states = load({"test": False}, salt.pillar)
        return [
            states["itstack_mattermost.channel_present"](name=f"{name}-{number}", purpose="p")
            for number in range(50)
        ]

    assert {done["result"] for done in run()} == {True}
    before = site.sessions()
    site.requests.clear()
    assert {(done["result"], bool(done["changes"])) for done in run()} == {(True, False)}
    assert site.requests == [
        "POST /api/v4/users/login", "GET /api/v4/teams", "GET /api/v4/channels", "POST /api/v4/users/logout",
    ]  # fmt: skip
    assert site.sessions() == before, "the session was ended"


def test_more_channels_than_a_page_holds(salt, site, name):
    for number in range(205):
        site.make("/channels", team_id=site.get(f"/teams/name/{TEAM}")["id"], name=f"{name}-{number}",
                  display_name=f"{name} {number}", type="O")  # fmt: skip
    found = salt.call("channels", TEAM)
    assert {f"{name}-{number}" for number in range(205)} <= set(found)


# Members


@pytest.fixture
def people(site, name):
    made = [f"{name}.{letter}" for letter in "abc"]
    for one in made:
        site.person(one)
    return made


def ids(site, path):
    return {row["user_id"] for row in site.get(f"{path}?per_page=200")}


def test_members_of_a_team_and_a_channel(salt, site, name, people):
    assert_converges(salt, "channel_present", name, private=True)
    team, channel = site.get(f"/teams/name/{TEAM}")["id"], site.channel(name)["id"]
    own = {site.get(f"/users/username/{one}")["id"] for one in people}
    refused = salt.state("member_present", "all", users=people, channel=name)
    assert refused["result"] is False and "being in the team" in refused["comment"]
    changes = assert_converges(salt, "member_present", "all", users=people, team=TEAM)
    assert changed(changes) == {one: ("absent", "member") for one in people}
    assert own <= ids(site, f"/teams/{team}/members")
    assert set(assert_converges(salt, "member_present", people[0], channel=name)) == {people[0]}
    changes = assert_converges(salt, "member_present", "all", users=people, channel=name, administrator=True)
    assert changed(changes) == {
        people[0]: ("member", "administrator"), people[1]: ("absent", "administrator"),
        people[2]: ("absent", "administrator"),
    }  # fmt: skip
    assert salt.state("member_present", people[0], channel=name)["changes"] == {}, "its role wasn't declared"
    site.call("DELETE", f"/api/v4/channels/{channel}/members/{min(own)}", headers=site.admin)
    assert len(assert_converges(salt, "member_present", "all", users=people, channel=name)) == 1
    changes = assert_converges(salt, "member_absent", people[0], channel=name)
    assert set(changes) == {people[0]} and len(own & ids(site, f"/channels/{channel}/members")) == 2
    assert_converges(salt, "member_absent", "all", users=people)
    assert not own & (ids(site, f"/teams/{team}/members") | ids(site, f"/channels/{channel}/members"))


def test_three_hundred_people_are_added_by_few_requests(salt, site, name):
    made = [f"{name}.{number}" for number in range(300)]
    for one in made:
        site.person(one)
    site.requests.clear()
    assert len(salt.state("member_present", "all", users=made, team=TEAM)["changes"]) == 300
    assert (
        site.requests.count(f"POST /api/v4/teams/{site.get(f'/teams/name/{TEAM}')['id']}/members/batch") == 2
    )
    site.requests.clear()
    assert salt.state("member_present", "all", users=made, team=TEAM)["changes"] == {}
    assert len(site.requests) <= 10, site.requests
    salt.state("member_absent", "all", users=made)


def test_who_isn_t_there_is_told_before_anybody_is_added(salt, site, people):
    done = salt.state("member_present", "all", users=[*people, f"{people[0]}x"], team=TEAM)
    assert done["result"] is False and f"did you mean {people[0]}?" in done["comment"]
    team = site.get(f"/teams/name/{TEAM}")["id"]
    assert site.get(f"/users/username/{people[0]}")["id"] not in ids(site, f"/teams/{team}/members")


# Bots


def test_a_bot_is_made_changed_disabled_and_enabled(salt, site, name):
    changes = assert_converges(salt, "bot_present", name, display_name="Z", description="d")
    assert changed(changes) == {"display_name": (None, "Z"), "description": (None, "d")}
    bot = salt.call("bots")[name]
    token = site.make(f"/users/{bot['id']}/tokens", description="t")["token"]
    mine = {"Authorization": f"Bearer {token}"}
    site.put(f"/bots/{bot['id']}", username=name, description="mine")
    assert changed(assert_converges(salt, "bot_present", name, description="d")) == {
        "description": ("mine", "d")
    }
    assert_converges(salt, "bot_absent", name)
    assert site.call("GET", "/api/v4/users/me", headers=mine).status == 401
    assert changed(assert_converges(salt, "bot_present", name)) == {"enabled": (False, True)}
    assert site.call("GET", "/api/v4/users/me", headers=mine).status == 200


def test_a_persons_name_is_no_bots(salt, people):
    for test in (True, False):
        done = salt.state("bot_present", people[0], test=test)
        assert done["result"] is False and "account of a person" in done["comment"]


def test_bots_that_are_switched_off_are_told_with_the_setting(salt, site, name):
    site.put("/config/patch", ServiceSettings={"EnableBotAccountCreation": False})
    done = salt.state("bot_present", name)
    assert done["result"] is False
    assert "Remedy: set ServiceSettings.EnableBotAccountCreation to true" in done["comment"]
    both = {"ServiceSettings": {"EnableBotAccountCreation": True}}
    assert_converges(salt, "config_present", "bots", settings=both)
    assert_converges(salt, "bot_present", name)


# Posts


def test_a_post_is_written_once_and_read(salt, site, name):
    assert_converges(salt, "channel_present", name)
    identifier = salt.call("post", f"#{name}", "the **disk** is full")
    found = salt.call("posts", name)
    assert [row["id"] for row in found if row["text"] == "the **disk** is full"] == [identifier]
    assert salt.call("posts", name, since=found[0]["when"] + 1) == []
    site.call("DELETE", f"/api/v4/posts/{identifier}", headers=site.admin)
    assert identifier not in [row["id"] for row in salt.call("posts", name, since=found[0]["when"] - 60)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nowhere-at-all", "x"), "doesn't exist"),
        (("Town Square", "x"), "isn't a channel's name"),
        (("town-square", " "), "nothing to say"),
        ((None, "x"), "in YAML, # begins a comment"),
    ],
)
def test_a_post_that_can_t_be_written(salt, arguments, words):
    with pytest.raises(Exception, match=words):
        salt.call("post", *arguments)


# What is wrong


@pytest.mark.parametrize(
    ("function", "name", "arguments", "words"),
    [
        ("team_present", "It Stack", {}, "use 2 to 64 of a-z, 0-9 and -, such as it stack"),
        ("team_present", "admins", {}, "Mattermost's own addresses"),
        ("team_present", "ops", {"displayname": "x"}, "did you mean display_name?"),
        ("team_present", "ops", {"open": "yes"}, "write true or false"),
        ("team_present", "ops", {"display_name": ""}, "is empty"),
        ("channel_present", "Ops", {}, "such as ops"),
        ("channel_present", "o" * 65, {}, "1 to 64"),
        ("channel_present", "ops", {"purpose": "x" * 251}, "250 are the most"),
        ("channel_present", "ops", {"team": "it-stak"}, "did you mean it-stack?"),
        ("channel_present", "ops", {"privat": True}, "did you mean private?"),
        ("channel_absent", "ops", {"teem": "x"}, "did you mean team?"),
        ("member_present", "ann", {"chanel": "x"}, "did you mean channel?"),
        ("member_present", "ann", {"users": 3}, "isn't a list"),
        ("bot_present", "a b", {}, "isn't an account's name"),
        ("bot_present", "zab", {"descripton": "x"}, "did you mean description?"),
        ("administrator_present", "root", {"emial": "x"}, "did you mean email?"),
        ("config_present", "x", {"settings": {"TeamSetings": {"A": 1}}}, "did you mean TeamSettings?"),
        ("config_present", "x", {"settings": {"TeamSettings": {"MaxUserPerTeam": 1}}}, "MaxUsersPerTeam?"),
        ("config_present", "x", {"settings": {"TeamSettings": {"MaxUsersPerTeam": "1"}}}, "a whole number"),
        ("config_present", "x", {"settings": {"PluginSettings": {"EnableUploads": True}}}, "config.json"),
        ("config_present", "x", {"settings": ["a"]}, "isn't a map"),
    ],
)  # fmt: skip
def test_what_can_t_be_declared_is_refused_before_anything_is_sent(
    salt, site, function, name, arguments, words
):
    site.requests.clear()
    for test in (True, False):
        done = salt.state(function, name, test=test, **arguments)
        assert (done["result"], done["changes"]) == (False, {}), done
        assert words in done["comment"]
    assert not [one for one in site.requests if not one.startswith("GET") and "/log" not in one]


STATES = [
    ("team_present", "ops", {}),
    ("team_absent", "ops", {}),
    ("channel_present", "ops", {}),
    ("channel_absent", "ops", {}),
    ("member_present", ADMIN, {}),
    ("member_absent", ADMIN, {}),
    ("bot_present", "zab", {}),
    ("bot_absent", "zab", {}),
    ("config_present", "x", {"settings": {"TeamSettings": {"MaxUsersPerTeam": 7}}}),
]


@pytest.mark.parametrize(("function", "name", "arguments"), STATES)
def test_wrong_credentials_are_told_with_a_remedy(site, function, name, arguments):
    salt = Salt("mattermost", {**site.profile, "password": "wrong-one"})
    done = salt.state(function, name, **arguments)
    site.make(f"/users/{site.get('/users/me')['id']}/reset_failed_attempts")
    assert (done["result"], done["changes"]) == (False, {})
    assert "Remedy: check the profile's account" in done["comment"] and "wrong-one" not in done["comment"]


def test_a_wrong_password_is_tried_once_in_a_run(site):
    _, states = load({"test": False}, Salt("mattermost", {**site.profile, "password": "wrong"}).pillar)
    site.requests.clear()
    for number in range(12):
        assert states["itstack_mattermost.team_present"](name=f"t{number}")["result"] is False
    assert site.requests.count("POST /api/v4/users/login") == 1
    site.make(f"/users/{site.get('/users/me')['id']}/reset_failed_attempts")


def test_an_account_without_rights_is_told_so(site, people):
    weak = Salt("mattermost", {**site.profile, "user": people[0]})
    done = weak.state("bot_present", "zab")
    assert (done["result"], done["changes"]) == (False, {}) and "rights" in done["comment"]


@pytest.mark.parametrize(("function", "name", "arguments"), STATES)
def test_a_stopped_server_is_told_with_a_remedy(stopped_port, function, name, arguments):
    profile = {"url": f"http://127.0.0.1:{stopped_port}", "user": "u", "password": PASSWORD, "team": TEAM}
    for test in (True, False):
        done = Salt("mattermost", profile).state(function, name, test=test, **arguments)
        assert (done["result"], done["changes"]) == (False, {})
        assert "refused" in done["comment"] and "Remedy: start the service" in done["comment"]


def test_a_dry_run_predicts_what_this_run_would_start(site, stopped_port, name, people):
    profile = {**site.profile, "url": f"http://127.0.0.1:{stopped_port}"}
    absent = Salt("mattermost", profile, services={"mattermost": {}})
    real = Salt("mattermost", site.profile)
    for function, subject, arguments in (
        ("team_present", f"t{name}", {"display_name": "T", "open": True}),
        ("channel_present", name, {"purpose": "p", "private": True}),
        ("bot_present", f"{name}.bot", {"description": "d"}),
        ("member_present", people[0], {"team": TEAM}),
    ):
        predicted = absent.state(function, subject, test=True, **arguments)
        assert predicted["result"] is None, predicted
        assert real.state(function, subject, **arguments)["changes"] == predicted["changes"]
    for function, subject in (("team_absent", "x2"), ("channel_absent", "x2"), ("bot_absent", "x2")):
        assert absent.state(function, subject, test=True)["result"] is True
    assert absent.state("channel_present", "A b", test=True)["result"] is False


@pytest.mark.parametrize(
    ("profile", "words"),
    [
        ({"user": "u", "password": "p"}, "has no url"),
        ({"url": "http://127.0.0.1:1", "user": "u"}, "has no token, user and password, or socket"),
        ({"url": "http://u:p@127.0.0.1:1", "token": "t"}, "holds credentials"),
    ],
)
def test_a_profile_that_leads_nowhere(profile, words):
    done = Salt("mattermost", {**profile, "team": TEAM}).state("channel_present", "ops")
    assert (done["result"], done["changes"]) == (False, {}) and words in done["comment"]


def test_with_its_database_away_nobodys_password_is_called_wrong(tmp_path, postgresql_server):
    from mattermost_fixtures import make_site

    site = make_site(tmp_path, postgresql_server).start().administrator()
    salt = Salt("mattermost", site.profile)
    site.make("/teams", name=TEAM, display_name="IT-Stack", type="O")
    postgresql_server.stop()
    try:
        for function, subject, arguments in (
            *STATES,
            ("administrator_present", ADMIN, {"email": "a@b.test"}),
        ):
            done = salt.state(function, subject, **arguments)
            assert (done["result"], done["changes"]) == (False, {})
            assert "can't use its database" in done["comment"], done
        with pytest.raises(Exception, match="can't use its database"):
            salt.call("post", "town-square", "x")
    finally:
        postgresql_server.start()
    assert salt.state("channel_present", "town-square")["changes"] == {}
    site.stop()


def test_nothing_confidential_is_in_a_report(salt, site, name):
    done = [
        salt.state("team_present", name), salt.call("people"), salt.call("teams"),
        salt.state("config_present", "x", settings={"GitLabSettings": {"Secret": "Canary-of-a-setting"}}),
    ]  # fmt: skip
    assert "Canary" not in str(done) and DATABASE_PASSWORD not in str(done)
    assert done[-1]["changes"] == {"GitLabSettings.Secret": {"old": "(hidden)", "new": "(hidden)"}}
