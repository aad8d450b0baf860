"""The directory behind FreeIPA. The only file here that needs python-ldap (extra ``ldap``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import Conflict, Denied, ItstackError, Missing, Rejected, Unreachable, Unsupported

try:
    import ldap
except ImportError:
    ldap = None

SERVICE = "FreeIPA"
#: Seconds to connect, and for an answer.
TIMEOUT = 10.0


def is_available() -> bool:
    """Whether this Python can speak LDAP."""
    return ldap is not None


def accepts(
    url: str,
    dn: str,
    password: str,
    ca: str | None = None,
    start_tls: bool = True,
    timeout: float = TIMEOUT,
) -> bool:
    """
    Whether a DN can bind with this password.

    url
        ``ldaps://HOST`` or ``ldap://HOST``.
    dn, password
        Only for accounts that no failed bind can lock, such as system accounts: never a person's.
    ca
        Path of the CA bundle; ``None`` is the system's.
    start_tls
        Encrypt a connection to ``ldap://`` before the password is sent.
    timeout
        Seconds.

    Raises :class:`Unreachable`, or :class:`Unsupported` without python-ldap.
    """
    if ldap is None:
        raise Unsupported(
            "whether a bind password still works can't be tried: python-ldap isn't installed here",
            SERVICE,
            "install salt-itstack[ldap] into the minion's Python, or set `password_check: fingerprint`",
        )
    connection = _connection(url, ca, timeout)
    try:
        if start_tls and url.startswith("ldap://"):
            connection.start_tls_s()
        connection.simple_bind_s(dn, password)
    except ldap.INVALID_CREDENTIALS:
        return False
    except ldap.LDAPError as error:
        raise _unreachable(url, error) from None
    finally:
        connection.unbind_ext()
    return True


def base_dn(url: str, ca: str | None = None, timeout: float = TIMEOUT) -> str:
    """
    The suffix that a directory serves, read from its root DSE without a bind.

    Raises :class:`Unreachable`.
    """
    connection = _connection(url, ca, timeout)
    try:
        rows = connection.search_ext_s(
            "", ldap.SCOPE_BASE, attrlist=["defaultnamingcontext"], timeout=timeout
        )
    except ldap.LDAPError as error:
        raise _unreachable(url, error) from None
    finally:
        connection.unbind_ext()
    values = {key.lower(): value for key, value in rows[0][1].items()} if rows else {}
    return values.get("defaultnamingcontext", [b""])[0].decode()


class Accounts:
    """
    System accounts of a server before 4.13, which has no commands for them.

    It takes the same calls as the RPC, and answers in the same shape.

    url, ca, start_tls
        As :func:`accepts` takes them.
    user, password
        A DN that may write below ``cn=sysaccounts,cn=etc``, or the login of a person who may.
    """

    def __init__(self, url: str, user: str, password: str, ca: str | None, start_tls: bool) -> None:
        if ldap is None:
            raise Unsupported(
                "this server has no commands for system accounts, and python-ldap isn't installed here",
                SERVICE,
                "install salt-itstack[ldap] into the minion's Python, or upgrade FreeIPA to 4.13",
            )
        self._url, self._password, self._ca, self._start_tls = url, password, ca, start_tls
        base = base_dn(url, ca)
        self._user = user if "=" in user else f"uid={_escaped(user)},cn=users,cn=accounts,{base}"
        self._container = f"cn=sysaccounts,cn=etc,{base}"

    def find(self, *ignored: Any, **options: Any) -> list[dict[str, Any]]:
        """All system accounts."""
        return self._search("(objectClass=simpleSecurityObject)")

    def show(self, command: str, args: Sequence[Any]) -> dict[str, Any] | None:
        """One system account, or ``None``."""
        return next((row for row in self.find() if row["uid"] == [args[0]]), None)

    def batch(self, calls: Sequence[tuple[str, Sequence[Any], Mapping[str, Any]]]) -> list[Any]:
        """Run calls one by one and return, for each, its result or its error."""
        outcomes: list[Any] = []
        for method, args, options in calls:
            try:
                outcomes.append(self._run(method, str(args[0]), dict(options)))
            except Unreachable:
                raise
            except ItstackError as error:
                outcomes.append(error)
        return outcomes

    def _run(self, method: str, name: str, options: dict[str, Any]) -> dict[str, Any]:
        verb = method.partition("_")[2]
        if verb not in ("add", "mod", "del") or "privileged" in options:
            raise Unsupported(
                f"{method} {name}: before 4.13 a system account has only a password and a description",
                SERVICE,
                "leave `privileged` and `enabled` out, or upgrade FreeIPA to 4.13",
            )
        dn = f"uid={_escaped(name)},{self._container}"
        values = {"userPassword": options.get("userpassword"), "description": options.get("description")}
        kept = {key: [str(value).encode()] for key, value in values.items() if value}
        if verb == "del":
            self._do(method, name, lambda session: session.delete_ext_s(dn))
        elif verb == "add":
            # Only with these two classes may it bind where the server asks people for a second factor.
            entry = {
                "objectClass": [b"account", b"simpleSecurityObject"],
                "uid": [name.encode()],
                **kept,
            }
            self._do(method, name, lambda session: session.add_ext_s(dn, list(entry.items())))
        else:
            changes = [
                (ldap.MOD_REPLACE, key, kept.get(key)) for key, value in values.items() if value is not None
            ]
            self._do(method, name, lambda session: session.modify_ext_s(dn, changes))
        return {}

    def _search(self, condition: str) -> list[dict[str, Any]]:
        rows = self._do(
            "search", self._container,
            lambda session: session.search_ext_s(
                self._container, ldap.SCOPE_ONELEVEL, condition, ["uid", "description"], timeout=TIMEOUT
            ),
        )  # fmt: skip
        return [
            {"dn": dn, **{key.lower(): [one.decode() for one in many] for key, many in values.items()}}
            for dn, values in rows
            if dn
        ]

    def _do(self, tried: str, name: str, deed: Any) -> Any:
        connection = _connection(self._url, self._ca, TIMEOUT)
        try:
            if self._start_tls and self._url.startswith("ldap://"):
                connection.start_tls_s()
            connection.simple_bind_s(self._user, self._password)
            return deed(connection)
        except ldap.LDAPError as error:
            raise _refusal(self._url, f"{tried} {name}", error) from None
        finally:
            connection.unbind_ext()


def _escaped(value: str) -> str:
    import ldap.dn  # only where the package is there

    return ldap.dn.escape_dn_chars(value)


def _refusal(url: str, tried: str, error: Exception) -> ItstackError:
    for kind, meaning, remedy in (
        (ldap.NO_SUCH_OBJECT, Missing, ""),
        (ldap.ALREADY_EXISTS, Conflict, ""),
        (ldap.INVALID_CREDENTIALS, Denied, "check `ldap_user` and `ldap_password` in the profile"),
        (ldap.INSUFFICIENT_ACCESS, Denied, "name as `ldap_user` somebody who may write below cn=etc"),
        (ldap.SERVER_DOWN, None, ""),
        (ldap.TIMEOUT, None, ""),
        (ldap.CONNECT_ERROR, None, ""),
    ):
        if isinstance(error, kind):
            return (
                _unreachable(url, error)
                if meaning is None
                else meaning(
                    f"{tried} over LDAP: {type(error).__name__.lower().replace('_', ' ')}", SERVICE, remedy
                )
            )
    detail = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    return Rejected(f"{tried} over LDAP: {detail.get('info') or detail.get('desc') or error}", SERVICE)


def _connection(url: str, ca: str | None, timeout: float):
    connection = ldap.initialize(url)
    connection.protocol_version = ldap.VERSION3
    connection.set_option(ldap.OPT_NETWORK_TIMEOUT, timeout)
    connection.set_option(ldap.OPT_TIMEOUT, timeout)
    connection.set_option(ldap.OPT_REFERRALS, 0)
    if ca:
        connection.set_option(ldap.OPT_X_TLS_CACERTFILE, ca)
        connection.set_option(ldap.OPT_X_TLS_REQUIRE_CERT, ldap.OPT_X_TLS_DEMAND)
        # Makes the two options above count for this connection.
        connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
    return connection


def _unreachable(url: str, error: Exception) -> ItstackError:
    detail = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    reason = detail.get("info") or detail.get("desc") or type(error).__name__
    return Unreachable(
        f"no answer from the directory at {url} ({reason})",
        SERVICE,
        "start it, or correct `ldap` and `ca` in the profile",
    )
