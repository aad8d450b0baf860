"""
States for a Keycloak server: its account for us, realms, clients, client scopes, groups, roles, federations.

.. code-block:: yaml

    "our account":
      itstack_keycloak.account_present:
        - bootstrap: {client_id: temporary, client_secret: "secret://keycloak-bootstrap"}

    it-stack:
      itstack_keycloak.realm_present:
        - display_name: IT-Stack
        - brute_force_protected: true

    freeipa:
      itstack_keycloak.federation_present:
        - realm: it-stack
        - url: ldaps://ipa.it-stack.lab:636
        - bind_dn: uid=keycloak,cn=sysaccounts,cn=etc,dc=it-stack,dc=lab
        - bind_credential: secret://freeipa-keycloak
        - users_dn: cn=users,cn=accounts,dc=it-stack,dc=lab
        - groups_dn: cn=groups,cn=accounts,dc=it-stack,dc=lab

    nextcloud:
      itstack_keycloak.client_present:
        - realm: it-stack
        - secret: secret://keycloak-nextcloud
        - redirect_uris: [https://cloud.it-stack.lab/apps/user_oidc/code]
        - pkce: S256
        - mappers:
            groups:
              type: oidc-group-membership-mapper
              config: {claim.name: groups, full.path: false, id.token.claim: true, userinfo.token.claim: true}

How the server is reached is described in the execution module of the same name. Fields that aren't given
are left alone.
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
from salt_itstack.errors import ItstackError
from salt_itstack.reconcile import converge
from salt_itstack.services.keycloak import clients, realms, scopes
from salt_itstack.services.keycloak.federation import Federation


def _present(name, function, arguments, profile, predict):
    def apply(test):
        return __salt__[f"itstack_keycloak.{function}"](test=test, profile=profile, **arguments)

    predicted = None
    if __opts__["test"] and plugin.starts_in_this_run(__opts__, __pillar__, profile):
        try:
            predicted = predict()
        except ItstackError as error:
            return {"name": name, "result": False, "changes": {}, "comment": str(error)}
    return converge(name, apply, __opts__["test"], predicted)


def _absent(name, function, profile, **arguments):
    def apply(test):
        return __salt__[f"itstack_keycloak.{function}"](name, test=test, profile=profile, **arguments)

    return converge(name, apply, __opts__["test"], unchanged="is absent", changed="was removed")


def account_present(name, bootstrap=None, profile="keycloak", **kwargs):
    """
    Ensure that the account of the profile works, a confidential client with the realm role ``admin``.

    name
        For the report only: the account is the profile's ``client_id``, with its ``client_secret``.
    bootstrap
        ``{client_id, client_secret}`` of the temporary account that the server was first started with. It
        makes ours if that doesn't work yet, and is then removed.
    profile
        Name of a profile, or the profile itself.

    .. code-block:: yaml

        "our account":
          itstack_keycloak.account_present:
            - bootstrap:
                client_id: temporary
                client_secret: secret://keycloak-bootstrap
    """
    given = {"bootstrap": bootstrap}
    return _present(
        name,
        "account_apply",
        given,
        profile,
        lambda: __salt__["itstack_keycloak.account_creation"](profile=profile, **given),
    )


def realm_present(name, profile="keycloak", **kwargs):
    """
    Ensure that a realm exists and has the given settings.

    name
        The realm, as it stands in addresses.
    enabled
        Default ``True``.
    display_name, display_name_html
        What people see.
    ssl_required
        ``all``, ``external`` or ``none``.
    registration_allowed, remember_me, verify_email, login_with_email, duplicate_emails, reset_password, \
edit_username, internationalization, events_enabled, admin_events_enabled
        Booleans.
    brute_force_protected, permanent_lockout
        Booleans; with ``failure_factor`` (tries), ``max_failure_wait`` and ``wait_increment`` (seconds).
    password_policy
        Such as ``length(12) and notUsername``.
    access_token_lifespan, sso_session_idle, sso_session_max, offline_session_idle, events_expiration
        Seconds.
    login_theme, account_theme, email_theme, default_locale, supported_locales
        As Keycloak names them.
    attributes
        A map; keys that aren't named are left alone.
    profile
        Name of a profile, or the profile itself.

    .. code-block:: yaml

        it-stack:
          itstack_keycloak.realm_present:
            - display_name: IT-Stack
            - brute_force_protected: true
            - sso_session_idle: 1800
    """
    fields = plugin.own_arguments(kwargs)
    return _present(
        name,
        "realm_apply",
        {"name": name, **fields},
        profile,
        lambda: realms.predicted("realm", fields),
    )


def realm_absent(name, profile="keycloak", **kwargs):
    """
    Ensure that there is no such realm. All people, clients and settings in it are lost.

    .. code-block:: yaml

        playground:
          itstack_keycloak.realm_absent: []
    """
    return _absent(name, "realm_remove", profile)


def client_present(name, realm, mappers=None, exclusive_mappers=False, profile="keycloak", **kwargs):
    """
    Ensure that a client exists in a realm and has the given settings.

    name
        The ``clientId``.
    realm
        The realm that it lives in.
    protocol
        ``openid-connect`` (the default of a new client) or ``saml``.
    public
        Whether it has no secret.
    secret
        A reference to its secret, such as ``secret://keycloak-nextcloud``.
    redirect_uris, post_logout_redirect_uris
        Lists of addresses; a wildcard may stand at the end, never for the host.
    web_origins
        A list of origins, or ``+`` for those of the redirect URIs.
    standard_flow, implicit_flow, direct_access_grants, service_accounts
        Booleans: the ways to get a token.
    pkce
        ``S256`` makes it mandatory.
    backchannel_logout_url, backchannel_logout_session
        Where the application is told that somebody logged out, and whether the session is named.
    access_token_lifespan
        Seconds.
    default_scopes, optional_scopes
        The whole lists of client scopes; one that moves from one list to the other is moved. Without
        ``basic`` in the default ones access tokens have no ``sub``.
    display_name, description, enabled, root_url, base_url, admin_url, frontchannel_logout, \
consent_required, full_scope_allowed
        As Keycloak's own.
    attributes
        A map of texts; booleans and numbers are converted, an empty text removes the key, and keys that
        aren't named are left alone.
    mappers
        Protocol mappers by name, each ``{type, config}``. Others stay, unless ``exclusive_mappers``.
    profile
        Name of a profile, or the profile itself.

    .. code-block:: yaml

        wiki:
          itstack_keycloak.client_present:
            - realm: it-stack
            - secret: secret://keycloak-wiki
            - redirect_uris: [https://wiki.it-stack.lab/login/callback]
            - direct_access_grants: false
            - pkce: S256
    """
    fields = plugin.own_arguments(kwargs)
    return _present(
        name,
        "client_apply",
        {
            "name": name,
            "realm": realm,
            "mappers": mappers,
            "exclusive_mappers": exclusive_mappers,
            **fields,
        },
        profile,
        lambda: clients.predicted_client(fields, mappers),
    )


def client_absent(name, realm, profile="keycloak", **kwargs):
    """
    Ensure that a realm has no such client.

    .. code-block:: yaml

        wiki:
          itstack_keycloak.client_absent:
            - realm: it-stack
    """
    return _absent(name, "client_remove", profile, realm=realm)


def client_scope_present(name, realm, mappers=None, exclusive_mappers=False, profile="keycloak", **kwargs):
    """
    Ensure that a client scope exists in a realm and has the given settings.

    name, realm
        The scope, and the realm that it lives in.
    protocol
        ``openid-connect`` (default) or ``saml``.
    description
        For people.
    in_token_scope
        Whether its name appears in the token's ``scope``.
    attributes
        A map of texts; keys that aren't named are left alone.
    mappers
        Protocol mappers by name, each ``{type, config}``. Others stay, unless ``exclusive_mappers``.
    profile
        Name of a profile, or the profile itself.

    .. code-block:: yaml

        department:
          itstack_keycloak.client_scope_present:
            - realm: it-stack
            - description: The department that somebody works in
            - in_token_scope: true
            - mappers:
                department:
                  type: oidc-usermodel-attribute-mapper
                  config: {user.attribute: department, claim.name: department, id.token.claim: true}
    """
    fields = plugin.own_arguments(kwargs)
    return _present(
        name,
        "client_scope_apply",
        {
            "name": name,
            "realm": realm,
            "mappers": mappers,
            "exclusive_mappers": exclusive_mappers,
            **fields,
        },
        profile,
        lambda: scopes.predicted_scope(fields, mappers),
    )


def client_scope_absent(name, realm, profile="keycloak", **kwargs):
    """
    Ensure that a realm has no such client scope. Clients that have it lose it.

    .. code-block:: yaml

        department:
          itstack_keycloak.client_scope_absent:
            - realm: it-stack
    """
    return _absent(name, "client_scope_remove", profile, realm=realm)


def group_present(name, realm, profile="keycloak", **kwargs):
    """
    Ensure that a group exists in a realm.

    name
        Its path, such as ``/staff/admins``; the group above must be there.
    realm
        The realm that it lives in.
    attributes
        A map of texts or lists of texts; keys that aren't named are left alone.
    profile
        Name of a profile, or the profile itself.

    .. code-block:: yaml

        /staff:
          itstack_keycloak.group_present:
            - realm: it-stack
            - attributes: {office: Vienna}
    """
    fields = plugin.own_arguments(kwargs)
    return _present(
        name,
        "group_apply",
        {"name": name, "realm": realm, **fields},
        profile,
        lambda: realms.predicted("group", fields),
    )


def group_absent(name, realm, profile="keycloak", **kwargs):
    """
    Ensure that a realm has no group of that path, nor any below it.

    .. code-block:: yaml

        /staff:
          itstack_keycloak.group_absent:
            - realm: it-stack
    """
    return _absent(name, "group_remove", profile, realm=realm)


def realm_role_present(name, realm, profile="keycloak", **kwargs):
    """
    Ensure that a realm role exists.

    name, realm
        The role, and the realm that it lives in.
    description
        For people.
    attributes
        A map of texts or lists of texts; keys that aren't named are left alone.
    profile
        Name of a profile, or the profile itself.

    .. code-block:: yaml

        auditor:
          itstack_keycloak.realm_role_present:
            - realm: it-stack
            - description: May read everything
    """
    fields = plugin.own_arguments(kwargs)
    return _present(
        name,
        "realm_role_apply",
        {"name": name, "realm": realm, **fields},
        profile,
        lambda: realms.predicted("role", fields),
    )


def realm_role_absent(name, realm, profile="keycloak", **kwargs):
    """
    Ensure that a realm has no such role.

    .. code-block:: yaml

        auditor:
          itstack_keycloak.realm_role_absent:
            - realm: it-stack
    """
    return _absent(name, "realm_role_remove", profile, realm=realm)


def federation_present(
    name,
    realm,
    groups_dn=None,
    groups_path="/directory",
    drop_missing_groups=True,
    mappers=None,
    allow_identity_loss=False,
    profile="keycloak",
    **kwargs,
):
    """
    Ensure that a realm takes people and groups from an LDAP directory, read only.

    The directory is tried with the account before anything is written, and at each later run with what the
    server has stored: a directory that is down, or refuses the account, is a failure. After a change all
    people are imported. Where nothing differs, and yet the directory gives none of the people whom the realm
    imported from it, that is a failure too.

    name, realm
        The federation, and the realm that it lives in.
    url, bind_dn, bind_credential, users_dn
        Address, account, a reference to its password, and where the people are. Needed.
    groups_dn
        Where the groups are; without it no groups are imported.
    groups_path
        The group of the realm that they come below; made if it isn't there. Tokens carry plain names with
        ``full.path: false``.
    drop_missing_groups
        Remove what the directory lacks from below ``groups_path``.
    mappers
        More LDAP mappers by name, each ``{type, config}``; others that the federation has stay.
    allow_identity_loss
        A change of ``uuid_attribute``, ``username_attribute`` or ``import_users`` cuts people off from the
        records that the realm and its applications have of them, and is refused unless this is true. Measured
        on 26.7.3: another UUID attribute, and nobody is imported or found any more; another user-name
        attribute, and everybody is renamed. It can't be undone for who logs in meanwhile.
    filter
        LDAP filter for people, such as ``(!(nsAccountLock=TRUE))``.
    changed_sync_period, full_sync_period
        Seconds, or -1 for never; default 300 and 86400. The server imports who changed, with all groups, in
        these periods, and forgets what it had in its cache: so they are also how long somebody who was
        disabled or removed in the directory can go on.
    remove_invalid_users
        Default ``False``: whom the directory doesn't give any more is disabled, and has the same id when the
        directory gives them again. If true, the server removes them when they are next looked up.
        Keycloak 26.4 and later.
    uuid_attribute, username_attribute, rdn_attribute, user_object_classes, search_scope, vendor, edit_mode, \
import_users, enabled, priority, auth_type, start_tls, use_truststore, trust_email, sync_registrations, \
pagination, batch_size, cache_policy, connection_timeout, read_timeout
        Those of FreeIPA where nothing is given.
    profile
        Name of a profile, or the profile itself.

    .. code-block:: yaml

        freeipa:
          itstack_keycloak.federation_present:
            - realm: it-stack
            - url: ldaps://ipa.it-stack.lab:636
            - bind_dn: uid=keycloak,cn=sysaccounts,cn=etc,dc=it-stack,dc=lab
            - bind_credential: secret://freeipa-keycloak
            - users_dn: cn=users,cn=accounts,dc=it-stack,dc=lab
            - groups_dn: cn=groups,cn=accounts,dc=it-stack,dc=lab
            - filter: (!(nsAccountLock=TRUE))
    """
    own = {
        "groups_dn": groups_dn,
        "groups_path": groups_path,
        "drop_missing_groups": drop_missing_groups,
        "mappers": mappers,
        "allow_identity_loss": allow_identity_loss,
    }
    fields = plugin.own_arguments(kwargs)
    return _present(
        name,
        "federation_apply",
        {"name": name, "realm": realm, **own, **fields},
        profile,
        lambda: Federation(fields, **own).creation(),
    )


def federation_absent(name, realm, profile="keycloak", **kwargs):
    """
    Ensure that a realm has no such federation. The people that it imported go with it, groups stay.

    .. code-block:: yaml

        freeipa:
          itstack_keycloak.federation_absent:
            - realm: it-stack
    """
    return _absent(name, "federation_remove", profile, realm=realm)
