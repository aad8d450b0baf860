"""Signing in through the GitLab slot: the code flow against whatever provider the configuration names."""

import base64
import html
import json
import secrets
import threading
import urllib.error
import urllib.parse
import urllib.request

from salt_itstack.lab.doubles.mattermost.errors import Problem
from salt_itstack.lab.doubles.mattermost.routing import Answer, route
from salt_itstack.lab.doubles.mattermost.sessions import cookies
from salt_itstack.lab.doubles.mattermost.users import made, save
from salt_itstack.lab.doubles.mattermost.values import new_id, now

_COOKIE_SECONDS = 1800
_FORGET = ("Set-Cookie", "MMOAUTH=; Path=/; Max-Age=0; HttpOnly")
_UNREADABLE = "Could not parse auth data out of gitlab user object."


class Failed(Exception):
    """A sign-in that ended on the error page: status and text."""


class Waiting:
    """The sign-ins that have begun: state -> cookie."""

    def __init__(self):
        self._begun, self._lock = {}, threading.Lock()

    def begin(self, service):
        """(state, cookie) of a new one."""
        token, cookie = secrets.token_hex(16), secrets.token_hex(16)
        with self._lock:
            self._begun[token] = cookie
        told = {"action": "", "service": service, "token": token}
        return base64.b64encode(json.dumps(told).encode()).decode(), cookie

    def end(self, state, cookie):
        """Whether the state is one that was given to the browser with this cookie; it's good once."""
        try:
            token = json.loads(base64.b64decode(state))["token"]
        except (ValueError, KeyError, TypeError):
            return False
        with self._lock:
            return self._begun.pop(token, None) == cookie != ""


def failure(status, text, *headers):
    """The page that a browser gets."""
    query = urllib.parse.urlencode({"message": text, "s": base64.urlsafe_b64encode(secrets.token_bytes(70))})
    place = f"/error?{query}".replace("%3D", "=")
    script = place.replace("=", "\\u003D").replace("&", "\\u0026")
    link = html.escape(place)
    page = (
        f"<!DOCTYPE html><html><head></head>\n<body onload=\"window.location = '{script}'\">\n"
        f'<noscript><meta http-equiv="refresh" content="0; url={link}"></noscript>\n'
        f'<!-- web error message -->\n<a href="{link}" style="color: #c0c0c0;">...</a>\n</body></html>\n'
    )
    return Answer(status, page, list(headers), "text/html")


def _off(service, word):
    if service not in ("gitlab", "google", "office365", "openid"):
        raise Problem("api.context.404.app_error")
    return failure(501, f"{word} SSO through OAuth 2.0 not available on this server.")


def _settings(call):
    return call.config.tree["GitLabSettings"]


def _redirect(call):
    return f"{call.config('ServiceSettings', 'SiteURL')}/signup/gitlab/complete"


@route("GET", "/oauth/{service}/login", login=False, database=False, prefix="")
def begin(call):
    service, settings = call.parts["service"], _settings(call)
    if service != "gitlab" or not settings["Enable"]:
        return _off(service, "<no value>")
    if "openid" in settings["Scope"].split():
        return _off(service, "Gitlab")
    state, cookie = call.server.waiting.begin(service)
    query = urllib.parse.urlencode({
        "response_type": "code", "client_id": settings["Id"], "redirect_uri": _redirect(call),
        "state": state})  # fmt: skip
    if settings["Scope"]:
        query += "&scope=" + urllib.parse.quote(settings["Scope"])
    mark = "&" if "?" in settings["AuthEndpoint"] else "?"
    kept = f"MMOAUTH={cookie}; Path=/; Expires={call.server.date(_COOKIE_SECONDS)}; Max-Age={_COOKIE_SECONDS}"
    headers = [("Location", f"{settings['AuthEndpoint']}{mark}{query}"), ("Set-Cookie", f"{kept}; HttpOnly")]
    return Answer(302, "", headers)


@route("GET", "/signup/{service}/complete", login=False, database=False, prefix="")
def complete(call):
    if call.parts["service"] != "gitlab" or not _settings(call)["Enable"]:
        return _off(call.parts["service"], "<no value>")
    cookie = call.server.cookie(call.headers, "MMOAUTH")
    if not call.server.waiting.end(call.query.get("state", ""), cookie):
        return failure(400, "Invalid state", *([_FORGET] if cookie else []))
    try:
        claims = _claims(call, call.query.get("code", ""))
        with call.store.transaction():
            person = _person(call, claims)
            token, session = call.server.sessions.begin(person)
    except Failed as failed:
        return failure(*failed.args, _FORGET)
    headers = [_FORGET, *cookies(call, token, session), ("Token", token),
               ("Location", call.config("ServiceSettings", "SiteURL"))]  # fmt: skip
    return Answer(307, "", headers, "text/html; charset=utf-8")


@route("GET", "/login/{service}/complete", login=False, database=False, prefix="")
def complete_login(call):
    return complete(call)


def _ask(url, body=None, bearer=""):
    headers = {"User-Agent": "Mattermost-Bot/1.1", "Accept": "application/json",
               "Content-Type": "application/x-www-form-urlencoded"}  # fmt: skip
    if bearer:
        headers["Authorization"] = f"Bearer {bearer}"
    data = urllib.parse.urlencode(body).encode() if body else None
    request = urllib.request.Request(url, data, headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=30) as answer:
        return json.loads(answer.read())


def _claims(call, code):
    """What the provider says of the person."""
    settings = _settings(call)
    form = {"client_id": settings["Id"], "client_secret": settings["Secret"], "code": code,
            "grant_type": "authorization_code", "redirect_uri": _redirect(call)}  # fmt: skip
    try:
        granted = _ask(settings["TokenEndpoint"], form)
    except (OSError, ValueError) as error:
        # Unconfirmed: the text; no provider refused in the recording.
        raise Failed(500, "Token request failed.") from error
    if str(granted.get("token_type", "")).lower() != "bearer":
        raise Failed(500, "Bad token type.")
    try:
        claims = _ask(settings["UserAPIEndpoint"], bearer=granted.get("access_token", ""))
    except (OSError, urllib.error.URLError, ValueError) as error:
        # Unconfirmed: the text.
        raise Failed(500, f"Token request to {settings['UserAPIEndpoint']} failed.") from error
    number = claims.get("id") if isinstance(claims, dict) else None
    if not isinstance(number, int) or isinstance(number, bool) or number == 0 or not claims.get("email"):
        raise Failed(400, _UNREADABLE)
    return claims


def _person(call, claims):
    """The person that the claims are about: made at the first sign-in, brought up to date at each."""
    first, _, last = str(claims.get("name") or "").partition(" ")
    fields = {"email": claims["email"].lower(), "first_name": first, "last_name": last,
              "username": str(claims.get("username") or claims.get("login") or "").lower()}  # fmt: skip
    person = call.store.first("users", auth_service="gitlab", auth_data=str(claims["id"]))
    if person is None:
        return _new(call, fields, str(claims["id"]))
    if person["delete_at"]:
        raise Failed(401, "Login failed because your account has been deactivated."
                          "  Please contact an administrator.")  # fmt: skip
    if any(person[name] != value for name, value in fields.items()):
        person.update(fields, username=_free(call, fields["username"], person["id"]), update_at=now())
        save(call, person)
    return person


def _new(call, fields, number):
    if call.store.first("users", email=fields["email"]):
        # Unconfirmed: the text.
        raise Failed(400, "There is already an account associated to that email address using a sign in"
                          " method other than gitlab. Please sign in using email.")  # fmt: skip
    fields["username"] = _free(call, fields["username"] or new_id()[:8])
    try:
        person = made(call, fields, "system_user")
    except Problem as problem:
        raise Failed(problem.status, problem.text) from None
    person.update(auth_service="gitlab", auth_data=number, remote_id=None, email_verified=True)
    save(call, person)
    return person


def _free(call, name, owner=""):
    """The name, with a number behind it when somebody else has it."""
    wanted, number = name, 0
    while (other := call.store.first("users", username=wanted)) and other["id"] != owner:
        wanted, number = f"{name}{number}", number + 1
    return wanted
