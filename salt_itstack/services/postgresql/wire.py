"""
The first question of PostgreSQL's protocol, asked without the client library.

libpq tells a failed login by a sentence only, in the server's language. The protocol tells it by SQLSTATE.
Source: postgresql.org, "Frontend/Backend Protocol", message formats.
"""

from __future__ import annotations

import socket
import struct

from ...errors import Unreachable

SERVICE = "PostgreSQL"
#: Version 3.0.
PROTOCOL = 3 << 16
#: The server is there, but takes no sessions now.
NOT_NOW = {
    "57P03": "it is starting, stopping or recovering",
    "57P01": "it is being stopped",
    "57P02": "it has just crashed",
    "53300": "all its connections are in use",
}
#: Longer than any first answer. What claims to be longer isn't PostgreSQL.
LONGEST = 65536


def first_answer(host: str, port: int, user: str, database: str, timeout: float = 2.0) -> str:
    """
    What the server says to a session that asks to begin, before any credentials are given.

    host
        Address, or the folder of the Unix socket.
    timeout
        Seconds for the whole exchange's every step.

    Returns the SQLSTATE of its refusal, or an empty text where it goes on to authenticate.
    Raises :class:`Unreachable` where nothing answers, something else does, or no sessions are taken.
    """
    place = f"{host}/.s.PGSQL.{port}" if host.startswith("/") else f"{host}:{port}"
    try:
        with _open(host, port, timeout) as connection:
            connection.sendall(_startup(user, database))
            kind, size = struct.unpack("!cI", _read(connection, 5))
            if kind not in (b"R", b"E") or not 4 <= size <= LONGEST:
                raise Unreachable(
                    f"what answers at {place} isn't PostgreSQL", SERVICE, "correct the address or the port"
                )
            # Read to its end in any case: a connection closed before that is an error in the server's log.
            rest = _read(connection, size - 4)
            state = "" if kind == b"R" else _sqlstate(rest)
    except OSError as error:
        raise Unreachable(
            f"no answer from {place} ({error.strerror or error})",
            SERVICE,
            "start the server, or correct its address in the map or the profile",
        ) from None
    if state in NOT_NOW:
        raise Unreachable(
            f"the server at {place} takes no sessions: {NOT_NOW[state]} (SQLSTATE {state})",
            SERVICE,
            "try again once it is up; its own log says what it waits for",
        )
    return state


def _open(host: str, port: int, timeout: float) -> socket.socket:
    if not host.startswith("/"):
        return socket.create_connection((host, port), timeout=timeout)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(timeout)
    try:
        connection.connect(f"{host}/.s.PGSQL.{port}")
    except OSError:
        connection.close()
        raise
    return connection


def _startup(user: str, database: str) -> bytes:
    pairs = b"".join(
        part.encode() + b"\0"
        for part in ("user", user, "database", database, "application_name", "salt-itstack")
    )
    content = struct.pack("!I", PROTOCOL) + pairs + b"\0"
    return struct.pack("!I", len(content) + 4) + content


def _read(connection: socket.socket, size: int) -> bytes:
    content = b""
    while len(content) < size:
        more = connection.recv(size - len(content))
        if not more:
            raise ConnectionResetError("the connection was closed without an answer")
        content += more
    return content


def _sqlstate(fields: bytes) -> str:
    for item in fields.split(b"\0"):
        if item[:1] == b"C":
            return item[1:].decode("ascii", "replace")
    return "unknown"
