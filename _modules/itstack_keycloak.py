"""
Realms, clients, federations, groups and roles of a Keycloak server, over its admin API.

Configuration, in pillar or in the minion's configuration:

.. code-block:: yaml

    itstack:
      profiles:
        keycloak:
          url: https://sso.it-stack.lab:8443   # with the public scheme; a redirect would lose every change
          client_id: itstack                   # a confidential client with a service account
          client_secret: secret://keycloak-admin
          auth_realm: master                   # optional: the realm that the client lives in
          ca: /etc/ipa/ca.crt                  # optional; the system's trust otherwise

Instead of ``client_id`` and ``client_secret`` a profile may have ``user`` and ``password``. Each function
takes ``profile``: a name below ``itstack:profiles``, or such a dictionary itself. Lists are read once per
run, clients by hundreds.

To make realms the account needs the role ``create-realm`` of master, to manage all of them ``admin``. Inside
one realm the roles ``manage-realm``, ``manage-clients`` and ``manage-users`` of ``realm-management`` are
enough, and ``manage-identity-providers`` for those.
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

import logging

import salt.utils.yaml

from salt_itstack import plugin
from salt_itstack.errors import Denied, Invalid, Problem, nearest
from salt_itstack.reconcile import forget, snapshot
from salt_itstack.secrets import fingerprint
from salt_itstack.services.keycloak import (
    accounts,
    actions,
    clients,
    describing,
    directory,
    flows,
    groups,
    mappers,
    masked,
    plans,
    profiles,
    providers,
    realms,
    roles,
    scopes,
    sets,
)
from salt_itstack.services.keycloak.api import Keycloak
from salt_itstack.services.keycloak.federation import Federation
from salt_itstack.services.keycloak.federation import remove as remove_federation
from salt_itstack.services.keycloak.view import View

log = logging.getLogger(__name__)


def _settings(profile):
    settings = plugin.profile(profile, __opts__, __pillar__)
    shown = profile if isinstance(profile, str) else "(given in place)"
    lacking = [] if settings.get("url") else ["url"]
    if not (settings.get("client_id") and settings.get("client_secret")) and not (
        settings.get("user") and settings.get("password")
    ):
        lacking.append("client_id and client_secret, or user and password")
    if lacking:
        raise Invalid(
            Problem("", f"the profile {shown}", None, f"it has no {' and no '.join(lacking)}", "add it there")
        )
    return settings


def _connect(settings, profile):
    service = profile if isinstance(profile, str) else "keycloak"
    return View(Keycloak(service=service, **accounts.connection(settings)), __context__)


def _slot(settings):
    account = settings.get("user") or settings.get("client_id")
    secret = settings.get("password") or settings.get("client_secret")
    return ("keycloak", "view", settings["url"], settings.get("auth_realm"), account, hash(secret))


def _view(profile):
    # One connection and one token per run.
    settings = _settings(profile)
    return snapshot(__context__, _slot(settings), lambda: _connect(settings, profile))


def _opened(fields):
    return plugin.opened(plugin.own_arguments(fields), __opts__, __pillar__)[0]


def _apply_set(view, realm, kind, wanted, exclusive, limit, test):
    # Not as arguments: a client may be called like something that Salt keeps for itself.
    opened = plugin.opened(wanted, __opts__, __pillar__)[0]
    return plans.apply_set(view, realm, kind, opened, exclusive, limit, test)


def version(profile="keycloak"):
    """
    The server's version, such as ``26.7.3``.

    Raises an error where the account may not see it: 26.4 doesn't tell it to accounts of other realms than
    master.

    CLI Example:

    .. code-block:: bash

        salt keycloak-host itstack_keycloak.version
    """
    view = _view(profile)
    found = view.server_info().get("systemInfo") or {}
    if "version" not in found:
        raise Denied(
            f"the account {view.api.account} may not see the server's version",
            view.api.service,
            "use an account of the realm master; all else works without",
        )
    return found["version"]


def account_apply(bootstrap=None, test=False, profile="keycloak"):
    """
    Make the account of the profile with the help of a temporary one, which is then removed.

    bootstrap
        ``{client_id, client_secret}`` of the temporary account that the server was first started with.

    Returns what changed. An account that works already is left as it is.

    CLI Example:

    .. code-block:: bash

        salt keycloak-host itstack_keycloak.account_apply \
            bootstrap='{client_id: temporary, client_secret: "secret://keycloak-bootstrap"}'
    """
    settings = _settings(profile)
    if not settings.get("client_id"):
        raise Invalid(
            Problem("", "the profile", None, "names a user", "an account of ours is a client: give client_id")
        )
    helper = None
    if bootstrap:
        given = {name: plugin.reveal(value, __opts__, __pillar__) for name, value in bootstrap.items()}
        place = {name: settings[name] for name in ("url", "auth_realm", "ca") if settings.get(name)}
        helper = _connect({**place, **given}, profile)
    view = _view(profile)
    changes = accounts.apply_account(view, settings["client_secret"], helper, test)
    if test and "account" in changes:
        # The rest of a dry run reads through the temporary account, as ours would.
        forget(__context__, _slot(settings))
        snapshot(__context__, _slot(settings), lambda: helper)
    return changes


def account_creation(bootstrap=None, profile="keycloak"):
    """
    What :py:func:`account_apply` would change on a server that was never started.

    CLI Example:

    .. code-block:: bash

        salt keycloak-host itstack_keycloak.account_creation
    """
    return accounts.account_creation(
        _settings(profile).get("client_id", ""), (bootstrap or {}).get("client_id", "")
    )


def realm_apply(name, test=False, profile="keycloak", **fields):
    """
    Bring a realm to the given shape and return what changed.

    The fields are those of the state :py:func:`itstack_keycloak.realm_present`.

    CLI Example:

    .. code-block:: bash

        salt keycloak-host itstack_keycloak.realm_apply it-stack display_name='IT-Stack' test=True
    """
    settings = _settings(profile)
    wanted = _opened(fields)
    mark = f"keycloak/{settings['url']}/{name}/smtp"
    password = wanted.get("smtp_password")
    # The server shows a mask: what was written last is all that can be compared.
    known = fingerprint.known(__opts__, mark, password) if isinstance(password, str) else None
    changes = realms.apply_realm(_view(profile), name, wanted, test, known)
    if isinstance(password, str) and not test and known is not True:
        # Of a realm that is taken over, the declared one is taken for the one that is there.
        fingerprint.remember(__opts__, mark, password)
    return changes


def realm_remove(name, test=False, profile="keycloak"):
    """
    Delete a realm with all that is in it, and return what changed.

    CLI Example:

    .. code-block:: bash

        salt keycloak-host itstack_keycloak.realm_remove old-realm
    """
    return realms.remove_realm(_view(profile), name, test)


def describe(realm, kinds=None, secrets=True, builtin=False, text=True, profile="keycloak"):
    """
    What a realm is, as states: applied to this realm they change nothing, applied to an empty server they
    make it the same.

    kinds
        Which of ``realm``, ``client_scope``, ``user_profile``, ``required_action``, ``flow``,
        ``flow_bindings``, ``identity_provider``, ``realm_role``, ``client``, ``client_role``, ``group`` and
        ``federation``; without it all.
    secrets
        With a reference such as ``secret://keycloak-it-stack-wiki`` for each secret. The secrets themselves
        aren't told: put those in use into your store before you apply the states. A federation can't be
        applied without.
    builtin
        With the clients, client scopes and roles that each realm has.
    text
        ``False`` gives a structure in place of YAML.

    Flows are described as copies of built-in ones, with all that is in them.

    Not described: people, built-in authentication flows, organizations, authorization resources and policies,
    policies of clients and of WebAuthn, translated texts, keys, federations that aren't LDAP's, and groups
    that a federation imports. What else no state can say, such as the order of the profile's attributes,
    stands in comments at the top of the text and in the log.

    CLI Example:

    .. code-block:: bash

        salt-call --local --out=newline_values_only itstack_keycloak.describe it-stack > it-stack.sls
    """
    wanted = [kinds] if isinstance(kinds, str) else list(kinds or describing.KINDS)
    unknown = [name for name in wanted if name not in describing.KINDS]
    if unknown:
        raise Invalid(
            Problem("", "kinds", name, "isn't described", nearest(name, describing.KINDS)) for name in unknown
        )
    states, lost = describing.describe(_view(profile), realm, tuple(wanted), secrets, builtin)
    for words in lost:
        log.warning("not described of the realm %s: %s", realm, words)
    if not text:
        return states
    dumped = salt.utils.yaml.safe_dump(states, default_flow_style=False, sort_keys=False)
    # A name may have anything in it, and must not end the comment.
    return "".join(f"# Not described: {' '.join(words.split())}\n" for words in lost) + dumped


def client_list(realm, profile="keycloak"):
    """
    The ids of a realm's clients.

    CLI Example:

    .. code-block:: bash

        salt keycloak-host itstack_keycloak.client_list it-stack
    """
    return sorted(_view(profile).clients(realm))


def client_apply(
    name, realm, mappers=None, exclusive_mappers=False, test=False, profile="keycloak", **fields
):
    """
    Bring a client to the given shape and return what changed.

    The fields are those of the state :py:func:`itstack_keycloak.client_present`.

    CLI Example:

    .. code-block:: bash

        salt keycloak-host itstack_keycloak.client_apply nextcloud it-stack \
            redirect_uris='[https://cloud.it-stack.lab/apps/user_oidc/code]' secret=secret://keycloak-nextcloud
    """
    return clients.apply_client(
        _view(profile), realm, name, _opened(fields), mappers, exclusive_mappers, test
    )  # fmt: skip


def client_remove(name, realm, test=False, profile="keycloak"):
    """
    Delete a client and return what changed.

    CLI Example:

    .. code-block:: bash

        salt keycloak-host itstack_keycloak.client_remove nextcloud it-stack
    """
    return clients.remove_client(_view(profile), realm, name, test)


def clients_apply(realm, clients, exclusive=False, limit=10, test=False, profile="keycloak"):
    """
    Bring many clients to the given shape and return what changed, by client.

    The arguments are those of the state :py:func:`itstack_keycloak.clients_present`.

    CLI Example:

    .. code-block:: bash

        salt keycloak-host itstack_keycloak.clients_apply it-stack '{wiki: {public: true}, blog: {}}'
    """
    view = _view(profile)
    return _apply_set(view, realm, sets.client_set(view, realm), clients, exclusive, limit, test)


def protocol_mapper_apply(
    name, realm, type, config=None, client=None, client_scope=None, test=False, profile="keycloak"
):
    """
    Bring one protocol mapper of a client or a client scope to the given shape and return what changed.

    CLI Example:

    .. code-block:: bash

        salt keycloak-host itstack_keycloak.protocol_mapper_apply groups it-stack \
            oidc-group-membership-mapper '{claim.name: groups}' client=nextcloud
    """
    return mappers.apply_mapper(
        _view(profile), realm, (client, client_scope), name, {"type": type, "config": config or {}}, test
    )


def protocol_mapper_remove(name, realm, client=None, client_scope=None, test=False, profile="keycloak"):
    """
    Delete one protocol mapper of a client or a client scope and return what changed.

    CLI Example:

    .. code-block:: bash

        salt keycloak-host itstack_keycloak.protocol_mapper_remove groups it-stack client=nextcloud
    """
    return mappers.apply_mapper(_view(profile), realm, (client, client_scope), name, None, test)


def client_scope_apply(
    name,
    realm,
    mappers=None,
    exclusive_mappers=False,
    test=False,
    profile="keycloak",
    **fields,
):
    """
    Bring a client scope to the given shape and return what changed.

    The fields are those of the state :py:func:`itstack_keycloak.client_scope_present`.

    CLI Example:

    .. code-block:: bash

        salt keycloak-host itstack_keycloak.client_scope_apply groups it-stack
    """
    return scopes.apply_scope(
        _view(profile), realm, name, _opened(fields), mappers, exclusive_mappers, test
    )  # fmt: skip


def client_scope_remove(name, realm, test=False, profile="keycloak"):
    """
    Delete a client scope and return what changed.

    CLI Example:

    .. code-block:: bash

        salt keycloak-host itstack_keycloak.client_scope_remove groups it-stack
    """
    return scopes.remove_scope(_view(profile), realm, name, test)


def client_scopes_apply(realm, client_scopes, exclusive=False, limit=10, test=False, profile="keycloak"):
    """
    Bring many client scopes to the given shape and return what changed, by scope.

    CLI Example:

    .. code-block:: bash

        salt keycloak-host itstack_keycloak.client_scopes_apply it-stack '{department: {}, office: {}}'
    """
    view = _view(profile)
    return _apply_set(view, realm, sets.scope_set(view, realm), client_scopes, exclusive, limit, test)


def client_scope_assign(name, realm, client, kind="default", test=False, profile="keycloak"):
    """
    Give one client scope to a client, its others left alone, and return what changed.

    kind
        ``default`` or ``optional``.

    CLI Example:

    .. code-block:: bash

        salt keycloak-host itstack_keycloak.client_scope_assign department it-stack nextcloud kind=optional
    """
    return scopes.assign(_view(profile), realm, name, client, kind, test)


def client_scope_withdraw(name, realm, client, test=False, profile="keycloak"):
    """
    Take one client scope from a client and return what changed.

    CLI Example:

    .. code-block:: bash

        salt keycloak-host itstack_keycloak.client_scope_withdraw department it-stack nextcloud
    """
    return scopes.assign(_view(profile), realm, name, client, None, test)


def group_apply(name, realm, test=False, profile="keycloak", **fields):
    """
    Bring a group, named by its path, to the given shape and return what changed.

    CLI Example:

    .. code-block:: bash

        salt keycloak-host itstack_keycloak.group_apply /staff/admins it-stack
    """
    return groups.apply_group(_view(profile), realm, name, _opened(fields), test)


def group_remove(name, realm, test=False, profile="keycloak"):
    """
    Delete a group and those below it, and return what changed.

    CLI Example:

    .. code-block:: bash

        salt keycloak-host itstack_keycloak.group_remove /staff it-stack
    """
    return groups.remove_group(_view(profile), realm, name, test)


def groups_apply(realm, groups, exclusive=False, limit=10, test=False, profile="keycloak"):
    """
    Bring many groups, named by their paths, to the given shape and return what changed, by path.

    CLI Example:

    .. code-block:: bash

        salt keycloak-host itstack_keycloak.groups_apply it-stack '{/partners: {}, /partners/printers: {}}'
    """
    view = _view(profile)
    kind, wanted = sets.group_set(view, realm, groups)
    return _apply_set(view, realm, kind, wanted, exclusive, limit, test)


def realm_role_apply(name, realm, test=False, profile="keycloak", **fields):
    """
    Bring a realm role to the given shape and return what changed.

    CLI Example:

    .. code-block:: bash

        salt keycloak-host itstack_keycloak.realm_role_apply auditor it-stack description='May read logs'
    """
    return roles.apply_role(_view(profile), realm, name, _opened(fields), test)


def realm_role_remove(name, realm, test=False, profile="keycloak"):
    """
    Delete a realm role and return what changed.

    CLI Example:

    .. code-block:: bash

        salt keycloak-host itstack_keycloak.realm_role_remove auditor it-stack
    """
    return roles.remove_role(_view(profile), realm, name, test)


def realm_roles_apply(realm, roles, exclusive=False, limit=10, test=False, profile="keycloak"):
    """
    Bring many realm roles to the given shape and return what changed, by role.

    CLI Example:

    .. code-block:: bash

        salt keycloak-host itstack_keycloak.realm_roles_apply it-stack '{auditor: {}, clerk: {}}'
    """
    view = _view(profile)
    return _apply_set(view, realm, sets.role_set(view, realm), roles, exclusive, limit, test)


def client_role_apply(name, realm, client, test=False, profile="keycloak", **fields):
    """
    Bring a role of a client to the given shape and return what changed.

    CLI Example:

    .. code-block:: bash

        salt keycloak-host itstack_keycloak.client_role_apply editor it-stack wiki description='May write'
    """
    return roles.apply_role(_view(profile), realm, name, _opened(fields), test, client)


def client_role_remove(name, realm, client, test=False, profile="keycloak"):
    """
    Delete a role of a client and return what changed.

    CLI Example:

    .. code-block:: bash

        salt keycloak-host itstack_keycloak.client_role_remove editor it-stack wiki
    """
    return roles.remove_role(_view(profile), realm, name, test, client)


def client_roles_apply(realm, client, roles, exclusive=False, limit=10, test=False, profile="keycloak"):
    """
    Bring many roles of a client to the given shape and return what changed, by role.

    CLI Example:

    .. code-block:: bash

        salt keycloak-host itstack_keycloak.client_roles_apply it-stack wiki '{editor: {}, reader: {}}'
    """
    view = _view(profile)
    return _apply_set(view, realm, sets.role_set(view, realm, client), roles, exclusive, limit, test)


def user_profile_apply(
    realm,
    attributes=None,
    groups=None,
    unmanaged_attribute_policy=None,
    exclusive=False,
    test=False,
    profile="keycloak",
):
    """
    Bring a realm's user profile to the given shape and return what changed.

    The arguments are those of the state :py:func:`itstack_keycloak.user_profile_present`.

    CLI Example:

    .. code-block:: bash

        salt keycloak-host itstack_keycloak.user_profile_apply it-stack \\
            attributes='{department: {permissions: {view: [admin, user], edit: [admin]}}}' test=True
    """
    wanted = profiles.profile_wanted(attributes, groups, unmanaged_attribute_policy, exclusive)
    return profiles.apply_profile(_view(profile), realm, wanted, test)


def user_profile_attribute_remove(name, realm, test=False, profile="keycloak"):
    """
    Take an attribute out of a realm's user profile, and return what changed.

    CLI Example:

    .. code-block:: bash

        salt keycloak-host itstack_keycloak.user_profile_attribute_remove department it-stack
    """
    return profiles.remove_attribute(_view(profile), realm, name, test)


def required_action_apply(name, realm, test=False, profile="keycloak", **fields):
    """
    Register a required action, bring it to the given shape, and return what changed.

    CLI Example:

    .. code-block:: bash

        salt keycloak-host itstack_keycloak.required_action_apply TERMS_AND_CONDITIONS it-stack enabled=True
    """
    return actions.apply_action(_view(profile), realm, name, plugin.own_arguments(fields), test)


def required_action_remove(name, realm, test=False, profile="keycloak"):
    """
    Take a required action out of a realm, and return what changed.

    CLI Example:

    .. code-block:: bash

        salt keycloak-host itstack_keycloak.required_action_remove delete_account it-stack
    """
    return actions.remove_action(_view(profile), realm, name, test)


def _marks():
    return masked.Marks(
        known=lambda name, value: fingerprint.known(__opts__, name, value),
        remember=lambda name, value: fingerprint.remember(__opts__, name, value),
        forget=lambda name: fingerprint.forget(__opts__, name),
    )


def _mark(profile, realm, kind, name):
    return f"keycloak/{_settings(profile)['url'].rstrip('/')}/{realm}/{kind}/{name}"


def flow_copy_apply(
    name, realm, copy_of, executions=None, exclusive=False, test=False, profile="keycloak", **fields
):
    """
    Make a copy of an authentication flow, bring it to the given shape, and return what changed.

    The arguments are those of the state :py:func:`itstack_keycloak.flow_copy_present`.

    CLI Example:

    .. code-block:: bash

        salt keycloak-host itstack_keycloak.flow_copy_apply 'our browser' it-stack browser \\
            executions='[{provider: auth-spnego, requirement: ALTERNATIVE}]' test=True
    """
    executions, paths = plugin.opened(executions, __opts__, __pillar__)
    # The items of a list share a path, so a setting that is a reference somewhere is hidden everywhere.
    secret = {path[-1] for path in paths}
    hidden = dict.fromkeys(range(len(executions or ())), secret)
    wanted = flows.flow_wanted(name, copy_of, executions, plugin.own_arguments(fields), exclusive, hidden)
    mark = _mark(profile, realm, "flow", name)
    return flows.apply_flow(_view(profile), realm, name, wanted, mark, _marks(), test)


def flow_remove(name, realm, test=False, profile="keycloak"):
    """
    Delete an authentication flow that isn't used and isn't built in, and return what changed.

    CLI Example:

    .. code-block:: bash

        salt keycloak-host itstack_keycloak.flow_remove 'our browser' it-stack
    """
    return flows.remove_flow(_view(profile), realm, name, test)


def flow_bindings_apply(realm, test=False, profile="keycloak", **fields):
    """
    Say which authentication flow a realm uses for what, and return what changed.

    CLI Example:

    .. code-block:: bash

        salt keycloak-host itstack_keycloak.flow_bindings_apply it-stack browser='our browser'
    """
    return flows.apply_bindings(_view(profile), realm, plugin.own_arguments(fields), test)


def identity_provider_apply(
    name,
    realm,
    config=None,
    mappers=None,
    exclusive_mappers=False,
    test=False,
    profile="keycloak",
    **fields,
):
    """
    Bring an identity provider to the given shape and return what changed.

    The arguments are those of the state :py:func:`itstack_keycloak.identity_provider_present`.

    CLI Example:

    .. code-block:: bash

        salt keycloak-host itstack_keycloak.identity_provider_apply github it-stack type=github \\
            config='{clientId: it-stack, clientSecret: "secret://keycloak-github"}'
    """
    config, paths = plugin.opened(config, __opts__, __pillar__)
    wanted = providers.provider_wanted(
        name, plugin.own_arguments(fields), config, mappers, {path[-1] for path in paths}
    )
    mark = _mark(profile, realm, "provider", name)
    return providers.apply_provider(
        _view(profile), realm, name, wanted, mark, _marks(), exclusive_mappers, test
    )  # fmt: skip


def identity_provider_remove(name, realm, test=False, profile="keycloak"):
    """
    Delete an identity provider with people's links to it, and return what changed.

    CLI Example:

    .. code-block:: bash

        salt keycloak-host itstack_keycloak.identity_provider_remove github it-stack
    """
    mark = _mark(profile, realm, "provider", name)
    return providers.remove_provider(_view(profile), realm, name, mark, _marks(), test)


def federation_apply(
    name,
    realm,
    groups_dn=None,
    groups_path="/directory",
    drop_missing_groups=True,
    mappers=None,
    allow_identity_loss=False,
    test=False,
    profile="keycloak",
    **fields,
):
    """
    Bring a directory's federation to the given shape, import its people, and return what changed.

    The fields are those of the state :py:func:`itstack_keycloak.federation_present`.

    CLI Example:

    .. code-block:: bash

        salt keycloak-host itstack_keycloak.federation_apply freeipa it-stack url=ldaps://ipa.it-stack.lab \
            bind_dn=uid=keycloak,cn=sysaccounts,cn=etc,dc=it-stack,dc=lab \
            bind_credential=secret://freeipa-keycloak users_dn=cn=users,cn=accounts,dc=it-stack,dc=lab
    """
    federation = Federation(
        _opened(fields), groups_dn, groups_path, drop_missing_groups, mappers, allow_identity_loss
    )
    mark = _mark(profile, realm, "federation", name)
    return federation.apply(_view(profile), realm, name, mark, _marks(), test)


def federation_remove(name, realm, test=False, profile="keycloak"):
    """
    Delete a federation with the people that it imported, and return what changed. Groups stay.

    CLI Example:

    .. code-block:: bash

        salt keycloak-host itstack_keycloak.federation_remove freeipa it-stack
    """
    removed = remove_federation(_view(profile), realm, name, test)
    if not test:
        fingerprint.forget(__opts__, _mark(profile, realm, "federation", name))
    return removed


def federation_sync(name, realm, full=True, profile="keycloak"):
    """
    Import people and groups now, and return the counts.

    full
        ``False`` imports only who changed since the last time.

    CLI Example:

    .. code-block:: bash

        salt keycloak-host itstack_keycloak.federation_sync freeipa it-stack full=False
    """
    view = _view(profile)
    found = directory.required(view, realm, name)
    # The server answers 200 with zeros while the directory is down.
    directory.test(view, realm, name)
    return directory.sync(view, realm, found["id"], full)


def federation_vanished(name, realm, profile="keycloak"):
    """
    Names of the people whom a federation imported and its directory doesn't give any more: removed there, or
    not let through by the filter any more, such as those whose account is disabled. They are disabled here.

    Reads all people; each whom the server hasn't in its cache costs a search in the directory. Refused where
    a login there takes over half of ``read_timeout``: whom a directory doesn't give in time isn't gone.

    CLI Example:

    .. code-block:: bash

        salt keycloak-host itstack_keycloak.federation_vanished freeipa it-stack
    """
    gone, _ = directory.vanished(_view(profile), realm, name)
    return sorted(row["username"] for row in gone)


def federation_prune(name, realm, limit=10, test=False, profile="keycloak"):
    """
    Remove the records of those whom :py:func:`federation_vanished` names, and return what changed.

    Who comes back afterwards, such as somebody whose account is enabled again, is a new person with a new id.

    limit
        How many may go. Nobody goes if there are more, or if the directory doesn't answer, is slow
        (see there) or gives nobody.

    CLI Example:

    .. code-block:: bash

        salt keycloak-host itstack_keycloak.federation_prune freeipa it-stack limit=3 test=True
    """
    return directory.prune(_view(profile), realm, name, limit, test)


def federation_test(name, realm, profile="keycloak"):
    """
    Let Keycloak connect to a federation's directory and bind with what it has stored.

    Returns ``True``; raises an error that says whether the directory wasn't reached or refused the account.

    CLI Example:

    .. code-block:: bash

        salt keycloak-host itstack_keycloak.federation_test freeipa it-stack
    """
    directory.test(_view(profile), realm, name)
    return True


def user(realm, username, profile="keycloak"):
    """
    A person as Keycloak knows them: names, address, ``federationLink``, and the paths of their ``groups``.

    CLI Example:

    .. code-block:: bash

        salt keycloak-host itstack_keycloak.user it-stack jdoe
    """
    return accounts.look_up(_view(profile), realm, username)
