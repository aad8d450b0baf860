"""The administrator that we are: made before anybody can log in, and mended when the password was changed."""

from __future__ import annotations

from typing import Any

from ...errors import Conflict, Denied, Invalid, ItstackError, Problem, Unreachable
from ...reconcile import Changes, creation, diff
from .api import Deactivated, Mattermost, Row
from .ready import SERVICE
from .resources import ADMINISTRATOR, user_name
from .view import View

ROLE = "system_admin"


def administrator_creation(email: str | None, password: str) -> Changes:
    """What making the administrator changes."""
    given = {"email": email, "password": password, "administrator": True, "active": True}
    return creation(ADMINISTRATOR, {key: value for key, value in given.items() if value is not None})


def apply_administrator(
    view: View, given: str, password: str, email: str | None = None, test: bool = False
) -> Changes:
    """
    Make sure that an account can log in with a password and administers the server; returns what changed.

    The account is asked first. If that isn't enough, local mode makes or mends it; on a server without any
    account it can be made without local mode, too, because the first one of all is its administrator.

    Raises :class:`Denied` where neither is possible.
    """
    name = user_name(given)
    refusal, roles = _tried(view, name, password)
    if refusal is None and ROLE in roles:
        return {}
    changes, closed = _by_local_mode(view, name, refusal, email, password, test)
    if changes is None:
        changes = _first_of_all(view, name, email, password, closed, test)
    if test:
        view.plan("administrator")
        return changes
    view.account_changed()
    view.changed("people")
    refusal, roles = _tried(view, name, password)
    if refusal is not None or ROLE not in roles:
        raise refusal or ItstackError(f"{name} still isn't its administrator", SERVICE, "look at its log")
    return changes


def _bare(view: View) -> dict[str, Any]:
    return {key: view.profile[key] for key in ("url", "ca", "socket") if view.profile.get(key)}


def _tried(view: View, name: str, password: str) -> tuple[Denied | None, list[str]]:
    """Why an account can't log in, or ``None`` and its roles."""
    access = {**_bare(view), "user": name, "password": password}
    try:
        with Mattermost(access) as account:
            return None, str(account.me()["roles"]).split()
    except Denied as error:
        return error, []


def _by_local_mode(
    view: View, name: str, refusal: Denied | None, email: str | None, password: str, test: bool
) -> tuple[Changes | None, str]:
    """What was changed by local mode; or ``None``, and why there is none."""
    if not view.profile.get("socket"):
        return None, "the profile names no socket"
    try:
        with Mattermost(_bare(view), local=True) as local:
            person = local.person(name)
            changes = _administrator_changes(person, name, refusal, email, password)
            if not test:
                _write_administrator(local, person, name, email, password, changes)
            return changes, ""
    except Unreachable as error:
        return None, str(error)


def _administrator_changes(
    person: Row | None, name: str, refusal: Denied | None, email: str | None, password: str
) -> Changes:
    if person is None:
        if not email:
            raise Invalid(Problem("", "email", None, "a new account needs one", "give it to the state"))
        return administrator_creation(email, password)
    if person.get("is_bot") or person.get("auth_service"):
        how = "is a bot" if person.get("is_bot") else f"logs in through {person['auth_service']}"
        raise Conflict(f"{name} {how}, and has no password here", SERVICE, "name another account")
    found = {"administrator": ROLE in person["roles"].split(), "active": not person["delete_at"]}
    wanted = {"password": password, "administrator": True, "active": True}
    refused = refusal is not None and not isinstance(refusal, Deactivated)
    return diff(ADMINISTRATOR, wanted, found, ["password"] if refused else [])


def _write_administrator(
    local: Mattermost, person: Row | None, name: str, email: str | None, password: str, changes: Changes
) -> None:
    if person is None:
        person = local.create_person({"username": name, "email": email, "password": password})
        changes = {"administrator": True} if ROLE not in person["roles"].split() else {}
    if "active" in changes:
        local.set_active(person["id"], True)
    if "administrator" in changes:
        local.set_roles(person["id"], " ".join(dict.fromkeys([*person["roles"].split(), ROLE])))
    if "password" in changes:
        local.set_password(person["id"], password)


def _first_of_all(
    view: View, name: str, email: str | None, password: str, closed: str, test: bool
) -> Changes:
    api = Mattermost({**_bare(view), "user": name, "password": password})
    try:
        if api.client_config().get("NoAccounts") != "true":
            raise Denied(
                f"{name} can't log in or isn't an administrator, and local mode can't mend that ({closed})",
                SERVICE,
                "set ServiceSettings.EnableLocalMode to true in its config.json or environment and restart "
                "it, and name the socket in the profile; or correct the password",
            )
        changes = _administrator_changes(None, name, None, email, password)
        if not test:
            api.create_person({"username": name, "email": email, "password": password})
        return changes
    finally:
        api.close()
