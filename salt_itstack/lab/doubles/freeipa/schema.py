"""
The attribute types and object classes that FreeIPA adds to the directory server's stock schema.

Only what the double's tree uses. Numbers are the registered ones where they matter to somebody who reads
the schema; the directory server accepts a name with ``-oid`` behind it for the rest.
"""

from __future__ import annotations

TEXT = ("caseIgnoreMatch", "caseIgnoreSubstringsMatch", "1.3.6.1.4.1.1466.115.121.1.15")
EXACT = ("caseExactMatch", "caseExactSubstringsMatch", "1.3.6.1.4.1.1466.115.121.1.15")
PRINCIPAL = ("caseExactIA5Match", "caseExactIA5SubstringsMatch", "1.3.6.1.4.1.1466.115.121.1.26")
LINK = ("distinguishedNameMatch", "", "1.3.6.1.4.1.1466.115.121.1.12")
NUMBER = ("integerMatch", "", "1.3.6.1.4.1.1466.115.121.1.27")
TRUTH = ("booleanMatch", "", "1.3.6.1.4.1.1466.115.121.1.7")
MOMENT = ("generalizedTimeMatch", "", "1.3.6.1.4.1.1466.115.121.1.24")
OCTETS = ("octetStringMatch", "", "1.3.6.1.4.1.1466.115.121.1.40")

IPA = "2.16.840.1.113730.3.8"
KERBEROS = "2.16.840.1.113719.1.301"

NUMBERS = {
    "ipaUniqueID": f"{IPA}.3.1", "memberUser": f"{IPA}.3.5", "memberHost": f"{IPA}.3.7",
    "ipaSshPubKey": f"{IPA}.11.31", "krbPrincipalName": f"{KERBEROS}.4.1.1",
    "krbPasswordExpiration": f"{KERBEROS}.4.37.1", "krbCanonicalName": "1.2.840.113554.1.4.1.6.1",
    "ipaObject": f"{IPA}.4.12", "nestedGroup": f"{IPA}.4.3", "ipaUserGroup": f"{IPA}.4.4",
    "ipaHost": f"{IPA}.4.1", "ipaService": f"{IPA}.4.2", "ipaHostGroup": f"{IPA}.4.5",
    "ipaAssociation": f"{IPA}.4.6", "ipaHBACRule": f"{IPA}.4.7", "ipaSudoRule": f"{IPA}.8.1",
    "ipaSshGroupOfPubKeys": f"{IPA}.12.11", "ipaSshUser": f"{IPA}.12.12", "idnsZone": f"{IPA}.6.1",
    "krbPrincipalAux": f"{KERBEROS}.6.8.1", "krbTicketPolicyAux": f"{KERBEROS}.6.16.1",
    "krbPrincipal": f"{KERBEROS}.6.9.1", "krbPwdPolicy": f"{KERBEROS}.6.14.1",
    "krbMaxPwdLife": f"{KERBEROS}.4.30.1",
}  # fmt: skip

SINGLE = "single"
# name: (syntax, single-valued or not)
ATTRIBUTES: dict[str, tuple[tuple[str, str, str], str]] = {
    **{
        name: (TEXT, SINGLE)
        for name in ("ipaUniqueID", "userCategory", "hostCategory", "serviceCategory", "cmdCategory",
                     "ipaSudoRunAsUserCategory", "ipaSudoRunAsGroupCategory", "accessRuleType",
                     "ipaDefaultEmailDomain", "ipaSELinuxUserMapOrder", "ipaSELinuxUserMapDefault",
                     "ipaHomesRootDir", "ipaDefaultLoginShell", "ipaServiceKeyTypeSize",
                     "ipaDefaultPrimaryGroup", "ipaUserSearchFields", "ipaGroupSearchFields",
                     "ipaPermBindRuleType", "ipaPermTarget", "ipaPermTargetTo", "ipaPermTargetFrom",
                     "idnsSOArName", "idnsSOAmName",
                     "idnsForwardPolicy",
                     "idnsAllowQuery", "idnsAllowTransfer", "idnsUpdatePolicy")
    },
    **{
        name: (TEXT, "")
        for name in ("externalHost", "externalUser", "hostMask", "ipaSudoRunAsExtUser",
                     "ipaSudoRunAsExtGroup", "ipaKrbAuthzData", "ipaConfigString", "ipaPermissionType",
                     "ipaPermRight", "ipaPermIncludedAttr", "ipaPermExcludedAttr", "ipaPermDefaultAttr",
                     "ipaPermTargetFilter", "ipaCertMapData",
                     "ipaUserAuthType", "idnsForwarders", "nisDomainName", "fqdn")
    },
    **{name: (EXACT, "") for name in ("ipaSudoOpt", "ARecord", "AAAARecord", "CNAMERecord", "MXRecord",
                                      "NSRecord", "PTRRecord", "SRVRecord", "TXTRecord", "SSHFPRecord",
                                      "URIRecord", "CAARecord", "TLSARecord", "DNAMERecord", "NAPTRRecord",
                                      "CERTRecord", "DSRecord", "KXRecord")},
    "sudoCmd": (EXACT, SINGLE),
    "idnsName": (TEXT, SINGLE),
    **{name: (PRINCIPAL, "") for name in ("krbPrincipalName", "ipaKrbPrincipalAlias")},
    "krbCanonicalName": (PRINCIPAL, SINGLE),
    **{name: (LINK, "") for name in ("memberUser", "memberHost", "memberService", "memberAllowCmd",
                                     "memberDenyCmd", "ipaSudoRunAs", "ipaSudoRunAsGroup", "managedBy",
                                     "enrolledBy")},
    **{name: (LINK, SINGLE) for name in ("krbPwdPolicyReference", "ipaPermLocation")},
    **{name: (NUMBER, SINGLE) for name in ("ipaMaxUsernameLength", "ipaMaxHostnameLength",
                                           "ipaSearchTimeLimit", "ipaSearchRecordsLimit",
                                           "ipaPwdExpAdvNotify",
                                           "krbMaxPwdLife", "krbMinPwdLife", "krbPwdMinDiffChars",
                                           "krbPwdMinLength", "krbPwdHistoryLength", "krbPwdMaxFailure",
                                           "krbPwdFailureCountInterval", "krbPwdLockoutDuration",
                                           "ipaPwdMaxRepeat", "ipaPwdMaxSequence",
                                           "idnsSOAserial", "idnsSOArefresh", "idnsSOAretry", "idnsSOAexpire",
                                           "idnsSOAminimum", "dnsTTL", "dnsDefaultTTL")},
    **{name: (TRUTH, SINGLE) for name in ("ipaEnabledFlag", "ipaMigrationEnabled", "idnsZoneActive",
                                          "idnsAllowDynUpdate", "idnsAllowSyncPTR", "ipaPwdDictCheck",
                                          "ipaPwdUserCheck")},
    **{name: (MOMENT, SINGLE) for name in ("krbPasswordExpiration", "krbPrincipalExpiration",
                                           "krbLastPwdChange")},
    "ipaSshPubKey": (OCTETS, ""),
    "krbPrincipalKey": (OCTETS, ""),
}  # fmt: skip

# name: (parent, kind, required attributes, allowed attributes)
CLASSES: dict[str, tuple[str, str, str, str]] = {
    # Without a parent, as there: else the server would add "top" to entries that don't name it.
    "ipaObject": ("", "AUXILIARY", "ipaUniqueID", ""),
    "nestedGroup": ("groupOfNames", "STRUCTURAL", "", "memberOf"),
    "ipaUserGroup": ("nestedGroup", "STRUCTURAL", "", ""),
    "ipaHostGroup": ("nestedGroup", "STRUCTURAL", "", ""),
    "ipaSshGroupOfPubKeys": ("top", "ABSTRACT", "", "ipaSshPubKey"),
    "ipaSshUser": ("ipaSshGroupOfPubKeys", "AUXILIARY", "", ""),
    "ipaSshHost": ("ipaSshGroupOfPubKeys", "AUXILIARY", "", ""),
    "krbPrincipal": ("top", "STRUCTURAL", "krbPrincipalName", ""),
    "krbPrincipalAux": (
        "top", "AUXILIARY", "",
        "krbPrincipalName krbCanonicalName krbPrincipalKey krbPrincipalExpiration krbPasswordExpiration"
        " krbLastPwdChange krbPwdPolicyReference",
    ),
    "krbTicketPolicyAux": ("top", "AUXILIARY", "", ""),
    "ipaKrbPrincipal": ("krbPrincipalAux", "AUXILIARY", "krbPrincipalName", "ipaKrbPrincipalAlias"),
    "krbPwdPolicy": (
        "top", "STRUCTURAL", "cn",
        "krbMaxPwdLife krbMinPwdLife krbPwdMinDiffChars krbPwdMinLength krbPwdHistoryLength krbPwdMaxFailure"
        " krbPwdFailureCountInterval krbPwdLockoutDuration",
    ),
    "ipaPwdPolicy": (
        "top", "AUXILIARY", "",
        "ipaPwdMaxRepeat ipaPwdMaxSequence ipaPwdDictCheck ipaPwdUserCheck passwordGraceLimit",
    ),
    "krbContainer": ("top", "STRUCTURAL", "cn", ""),
    "ipaHost": (
        "nsHost", "AUXILIARY", "fqdn",
        "userPassword enrolledBy memberOf managedBy userClass l description cn krbPrincipalName",
    ),
    "ipaService": ("top", "AUXILIARY", "", "memberOf managedBy userCertificate ipaKrbAuthzData"),
    "ipaAssociation": (
        "", "ABSTRACT", "ipaUniqueID cn",
        "memberUser userCategory memberHost hostCategory ipaEnabledFlag externalHost externalUser"
        " description",
    ),
    "ipaHBACRule": ("ipaAssociation", "STRUCTURAL", "accessRuleType",
        "memberService serviceCategory memberOf"),
    "ipaHBACService": ("ipaObject", "STRUCTURAL", "cn", "description memberOf"),
    "ipaHBACServiceGroup": ("nestedGroup", "STRUCTURAL", "", ""),
    "ipaSudoRule": (
        "ipaAssociation", "STRUCTURAL", "",
        "externalUser hostMask memberAllowCmd memberDenyCmd cmdCategory ipaSudoOpt ipaSudoRunAs"
        " ipaSudoRunAsGroup ipaSudoRunAsExtUser ipaSudoRunAsExtGroup ipaSudoRunAsUserCategory"
        " ipaSudoRunAsGroupCategory sudoOrder",
    ),
    "ipaSudoCmd": ("ipaObject", "STRUCTURAL", "sudoCmd", "memberOf description"),
    "ipaSudoCmdGrp": ("nestedGroup", "STRUCTURAL", "", ""),
    "ipaNISNetgroup": ("ipaAssociation", "STRUCTURAL", "", "nisDomainName member memberOf"),
    "ipaPermission": ("groupOfNames", "AUXILIARY", "", "ipaPermissionType"),
    "ipaPermissionV2": (
        "ipaPermission", "AUXILIARY", "ipaPermBindRuleType ipaPermLocation",
        "ipaPermRight ipaPermIncludedAttr ipaPermExcludedAttr ipaPermDefaultAttr"
        " ipaPermTargetFilter ipaPermTarget ipaPermTargetTo ipaPermTargetFrom",
    ),
    "ipaGuiConfig": (
        "top", "AUXILIARY", "",
        "ipaUserSearchFields ipaGroupSearchFields ipaSearchTimeLimit ipaSearchRecordsLimit ipaHomesRootDir"
        " ipaDefaultLoginShell ipaDefaultPrimaryGroup ipaMaxUsernameLength ipaMaxHostnameLength"
        " ipaPwdExpAdvNotify ipaDefaultEmailDomain ipaMigrationEnabled ipaSELinuxUserMapOrder"
        " ipaSELinuxUserMapDefault ipaKrbAuthzData ipaConfigString ipaServiceKeyTypeSize",
    ),
    "idnsRecord": (
        "top", "STRUCTURAL", "idnsName",
        "dnsTTL ARecord AAAARecord CNAMERecord MXRecord NSRecord PTRRecord SRVRecord TXTRecord SSHFPRecord"
        " URIRecord CAARecord TLSARecord DNAMERecord NAPTRRecord CERTRecord DSRecord KXRecord",
    ),
    "idnsZone": (
        "idnsRecord", "STRUCTURAL", "idnsSOAmName idnsSOArName",
        "idnsZoneActive idnsSOAserial idnsSOArefresh idnsSOAretry idnsSOAexpire idnsSOAminimum"
        " idnsAllowDynUpdate"
        " idnsAllowQuery idnsAllowTransfer idnsUpdatePolicy idnsForwarders idnsForwardPolicy idnsAllowSyncPTR"
        " dnsDefaultTTL",
    ),
}  # fmt: skip


def lines() -> list[str]:
    """LDIF lines for the schema entry."""
    made = []
    for name, ((equality, substring, syntax), single) in ATTRIBUTES.items():
        parts = [NUMBERS.get(name, f"{name}-oid"), f"NAME '{name}'", f"EQUALITY {equality}"]
        parts += [f"SUBSTR {substring}"] if substring else []
        parts += [f"SYNTAX {syntax}"] + (["SINGLE-VALUE"] if single else [])
        made.append(f"attributeTypes: ( {' '.join(parts)} X-ORIGIN 'FreeIPA' )")
    for name, (parent, kind, required, allowed) in CLASSES.items():
        parts = [
            NUMBERS.get(name, f"{name}-oid"),
            f"NAME '{name}'",
            *([f"SUP {parent}"] if parent else []),
            kind,
        ]
        for word, names in (("MUST", required), ("MAY", allowed)):
            parts += [f"{word} ( {' $ '.join(names.split())} )"] if names else []
        made.append(f"objectClasses: ( {' '.join(parts)} X-ORIGIN 'FreeIPA' )")
    return made
