"""user_oidc's settings API over OCS."""

import hashlib
import os

import requests

from salt_itstack.lab.doubles.nextcloud import outgoing
from salt_itstack.lab.doubles.nextcloud.ocs_routes import Failure, Route
from salt_itstack.lab.doubles.nextcloud.providers import APP, DEFAULT_SCOPE, SETTINGS, Providers

_FIELDS = (
    "issuer",
    "authorization_endpoint",
    "token_endpoint",
    "jwks_uri",
    "response_types_supported",
    "subject_types_supported",
    "id_token_signing_alg_values_supported",
)


def _providers(call):
    if not call.installation.app_enabled(APP):
        raise Failure(998)
    return Providers(call.database, call.installation.config)


def _told(providers, found):
    return {**found.told(), "settings": providers.settings(found.id)}


def _check_discovery(call, url):
    """Unlike occ, the API fetches the discovery document before it keeps a provider."""
    try:
        document = outgoing.call(call.installation, "GET", url).json()
    except (requests.RequestException, OSError, ValueError, outgoing.Refused):
        raise Failure(400, data={"message": "The discovery endpoint is not reachable."})
    missing = [name for name in _FIELDS if not isinstance(document, dict) or name not in document]
    if missing:
        raise Failure(
            400, data={"message": f"Invalid discovery endpoint. Missing fields: {', '.join(missing)}"}
        )


def _settings(providers, number, given):
    for name, value in (given or {}).items():
        if name in SETTINGS:
            text = ("1" if value else "0") if isinstance(SETTINGS[name], bool) else str(value)
            providers.set(number, name, text)


def provider_list(call):
    providers = _providers(call)
    return [_told(providers, found) for found in providers.all()]


def provider_add(call):
    providers = _providers(call)
    identifier, client_id = call.need("identifier"), call.need("clientId")
    secret, discovery = call.need("clientSecret"), call.need("discoveryEndpoint")
    if providers.by_identifier(identifier):
        raise Failure(409, data={"message": "Provider with the given identifier already exists"})
    _check_discovery(call, discovery)
    found = providers.create(
        identifier,
        client_id,
        secret,
        discovery,
        call.parameters.get("scope") or DEFAULT_SCOPE,
        call.parameters.get("endSessionEndpoint"),
        call.parameters.get("postLogoutUri"),
    )
    _settings(providers, found.id, call.parameters.get("settings"))
    return _told(providers, found)


def provider_edit(call, number):
    providers = _providers(call)
    identifier, client_id = call.need("identifier"), call.need("clientId")
    discovery = call.need("discoveryEndpoint")
    if providers.by_id(int(number)) is None:
        raise Failure(996, "Internal Server Error\n")
    _check_discovery(call, discovery)
    # What is left out goes back to its default; the secret alone stays.
    values = {
        "identifier": identifier,
        "client_id": client_id,
        "discovery_endpoint": discovery,
        "scope": call.parameters.get("scope") or DEFAULT_SCOPE,
        "end_session_endpoint": call.parameters.get("endSessionEndpoint"),
        "post_logout_uri": call.parameters.get("postLogoutUri"),
    }
    if call.parameters.get("clientSecret"):
        values["secret"] = call.parameters["clientSecret"]
    providers.update(int(number), **values)
    _settings(providers, int(number), call.parameters.get("settings"))
    return _told(providers, providers.by_id(int(number)))


def provider_delete(call, number):
    providers = _providers(call)
    if providers.by_id(int(number)) is None:
        raise Failure(404)
    providers.delete(int(number))
    return []


def supported_settings(call):
    _providers(call)
    return list(SETTINGS)


def user_add(call):
    """Create or update; an unknown provider's number is taken, and so is the uid of a local account
    (measured)."""
    providers = _providers(call)
    number, uid = int(call.need("providerId")), call.need("userId")
    if providers.on(number, "uniqueUid"):
        uid = hashlib.sha256(f"{number}_0_{uid}".encode()).hexdigest()
    call.database.run("INSERT INTO oc_user_oidc (user_id) VALUES (%s) ON CONFLICT DO NOTHING", uid)
    os.makedirs(call.people.home(uid), exist_ok=True)
    if call.parameters.get("displayName"):
        call.people.rename(uid, APP, call.parameters["displayName"])
    if call.parameters.get("email"):
        call.database.set_preference(uid, "settings", "email", call.parameters["email"])
    if call.parameters.get("quota"):
        call.database.set_preference(uid, "files", "quota", call.parameters["quota"])
    return {"user_id": uid}


def user_delete(call, uid):
    _providers(call)
    if not call.database.one("SELECT count(*) FROM oc_user_oidc WHERE user_id = %s", uid):
        raise Failure(404, data={"message": "User not found"})
    call.people.forget(uid)
    return {"user_id": uid}


_P = "/apps/user_oidc/api/v1/provider"
ROUTES = (
    Route("GET", _P, provider_list),
    Route("POST", _P, provider_add, confirm=True),
    Route("PUT", rf"{_P}/(\d+)", provider_edit, confirm=True, strict=True),
    Route("DELETE", rf"{_P}/(\d+)", provider_delete, confirm=True, strict=True),
    Route("POST", "/apps/user_oidc/api/v1/user", user_add, confirm=True),
    Route("DELETE", "/apps/user_oidc/api/v1/user/([^/]+)", user_delete, confirm=True),
    Route("GET", "/apps/user_oidc/api/v1/supported-settings", supported_settings),
)
