"""Proof that an application can work on its key space, and can't administrate the server."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

from ...errors import Denied, Rejected
from .api import SERVICE, redis, session

#: Should the deletion not come to pass, the server does it itself.
LIFETIME_SECONDS = 30


def probe_key_space(
    host: str,
    port: int,
    user: str,
    password: str,
    database: int = 0,
    prefix: str = "",
    ca: str | None = None,
) -> dict[str, Any]:
    """
    Use a key space as its application does: over the network, as its ACL user.

    database
        Index that the application uses.
    prefix
        What its keys begin with, where the user is confined to that; a key outside has to be refused.

    Returns ``version`` (empty if the user may not ask), ``keys`` (how many there are in the database),
    ``milliseconds`` for writing, reading and deleting one. Leaves no trace.
    Raises an :class:`~salt_itstack.errors.ItstackError` that says what doesn't hold.
    """
    word = uuid.uuid4().hex
    key = f"{prefix}itstack-probe-{word}"
    with session(host, port, user, password, database, ca) as server:
        began = time.monotonic()
        try:
            server.set(key, word, ex=LIFETIME_SECONDS)
            found = server.get(key)
            gone = server.delete(key)
        except redis.exceptions.NoPermissionError as error:
            raise Denied(
                f"{user} can't use its own key space ({error})",
                SERVICE,
                "run the states of the Redis server, which give the user its rights",
            ) from None
        took = (time.monotonic() - began) * 1000
        if found != word or gone != 1:
            raise Rejected(f"a key that {user} wrote to database {database} didn't come back", SERVICE)
        if prefix:
            _refused(user, f"read a key outside {prefix}*", lambda: server.get(f"itstack-outside-{word}"))
        _refused(user, "read the server's settings", lambda: server.config_get("maxmemory"))
        _refused(user, "read the server's accounts", lambda: server.execute_command("ACL", "LIST"))
        state = _state(server)
        return {
            "version": state.get("redis_version", ""),
            "keys": server.dbsize(),
            "milliseconds": round(took, 2),
        }


def _refused(user: str, what: str, attempt: Callable[[], Any]) -> None:
    try:
        attempt()
    except redis.exceptions.NoPermissionError:
        return
    raise Rejected(
        f"{user} could {what}",
        SERVICE,
        "run the states of the Redis server, which take the user's other rights away",
    )


def _state(server: Any) -> dict[str, Any]:
    try:
        state = dict(server.info())
    except redis.exceptions.NoPermissionError:
        return {}
    if state["role"] != "master":
        raise Rejected("the server is a replica, it takes no writes", SERVICE, "point the map at the primary")
    for name in ("rdb_last_bgsave_status", "aof_last_write_status"):
        if state.get(name, "ok") != "ok":
            raise Rejected(
                f"the server can't save its data ({name} is {state[name]})",
                SERVICE,
                "make room on its disk, or let its account write there; the server's log has the reason",
            )
    return state
