"""What this pack manages of Keycloak's objects: our names, Keycloak's, and how each is compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...reconcile import Field, Resource, same, text, unordered

#: What Keycloak shows instead of a secret. Written back to a client it would be stored as it is.
MASK = "**********"

#: Attributes of a client that hold private keys: anybody who reads the client reads them.
PRIVATE_KEYS = frozenset({"saml.signing.private.key", "saml.encryption.private.key"})

#: Assigned by the server to every client that has a service account.
SERVICE_ACCOUNT_SCOPE = "service_account"


def attributes(value: Any) -> dict[str, Any]:
    """A map of texts, where an empty value means that the key isn't there."""
    return {str(key): text(item) for key, item in (value or {}).items()}


def lists(value: Any) -> dict[str, Any]:
    """A map of unordered lists of texts, as groups and roles have."""
    result: dict[str, Any] = {}
    for key, item in (value or {}).items():
        items = item if isinstance(item, (list, tuple)) else [item]
        result[str(key)] = sorted(str(text(one)) for one in items if text(one) is not None) or None
    return result


def absent_is_false(value: Any) -> Any:
    """As true or false; the server leaves out what is false."""
    return bool(value)


def named_lists(value: Any) -> dict[str, Any]:
    """Unordered lists of names, each below the name of a client."""
    return {str(key): sorted({str(one) for one in item}) for key, item in (value or {}).items() if item}


def single(value: Any) -> Any:
    """The one text in the list that a component keeps each of its settings in."""
    if isinstance(value, (list, tuple)):
        value = value[0] if value else None
    return text(value)


def singles(value: Any) -> dict[str, Any]:
    """A component's whole configuration, each setting by its one text."""
    return {str(key): single(item) for key, item in (value or {}).items()}


def names(value: Any) -> Any:
    """Names that are joined by commas, with or without blanks, in no particular order."""
    return sorted(part.strip() for part in (single(value) or "").split(",") if part.strip())


def joined(value: Any) -> Any:
    """Addresses that are joined by ``##``, in no particular order."""
    return sorted(part for part in (text(value) or "").split("##") if part)


def served(value: Any) -> dict[str, Any]:
    """The settings of the mail server, as texts; the password reads back as a mask and isn't among them."""
    return {key: item for key, item in attributes(value).items() if key != "password"}


def scopes(value: Any) -> Any:
    """Names of client scopes, without the one that comes and goes with the service account."""
    return unordered([name for name in value or [] if name != SERVICE_ACCOUNT_SCOPE])


def _setting(name: str, compare: Any = single, **options: Any) -> Field:
    return Field(("config", name), compare, **options)


def _attribute(name: str, compare: Any = text, **options: Any) -> Field:
    return Field(("attributes", name), compare, **options)


#: keycloak: RealmRepresentation. Times are in seconds.
REALM = Resource(
    kind="realm",
    key="realm",
    fields={
        "enabled": Field("enabled"),
        "display_name": Field("displayName"),
        "display_name_html": Field("displayNameHtml"),
        "ssl_required": Field("sslRequired"),
        # Login
        "registration_allowed": Field("registrationAllowed"),
        "registration_email_as_username": Field("registrationEmailAsUsername"),
        "remember_me": Field("rememberMe"),
        "verify_email": Field("verifyEmail"),
        "login_with_email": Field("loginWithEmailAllowed"),
        "duplicate_emails": Field("duplicateEmailsAllowed"),
        "reset_password": Field("resetPasswordAllowed"),
        "edit_username": Field("editUsernameAllowed"),
        "user_managed_access": Field("userManagedAccessAllowed"),
        "organizations_enabled": Field("organizationsEnabled"),
        "password_policy": Field("passwordPolicy"),
        # Guessed passwords
        "brute_force_protected": Field("bruteForceProtected"),
        "brute_force_strategy": Field("bruteForceStrategy"),
        "permanent_lockout": Field("permanentLockout"),
        "max_temporary_lockouts": Field("maxTemporaryLockouts"),
        "failure_factor": Field("failureFactor"),
        "max_failure_wait": Field("maxFailureWaitSeconds"),
        "wait_increment": Field("waitIncrementSeconds"),
        "minimum_quick_login_wait": Field("minimumQuickLoginWaitSeconds"),
        "quick_login_check_milliseconds": Field("quickLoginCheckMilliSeconds"),
        "failure_reset_time": Field("maxDeltaTimeSeconds"),
        # One-time passwords
        "otp_type": Field("otpPolicyType"),
        "otp_algorithm": Field("otpPolicyAlgorithm"),
        "otp_digits": Field("otpPolicyDigits"),
        "otp_period": Field("otpPolicyPeriod"),
        "otp_look_ahead_window": Field("otpPolicyLookAheadWindow"),
        "otp_initial_counter": Field("otpPolicyInitialCounter"),
        "otp_code_reusable": Field("otpPolicyCodeReusable"),
        # Tokens and sessions
        "default_signature_algorithm": Field("defaultSignatureAlgorithm"),
        "revoke_refresh_token": Field("revokeRefreshToken"),
        "refresh_token_max_reuse": Field("refreshTokenMaxReuse"),
        "access_token_lifespan": Field("accessTokenLifespan"),
        "access_token_lifespan_implicit": Field("accessTokenLifespanForImplicitFlow"),
        "access_code_lifespan": Field("accessCodeLifespan"),
        "access_code_lifespan_login": Field("accessCodeLifespanLogin"),
        "access_code_lifespan_user_action": Field("accessCodeLifespanUserAction"),
        "action_token_lifespan_admin": Field("actionTokenGeneratedByAdminLifespan"),
        "action_token_lifespan_user": Field("actionTokenGeneratedByUserLifespan"),
        "device_code_lifespan": Field("oauth2DeviceCodeLifespan"),
        "device_polling_interval": Field("oauth2DevicePollingInterval"),
        "sso_session_idle": Field("ssoSessionIdleTimeout"),
        "sso_session_max": Field("ssoSessionMaxLifespan"),
        "sso_session_idle_remember_me": Field("ssoSessionIdleTimeoutRememberMe"),
        "sso_session_max_remember_me": Field("ssoSessionMaxLifespanRememberMe"),
        "client_session_idle": Field("clientSessionIdleTimeout"),
        "client_session_max": Field("clientSessionMaxLifespan"),
        "offline_session_idle": Field("offlineSessionIdleTimeout"),
        "offline_session_max_enabled": Field("offlineSessionMaxLifespanEnabled"),
        "offline_session_max": Field("offlineSessionMaxLifespan"),
        "client_offline_session_idle": Field("clientOfflineSessionIdleTimeout"),
        "client_offline_session_max": Field("clientOfflineSessionMaxLifespan"),
        # What it looks like
        "login_theme": Field("loginTheme"),
        "account_theme": Field("accountTheme"),
        "admin_theme": Field("adminTheme"),
        "email_theme": Field("emailTheme"),
        "internationalization": Field("internationalizationEnabled"),
        "supported_locales": Field("supportedLocales", unordered),
        "default_locale": Field("defaultLocale"),
        # Events
        "events_enabled": Field("eventsEnabled"),
        "events_expiration": Field("eventsExpiration"),
        "events_listeners": Field("eventsListeners", unordered),
        "event_types": Field("enabledEventTypes", unordered),
        "admin_events_enabled": Field("adminEventsEnabled"),
        "admin_events_details": Field("adminEventsDetailsEnabled"),
        # The rest
        "smtp": Field("smtpServer", served, partial=True),
        "smtp_password": Field(("smtpServer", "password"), secret=True, readable=False),
        "browser_security_headers": Field("browserSecurityHeaders", attributes, partial=True),
        "attributes": Field("attributes", attributes, partial=True),
    },
)

#: keycloak: ClientRepresentation, OIDCConfigAttributes, SamlConfigAttributes, SamlProtocol.
CLIENT = Resource(
    kind="client",
    key="clientId",
    fields={
        # First, because the fields that live inside it are written after it.
        "attributes": Field("attributes", attributes, partial=True, hidden=PRIVATE_KEYS),
        "display_name": Field("name"),
        "description": Field("description"),
        "enabled": Field("enabled"),
        "protocol": Field("protocol"),
        "root_url": Field("rootUrl"),
        "base_url": Field("baseUrl"),
        "admin_url": Field("adminUrl"),
        "redirect_uris": Field("redirectUris", unordered),
        "always_display_in_console": Field("alwaysDisplayInConsole"),
        "frontchannel_logout": Field("frontchannelLogout"),
        "consent_required": Field("consentRequired"),
        "display_on_consent_screen": _attribute("display.on.consent.screen"),
        "consent_screen_text": _attribute("consent.screen.text"),
        "full_scope_allowed": Field("fullScopeAllowed"),
        "flow_bindings": Field("authenticationFlowBindingOverrides", attributes, partial=True),
        "not_before": Field("notBefore"),
        "login_theme": _attribute("login_theme"),
        "logo_uri": _attribute("logoUri"),
        "policy_uri": _attribute("policyUri"),
        "terms_of_service_uri": _attribute("tosUri"),
        "default_scopes": Field("defaultClientScopes", scopes),
        "optional_scopes": Field("optionalClientScopes", scopes),
        # OpenID Connect
        "public": Field("publicClient"),
        "bearer_only": Field("bearerOnly"),
        "secret": Field("secret", secret=True),
        "client_authenticator": Field("clientAuthenticatorType"),
        "web_origins": Field("webOrigins", unordered),
        "standard_flow": Field("standardFlowEnabled"),
        "implicit_flow": Field("implicitFlowEnabled"),
        "direct_access_grants": Field("directAccessGrantsEnabled"),
        "service_accounts": Field("serviceAccountsEnabled"),
        "authorization_services": Field("authorizationServicesEnabled", absent_is_false),
        "device_flow": _attribute("oauth2.device.authorization.grant.enabled"),
        "ciba": _attribute("oidc.ciba.grant.enabled"),
        "token_exchange": _attribute("standard.token.exchange.enabled"),
        "pkce": _attribute("pkce.code.challenge.method"),
        "dpop_bound_access_tokens": _attribute("dpop.bound.access.tokens"),
        "certificate_bound_access_tokens": _attribute("tls.client.certificate.bound.access.tokens"),
        "require_pushed_authorization_requests": _attribute("require.pushed.authorization.requests"),
        "post_logout_redirect_uris": _attribute("post.logout.redirect.uris", joined),
        "backchannel_logout_url": _attribute("backchannel.logout.url"),
        "backchannel_logout_session": _attribute("backchannel.logout.session.required"),
        "backchannel_logout_revoke_offline_tokens": _attribute("backchannel.logout.revoke.offline.tokens"),
        "frontchannel_logout_url": _attribute("frontchannel.logout.url"),
        "frontchannel_logout_session": _attribute("frontchannel.logout.session.required"),
        "access_token_lifespan": _attribute("access.token.lifespan"),
        "session_idle": _attribute("client.session.idle.timeout"),
        "session_max": _attribute("client.session.max.lifespan"),
        "offline_session_idle": _attribute("client.offline.session.idle.timeout"),
        "offline_session_max": _attribute("client.offline.session.max.lifespan"),
        "refresh_tokens": _attribute("use.refresh.tokens"),
        "refresh_tokens_for_client_credentials": _attribute("client_credentials.use_refresh_token"),
        "lightweight_access_tokens": _attribute("client.use.lightweight.access.token.enabled"),
        "access_token_signature_algorithm": _attribute("access.token.signed.response.alg"),
        "id_token_signature_algorithm": _attribute("id.token.signed.response.alg"),
        "user_info_signature_algorithm": _attribute("user.info.response.signature.alg"),
        "request_object_signature_algorithm": _attribute("request.object.signature.alg"),
        "jwks_url": _attribute("jwks.url"),
        "use_jwks_url": _attribute("use.jwks.url"),
        "x509_subject_dn": _attribute("x509.subjectdn"),
        "default_acr_values": _attribute("default.acr.values", joined),
        "minimum_acr_value": _attribute("minimum.acr.value"),
        "exclude_session_state": _attribute("exclude.session.state.from.auth.response"),
        "exclude_issuer": _attribute("exclude.issuer.from.auth.response"),
        # SAML
        "assertion_consumer_url": _attribute("saml_assertion_consumer_url_post"),
        "assertion_consumer_redirect_url": _attribute("saml_assertion_consumer_url_redirect"),
        "single_logout_url": _attribute("saml_single_logout_service_url_post"),
        "single_logout_redirect_url": _attribute("saml_single_logout_service_url_redirect"),
        "metadata_descriptor_url": _attribute("saml.metadataDescriptorUrl"),
        "use_metadata_descriptor_url": _attribute("saml.useMetadataDescriptorUrl"),
        "name_id_format": _attribute("saml_name_id_format"),
        "force_name_id_format": _attribute("saml_force_name_id_format"),
        "authn_statement": _attribute("saml.authnstatement"),
        "one_time_use_condition": _attribute("saml.onetimeuse.condition"),
        "sign_documents": _attribute("saml.server.signature"),
        "sign_assertions": _attribute("saml.assertion.signature"),
        "client_signature_required": _attribute("saml.client.signature"),
        "signature_algorithm": _attribute("saml.signature.algorithm"),
        "signature_canonicalization": _attribute("saml_signature_canonicalization_method"),
        "signature_key_name": _attribute("saml.server.signature.keyinfo.xmlSigKeyInfoKeyNameTransformer"),
        "signing_certificate": _attribute("saml.signing.certificate"),
        "encrypt_assertions": _attribute("saml.encrypt"),
        "encryption_certificate": _attribute("saml.encryption.certificate"),
        "force_post_binding": _attribute("saml.force.post.binding"),
        "force_artifact_binding": _attribute("saml.artifact.binding"),
        "assertion_lifespan": _attribute("saml.assertion.lifespan"),
        "idp_initiated_name": _attribute("saml_idp_initiated_sso_url_name"),
        "idp_initiated_relay_state": _attribute("saml_idp_initiated_sso_relay_state"),
    },
)

MAPPER = Resource(
    kind="protocol mapper",
    key="name",
    fields={
        "type": Field("protocolMapper"),
        "protocol": Field("protocol"),
        "config": Field("config", attributes, partial=True),
    },
)

CLIENT_SCOPE = Resource(
    kind="client scope",
    key="name",
    fields={
        "attributes": Field("attributes", attributes, partial=True),
        "description": Field("description"),
        "protocol": Field("protocol"),
        "in_token_scope": Field(("attributes", "include.in.token.scope"), text),
    },
)

GROUP = Resource(
    kind="group",
    key="path",
    fields={
        "attributes": Field("attributes", lists, partial=True),
        "realm_roles": Field("realmRoles", unordered),
        "client_roles": Field("clientRoles", named_lists),
    },
)

#: Of realm roles and of client roles.
ROLE = Resource(
    kind="role",
    key="name",
    fields={
        "description": Field("description", same),
        "attributes": Field("attributes", lists, partial=True),
        "realm_roles": Field("realmRoles", unordered),
        "client_roles": Field("clientRoles", named_lists),
    },
)

FEDERATION = Resource(
    kind="LDAP federation",
    key="name",
    fields={
        "url": _setting("connectionUrl"),
        "bind_dn": _setting("bindDn"),
        # Reads back as a mask: whether it is right shows only when it is used.
        "bind_credential": _setting("bindCredential", secret=True, readable=False),
        "users_dn": _setting("usersDn"),
        "filter": _setting("customUserSearchFilter"),
        "uuid_attribute": _setting("uuidLDAPAttribute"),
        "username_attribute": _setting("usernameLDAPAttribute"),
        "rdn_attribute": _setting("rdnLDAPAttribute"),
        "user_object_classes": _setting("userObjectClasses", names),
        "search_scope": _setting("searchScope"),
        "vendor": _setting("vendor"),
        "edit_mode": _setting("editMode"),
        "import_users": _setting("importEnabled"),
        "enabled": _setting("enabled"),
        "priority": _setting("priority"),
        "auth_type": _setting("authType"),
        "start_tls": _setting("startTls"),
        "use_truststore": _setting("useTruststoreSpi"),
        "trust_email": _setting("trustEmail"),
        "sync_registrations": _setting("syncRegistrations"),
        "pagination": _setting("pagination"),
        "batch_size": _setting("batchSizeForSync"),
        "changed_sync_period": _setting("changedSyncPeriod"),
        "full_sync_period": _setting("fullSyncPeriod"),
        "cache_policy": _setting("cachePolicy"),
        # keycloak/keycloak#35013; 26.4 and later have it.
        "remove_invalid_users": _setting("removeInvalidUsersEnabled"),
        "connection_timeout": _setting("connectionTimeout"),
        "read_timeout": _setting("readTimeout"),
    },
)

#: What a client's service account, a group or a role was given.
SERVICE_ACCOUNT = Resource(
    kind="service account",
    key="username",
    fields={
        "service_account_realm_roles": Field("realmRoles", unordered),
        "service_account_client_roles": Field("clientRoles", named_lists),
    },
)

LDAP_MAPPER = Resource(
    kind="LDAP mapper",
    key="name",
    fields={
        "type": Field("providerId"),
        "config": Field("config", singles, partial=True),
    },
)


def settings_of(row: Mapping[str, Any], name: str) -> str:
    """One setting of a component, or an empty text."""
    return single((row.get("config") or {}).get(name)) or ""


def deletions(sent: dict[str, Any]) -> dict[str, Any]:
    """A body whose attributes that shouldn't be there are sent as empty texts, which deletes them."""
    if "attributes" in sent:
        sent["attributes"] = {
            key: "" if value is None else value for key, value in sent["attributes"].items()
        }
    return sent
