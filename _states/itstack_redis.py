"""
States for ACL users and settings of Redis.

.. code-block:: yaml

    "Redis user of the wiki":
      itstack_redis.user_present:
        - name: wiki
        - password: secret://redis-wiki
        - keys: ["wiki:*"]

    "memory of Redis":
      itstack_redis.config_present:
        - settings:
            maxmemory: 256mb
            maxmemory-policy: noeviction

How the server is reached is described in the execution module of the same name.
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
from salt_itstack.errors import Invalid, ItstackError, Problem, Unreachable
from salt_itstack.reconcile import converge, creation, declared
from salt_itstack.services.redis.resources import ACL_USER, APPLICATION_COMMANDS, in_base_units, spelled


def _starts(profile):
    return bool(__opts__["test"] and plugin.starts_in_this_run(__opts__, __pillar__, profile))


def user_present(
    name,
    password=None,
    enabled=True,
    keys=("*",),
    channels=(),
    commands=APPLICATION_COMMANDS,
    profile="redis",
    **kwargs,
):
    """
    Ensure that an ACL user exists, has this password alone, and exactly these rights.

    It is written to the server's ACL file as well, which the server needs to have.

    name
        The user; case matters.
    password
        A reference (``secret://…``, ``sdb://…``). The server only ever gets its hash. Not managed if not
        given, but a new user that may log in needs one.
    enabled
        Whether it may log in.
    keys
        List of patterns of the keys that it may use; all by default. No rule can confine a user to a
        database index: where an application's keys have no prefix, it is confined by its commands only.
    channels
        List of patterns of the channels that it may use; none by default.
    commands
        Rules about commands. By default all but administrative and dangerous ones, with ``INFO`` and
        ``KEYS``.
    profile
        Which server.

    .. code-block:: yaml

        wiki:
          itstack_redis.user_present:
            - password: secret://redis-wiki
            - keys: ["wiki:*"]
            - channels: ["wiki:*"]
    """
    wanted = declared(
        enabled=enabled,
        password=password,
        keys=list(keys),
        channels=list(channels),
        commands=commands,
        selectors=[],
    )

    def apply(test):
        # What is unknown is refused there, with the nearest name.
        fields = {**wanted, **plugin.own_arguments(kwargs)}
        return __salt__["itstack_redis.user_apply"](name, test=test, profile=profile, **fields)

    return converge(name, apply, __opts__["test"], _prediction(wanted) if _starts(profile) else None)


def _prediction(wanted):
    try:
        return creation(ACL_USER, spelled(wanted))
    except ItstackError:
        # The execution module says the same, in its place.
        return None


def user_absent(name, profile="redis", **kwargs):
    """
    Ensure that an ACL user doesn't exist, and has no connections.

    name
        The user. ``default`` and the profile's own are refused.
    profile
        Which server.

    .. code-block:: yaml

        wiki:
          itstack_redis.user_absent: []
    """

    def apply(test):
        try:
            return __salt__["itstack_redis.user_remove"](name, test=test, profile=profile)
        except Unreachable:
            # On a server that this run is going to make, there is nothing to remove.
            if _starts(profile):
                return {}
            raise

    return converge(name, apply, __opts__["test"], unchanged="is absent", changed="was removed")


def config_present(name, settings, profile="redis", **kwargs):
    """
    Ensure that the running server has these settings.

    They last until its restart: redis.conf is left to whoever writes it.

    name
        Only a name for the state.
    settings
        Values by the names of redis.conf; sizes with or without units, ``save`` as text or list. Those that
        hold secrets are refused.
    profile
        Which server.

    .. code-block:: yaml

        "memory of Redis":
          itstack_redis.config_present:
            - settings:
                maxmemory: 256mb
                maxmemory-policy: noeviction
    """

    def apply(test):
        unknown = plugin.own_arguments(kwargs)
        if unknown:
            raise Invalid(
                Problem("", key, None, "this state has no such argument", "put it below settings")
                for key in unknown
            )
        return __salt__["itstack_redis.config_apply"](settings, test=test, profile=profile)

    predicted = None
    if _starts(profile):
        predicted = {key: {"old": None, "new": in_base_units(value)} for key, value in settings.items()}
    changed = "was set on the running server; its file is left to whoever writes it"
    return converge(name, apply, __opts__["test"], predicted, changed=changed)
