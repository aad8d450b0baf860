"""Replays recorded calls of a real Mattermost 10.11.6 on the double, and says where the double answers
differently.

Ids, times, tokens, ports and passwords differ from server to server: the replay binds each recorded id to the
double's when it first sees it, and from then on the same must stand in the same places.
"""

import contextlib
import http.client
import json
import re
import socket
import threading
import urllib.parse

from salt_itstack.lab.doubles.mattermost.configuration import Configuration
from salt_itstack.lab.doubles.mattermost.server import serve

ID = re.compile(r"(?<![A-Za-z0-9])[a-z0-9]{26}(?![A-Za-z0-9])")
REPEATED = re.compile(r"a\.\.\.\((\d+) a\)")
RECORDED_PORT, RECORDED_RECEIVER = "8465", "8477"
#: Counted by jobs of the real server a moment later than answered, so that records depend on their luck.
COUNTERS = {"mention_count", "mention_count_root", "msg_count", "msg_count_root"}
SECRETS = {"token"}
#: Differ from server to server: only whether they're masked is compared.
OWN_VALUES = {"AtRestEncryptKey", "DataSource", "AsymmetricSigningPublicKey"}
MASK = "*" * 32
#: The record whose answer holds the token that later records are made with.
TOKENS = {16: "admin", 17: "admin2", 75: "user", 287: "bot", 302: "bot2", 672: "user"}
#: What the recording server had in its file, apart from what the environment set.
FILE = {
    "AnnouncementSettings": {"AdminNoticesEnabled": False, "UserNoticesEnabled": False},
    "EmailSettings": {"PushNotificationServer": "", "SMTPPort": "1", "SMTPServer": "127.0.0.1",
                      "SendEmailNotifications": False, "SendPushNotifications": False},
    "LogSettings": {"ConsoleLevel": "WARN", "EnableDiagnostics": False, "EnableFile": False,
                    "EnableSentry": False, "EnableWebhookDebugging": False},
    "PluginSettings": {"AutomaticPrepackagedPlugins": False, "Enable": False, "EnableMarketplace": False,
                       "EnableRemoteMarketplace": False, "PluginStates": {
                           "com.mattermost.calls": {"Enable": True}, "com.mattermost.nps": {"Enable": False},
                           "mattermost-ai": {"Enable": True}, "playbooks": {"Enable": True}}},
    "ServiceSettings": {"EnableBotAccountCreation": True, "EnableSecurityFixAlert": False,
                        "EnableUserAccessTokens": True},
    "TeamSettings": {"EnableOpenServer": True},
}  # fmt: skip


class SocketConnection(http.client.HTTPConnection):
    """HTTP over a local socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=30)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


class Answer:
    """A status, headers and a body that is parsed where it's JSON."""

    def __init__(self, response):
        self.status = response.status
        self.text = response.read().decode()
        self.headers = {}
        for name, value in response.getheaders():
            self.headers.setdefault(name, []).append(value)
        try:
            self.value = json.loads(self.text)
        except ValueError:
            self.value = self.text

    def header(self, name):
        return self.headers.get(name, [""])[0]


class Double:
    """The double in this process, on an address and a socket of its own."""

    def __init__(self, folder, port, source, environment=None):
        self.file, self.socket = folder / "config.json", str(folder / "local.socket")
        self.port, self.servers = port, []
        self.environment = {"MM_SQLSETTINGS_DATASOURCE": source, **(environment or {})}

    def configure(self, **sections):
        """Set keys in the file."""
        tree = json.loads(self.file.read_text()) if self.file.exists() else {}
        for section, values in sections.items():
            tree.setdefault(section, {}).update(values)
        self.file.write_text(json.dumps(tree))

    def start(self):
        config = Configuration(self.file, self.environment)
        self.servers = serve(config, "127.0.0.1", self.port, self.socket)
        for server in self.servers:
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self):
        for server in self.servers:
            server.shutdown()
            server.server_close()
        self.servers = []

    @property
    def mattermost(self):
        return self.servers[0].RequestHandlerClass.mattermost

    def call(self, method, path, body=None, headers=None, local=False):
        """One request."""
        connection = (
            SocketConnection(self.socket)
            if local
            else http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        )
        headers = {name: value for name, value in (headers or {}).items() if value is not None}
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body is not None and "Content-Type" not in headers:
            headers["Content-Type"] = "application/json"
        with contextlib.closing(connection):
            connection.request(method, path, body, headers)
            return Answer(connection.getresponse())

    def login(self, name, password):
        """The headers of somebody who has logged in."""
        answer = self.call("POST", "/api/v4/users/login", {"login_id": name, "password": password})
        assert answer.status == 200, answer.text
        return {"Authorization": f"Bearer {answer.header('Token')}"}


class Replay:
    """One empty double, and the recorded calls made on it in their order."""

    def __init__(self, double, receiver):
        self.double, self.receiver, self.state, self.tag = double, receiver, "", ""
        self.own, self.recorded = {"z" * 26: "z" * 26}, {"z" * 26: "z" * 26}
        self.tokens = {"bad": "bad"}
        self.cookies, self.config, self.times = {}, None, {}

    # -- making a recorded call

    def fill(self, text):
        """A recorded text with this replay's own values."""
        text = ID.sub(lambda found: self.own.get(found[0], found[0]), text)
        text = REPEATED.sub(lambda found: "a" * int(found[1]), text)
        text = re.sub(r"\b1795\d{9}\b", lambda found: str(self.times.get(int(found[0]), found[0])), text)
        for recorded, own in ((RECORDED_PORT, self.double.port), (RECORDED_RECEIVER, self.receiver.port)):
            text = re.sub(rf"(127\.0\.0\.1(?::|%3A)){recorded}\b", rf"\g<1>{own}", text)
        return text.replace("<dir>", str(self.double.file.parent))

    def body(self, record, secret):
        """(body, content type) of a recorded request."""
        asked, label = record["request"]["body"], record["label"]
        if asked == "<the full masked config from GET /config>":
            return self.config, None
        if isinstance(asked, dict) and "_raw" in asked:
            multipart = asked["_raw"].startswith("--B")
            kind = "multipart/form-data; boundary=B" if multipart else "application/json"
            return self.fill(asked["_raw"]).encode(), "" if "no ctype" in label else kind
        if isinstance(asked, dict) and "_form" in asked:
            return urllib.parse.urlencode(asked["_form"]).encode(), "application/x-www-form-urlencoded"
        if asked is None:
            return None, None
        text = json.dumps(asked)
        for name in ('"password": "***"', '"new_password": "***"', '"Secret": "***"'):
            text = text.replace(name, name.replace('"***"', json.dumps(secret)))
        return json.loads(self.fill(text)), None

    def call(self, record, secret):
        """Make a recorded call. Returns the differences as text."""
        answer = self.send(record, secret)
        self.remember(record, answer)
        return self.differences(record, answer)

    def send(self, record, secret=""):
        """The double's answer to a recorded call."""
        asked, who = record["request"], record["request"]["auth"]
        body, kind = self.body(record, secret)
        headers = {"Content-Type": kind, **asked.get("headers", {})}
        if who not in ("none", "localsocket"):
            headers["Authorization"] = f"Bearer {self.tokens[who]}"
        if "Cookie" in headers:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if "If-None-Match" in headers:
            headers["If-None-Match"] = self.tag
        path = self.fill(asked["path"]).replace("state=***", f"state={urllib.parse.quote(self.state)}")
        return self.double.call(asked["method"], path, body, headers, local=who == "localsocket")

    def remember(self, record, answer):
        """Keep what later calls need of an answer."""
        path = record["request"]["path"]
        if record["n"] in TOKENS and answer.status < 300:
            self.tokens[TOKENS[record["n"]]] = answer.header("Token") or answer.value["token"]
        if "Set-Cookie" in answer.headers and answer.status < 400:
            self.cookies = dict(one.split(";")[0].split("=", 1) for one in answer.headers["Set-Cookie"])
        if answer.status == 302:
            query = urllib.parse.urlsplit(answer.header("Location")).query
            self.state = dict(urllib.parse.parse_qsl(query))["state"]
        if isinstance(answer.value, dict) and "order" in answer.value:
            self.entries = len(answer.value["order"])
        if path == "/api/v4/config" and record["request"]["method"] == "GET":
            self.config = answer.value
        if path == "/api/v4/users/me" and answer.status == 200:
            self.tag = answer.header("Etag")

    # -- comparing

    def differences(self, record, answer):
        """Where an answer differs from the record."""
        found = []
        if answer.status != record["status"]:
            found.append(f"status {answer.status} instead of {record['status']}: {answer.text[:200]}")
        wanted, got = record["response"], answer.value
        trimmed = record.get("response_trimmed", "")
        if isinstance(wanted, str) and wanted and not isinstance(got, str):
            got = answer.text
        if not found and trimmed:
            found += self._trimmed(trimmed, wanted, got)
        elif not found:
            if record["request"]["path"].split("?")[0].endswith(("/members", "/channels")) and isinstance(
                wanted, list
            ):
                got = self._in_order(wanted, got)
            self.compare(wanted, got, "", found)
        return found + self._headers(record["headers"], answer)

    def _in_order(self, wanted, got):
        """Lists that the real server orders by ids, in the order of the recorded ids."""
        if not isinstance(got, list) or not got or "user_id" not in got[0]:
            return got
        places = {self.own.get(one["user_id"]): number for number, one in enumerate(wanted)}
        return sorted(got, key=lambda one: places.get(one["user_id"], 0))

    def _trimmed(self, trimmed, wanted, got):
        found = []
        first = re.fullmatch(r"first \d+ of (\d+)", trimmed)
        if first:
            if len(got) != int(first[1]):
                found.append(f"{len(got)} entries instead of {first[1]}")
            self.compare(wanted, got[: len(wanted)], "", found)
            return found
        names, count = re.fullmatch(r"only keys (\S+) of (\d+) top-level kept", trimmed).groups()
        if len(got) != int(count):
            found.append(f"{len(got)} keys instead of {count}")
        self.compare(wanted, {name: got[name] for name in names.split(",") if name in got}, "", found)
        return found

    def _headers(self, wanted, answer):
        found = []
        for name in ("Content-Type", "Expires", "Cache-Control", "Etag", "Set-Cookie", "Location", "Token",
                     "X-Ratelimit-Limit", "X-Ratelimit-Remaining", "X-Ratelimit-Reset", "Retry-After",
                     "X-Version-Id"):  # fmt: skip
            expected = wanted.get(name, [])
            expected = expected if isinstance(expected, list) else [expected]
            hidden = [self.hide(name, value) for value in answer.headers.get(name, [])]
            if hidden != [self.hide(name, self.fill(value)) for value in expected]:
                found.append(f"header {name} {hidden} instead of {expected}")
        return found

    @staticmethod
    def hide(name, value):
        """A header without what differs from server to server."""
        if name == "Token":
            return "***"
        if name == "Set-Cookie":
            value = re.sub(r"Expires=[^;]*", "Expires=<date>", value)
            return re.sub(r"^(\w+)=[^;]*", r"\1=***", value)
        if name == "X-Version-Id":
            return re.sub(r"\b[0-9a-f]{32}\b", "<digest>", value)
        if name == "Location":
            value = re.sub(r"state=[^&]*", "state=***", value)
            return value
        return re.sub(r"\b\d{13}\b", "<time>", value)

    def compare(self, wanted, got, where, found):
        """Add to ``found`` where two answers differ."""
        if isinstance(wanted, dict) and isinstance(got, dict):
            self._objects(wanted, got, where, found)
        elif isinstance(wanted, list) and isinstance(got, list):
            if len(wanted) != len(got):
                found.append(f"{where}: {len(got)} entries instead of {len(wanted)}")
            for number, (one, other) in enumerate(zip(wanted, got, strict=False)):
                self.compare(one, other, f"{where}[{number}]", found)
        elif isinstance(wanted, str) and isinstance(got, str):
            self._texts(wanted, got, where, found)
        elif isinstance(wanted, int) and wanted > 10**12 and isinstance(got, int) and got > 10**12:
            self.times[wanted] = got
        elif type(wanted) is not type(got) or wanted != got:
            found.append(f"{where}: {got!r:.200} instead of {wanted!r:.200}")

    def _objects(self, wanted, got, where, found):
        if wanted and all(ID.fullmatch(name) for name in wanted):
            wanted = {self.own.get(name, name): value for name, value in wanted.items()}
        for name in sorted(wanted.keys() | got.keys(), key=lambda name: (name != "order", name)):
            if name in COUNTERS or (name == "request_id" and name in wanted and name in got):
                continue
            if name not in wanted or name not in got:
                found.append(f"{where}.{name} {'is too much' if name in got else 'is missing'}")
            elif name in OWN_VALUES and wanted[name] != MASK:
                if not got[name] or got[name] == MASK:
                    found.append(f"{where}.{name}: {got[name]!r} isn't a value")
            elif name in SECRETS and wanted[name] == "***":
                if not ID.fullmatch(got[name]):
                    found.append(f"{where}.{name}: {got[name]!r} isn't a secret")
            else:
                self.compare(wanted[name], got[name], f"{where}.{name}", found)

    def _texts(self, wanted, got, where, found):
        if ID.fullmatch(wanted) and ID.fullmatch(got):
            bound = self.own.setdefault(wanted, got), self.recorded.setdefault(got, wanted)
            if bound != (got, wanted):
                found.append(f"{where}: {got} is {bound[1]}, the record has {wanted}")
            return
        wanted = self.fill(wanted)
        if "__" in wanted and where.endswith(".name"):
            # A direct channel is named after its two persons, in the order of their ids.
            wanted, got = ("__".join(sorted(text.split("__"))) for text in (wanted, got))
        # An error's number and an error page's signature.
        changing = r'"request_id":"\w+"|(?:(?<=[&;])|(?<=u0026))s(=|\\u003D)[\w-]{60,}(=|\\u003D)*'
        wanted, got = (re.sub(changing, "", text) for text in (wanted, got))
        if wanted != got:
            found.append(f"{where}: {got[:300]!r} instead of {wanted[:300]!r}")
