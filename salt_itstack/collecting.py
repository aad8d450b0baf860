"""Takes what only servers can make into the master's store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from . import keyring
from .errors import ItstackError, Missing
from .fleet import Fleet
from .remediation.pokes import Pokes
from .remediation.record import folder
from .secrets import handing
from .secrets.store import Store
from .stack import GIVEN, Stack

#: The thing that is asked for by an event: all there is.
ALL = "made"


def asked(opts: Mapping[str, Any]) -> Pokes:
    """What events ask the master to collect."""
    return Pokes(folder(opts) / "collections")


def when_asked(opts: Mapping[str, Any], stack: Stack, fleet: Fleet) -> list[str]:
    """
    Collect once for all events that came before now; as :func:`collect`.

    Waits for another who does the same: what was said meanwhile may be newer than what that one took.
    """
    pokes = asked(opts)
    with pokes.working(ALL, wait=True):
        if pokes.take(ALL) is None:
            return []
        pokes.done(ALL)
        return collect(opts, stack, fleet)


def collect(
    opts: Mapping[str, Any], stack: Stack, fleet: Fleet, wanted: Iterable[str] | None = None
) -> list[str]:
    """
    Ask the producers for what they made, and keep it; the ids of the secrets that are new or others now.

    wanted
        Ids of secrets; by default all that the map makes some server the producer of.

    Raises :class:`ItstackError` that names what couldn't be taken and why; the rest is kept all the same.
    """
    producers = {name: stack.producer(name) for name in stack.secrets() if stack.producer(name)}
    chosen = {
        name: producers[name] for name in (producers if wanted is None else wanted) if name in producers
    }
    if not chosen:
        return []
    store = Store.of(opts)
    pem, passphrase = keyring.master_key(opts)
    news, problems = [], []
    for minion in sorted(set(chosen.values())):
        mine = [name for name, producer in chosen.items() if producer == minion]
        answer = fleet.ask([minion], "itstack.made", timeout=30, identifiers=mine).get(minion)
        if not isinstance(answer, Mapping):
            problems.append(
                f"{minion} doesn't answer" if answer is None else f"{minion}: {str(answer)[-200:]}"
            )
            continue
        for name in mine:
            if name not in answer:
                problems.append(f"{minion} hasn't made {name}")
                continue
            try:
                key = keyring.public_key(opts, minion)
                value = handing.opened(answer[name], name, minion, key, pem, passphrase)
                if _differs(store, name, value):
                    store.put(name, value, GIVEN)
                    news.append(name)
            except ItstackError as error:
                problems.append(str(error))
    if problems:
        raise Missing(
            "; ".join(problems), remedy="see what its states say: salt MINION state.highstate test=True"
        )
    return news


def _differs(store: Store, name: str, value: str) -> bool:
    return name not in store.describe() or store.get(name) != value
