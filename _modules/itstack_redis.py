"""
ACL users and settings of a Redis server.

Configuration, in pillar or in the minion's configuration:

.. code-block:: yaml

    itstack:
      profiles:
        redis:
          host: 10.0.50.12
          port: 6379
          user: salt-itstack             # an ACL user with ~* &* +@all
          password: secret://redis-admin
          ca: /etc/ssl/certs/my-ca.pem   # optional: switches TLS on

Each function takes ``profile``: a name below ``itstack:profiles``, or such a dictionary itself. All users
are read at once, once per run. Needs redis: ``salt-pip install 'salt-itstack[redis]'``.
"""

__version__ = "0.1.0"

try:
    from salt_itstack import compatibility
except ImportError as error:
    raise ImportError(
        f"{error}; this plug-in needs the library of salt-itstack {__version__}. "
        "Remedy: install it, or sync it together with this file"
    ) from None
else:
    compatibility.require(__version__)

from salt_itstack import plugin
from salt_itstack.errors import Conflict, Invalid, Problem
from salt_itstack.reconcile import diff, forget, removal, snapshot
from salt_itstack.services.redis.api import Redis
from salt_itstack.services.redis.resources import (
    ACL_USER,
    SECRET_SETTINGS,
    hashed,
    in_base_units,
    spelled,
)

_SERVICE = "Redis"


def _server(profile):
    return Redis(plugin.profile(profile, __opts__, __pillar__))


def _slot(server):
    return ("redis", *server.address, "users")


def _users(server):
    return snapshot(__context__, _slot(server), server.read_users)


def version(profile="redis"):
    """
    The server's version, such as ``7.0.15``.

    CLI Example:

    .. code-block:: bash

        salt lab-db1 itstack_redis.version
    """
    return _server(profile).read_version()


def users(profile="redis"):
    """
    All ACL users by name, without what is kept of their passwords.

    CLI Example:

    .. code-block:: bash

        salt lab-db1 itstack_redis.users
    """
    found = _users(_server(profile))
    return {name: {key: row[key] for key in row if key != "passwords"} for name, row in found.items()}


def user_apply(name, test=False, profile="redis", **fields):
    """
    Bring an ACL user to the wanted shape, and return what changed or would change.

    name
        The user; case matters.
    fields
        As in the state ``user_present``; only what is given is compared.
    test
        Only say what would change.

    CLI Example:

    .. code-block:: bash

        salt lab-db1 itstack_redis.user_apply wiki enabled=True password=secret://wiki keys='["wiki:*"]'
    """
    wanted = plugin.own_arguments(fields)
    ACL_USER.check(wanted)
    wanted = spelled(wanted)
    server = _server(profile)
    _refuse_own(server, name)
    found = _users(server).get(name)
    if "password" in wanted:
        clear = plugin.reveal(wanted["password"], __opts__, __pillar__)
        if not isinstance(clear, str):
            raise Invalid(Problem("", "password", None, "isn't a text", "quote it, or give a reference"))
        wanted["password"] = [hashed(clear)]
    elif found is None and wanted.get("enabled"):
        raise Invalid(
            Problem("", "password", None, f"the user {name} is new and has none", "give it as a reference")
        )
    # Whole users are written, so what isn't declared stays what it is.
    whole = {**(found or {}), **{ACL_USER.fields[key].keys[0]: value for key, value in wanted.items()}}
    if whole.get("enabled") and whole.get("passwords") == ["nopass"]:
        raise Invalid(
            Problem("", "password", None, f"{name} is let in without one", "give it as a reference")
        )
    kept = server.read_as_kept(whole)
    compared = dict(wanted)
    for key in wanted:
        if key not in ("password", "enabled") and found and ACL_USER.fields[key].read(kept) == found[key]:
            # Said in other words, but the same to this server.
            compared[key] = found[key]
    changes = diff(ACL_USER, compared, found)
    if changes and not test:
        server.write_user(name, whole, found)
        forget(__context__, _slot(server))
    return changes


def _refuse_own(server, name):
    if name == server.profile["user"]:
        raise Conflict(
            f"{name} is the account that we log in with",
            _SERVICE,
            "change it in the ACL file that the server starts with, and in the profile",
        )


def user_remove(name, test=False, profile="redis"):
    """
    Remove an ACL user, end its connections, and return what changed or would change.

    name
        The user. ``default`` and the profile's own are refused.
    test
        Only say what would change.

    CLI Example:

    .. code-block:: bash

        salt lab-db1 itstack_redis.user_remove wiki
    """
    server = _server(profile)
    _refuse_own(server, name)
    if name == "default":
        raise Conflict(
            "the user default can't be removed", _SERVICE, "switch it off: user_present with `enabled: false`"
        )
    found = _users(server).get(name)
    if found is None:
        return {}
    if not test:
        server.delete_user(name, found)
        forget(__context__, _slot(server))
    return removal(name)


def config_apply(settings, test=False, profile="redis"):
    """
    Change settings of the running server, all or none, and return what changed or would change.

    settings
        Values by the names of redis.conf; sizes with or without units. The file itself is left alone.
    test
        Only say what would change.

    CLI Example:

    .. code-block:: bash

        salt lab-db1 itstack_redis.config_apply '{maxmemory: 256mb, maxmemory-policy: noeviction}'
    """
    problems = [
        Problem("", key, None, "this setting holds a secret", "use user_present: it hands over hashes only")
        for key in settings
        if key in SECRET_SETTINGS
    ]
    if problems:
        raise Invalid(problems)
    server = _server(profile)
    found = server.read_settings(list(settings)) if settings else {}
    unknown = [key for key in settings if key not in found]
    if unknown:
        raise Invalid(
            Problem("", key, None, "the server has no such setting", "spell it as redis.conf does")
            for key in unknown
        )
    wanted = {key: in_base_units(value) for key, value in settings.items()}
    changes = {
        key: {"old": found[key], "new": wanted[key]}
        for key in wanted
        if in_base_units(found[key]) != wanted[key]
    }
    if changes and not test:
        server.write_settings({key: wanted[key] for key in changes})
    return changes
