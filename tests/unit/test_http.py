"""The HTTP session keeps its promises to a real server: tokens, repeats, time-outs, errors, silence."""

import base64
import logging
import socket
import threading
import time
import traceback

import pytest
from core_fixtures import Reply, Web

from salt_itstack import http
from salt_itstack.errors import Conflict, Denied, Invalid, ItstackError, Missing, Rejected, Unreachable
from salt_itstack.http import Session

CANARY = "Canary-of-the-session-77"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Tokens:
    """Hands out numbered tokens, and counts them."""

    def __init__(self, lifetime=60.0):
        self.lifetime = lifetime
        self.made = 0

    def __call__(self):
        self.made += 1
        return f"token-{self.made}", self.lifetime


def bearers(web):
    return [seen.headers["Authorization"] for seen in web.seen]


# Tokens


def test_a_token_is_kept_for_its_lifetime(web):
    tokens = Tokens()
    session = Session(web.url, token=tokens)
    for _ in range(3):
        session.get("/rows")
    assert bearers(web) == ["Bearer token-1"] * 3
    assert tokens.made == 1


@pytest.mark.parametrize("lifetime", [1, 10, 60, 300, 3600])
def test_a_token_is_renewed_before_it_expires(web, monkeypatch, lifetime):
    clock = [1000.0]
    monkeypatch.setattr(http.time, "monotonic", lambda: clock[0])
    tokens = Tokens(lifetime)
    session = Session(web.url, token=tokens)
    session.get("/rows")
    clock[0] += lifetime * 0.4
    session.get("/rows")
    assert tokens.made == 1, "renewed although most of its life was left"
    clock[0] = 1000.0 + lifetime * 0.9
    session.get("/rows")
    assert bearers(web)[-1] == "Bearer token-2"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_a_refused_token_is_replaced_once(web, method):
    web.script(Reply(401), Reply(200, {"ok": True}))
    session = Session(web.url, token=Tokens())
    assert session.send(method, "/rows").data == {"ok": True}
    assert bearers(web) == ["Bearer token-1", "Bearer token-2"]


def test_a_second_refusal_is_an_error_not_a_loop(web):
    web.script(Reply(401, {"error": "invalid_token"}))
    with pytest.raises(Denied, match="invalid_token") as caught:
        Session(web.url, "keycloak", token=Tokens()).get("/rows")
    assert len(web.seen) == 2
    assert "Remedy" in str(caught.value) and str(caught.value).startswith("keycloak: ")


def test_a_refused_password_is_not_tried_twice(web):
    web.script(Reply(401))
    with pytest.raises(Denied):
        Session(web.url, basic=("admin", CANARY)).get("/rows")
    assert len(web.seen) == 1


def test_renew_asks_for_a_new_token_before_the_next_request(web):
    session = Session(web.url, token=Tokens())
    session.get("/rows")
    session.renew()
    session.get("/rows")
    assert bearers(web) == ["Bearer token-1", "Bearer token-2"]


def test_threads_share_one_token(web):
    tokens = Tokens()
    session = Session(web.url, token=tokens)
    threads = [threading.Thread(target=session.get, args=("/rows",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tokens.made == 1 and len(web.seen) == 8


def test_the_error_of_the_token_itself_is_told(web):
    def refuse():
        raise Denied("the client's secret is wrong", "keycloak")

    with pytest.raises(Denied, match="the client's secret is wrong"):
        Session(web.url, token=refuse).get("/rows")
    assert not web.seen


def test_a_password_beyond_ascii_arrives_as_utf8(web):
    Session(web.url, basic=("administratör", "pässword €")).get("/rows")
    scheme, value = web.seen[0].headers["Authorization"].split()
    assert scheme == "Basic"
    assert base64.b64decode(value).decode() == "administratör:pässword €"


# Repeats


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_what_is_safe_to_repeat_is_repeated(web, method, status):
    web.script(Reply(status), Reply(200, ["row"]))
    assert Session(web.url).send(method, "/rows").data == ["row"]
    assert [seen.method for seen in web.seen] == [method] * 2


def test_retry_after_is_waited_for(web):
    web.script(Reply(503, headers={"Retry-After": "1"}), Reply(200))
    started = time.monotonic()
    Session(web.url).get("/rows")
    assert 0.9 < time.monotonic() - started < 5


def test_no_server_makes_a_run_wait_for_hours(web, monkeypatch):
    monkeypatch.setattr(http, "LONGEST_WAIT", 0.2)
    web.script(Reply(503, headers={"Retry-After": "86400"}), Reply(200))
    started = time.monotonic()
    Session(web.url).get("/rows")
    assert time.monotonic() - started < 5
    assert http.LONGEST_WAIT < 60


def test_a_senseless_retry_after_is_passed_over(web):
    web.script(Reply(503, headers={"Retry-After": "soon"}), Reply(200))
    assert Session(web.url).get("/rows").status == 200


def test_repeating_ends(web):
    web.script(Reply(503))
    with pytest.raises(Unreachable, match="503"):
        Session(web.url, retries=2).get("/rows")
    assert len(web.seen) == 3


@pytest.mark.parametrize("reply", [Reply(503, headers={"Retry-After": "0"}), Reply(hang_up=True)])
def test_a_post_that_may_have_arrived_is_never_repeated(web, reply):
    web.script(reply)
    with pytest.raises(Unreachable):
        Session(web.url).post("/rows", json={"name": "once"})
    assert len(web.seen) == 1


def test_a_post_that_was_not_answered_in_time_is_never_repeated(web):
    web.script(Reply(delay=0.5))
    with pytest.raises(Unreachable):
        Session(web.url, timeout=(1, 0.1)).post("/rows")
    time.sleep(0)
    assert len(web.seen) == 1


def test_a_get_whose_connection_broke_is_repeated(web):
    web.script(Reply(hang_up=True), Reply(200, ["row"]))
    assert Session(web.url).get("/rows").data == ["row"]
    assert len(web.seen) == 2


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_never_reached_the_server_is_sent_again(method):
    port = free_port()
    started = []
    timer = threading.Timer(0.25, lambda: started.append(Web(port)))
    timer.start()
    try:
        assert Session(f"http://127.0.0.1:{port}").send(method, "/rows").status == 200
        assert [seen.method for seen in started[0].seen] == [method]
    finally:
        timer.join()
        for server in started:
            server.stop()


# Time-outs and connections


def test_a_silent_server_is_unreachable_in_time(web):
    web.script(Reply(delay=5))
    started = time.monotonic()
    with pytest.raises(Unreachable, match="timed out"):
        Session(web.url, "nextcloud", timeout=(1, 0.2), retries=0).get("/status.php")
    assert time.monotonic() - started < 2


def test_a_single_request_may_have_its_own_time(web):
    web.script(Reply(delay=0.4))
    assert Session(web.url, timeout=(1, 0.1), retries=0).get("/rows", timeout=(1, 5)).status == 200


def test_a_stopped_server_is_told_with_address_service_and_remedy():
    port = free_port()
    with pytest.raises(Unreachable) as caught:
        Session(f"http://127.0.0.1:{port}", "keycloak", retries=0).get("/realms")
    told = str(caught.value)
    assert f"http://127.0.0.1:{port}" in told and "refused" in told
    assert told.startswith("keycloak: ") and "Remedy" in told
    assert "object at 0x" not in told and "HTTPConnection" not in told


def test_a_name_that_does_not_resolve_is_told():
    with pytest.raises(Unreachable, match=r"cloud\.invalid"):
        Session("http://cloud.invalid", retries=0).get("/")


def test_an_untrusted_certificate_is_told_at_once_with_the_remedy(certificate, monkeypatch):
    server = Web(certificate=certificate)
    try:
        waited = []
        monkeypatch.setattr(http._Retry, "sleep", lambda *_: waited.append(1))
        with pytest.raises(Unreachable, match="certificate") as caught:
            Session(server.url, "keycloak").get("/realms")
        assert waited == [], "a certificate gets no better by trying again"
        assert "`ca`" in str(caught.value)
        assert Session(server.url, ca=str(certificate)).get("/realms").status == 200
    finally:
        server.stop()


def test_a_missing_ca_bundle_is_the_users_to_mend(certificate, tmp_path):
    with pytest.raises(Invalid, match=r"no-such-ca\.pem"):
        Session("https://127.0.0.1:9", ca=str(tmp_path / "no-such-ca.pem")).get("/")


def test_the_shells_proxies_are_not_ours(web, monkeypatch):
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    assert Session(web.url, retries=0).get("/rows").status == 200


# Answers


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, Rejected), (401, Denied), (403, Denied), (404, Missing), (409, Conflict), (422, Rejected),
     (302, Rejected), (429, Unreachable), (500, Rejected), (502, Unreachable), (503, Unreachable),
     (504, Unreachable)],
)  # fmt: skip
def test_a_status_has_its_error(web, status, error):
    web.script(Reply(status, {"errorMessage": "the server's own words"}))
    with pytest.raises(ItstackError, match="the server's own words") as caught:
        Session(web.url, "keycloak", retries=0).get("/rows/7")
    assert type(caught.value) is error
    assert "GET /rows/7" in str(caught.value) and str(status) in str(caught.value)


def test_an_accepted_status_is_an_answer(web):
    web.script(Reply(404, {"error": "no"}))
    assert Session(web.url).get("/rows/7", accept=(404,)).status == 404


def test_a_redirect_is_not_followed(web):
    web.script(Reply(301, headers={"Location": "https://elsewhere.example/rows"}))
    with pytest.raises(Rejected, match=r"elsewhere\.example"):
        Session(web.url).post("/rows", json={})
    assert len(web.seen) == 1


def test_a_page_of_html_is_not_quoted(web):
    page = Reply(500, "<html><body>stack of the server</body></html>", {"Content-Type": "text/html"})
    web.script(page)
    with pytest.raises(Rejected) as caught:
        Session(web.url).get("/rows")
    assert "<html>" not in str(caught.value)


def test_an_answer_knows_the_id_of_what_was_created(web):
    web.script(Reply(201, headers={"Location": f"{web.url}/admin/realms/corp/clients/0b1c?x=1"}))
    answer = Session(web.url).post("/clients", json={})
    assert answer.created_id() == "0b1c" and answer.data is None


# Paging


def paged(total, ignores=False):
    def reply(seen):
        first, size = (0, total) if ignores else (int(seen.query["first"]), int(seen.query["max"]))
        return Reply(200, list(range(total))[first : first + size])

    return reply


@pytest.mark.parametrize(("total", "requests"), [(0, 1), (3, 1), (9, 1), (10, 2), (25, 3), (30, 4)])
def test_paging_reads_each_row_once(web, total, requests):
    web.script(paged(total))
    assert Session(web.url).pages("/rows", {"search": "x"}, size=10) == list(range(total))
    assert len(web.seen) == requests
    assert all(seen.query["search"] == "x" for seen in web.seen)


@pytest.mark.parametrize("total", [10, 25])
def test_a_server_that_does_not_page_is_read_once(web, total):
    web.script(paged(total, ignores=True))
    assert Session(web.url).pages("/rows", size=10) == list(range(total))


def test_a_page_that_is_no_list_is_told(web):
    web.script(Reply(200, "<html>please log in</html>", {"Content-Type": "text/html"}))
    with pytest.raises(Rejected, match="wasn't answered with a list"):
        Session(web.url, "keycloak").pages("/rows")


# Silence


def everything_said(caught, caplog, session):
    """All that a person or a log could get to see of a failed request."""
    error = caught.value
    shown = [str(error), repr(error), repr(session), repr(vars(error)), str(error.args)]
    shown += traceback.format_exception(type(error), error, error.__traceback__)
    return "\n".join([*shown, caplog.text])


@pytest.mark.parametrize(
    "reply",
    [Reply(400, {"errorMessage": f"invalid value: {CANARY}"}), Reply(401), Reply(403), Reply(404), Reply(500),
     Reply(503), Reply(302, headers={"Location": "/login"}), Reply(hang_up=True), Reply(delay=2),
     Reply(400, f"what you sent was {CANARY}", {"Content-Type": "text/plain"})],
    ids=lambda reply: f"{reply.status}{'-gone' * reply.hang_up}{'-slow' * bool(reply.delay)}",
)  # fmt: skip
@pytest.mark.parametrize("way", ["token", "basic", "json", "form", "list"])
def test_no_secret_is_in_any_message(web, caplog, reply, way):
    caplog.set_level(logging.DEBUG)
    web.script(reply)
    login = {"token": {"token": lambda: (CANARY, 60)}, "basic": {"basic": ("admin", CANARY)}}.get(way, {})
    sent = {
        "json": {"json": {"name": "row", "credentials": [{"value": CANARY}]}},
        "form": {"data": {"grant_type": "password", "client_secret": CANARY}},
        "list": {"json": {"config": {"bindCredential": [CANARY]}}},
    }.get(way, {})
    session = Session(web.url, "keycloak", retries=0, timeout=(1, 0.2), **login)
    with pytest.raises(ItstackError) as caught:
        session.post("/rows", **sent)
    assert CANARY not in everything_said(caught, caplog, session)
    assert any(CANARY in str(seen) or "Basic" in str(seen.headers) for seen in web.seen), (
        "it wasn't even sent"
    )


@pytest.mark.parametrize("token", [f"{CANARY}\n", f"{CANARY}\nX-Other: 1", f"{CANARY}-€"])
def test_a_token_that_cannot_be_sent_is_not_shown(web, caplog, token):
    session = Session(web.url, "keycloak", token=lambda: (token, 60))
    with pytest.raises(Invalid, match="line break") as caught:
        session.get("/rows")
    assert CANARY not in everything_said(caught, caplog, session)
    assert not web.seen


def test_credentials_in_an_address_are_refused_unseen(caplog):
    with pytest.raises(Invalid, match="keycloak") as caught:
        Session(f"https://admin:{CANARY}@sso.example.org", "keycloak")
    assert CANARY not in everything_said(caught, caplog, None)
