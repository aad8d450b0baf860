"""The directory behind FreeIPA. The only file here that needs python-ldap (extra ``ldap``)."""

from __future__ import annotations

from ...errors import ItstackError, Unreachable, Unsupported

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
