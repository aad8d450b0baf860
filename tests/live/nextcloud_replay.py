"""Replays recorded calls of a real Nextcloud 35 on the double, and says where the double answers differently.

Records hide secrets, ports and random values; the replay fills in its own and hides them again before
comparing.
"""

import io
import json
import re
import urllib.parse

import requests

from salt_itstack.lab.doubles.nextcloud import install, occ, server
from salt_itstack.lab.doubles.nextcloud.systemconfig import SystemConfig

HIDDEN = "a hidden value"
_VOLATILE = (
    (
        r'"(firstLoginTimestamp|lastLoginTimestamp|lastLogin|lastActivity|free|used|total|relative)":-?[\d.]+',
        r'"\1":0',
    ),
    (r'"(first_seen|last_seen)":"[^"n]*"', r'"\1":"T"'),
    (r'"installedat": "[\d.]+"', '"installedat": "T"'),
    (r'"lastupdatedat": \d+', '"lastupdatedat": 0'),
    (r'"id":\d+,"name"', '"id":0,"name"'),
    (r"\b[A-Za-z0-9]{72}\b", "***"),
    (r'"(passwordsalt|secret|instanceid|dbpassword)": "(?!\*\*\*R)[^"]*"', r'"\1": "***"'),
    # Stack traces and the spelling advice name parts of the real server's code.
    (r"(?s)\n(Stack trace|Trace):.*", ""),
    (r"(?s)\n\s*Did you mean .*", ""),
    (r"(?s)^(Nextcloud 35\.0\.0 dev\n\nUsage:).*", r"\1"),
    (r'connection to server at "127\.0\.0\.1", port \d+', 'connection to server at "127.0.0.1", port N'),
    (r"(?m)^LINE 1: .*$\n?|^ +\^$\n?", ""),
    # DAV
    (r"&quot;[0-9a-f]+&quot;", "ETAG"),
    (r"<d:getlastmodified>[^<]*<", "<d:getlastmodified>T<"),
    (r"<(oc:fileid|d:quota-used-bytes|d:quota-available-bytes|oc:size)>-?\d+<", r"<\1>0<"),
    (r"(?s)<s:message>(Extra content|the XML body).*?</s:message>", "<s:message>XML</s:message>"),
)
_HEADERS = (
    "content-type",
    "x-user-id",
    "www-authenticate",
    "dav",
    "allow",
    "x-oc-mtime",
    "retry-after",
    "x-nextcloud-maintenance-mode",
    "x-nc-ownerid",
)
_PRESENT = ("etag", "oc-etag", "oc-fileid")


class Replay:
    """One installation of the double with its web server, and the recorded calls made on it."""

    def __init__(self, folder, port, provider):
        self.folder = folder
        self.root = str(folder / "root")
        self.data = str(folder / "data")
        self.port = port
        self.provider = provider
        self.host = f"127.0.0.1:{port}"
        self.hidden = ""
        self.ports = {}
        self.tags = {}
        self.jar = requests.Session()
        self.token = {}
        self.started = ""
        install(self.root)
        self.servers = server.serve(self.root, "127.0.0.1", http_port=port)

    def close(self):
        """Stop the web server."""
        for running in self.servers:
            running.shutdown()
            running.server_close()

    def config(self):
        """The system configuration as it is now."""
        return SystemConfig(self.root)

    def occ(self, *arguments, stdin="", environment=None):
        """(exit code, stdout, stderr) of an occ call in this process."""
        out, error = io.StringIO(), io.StringIO()
        code = occ.main(self.root, list(arguments), (io.StringIO(stdin), out, error), environment or {})
        return code, out.getvalue(), error.getvalue()

    def password(self, uid):
        """The password that the replay gives a person."""
        return f"password of {uid}"

    def token_of(self, uid):
        """An app password of a person."""
        if uid not in self.token:
            code, out, _ = self.occ("user:auth-tokens:add", "-n", uid)
            assert code == 0, out
            self.token[uid] = out.splitlines()[-1]
        return self.token[uid]

    # -- making a recorded call

    def fill(self, text):
        """A recorded text with this replay's own values."""
        for recorded, own in self.tags.items():
            text = text.replace(recorded, own)
        for recorded, own in self.ports.items():
            text = re.sub(rf"(:|=){recorded}\b", rf"\g<1>{own}", text)
        return (
            text.replace("{HOST}", self.host)
            .replace("{DATA}", self.data)
            .replace("{ROOT}", self.root)
            .replace("http://127.0.0.1:8998", self.provider.address)
        )

    def hide(self, text):
        """An answer with this replay's own values hidden as in the records, and without volatile parts."""
        for value, name in (
            (self.provider.address, "http://127.0.0.1:8998"),
            (self.data, "{DATA}"),
            (self.root, "{ROOT}"),
            (self.host, "{HOST}"),
        ):
            text = text.replace(value, name).replace(value.replace("/", "\\/"), name.replace("/", "\\/"))
        for recorded, own in self.ports.items():
            text = re.sub(rf"\b{own}\b", recorded, text)
        for value in filter(None, (self.hidden, HIDDEN)):
            text = text.replace(value, "***")
        for pattern, instead in _VOLATILE:
            text = re.sub(pattern, instead, text)
        return text

    def call_occ(self, record, secret):
        """Make a recorded occ call with ``secret`` for its hidden values. Returns the differences as text."""
        asked = record["request"]
        arguments = [self.fill(word).replace("***", secret) for word in asked["occ"]]
        environment = {name: value.replace("***", secret) for name, value in asked.get("env", {}).items()}
        if "--password-from-env" in arguments and not environment:
            environment = {"NC_PASS": HIDDEN}
        self.hidden = secret if "***" in str(asked) else ""
        code, out, error = self.occ(*arguments, stdin=asked.get("stdin", ""), environment=environment)
        if asked["occ"][0] in ("user:auth-tokens:add", "user:add-app-password") and code == 0:
            self.token["occ"] = out.splitlines()[-1]
        found = []
        if code != record["exit_code"]:
            found.append(f"exit code {code} instead of {record['exit_code']}")
        for name, got, wanted in (("stdout", out, record["stdout"]), ("stderr", error, record.get("stderr"))):
            found += [] if wanted is None else self._texts(name, got, wanted)
        return found

    def _texts(self, name, got, wanted):
        cut = re.search(r"…(\[\d+ chars\])?", wanted)
        got, wanted = self.hide(got), self.hide(wanted[: cut.start()] if cut else wanted)
        if cut:
            got = got[: len(wanted)]
        if name == "stderr" or "Trace" not in wanted:
            got, wanted = got.rstrip("\n ") + "\n", wanted.rstrip("\n ") + "\n"
        return [] if got.strip() == wanted.strip() else [f"{name} {got!r} instead of {wanted!r}"]

    def call_web(self, record, credentials, secret):
        """Make a recorded request. ``credentials``: function of a uid to its (kind, secret). Returns
        differences."""
        asked = record["request"]
        headers = dict(asked.get("headers", {}))
        authorization = headers.pop("Authorization", "")
        who = re.search(r"Basic \*\*\* \((.*)\)", authorization)
        extra = {}
        if who:
            extra["auth"] = (who.group(1), credentials(who.group(1)))
        elif authorization.startswith("Bearer"):
            headers["Authorization"] = f"Bearer {credentials('')}"
        body = asked.get("body")
        if body is not None:
            body = self.fill(body).replace("***", secret).encode()
        headers = {name: self.fill(value) for name, value in headers.items()}
        answer = requests.request(
            asked["method"],
            f"http://{self.host}{self.fill(asked['path'])}",
            headers=headers,
            data=body,
            allow_redirects=False,
            timeout=30,
            **extra,
        )
        return self.differences(record, answer)

    def differences(self, record, answer):
        """Where an answer differs from the record."""
        found = []
        if answer.status_code != record["status"]:
            found.append(f"status {answer.status_code} instead of {record['status']}: {answer.text[:200]}")
        wanted = {name.lower(): value for name, value in record.get("headers", {}).items()}
        got = {name.lower(): value for name, value in answer.headers.items()}
        for name in _HEADERS:
            if name in ("content-type", "x-user-id") and name not in wanted:
                continue
            if wanted.get(name) != got.get(name):
                found.append(f"header {name} {got.get(name)!r} instead of {wanted.get(name)!r}")
        for name in _PRESENT:
            if (name in wanted) != (name in got):
                found.append(f"header {name} {'missing' if name in wanted else 'is too much'}")
        if "etag" in wanted and "etag" in got:
            self.tags[wanted["etag"]] = got["etag"]
        body = record.get("response") or ""
        if isinstance(body, str) and "<!DOCTYPE html>" not in body and "JavaScript" not in body:
            found += self._texts("body", answer.text, body)
        return found

    # -- the code flow

    def start_login(self, record):
        """The recorded start of a login."""
        answer = self._begin(record["request"]["path"])
        found = []
        if answer.status_code != record["status"]:
            return [f"status {answer.status_code} instead of {record['status']}"]
        if record["status"] != 303:
            return found
        place, _, query = self.started.partition("?")
        if self.hide(place) != record["headers"]["Location"]:
            found.append(f"location {place} instead of {record['headers']['Location']}")
        query = dict(urllib.parse.parse_qsl(query))
        wanted = record["response"]["authorization query"]
        if list(query) != list(wanted):
            found.append(f"authorization query {list(query)} instead of {list(wanted)}")
        for name, value in wanted.items():
            if value != "***" and self.hide(query.get(name, "")) != value:
                found.append(f"{name} {query.get(name)} instead of {value}")
        return found

    def _begin(self, path):
        self.jar = requests.Session()
        answer = self.jar.get(f"http://{self.host}{path}", allow_redirects=False, timeout=30)
        self.started = answer.headers.get("Location", "")
        return answer

    def login(self, claims):
        """A whole login whose record is missing, with its claims."""
        self._begin("/index.php/apps/user_oidc/login/1")
        state, code = self.provider.authorize(self.started, claims)
        self.started = ""
        return self.jar.get(
            f"http://{self.host}/index.php/apps/user_oidc/code",
            params={"state": state, "code": code},
            timeout=30,
        )

    def finish_login(self, record):
        """The recorded return of a login, with its claims."""
        if not self.started:
            self._begin("/index.php/apps/user_oidc/login/1")
        if "nonce=" not in self.started:
            return ["the login can't be started"]
        state, code = self.provider.authorize(self.started, record["request"]["claims"])
        self.started = ""
        answer = self.jar.get(
            f"http://{self.host}/index.php/apps/user_oidc/code",
            params={"state": state, "code": code},
            allow_redirects=False,
            timeout=30,
        )
        found = []
        if answer.status_code != record["status"]:
            found.append(f"status {answer.status_code} instead of {record['status']}: {answer.text[-300:]}")
        if self.hide(answer.headers.get("Location", "")) != (record["headers"]["Location"] or ""):
            found.append(
                f"location {answer.headers.get('Location')} instead of {record['headers']['Location']}"
            )
        if record["response"]:
            sentence = next(
                part
                for part in (part.strip() for part in re.split(r"\s{3,}", record["response"]))
                if part.startswith(("Failed to", "You do not"))
            )
            if sentence not in answer.text:
                found.append(f"the page doesn't say {sentence!r}")
        return found


def load(path):
    """The records of a file."""
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]
