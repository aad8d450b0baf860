"""The directory, with the rights of the person who called."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import ldap
import ldap.dn
import ldap.filter
from ldap.controls.simple import ProxyAuthzControl

from salt_itstack.lab.doubles.freeipa import errors

BASE, ONE, TREE = ldap.SCOPE_BASE, ldap.SCOPE_ONELEVEL, ldap.SCOPE_SUBTREE
escape = ldap.filter.escape_filter_chars


@dataclass
class Found:
    """An entry: its DN, and its attributes as text by their names in small letters."""

    dn: str
    values: dict[str, list[str]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    """Attribute names as the directory writes them."""

    def first(self, name: str, default: str = "") -> str:
        return self.values.get(name, [default])[0]


class Directory:
    """Connections to one directory server, bound as its manager."""

    def __init__(self, url: str, manager: str, password: str) -> None:
        self.url, self._manager, self._password = url, manager, password
        self._idle: queue.LifoQueue[ldap.ldapobject.LDAPObject] = queue.LifoQueue()
        # Of several writes at once, the Managed Entries plug-in may turn an addition away, seen under load.
        self._writing = threading.Lock()

    @contextmanager
    def connection(self) -> Iterator[ldap.ldapobject.LDAPObject]:
        """A connection for one request at a time."""
        made = self._living() or self._connect()
        try:
            yield made
        except (ldap.SERVER_DOWN, ldap.TIMEOUT, ldap.CONNECT_ERROR, ldap.UNAVAILABLE):
            # The other idle ones are as dead; the next request starts afresh.
            while not self._idle.empty():
                self._idle.get_nowait()
            raise errors.DirectoryDown() from None
        except ldap.LDAPError as error:
            self._idle.put(made)
            raise _told(error) from None
        except BaseException:
            self._idle.put(made)
            raise
        else:
            self._idle.put(made)

    @contextmanager
    def writing(self) -> Iterator[ldap.ldapobject.LDAPObject]:
        """A connection for a write, of which there is one at a time."""
        with self._writing, self.connection() as made:
            yield made

    def _living(self) -> ldap.ldapobject.LDAPObject | None:
        """An idle connection, unless the directory has been restarted since it was made."""
        try:
            made = self._idle.get_nowait()
            made.whoami_s()
        except (queue.Empty, ldap.LDAPError):
            return None
        return made

    def _connect(self) -> ldap.ldapobject.LDAPObject:
        made = _open(self.url)
        try:
            made.simple_bind_s(self._manager, self._password)
        except (ldap.SERVER_DOWN, ldap.TIMEOUT, ldap.CONNECT_ERROR, ldap.UNAVAILABLE):
            raise errors.DirectoryDown() from None
        return made

    def bind(self, dn: str, password: str) -> str:
        """Try a password. Returns "" or what the directory says against it."""
        probe = _open(self.url)
        try:
            probe.simple_bind_s(dn, password)
            return ""
        except (ldap.SERVER_DOWN, ldap.TIMEOUT, ldap.CONNECT_ERROR, ldap.UNAVAILABLE):
            raise errors.DirectoryDown() from None
        except ldap.UNWILLING_TO_PERFORM as error:
            told = error.args[0]
            return f"{told['desc']}: {told.get('info', '').strip()}"
        except ldap.LDAPError:
            return "Password incorrect"
        finally:
            probe.unbind_s()

    def as_manager(self) -> Session:
        return Session(self, "")

    def as_person(self, dn: str) -> Session:
        return Session(self, dn)


class Session:
    """Reads and writes with one person's rights."""

    def __init__(self, directory: Directory, dn: str) -> None:
        self.directory, self.dn = directory, dn
        self._controls = [ProxyAuthzControl(True, f"dn: {dn}".encode())] if dn else []

    def search(
        self, base: str, scope: int, condition: str, attributes: Sequence[str] = ("*",), limit: int = 0
    ) -> tuple[list[Found], bool]:
        """Entries, and whether there'd be more. An absent base gives none."""
        found: list[Found] = []
        more = False
        with self.directory.connection() as connection:
            number = connection.search_ext(
                base,
                scope,
                condition,
                list(attributes) or ["1.1"],
                serverctrls=self._controls,
                sizelimit=limit,
            )
            try:
                while True:
                    kind, rows = connection.result(number, all=0)
                    found += [_found(dn, values) for dn, values in rows if dn]
                    if kind == ldap.RES_SEARCH_RESULT:
                        break
            except ldap.NO_SUCH_OBJECT:
                pass
            except (ldap.SIZELIMIT_EXCEEDED, ldap.TIMELIMIT_EXCEEDED, ldap.ADMINLIMIT_EXCEEDED):
                more = True
        return found, more

    def get(
        self, dn: str, attributes: Sequence[str] = ("*",), condition: str = "(objectClass=*)"
    ) -> Found | None:
        """One entry, or None."""
        found, _ = self.search(dn, BASE, condition, attributes)
        return found[0] if found else None

    def add(self, dn: str, values: dict[str, list[str]]) -> None:
        made = [(name, [_octets(one) for one in many]) for name, many in values.items() if many]
        with self.directory.writing() as connection:
            for further in (2, 1, 0):
                try:
                    connection.add_ext_s(dn, made, serverctrls=self._controls)
                    return
                except ldap.UNWILLING_TO_PERFORM as error:
                    # The plug-in's own write met another of the directory's and the addition was undone.
                    if not further or "Managed Entry Plugin rejected" not in str(error):
                        raise

    def change(self, dn: str, changes: Sequence[tuple[str, str, list[str] | None]]) -> None:
        """Modify an entry: triples of what to do (add, delete, replace), the attribute, and the values."""
        kinds = {"add": ldap.MOD_ADD, "delete": ldap.MOD_DELETE, "replace": ldap.MOD_REPLACE}
        made = [
            (kinds[what], name, [_octets(one) for one in many] if many else None)
            for what, name, many in changes
        ]
        with self.directory.writing() as connection:
            connection.modify_ext_s(dn, made, serverctrls=self._controls)

    def delete(self, dn: str) -> None:
        with self.directory.writing() as connection:
            connection.delete_ext_s(dn, serverctrls=self._controls)

    def rename(self, dn: str, name: str, parent: str | None = None) -> None:
        with self.directory.writing() as connection:
            connection.rename_s(dn, name, newsuperior=parent, delold=1, serverctrls=self._controls)


def same_dn(one: str, other: str) -> bool:
    """Whether two DNs name the same entry."""
    return one == other or normal_dn(one) == normal_dn(other)


def normal_dn(dn: str) -> str:
    return ldap.dn.dn2str(ldap.dn.str2dn(dn)).lower()


def key_of(dn: str) -> str:
    """The value of a DN's first part."""
    return ldap.dn.str2dn(dn)[0][0][1]


def name_in_dn(value: str) -> str:
    return ldap.dn.escape_dn_chars(value)


def _open(url: str) -> ldap.ldapobject.LDAPObject:
    made = ldap.initialize(url, bytes_mode=False)
    made.set_option(ldap.OPT_NETWORK_TIMEOUT, 5)
    made.set_option(ldap.OPT_TIMEOUT, 60)
    made.set_option(ldap.OPT_REFERRALS, 0)
    return made


def _octets(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, bool):
        return b"TRUE" if value else b"FALSE"
    return str(value).encode()


def _found(dn: str, values: dict[str, list[bytes]]) -> Found:
    made = Found(dn)
    for name, many in values.items():
        made.values[name.lower()] = [one.decode(errors="replace") for one in many]
        made.names[name.lower()] = name
    return made


def _told(error: ldap.LDAPError) -> Exception:
    """The directory's refusal as the framework tells it."""
    said = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    info = said.get("info", "").strip()
    if isinstance(error, ldap.INSUFFICIENT_ACCESS):
        return errors.denied(info)
    if isinstance(error, ldap.NO_SUCH_OBJECT):
        return errors.not_found("no such entry")
    if isinstance(error, ldap.ALREADY_EXISTS):
        return errors.duplicate()
    if isinstance(error, ldap.OBJECT_CLASS_VIOLATION):
        return errors.class_violation(info)
    if isinstance(error, ldap.CONSTRAINT_VIOLATION) and info.startswith(
        "Another entry with the same attribute"
    ):
        return errors.duplicate()
    if isinstance(error, (ldap.TYPE_OR_VALUE_EXISTS, ldap.NO_SUCH_ATTRIBUTE)):
        return errors.nothing_to_change()
    return errors.database(said.get("desc", type(error).__name__), info)
