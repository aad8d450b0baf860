"""What this pack manages of Keycloak's objects: our names, Keycloak's, and how each is compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...reconcile import Field, Resource, same, text, unordered

#: What Keycloak shows instead of a secret. Written back to a client it would be stored as it is.
MASK = "**********"

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


def scopes(value: Any) -> Any:
    """Names of client scopes, without the one that comes and goes with the service account."""
    return unordered([name for name in value or [] if name != SERVICE_ACCOUNT_SCOPE])


def _setting(name: str, compare: Any = single, **options: Any) -> Field:
    return Field(("config", name), compare, **options)


REALM = Resource(
    kind="realm",
    key="realm",
    fields={
        "enabled": Field("enabled"),
        "display_name": Field("displayName"),
        "display_name_html": Field("displayNameHtml"),
        "ssl_required": Field("sslRequired"),
        "registration_allowed": Field("registrationAllowed"),
        "remember_me": Field("rememberMe"),
        "verify_email": Field("verifyEmail"),
        "login_with_email": Field("loginWithEmailAllowed"),
        "duplicate_emails": Field("duplicateEmailsAllowed"),
        "reset_password": Field("resetPasswordAllowed"),
        "edit_username": Field("editUsernameAllowed"),
        "brute_force_protected": Field("bruteForceProtected"),
        "permanent_lockout": Field("permanentLockout"),
        "failure_factor": Field("failureFactor"),
        "max_failure_wait": Field("maxFailureWaitSeconds"),
        "wait_increment": Field("waitIncrementSeconds"),
        "password_policy": Field("passwordPolicy"),
        "access_token_lifespan": Field("accessTokenLifespan"),
        "sso_session_idle": Field("ssoSessionIdleTimeout"),
        "sso_session_max": Field("ssoSessionMaxLifespan"),
        "offline_session_idle": Field("offlineSessionIdleTimeout"),
        "login_theme": Field("loginTheme"),
        "account_theme": Field("accountTheme"),
        "email_theme": Field("emailTheme"),
        "internationalization": Field("internationalizationEnabled"),
        "supported_locales": Field("supportedLocales", unordered),
        "default_locale": Field("defaultLocale"),
        "events_enabled": Field("eventsEnabled"),
        "events_expiration": Field("eventsExpiration"),
        "admin_events_enabled": Field("adminEventsEnabled"),
        "attributes": Field("attributes", attributes, partial=True),
    },
)

CLIENT = Resource(
    kind="client",
    key="clientId",
    fields={
        # First, because the fields that live inside it are written after it.
        "attributes": Field("attributes", attributes, partial=True),
        "display_name": Field("name"),
        "description": Field("description"),
        "enabled": Field("enabled"),
        "protocol": Field("protocol"),
        "public": Field("publicClient"),
        "secret": Field("secret", secret=True),
        "root_url": Field("rootUrl"),
        "base_url": Field("baseUrl"),
        "admin_url": Field("adminUrl"),
        "redirect_uris": Field("redirectUris", unordered),
        "web_origins": Field("webOrigins", unordered),
        "standard_flow": Field("standardFlowEnabled"),
        "implicit_flow": Field("implicitFlowEnabled"),
        "direct_access_grants": Field("directAccessGrantsEnabled"),
        "service_accounts": Field("serviceAccountsEnabled"),
        "frontchannel_logout": Field("frontchannelLogout"),
        "consent_required": Field("consentRequired"),
        "full_scope_allowed": Field("fullScopeAllowed"),
        "pkce": Field(("attributes", "pkce.code.challenge.method"), text),
        "post_logout_redirect_uris": Field(("attributes", "post.logout.redirect.uris"), joined),
        "backchannel_logout_url": Field(("attributes", "backchannel.logout.url"), text),
        "backchannel_logout_session": Field(("attributes", "backchannel.logout.session.required"), text),
        "access_token_lifespan": Field(("attributes", "access.token.lifespan"), text),
        "default_scopes": Field("defaultClientScopes", scopes),
        "optional_scopes": Field("optionalClientScopes", scopes),
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
    fields={"attributes": Field("attributes", lists, partial=True)},
)

REALM_ROLE = Resource(
    kind="realm role",
    key="name",
    fields={
        "description": Field("description", same),
        "attributes": Field("attributes", lists, partial=True),
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
