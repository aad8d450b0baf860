"""Brings one webhook or link to the declared shape, on both ends. Knows neither Salt nor any kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..reconcile import HIDDEN, MADE_BY_SERVER, Changes, body, diff, removal
from .delivery import OtherEnd
from .engine import Server
from .kinds import Plan, filled


class Wiring:
    """
    One plan on its two ends.

    rows
        Gives the server's objects of this kind; reads them once per run.
    changed
        Called after a write, so that they are read anew.
    known
        Whether a secret that we chose is what was written last: ``None`` where nothing is remembered.
    remember
        Called with a chosen secret after it was written; with ``None`` when it's gone.
    """

    def __init__(
        self,
        plan: Plan,
        server: Server,
        other: OtherEnd | None,
        rows: Callable[[], list[dict[str, Any]]],
        changed: Callable[[], None],
        known: Callable[[str], bool | None] = lambda value: None,
        remember: Callable[[str | None], None] = lambda value: None,
    ) -> None:
        self.plan, self.spec, self.server, self.other = plan, plan.spec, server, other
        self.rows, self.changed, self.known, self.remember = rows, changed, known, remember
        self.warnings: list[str] = []

    def present(self, secret: str | None, test: bool) -> Changes:
        """Make it, or change what differs; what changed or would change."""
        row, removed = self._found()
        changes = self._differences(row if not removed else None, secret)
        lacking = self.server.unsatisfied(row)
        if row is not None and not removed and lacking:
            changes["member of"] = {"old": None, "new": [name for name, _, _ in lacking]}
        credential = self._credential(row if not removed else None)
        if credential:
            changes[self.plan.value_name] = credential
        delivered = self._delivery(row if not removed else None, bool(credential))
        if delivered and self.other:
            changes[self.other.name] = delivered
        if changes and not test:
            self._apply(row, removed, changes, secret)
        return changes

    def absent(self, test: bool) -> Changes:
        """Remove it from both ends; what changed or would change."""
        row, removed = self._found()
        changes: Changes = {}
        if row is not None and not removed:
            changes.update(removal(self.plan.name))
        if self.other and self.other.has(None):
            changes.update(removal(self.other.name))
        if not changes or test:
            return changes
        if row is not None and not removed:
            for token in self._tokens(row):
                self._revoke(token)
            self.server.call(self.spec["remove"], {**self.server.places, **row, "name": self.plan.name})
            self.changed()
        if self.other:
            self.other.forget()
        self.remember(None)
        return changes

    def _found(self) -> tuple[dict[str, Any] | None, bool]:
        """The object that is ours, and whether it is one that was removed."""
        ours = self.server.ours(self.rows())
        if len(ours) > 1:
            self.warnings.append(
                f"there are {len(ours)} of the same name at the same place; the oldest is looked after, the "
                "others are left alone"
            )
        row = ours[0] if ours else None
        gone = self.spec.get("gone", {}).get("field")
        return row, bool(row and gone and row.get(gone))

    def _differences(self, row: dict[str, Any] | None, secret: str | None) -> Changes:
        if row is None:
            changes = self.plan.creation()
            # The rest is said below, as it is found.
            changes.pop(self.plan.value_name, None)
            if self.spec.get("value"):
                changes[self.plan.value_name] = {"old": None, "new": MADE_BY_SERVER}
            return changes
        wanted = {key: value for key, value in self.plan.wanted.items() if not self._is_off(key, row)}
        changes = diff(self.plan.resource, wanted, row)
        if secret is not None and self._secret_differs(row, secret):
            changes["secret"] = {"old": HIDDEN, "new": HIDDEN}
        return changes

    def _is_off(self, key: str, row: Mapping[str, Any]) -> bool:
        """Whether a switch of the server keeps a field as it is, whatever is sent."""
        about = self.spec["fields"][key]
        if "needs" not in about or row.get(about["path"]) == self.plan.wanted[key]:
            return False
        section, switch = about["needs"].split(".")
        settings = self.server.call(self.server.product["settings"], {}).get(section) or {}
        if settings.get(switch):
            return False
        self.warnings.append(f"{key} can't be set while {about['needs']} is false on the server")
        return True

    def _secret_differs(self, row: Mapping[str, Any], secret: str) -> bool:
        shows = self.spec["secret"].get("shows", {})
        if any(row.get(key) != value for key, value in shows.items()):
            return True
        if "uses" in self.spec:
            return not self.server.works(secret)
        return self.known(secret) is False

    # What the server alone makes

    def _tokens(self, row: Mapping[str, Any]) -> list[dict[str, Any]]:
        about = self.spec.get("credential")
        if not about:
            return []
        places = {**self.server.places, **row}
        wanted = filled(about["match"], places)
        rows = self.server.rows(about["list"], places)
        return [one for one in rows if all(one.get(key) == value for key, value in wanted.items())]

    def _credential(self, row: dict[str, Any] | None) -> dict[str, Any] | None:
        """The change of what is shown only once: none if the other end has one that is good."""
        if not self.spec.get("credential") or self.other is None:
            return None
        if row is None:
            return {"old": None, "new": MADE_BY_SERVER}
        tokens = self._tokens(row)
        there = self.other.value()
        good = self.server.works(there) if there else bool(tokens) and self.other.has(None)
        if tokens and good:
            return None
        return {"old": HIDDEN if tokens or there else None, "new": MADE_BY_SERVER}

    def _delivery(self, row: dict[str, Any] | None, credential: bool) -> dict[str, Any] | None:
        if self.other is None:
            return None
        value = self._value(row) if row is not None else None
        if value is None and not credential:
            # What the server shows only once is there, and good; who may read it there counts as well.
            value = self.other.value()
        if (row is None or credential) or (value is not None and not self.other.has(value)):
            return {"old": HIDDEN if self.other.has(None) else None, "new": HIDDEN}
        return None

    def _value(self, row: Mapping[str, Any]) -> str | None:
        about = self.spec.get("value")
        return str(filled(about["text"], {**self.server.places, **row})) if about else None

    # Writing

    def _apply(self, row: dict[str, Any] | None, removed: bool, changes: Changes, secret: str | None) -> None:
        try:
            if removed and row is not None:
                self.server.call(self.spec["gone"], {**self.server.places, **row})
            if row is None:
                row = self._made(secret)
            else:
                fields = [key for key in changes if key in self.spec["fields"]]
                self._changed(row, list(self.plan.wanted) if removed else fields, secret, "secret" in changes)
            if secret is not None:
                self.remember(secret)
            self.server.join(self.server.unsatisfied(row), row)
        finally:
            # Also after a failure: what was made before it is there.
            self.changed()
        if self.other is None or self.other.name not in changes:
            return
        value = self._value(row)
        if value is None and self.plan.value_name not in changes:
            value = self.other.value()
        if value is None:
            before = self._tokens(row)
            about = self.spec["credential"]
            made = self.server.call(about["create"], {**self.server.places, **row})
            self.other.give(str(made[about["take"]]))
            for token in before:
                self._revoke(token)
        else:
            self.other.give(value)

    def _made(self, secret: str | None) -> dict[str, Any]:
        places = {**self.server.places, "secret": secret}
        sent = {**filled(self.spec["create"]["body"], places), **body(self.plan.resource, self.plan.wanted)}
        if secret is not None:
            sent.update(filled(self.spec["secret"]["body"], places))
        made = self.server.call(self.spec["create"], places, body=sent) or {}
        return {**sent, **made}

    def _changed(self, row: dict[str, Any], fields: list[str], secret: str | None, anew: bool) -> None:
        places = {**self.server.places, **row, "name": self.plan.name, "secret": secret}
        about = self.spec["change"]
        own = self.spec.get("secret", {}).get("change")
        if anew and own:
            self.server.call(own, places)
        if about.get("each_field"):
            for key in fields:
                sent = {"field": self.spec["fields"][key]["path"], "value": self.plan.wanted[key]}
                self.server.call(about, {**places, **sent})
            return
        if not fields and not (anew and not own):
            return
        whole = {key: row[key] for key in about["keep"] if key in row}
        whole.update(body(self.plan.resource, self.plan.wanted))
        if secret is not None and not own:
            whole.update(filled(self.spec["secret"]["body"], places))
        self.server.call(about, places, body=whole)

    def _revoke(self, token: Mapping[str, Any]) -> None:
        self.server.call(self.spec["credential"]["remove"], dict(token))
