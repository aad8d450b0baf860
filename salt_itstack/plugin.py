"""
What the plug-ins share of Salt: profiles, secrets, and what this run is about.

The only file of the library that knows how Salt hands things to a plug-in. Configuration is read here and
nowhere else, because from 3008 on ``pillar.get`` answers execution modules with a mask.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import salt.pillar
import salt.utils.event
import salt.utils.sdb

from .errors import Denied, Invalid, Missing, Problem
from .reconcile import MADE_BY_SERVER
from .secrets import handing, seal

REFERENCE = "secret://"


def tree(opts: Mapping[str, Any], pillar: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """
    Our part of the configuration: what the map says about this minion, or what the user wrote.

    opts, pillar
        Salt's ``__opts__`` and ``__pillar__``; pillar wins.
    """
    own = opts.get("itstack")
    given = (pillar or {}).get("itstack")
    own = own if isinstance(own, Mapping) else {}
    given = given if isinstance(given, Mapping) else {}
    whole = {**own, **given}
    if isinstance(own.get("profiles"), Mapping) and isinstance(given.get("profiles"), Mapping):
        # Those that the map gives don't take away what the user declared for servers of their own.
        whole["profiles"] = {**own["profiles"], **given["profiles"]}
    return whole


def profile(
    wanted: str | Mapping[str, Any], opts: Mapping[str, Any], pillar: Mapping[str, Any] | None
) -> dict[str, Any]:
    """
    Address and credentials of a service, secrets opened.

    wanted
        A name below ``itstack:profiles`` in pillar or in the minion's configuration, or the profile itself.

    Raises :class:`Invalid` where there is no such profile, :class:`Missing` where a secret isn't there.
    """
    if isinstance(wanted, Mapping):
        found: Mapping[str, Any] = wanted
    else:
        profiles = tree(opts, pillar).get("profiles") or {}
        if not isinstance(wanted, str) or wanted not in profiles:
            raise Invalid(
                Problem(
                    "", f"itstack:profiles:{wanted}", None, "there is no such profile",
                    "declare it in pillar or in the minion's configuration, or give the profile as a dict",
                )
            )  # fmt: skip
        found = profiles[wanted]
        if not isinstance(found, Mapping):
            raise Invalid(
                Problem("", f"itstack:profiles:{wanted}", None, f"a {type(found).__name__} is no profile",
                        "write its address and credentials as a mapping")
            )  # fmt: skip
    return {key: reveal(value, opts, pillar) for key, value in found.items()}


def fresh_pillar(opts: Mapping[str, Any], grains: Mapping[str, Any]) -> Mapping[str, Any]:
    """
    This minion's pillar as the master compiles it now.

    ``__pillar__`` of a plain function call is as old as the last refresh, and the map may have changed since.
    """
    if opts.get("file_client") == "local":
        return opts.get("pillar") or {}
    return salt.pillar.get_pillar(
        dict(opts), dict(grains), opts["id"], opts.get("saltenv") or "base"
    ).compile_pillar()


def reveal(value: Any, opts: Mapping[str, Any], pillar: Mapping[str, Any] | None) -> Any:
    """
    The value that a reference stands for.

    value
        ``secret://ID`` is opened from this minion's sealed pillar with the minion's own key, ``sdb://…`` is
        asked of Salt's sdb, anything else is returned as it is.

    Raises :class:`Missing` when the reference leads nowhere; never returns an empty secret.
    """
    if not isinstance(value, str):
        return value
    if value.startswith(REFERENCE):
        return _unseal(value[len(REFERENCE) :], opts, pillar)
    if value.startswith("sdb://"):
        try:
            secret = salt.utils.sdb.sdb_get(value, dict(opts))
        except KeyError as error:
            # Salt's loader says so of a driver that it doesn't have.
            raise Missing(
                f"{value} can't be asked for: there is no {error}", remedy="correct its driver"
            ) from None
        if secret is None or secret in ("", value):
            raise Missing(f"{value} gives nothing", remedy="write it there, or correct the reference")
        return secret
    return value


def opened(
    value: Any,
    opts: Mapping[str, Any],
    pillar: Mapping[str, Any] | None,
    key: Callable[[Any], Any] = lambda key: key,
    path: tuple[str, ...] = (),
) -> tuple[Any, list[tuple[str, ...]]]:
    """
    A value with the references in it opened, at any depth, and the paths where they stood.

    key
        What becomes of the keys of mappings.
    path
        Where the value stands; items of a list stand where the list does.

    Raises what :func:`reveal` does.
    """
    if isinstance(value, dict):
        pairs = {
            key(name): opened(item, opts, pillar, key, (*path, str(name))) for name, item in value.items()
        }
        return {name: pair[0] for name, pair in pairs.items()}, [
            place for pair in pairs.values() for place in pair[1]
        ]
    if isinstance(value, (list, tuple)):
        items = [opened(item, opts, pillar, key, path) for item in value]
        return [item[0] for item in items], [place for item in items for place in item[1]]
    plain = reveal(value, opts, pillar)
    return plain, [path] if plain != value else []


def _unseal(identifier: str, opts: Mapping[str, Any], pillar: Mapping[str, Any] | None) -> str:
    own = tree(opts, pillar)
    sealed = (own.get("sealed") or {}).get(identifier)
    if not sealed and opts.get("test") and identifier in (own.get("awaited") or ()):
        # The same run would make it, at the other end.
        return MADE_BY_SERVER
    if not sealed and identifier in (own.get("awaited") or ()):
        raise Missing(
            f"the secret {identifier} can only be made by the server at the other end, and isn't there yet",
            remedy="deploy both ends: salt-run itstack.deploy",
        )
    if not sealed:
        raise Missing(
            f"the secret {identifier} isn't among those that the master gives this minion",
            remedy=f"`salt-run itstack.secrets` on the master says whether {identifier} exists and who may "
            "read it",
        )
    key = pathlib.Path(opts["pki_dir"]) / "minion.pem"
    try:
        private = key.read_bytes()
    except OSError as error:
        raise Denied(
            f"the secret {identifier} can't be opened, because {key} can't be read ({error.strerror})",
            remedy="run as root, on the minion that the secret is meant for",
        ) from None
    return seal.unseal(sealed, private)


def starts_in_this_run(opts: Mapping[str, Any], pillar: Mapping[str, Any] | None, service: Any) -> bool:
    """
    Whether this run would itself start a service, so that a dry run may predict what it can't ask.

    service
        A service id, as profiles of the map are named. Anything else is a server of the user's own.
    """
    if not isinstance(service, str):
        return False
    run = (pillar or {}).get("itstack_run")
    if isinstance(run, Mapping) and "services" in run:
        return service in (run["services"] or [])
    own = tree(opts, pillar).get("services") or {}
    # An external service runs already, or its owner has to start it.
    return service in own and not (own[service] or {}).get("external")


def hand_over(opts: Mapping[str, Any], identifier: str, value: str) -> bool:
    """
    Hand a secret that only this minion's server can make to the master; whether that was needed.

    Arguments and errors as of :func:`salt_itstack.secrets.handing.hand_over`. A deploy collects it before
    what needs it; in any other run an event says that it's there.
    """
    if not handing.hand_over(opts, identifier, value):
        return False
    # The master may be away, and a lone salt-call has nobody who passes it on: the next run collects it too.
    said = {"tag": handing.TAG, "data": {"secrets": [identifier]}, "events": None, "pretag": None}
    with salt.utils.event.MinionEvent(dict(opts), listen=False) as bus:
        bus.fire_event(said, "fire_master", timeout=1000)
    return True


def handed_over(opts: Mapping[str, Any], identifier: str, value: str) -> bool:
    """Whether this value was handed over, and still lies there."""
    return handing.lies_there(opts, identifier, value)


def hand_over_forget(opts: Mapping[str, Any], identifier: str) -> None:
    """Take back what was handed over, because the object is gone."""
    handing.forget(opts, identifier)


def environment() -> dict[str, str]:
    """A child process's environment without what the minion inherited by accident."""
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TZ")
    return {name: value for name, value in os.environ.items() if name in kept}


def own_arguments(given: Mapping[str, Any]) -> dict[str, Any]:
    """
    What the user wrote among the keyword arguments that Salt hands to a function.

    given
        A function's ``**kwargs``: requisites, internals and ``__pub_*`` come along with what is ours.
    """
    import salt.state  # not at the top: execution modules that never come here needn't load it

    theirs = salt.state.STATE_INTERNAL_KEYWORDS | {"aggregate", "names"}
    return {key: value for key, value in given.items() if not key.startswith("__") and key not in theirs}
