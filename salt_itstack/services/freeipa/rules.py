"""Who may do what where: rules of sudo and of access, and what they are made of."""

from __future__ import annotations

from ...reconcile import Field, Resource, caseless, unordered
from .kinds import DESCRIPTION, Kind, Link
from .values import flag, host_names, masks, number, single

SUDO_COMMAND = Kind(
    name="sudo_command",
    plural="sudo_commands",
    command="sudocmd",
    resource=Resource(kind="sudo command", key="sudocmd", fields={"description": DESCRIPTION}),
    identity=str,
)


SUDO_COMMAND_GROUP = Kind(
    name="sudo_command_group",
    plural="sudo_command_groups",
    command="sudocmdgroup",
    resource=Resource(
        kind="group of sudo commands",
        key="cn",
        fields={"description": DESCRIPTION, "commands": Field("member_sudocmd", unordered)},
    ),
    members={"commands": Link("member", "sudocmd")},
)


SUDO_RULE = Kind(
    name="sudo_rule",
    plural="sudo_rules",
    command="sudorule",
    resource=Resource(
        kind="sudo rule",
        key="cn",
        fields={
            "description": DESCRIPTION,
            "sudo_order": Field("sudoorder", number),
            "enabled": Field("enabled", flag),
            "user_category": Field("usercategory", single),
            "host_category": Field("hostcategory", single),
            "command_category": Field("cmdcategory", single),
            "run_as_user_category": Field("ipasudorunasusercategory", single),
            "run_as_group_category": Field("ipasudorunasgroupcategory", single),
            "users": Field("memberuser_user", caseless),
            "groups": Field("memberuser_group", caseless),
            "external_users": Field("externaluser", caseless),
            "hosts": Field("memberhost_host", host_names),
            "hostgroups": Field("memberhost_hostgroup", caseless),
            "external_hosts": Field("externalhost", host_names),
            "host_masks": Field("hostmask", masks),
            "allow_commands": Field("memberallowcmd_sudocmd", unordered),
            "allow_command_groups": Field("memberallowcmd_sudocmdgroup", caseless),
            "deny_commands": Field("memberdenycmd_sudocmd", unordered),
            "deny_command_groups": Field("memberdenycmd_sudocmdgroup", caseless),
            "run_as_users": Field("ipasudorunas_user", caseless),
            "run_as_groups_of_users": Field("ipasudorunas_group", caseless),
            "run_as_external_users": Field("ipasudorunasextuser", caseless),
            "run_as_groups": Field("ipasudorunasgroup_group", caseless),
            "run_as_external_groups": Field("ipasudorunasextgroup", caseless),
            "options": Field("ipasudoopt", unordered),
        },
    ),
    members={
        "users": Link("user", "user"),
        "groups": Link("user", "group"),
        "external_users": Link("user", "user"),
        "hosts": Link("host", "host"),
        "hostgroups": Link("host", "hostgroup"),
        "external_hosts": Link("host", "host"),
        "host_masks": Link("host", "hostmask"),
        "allow_commands": Link("allow_command", "sudocmd"),
        "allow_command_groups": Link("allow_command", "sudocmdgroup"),
        "deny_commands": Link("deny_command", "sudocmd"),
        "deny_command_groups": Link("deny_command", "sudocmdgroup"),
        "run_as_users": Link("runasuser", "user"),
        "run_as_groups_of_users": Link("runasuser", "group"),
        "run_as_external_users": Link("runasuser", "user"),
        "run_as_groups": Link("runasgroup", "group"),
        "run_as_external_groups": Link("runasgroup", "group"),
        # One at a time.
        "options": Link("option", "ipasudoopt", slices=1),
    },
    identifiers=(
        "users", "groups", "hosts", "hostgroups", "run_as_users", "run_as_groups_of_users", "run_as_groups",
    ),
    switch="ipaenabledflag",
    categories={
        "user_category": ("users", "groups", "external_users"),
        "host_category": ("hosts", "hostgroups", "external_hosts", "host_masks"),
        "command_category": ("allow_commands", "allow_command_groups"),
        "run_as_user_category": ("run_as_users", "run_as_groups_of_users", "run_as_external_users"),
        "run_as_group_category": ("run_as_groups", "run_as_external_groups"),
    },
    external={
        "external_users": "users",
        "external_hosts": "hosts",
        "run_as_external_users": "run_as_users",
        "run_as_external_groups": "run_as_groups",
    },
)  # fmt: skip


HBAC_SERVICE = Kind(
    name="hbac_service",
    plural="hbac_services",
    command="hbacsvc",
    resource=Resource(kind="HBAC service", key="cn", fields={"description": DESCRIPTION}),
    # install/share/bootstrap-template.ldif and install/updates/50-hbacservice.update of freeipa/freeipa.
    builtin={
        name: {}
        for name in (
            "crond", "ftp", "gdm", "gdm-password", "gssftp", "kdm", "login", "proftpd", "pure-ftpd", "sshd",
            "su", "su-l", "sudo", "sudo-i", "systemd-user", "vsftpd",
        )
    },
)  # fmt: skip


HBAC_SERVICE_GROUP = Kind(
    name="hbac_service_group",
    plural="hbac_service_groups",
    command="hbacsvcgroup",
    resource=Resource(
        kind="group of HBAC services",
        key="cn",
        fields={"description": DESCRIPTION, "services": Field("member_hbacsvc", caseless)},
    ),
    members={"services": Link("member", "hbacsvc")},
    # install/share/bootstrap-template.ldif and install/updates/50-hbacservice.update of freeipa/freeipa.
    builtin={
        "Sudo": {"services": ["sudo", "sudo-i"]},
        "ftp": {"services": ["ftp", "gssftp", "proftpd", "pure-ftpd", "vsftpd"]},
    },
)


HBAC_RULE = Kind(
    name="hbac_rule",
    plural="hbac_rules",
    command="hbacrule",
    resource=Resource(
        kind="HBAC rule",
        key="cn",
        fields={
            "description": DESCRIPTION,
            "enabled": Field("enabled", flag),
            "user_category": Field("usercategory", single),
            "host_category": Field("hostcategory", single),
            "service_category": Field("servicecategory", single),
            "users": Field("memberuser_user", caseless),
            "groups": Field("memberuser_group", caseless),
            "hosts": Field("memberhost_host", host_names),
            "hostgroups": Field("memberhost_hostgroup", caseless),
            "services": Field("memberservice_hbacsvc", caseless),
            "service_groups": Field("memberservice_hbacsvcgroup", caseless),
        },
    ),
    members={
        "users": Link("user", "user"),
        "groups": Link("user", "group"),
        "hosts": Link("host", "host"),
        "hostgroups": Link("host", "hostgroup"),
        "services": Link("service", "hbacsvc"),
        "service_groups": Link("service", "hbacsvcgroup"),
    },
    identifiers=("users", "groups", "hosts", "hostgroups"),
    switch="ipaenabledflag",
    categories={
        "user_category": ("users", "groups"),
        "host_category": ("hosts", "hostgroups"),
        "service_category": ("services", "service_groups"),
    },
    builtin={"allow_all": {"enabled": True}, "allow_systemd-user": {"enabled": True}},
)
