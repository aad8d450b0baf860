"""What a read-only federation of FreeIPA looks like where nothing else is declared."""

from __future__ import annotations

from typing import Any

from .resources import text

#: What a new federation gets where nothing else is declared: a read-only FreeIPA. Sent as a whole, because
#: the API's own defaults differ from the console's (no pages, the whole subtree, users written back).
FREEIPA = {
    "vendor": "rhds",
    "edit_mode": "READ_ONLY",
    "import_users": "true",
    "enabled": "true",
    "priority": "0",
    "auth_type": "simple",
    "use_truststore": "always",
    "username_attribute": "uid",
    "rdn_attribute": "uid",
    "uuid_attribute": "ipaUniqueID",
    "user_object_classes": "inetOrgPerson, organizationalPerson",
    "search_scope": "1",
    # The directory is the authority for addresses; without this everybody would have to confirm theirs.
    "trust_email": "true",
    "sync_registrations": "false",
    "pagination": "true",
    "batch_size": "1000",
    "changed_sync_period": "300",
    "full_sync_period": "86400",
    "cache_policy": "DEFAULT",
    # Whom the directory doesn't give any more is disabled, not removed: who comes back keeps the id.
    "remove_invalid_users": "false",
}

#: Before Keycloak 27 this mapper reads cn, which is the full name in FreeIPA.
FIRST_NAME = {
    "type": "user-attribute-ldap-mapper",
    "config": {
        "ldap.attribute": "givenName",
        "user.model.attribute": "firstName",
        "read.only": "true",
        "always.read.value.from.ldap": "true",
        "is.mandatory.in.ldap": "true",
    },
}


def group_mapper(groups_dn: str, groups_path: str, drop_missing: bool = True) -> dict[str, Any]:
    """
    The mapper that brings FreeIPA's groups, with nested memberships, below one group of the realm.

    groups_path
        Dropping what the directory lacks is limited to what is below it. Tokens carry plain names all the
        same, where the client's mapper has ``full.path: false``.
    """
    return {
        "type": "group-ldap-mapper",
        "config": {
            "groups.dn": groups_dn,
            "groups.path": groups_path,
            "group.name.ldap.attribute": "cn",
            # posixGroup would bring the private group of every person.
            "group.object.classes": "ipausergroup",
            "membership.ldap.attribute": "member",
            "membership.attribute.type": "DN",
            "membership.user.ldap.attribute": "uid",
            "mode": "READ_ONLY",
            "preserve.group.inheritance": "false",
            "ignore.missing.groups": "true",
            "user.roles.retrieve.strategy": "GET_GROUPS_FROM_USER_MEMBEROF_ATTRIBUTE",
            "memberof.ldap.attribute": "memberOf",
            "drop.non.existing.groups.during.sync": text(drop_missing),
        },
    }
