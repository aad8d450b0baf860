"""Logging in, sessions, and who a request comes from."""

import hmac
import http.cookies

from salt_itstack.lab.doubles.mattermost.errors import Problem
from salt_itstack.lab.doubles.mattermost.routing import OK, Answer, route
from salt_itstack.lab.doubles.mattermost.store import DatabaseDown
from salt_itstack.lab.doubles.mattermost.users import rendered, save
from salt_itstack.lab.doubles.mattermost.values import new_id, now, password_matches, token_hash

FORGET = ("Set-Cookie", "MMAUTHTOKEN=; Path=/; Max-Age=0; HttpOnly")
_WRONG = "api.user.login.invalid_credentials_email_username"


class Sessions:
    """Which token is whose. What was found once is remembered, so that it outlives the database."""

    def __init__(self, server):
        self.server = server
        self._known = {}

    def forget(self):
        """Roles, tokens or persons have changed: look everything up anew."""
        self._known.clear()

    def of(self, token):
        """The session of a token, or None for a wrong or expired one."""
        digest = token_hash(token)
        if digest in self._known:
            found = self._known[digest]
            return found if found["expires_at"] == 0 or found["expires_at"] > now() else None
        try:
            with self.server.store.transaction():
                found = self._look_up(digest)
        except DatabaseDown:
            return None
        if found:
            self._known[digest] = found
        return found

    def _look_up(self, digest):
        store = self.server.store
        found = store.get("sessions", digest)
        if found is None:
            access = store.first("useraccesstokens", digest=digest, is_active=True)
            if access is None:
                return None
            found = {"id": new_id(), "user_id": access["user_id"], "expires_at": 0, "csrf": "",
                     "access_token": True}  # fmt: skip
        person = store.get("users", found["user_id"])
        if person is None or person["delete_at"] or 0 < found["expires_at"] <= now():
            return None
        allowed = person.get("is_bot") or self.server.config("ServiceSettings", "EnableUserAccessTokens")
        if found.get("access_token") and not allowed:
            return None
        return {**found, "roles": person["roles"]}

    def authenticate(self, call):
        """Set a call's session. Returns the headers that its answer gets."""
        token, by_cookie = _token(call.headers)
        if not token:
            return []
        session = self.of(token)
        if session and by_cookie and call.method != "GET" and not _guarded(call.headers, session):
            return []
        call.session = session
        return [] if session else [FORGET]

    def begin(self, person):
        """(token, session) of a new login."""
        token = new_id()
        hours = self.server.config("ServiceSettings", "SessionLengthWebInHours")
        session = {"id": new_id(), "user_id": person["id"], "csrf": new_id(), "create_at": now(),
                   "expires_at": now() + hours * 3600 * 1000}  # fmt: skip
        self.server.store.put("sessions", token_hash(token), session)
        return token, session

    def end_of(self, user_id):
        """End a person's logins."""
        for digest, _ in self.digests(user_id):
            self.server.store.remove("sessions", digest)
        self.forget()

    def digests(self, user_id):
        """(digest, session) of a person's logins."""
        return self.server.store.items("sessions", user_id=user_id)


def _token(headers):
    given = headers.get("Authorization") or ""
    kind, _, token = given.partition(" ")
    if kind.lower() in ("bearer", "token"):
        return token.strip(), False
    cookies = http.cookies.SimpleCookie(headers.get("Cookie") or "")
    return (cookies["MMAUTHTOKEN"].value, True) if "MMAUTHTOKEN" in cookies else ("", False)


def _guarded(headers, session):
    """Whether a request with a cookie proves that it isn't another site's."""
    given = headers.get("X-CSRF-Token") or ""
    return hmac.compare_digest(given, session.get("csrf") or "-") or (
        headers.get("X-Requested-With") == "XMLHttpRequest"
    )


@route("POST", "/users/login", login=False, down=Problem(_WRONG))
def login(call):
    given = call.json("body")
    name, password = str(given.get("login_id") or "").lower(), str(given.get("password") or "")
    if not password:
        raise Problem("api.user.login.blank_pwd.app_error")
    person = name and (call.store.first("users", username=name) or call.store.first("users", email=name))
    if not person:
        raise Problem(_WRONG)
    if person.get("is_bot"):
        raise Problem("api.user.login.bot_login_forbidden.app_error")
    if person["auth_service"]:
        raise Problem("api.user.login.invalid_credentials_sso"
                      if person["auth_service"] == "gitlab" else _WRONG)  # fmt: skip
    if person.get("failed_attempts", 0) >= call.config("ServiceSettings", "MaximumLoginAttempts"):
        raise Problem("api.user.check_user_login_attempts.too_many.app_error")
    if not password_matches(password, person["password"]):
        person["failed_attempts"] = person.get("failed_attempts", 0) + 1
        save(call, person)
        return Problem(_WRONG)
    if person["delete_at"]:
        raise Problem("api.user.login.inactive.app_error")
    return _logged_in(call, person)


def _logged_in(call, person):
    answer = rendered(person, own=True)
    person.update(failed_attempts=0, update_at=now())
    save(call, person)
    token, session = call.server.sessions.begin(person)
    headers = [("Token", token)]
    if call.headers.get("X-Requested-With") == "XMLHttpRequest":
        headers += cookies(call, token, session)
    return Answer(200, answer, headers)


def cookies(call, token, session):
    """The cookies of a login from a browser."""
    length = call.config("ServiceSettings", "SessionLengthWebInHours") * 3600
    until = call.server.date(length)
    tail = f"; Path=/; Expires={until}; Max-Age={length}"
    return [
        ("Set-Cookie", f"MMAUTHTOKEN={token}{tail}; HttpOnly"),
        ("Set-Cookie", f"MMUSERID={session['user_id']}{tail}"),
        ("Set-Cookie", f"MMCSRF={session['csrf']}{tail}"),
    ]


@route("POST", "/users/logout", login=False)
def logout(call):
    token, _ = _token(call.headers)
    if token:
        call.store.remove("sessions", token_hash(token))
        call.server.sessions.forget()
    return Answer(200, OK, [FORGET])


@route("GET", "/users/{user_id}/sessions")
def sessions_of(call):
    user_id = call.part("user_id")
    call.need_self(user_id)
    return [
        {"id": session["id"], "token": "", "create_at": session["create_at"], "user_id": user_id,
         "expires_at": session["expires_at"], "roles": call.store.get("users", user_id)["roles"]}
        for _, session in call.server.sessions.digests(user_id)
    ]  # fmt: skip


@route("POST", "/users/{user_id}/sessions/revoke/all")
def revoke_all(call):
    user_id = call.part("user_id")
    call.need_self(user_id)
    call.server.sessions.end_of(user_id)
    return OK
