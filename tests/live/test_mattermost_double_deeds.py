"""What the Mattermost double does beyond its recording: its process, its database, its file, its socket."""

import contextlib
import json
import os
import signal
import subprocess
import sys

import pytest
from database_fixtures import free_port, until
from mattermost_replay import Double

pytest_plugins = ("database_fixtures",)

PASSWORD = "Canary-of-a-person-17"
NAMES = iter(range(100))


class Process(Double):
    """The double as a process of its own, configured by its file."""

    def start(self):
        self.log = self.file.with_name("log")
        command = [sys.executable, "-m", "salt_itstack.lab.doubles.mattermost", "--address", "127.0.0.1",
                   "--port", self.port, "--config", self.file, "--socket", self.socket]  # fmt: skip
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [str(word) for word in command],
                stdout=log,
                stderr=log,
                env={**os.environ, **self.environment},
            )
        until(lambda: self.process.poll() is not None or self.answers(), "the start of the double")
        return self

    def answers(self):
        with contextlib.suppress(OSError):
            return self.call("GET", "/api/v4/system/ping").status == 200
        return False

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=10)


class Site:
    """A running double with an administrator, a team and a channel."""

    def __init__(self, double):
        self.double = double
        self.person("root")
        self.admin = double.login("root", PASSWORD)
        self.team = self.make("/teams", name="dev", display_name="Dev", type="O")["id"]
        self.channel = self.make("/channels", team_id=self.team, name="ops", display_name="Ops", type="O")[
            "id"
        ]

    def person(self, name):
        given = {"username": name, "email": f"{name}@example.test", "password": PASSWORD}
        answer = self.double.call("POST", "/api/v4/users", given, getattr(self, "admin", None))
        assert answer.status == 201, answer.text
        return answer.value

    def make(self, path, **fields):
        answer = self.double.call("POST", f"/api/v4{path}", fields, self.admin)
        assert answer.status in (200, 201), answer.text
        return answer.value

    def get(self, path, headers=None):
        return self.double.call("GET", f"/api/v4{path}", headers=headers or self.admin)

    def patch(self, **sections):
        answer = self.double.call("PUT", "/api/v4/config/patch", sections, self.admin)
        assert answer.status == 200, answer.text
        return answer.value


@pytest.fixture
def double(tmp_path, postgresql_server):
    """A process on an empty database, not started."""
    name = f"deeds{next(NAMES)}"
    postgresql_server.sql(f"CREATE ROLE {name} LOGIN PASSWORD 'Canary-of-{name}'")
    postgresql_server.sql(f"CREATE DATABASE {name} OWNER {name}")
    made = Process(tmp_path, free_port(), "")
    made.environment = {}
    made.database = name
    made.configure(
        SqlSettings={"DataSource": f"postgres://{name}:Canary-of-{name}@127.0.0.1:{postgresql_server.port}/{name}"
                                   "?sslmode=disable&connect_timeout=5"},
        ServiceSettings={"SiteURL": f"http://127.0.0.1:{made.port}", "EnableBotAccountCreation": True,
                         "EnableLocalMode": True},
        TeamSettings={"EnableOpenServer": True},
    )  # fmt: skip
    yield made
    process = getattr(made, "process", None)
    if process and process.poll() is None:
        made.stop()


@pytest.fixture
def site(double):
    return Site(double.start())


def test_the_first_person_is_the_administrator_and_no_other(double):
    double.start()
    given = {"username": "one", "email": "one@example.test", "password": PASSWORD}
    first = double.call("POST", "/api/v4/users", given)
    second = double.call("POST", "/api/v4/users", {**given, "username": "two", "email": "two@example.test"})
    assert (first.value["roles"], second.value["roles"]) == ("system_admin system_user", "system_user")
    answer = double.call("GET", "/api/v4/config", headers=double.login("two", PASSWORD))
    assert (answer.status, answer.value["id"]) == (403, "api.context.permissions.app_error")


def test_strangers_sign_up_only_on_an_open_server(site):
    site.patch(TeamSettings={"EnableOpenServer": False})
    given = {"username": "late", "email": "late@example.test", "password": PASSWORD}
    assert site.double.call("POST", "/api/v4/users", given).status == 403
    assert site.double.call("POST", "/api/v4/users", given, site.admin).status == 201


def test_a_restart_keeps_everything(site):
    hook = site.make("/hooks/incoming", channel_id=site.channel, display_name="h")
    post = site.make("/posts", channel_id=site.channel, message="before")
    site.patch(TeamSettings={"MaxUsersPerTeam": 77})
    assert site.double.stop() == 0
    site.double.start()
    assert site.get("/users/me").value["username"] == "root"
    assert site.get(f"/posts/{post['id']}").value["message"] == "before"
    assert site.get(f"/hooks/incoming/{hook['id']}").value == hook
    assert site.get("/config").value["TeamSettings"]["MaxUsersPerTeam"] == 77
    assert site.double.call("POST", f"/hooks/{hook['id']}", {"text": "after"}).text == "ok"


def test_a_bots_token_works_after_creation_is_switched_off(site):
    bot = site.make("/bots", username="bridge")
    token = site.make(f"/users/{bot['user_id']}/tokens", description="d")
    headers = {"Authorization": f"Bearer {token['token']}"}
    site.patch(ServiceSettings={"EnableBotAccountCreation": False, "EnableUserAccessTokens": False})
    refused = site.double.call("POST", "/api/v4/bots", {"username": "other"}, site.admin)
    assert (refused.status, refused.value["id"]) == (403, "api.bot.create_disabled")
    site.double.stop()
    site.double.start()
    assert site.get("/users/me", headers).value["id"] == bot["user_id"]
    shown = site.get(f"/users/{bot['user_id']}/tokens").text
    assert token["id"] in shown and token["token"] not in shown


def test_a_persons_token_ends_with_the_switch(site):
    site.patch(ServiceSettings={"EnableUserAccessTokens": True})
    user_id = site.get("/users/me").value["id"]
    token = site.make(f"/users/{user_id}/tokens", description="d")
    headers = {"Authorization": f"Bearer {token['token']}"}
    assert site.get("/users/me", headers).status == 200
    site.patch(ServiceSettings={"EnableUserAccessTokens": False})
    assert site.get("/users/me", headers).status == 401


def test_without_a_database_it_does_not_start(double, postgresql_server):
    double.configure(SqlSettings={"DataSource": json.loads(double.file.read_text())["SqlSettings"][
        "DataSource"].replace(str(postgresql_server.port), str(free_port()))})  # fmt: skip
    double.start()
    assert double.process.returncode == 1
    log = double.log.read_text()
    assert "the database can't be used" in log and log.count("\n") == 1
    assert "Canary" not in log


def test_a_role_that_may_not_make_tables_does_not_start(double, postgresql_server):
    postgresql_server.sql(f"ALTER DATABASE {double.database} OWNER TO postgres")
    double.start()
    assert double.process.returncode == 1
    assert "permission denied" in double.log.read_text()


def test_a_lost_database_comes_back(site, postgresql_server):
    hook = site.make("/hooks/incoming", channel_id=site.channel, display_name="h")
    postgresql_server.stop()
    try:
        assert site.get("/system/ping").status == 200
        assert site.get("/system/ping?get_server_status=true").status == 500
        assert site.double.call("POST", f"/hooks/{hook['id']}", {"text": "lost"}).status == 500
        post = site.double.call(
            "POST", "/api/v4/posts", {"channel_id": site.channel, "message": "lost"}, site.admin
        )
        assert (post.status, post.value["id"]) == (400, "api.context.invalid_param.app_error")
        assert site.get("/config").status == 200
        assert site.get("/users/me", {"Authorization": "Bearer unknown"}).status == 401
    finally:
        postgresql_server.start()
    assert site.double.call("POST", f"/hooks/{hook['id']}", {"text": "kept"}).text == "ok"
    posts = site.get(f"/channels/{site.channel}/posts").value["posts"].values()
    assert "kept" in [post["message"] for post in posts] and "lost" not in [post["message"] for post in posts]


def test_a_cut_connection_is_not_noticed(site, postgresql_server):
    postgresql_server.sql(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{site.double.database}'"
    )
    assert site.get("/teams/name/dev").status == 200


def test_what_the_database_holds_shows_at_once(site, postgresql_server):
    postgresql_server.sql(
        "UPDATE teams SET data = jsonb_set(data, '{display_name}', '\"Restored\"')",
        database=site.double.database,
    )
    assert site.get("/teams/name/dev").value["display_name"] == "Restored"


def test_a_failed_request_leaves_nothing_behind(site):
    known, unknown = site.person("ann")["id"], "z" * 26
    members = [{"team_id": site.team, "user_id": one} for one in (known, unknown)]
    answer = site.double.call("POST", f"/api/v4/teams/{site.team}/members/batch", members, site.admin)
    assert answer.status == 404
    assert site.get(f"/teams/{site.team}/members/{known}").status == 404


def test_the_file_is_replaced_whole_and_the_environment_stays_out_of_it(double):
    double.environment = {"MM_TEAMSETTINGS_SITENAME": "Locked", "MM_RATELIMITSETTINGS_PERSEC": "7"}
    double.configure(TeamSettings={"SiteName": "Of the file"})
    double.file.chmod(0o640)
    site = Site(double.start())
    shown = site.patch(
        TeamSettings={"SiteName": "Other", "MaxUsersPerTeam": 9}, GitLabSettings={"Secret": "s3"}
    )
    assert (shown["TeamSettings"]["SiteName"], shown["TeamSettings"]["MaxUsersPerTeam"]) == ("Locked", 9)
    assert shown["RateLimitSettings"]["PerSec"] == 7
    assert shown["GitLabSettings"]["Secret"] == shown["SqlSettings"]["DataSource"] == "*" * 32
    locked = {"TeamSettings": {"SiteName": True}, "RateLimitSettings": {"PerSec": True}}
    assert site.get("/config/environment").value == locked
    kept = json.loads(double.file.read_text())
    assert (kept["TeamSettings"]["SiteName"], kept["TeamSettings"]["MaxUsersPerTeam"]) == ("Of the file", 9)
    assert kept["GitLabSettings"]["Secret"] == "s3"
    assert double.file.stat().st_mode & 0o7777 == 0o640
    assert [path.name for path in double.file.parent.glob(".config.json.*")] == []


def test_a_changed_file_is_read_on_reload(site):
    site.double.configure(TeamSettings={"MaxUsersPerTeam": 12})
    assert site.get("/config").value["TeamSettings"]["MaxUsersPerTeam"] == 50
    site.make("/config/reload")
    assert site.get("/config").value["TeamSettings"]["MaxUsersPerTeam"] == 12


def test_the_local_socket_needs_no_login_and_is_its_owners(site):
    answer = site.double.call("GET", "/api/v4/teams/name/dev", local=True)
    assert (answer.status, answer.value["id"]) == (200, site.team)
    assert site.double.call("POST", "/api/v4/bots", {"username": "b"}, local=True).status == 404
    assert os.stat(site.double.socket).st_mode & 0o777 == 0o600
    assert (
        "Canary" in site.double.call("GET", "/api/v4/config", local=True).value["SqlSettings"]["DataSource"]
    )


def test_without_local_mode_there_is_no_socket(double):
    double.configure(ServiceSettings={"EnableLocalMode": False})
    double.start()
    assert not os.path.exists(double.socket)


def test_a_broken_file_is_named(double):
    double.file.write_text('{"TeamSettings": {"MaxUsersPerTeam": "many"}}')
    double.start()
    assert double.process.returncode == 1
    assert f"{double.file}: TeamSettings.MaxUsersPerTeam: int expected" in double.log.read_text()


def test_no_body_however_odd_is_more_than_a_refused_one(site):
    post = site.make("/posts", channel_id=site.channel, message="m")["id"]
    hook = site.make("/hooks/incoming", channel_id=site.channel, display_name="h")["id"]
    person = site.person("ann")["id"]
    paths = (
        "POST /users", "POST /users/login", "POST /users/ids", "POST /users/search",
        f"PUT /users/{person}/patch",
        f"PUT /users/{person}/roles", "POST /teams", f"PUT /teams/{site.team}/patch", "POST /channels",
        f"POST /teams/{site.team}/members", f"POST /teams/{site.team}/members/batch", "POST /channels/direct",
        f"PUT /channels/{site.channel}/patch", f"POST /channels/{site.channel}/members", "POST /bots",
        f"POST /users/{person}/tokens", "POST /users/tokens/revoke", "POST /hooks/incoming", "POST /posts",
        f"PUT /hooks/incoming/{hook}", "POST /hooks/outgoing", f"PUT /posts/{post}/patch", "POST /reactions",
        f"POST /teams/{site.team}/posts/search", "PUT /config/patch", f"POST /hooks/{hook}",
    )  # fmt: skip
    names = ("username", "email", "name", "display_name", "type", "team_id", "channel_id", "user_id",
             "user_ids",
             "message", "props", "text", "attachments", "trigger_words", "callback_urls", "roles", "token_id",
             "terms", "term", "description", "TeamSettings", "id", "root_id")  # fmt: skip
    odd = (None, 1, "x", True, [], {}, [1], ["x"], [{}], [None])
    bodies = [*odd, *({name: value for name in names} for value in odd)]
    for path in paths:
        method, _, place = path.partition(" ")
        place = place if place == f"/hooks/{hook}" else f"/api/v4{place}"
        for body in bodies:
            answer = site.double.call(method, place, json.dumps(body).encode(), site.admin)
            assert answer.status < 500 or answer.status == 501, (path, body, answer.text)


def test_no_secret_is_logged(site):
    hook = site.make("/hooks/incoming", channel_id=site.channel, display_name="h")
    site.double.call("POST", f"/hooks/{hook['id']}", {"text": "x"})
    site.double.stop()
    log = site.double.log.read_text()
    assert "/hooks/***" in log
    assert not [secret for secret in ("Canary", hook["id"], site.admin["Authorization"][7:]) if secret in log]
