"""user_oidc's providers: rows of the database, their settings in the app configuration, secrets encrypted."""

import base64
import hashlib

from cryptography.fernet import Fernet, InvalidToken

APP = "user_oidc"
DEFAULT_SCOPE = "openid email profile"

# Settings in the order of the app's read-back; True/False are the defaults of the boolean ones.
SETTINGS = {
    **dict.fromkeys(
        (
            "mappingDisplayName",
            "mappingEmail",
            "mappingQuota",
            "mappingUid",
            "mappingGroups",
            "mappingLanguage",
            "mappingLocale",
            "mappingAddress",
            "mappingStreetaddress",
            "mappingPostalcode",
            "mappingLocality",
            "mappingRegion",
            "mappingCountry",
            "mappingWebsite",
            "mappingAvatar",
            "mappingTwitter",
            "mappingFediverse",
            "mappingOrganisation",
            "mappingRole",
            "mappingHeadline",
            "mappingBiography",
            "mappingPhonenumber",
            "mappingGender",
            "mappingPronouns",
            "mappingBirthdate",
        ),
        "",
    ),
    "uniqueUid": True,
    "checkBearer": False,
    "sendIdTokenHint": False,
    "bearerProvisioning": False,
    "extraClaims": "",
    "providerBasedId": False,
    "groupProvisioning": False,
    "groupWhitelistRegex": "",
    "restrictLoginToGroups": False,
    "azureGroupNames": False,
    "nestedAndFallbackClaims": False,
    "enrichLoginIdTokenWithUserinfo": False,
}
_COLUMNS = (
    "id, identifier, client_id, client_secret, discovery_endpoint,"
    " end_session_endpoint, post_logout_uri, scope"
)


class Undecipherable(Exception):
    """The kept client secret wasn't encrypted with this server's ``secret``."""


class Provider:
    """One row, with the names of the app's JSON in :meth:`told`."""

    def __init__(self, row):
        (
            self.id,
            self.identifier,
            self.client_id,
            self.kept_secret,
            self.discovery,
            self.end_session,
            self.post_logout,
            scope,
        ) = row
        self.scope = scope.strip()

    def told(self):
        """The provider as the app shows it, without settings and secret."""
        return {
            "id": self.id,
            "identifier": self.identifier,
            "clientId": self.client_id,
            "discoveryEndpoint": self.discovery,
            "endSessionEndpoint": self.end_session or None,
            "postLogoutUri": self.post_logout or None,
            "scope": self.scope,
        }


class Providers:
    """All providers of an installation."""

    def __init__(self, database, config):
        self.database = database
        digest = hashlib.sha256(str(config.get("secret")).encode()).digest()
        self._cipher = Fernet(base64.urlsafe_b64encode(digest))

    def all(self):
        """Every provider by id."""
        return [
            Provider(row)
            for row in self.database.run(f"SELECT {_COLUMNS} FROM oc_user_oidc_providers ORDER BY id")
        ]

    def by_identifier(self, identifier):
        """The provider of that name or None."""
        return next((found for found in self.all() if found.identifier == identifier), None)

    def by_id(self, number):
        """The provider of that number or None."""
        return next((found for found in self.all() if found.id == number), None)

    def create(self, identifier, client_id, secret, discovery, scope, end_session, post_logout):
        """Insert a provider. Returns it."""
        number = self.database.one(
            "INSERT INTO oc_user_oidc_providers (identifier, client_id, client_secret,"
            " discovery_endpoint, scope,"
            " end_session_endpoint, post_logout_uri) VALUES (%s, %s, %s, %s, %s, %s, %s) RETURNING id",
            identifier,
            client_id,
            self._encrypt(secret),
            discovery,
            scope,
            end_session,
            post_logout,
        )
        self.forget_keys(number)
        return self.by_id(number)

    def update(self, number, **values):
        """Write the given columns (``secret`` in clear text) and forget the provider's cached keys."""
        if "secret" in values:
            values["client_secret"] = self._encrypt(values.pop("secret"))
        for column, value in values.items():
            self.database.run(f"UPDATE oc_user_oidc_providers SET {column} = %s WHERE id = %s", value, number)
        self.forget_keys(number)

    def delete(self, number):
        """Remove a provider and its settings."""
        self.database.run("DELETE FROM oc_user_oidc_providers WHERE id = %s", number)
        self.database.run(
            "DELETE FROM oc_appconfig WHERE appid = %s AND configkey LIKE %s", APP, f"provider-{number}-%"
        )

    def forget_keys(self, number):
        """Empty the cached signing keys."""
        self.set(number, "jwksCache", "")
        self.set(number, "jwksCacheTimestamp", "")

    def get(self, number, name, default=""):
        """A setting's text; the empty text counts as unset."""
        return self.database.app_value(APP, f"provider-{number}-{name}") or default

    def on(self, number, name):
        """Whether a boolean setting is on."""
        return self.get(number, name, "1" if SETTINGS[name] else "0") == "1"

    def set(self, number, name, text):
        """Write a setting's text."""
        self.database.set_app_value(APP, f"provider-{number}-{name}", text)

    def settings(self, number):
        """All settings with their defaults."""
        return {
            name: self.on(number, name) if isinstance(default, bool) else self.get(number, name)
            for name, default in SETTINGS.items()
        }

    def secret(self, provider):
        """The client secret in clear text. Raises :class:`Undecipherable`."""
        try:
            return self._cipher.decrypt(provider.kept_secret.encode()).decode()
        except InvalidToken:
            raise Undecipherable(provider.identifier)

    def _encrypt(self, secret):
        return self._cipher.encrypt(secret.encode()).decode()
