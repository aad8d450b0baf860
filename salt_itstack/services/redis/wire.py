"""
The first question of Redis's protocol, asked without the client library.

Source: redis.io, "Redis serialization protocol specification" (inline commands, simple errors).
"""

from __future__ import annotations

import re
import socket

from ...errors import Unreachable

SERVICE = "Redis"
#: Longer than what is asked here is ever answered.
LONGEST = 65536


def first_answer(host: str, port: int, timeout: float = 2.0) -> str:
    """
    What the server says before any login.

    timeout
        Seconds for each step of the exchange.

    Returns its version, or an empty text where that takes a login. A request for a login is an answer too.
    Raises :class:`Unreachable` where nothing answers, something else does, or the server can't be used now.
    """
    place = f"{host}:{port}"
    try:
        with socket.create_connection((host, port), timeout=timeout) as connection:
            connection.sendall(b"PING\r\n")
            answer = _line(connection)
            version = _version(connection) if answer == "+PONG" else ""
    except OSError as error:
        raise Unreachable(
            f"no answer from {place} ({error.strerror or error})",
            SERVICE,
            "start the server, or correct its address in the map or the profile",
        ) from None
    if answer != "+PONG" and not answer.startswith("-NOAUTH"):
        if not answer.startswith("-"):
            raise Unreachable(
                f"what answers at {place} isn't Redis", SERVICE, "correct the address or the port"
            )
        # LOADING, DENIED (protected mode), or all connections in use.
        raise Unreachable(
            f"the server at {place} can't be used: {answer[1:200]}",
            SERVICE,
            "try again once it is up; its own log says what it waits for",
        )
    return version


def _version(connection: socket.socket) -> str:
    connection.sendall(b"INFO server\r\n")
    first = _line(connection)
    if not re.fullmatch(r"\$\d{1,6}", first):
        return ""
    rest = b""
    while b"redis_version:" not in rest or b"\n" not in rest.split(b"redis_version:")[1]:
        more = connection.recv(4096)
        if not more or len(rest) > LONGEST:
            return ""
        rest += more
    return rest.split(b"redis_version:")[1].split(b"\r\n")[0].decode("ascii", "replace")


def _line(connection: socket.socket) -> str:
    # Byte by byte: what follows the line belongs to somebody else.
    content = b""
    while not content.endswith(b"\n"):
        more = connection.recv(1)
        if not more or len(content) > LONGEST:
            raise ConnectionResetError("the connection was closed without an answer")
        content += more
    return content.decode("utf-8", "replace").strip()
