"""HTTP over a socket of the local file system, for servers that trust whoever may open it."""

from __future__ import annotations

import socket
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool


class _Connection(HTTPConnection):
    """A connection to a path instead of a host."""

    def __init__(self, path: str, timeout: Any) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def _new_conn(self) -> socket.socket:
        found = socket.socket(socket.AF_UNIX)
        try:
            found.settimeout(self.timeout if isinstance(self.timeout, (int, float)) else None)
            found.connect(self._path)
        except BaseException:
            found.close()
            raise
        return found


class _Pool(HTTPConnectionPool):
    """Connections to one path."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self._path = path

    def _new_conn(self) -> Any:
        self.num_connections += 1
        return _Connection(self._path, self.timeout.connect_timeout)


class SocketAdapter(HTTPAdapter):
    """
    Carries the requests of a session to a socket.

    path
        Of the socket.
    arguments
        As of the requests library's own adapter.
    """

    def __init__(self, path: str, **arguments: Any) -> None:
        self._own = _Pool(path)
        super().__init__(**arguments)

    def get_connection_with_tls_context(self, *_: Any, **__: Any) -> Any:
        """The connections to the socket, whatever the address says."""
        return self._own

    def get_connection(self, *_: Any, **__: Any) -> Any:
        """The same, for versions of requests before 2.32."""
        return self._own

    def close(self) -> None:
        """Close the connections."""
        self._own.close()
        super().close()
