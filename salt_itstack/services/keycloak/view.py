"""What one run has read of a Keycloak server: each list once, until something in it is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, TypeVar

from ...errors import ItstackError, Missing
from ...reconcile import forget, snapshot
from .api import Keycloak, Row

Read = TypeVar("Read")


class View:
    """
    A server as this run knows it.

    api
        Connection, as the account of a profile.
    context
        A mapping that lives as long as the run.
    """

    def __init__(self, api: Keycloak, context: MutableMapping[Any, Any]) -> None:
        self.api = api
        self._context = context
        self._key = ("keycloak", *api.identity)

    def clients(self, realm: str) -> dict[str, Row]:
        """Clients by ``clientId``."""
        found = self.listed(realm, "clients", lambda: _by("clientId", self.api.clients(realm)), {})
        written = self._remember((realm, "written clients"), _names)
        while written:
            name = min(written)
            row = self.api.client(realm, name)
            found.pop(name, None)
            if row is not None:
                found[name] = row
            written.discard(name)
        return found

    def scopes(self, realm: str) -> dict[str, Row]:
        """Client scopes by name."""
        return self.listed(realm, "scopes", lambda: _by("name", self.api.client_scopes(realm)), {})

    def new_client_scopes(self, realm: str, kind: str) -> list[str]:
        """Names of the scopes that a new client gets, ``default`` or ``optional``."""
        return self.listed(
            realm, f"{kind} scopes", lambda: [row["name"] for row in self.api.default_scopes(realm, kind)], []
        )

    def components(self, realm: str) -> list[Row]:
        """All components."""
        return self.listed(realm, "components", lambda: self.api.components(realm), [])

    def roles(self, realm: str) -> dict[str, Row]:
        """Realm roles by name."""
        return self.listed(realm, "roles", lambda: _by("name", self.api.roles(realm)), {})

    def client_roles(self, realm: str, client_id: str) -> dict[str, Row]:
        """A client's roles by name; none where there is no such client."""
        found = self.clients(realm).get(client_id)
        if found is None:
            return {}
        return self.listed(
            realm,
            f"roles of {client_id}",
            lambda: _by("name", self.api.client_roles(realm, found["id"])),
            {},
        )

    def flows(self, realm: str) -> list[Row]:
        """The authentication flows at the top."""
        return self.listed(realm, "flows", lambda: self.api.flows(realm), [])

    def all_groups(self, realm: str, parent: str = "") -> dict[str, Row]:
        """All groups by path; one request for each group that has others below it."""
        found: dict[str, Row] = {}
        for row in self._groups(realm, parent).values():
            found[row["path"]] = row
            if row.get("subGroupCount"):
                found.update(self.all_groups(realm, row["id"]))
        return found

    def group(self, realm: str, path: str) -> Row | None:
        """A group by its path, or ``None``; each level that is passed is read as a whole."""
        found: Row | None = None
        for name in path.strip("/").split("/"):
            parent = "" if found is None else found["id"]
            found = self._groups(realm, parent).get(name)
            if found is None:
                return None
        return found

    def realm(self, realm: str) -> Row | None:
        """The realm, or ``None``."""
        return self._remember((realm, "realm"), lambda: self.api.realm(realm))

    def server_info(self) -> Row:
        """Version and installed providers."""
        return self._remember(("server_info",), self.api.server_info)

    def changed(self, realm: str, *what: str) -> None:
        """Forget lists because something in them was written."""
        for name in what:
            if name == "groups":
                for parent in self._remember((realm, "group parents"), _names):
                    forget(self._context, (*self._key, realm, "groups", parent))
            if name == "clients":
                self._remember((realm, "written clients"), _names).clear()
            forget(self._context, (*self._key, realm, name))

    def client_changed(self, realm: str, client_id: str) -> None:
        """Look at one client again, because it was made, written or removed; the others are as they were."""
        self._remember((realm, "written clients"), _names).add(client_id)
        self.changed(realm, f"roles of {client_id}")

    def changed_realm(self, realm: str) -> None:
        """Forget all of a realm, because it was made, changed or removed."""
        self.changed(realm, "realm", "groups", *self._remember((realm, "lists"), _names))

    @contextmanager
    def planning(self) -> Iterator[None]:
        """What is planned in here is no more, if it is refused."""
        plans = self._remember(("planned",), _plans)
        before = set(plans)
        try:
            yield
        except ItstackError:
            plans.intersection_update(before)
            raise

    def plan(self, realm: str, kind: str, name: str = "") -> None:
        """An earlier state of this dry run would create this, or an earlier object of the same set."""
        self._remember(("planned",), _plans).add((realm, kind, name))

    def drop_plans(self) -> None:
        """What was planned has been written, or has failed."""
        self._remember(("planned",), _plans).clear()

    def planned(self, realm: str, kind: str, name: str = "") -> bool:
        """Whether :meth:`plan` was called for it."""
        return (realm, kind, name) in self._remember(("planned",), _plans)

    def planned_realm(self, realm: str) -> bool:
        """Whether the whole realm is only planned, so that it reads as empty."""
        return self.planned(realm, "realm")

    def listed(self, realm: str, what: str, read: Callable[[], Read], empty: Any) -> Read:
        """
        What ``read`` gives, read once; ``empty`` where the whole realm is only planned.

        Raises :class:`Missing` where there is no such realm.
        """
        self._remember((realm, "lists"), _names).add(what)
        return self._remember((realm, what), lambda: self._of(realm, read, empty))

    def _groups(self, realm: str, parent: str) -> dict[str, Row]:
        self._remember((realm, "group parents"), _names).add(parent)
        return self._remember(
            (realm, "groups", parent),
            lambda: _by("name", self._of(realm, lambda: self.api.groups(realm, parent), [])),
        )

    def _of(self, realm: str, read: Callable[[], Read], empty: Read) -> Read:
        if self.planned_realm(realm):
            return empty
        try:
            return read()
        except Missing as error:
            if self.realm(realm) is not None:
                raise
            raise Missing(
                f"there is no realm {realm}",
                error.service,
                "declare it with itstack_keycloak.realm_present and require that, or correct its name",
            ) from None

    def _remember(self, what: tuple[str, ...], read: Callable[[], Read]) -> Read:
        return snapshot(self._context, (*self._key, *what), read)


def _by(key: str, rows: list[Row]) -> dict[str, Row]:
    return {row[key]: row for row in rows}


def _names() -> set[str]:
    return set()


def _plans() -> set[tuple[str, str, str]]:
    return set()
