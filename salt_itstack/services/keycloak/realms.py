"""Realms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import Invalid, Problem
from ...reconcile import Changes, body, creation, diff
from .api import Row
from .checks import attribute_problems
from .plans import Plan, carry_out, looked_at_again, removal_plan
from .resources import MASK, REALM, attributes
from .view import View

Wanted = Mapping[str, Any]

#: Maps that are replaced as a whole when they're sent.
_WHOLE = ("attributes", "smtpServer", "browserSecurityHeaders")
_OTP = "otpPolicy"
_LISTS = ("supported_locales", "events_listeners", "event_types")


def realm_wanted(fields: Wanted) -> dict[str, Any]:
    """Declared fields of a realm, checked, in the form that the server keeps them."""
    REALM.check(fields)
    wanted = dict(fields)
    wanted.setdefault("enabled", True)
    problems = attribute_problems(wanted)
    problems += [
        Problem("", name, wanted[name], "must be a list", "write each entry on a line of its own")
        for name in _LISTS
        if name in wanted and not isinstance(wanted[name], (list, tuple))
    ]
    problems += [
        Problem("", name, type(wanted[name]).__name__, "must be a map")
        for name in ("smtp", "browser_security_headers")
        if name in wanted and not isinstance(wanted[name], Mapping)
    ]
    if not problems and "password" in (wanted.get("smtp") or {}):
        problems.append(Problem("", "smtp:password", None, "isn't given here", "give it as smtp_password"))
    if "smtp_password" in wanted and wanted["smtp_password"] in ("", None, MASK):
        problems.append(
            Problem("", "smtp_password", None, "is empty, or a mask", "give a reference to a secret")
        )
    if problems:
        raise Invalid(problems)
    for name in ("attributes", "smtp", "browser_security_headers"):
        if name in wanted:
            wanted[name] = attributes(wanted[name])
    return wanted


def predicted_realm(fields: Wanted) -> Changes:
    """What creating a realm on a server that isn't there yet would change."""
    return creation(REALM, realm_wanted(fields))


def realm_plan(view: View, realm: str, fields: Wanted, known: bool | None = None) -> Plan:
    """
    What a realm lacks.

    known
        Whether the declared password of the mail server is the one that was written last; ``None`` where
        nobody remembers. The server shows a mask.
    """
    wanted = realm_wanted(fields)
    found = view.realm(realm)
    plan = Plan(realm)
    if found is None:
        plan.add(diff(REALM, wanted, None), lambda: _create(view, realm, body(REALM, wanted)))
        return plan
    has_password = bool((found.get("smtpServer") or {}).get("password"))
    rewrite = ["smtp_password"] if known is False or not has_password else []
    changes = diff(REALM, wanted, found, rewrite)
    plan.add(changes, lambda: view.api.update_realm(realm, _merged(body(REALM, wanted, changes), found)))
    return plan


@looked_at_again
def apply_realm(
    view: View, realm: str, fields: Wanted, test: bool = False, known: bool | None = None
) -> Changes:
    """Bring a realm to the declared shape; returns what changed or would change."""
    plan = realm_plan(view, realm, fields, known)
    if test and plan.steps and view.realm(realm) is None:
        view.plan(realm, "realm")
    return carry_out(view, realm, plan, test)


def remove_realm(view: View, realm: str, test: bool = False) -> Changes:
    """
    Delete a realm with all that is in it; nothing if it isn't there.

    Raises :class:`Invalid` for the realm that our own account lives in.
    """
    if view.realm(realm) is None:
        return {}
    if realm in ("master", view.api.auth_realm):
        raise Invalid(
            Problem("", "name", realm, "is the realm that the server's administrators live in",
                    "leave it; or set auth_realm in the profile to the realm that your account is in")
        )  # fmt: skip
    return carry_out(view, realm, removal_plan(realm, lambda: view.api.delete_realm(realm)), test)


def _create(view: View, realm: str, sent: dict[str, Any]) -> None:
    view.api.create_realm({"realm": realm, **sent})
    policy = {name: value for name, value in sent.items() if name.startswith(_OTP)}
    made = view.api.realm(realm) if policy else None
    if made is not None:
        view.api.update_realm(realm, _merged(policy, made))


def _merged(sent: dict[str, Any], found: Row) -> dict[str, Any]:
    for name in _WHOLE:
        if name in sent:
            # keycloak: a mail server's password that is sent as the mask stays what it is.
            merged = {**(found.get(name) or {}), **sent[name]}
            sent[name] = {key: value for key, value in merged.items() if value is not None}
    if any(name.startswith(_OTP) for name in sent):
        # keycloak: this policy is taken as a whole, and only with its type (measured on 26.7.3).
        sent = {**{name: value for name, value in found.items() if name.startswith(_OTP)}, **sent}
    return sent
