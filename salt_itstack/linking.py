"""
What the plug-ins for webhooks and links share: from a state's arguments to both ends.

Beside :mod:`salt_itstack.plugin` the only place where links meet Salt's way of handing things over.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any

from . import plugin
from .errors import Invalid, Problem
from .links.delivery import OtherEnd
from .links.engine import Server
from .links.kinds import Plan, filled, kinds, plan
from .links.wiring import Wiring
from .reconcile import HIDDEN, Changes, forget, snapshot
from .secrets import fingerprint, handing


class _Hands:
    """A value's way to the master."""

    def __init__(self, opts: Mapping[str, Any]) -> None:
        self._opts = opts

    def give(self, identifier: str, value: str) -> bool:
        return plugin.hand_over(self._opts, identifier, value)

    def has(self, identifier: str, value: str | None) -> bool:
        if value is None:
            return bool(handing.parcels(self._opts, [identifier]))
        return plugin.handed_over(self._opts, identifier, value)

    def forget(self, identifier: str) -> None:
        plugin.hand_over_forget(self._opts, identifier)


class Link:
    """
    One webhook or link that a state declares.

    opts, pillar, context
        Salt's own.
    state
        ``webhook`` or ``link``.
    given
        ``name``, ``kind``, ``source``, ``target``, ``secret``, and the kind's fields as ``fields``.

    Raises :class:`Invalid` with all that is wrong in them.
    """

    def __init__(
        self,
        opts: Mapping[str, Any],
        pillar: Mapping[str, Any] | None,
        context: MutableMapping[Any, Any],
        state: str,
        **given: Any,
    ) -> None:
        self._opts, self._pillar, self._context = opts, pillar, context
        self.plan: Plan = plan(state, **given)
        self.warnings: list[str] = []

    @property
    def profile(self) -> Any:
        """How to get into the application where the object is made: by the product's name if not said."""
        return self.plan.here.get("profile") or self.plan.spec["product"]

    def present(self, test: bool) -> Changes:
        """Make it or change it on both ends; what changed or would change."""
        secret = plugin.reveal(self.plan.secret, self._opts, self._pillar) if self.plan.secret else None
        if secret is not None and not isinstance(secret, str):
            raise Invalid(Problem("", "secret", None, "isn't a text", "give it as a reference"))
        return self._run(lambda wiring: wiring.present(secret, test))

    def absent(self, test: bool) -> Changes:
        """Remove it from both ends; what changed or would change."""
        return self._run(lambda wiring: wiring.absent(test))

    def predicted(self) -> Changes:
        """What making it changes on a server that isn't there yet."""
        changes = self.plan.creation()
        other = self._other()
        if other:
            changes[other.name] = {"old": HIDDEN if other.has(None) else None, "new": HIDDEN}
        return changes

    def _other(self) -> OtherEnd | None:
        return OtherEnd(self.plan, _Hands(self._opts)) if self.plan.value_name else None

    def _run(self, work: Any) -> Changes:
        other = self._other()
        server = Server(self.plan, plugin.profile(self.profile, self._opts, self._pillar))
        try:
            listing = self.plan.spec["list"]

            def slot() -> tuple[Any, ...]:
                return ("links", server.address, str(filled(listing["path"], server.places)))

            address = f"{self.plan.kind} {self.plan.name} {server.address}"
            wiring = Wiring(
                self.plan,
                server,
                other,
                lambda: snapshot(self._context, slot(), lambda: server.rows(listing, server.places)),
                lambda: forget(self._context, slot()),
                lambda value: fingerprint.known(self._opts, address, value),
                lambda value: self._remember(address, value),
            )
            changes: Changes = work(wiring)
            self.warnings = wiring.warnings
            return changes
        finally:
            server.close()

    def _remember(self, address: str, value: str | None) -> None:
        if value is None:
            fingerprint.forget(self._opts, address)
        else:
            fingerprint.remember(self._opts, address, value)


def starts(opts: Mapping[str, Any], pillar: Mapping[str, Any] | None, state: str, **given: Any) -> bool:
    """Whether this run would itself start the application where a webhook or link is made."""
    try:
        profile = Link(opts, pillar, {}, state, **_whole(state, given)).profile
    except Invalid:
        # Whoever applies it says the same, in its place.
        return False
    return plugin.starts_in_this_run(opts, pillar, profile)


def prediction(
    opts: Mapping[str, Any], pillar: Mapping[str, Any] | None, state: str, **given: Any
) -> Changes | None:
    """What making it changes on a server that this run would start; ``None`` where it should be there."""
    if not starts(opts, pillar, state, **given):
        return None
    return Link(opts, pillar, {}, state, **_whole(state, given)).predicted()


def _whole(state: str, given: Mapping[str, Any]) -> dict[str, Any]:
    return {"secret": placeholder(state, given.get("kind")), **given}


def placeholder(state: str, kind: Any) -> str | None:
    """What stands for a secret where none is needed, as for a removal; ``None`` if none is chosen."""
    return "(none)" if kinds(state).get(kind, {}).get("secret") else None


def described(state: str) -> dict[str, dict[str, Any]]:
    """The kinds that a state takes: title, arguments of both ends, fields."""
    return {
        name: {
            "title": kind["title"],
            "made at": kind["end"],
            "arguments": dict(kind.get("arguments", {})),
            "arguments of the other end": dict(kind.get("other", {})),
            "fields": sorted(kind["fields"]),
        }
        for name, kind in kinds(state).items()
    }
