"""Required actions: what people have to do before they get in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import Invalid, ItstackError, Problem, nearest
from ...reconcile import Changes, body, creation, diff, removal
from .api import Row
from .masked import settings_wanted
from .resources_login import REQUIRED_ACTION
from .view import View

Wanted = Mapping[str, Any]


def action_wanted(fields: Wanted) -> dict[str, Any]:
    """Declared fields of a required action, checked."""
    REQUIRED_ACTION.check(fields)
    wanted = dict(fields)
    problems: list[Problem | str] = [
        Problem("", name, wanted[name], "is neither true nor false", "write true or false")
        for name in ("enabled", "default_action")
        if name in wanted and not isinstance(wanted[name], bool)
    ]
    if "priority" in wanted and (
        isinstance(wanted["priority"], bool) or not str(wanted["priority"]).isdigit()
    ):
        problems.append(
            Problem("", "priority", wanted["priority"], "isn't a number", "small ones come first")
        )
    if problems:
        raise Invalid(problems)
    if "priority" in wanted:
        wanted["priority"] = int(wanted["priority"])
    if "config" in wanted:
        wanted["config"] = settings_wanted(wanted["config"])
    return wanted


def predicted_action(fields: Wanted) -> Changes:
    """What registering a required action on a server that isn't there yet would change."""
    return creation(REQUIRED_ACTION, action_wanted(fields))


def apply_action(view: View, realm: str, name: str, fields: Wanted, test: bool = False) -> Changes:
    """Register a required action and bring it to the declared shape; returns what changed or would change."""
    wanted = action_wanted(fields)
    found = registered(view, realm).get(name)
    changes = diff(REQUIRED_ACTION, wanted, found)
    if not changes:
        return {}
    offered = _offered(view, realm, name) if found is None else {}
    if found is not None and "config" in changes:
        _check_settings(view, realm, name, wanted["config"])
    if test:
        return changes
    if found is None:
        view.api.register_action(realm, name, wanted.get("display_name") or offered[name])
        view.changed(realm, "required actions")
        found = registered(view, realm)[name]
        try:
            if "config" in wanted:
                # keycloak: only of one that is registered.
                _check_settings(view, realm, name, wanted["config"])
        except Invalid:
            view.api.unregister_action(realm, name)
            view.changed(realm, "required actions")
            raise
    config = {**(found.get("config") or {}), **wanted.get("config", {})}
    rest = body(REQUIRED_ACTION, wanted, set(wanted) - {"config"})
    kept = {key: value for key, value in config.items() if value is not None}
    try:
        # Replaced as a whole: what isn't sent becomes empty.
        view.api.update_action(realm, name, {**found, **rest, "config": kept})
    except ItstackError as error:
        # One that was registered may have some of it already.
        left = diff(REQUIRED_ACTION, wanted, found)
        error.changes = {key: change for key, change in changes.items() if key not in left}
        raise
    finally:
        view.changed(realm, "required actions")
    return changes


def remove_action(view: View, realm: str, name: str, test: bool = False) -> Changes:
    """Unregister a required action; nothing if it isn't registered."""
    if name not in registered(view, realm):
        return {}
    if not test:
        view.api.unregister_action(realm, name)
        view.changed(realm, "required actions")
    return removal(name)


def registered(view: View, realm: str) -> dict[str, Row]:
    """The required actions that a realm has, by their alias."""
    rows = view.listed(realm, "required actions", lambda: view.api.required_actions(realm), [])
    return {row["alias"]: row for row in rows}


def _offered(view: View, realm: str, name: str) -> dict[str, str]:
    if view.planned_realm(realm):
        return {name: name}
    offered = {row["providerId"]: row["name"] for row in view.api.unregistered_actions(realm)}
    if name not in offered:
        raise Invalid(
            Problem("", "name", name, "the server has no such required action",
                    nearest(name, [*offered, *registered(view, realm)]))
        )  # fmt: skip
    return offered


def _check_settings(view: View, realm: str, name: str, config: Wanted) -> None:
    # keycloak: keeps a setting that the action doesn't know, and nobody ever reads it.
    known = [row["name"] for row in view.api.required_action_settings(realm, name)]
    problems = [
        Problem("", f"config:{key}", None, f"{name} has no such setting", nearest(key, known))
        for key in config
        if key not in known
    ]
    if problems:
        raise Invalid(problems)
