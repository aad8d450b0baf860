"""
Redis's commands, as far as this pack uses them: one method per question or change.

Sources: redis.io, "ACL", "ACL SETUSER", "ACL GETUSER", "CONFIG SET", "Security".
"""

from __future__ import annotations

import contextlib
import difflib
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from ...errors import (
    Denied,
    Invalid,
    ItstackError,
    Problem,
    Rejected,
    Unreachable,
    Unsupported,
)
from .resources import in_base_units, rules

try:
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry
except ImportError:
    redis = None  # type: ignore[assignment]

SERVICE = "Redis"
DEFAULTS: dict[str, Any] = {
    "host": "127.0.0.1",
    "port": 6379,
    "user": "default",
    "password": None,
    "ca": None,
}
#: Selectors, ACL DRYRUN and several settings in one CONFIG SET came with this one.
OLDEST = 7
SECONDS = 5.0


class Redis:
    """
    One server, as its administrator.

    profile
        ``host``, ``port``, ``user``, ``password``; ``ca`` (the certificate's file) switches TLS on.

    Raises :class:`Invalid` for unknown keys, :class:`Unsupported` without the client library.
    """

    def __init__(self, profile: Mapping[str, Any]) -> None:
        needs_library()
        problems = []
        for key in profile:
            if key not in DEFAULTS:
                near = difflib.get_close_matches(str(key), DEFAULTS, 1)
                remedy = f"did you mean {near[0]}?" if near else f"one of {', '.join(DEFAULTS)}"
                problems.append(Problem("", key, None, "a Redis profile has no such key", remedy))
        if problems:
            raise Invalid(problems)
        self.profile = {**DEFAULTS, **{key: value for key, value in profile.items() if value is not None}}

    @property
    def address(self) -> tuple[str, int]:
        """Host and port: which server this is."""
        return str(self.profile["host"]), int(self.profile["port"])

    def session(self) -> contextlib.AbstractContextManager[Any]:
        """A session, closed at the end; the client library's errors inside become ours."""
        host, port = self.address
        return session(host, port, self.profile["user"], self.profile["password"], ca=self.profile["ca"])

    def read_users(self) -> dict[str, dict[str, Any]]:
        """All ACL users by name: two questions, however many there are."""
        with self.session() as server:
            _supported(server)
            names = server.execute_command("ACL", "USERS")
            pipeline = server.pipeline(transaction=False)
            for name in names:
                pipeline.execute_command("ACL", "GETUSER", name)
            answers = pipeline.execute()
        # A user may have gone between the two.
        return {name: _user(answer) for name, answer in zip(names, answers) if answer}

    def read_as_kept(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """
        What this server would say of a user with these rules.

        Servers spell rules in their own way, which changed with 7.2. So a user with a random name and without
        the right to log in is made, read and deleted, in one transaction: nobody else ever sees it.
        """
        name = f"itstack-{uuid.uuid4().hex}"
        with self.session() as server:
            pipeline = server.pipeline(transaction=True)
            pipeline.execute_command("ACL", "SETUSER", name, *rules({**wanted, "enabled": False}))
            pipeline.execute_command("ACL", "GETUSER", name)
            pipeline.execute_command("ACL", "DELUSER", name)
            _, kept, _ = _first_error_raised(pipeline.execute(raise_on_error=False))
        return {**_user(kept), "enabled": bool(wanted.get("enabled"))}

    def write_user(self, name: str, wanted: Mapping[str, Any], before: Mapping[str, Any] | None) -> None:
        """
        Make a user exactly what is wanted, and keep it over a restart.

        before
            What it is put back to where it can't be kept; ``None`` if it didn't exist.
        """
        undo = ("DELUSER", name) if before is None else ("SETUSER", name, *rules(before))
        self._write_and_keep(("SETUSER", name, *rules(wanted)), undo)

    def delete_user(self, name: str, before: Mapping[str, Any]) -> None:
        """Delete a user, end its connections, and keep that over a restart. See :meth:`write_user`."""
        self._write_and_keep(("DELUSER", name), ("SETUSER", name, *rules(before)))

    def _write_and_keep(self, change: tuple[str, ...], undo: tuple[str, ...]) -> None:
        with self.session() as server:
            if not server.execute_command("CONFIG", "GET", "aclfile")[1]:
                raise Unsupported(
                    "the server has no ACL file, so its users would be lost when it is restarted",
                    SERVICE,
                    "set `aclfile /etc/redis/users.acl` in redis.conf, move its `user` lines there, restart",
                )
            server.execute_command("ACL", *change)
            try:
                server.execute_command("ACL", "SAVE")
            except redis.ResponseError:
                server.execute_command("ACL", *undo)
                raise Rejected(
                    "the server couldn't write its ACL file, so the change was taken back",
                    SERVICE,
                    "let the server's account write the file and its folder; the server's log has the reason",
                ) from None

    def read_settings(self, names: list[str]) -> dict[str, str]:
        """Settings of the running server by name; those that it doesn't know are left out."""
        with self.session() as server:
            _supported(server)
            answer = server.execute_command("CONFIG", "GET", *names)
        return dict(zip(answer[::2], answer[1::2]))

    def write_settings(self, settings: Mapping[str, Any]) -> None:
        """Set all of these on the running server, or none."""
        pairs = [word for name, value in settings.items() for word in (name, in_base_units(value))]
        with self.session() as server:
            server.execute_command("CONFIG", "SET", *pairs)

    def read_version(self) -> str:
        """The server's version, such as ``7.0.15``."""
        with self.session() as server:
            return str(server.info("server")["redis_version"])


def needs_library() -> None:
    """Raise :class:`Unsupported` with the remedy where the client library isn't installed."""
    if redis is None:
        raise Unsupported(
            "the Python library redis isn't installed where this runs",
            SERVICE,
            "salt-pip install 'salt-itstack[redis]'",
        )


@contextlib.contextmanager
def session(
    host: str, port: int, user: str, password: str | None, database: int = 0, ca: str | None = None
) -> Iterator[Any]:
    """
    A session as one ACL user, closed at the end.

    The client library's errors inside become :class:`Unreachable`, :class:`Denied` or :class:`Rejected`.
    """
    needs_library()
    client = redis.Redis(
        host=host,
        port=port,
        username=user,
        password=password,
        db=database,
        ssl=ca is not None,
        ssl_ca_certs=ca,
        socket_timeout=SECONDS,
        socket_connect_timeout=SECONDS,
        decode_responses=True,
        # Whether to try again is for the caller to say, and the newer protocol answers in other shapes.
        retry=Retry(NoBackoff(), 0),
        protocol=2,
    )
    try:
        yield client
    except redis.RedisError as error:
        raise _explanation(error, f"{user} at {host}:{port}") from None
    finally:
        client.close()


def _explanation(error: Any, who: str) -> ItstackError:
    # In a pipeline the library puts the command with all its words in front.
    text = str(error).rsplit(" caused error: ", 1)[-1]
    if isinstance(error, redis.exceptions.AuthenticationError) or text.startswith(("WRONGPASS", "NOAUTH")):
        remedy = "check the account and its secret, and whether it is switched on"
        return Denied(f"{who} may not log in", SERVICE, remedy)
    if isinstance(error, redis.exceptions.NoPermissionError):
        return Denied(f"{who}: {text}", SERVICE, "let this account run the command, or use another profile")
    if isinstance(error, (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError)):
        return Unreachable(
            f"no answer to {who} ({text})",
            SERVICE,
            "start the server, or correct its address in the map or the profile",
        )
    remedies = {
        "ACL SETUSER modifier": "correct it in `commands`, `keys` or `channels`",
        "immutable config": "write it to redis.conf, and restart the server",
    }
    remedy = next((remedies[part] for part in remedies if part in text), "")
    return Rejected(f"{who}: {text}", SERVICE, remedy)


def _first_error_raised(answers: list[Any]) -> list[Any]:
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
    return answers


def _supported(server: Any) -> None:
    version = str(server.info("server")["redis_version"])
    if int(version.split(".")[0]) < OLDEST:
        raise Unsupported(f"this is version {version}", SERVICE, f"use version {OLDEST} or later")


def _user(answer: list[Any]) -> dict[str, Any]:
    # A flat list of names and values. Flags besides on, off and nopass come and go by themselves.
    found = dict(zip(answer[::2], answer[1::2]))
    flags = found["flags"]
    return {
        "enabled": "on" in flags,
        # Without a password, anybody is let in: that is never the same as having none of ours.
        "passwords": ["nopass"] if "nopass" in flags else list(found["passwords"]),
        "keys": found["keys"],
        "channels": found["channels"],
        "commands": found["commands"],
        "selectors": [_selector(item) for item in found.get("selectors") or []],
    }


def _selector(answer: list[Any]) -> str:
    parts = dict(zip(answer[::2], answer[1::2]))
    return " ".join(part for part in (parts["commands"], parts["keys"], parts["channels"]) if part)
