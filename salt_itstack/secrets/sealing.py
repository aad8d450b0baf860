"""The secrets of one minion, as the map says, sealed to its key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..stack import GIVEN, Stack
from . import seal
from .store import Store


def specification(stack: Stack) -> dict[str, dict[str, Any]]:
    """How each secret that the deployed map needs is made, by id."""
    result: dict[str, dict[str, Any]] = {}
    for identifier, secret in stack.secrets().items():
        if identifier == "sandbox-person" and not stack.sandbox.get("person"):
            continue
        kind = GIVEN if secret.producer else secret.kind
        result[identifier] = {"kind": kind, "length": secret.length, "alphabet": secret.alphabet}
    return result


def awaited(stack: Stack, minion: str, opts: Mapping[str, Any]) -> list[str]:
    """The secrets that a minion may read and whose server hasn't made them yet."""
    made = [identifier for identifier in stack.secrets_for(minion) if stack.producer(identifier)]
    if not made:
        return []
    present = Store.of(opts).describe()
    return [identifier for identifier in made if identifier not in present]


def sealed_for(stack: Stack, minion: str, public_key: str | bytes, opts: Mapping[str, Any]) -> dict[str, str]:
    """
    The secrets that a minion may read, by id, sealed to its key.

    Those that can be chosen and aren't there yet are made now. One that somebody else has to give, and
    hasn't, is left out: the state that needs it says so by name, and the minion's other services go on.
    """
    store = Store.of(opts)
    specs = specification(stack)
    mine = [identifier for identifier in stack.secrets_for(minion) if identifier in specs]
    store.ensure({identifier: specs[identifier] for identifier in mine})
    present = store.describe()
    return {
        identifier: seal.seal(store.get(identifier), public_key)
        for identifier in mine
        if identifier in present
    }
