"""
Settings of a running server: only the declared ones are compared and sent.

Sources: Mattermost's API reference, "Patch configuration", and its configuration settings reference.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ...errors import Conflict, Invalid, Problem, Rejected
from ...reconcile import HIDDEN, Changes, Field, Resource, diff, same
from .api import Row
from .ready import SERVICE
from .resources import nearest
from .view import View

Path = tuple[str, ...]

#: What the server answers in the place of a secret; sent back, it keeps the secret.
MASK = "*" * 32
#: Settings whose texts are never shown, whether the server has one yet or not.
_CONFIDENTIAL = re.compile(r"secret|password|salt|datasource|replicas|token|key$", re.IGNORECASE)
#: Maps with keys of anybody's: written as a whole.
FREE = frozenset(
    {
        ("PluginSettings", "Plugins"),
        ("PluginSettings", "PluginStates"),
        ("LogSettings", "AdvancedLoggingJSON"),
        ("NotificationLogSettings", "AdvancedLoggingJSON"),
        ("ExperimentalAuditSettings", "AdvancedLoggingJSON"),
    }
)
#: Can't be changed by the interface: by the file only.
BY_FILE = frozenset({("PluginSettings", "EnableUploads"), ("PluginSettings", "SignaturePublicKeyFiles")})
#: Read at a start only. Unconfirmed: whether the list is whole; the reference says it of these.
AT_START = (
    ("SqlSettings",), ("CacheSettings",), ("OpenIdSettings",), ("ClusterSettings",), ("RateLimitSettings",),
    ("GitLabSettings", "Scope"),
    ("ServiceSettings", "ListenAddress"), ("ServiceSettings", "EnableLocalMode"),
    ("ServiceSettings", "LocalModeSocketLocation"),
)  # fmt: skip


def _without_slash(value: Any) -> Any:
    return value.rstrip("/") or None if isinstance(value, str) else value


def _with_slash(value: Any) -> Any:
    return value.rstrip("/") + "/" if isinstance(value, str) else value


#: What the server spells in its own way.
_SPELLED: dict[Path, Callable[[Any], Any]] = {
    ("ServiceSettings", "SiteURL"): _without_slash,
    ("FileSettings", "Directory"): _with_slash,
}


def leaves(tree: Mapping[str, Any], path: Path = ()) -> dict[Path, Any]:
    """Every setting of a tree by its path; maps that anybody may fill are one setting."""
    found: dict[Path, Any] = {}
    for key, value in tree.items():
        here = (*path, str(key))
        if isinstance(value, Mapping) and here not in FREE:
            found.update(leaves(value, here))
        else:
            found[here] = value
    return found


def named(path: Path) -> str:
    """A setting as messages name it: ``ServiceSettings.SiteURL``."""
    return ".".join(path)


def variable(path: Path) -> str:
    """The variable of the environment that sets it."""
    return "MM_" + "_".join(path).upper()


def waits_for_restart(names: Iterable[str]) -> list[str]:
    """Which of the settings the running server doesn't take until it is started again."""
    found = []
    for name in names:
        path = tuple(name.split("."))
        if any(path[: len(start)] == start for start in AT_START):
            found.append(name)
    return found


def check(settings: Any, there: Mapping[str, Any]) -> dict[Path, Any]:
    """
    The declared settings by path. Raises :class:`Invalid` with all that the server would ignore or refuse.

    there
        All settings of the server.
    """
    if not isinstance(settings, Mapping) or not settings:
        raise Invalid(
            Problem("", "settings", settings, "isn't a map of sections", "write Section: {Key: value}")
        )
    known = leaves(there)
    sections = {path[0] for path in known}
    problems = []
    wanted = leaves(settings)
    for path, value in wanted.items():
        if path[0] not in sections:
            problems.append(
                Problem("", named(path), None, "there is no such section", nearest(sections, path[0]))
            )
        elif path not in known:
            near = nearest([named(one) for one in known if one[0] == path[0]], named(path))
            problems.append(Problem("", named(path), None, "the server has no such setting", near))
        elif path in BY_FILE:
            problems.append(
                Problem("", named(path), None, "can be set in config.json only", "write it there and restart")
            )
        elif not _same_kind(value, known[path]):
            kind = _KINDS.get(type(known[path]), "of another kind")
            problems.append(Problem("", named(path), None, f"has to be {kind}", "write it so"))
    if problems:
        raise Invalid(problems)
    return wanted


_KINDS = {bool: "true or false", int: "a whole number", str: "a text", list: "a list", dict: "a map"}


def _same_kind(value: Any, there: Any) -> bool:
    if there is None:
        return True
    if isinstance(there, bool) or isinstance(value, bool):
        return isinstance(there, bool) and isinstance(value, bool)
    return isinstance(value, type(there))


def _resource(wanted: Mapping[Path, Any], there: Mapping[Path, Any], hidden: Iterable[Path]) -> Resource:
    secret = set(hidden)
    fields = {}
    for path, value in wanted.items():
        masked = there.get(path) == MASK
        shown = not (masked or path in secret or _is_confidential(path, value))
        fields[named(path)] = Field(path, _SPELLED.get(path, same), secret=not shown, readable=not masked)
    return Resource("setting", "", fields)


def predicted(settings: Any, references: tuple[str, ...]) -> Changes | None:
    """
    What setting them changes on a server that isn't there yet; ``None`` for what can't be settings.

    references
        How a text begins that stands for a secret.
    """
    if not isinstance(settings, Mapping) or not settings:
        return None
    found = {}
    for path, value in leaves(settings).items():
        secret = isinstance(value, str) and value.startswith(references)
        shown = HIDDEN if secret or _is_confidential(path, value) else value
        found[named(path)] = {"old": None, "new": shown}
    return found


def _is_confidential(path: Path, value: Any) -> bool:
    return isinstance(value, (str, list)) and bool(_CONFIDENTIAL.search(path[-1]))


def apply_config(
    view: View,
    settings: Mapping[str, Any],
    hidden: Iterable[Path] = (),
    known: Callable[[str, str], bool | None] = lambda name, value: None,
    remember: Callable[[str, str], None] = lambda name, value: None,
    test: bool = False,
) -> Changes:
    """
    Bring settings to the declared values; returns what changed or would change, by ``Section.Key``.

    settings
        Sections with their keys, secrets opened.
    hidden
        Paths of the secrets among them.
    known, remember
        Whether a secret that the server doesn't show is the one that was written last, and to keep that.

    Raises :class:`Conflict` for settings that the server's environment holds to another value, before
    anything is sent.
    """
    there = view.config()
    wanted = check(settings, there)
    flat = leaves(there)
    resource = _resource(wanted, flat, hidden)
    # A secret that isn't set isn't masked either, so that one that was emptied by hand is found.
    masked = [path for path in wanted if flat.get(path) == MASK]
    rewrite = [named(path) for path in masked if known(named(path), str(wanted[path])) is not True]
    values = {named(path): value for path, value in wanted.items()}
    changes = diff(resource, values, there, rewrite)
    if not changes:
        return {}
    _refuse_locked(changes, view.environment(), wanted)
    if test:
        return changes
    after = view.api.patch_config(_tree({path: wanted[path] for path in wanted if named(path) in changes}))
    view.changed("config")
    _verify(_resource(wanted, leaves(after), hidden), values, after)
    for path in wanted:
        if named(path) in changes and leaves(after).get(path) == MASK:
            remember(named(path), str(wanted[path]))
    return changes


def _refuse_locked(changes: Changes, environment: Row, wanted: Mapping[Path, Any]) -> None:
    locked = leaves(environment)
    held = [path for path in wanted if named(path) in changes and locked.get(path)]
    if held:
        raise Conflict(
            f"{', '.join(named(path) for path in held)} can't be changed: the server's environment sets "
            f"{', '.join(variable(path) for path in held)}",
            SERVICE,
            "change it there and restart the server, or don't declare it here",
        )


def _tree(flat: Mapping[Path, Any]) -> Row:
    tree: Row = {}
    for path, value in flat.items():
        place = tree
        for key in path[:-1]:
            place = place.setdefault(key, {})
        # Salt's own kinds of dict and list become plain ones.
        place[path[-1]] = json.loads(json.dumps(value))
    return tree


def _verify(resource: Resource, values: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    left = diff(resource, values, after)
    if left:
        raise Rejected(
            f"after writing, {', '.join(sorted(left))} still differs",
            SERVICE,
            "the server spells it in another way, or doesn't accept it: see what it shows, and declare that",
        )
