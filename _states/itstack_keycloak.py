"""
States for a Keycloak server: its account for us, realms, clients and their scopes, mappers, roles, groups,
user profiles, required actions, authentication flows, identity providers, federations.

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
from salt_itstack.services.keycloak import actions, flows, profiles, providers, realms, scopes
from salt_itstack.services.keycloak import mappers as protocol_mappers
from salt_itstack.services.keycloak.clients import predicted_client
from salt_itstack.services.keycloak.federation import Federation
from salt_itstack.services.keycloak.groups import predicted_group
from salt_itstack.services.keycloak.plans import each_of
from salt_itstack.services.keycloak.roles import predicted_role


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


def _set(name, function, key, wanted, profile, arguments, predict):
    # A state that declares many: what the first run would make of a server that isn't there yet.
    def creation():
        return each_of(wanted, lambda _, fields: predict(fields))

    return _present(name, function, {**arguments, key: wanted}, profile, creation)


def _given(fields, *others):
    return {key: value for key, value in fields.items() if key not in others}


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
    registration_allowed, registration_email_as_username, remember_me, verify_email, login_with_email, \
duplicate_emails, reset_password, edit_username, user_managed_access, organizations_enabled, \
internationalization
        Booleans: how people log in and register.
    password_policy
        Such as ``length(12) and notUsername``.
    brute_force_protected, permanent_lockout
        Booleans, with ``brute_force_strategy`` (``MULTIPLE`` or ``LINEAR``), ``failure_factor`` (tries),
        ``max_temporary_lockouts``, ``max_failure_wait``, ``wait_increment``, ``minimum_quick_login_wait``,
        ``failure_reset_time`` (seconds) and ``quick_login_check_milliseconds``.
    otp_type, otp_algorithm, otp_digits, otp_period, otp_look_ahead_window, otp_initial_counter, \
otp_code_reusable
        One-time passwords: ``totp`` or ``hotp``, such as ``HmacSHA1``, and numbers.
    access_token_lifespan, access_token_lifespan_implicit, access_code_lifespan, access_code_lifespan_login, \
access_code_lifespan_user_action, action_token_lifespan_admin, action_token_lifespan_user, \
device_code_lifespan, device_polling_interval, sso_session_idle, sso_session_max, \
sso_session_idle_remember_me, sso_session_max_remember_me, client_session_idle, client_session_max, \
offline_session_idle, offline_session_max, client_offline_session_idle, client_offline_session_max
        Seconds; ``offline_session_max`` holds while ``offline_session_max_enabled`` is true.
    default_signature_algorithm, revoke_refresh_token, refresh_token_max_reuse
        Tokens: such as ``RS256``, a boolean, a number.
    login_theme, account_theme, admin_theme, email_theme, default_locale, supported_locales
        As Keycloak names them.
    events_enabled, events_expiration, events_listeners, event_types
        Whether logins are recorded, for how many seconds, who is told, and which types.
    admin_events_enabled, admin_events_details
        Whether changes of the realm are recorded, and with what was sent.
    smtp
        A map: ``host``, ``port``, ``from``, ``fromDisplayName``, ``replyTo``, ``ssl``, ``starttls``,
        ``auth``, ``user``. Keycloak refuses one without ``from``. Keys that aren't named are left alone.
    smtp_password
        A reference to a secret. The server doesn't show it: it is written on creation, and when another one
        is declared than this minion wrote last.
    browser_security_headers
        A map; keys that aren't named are left alone.
    attributes
        A map of texts; an empty text removes the key, and keys that aren't named are left alone.
    profile
        Name of a profile, or the profile itself.

    .. code-block:: yaml

        it-stack:
          itstack_keycloak.realm_present:
            - display_name: IT-Stack
            - brute_force_protected: true
            - sso_session_idle: 1800
            - smtp: {host: mail.it-stack.lab, port: 587, from: sso@it-stack.lab, starttls: true}
    """
    fields = plugin.own_arguments(kwargs)
    return _present(
        name,
        "realm_apply",
        {"name": name, **fields},
        profile,
        lambda: realms.predicted_realm(fields),
    )


def realm_absent(name, profile="keycloak", **kwargs):
    """
    Ensure that there is no such realm. All people, clients and settings in it are lost.

    The realm that the profile's account lives in is never removed.

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
    display_name, description, enabled, root_url, base_url, admin_url, always_display_in_console, \
frontchannel_logout, consent_required, display_on_consent_screen, consent_screen_text, full_scope_allowed, \
not_before, login_theme, logo_uri, policy_uri, terms_of_service_uri
        As Keycloak's own.
    redirect_uris, post_logout_redirect_uris
        Lists of addresses; a wildcard may stand at the end, never for the host.
    default_scopes, optional_scopes
        The whole lists of client scopes; one that moves from one list to the other is moved. Without
        ``basic`` in the default ones access tokens have no ``sub``.
    flow_bindings
        ``browser`` and ``direct_grant``: authentication flows by alias, in place of the realm's; an empty
        text takes one away.
    public, bearer_only
        Whether it has no secret.
    secret
        A reference to its secret, such as ``secret://keycloak-nextcloud``.
    client_authenticator
        ``client-secret`` (the default), ``client-jwt``, ``client-secret-jwt`` or ``client-x509``, with
        ``jwks_url`` and ``use_jwks_url``, or ``x509_subject_dn``.
    web_origins
        A list of origins, or ``+`` for those of the redirect URIs.
    standard_flow, implicit_flow, direct_access_grants, service_accounts, device_flow, ciba, token_exchange
        Booleans: the ways to get a token.
    authorization_services
        Whether it has resources and policies of its own.
    service_account_realm_roles, service_account_client_roles
        What its service account may do: a list of realm roles, and lists of roles below clients. They are
        added; with ``exclusive_roles`` others are taken, but never ``default-roles-…``.
    pkce
        ``S256`` makes it mandatory.
    dpop_bound_access_tokens, certificate_bound_access_tokens, require_pushed_authorization_requests, \
refresh_tokens, refresh_tokens_for_client_credentials, lightweight_access_tokens, exclude_session_state, \
exclude_issuer
        Booleans.
    backchannel_logout_url, backchannel_logout_session, backchannel_logout_revoke_offline_tokens, \
frontchannel_logout_url, frontchannel_logout_session
        Where the application is told that somebody logged out, and whether the session is named.
    access_token_lifespan, session_idle, session_max, offline_session_idle, offline_session_max
        Seconds.
    access_token_signature_algorithm, id_token_signature_algorithm, user_info_signature_algorithm, \
request_object_signature_algorithm
        Such as ``RS256``.
    default_acr_values, minimum_acr_value
        Levels of authentication.
    assertion_consumer_url, assertion_consumer_redirect_url, single_logout_url, single_logout_redirect_url
        SAML: where assertions and log-outs are sent, by POST and by redirect. A new SAML client needs one
        for assertions, or ``metadata_descriptor_url`` with ``use_metadata_descriptor_url``, or redirect URIs.
    name_id_format, force_name_id_format
        SAML: ``username``, ``email``, ``transient`` or ``persistent``, and whether requests can't choose.
    sign_documents, sign_assertions, client_signature_required, encrypt_assertions, force_post_binding, \
force_artifact_binding, authn_statement, one_time_use_condition
        SAML: booleans. A new client has documents signed, signatures required and POST forced.
    signature_algorithm, signature_canonicalization, signature_key_name, signing_certificate, \
encryption_certificate, assertion_lifespan, idp_initiated_name, idp_initiated_relay_state
        SAML: as Keycloak's own.
    attributes
        A map of texts, for what has no name above: ``"true"`` in quotes. An empty text removes the key, and
        keys that aren't named are left alone.
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

        https://assets.it-stack.lab/saml/metadata:
          itstack_keycloak.client_present:
            - realm: it-stack
            - protocol: saml
            - assertion_consumer_url: https://assets.it-stack.lab/saml/acs
            - name_id_format: email
            - client_signature_required: false

        reporter:
          itstack_keycloak.client_present:
            - realm: it-stack
            - secret: secret://keycloak-reporter
            - standard_flow: false
            - service_accounts: true
            - service_account_client_roles: {realm-management: [view-users]}
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
        lambda: predicted_client(fields, mappers),
    )


def client_absent(name, realm, profile="keycloak", **kwargs):
    """
    Ensure that a realm has no such client.

    Refused for the clients that Keycloak itself made, for the account of the profile, and where the client's
    service account is the realm's last administrator.

    .. code-block:: yaml

        wiki:
          itstack_keycloak.client_absent:
            - realm: it-stack
    """
    return _absent(name, "client_remove", profile, realm=realm)


def clients_present(name, realm, clients, exclusive=False, limit=10, profile="keycloak", **kwargs):
    """
    Ensure that many clients of a realm have the given settings, in one state.

    They are read once and written four at a time. What fails is told by name, and doesn't hold up the others.

    name
        For the report only.
    realm
        The realm that they live in.
    clients
        The fields of each, as :py:func:`client_present` takes them, by its ``clientId``.
    exclusive
        Whether others are removed, but never those that Keycloak made, nor the account of the profile.
    limit
        How many may be removed at the most. If there were more, nothing is changed.
    profile
        Name of a profile, or the profile itself.

    .. code-block:: yaml

        "our applications":
          itstack_keycloak.clients_present:
            - realm: it-stack
            - clients:
                blog:
                  public: true
                  redirect_uris: [https://blog.it-stack.lab/*]
                shop:
                  secret: secret://keycloak-shop
                  redirect_uris: [https://shop.it-stack.lab/callback]
    """
    return _set(
        name, "clients_apply", "clients", clients, profile,
        {"realm": realm, "exclusive": exclusive, "limit": limit, **plugin.own_arguments(kwargs)},
        lambda fields: predicted_client(_given(fields, "mappers"), fields.get("mappers")),
    )  # fmt: skip


def protocol_mapper_present(
    name, realm, type, config=None, client=None, client_scope=None, profile="keycloak", **kwargs
):
    """
    Ensure that a client or a client scope has a protocol mapper, and leave its others alone.

    name
        The mapper.
    realm
        The realm that its owner lives in.
    client, client_scope
        Its owner, one of the two.
    type
        Such as ``oidc-usermodel-attribute-mapper``; one that the server doesn't have is refused.
    config
        A map; keys that aren't named are left alone.

    .. code-block:: yaml

        groups:
          itstack_keycloak.protocol_mapper_present:
            - realm: it-stack
            - client: wiki
            - type: oidc-group-membership-mapper
            - config: {claim.name: groups, full.path: false, id.token.claim: true, userinfo.token.claim: true}
    """
    own = {"realm": realm, "type": type, "config": config, "client": client, "client_scope": client_scope}
    return _present(
        name,
        "protocol_mapper_apply",
        {"name": name, **own, **plugin.own_arguments(kwargs)},
        profile,
        lambda: protocol_mappers.mapper_changes(
            protocol_mappers.mappers_wanted({name: {"type": type, "config": config or {}}}), {}, False
        ),
    )


def protocol_mapper_absent(name, realm, client=None, client_scope=None, profile="keycloak", **kwargs):
    """
    Ensure that a client or a client scope has no such protocol mapper.

    .. code-block:: yaml

        groups:
          itstack_keycloak.protocol_mapper_absent:
            - realm: it-stack
            - client: wiki
    """
    return _absent(
        name, "protocol_mapper_remove", profile, realm=realm, client=client, client_scope=client_scope
    )


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
    realm_default
        Whether clients that are made from now on get it: ``default``, ``optional`` or ``none``.
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


def client_scopes_present(
    name, realm, client_scopes, exclusive=False, limit=10, profile="keycloak", **kwargs
):
    """
    Ensure that many client scopes of a realm have the given settings, in one state.

    name
        For the report only.
    client_scopes
        The fields of each, as :py:func:`client_scope_present` takes them, by its name.
    realm, exclusive, limit, profile
        As of :py:func:`clients_present`.

    .. code-block:: yaml

        "our scopes":
          itstack_keycloak.client_scopes_present:
            - realm: it-stack
            - client_scopes:
                office: {description: Where somebody works}
                floor: {in_token_scope: true}
    """
    return _set(
        name, "client_scopes_apply", "client_scopes", client_scopes, profile,
        {"realm": realm, "exclusive": exclusive, "limit": limit, **plugin.own_arguments(kwargs)},
        lambda fields: scopes.predicted_scope(
            _given(fields, "mappers", "exclusive_mappers"), fields.get("mappers")
        ),
    )  # fmt: skip


def client_scope_assigned(name, realm, client, kind="default", profile="keycloak", **kwargs):
    """
    Ensure that a client has a client scope, and leave its other scopes alone.

    name, realm, client
        The scope, the realm, and the client.
    kind
        ``default`` or ``optional``; a scope that stands in the other list is moved.

    .. code-block:: yaml

        department:
          itstack_keycloak.client_scope_assigned:
            - realm: it-stack
            - client: wiki
            - kind: optional
    """
    own = {"name": name, "realm": realm, "client": client, "kind": kind, **plugin.own_arguments(kwargs)}
    return _present(
        name, "client_scope_assign", own, profile, lambda: {name: {"old": None, "new": kind}}
    )  # fmt: skip


def client_scope_withdrawn(name, realm, client, profile="keycloak", **kwargs):
    """
    Ensure that a client doesn't have a client scope.

    .. code-block:: yaml

        department:
          itstack_keycloak.client_scope_withdrawn:
            - realm: it-stack
            - client: wiki
    """
    return _absent(name, "client_scope_withdraw", profile, realm=realm, client=client)


def group_present(name, realm, profile="keycloak", **kwargs):
    """
    Ensure that a group exists in a realm.

    name
        Its path, such as ``/staff/admins``; the group above must be there.
    realm
        The realm that it lives in.
    attributes
        A map of texts or lists of texts; keys that aren't named are left alone.
    realm_roles, client_roles
        What its members may do: a list of realm roles, and lists of roles below clients. They are added;
        with ``exclusive`` others are taken.
    profile
        Name of a profile, or the profile itself.

    .. code-block:: yaml

        /staff:
          itstack_keycloak.group_present:
            - realm: it-stack
            - attributes: {office: Vienna}
            - client_roles: {account: [view-groups]}
    """
    fields = plugin.own_arguments(kwargs)
    return _present(
        name,
        "group_apply",
        {"name": name, "realm": realm, **fields},
        profile,
        lambda: predicted_group(_given(fields, "exclusive")),
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


def groups_present(name, realm, groups, exclusive=False, limit=10, profile="keycloak", **kwargs):
    """
    Ensure that many groups of a realm have the given settings, in one state.

    name
        For the report only.
    groups
        The fields of each, as :py:func:`group_present` takes them, by its path.
    exclusive
        Whether others are removed, but never what a federation imports.
    realm, limit, profile
        As of :py:func:`clients_present`.

    .. code-block:: yaml

        "our groups":
          itstack_keycloak.groups_present:
            - realm: it-stack
            - groups:
                /partners: {}
                /partners/printers: {attributes: {office: Graz}}
    """
    return _set(
        name, "groups_apply", "groups", groups, profile,
        {"realm": realm, "exclusive": exclusive, "limit": limit, **plugin.own_arguments(kwargs)},
        lambda fields: predicted_group(_given(fields, "exclusive")),
    )  # fmt: skip


def realm_role_present(name, realm, profile="keycloak", **kwargs):
    """
    Ensure that a realm role exists.

    name, realm
        The role, and the realm that it lives in.
    description
        For people.
    attributes
        A map of texts or lists of texts; keys that aren't named are left alone.
    realm_roles, client_roles
        What it brings along (a composite role): a list of realm roles, and lists of roles below clients.
        They are added; with ``exclusive`` others are taken.
    profile
        Name of a profile, or the profile itself.

    .. code-block:: yaml

        auditor:
          itstack_keycloak.realm_role_present:
            - realm: it-stack
            - description: May read everything
            - client_roles: {realm-management: [view-users, view-events]}
    """
    fields = plugin.own_arguments(kwargs)
    return _present(
        name,
        "realm_role_apply",
        {"name": name, "realm": realm, **fields},
        profile,
        lambda: predicted_role(_given(fields, "exclusive")),
    )


def realm_role_absent(name, realm, profile="keycloak", **kwargs):
    """
    Ensure that a realm has no such role. Refused for those that Keycloak made.

    .. code-block:: yaml

        auditor:
          itstack_keycloak.realm_role_absent:
            - realm: it-stack
    """
    return _absent(name, "realm_role_remove", profile, realm=realm)


def realm_roles_present(name, realm, roles, exclusive=False, limit=10, profile="keycloak", **kwargs):
    """
    Ensure that many realm roles have the given settings, in one state.

    name
        For the report only.
    roles
        The fields of each, as :py:func:`realm_role_present` takes them, by its name; a composite role stands
        after those that it brings along.
    realm, exclusive, limit, profile
        As of :py:func:`clients_present`.

    .. code-block:: yaml

        "our roles":
          itstack_keycloak.realm_roles_present:
            - realm: it-stack
            - roles:
                clerk: {description: May write invoices}
                bookkeeper: {realm_roles: [clerk]}
    """
    return _set(
        name, "realm_roles_apply", "roles", roles, profile,
        {"realm": realm, "exclusive": exclusive, "limit": limit, **plugin.own_arguments(kwargs)},
        lambda fields: predicted_role(_given(fields, "exclusive")),
    )  # fmt: skip


def client_role_present(name, realm, client, profile="keycloak", **kwargs):
    """
    Ensure that a client has a role of its own.

    name, realm, client
        The role, the realm, and the client.
    description, attributes, realm_roles, client_roles, exclusive
        As of :py:func:`realm_role_present`.

    .. code-block:: yaml

        editor:
          itstack_keycloak.client_role_present:
            - realm: it-stack
            - client: wiki
            - description: May change pages
    """
    fields = plugin.own_arguments(kwargs)
    return _present(
        name,
        "client_role_apply",
        {"name": name, "realm": realm, "client": client, **fields},
        profile,
        lambda: predicted_role(_given(fields, "exclusive")),
    )


def client_role_absent(name, realm, client, profile="keycloak", **kwargs):
    """
    Ensure that a client has no such role.

    .. code-block:: yaml

        editor:
          itstack_keycloak.client_role_absent:
            - realm: it-stack
            - client: wiki
    """
    return _absent(name, "client_role_remove", profile, realm=realm, client=client)


def client_roles_present(name, realm, client, roles, exclusive=False, limit=10, profile="keycloak", **kwargs):
    """
    Ensure that a client has many roles of its own, in one state.

    name
        For the report only.
    client, roles
        The client, and the fields of each role, as :py:func:`client_role_present` takes them, by its name.
    realm, exclusive, limit, profile
        As of :py:func:`clients_present`.

    .. code-block:: yaml

        "roles of the wiki":
          itstack_keycloak.client_roles_present:
            - realm: it-stack
            - client: wiki
            - roles:
                reader: {}
                writer: {description: May write}
    """
    own = {"realm": realm, "client": client, "exclusive": exclusive, "limit": limit}
    return _set(
        name, "client_roles_apply", "roles", roles, profile, {**own, **plugin.own_arguments(kwargs)},
        lambda fields: predicted_role(_given(fields, "exclusive")),
    )  # fmt: skip


def user_profile_present(
    name,
    realm,
    attributes=None,
    groups=None,
    unmanaged_attribute_policy=None,
    exclusive=False,
    profile="keycloak",
    **kwargs,
):
    """
    Ensure that a realm's user profile has the given attributes and groups.

    name
        For the report only: a realm has one user profile.
    realm
        The realm.
    attributes
        Definitions by the attribute's name. Each is declared as a whole: what a definition doesn't say isn't
        there. New ones come last. A definition has ``display_name``; ``group`` (one of the profile's);
        ``required`` (``true``: for everybody; or ``{roles: [user, admin], scopes: [...]}``); ``permissions``
        (``{view: [...], edit: [...]}`` of ``admin`` and ``user``; without them nobody sees it);
        ``selector`` (``{scopes: [...]}``: asked for only where a client wants one of these);
        ``validations`` (settings by the validation's name); ``annotations``; ``multivalued``;
        ``default_value``.
    groups
        Definitions by the group's name, each as a whole: ``display_header``, ``display_description``,
        ``annotations``.
    unmanaged_attribute_policy
        What becomes of attributes that no definition names: ``DISABLED``, ``ENABLED``, ``ADMIN_VIEW`` or
        ``ADMIN_EDIT``.
    exclusive
        Whether attributes (where ``attributes`` is given) and groups (where ``groups`` is given) that aren't
        declared are removed. ``username`` and ``email`` always stay.
    profile
        Name of a profile, or the profile itself.

    .. code-block:: yaml

        "what is known of people":
          itstack_keycloak.user_profile_present:
            - realm: it-stack
            - groups:
                work:
                  display_header: At work
            - attributes:
                department:
                  display_name: Department
                  group: work
                  permissions: {view: [admin, user], edit: [admin]}
                  validations:
                    length: {max: 40}
            - unmanaged_attribute_policy: ADMIN_EDIT
    """
    given = {
        "attributes": attributes,
        "groups": groups,
        "unmanaged_attribute_policy": unmanaged_attribute_policy,
        "exclusive": exclusive,
    }
    return _present(
        name,
        "user_profile_apply",
        {"realm": realm, **given, **plugin.own_arguments(kwargs)},
        profile,
        lambda: profiles.profile_changes(
            profiles.profile_wanted(attributes, groups, unmanaged_attribute_policy, exclusive), {}
        ),
    )


def user_profile_attribute_absent(name, realm, profile="keycloak", **kwargs):
    """
    Ensure that a realm's user profile has no such attribute. Values that people have of it stay in the
    database, and are seen again when the attribute is.

    name
        The attribute; ``username`` and ``email`` are refused.
    realm
        The realm.

    .. code-block:: yaml

        department:
          itstack_keycloak.user_profile_attribute_absent:
            - realm: it-stack
    """
    return _absent(name, "user_profile_attribute_remove", profile, realm=realm)


def required_action_present(name, realm, profile="keycloak", **kwargs):
    """
    Ensure that a required action is registered in a realm and has the given settings.

    name
        The action's alias, such as ``CONFIGURE_TOTP`` or ``TERMS_AND_CONDITIONS``.
    realm
        The realm.
    enabled
        Whether people can be asked for it.
    default_action
        Whether everybody who is new has to do it.
    priority
        A number; small ones are asked for first.
    display_name
        What people see.
    config
        A map of settings, such as ``max_auth_age`` in seconds; those that aren't named are left alone.
    profile
        Name of a profile, or the profile itself.

    .. code-block:: yaml

        TERMS_AND_CONDITIONS:
          itstack_keycloak.required_action_present:
            - realm: it-stack
            - enabled: true
            - default_action: true
            - priority: 15
    """
    fields = plugin.own_arguments(kwargs)
    return _present(
        name,
        "required_action_apply",
        {"name": name, "realm": realm, **fields},
        profile,
        lambda: actions.predicted_action(fields),
    )


def required_action_absent(name, realm, profile="keycloak", **kwargs):
    """
    Ensure that a required action isn't registered in a realm, so that nobody can be asked for it.

    That can be undone: :py:func:`required_action_present` registers it again. Its settings are lost, and it
    comes last then where no priority is declared. To keep them, declare ``enabled: false`` instead.

    .. code-block:: yaml

        delete_account:
          itstack_keycloak.required_action_absent:
            - realm: it-stack
    """
    return _absent(name, "required_action_remove", profile, realm=realm)


def flow_copy_present(name, realm, copy_of, executions=None, exclusive=False, profile="keycloak", **kwargs):
    """
    Ensure that there is a copy of an authentication flow, and that it has the given executions.

    A built-in flow is never changed: copy it, change the copy, and bind that with
    :py:func:`flow_bindings_present`.

    name
        The copy's alias.
    realm
        The realm.
    copy_of
        The flow to start from, such as ``browser`` or ``first broker login``. Used only when the copy is
        made: later changes of that flow aren't followed.
    description
        For people.
    executions
        A list of what has to be in the copy. Each entry names a ``provider``
        (such as ``auth-otp-form``), or a ``flow``: a part with more in it, by the name that it has in the
        flow that was copied (the server puts the copy's name before it). What isn't there is added at the
        end. Besides:

        ``in``: the part that it is in. Needed for adding it there, or where the flow has several of that
        provider; ``""`` is the top.
        ``requirement``: ``REQUIRED``, ``ALTERNATIVE``, ``CONDITIONAL`` or ``DISABLED``. What is added is
        disabled where nothing else is said.
        ``priority``: a number; small ones come first within a part.
        ``description``: of a part.
        ``config``: a map of settings; those that aren't named are left alone. Secret ones may be references.
        ``config_alias``: what the configuration is called; tells two of one provider in one part apart.
    exclusive
        Whether executions and parts that aren't declared are taken out of the copy, a part with all that is
        in it. By default they are left alone.
    profile
        Name of a profile, or the profile itself.

    .. code-block:: yaml

        browser with a second factor:
          itstack_keycloak.flow_copy_present:
            - realm: it-stack
            - copy_of: browser
            - executions:
                - flow: Browser - Conditional 2FA
                  requirement: REQUIRED
                - provider: webauthn-authenticator
                  requirement: ALTERNATIVE
                - provider: identity-provider-redirector
                  config: {defaultProvider: corporate}
    """
    fields = plugin.own_arguments(kwargs)
    return _present(
        name,
        "flow_copy_apply",
        {
            "name": name,
            "realm": realm,
            "copy_of": copy_of,
            "executions": executions,
            "exclusive": exclusive,
            **fields,
        },
        profile,
        lambda: flows.flow_creation(flows.flow_wanted(name, copy_of, executions, fields, exclusive)),
    )


def flow_absent(name, realm, profile="keycloak", **kwargs):
    """
    Ensure that a realm has no such authentication flow. Refused for built-in flows, and for one that the
    realm, an identity provider or a client uses: bind another one there first.

    .. code-block:: yaml

        browser with a second factor:
          itstack_keycloak.flow_absent:
            - realm: it-stack
    """
    return _absent(name, "flow_remove", profile, realm=realm)


def flow_bindings_present(name, realm, profile="keycloak", **kwargs):
    """
    Ensure that a realm uses the given authentication flows. To undo it, name the built-in ones.

    name
        For the report only.
    realm
        The realm.
    browser, direct_grant, registration, reset_credentials, client_authentication, docker_authentication, \
first_broker_login
        Aliases of flows. The built-in ones are ``browser``, ``direct grant``, ``registration``,
        ``reset credentials``, ``clients``, ``docker auth``, ``first broker login``.
    profile
        Name of a profile, or the profile itself.

    .. code-block:: yaml

        "how people log in":
          itstack_keycloak.flow_bindings_present:
            - realm: it-stack
            - browser: browser with a second factor
            - reset_credentials: reset credentials
    """
    fields = plugin.own_arguments(kwargs)
    return _present(
        name,
        "flow_bindings_apply",
        {"realm": realm, **fields},
        profile,
        lambda: flows.bindings_creation(fields),
    )


def identity_provider_present(
    name, realm, config=None, mappers=None, exclusive_mappers=False, profile="keycloak", **kwargs
):
    """
    Ensure that people of a realm can log in by another place, and that it has the given settings.

    name
        The provider's alias, part of the address that it sends people back to.
    realm
        The realm.
    type
        ``oidc``, ``keycloak-oidc``, ``oauth2``, ``saml``, or a social one such as ``github``. It can't be
        changed later.
    enabled, trust_email, store_token, add_read_token_role, link_only, hide_on_login
        Booleans, as Keycloak's own.
    display_name
        What people see.
    first_broker_login_flow, post_broker_login_flow
        Aliases of flows.
    config
        A map of settings by Keycloak's names, such as ``clientId``, ``authorizationUrl``,
        ``singleSignOnServiceUrl``, ``syncMode``; those that aren't named are left alone, an empty text
        removes one. A secret, such as ``clientSecret``, is written where another one was declared last time:
        what somebody else changed it to can't be seen.
    mappers
        Mappers by name, each ``{type, config}``. Others stay, unless ``exclusive_mappers``.
    profile
        Name of a profile, or the profile itself.

    .. code-block:: yaml

        corporate:
          itstack_keycloak.identity_provider_present:
            - realm: it-stack
            - type: oidc
            - display_name: Log in with your company account
            - trust_email: true
            - config:
                clientId: it-stack
                clientSecret: secret://keycloak-corporate
                authorizationUrl: https://login.example.org/authorize
                tokenUrl: https://login.example.org/token
                issuer: https://login.example.org
                useJwksUrl: true
                jwksUrl: https://login.example.org/keys
                validateSignature: true
                pkceEnabled: true
                pkceMethod: S256
            - mappers:
                department:
                  type: oidc-user-attribute-idp-mapper
                  config: {claim: department, user.attribute: department, syncMode: FORCE}
    """
    fields = plugin.own_arguments(kwargs)
    return _present(
        name,
        "identity_provider_apply",
        {
            "name": name,
            "realm": realm,
            "config": config,
            "mappers": mappers,
            "exclusive_mappers": exclusive_mappers,
            **fields,
        },
        profile,
        lambda: providers.provider_creation(providers.provider_wanted(name, fields, config, mappers)),
    )


def identity_provider_absent(name, realm, profile="keycloak", **kwargs):
    """
    Ensure that a realm has no such identity provider. People keep their accounts, and lose their links to it.

    .. code-block:: yaml

        corporate:
          itstack_keycloak.identity_provider_absent:
            - realm: it-stack
    """
    return _absent(name, "identity_provider_remove", profile, realm=realm)


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
