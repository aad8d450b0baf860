"""The Mattermost double against records of a real Mattermost 10.11.6 Team Edition, and its own deeds.

``tests/data/mattermost-answers.jsonl`` holds the recorded calls in their order. What the double doesn't offer
of them is named in ``NOT_OFFERED`` with the reason, what it answers differently in ``DIFFERENT``.
"""

import json
import logging
import pathlib
import re
import urllib.parse

import pytest
from database_fixtures import free_port, until
from mattermost_peer import Peer
from mattermost_replay import FILE, Double, Replay

pytest_plugins = ("database_fixtures",)

RECORDS = [
    json.loads(line)
    for line in (pathlib.Path(__file__).parents[1] / "data" / "mattermost-answers.jsonl")
    .read_text(encoding="utf-8")
    .splitlines()
]
# What the double doesn't offer. A shorter list is progress; a longer one must be meant.
NOT_OFFERED = {
    524: "the websocket",
    525: "the websocket",
    608: "audits: the log of what was done isn't kept",
    609: "analytics: nothing counts connections and active persons",
    613: "slash commands: only one of the thirty built-in ones was recorded",
}
# Recorded calls that can't be held against the double, and why.
DIFFERENT = {
    616: "clients that logged in get 244 keys, of which nine were recorded; the double has some 150",
    718: "says how long the recording server took",
}
PASSWORD = "Password of everybody 1"


def database(server, name):
    """The data source of a new database with an owner of its own."""
    server.sql(f"CREATE ROLE {name} LOGIN PASSWORD 'password-of-{name}'")
    server.sql(f"CREATE DATABASE {name} OWNER {name}")
    return (
        f"postgres://{name}:password-of-{name}@127.0.0.1:{server.port}/{name}"
        "?sslmode=disable&connect_timeout=10&binary_parameters=yes"
    )


class Story:
    """The recording from its beginning to its end, with what happened between the records."""

    def __init__(self, replay, postgresql):
        self.replay, self.double, self.postgresql = replay, replay.double, postgresql
        self.clock, self.made = 1000.0, 0

    def differences(self, record):
        """What the double answers differently to one record, or None when there's nothing to compare."""
        self.before(record["n"])
        method = record["request"]["method"]
        if method in ("OUT", "IDP"):
            return self.sent(record)
        if method == "NOTE":
            return self.note(record)
        said = re.match(r"userinfo answered: (.*); Location", record.get("note") or "")
        if said:
            self.replay.receiver.claims = json.loads(said[1])
            self.replay.receiver.token_type = "mac" if "not bearer" in record["label"] else "bearer"
        if method not in ("GET", "POST", "PUT", "DELETE", "PATCH"):
            return ["nothing to replay"]
        return self.replay.call(record, self.secret(record))

    def sent(self, record):
        """What the double has sent out by itself."""
        # That nothing was sent shows by what comes next being the first.
        found, wanted = [], record["response"]
        got = self.replay.receiver.next(len(wanted))
        for one in (*wanted, *got):
            text = re.sub(r"\b1\d{9,12}\b", "<time>", self.replay.fill(one["body"]))
            one["body"] = re.sub(r"(token\W+)[a-z0-9]{26}|(client_secret=)[^&]*", r"\1\2***", text)
        self.replay.compare(wanted, got, "", found)
        return found

    def note(self, record):
        """What was noted instead of being recorded."""
        known = {687: self.replay.entries, 688: {"created": self.made, "status": 201, "answer": None}}
        if record["n"] not in known:
            return ["no value that another server could have"]
        got = known[record["n"]]
        return [] if got == record["response"] else [f"{got} instead of {record['response']}"]

    def secret(self, record):
        """What stands for the asterisks in a record."""
        label = record["label"]
        if "wrong password" in label and "right one" not in label:
            return "wrong"
        if "empty password" in label or "no password" in label:
            return ""
        return "short" if "password too short" in label else PASSWORD

    def admin(self, method, path, body=None):
        answer = self.double.call(method, f"/api/v4{path}", body,
                                  {"Authorization": f"Bearer {self.replay.tokens['admin']}"})  # fmt: skip
        assert answer.status < 300, answer.text
        return answer

    def before(self, number):
        """What happened on the recorded server before a record without being recorded."""
        step = getattr(self, f"before_{number}", None)
        if step:
            step()

    # -- steps

    def restart(self, **sections):
        self.double.stop()
        self.double.configure(**sections)
        self.double.start()

    def answers_of_hooks(self, count):
        """Wait until what the receiver answered has become posts."""
        channel = self.replay.own[CHANNEL]

        def posted():
            posts = self.admin("GET", f"/channels/{channel}/posts").value["posts"].values()
            return sum(post["message"] == "answer from hook" for post in posts) == count

        until(posted, "the receiver's answer")

    def before_517(self):
        self.answers_of_hooks(1)

    def before_520(self):
        self.answers_of_hooks(2)

    def before_522(self):
        self.answers_of_hooks(3)

    def sign_in(self, **claims):
        """Finish a sign-in whose record is missing."""
        replay = self.replay
        replay.receiver.claims, replay.receiver.token_type = claims, "bearer"
        path = f"/signup/gitlab/complete?code=c1&state={urllib.parse.quote(replay.state)}"
        return self.double.call("GET", path, headers={"Cookie": f"MMOAUTH={replay.cookies['MMOAUTH']}"})

    def before_544(self):
        assert self.sign_in(email="lee@example.test", username="lee").status == 400

    def before_553(self):
        assert self.sign_in(id=4714, email="ann@example.test", username="other").status == 400

    def before_556(self):
        assert self.sign_in(id=4715, email="ann9@example.test", username="ann", name="A").status == 307

    def before_567(self):
        self.replay.cookies = {"MMOAUTH": ""}
        assert self.sign_in(id=4718, email="lee@example.test", username="lee").status == 400

    def before_627(self):
        self.restart(ServiceSettings={"EnableLocalMode": True, "LocalModeSocketLocation": self.double.socket})

    def before_652(self):
        self.restart(ServiceSettings={"EnableLocalMode": False},
                     RateLimitSettings={"Enable": True, "PerSec": 1, "MaxBurst": 4})  # fmt: skip
        self.double.mattermost.limiter.clock = lambda: self.clock

    def before_658(self):
        for _ in range(2):
            self.double.call("GET", "/api/v4/system/ping")

    def before_663(self):
        self.clock += 2

    def before_664(self):
        self.restart(RateLimitSettings={"Enable": False, "PerSec": 10, "MaxBurst": 100})

    def before_674(self):
        for _ in range(11):
            self.double.call("POST", "/api/v4/users/login", {"login_id": "eve", "password": "wrong"})

    def before_679(self):
        team = self.replay.own[TEAM]
        channel = self.replay.own[CHANNEL]
        for number in range(205):
            self.admin("POST", "/channels", {"team_id": team, "name": f"bulk-{number:03d}",
                                             "display_name": f"Bulk {number:03d}", "type": "O"})  # fmt: skip
            self.admin(
                "POST", "/hooks/incoming", {"channel_id": channel, "display_name": f"bulk {number:03d}"}
            )
            self.admin("POST", "/posts", {"channel_id": channel, "message": f"bulk {number:03d}"})

    def before_688(self):
        for number in range(262):
            self.made += 1
            name = f"user{number:03d}"
            person = {"username": name, "email": f"{name}@example.test", "password": PASSWORD}
            made = self.admin("POST", "/users", person)
        self.replay.own["5doy14h8afg63qn14qdz51dn1e"] = made.value["id"]

    def before_704(self):
        self.postgresql.stop()

    def before_714(self):
        self.postgresql.start()


TEAM, CHANNEL = "jdzdz1jrxfywtqzkan3bijnhxr", "n5tosgtzojbdxygb4rqdywacpc"


@pytest.fixture(scope="module")
def story(tmp_path_factory, postgresql_server):
    """The whole story, told once."""
    # Salt's handlers would keep what the double logs beyond the end of the tests.
    logging.getLogger("salt_itstack.lab.doubles.mattermost").propagate = False
    port = free_port()
    environment = {
        "MM_SERVICESETTINGS_SITEURL": f"http://127.0.0.1:{port}",
        "MM_SERVICESETTINGS_LISTENADDRESS": f"127.0.0.1:{port}",
        "MM_SQLSETTINGS_DRIVERNAME": "postgres",
        "MM_TEAMSETTINGS_SITENAME": "Recorder",
        "MM_METRICSSETTINGS_ENABLE": "false",
    }
    source = database(postgresql_server, "recorded")
    double = Double(tmp_path_factory.mktemp("recorded"), port, source, environment)
    double.configure(**FILE)
    double.start()
    peer = Peer()
    story = Story(Replay(double, peer), postgresql_server)
    try:
        story.answers = {record["n"]: story.differences(record) for record in RECORDS}
        yield story
    finally:
        double.stop()
        peer.close()
        if postgresql_server.process.poll() is not None:
            postgresql_server.start()


LABELS = {record["n"]: record["label"] for record in RECORDS}


def test_records_are_answered_as_recorded(story):
    wrong = {
        f"{number} {LABELS[number]}": found
        for number, found in story.answers.items()
        if found and number not in NOT_OFFERED and number not in DIFFERENT
    }
    assert not wrong, "\n".join(f"{name}: {'; '.join(found)[:400]}" for name, found in wrong.items())


def test_the_lists_of_what_is_different_are_exact(story):
    differing = {number for number, found in story.answers.items() if found}
    assert differing == NOT_OFFERED.keys() | DIFFERENT.keys()


def test_what_is_not_offered_is_refused_and_never_a_success(story):
    for path in ("websocket", "audits", "analytics/old", "commands", "files", "plugins", "emoji"):
        answer = story.double.call("GET", f"/api/v4/{path}", headers={"Upgrade": "websocket"})
        assert (answer.status, answer.value["id"]) == (501, "double.not_offered"), path


def test_the_comparison_sees_what_differs(story):
    record = next(record for record in RECORDS if record["label"] == "db back: teams list")
    answer, first = story.replay.send(record), record["response"][0]
    assert story.replay.differences(record, answer) == []
    for change in (
        {"display_name": "Another"}, {"id": record["response"][1]["id"]}, {"delete_at": 1795402362524},
        {"more": 1}, {"policy_id": ""}, {"allow_open_invite": 1},
    ):  # fmt: skip
        falsified = {**record, "response": [{**first, **change}, *record["response"][1:]]}
        assert story.replay.differences(falsified, answer), change
    assert story.replay.differences({**record, "status": 201}, answer)
    assert story.replay.differences({**record, "headers": {**record["headers"], "Etag": "x"}}, answer)
