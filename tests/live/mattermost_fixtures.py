"""The Mattermost double for tests of our states: in this process, on a real PostgreSQL, counting requests.

Imported by the tests before pytest loads it as a plug-in, hence: PYTEST_DONT_REWRITE.
"""

import pytest
from database_fixtures import Salt, free_port
from mattermost_replay import Double

ADMIN = "salt-itstack"
PASSWORD = "Canary-of-the-administrator-41"
DATABASE_PASSWORD = "Canary-of-the-database-7"
TEAM = "it-stack"
_NUMBERS = iter(range(1000))


class Site(Double):
    """A double with the requests that it was asked, and the profile of its administrator."""

    def __init__(self, folder, port, source, environment=None):
        super().__init__(folder, port, source, environment)
        self.requests = []
        self.configure(
            ServiceSettings={"EnableLocalMode": True, "EnableBotAccountCreation": True,
                             "SiteURL": f"http://127.0.0.1:{port}"},
            EmailSettings={"SendEmailNotifications": False},
        )  # fmt: skip

    def start(self):
        super().start()
        answer = self.mattermost.answer

        def counted(call):
            self.requests.append(f"{call.method} {call.path}{' (local)' if call.local else ''}")
            return answer(call)

        self.mattermost.answer = counted
        return self

    @property
    def profile(self):
        return {"url": f"http://127.0.0.1:{self.port}", "user": ADMIN, "password": PASSWORD,
                "socket": self.socket, "team": TEAM}  # fmt: skip

    def administrator(self):
        """The first account, made as a person would; the headers of its session."""
        given = {"username": ADMIN, "email": f"{ADMIN}@example.test", "password": PASSWORD}
        assert self.call("POST", "/api/v4/users", given).status == 201
        self.admin = self.login(ADMIN, PASSWORD)
        return self

    def make(self, path, **fields):
        answer = self.call("POST", f"/api/v4{path}", fields, self.admin)
        assert answer.status in (200, 201), answer.text
        return answer.value

    def person(self, name):
        return self.make("/users", username=name, email=f"{name}@example.test", password=PASSWORD)

    def get(self, path):
        """What the interface shows to the administrator, or the status of an error."""
        answer = self.call("GET", f"/api/v4{path}", headers=self.admin)
        return answer.value if answer.status == 200 else answer.status

    def put(self, path, **fields):
        answer = self.call("PUT", f"/api/v4{path}", fields, self.admin)
        assert answer.status == 200, answer.text
        return answer.value

    def channel(self, name, team=TEAM):
        return self.get(f"/teams/name/{team}/channels/name/{name}?include_deleted=true")

    def sessions(self):
        """How many logins of the administrator the server remembers."""
        return len(self.get("/users/me/sessions"))


def make_site(folder, postgresql_server, environment=None):
    """A double on an empty database, not started."""
    name = f"chat{next(_NUMBERS)}"
    postgresql_server.sql(f"CREATE ROLE {name} LOGIN PASSWORD '{DATABASE_PASSWORD}'")
    postgresql_server.sql(f"CREATE DATABASE {name} OWNER {name}")
    source = (
        f"postgres://{name}:{DATABASE_PASSWORD}@127.0.0.1:{postgresql_server.port}/{name}"
        "?sslmode=disable&connect_timeout=5"
    )
    return Site(folder, free_port(), source, environment)


@pytest.fixture(scope="module")
def site(tmp_path_factory, postgresql_server):
    """A running double with an administrator and a team."""
    made = make_site(tmp_path_factory.mktemp("mattermost"), postgresql_server).start().administrator()
    made.make("/teams", name=TEAM, display_name="IT-Stack", type="O")
    yield made
    made.stop()


@pytest.fixture
def empty(tmp_path, postgresql_server):
    """A running double without any account."""
    made = make_site(tmp_path, postgresql_server).start()
    yield made
    made.stop()


@pytest.fixture
def salt(site):
    return Salt("mattermost", site.profile)
