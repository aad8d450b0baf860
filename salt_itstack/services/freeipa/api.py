"""
The part of FreeIPA's JSON-RPC that this pack uses.

Upstream: ``ipaserver/rpcserver.py`` and ``ipalib/errors.py`` of freeipa/freeipa, ``API.txt`` for signatures.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import Conflict, Denied, ItstackError, Missing, Rejected, Unreachable, Unsupported
from ...http import COME_AGAIN, LONGEST_WAIT, Answer, Session

SERVICE = "FreeIPA"
#: Sent with each call. A server with the same major number and any higher minor one takes it.
API_VERSION = "2.254"
#: Calls in one batch, and members in one call. More would outlive the time-outs on the way.
SLICE = 100
#: Adding a hundred members takes some 20 seconds while the compat tree is on, which is the default.
SLOW = (5.0, 300.0)

#: ``ipalib.errors``: what the numbers mean for a caller. Ranges are in :func:`failure`.
_CLASSES: dict[int, type[ItstackError]] = {
    905: Unsupported,
    2100: Denied,
    4001: Missing,
    4031: Missing,
    4002: Conflict,
    4201: Conflict,
    4203: Unreachable,
    4211: Unreachable,
}
_UNCHANGED = 4202
_REMEDIES = {
    905: "this command came with a later FreeIPA: upgrade the server",
    2100: "give the profile's account a role with the privilege that this needs",
    4201: "somebody else wrote the same entry at the same time: run again",
    4203: "look at the directory server's log, then run again",
    4211: "the directory took too long: run again",
    4309: "built-in objects can't be changed this way",
}
_LOGIN_REMEDIES = {
    "password-expired": "change the account's password once, or move its krbpasswordexpiration ahead",
    "krbprincipal-expired": "the account itself has expired: extend it, or use another",
    "user-locked": "correct the profile's password, and wait for the lock to end (ten minutes by default)",
}


class FreeIPA:
    """
    JSON-RPC of one FreeIPA server, over one session.

    host
        The server's own FQDN. FreeIPA compares it with the ``Referer`` and refuses aliases, addresses,
        other ports than 443 and proxies with another name.
    user, password
        An account whose password isn't expired.
    ca
        Path of the CA bundle, ``/etc/ipa/ca.crt`` on an enrolled machine; ``None`` is the system's.
    address
        Where to connect to, with a port where it isn't 443, if ``host`` doesn't resolve yet.
    retries
        How often a connection that isn't accepted is tried again.
    """

    def __init__(
        self,
        host: str,
        user: str,
        password: str,
        ca: str | None = None,
        address: str | None = None,
        retries: int = 3,
    ) -> None:
        self.host = host
        self._retries = retries
        self._user = user
        self._password = password
        self._refused: tuple[str, str] | None = None
        self._logged_in = False
        self._http = Session(
            f"https://{host}",
            address=address,
            service=SERVICE,
            ca=ca,
            retries=retries,
            headers={
                "Referer": f"https://{host}/ipa",
                "Host": host,
                # Member failures come as text in the caller's language.
                "Accept-Language": "en",
            },
        )

    def call(
        self,
        method: str,
        args: Sequence[Any] = (),
        options: Mapping[str, Any] | None = None,
        timeout: tuple[float, float] | None = None,
    ) -> dict[str, Any]:
        """
        Run one command and return its ``result``; ``{}`` where the server says that nothing changed.

        method
            ``user_add`` and the like.
        args, options
            Positional arguments (the key first), and options by their wire names.
        timeout
            Seconds to connect and between two bytes of the answer.

        Raises the class that the server's error code stands for, with the server's reason.
        """
        answer = self._send(method, list(args), dict(options or {}), timeout)
        problem = answer.data.get("error")
        if problem is None:
            return answer.data.get("result") or {}
        if problem.get("code") == _UNCHANGED:
            return {}
        raise failure(method, args, problem.get("code"), str(problem.get("message")))

    def batch(self, calls: Sequence[tuple[str, Sequence[Any], Mapping[str, Any]]]) -> list[Any]:
        """
        Run many commands in slices of :data:`SLICE` and return, for each, its result or its error.

        calls
            ``(method, args, options)``.

        A batch isn't a transaction: the server goes on after a failure, so look at every item.
        """
        outcomes: list[Any] = []
        for start in range(0, len(calls), SLICE):
            part = calls[start : start + SLICE]
            wire = [
                {"method": method, "params": [list(args), dict(options)]} for method, args, options in part
            ]
            # The list is itself the one positional argument. An empty one is an internal error upstream.
            rows = self.call("batch", [wire], timeout=SLOW)["results"]
            for (method, args, _), row in zip(part, rows):
                code = row.get("error_code")
                if row.get("error") is None or code == _UNCHANGED:
                    outcomes.append({} if code == _UNCHANGED else row)
                else:
                    outcomes.append(failure(method, args, code, str(row["error"])))
        return outcomes

    def find(
        self, command: str, args: Sequence[Any] = (), whole: bool = True, members: bool | None = None
    ) -> list[dict[str, Any]]:
        """
        All entries of a kind, in one call.

        command
            The commands' prefix, such as ``user``.
        whole
            With all their attributes, not only those that the server finds worth showing.
        members
            With their members and memberships; ``None`` for kinds that have neither.
        """
        # Without sizelimit and timelimit the server stops at its own defaults (100 entries, 2 seconds),
        # and without no_members it leaves out what a group holds.
        options: dict[str, Any] = {"all": whole, "sizelimit": 0, "timelimit": 0}
        if members is not None:
            options["no_members"] = not members
        found = self.call(f"{command}_find", args, options, timeout=SLOW)
        if found.get("truncated"):
            raise Rejected(
                f"{command}_find gave only {found.get('count')} entries",
                SERVICE,
                "raise the directory's own limit for the profile's account",
            )
        return found["result"]

    def show(self, command: str, args: Sequence[Any]) -> dict[str, Any] | None:
        """One entry with all its attributes, or ``None``."""
        try:
            return self.call(f"{command}_show", args, {"all": True})["result"]
        except Missing:
            return None

    def ping(self) -> str:
        """What the server says of itself: ``IPA server version 4.13.1. API version 2.257``."""
        return str(self.call("ping").get("summary", ""))

    def version(self, timeout: tuple[float, float] | None = None) -> str:
        """
        The server's version, by the one command that needs no login.

        timeout
            Seconds to connect and between two bytes of the answer.
        """
        content = {"method": "i18n_messages", "params": [[], {"version": API_VERSION}], "id": 0}
        answer = self._http.post("/ipa/i18n_messages", json=content, timeout=timeout, accept=(400,))
        if answer.status == 400:
            raise self._wrong_name("i18n_messages")
        return str(answer.data.get("version", "")) if isinstance(answer.data, dict) else ""

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _send(
        self, method: str, args: list[Any], options: dict[str, Any], timeout: tuple[float, float] | None
    ) -> Answer:
        if not self._logged_in:
            self._log_in()
        answer = self._post(method, args, options, timeout)
        if answer.status == 401:
            # The ticket behind the cookie has ended; nothing was done yet.
            self._log_in()
            answer = self._post(method, args, options, timeout)
        if answer.status == 401:
            raise Denied(
                f"{method}: a session that was just opened isn't accepted ({_reason(answer)})",
                SERVICE,
                "compare the clocks of this machine and the server",
            )
        if answer.status == 400:
            raise self._wrong_name(method)
        if not isinstance(answer.data, dict):
            raise Rejected(
                f"{method} at https://{self.host}/ipa was answered with something that isn't JSON",
                SERVICE,
                "name the FreeIPA server itself as `host` in the profile",
            )
        return answer

    def _post(
        self, method: str, args: list[Any], options: dict[str, Any], timeout: tuple[float, float] | None
    ) -> Answer:
        content = {"method": method, "params": [args, {**options, "version": API_VERSION}], "id": 0}
        for left in range(self._retries, -1, -1):
            answer = self._http.post(
                "/ipa/session/json", json=content, accept=(400, 401, *COME_AGAIN), timeout=timeout
            )
            # Something in between asks us to come again. 429 says that nothing was done; after any other
            # only what reads is sent a second time.
            wait = _seconds(answer)
            if wait is None or not left or not (answer.status == 429 or _reads(method)):
                break
            time.sleep(wait)
        if answer.status in COME_AGAIN:
            raise Unreachable(
                f"{method} was answered with {answer.status}",
                SERVICE,
                "see that its directory server runs (`ipactl status`), and run again: what was written "
                "before stays, the rest follows",
            )
        return answer

    def _log_in(self) -> None:
        # A wrong password locks the account after six tries, and a run has many states: ask once.
        if self._refused:
            raise Denied(self._refused[0], SERVICE, self._refused[1])
        self._logged_in = False
        answer = self._http.post(
            "/ipa/session/login_password",
            data={"user": self._user, "password": self._password},
            headers={"Accept": "text/plain"},
            accept=(400, 401),
        )
        if answer.status == 400:
            raise self._wrong_name("the login")
        if answer.status == 401:
            reason = _reason(answer)
            self._refused = (
                f"the login of {self._user} is refused: {reason}",
                _LOGIN_REMEDIES.get(reason, "check the profile's user and password"),
            )
            raise Denied(self._refused[0], SERVICE, self._refused[1])
        self._logged_in = True

    def _wrong_name(self, tried: str) -> Rejected:
        return Rejected(
            f"{tried} is refused by the server behind {self.host}: it doesn't take that for its own name",
            SERVICE,
            "give the server's own FQDN as `host` in the profile, on port 443 and not through a proxy",
        )


def failure(method: str, args: Sequence[Any], code: Any, message: str) -> ItstackError:
    """
    The exception that an error code of FreeIPA stands for.

    method, args
        What was called; of the arguments only the key is shown, since options may hold secrets.
    code, message
        The server's, ``message`` in its words.
    """
    number = code if isinstance(code, int) else 0
    kind = _CLASSES.get(number)
    if kind is None:
        # 1000 to 1999: Kerberos, sessions and other ways to be nobody.
        kind = Denied if 1000 <= number < 2000 else Rejected
    key = f" {args[0]}" if args and isinstance(args[0], str) else ""
    return kind(f"{method}{key}: {message} ({code})", SERVICE, _REMEDIES.get(number, ""))


def member_failures(result: Mapping[str, Any]) -> dict[str, str]:
    """
    Who wasn't taken, and why, out of a member command's answer.

    ``failed`` lies two levels deep and differs by command; being in the wanted condition already is no
    failure.
    """
    settled = ("This entry is already a member", "This entry is not a member")
    refused = {}
    for kinds in (result.get("failed") or {}).values():
        for rows in kinds.values():
            refused.update({str(name): str(why) for name, why in rows if why not in settled})
    return refused


def _reason(answer: Answer) -> str:
    return answer.headers.get("X-IPA-Rejection-Reason", "") or f"status {answer.status}"


def _reads(method: str) -> bool:
    return method.endswith(("_find", "_show")) or method in ("ping", "ca_is_enabled")


def _seconds(answer: Answer) -> float | None:
    """How long an answer asks us to wait, if it does."""
    if answer.status not in COME_AGAIN:
        return None
    with contextlib.suppress(ValueError):
        return min(max(float(answer.headers.get("Retry-After", "")), 0.0), LONGEST_WAIT)
    return None
