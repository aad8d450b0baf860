"""From verified claims to a person with groups: the rules of user_oidc's provisioning."""

import hashlib
import json
import re

from salt_itstack.lab.doubles.nextcloud import people as rules

# Setting that names the claim -> claim when the setting is empty.
_CLAIMS = {
    "mappingEmail": "email",
    "mappingDisplayName": "name",
    "mappingQuota": "quota",
    "mappingGroups": "groups",
    "mappingUid": "sub",
}


class Provisioning:
    """The rules for one provider."""

    def __init__(self, installation, providers, provider):
        self.people = installation.people
        self.options = installation.config.get("user_oidc") or {}
        self.providers = providers
        self.provider = provider

    def claim_name(self, setting):
        """The claim that a mapping setting names."""
        return self.providers.get(self.provider.id, setting, _CLAIMS[setting])

    def claim(self, claims, setting):
        """The mapped claim's value of any type, None when absent; nested and fallback names when switched
        on."""
        name = self.claim_name(setting)
        if not self.providers.on(self.provider.id, "nestedAndFallbackClaims"):
            return claims.get(name)
        for alternative in name.split("|"):
            value = claims
            for part in alternative.strip().split("."):
                value = value.get(part) if isinstance(value, dict) else None
            if value is not None:
                return value
        return None

    def text(self, claims, setting):
        """The mapped claim when it is text, else None."""
        value = self.claim(claims, setting)
        return value if isinstance(value, str) else None

    def local_id(self, name):
        """The id in this server for a uid or gid of the provider."""
        if self.providers.on(self.provider.id, "uniqueUid"):
            return hashlib.sha256(f"{self.provider.id}_0_{name}".encode()).hexdigest()
        if self.providers.on(self.provider.id, "providerBasedId"):
            return f"{self.provider.identifier}-{name}"
        return name

    def whitelist(self):
        """The compiled group whitelist or None."""
        text = self.providers.get(self.provider.id, "groupWhitelistRegex")
        if not text:
            return None
        if not text.startswith("/"):
            text = f"/{text}/"
        body, _, flags = text[1:].rpartition("/")
        try:
            return re.compile(body, sum(getattr(re, flag.upper(), 0) for flag in flags if flag in "imsx"))
        except re.error:
            # A pattern that can't be compiled matches nothing, as preg_match's failure does.
            return re.compile(r"(?!)")

    def groups(self, claims):
        """[(gid, display name or None)] that the claims give the person; an absent claim counts as empty."""
        found = self.claim(claims, "mappingGroups")
        if isinstance(found, str):
            found = [part.strip() for part in found.split(",") if part.strip()]
        whitelist = self.whitelist()
        given = []
        for entry in found if isinstance(found, list) else []:
            if isinstance(entry, dict):
                gid, shown = str(entry.get("gid", "")), entry.get("displayName")
            elif isinstance(entry, str):
                gid, shown = entry, entry
            else:
                continue
            if gid and (whitelist is None or whitelist.search(gid)):
                given.append((self.local_id(gid), shown))
        return given

    def login_allowed(self, claims):
        """Whether the restriction to whitelisted groups lets the person in."""
        return not self.providers.on(self.provider.id, "restrictLoginToGroups") or bool(self.groups(claims))

    def person(self, uid, claims):
        """Make or update the person whose uid claim is ``uid``. Returns the local uid, None when it may not
        be made."""
        existing = self.people.find(uid)
        if self.options.get("auto_provision", True) in (False, 0, "0", ""):
            return existing[0] if existing else None
        if existing and existing[2] == "Database" and not self.options.get("soft_auto_provision", True):
            return None
        if not existing:
            if self.options.get("disable_account_creation") in (True, "true", 1, "1"):
                return None
            existing = self._make(self.local_id(uid))
        local, shown, backend = existing
        name = self.text(claims, "mappingDisplayName")
        if name and name[:255] != shown:
            self.people.rename(local, backend, name[:255])
        database = self.people.database
        email = self.text(claims, "mappingEmail")
        if email:
            database.set_preference(local, "settings", "email", email)
        quota = self.text(claims, "mappingQuota")
        if quota:
            database.set_preference(local, "files", "quota", self._quota(quota))
        if self.providers.on(self.provider.id, "groupProvisioning"):
            self._memberships(local, self.groups(claims))
        return local

    def _make(self, local):
        local = hashlib.sha256(local.encode()).hexdigest() if len(local) > 64 else local
        found = self.people.find(local)
        if not found:
            self.people.database.run("INSERT INTO oc_user_oidc (user_id) VALUES (%s)", local)
            found = (local, local, "user_oidc")
        return found

    @staticmethod
    def _quota(text):
        try:
            number = rules.size(text)
        except ValueError:
            return "none"
        return "none" if number is None else rules.amount(number)

    def _memberships(self, uid, given):
        whitelist = self.whitelist()
        wanted = [gid for gid, _ in given]
        for gid in self.people.groups_of(uid):
            if gid not in wanted and (whitelist is None or whitelist.search(gid)):
                self.people.leave(gid, uid)
        for gid, shown in given:
            if not self.people.group(gid):
                self.people.add_group(gid)
            self.people.join(gid, uid)
            if shown:
                self.people.database.run("UPDATE oc_groups SET displayname = %s WHERE gid = %s", shown, gid)


def requested_claims(provisioning):
    """The JSON of the ``claims`` parameter that the login asks the provider for."""
    providers, provider = provisioning.providers, provisioning.provider
    settings = ("mappingEmail", "mappingDisplayName", "mappingQuota", "mappingGroups")
    if provisioning.options.get("enable_default_claims") is False:
        names = [providers.get(provider.id, setting) for setting in settings]
    else:
        names = [provisioning.claim_name(setting) for setting in settings]
    wanted = {name: None for name in names if name}
    uid = provisioning.claim_name("mappingUid")
    if uid != "sub":
        wanted[uid] = {"essential": True}
    for name in providers.get(provider.id, "extraClaims").split():
        wanted[name] = None
    return json.dumps({"id_token": wanted, "userinfo": wanted}, separators=(",", ":"))
