"""
Teams, channels, members, bots and settings of a Mattermost server, and posts in it.

Configuration, in pillar or in the minion's configuration:

.. code-block:: yaml

    itstack:
      profiles:
        mattermost:
          url: http://10.0.50.13:8065       # the server's own address
          user: salt-itstack                # an account with the role system_admin
          password: secret://mattermost-admin
          socket: /var/tmp/mattermost_local.socket   # optional: its local mode, which makes that account
          team: it-stack                    # optional: the team that is meant where none is named
          ca: /etc/ssl/certs/my-ca.pem      # optional: for an address with https

Instead of ``user`` and ``password`` a profile may have ``token``, the access token of such an account or bot,
or the socket alone: then requests go through local mode, which asks for no login, but offers a part of the
interface only (no new bots, no posts, no roles of members). Each function takes ``profile``: a name below
``itstack:profiles``, or such a dictionary itself. Lists are read once per run, and a session that a password
began is ended at the end of the function that needed it.
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

import contextlib
import time
import uuid

from salt_itstack import plugin
from salt_itstack.errors import Invalid, Problem
from salt_itstack.secrets import fingerprint
from salt_itstack.services.mattermost import administrator, configuration, members, places
from salt_itstack.services.mattermost.resources import user_name
from salt_itstack.services.mattermost.view import View


@contextlib.contextmanager
def _server(profile):
    view = View(plugin.profile(profile, __opts__, __pillar__), __context__)
    try:
        yield view
    finally:
        view.close()


def _team(view, team):
    found = team or view.profile.get("team")
    if not found:
        raise Invalid(Problem("", "team", None, "isn't named", "give it, or put `team` into the profile"))
    return found


def version(profile="mattermost"):
    """
    The server's version, such as ``10.11.6``, if it can be used.

    CLI Example:

    .. code-block:: bash

        salt lab-app1 itstack_mattermost.version
    """
    with _server(profile) as view:
        return view.api.version()


def teams(profile="mattermost"):
    """
    Teams by name: ``display_name``, ``description``, ``open`` (everybody may join), ``archived``.

    CLI Example:

    .. code-block:: bash

        salt lab-app1 itstack_mattermost.teams
    """
    with _server(profile) as view:
        return {
            name: {
                "display_name": row["display_name"],
                "description": row["description"],
                "open": row["allow_open_invite"],
                "archived": bool(row["delete_at"]),
            }
            for name, row in view.teams().items()
        }


def channels(team=None, profile="mattermost"):
    """
    Channels of a team by name: ``display_name``, ``purpose``, ``header``, ``private``, ``archived``.

    team
        Its name; the profile's by default.

    CLI Example:

    .. code-block:: bash

        salt lab-app1 itstack_mattermost.channels it-stack
    """
    with _server(profile) as view:
        place = view.team(_team(view, team))
        return {
            name: {
                **{key: row[key] for key in ("display_name", "purpose", "header", "private")},
                "archived": bool(row["delete_at"]),
            }
            for name, row in view.channels(place["id"]).items()
        }


def bots(profile="mattermost"):
    """
    Bots by name: ``id``, ``display_name``, ``description``, ``enabled``.

    CLI Example:

    .. code-block:: bash

        salt lab-app1 itstack_mattermost.bots
    """
    with _server(profile) as view:
        return {
            name: {
                "id": row["user_id"],
                "display_name": row["display_name"],
                "description": row["description"],
                "enabled": not row["delete_at"],
            }
            for name, row in view.bots().items()
        }


def people(profile="mattermost"):
    """
    Accounts of people by name: ``id``, ``email``, ``roles``, ``active``, ``login`` (``password``, or the way
    of single sign-on).

    CLI Example:

    .. code-block:: bash

        salt lab-app1 itstack_mattermost.people
    """
    with _server(profile) as view:
        return {
            name: {
                "id": row["id"],
                "email": row["email"],
                "roles": sorted(row["roles"].split()),
                "active": not row["delete_at"],
                "login": row.get("auth_service") or "password",
            }
            for name, row in view.people().items()
            if not row.get("is_bot")
        }


def posts(channel, since=None, team=None, profile="mattermost"):
    """
    Posts of a channel, newest first: ``id``, ``text``, ``user`` (the account's id), ``when`` (seconds since
    1970), ``props``.

    channel
        Its name, with or without ``#``.
    since
        Only what was written or changed after this time, in seconds since 1970; without it the newest 200.
    team
        Its team; the profile's by default.

    CLI Example:

    .. code-block:: bash

        salt lab-app1 itstack_mattermost.posts ops-alerts since=1767225600
    """
    if since is not None and (isinstance(since, bool) or not isinstance(since, (int, float))):
        remedy = "give seconds since 1970, such as `date +%s` prints"
        raise Invalid(Problem("", "since", since, "isn't a time", remedy))
    with _server(profile) as view:
        place = places.usable_channel(view, channel, _team(view, team))
        rows = view.api.posts(place["id"], None if since is None else int(since * 1000))
    return [
        {
            "id": row["id"],
            "text": row["message"],
            "user": row["user_id"],
            "when": row["create_at"] / 1000,
            "props": row.get("props") or {},
        }
        for row in rows
    ]


def post(channel, text, team=None, profile="mattermost"):
    """
    Write a post and return its id. Sent again where it isn't known whether it arrived; it appears once.

    channel
        Its name, with or without ``#``.
    text
        In Mattermost's Markdown, 16383 characters at most.
    team
        Its team; the profile's by default.

    CLI Example:

    .. code-block:: bash

        salt lab-app1 itstack_mattermost.post ops-alerts 'the backup has **failed**'
    """
    if not isinstance(text, str) or not text.strip():
        raise Invalid(Problem("", "text", text, "there is nothing to say", "give a text"))
    with _server(profile) as view:
        place = places.usable_channel(view, channel, _team(view, team))
        pending = f"salt-itstack:{uuid.uuid4().hex}:{int(time.time() * 1000)}"
        return view.api.post(place["id"], text, pending)["id"]


def team_apply(name, test=False, profile="mattermost", **fields):
    """
    Bring a team to the declared shape, restore it if it is archived, and return what changed.

    name
        As it stands in addresses.
    fields
        ``display_name``, ``description``, ``open``; only what is given is compared.

    CLI Example:

    .. code-block:: bash

        salt lab-app1 itstack_mattermost.team_apply it-stack display_name='IT-Stack' test=True
    """
    with _server(profile) as view:
        return places.apply_team(view, name, plugin.own_arguments(fields), test)


def team_remove(name, test=False, profile="mattermost"):
    """
    Archive a team, and return what changed.

    CLI Example:

    .. code-block:: bash

        salt lab-app1 itstack_mattermost.team_remove old-team
    """
    with _server(profile) as view:
        return places.remove_team(view, name, test)


def channel_apply(name, team=None, test=False, profile="mattermost", **fields):
    """
    Bring a channel to the declared shape, restore it if it is archived, and return what changed.

    name
        As it stands in addresses, with or without ``#``.
    team
        Its team; the profile's by default.
    fields
        ``display_name``, ``purpose``, ``header``, ``private``; only what is given is compared.

    CLI Example:

    .. code-block:: bash

        salt lab-app1 itstack_mattermost.channel_apply ops-alerts team=it-stack purpose='Problems' test=True
    """
    with _server(profile) as view:
        return places.apply_channel(view, name, _team(view, team), plugin.own_arguments(fields), test)


def channel_remove(name, team=None, test=False, profile="mattermost"):
    """
    Archive a channel, and return what changed. Mattermost removes its hooks for good.

    CLI Example:

    .. code-block:: bash

        salt lab-app1 itstack_mattermost.channel_remove old-channel team=it-stack
    """
    with _server(profile) as view:
        return places.remove_channel(view, name, _team(view, team), test)


def members_apply(users, team=None, channel=None, administrator=None, test=False, profile="mattermost"):
    """
    Make accounts members of a team, or of a channel of it, and return what changed.

    users
        List of accounts' names, of people or bots.
    administrator
        Whether they administer it; not compared if not given.

    CLI Example:

    .. code-block:: bash

        salt lab-app1 itstack_mattermost.members_apply '[ann, bob]' team=it-stack channel=ops-alerts
    """
    with _server(profile) as view:
        return members.apply_members(view, users, _team(view, team), channel, administrator, test)


def members_remove(users, team=None, channel=None, test=False, profile="mattermost"):
    """
    Take accounts out of a team, or out of a channel of it, and return what changed.

    CLI Example:

    .. code-block:: bash

        salt lab-app1 itstack_mattermost.members_remove '[ann]' team=it-stack
    """
    with _server(profile) as view:
        return members.remove_members(view, users, _team(view, team), channel, test)


def bot_apply(name, test=False, profile="mattermost", **fields):
    """
    Bring a bot to the declared shape, enable it if it is disabled, and return what changed.

    fields
        ``display_name``, ``description``; only what is given is compared.

    CLI Example:

    .. code-block:: bash

        salt lab-app1 itstack_mattermost.bot_apply zabbix description='Tells of problems' test=True
    """
    with _server(profile) as view:
        return members.apply_bot(view, name, plugin.own_arguments(fields), test)


def bot_remove(name, test=False, profile="mattermost"):
    """
    Disable a bot, and return what changed. Its tokens end, and come back when it is enabled.

    CLI Example:

    .. code-block:: bash

        salt lab-app1 itstack_mattermost.bot_remove zabbix
    """
    with _server(profile) as view:
        return members.remove_bot(view, name, test)


def config_apply(settings, test=False, profile="mattermost"):
    """
    Bring settings of the running server to the declared values, and return what changed.

    settings
        Sections with their keys, as in config.json. References (``secret://…``) may stand at any depth.

    CLI Example:

    .. code-block:: bash

        salt lab-app1 itstack_mattermost.config_apply '{TeamSettings: {MaxUsersPerTeam: 500}}' test=True
    """
    wanted, hidden = plugin.opened(settings, __opts__, __pillar__, key=str)
    with _server(profile) as view:
        place = f"mattermost/{view.profile.get('url') or view.profile.get('socket')}/"
        return configuration.apply_config(
            view,
            wanted,
            hidden,
            lambda name, value: fingerprint.known(__opts__, place + name, value),
            lambda name, value: fingerprint.remember(__opts__, place + name, value),
            test,
        )


def administrator_apply(name, password=None, email=None, test=False, profile="mattermost"):
    """
    Make sure that an account can log in and administers the server, and return what changed.

    name
        The account.
    password
        A reference; by default the profile's.
    email
        For an account that has to be made.

    CLI Example:

    .. code-block:: bash

        salt lab-app1 itstack_mattermost.administrator_apply salt-itstack email=salt@example.org
    """
    access = plugin.profile(profile, __opts__, __pillar__)
    clear = plugin.reveal(password, __opts__, __pillar__) if password else access.get("password")
    if not isinstance(clear, str):
        raise Invalid(Problem("", "password", None, f"the account {name} has none", "give it as a reference"))
    user_name(name)
    with _server(profile) as view:
        return administrator.apply_administrator(view, name, clear, email, test)
