"""The way in from outside: who is let in, for what, and that nothing that was accepted is lost."""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
import salt.loader
from core_fixtures import Web

from salt_itstack.errors import Invalid
from salt_itstack.loader import folder
from salt_itstack.remediation import hook as hooks
from salt_itstack.remediation.credentials import AGE, TOKEN, signature
from salt_itstack.remediation.hook import Door, Endpoint, Rate, is_loopback
from salt_itstack.remediation.pokes import Pokes
from salt_itstack.stack import load

STACK = load(extra={"mode": "enforce", "services": {"keycloak": {"mode": "manage"}}})


@pytest.fixture
def hook(master):
    """An open hook: ``ask`` sends a request, ``pokes`` are what was written down."""

    class Hook:
        store = master.store
        pokes = Pokes.of(master.opts)
        woken = 0

        def open(self, rate=10_000, **options):
            self.store.ensure({TOKEN: {"kind": "token"}})
            self.token = self.store.get(TOKEN)
            self.door = Door(lambda: STACK, self.store, self.pokes, rate, self.wake)
            self.endpoint = Endpoint(self.door, port=0, **options)
            self.port = self.endpoint.server_address[1]
            threading.Thread(target=self.endpoint.serve_forever, args=(0.02,), daemon=True).start()
            return self

        def wake(self):
            self.woken += 1

        def ask(self, body=None, path="/repair", method="POST", headers=None, scheme="http", context=None):
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            headers = {"Authorization": f"Bearer {self.token}"} if headers is None else headers
            request = urllib.request.Request(
                f"{scheme}://127.0.0.1:{self.port}{path}", content, headers, method=method
            )
            try:
                with urllib.request.urlopen(request, timeout=30, context=context) as answer:
                    return answer.status, json.loads(answer.read()), answer.headers
            except urllib.error.HTTPError as error:
                with error:
                    return error.code, json.loads(error.read()), error.headers

    found = Hook()
    found.endpoint = None
    yield found
    if found.endpoint:
        found.endpoint.shutdown()
        found.endpoint.server_close()


def test_a_request_is_written_down_before_it_is_accepted(hook):
    status, answer, _ = hook.open().ask({"what": "redis", "why": "monitoring\x00 says so"})
    assert (status, answer) == (202, {"accepted": "redis", "new": True})
    with hook.pokes.working("redis"):
        poke = hook.pokes.take("redis")
    assert poke["why"] == "monitoring says so" and poke["by"] == "hook (127.0.0.1)"
    assert hook.woken == 1


def test_many_senders_at_once_lose_nothing(hook):
    hook.open()
    things = ["redis", "postgresql", "freeipa", "redis-nextcloud", "postgresql-nextcloud"]
    taken = {thing: 0 for thing in things}

    def send(number):
        return hook.ask({"what": things[number % len(things)], "why": str(number)})[0]

    with ThreadPoolExecutor(16) as senders:
        statuses = list(senders.map(send, range(200)))
    assert statuses == [202] * 200
    for thing in hook.pokes.waiting():
        taken[thing] += 1
    assert set(taken.values()) == {1}
    assert hook.woken == len(things)


def test_a_signature_serves_instead_of_the_token(hook):
    hook.open()
    body, now = json.dumps({"what": "redis"}).encode(), int(time.time())

    def send(content, at, key):
        proof = {"X-Itstack-Time": str(at), "X-Itstack-Signature": signature(body, key, at)}
        return hook.ask(content, headers=proof)[0]

    assert send(body, now, hook.token) == 202
    assert send(body + b" ", now, hook.token) == 403
    assert send(body, now, "another-token") == 403
    assert send(body, now - int(AGE) - 60, hook.token) == 403
    assert hook.ask(body, headers={"X-Itstack-Signature": "x", "X-Itstack-Time": "soon"})[0] == 403


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Basic eDp5"}, 401),
        ({"Authorization": "Bearer wrong"}, 403),
        ({"Authorization": "Bearer "}, 403),
        ({"Authorization": "Bearer \xfc"}, 403),
    ],
)
def test_who_doesnt_prove_itself_isnt_let_in_and_learns_nothing(hook, headers, status):
    hook.open()
    for what in ("redis", "no-such-thing"):
        found, answer, heads = hook.ask({"what": what}, headers=headers)
        assert found == status and "error" in answer and what not in json.dumps(answer)
        assert (heads.get("WWW-Authenticate") == "Bearer") is (status == 401)
    assert hook.pokes.waiting() == []


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"what": "rediss"}, 404, "no service or integration"),
        ({"what": "../../etc/passwd"}, 404, "no service or integration"),
        ({"what": "keycloak"}, 403, "without a person"),
        ({"what": "zabbix"}, 403, "without a person"),
        ({"what": "zabbix-mattermost"}, 403, "without a person"),
        ({"what": ["redis"]}, 400, "texts"),
        ({"why": "x"}, 400, "texts"),
        ({"what": "redis", "test": True}, 400, "test"),
        (["redis"], 400, "object"),
        (b"what=redis", 400, "JSON"),
        (b"", 400, "JSON"),
        (b"[" * 5000, 400, "JSON"),
        (b"\xff\xfe", 400, "JSON"),
        (b" " * (hooks.LARGEST + 1), 413, "longer"),
    ],
)
def test_what_cant_be_asked_for_is_refused_with_the_reason(hook, body, status, words):
    found, answer, _ = hook.open().ask(body)
    assert found == status and words in answer["error"]
    assert hook.pokes.waiting() == []


def test_other_paths_and_methods(hook):
    hook.open()
    assert hook.ask({"what": "redis"}, path="/")[0] == 404
    assert hook.ask({"what": "redis"}, path="/repair?what=redis")[0] == 404
    for method in ("GET", "PUT", "DELETE"):
        status, _, headers = hook.ask({"what": "redis"}, method=method)
        assert (status, headers["Allow"]) == (405, "POST")
    assert hook.pokes.waiting() == []


def test_too_many_requests_of_an_address_wait(hook):
    hook.open(rate=3)
    assert [hook.ask({"what": "redis"}, headers={})[0] for _ in range(3)] == [401] * 3
    status, _, headers = hook.ask({"what": "redis"})
    assert status == 429 and 0 < int(headers["Retry-After"]) <= 61


def test_the_rate_counts_a_minute_and_each_address_for_itself(monkeypatch):
    now = [0.0]
    rate = Rate(2, lambda: now[0])
    assert [rate.wait("a"), rate.wait("a"), rate.wait("a"), rate.wait("b")] == [0, 0, 60, 0]
    now[0] = 59
    assert rate.wait("a") == 1
    now[0] = 60
    assert rate.wait("a") == 0
    monkeypatch.setattr(hooks, "REMEMBERED", 10)
    for number in range(100):
        rate.wait(str(number))
    assert len(rate._seen) <= 10


def test_what_cant_be_written_down_isnt_accepted(hook, caplog):
    hook.open()
    hook.pokes.place.parent.mkdir(parents=True, exist_ok=True)
    hook.pokes.place.write_text("a file where the folder should be")
    status, answer, _ = hook.ask({"what": "redis"})
    assert status == 503 and "log" in answer["error"]
    assert "can't be written" in caplog.text and hook.woken == 0


def test_a_new_token_counts_at_once(hook):
    hook.open()
    old = {"Authorization": f"Bearer {hook.token}"}
    hook.store.put(TOKEN, "another-token-that-is-long-enough", "token")
    assert hook.ask({"what": "redis"}, headers=old)[0] == 403
    assert (
        hook.ask({"what": "redis"}, headers={"Authorization": "Bearer another-token-that-is-long-enough"})[0]
        == 202
    )


def test_no_token_is_logged(hook, caplog):
    with caplog.at_level(logging.DEBUG):
        hook.open()
        hook.ask({"what": "redis"})
        hook.ask({"what": "redis"}, headers={"Authorization": "Bearer canary-of-a-wrong-token"})
        hook.ask({"what": "redis"}, path=f"/{hook.token}")
    assert hook.token not in caplog.text and "canary" not in caplog.text
    assert "got 202" in caplog.text and "got 403" in caplog.text


def test_silent_and_broken_clients_hold_nobody_up(hook):
    hook.open()
    with contextlib.ExitStack() as held:
        for _ in range(8):
            held.enter_context(socket.create_connection(("127.0.0.1", hook.port)))
        cut = held.enter_context(socket.create_connection(("127.0.0.1", hook.port)))
        cut.sendall(b"POST /repair HTTP/1.1\r\nContent-Length: 400\r\n\r\n{")
        cut.close()
        started = time.monotonic()
        assert hook.ask({"what": "redis"})[0] == 202
        assert time.monotonic() - started < hooks.PATIENCE / 2


def test_a_connection_ends_at_its_deadline(hook, monkeypatch):
    monkeypatch.setattr(hooks, "DEADLINE", 0.5)
    hook.open()
    with socket.create_connection(("127.0.0.1", hook.port), timeout=20) as slow:
        slow.sendall(b"POST /repair HTTP/1.1\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert slow.recv(1000) == b""


# Encryption and configuration ---------------------------------------------------------------------------


def test_with_a_certificate_only_tls_is_spoken(hook, certificate):
    hook.open(certificate=str(certificate))
    context = ssl.create_default_context(cafile=str(certificate))
    assert hook.ask({"what": "redis"}, scheme="https", context=context)[0] == 202
    with pytest.raises((urllib.error.URLError, OSError)):
        hook.ask({"what": "redis"})
    with socket.create_connection(("127.0.0.1", hook.port)):
        # A client that begins no handshake keeps nobody else out.
        assert hook.ask({"what": "postgresql"}, scheme="https", context=context)[0] == 202


@pytest.mark.parametrize("address", ["0.0.0.0", "10.0.50.10", "salt.it-stack.lab", "::"])
def test_without_a_certificate_it_opens_on_the_loopback_only(hook, address):
    with pytest.raises(Invalid, match=r"itstack_hook:certificate.*Remedy: .*127\.0\.0\.1"):
        hook.open(address=address)


def test_loopback_addresses():
    assert [is_loopback(one) for one in ("127.0.0.1", "127.0.75.1", "::1", "localhost")] == [True] * 4
    assert not is_loopback("localhost.example.org")


@pytest.mark.parametrize("name", ["certificate", "key"])
def test_a_file_that_isnt_there_is_named(hook, certificate, name, tmp_path):
    given = {"certificate": str(certificate), name: str(tmp_path / "gone.pem")}
    with pytest.raises(Invalid, match=rf"itstack_hook:{name} .*gone\.pem.*no such file"):
        hook.open(**given)


def test_a_file_that_is_no_certificate_is_told(hook, tmp_path):
    (tmp_path / "odd.pem").write_text("odd")
    with pytest.raises(Invalid, match=r"odd\.pem.*can't be used with its key"):
        hook.open(certificate=str(tmp_path / "odd.pem"))


def test_an_address_in_use_is_told(hook):
    other = Web()
    try:
        with pytest.raises(Invalid, match="can't be listened on"):
            Endpoint(None, port=int(other.url.rsplit(":", 1)[1]))
    finally:
        other.stop()


def test_the_engine_makes_its_token_and_says_what_is_wrong(master, monkeypatch, caplog):
    opts = {**master.opts, "engines_dirs": [str(folder("engines"))]}
    engines = salt.loader.engines(opts, {}, {}, {})
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    engines["itstack_hook.start"](address="10.0.50.10")
    assert len(master.store.get(TOKEN)) == 48
    assert "certificate" in caplog.text and "Remedy" in caplog.text
