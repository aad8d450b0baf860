"""
What Traefik's API tells (it can't be written by it), and the documents that its file provider reads.

Sources: Traefik reference, "API & Dashboard" and "File provider".
"""

from __future__ import annotations

import pathlib
import tomllib
from collections.abc import Mapping
from typing import Any

import yaml

from ...errors import ItstackError, Missing, Unsupported
from ...http import Session

SERVICE = "Traefik"
#: What the provider loads; everything else in its folder is left alone by it.
ENDINGS = (".yml", ".yaml", ".toml")
#: Rows of one answer; the server sets no limit.
PAGE = 1000
MARK = "# Written by Salt (itstack.traefik); local changes are undone.\n"


class Traefik:
    """
    The API of one running Traefik.

    profile
        ``url`` of its API, such as ``http://127.0.0.1:8080``; it has no login.
    """

    def __init__(
        self, profile: Mapping[str, Any], patience: tuple[float, float] = (3.0, 10.0), retries: int = 2
    ) -> None:
        self.url = str(profile["url"])
        self._http = Session(self.url, SERVICE, ca=profile.get("ca"), timeout=patience, retries=retries)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def read_version(self) -> str:
        """The server's version, such as ``3.7.15``."""
        return str(self._object("/api/version").get("Version", ""))

    def read_overview(self) -> dict[str, Any]:
        """How many objects of each kind there are, and how many of them have errors."""
        return self._object("/api/overview")

    def read_all(self) -> dict[str, Any]:
        """Everything that is loaded, by kind and by ``name@provider``, in one request."""
        return self._object("/api/rawdata")

    def read_certificates(self) -> list[dict[str, Any]]:
        """The certificates that are served, with ``name`` (their SHA-256), ``sans`` and ``notAfter``."""
        rows: list[dict[str, Any]] = []
        page = "1"
        while True:
            answer = self._http.get(
                "/api/certificates", params={"page": page, "per_page": PAGE}, accept=(404,)
            )
            if answer.status == 404 or not isinstance(answer.data, list):
                raise Unsupported(
                    "/api/certificates isn't answered by Traefik's API", SERVICE, "use Traefik 3.7 or newer"
                )
            rows += answer.data
            page = answer.headers.get("X-Next-Page", "1")
            if page == "1":
                return rows

    def _object(self, path: str) -> dict[str, Any]:
        # The type of its answers says text where they are JSON.
        answer = self._http.get(path, accept=(404,))
        found = answer.data
        if answer.status == 404 or not isinstance(found, dict):
            raise ItstackError(
                f"{path} isn't answered by Traefik's API", SERVICE, "switch `api` on, and correct the address"
            )
        return found


def place(directory: str, name: str) -> pathlib.Path:
    """The file of our document of an application."""
    return pathlib.Path(directory) / f"itstack-{name}.yml"


def text_of(document: Mapping[str, Any]) -> str:
    """A document as it is written."""
    return MARK + yaml.safe_dump(dict(document), sort_keys=True, allow_unicode=True)


def read_document(directory: str, name: str) -> Any:
    """
    What stands in our document now: ``None`` where there is none, a text where it can't be parsed.
    """
    path = place(directory, name)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise Missing(f"{path} can't be read ({error})", SERVICE, "run as root on the proxy itself") from None
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return "(not YAML)"


def others(directory: str, name: str) -> dict[str, Any]:
    """The other documents of the folder, by file name; one that can't be parsed is ``None``."""
    found: dict[str, Any] = {}
    own = place(directory, name).name
    folder = pathlib.Path(directory)
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if path.suffix not in ENDINGS or not path.is_file() or path.name == own:
            continue
        try:
            text = path.read_text(encoding="utf-8")
            content = tomllib.loads(text) if path.suffix == ".toml" else yaml.safe_load(text)
            found[str(path.relative_to(folder))] = content
        except (OSError, ValueError, yaml.YAMLError):
            found[str(path.relative_to(folder))] = None
    return found
