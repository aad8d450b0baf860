"""
States for a Mattermost server: its first administrator, settings, teams, channels, members, bots.

.. code-block:: yaml

    salt-itstack:
      itstack_mattermost.administrator_present:
        - email: salt-itstack@it-stack.lab

    "what integrations need":
      itstack_mattermost.config_present:
        - settings:
            ServiceSettings:
              EnableBotAccountCreation: true
              EnablePostUsernameOverride: true

    it-stack:
      itstack_mattermost.team_present:
        - display_name: IT-Stack

    ops-alerts:
      itstack_mattermost.channel_present:
        - team: it-stack
        - purpose: Problems that monitoring has found

    "who is alerted":
      itstack_mattermost.member_present:
        - users: [ann, bob]
        - team: it-stack

How the server is reached is described in the execution module of the same name. Fields that aren't given
are left alone, and so is everything that isn't named.
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
from salt_itstack.errors import Invalid, ItstackError, Unreachable
from salt_itstack.reconcile import Field, Resource, converge, creation, declared
from salt_itstack.services.mattermost.administrator import administrator_creation
from salt_itstack.services.mattermost.configuration import predicted, waits_for_restart
from salt_itstack.services.mattermost.resources import (
    BOT,
    CHANNEL,
    TEAM,
    channel_name,
    check_texts,
    team_name,
    user_name,
)


def _starts(profile):
    return bool(__opts__["test"] and plugin.starts_in_this_run(__opts__, __pillar__, profile))


def _refuse(extra, *known):
    # What is unknown is told with the nearest name.
    Resource("state of this kind", "", dict.fromkeys((*known, "profile"), Field(""))).check(
        plugin.own_arguments(extra)
    )


def _present(name, function, arguments, profile, predict, check=None, tell=None):
    # ``predict`` says what it does to a new server, ``tell`` what is to be known of what it did.
    notes = []

    def apply(test):
        if check:
            check()
        changes = __salt__[f"itstack_mattermost.{function}"](test=test, profile=profile, **arguments)
        notes.extend(tell(changes) if tell else [])
        return changes

    predicted = None
    if _starts(profile):
        try:
            if check:
                check()
            predicted = predict()
        except ItstackError as error:
            return {"name": name, "result": False, "changes": {}, "comment": str(error)}
    return converge(name, apply, __opts__["test"], predicted, warnings=notes)


def _absent(name, function, arguments, profile, extra, changed, known=()):
    def apply(test):
        _refuse(extra, *known)
        try:
            return __salt__[f"itstack_mattermost.{function}"](test=test, profile=profile, **arguments)
        except Unreachable:
            # On a server that this run is going to make, there is nothing to remove.
            if _starts(profile):
                return {}
            raise

    return converge(name, apply, __opts__["test"], unchanged="is absent", changed=changed)


def _checked(resource, fields):
    check_texts(resource, fields)
    return lambda: creation(resource, fields)


def administrator_present(name, password=None, email=None, profile="mattermost", **kwargs):
    """
    Ensure that an account can log in with a password, is active and administers the server.

    Local mode makes it, or mends it: nobody has to be logged in for that, but the profile names the socket,
    and the server has ``ServiceSettings.EnableLocalMode`` in its file or environment. On a server without any
    account it's made without local mode, too: the first one of all is its administrator. Make it before
    others can reach the server, because that holds for everybody.

    name
        The account.
    password
        A reference (``secret://…``, ``sdb://…``). By default the profile's.
    email
        For an account that has to be made. Not compared afterwards.
    profile
        Which server.

    .. code-block:: yaml

        salt-itstack:
          itstack_mattermost.administrator_present:
            - password: secret://mattermost-admin
            - email: salt-itstack@it-stack.lab
    """
    given = declared(name=name, password=password, email=email)

    def check():
        _refuse(kwargs, "name", "password", "email")
        user_name(name)

    return _present(
        name,
        "administrator_apply",
        given,
        profile,
        lambda: administrator_creation(email, "(chosen)"),
        check,
    )


def config_present(name, settings, profile="mattermost", **kwargs):
    """
    Ensure that the running server has these settings. All others are left alone.

    A setting that the server's environment holds to another value is a failure: nobody else can change it.
    What the server only reads at its start is said in the warnings.

    name
        Only a name for the state.
    settings
        Sections with their keys, by the names of config.json. Secrets as references. Secrets that the server
        doesn't show are written again when they are others than this minion wrote last.
    profile
        Which server.

    .. code-block:: yaml

        "bots and hooks":
          itstack_mattermost.config_present:
            - settings:
                ServiceSettings:
                  EnableBotAccountCreation: true
                  EnableIncomingWebhooks: true
                TeamSettings:
                  MaxUsersPerTeam: 500
    """

    def tell(changes):
        waiting = waits_for_restart(changes)
        return [f"{', '.join(waiting)}: takes effect once the server is restarted"] if waiting else []

    return _present(
        name,
        "config_apply",
        {"settings": settings},
        profile,
        lambda: predicted(settings, (plugin.REFERENCE, "sdb://")),
        lambda: _refuse(kwargs, "name", "settings"),
        tell,
    )


def team_present(name, display_name=None, description=None, open=None, profile="mattermost", **kwargs):
    """
    Ensure that a team exists. An archived one is restored, as its name stays taken.

    name
        As it stands in addresses: 2 to 64 of a-z, 0-9 and hyphens.
    display_name
        What people see, 64 characters at most; a new team's is its name if not given.
    description
        255 characters at most.
    open
        Whether everybody who has an account may join.
    profile
        Which server.

    .. code-block:: yaml

        it-stack:
          itstack_mattermost.team_present:
            - display_name: IT-Stack
            - open: true
    """
    fields = declared(display_name=display_name, description=description, open=open)

    def check():
        TEAM.check(plugin.own_arguments(kwargs))
        team_name(name)
        check_texts(TEAM, fields)

    return _present(
        name, "team_apply", {"name": name, **fields}, profile, lambda: creation(TEAM, fields), check
    )


def team_absent(name, profile="mattermost", **kwargs):
    """
    Ensure that a team is archived or doesn't exist. What was said in it is kept, and its name stays taken.

    name
        As it stands in addresses.
    profile
        Which server.

    .. code-block:: yaml

        old-team:
          itstack_mattermost.team_absent: []
    """
    return _absent(name, "team_remove", {"name": name}, profile, kwargs, "was archived")


def channel_present(
    name,
    team=None,
    display_name=None,
    purpose=None,
    header=None,
    private=None,
    profile="mattermost",
    **kwargs,
):
    """
    Ensure that a channel exists. An archived one is restored; the hooks that it had are gone for good.

    name
        As it stands in addresses: 1 to 64 of a-z, 0-9, hyphens and underscores. A ``#`` before it is dropped;
        quote it then, since YAML takes it for a comment.
    team
        Name of its team; by default that of the profile.
    display_name
        What people see, 64 characters at most; a new channel's is its name if not given.
    purpose, header
        Texts of 250 and 1024 characters at most.
    private
        Whether only its members see it. A new one is public if not given.
    profile
        Which server.

    .. code-block:: yaml

        ops-alerts:
          itstack_mattermost.channel_present:
            - team: it-stack
            - display_name: Alerts
            - purpose: Problems that monitoring has found
    """
    fields = declared(display_name=display_name, purpose=purpose, header=header, private=private)

    def check():
        CHANNEL.check(plugin.own_arguments(kwargs))
        channel_name(name)
        check_texts(CHANNEL, fields)

    def tell(changes):
        return (
            ["it was archived: the hooks that it had are gone, and have to be made anew"]
            if ("archived" in changes)
            else []
        )

    given = {"name": name, "team": team, **fields}
    return _present(name, "channel_apply", given, profile, lambda: creation(CHANNEL, fields), check, tell)


def channel_absent(name, team=None, profile="mattermost", **kwargs):
    """
    Ensure that a channel is archived or doesn't exist. Mattermost removes its hooks for good.

    name
        As it stands in addresses, with or without ``#``.
    team
        Name of its team; by default that of the profile.
    profile
        Which server.

    .. code-block:: yaml

        old-channel:
          itstack_mattermost.channel_absent:
            - team: it-stack
    """
    given = {"name": name, "team": team}
    return _absent(name, "channel_remove", given, profile, kwargs, "was archived", ("team",))


def member_present(
    name, team=None, channel=None, users=None, administrator=None, profile="mattermost", **kwargs
):
    """
    Ensure that accounts are members of a team, or of one of its channels. Other members stay.

    name
        The account's name, unless ``users`` is given; then only a name for the state.
    team
        Name of the team; by default that of the profile.
    channel
        Name of the channel, whose members are members of the team already.
    users
        List of accounts' names, of people or bots: many are added by one request.
    administrator
        Whether they administer it; not compared if not given.
    profile
        Which server.

    .. code-block:: yaml

        "who is alerted":
          itstack_mattermost.member_present:
            - users: [ann, bob]
            - team: it-stack
            - channel: ops-alerts
    """
    given = {"users": _users(name, users), "team": team, "channel": channel, "administrator": administrator}

    def check():
        _refuse(kwargs, "name", "team", "channel", "users", "administrator")
        _check_users(given["users"])

    def predict():
        role = "administrator" if administrator else "member"
        return {user_name(one): {"old": "absent", "new": role} for one in given["users"]}

    return _present(name, "members_apply", given, profile, predict, check)


def _users(name, users):
    if users is None:
        return [name]
    return [users] if isinstance(users, str) else users


def _check_users(users):
    if not isinstance(users, (list, tuple)):
        raise Invalid("users isn't a list", "write it as one: [ann, bob]")
    for one in users:
        user_name(one)


def member_absent(name, team=None, channel=None, users=None, profile="mattermost", **kwargs):
    """
    Ensure that accounts aren't members of a team, or of one of its channels. Their accounts stay.

    name
        The account's name, unless ``users`` is given; then only a name for the state.
    team
        Name of the team; by default that of the profile. Who leaves it leaves its channels as well.
    channel
        Name of the channel.
    users
        List of accounts' names.
    profile
        Which server.

    .. code-block:: yaml

        ann:
          itstack_mattermost.member_absent:
            - team: it-stack
    """
    given = {"users": _users(name, users), "team": team, "channel": channel}
    return _absent(
        name, "members_remove", given, profile, kwargs, "was removed", ("team", "channel", "users")
    )


def bot_present(name, display_name=None, description=None, profile="mattermost", **kwargs):
    """
    Ensure that a bot exists and is enabled. The server must allow new bots
    (``ServiceSettings.EnableBotAccountCreation``).

    It gets no token: the state ``itstack_link.present`` makes a bot with one for another application.

    name
        The bot's name: of a-z, 0-9, dots, hyphens and underscores.
    display_name, description
        Texts of 64 and 1024 characters at most.
    profile
        Which server.

    .. code-block:: yaml

        zabbix:
          itstack_mattermost.bot_present:
            - display_name: Zabbix
            - description: Tells of problems
    """
    fields = declared(display_name=display_name, description=description)

    def check():
        BOT.check(plugin.own_arguments(kwargs))
        user_name(name)
        check_texts(BOT, fields)

    return _present(
        name, "bot_apply", {"name": name, **fields}, profile, lambda: creation(BOT, fields), check
    )


def bot_absent(name, profile="mattermost", **kwargs):
    """
    Ensure that a bot is disabled or doesn't exist. Mattermost doesn't remove bots; its tokens end, and come
    back when it is enabled again.

    name
        The bot's name.
    profile
        Which server.

    .. code-block:: yaml

        zabbix:
          itstack_mattermost.bot_absent: []
    """
    return _absent(name, "bot_remove", {"name": name}, profile, kwargs, "was disabled")
