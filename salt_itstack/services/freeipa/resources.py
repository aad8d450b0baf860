"""All kinds that we manage in FreeIPA; what each holds, field by field, is said in the files named here."""

from __future__ import annotations

from .hosts import HOST, HOSTGROUP, SERVICE
from .names import DNS_RECORD, DNS_ZONE
from .people import GROUP, SYSTEM_ACCOUNT, USER
from .rights import PASSWORD_POLICY, PERMISSION, PRIVILEGE, ROLE
from .rules import HBAC_RULE, HBAC_SERVICE, HBAC_SERVICE_GROUP, SUDO_COMMAND, SUDO_COMMAND_GROUP, SUDO_RULE

#: In the order in which they need each other.
KINDS = {
    kind.name: kind
    for kind in (
        DNS_ZONE, DNS_RECORD, HOST, HOSTGROUP, USER, SERVICE, GROUP, SYSTEM_ACCOUNT, PASSWORD_POLICY,
        SUDO_COMMAND, SUDO_COMMAND_GROUP, SUDO_RULE, HBAC_SERVICE, HBAC_SERVICE_GROUP, HBAC_RULE, PERMISSION,
        PRIVILEGE, ROLE,
    )
}  # fmt: skip
