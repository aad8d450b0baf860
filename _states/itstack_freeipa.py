"""
States for all that can be declared of a FreeIPA server: people, hosts, rules, rights, names.

.. code-block:: yaml

    "person jdoe":
      itstack_freeipa.user_present:
        - name: jdoe
        - first_name: Jane
        - last_name: Doe
        - mail: [jane@it-stack.lab]
        - password: secret://sandbox-person
        - password_expires: "2036-01-01T00:00:00Z"

    "group staff":
      itstack_freeipa.group_present:
        - name: staff
        - users: [jdoe]

    "bind account of Keycloak":
      itstack_freeipa.system_account_present:
        - name: keycloak
        - password: secret://freeipa-keycloak

How the server is reached is described in the execution module of the same name. Fields that aren't given
are left alone; an empty text or list deletes. Members are added, and others are left alone, unless the state
says ``exclusive: true``: then members that aren't named are taken out, of the fields that are given.

A whole set goes into one state, in the plural: by name the fields, among them ``exclusive`` for the members
of one object. It is read once and written in slices of 100; what the server refuses is told by name, and the
others go on. There ``exclusive: true`` means *and no others*: all objects that aren't named are removed,
except what FreeIPA made itself, what belongs to its servers, and the profile's own account; where more
than ``limit`` would be removed (10 if you don't say), nothing is done at all.
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
from salt_itstack.errors import Invalid, ItstackError, Problem, Unreachable
from salt_itstack.reconcile import Field, Resource, converge, declared
from salt_itstack.services.freeipa.declaring import LIMIT
from salt_itstack.services.freeipa.resources import KINDS


def _present(kind, given):
    name, profile, extra = given.pop("name"), given.pop("profile"), given.pop("kwargs")
    # What nobody knows is refused by the kind, with the nearest name.
    wanted = {**declared(**given), **plugin.own_arguments(extra)}

    def apply(test):
        return __salt__["itstack_freeipa.apply"](kind, name, test=test, profile=profile, **wanted)

    def predict():
        options = ("exclusive", "password_check", "zone")
        fields = {key: value for key, value in wanted.items() if key not in options}
        return KINDS[kind].predicted(name, fields)

    return _converge(name, apply, profile, predict)


def _set(kind, given):
    name, profile, extra = given.pop("name"), given.pop("profile"), given.pop("kwargs")
    objects = given.pop(KINDS[kind].plural)

    def apply(test):
        _refuse_unknown((*given, KINDS[kind].plural, "profile"), extra)
        return __salt__["itstack_freeipa.apply_all"](
            kind, objects, test=test, profile=profile, **declared(**given)
        )

    def predict():
        if not isinstance(objects, dict):
            raise Invalid(Problem("", KINDS[kind].plural, objects, "this isn't a mapping", "write it as one"))
        fields = {
            one: {key: value for key, value in (values or {}).items() if key != "exclusive"}
            for one, values in objects.items()
        }
        return {one: KINDS[kind].predicted(one, values) for one, values in fields.items()}

    return _converge(name, apply, profile, predict)


def _absent(kind, given):
    name, profile, extra = given.pop("name"), given.pop("profile"), given.pop("kwargs")

    def apply(test):
        _refuse_unknown((*given, "profile"), extra)
        try:
            return __salt__["itstack_freeipa.remove"](kind, name, test=test, profile=profile, **given)
        except Unreachable:
            if test and plugin.starts_in_this_run(__opts__, __pillar__, profile):
                return {}  # a new server has nothing to remove
            raise

    return converge(name, apply, __opts__["test"], unchanged="is absent", changed="was removed")


def _refuse_unknown(known, extra):
    Resource("state of this kind", "", dict.fromkeys(known, Field(""))).check(plugin.own_arguments(extra))


def _converge(name, apply, profile, predict):
    predicted = None
    if __opts__["test"] and plugin.starts_in_this_run(__opts__, __pillar__, profile):
        try:
            predicted = predict()
        except ItstackError as error:
            return {"name": name, "result": False, "changes": {}, "comment": str(error)}
    return converge(name, apply, __opts__["test"], predicted)


def user_present(
    name,
    first_name=None,
    last_name=None,
    full_name=None,
    display_name=None,
    initials=None,
    gecos=None,
    mail=None,
    telephone_numbers=None,
    mobile_numbers=None,
    fax_numbers=None,
    pagers=None,
    title=None,
    department=None,
    department_numbers=None,
    employee_number=None,
    employee_type=None,
    preferred_language=None,
    manager=None,
    street=None,
    city=None,
    state_or_province=None,
    postal_code=None,
    user_classes=None,
    login_shell=None,
    home_directory=None,
    user_number=None,
    group_number=None,
    ssh_public_keys=None,
    password=None,
    password_expires=None,
    account_expires=None,
    enabled=None,
    groups=None,
    private_group=None,
    profile="freeipa",
    **kwargs,
):
    """
    Ensure that a person exists and is as declared.

    name
        Login name, at most 32 characters; FreeIPA keeps it in lower case.
    first_name, last_name
        Needed on creation.
    full_name, display_name, initials, gecos
        FreeIPA makes them of the names on creation, and doesn't follow later changes of those.
    mail, telephone_numbers, mobile_numbers, fax_numbers, pagers, department_numbers, user_classes
        Lists, each the whole truth. FreeIPA gives a new person an address of its own domain where none is
        declared.
    title, department, employee_number, employee_type, preferred_language
        Texts.
    manager
        Login name of a person who is there already, or is in the same set.
    street, city, state_or_province, postal_code
        The address.
    login_shell, home_directory
        FreeIPA's own defaults where they aren't declared on creation.
    user_number, group_number
        FreeIPA gives them out by itself; only where they are declared they are written.
    ssh_public_keys
        A list, each as in ``authorized_keys``.
    password
        A reference (``secret://…``, ``sdb://…``). Written on creation, and when another one is declared
        than was written last; what the person changes is left alone.
    password_expires
        Until when a password that is written here is valid, UTC. Without it FreeIPA demands a new one at
        the first login.
    account_expires
        From when on nobody can log in with the account, UTC.
    enabled
        ``false`` locks the account.
    groups
        Groups that the person is put into; others are left alone.
    private_group
        ``false`` on creation: no group of the person's own. Then ``group_number`` is needed, or a default
        group with a number.

    .. code-block:: yaml

        jdoe:
          itstack_freeipa.user_present:
            - first_name: Jane
            - last_name: Doe
            - telephone_numbers: ["4101"]
    """
    return _present("user", locals())


def users_present(
    name, users, exclusive=False, limit=LIMIT, shared_numbers=False, profile="freeipa", **kwargs
):
    """
    Ensure that people are as declared, all of a set at once.

    name
        For the report.
    users
        By name the fields of each, as of ``user_present``.
    exclusive, limit
        Remove all others, and how many at most.
    shared_numbers
        Whether several people of the set may have the same telephone number.

    .. code-block:: yaml

        everybody:
          itstack_freeipa.users_present:
            - users:
                jdoe: {first_name: Jane, last_name: Doe, title: Clerk}
                asmith: {first_name: Anna, last_name: Smith, telephone_numbers: ["4102"]}
    """
    return _set("user", locals())


def user_absent(name, preserve=False, profile="freeipa", **kwargs):
    """
    Ensure that there is no such person.

    preserve
        Keep the entry among the deleted ones, from where FreeIPA can restore it.

    .. code-block:: yaml

        asmith:
          itstack_freeipa.user_absent:
            - preserve: true
    """
    return _absent("user", locals())


def host_present(
    name,
    description=None,
    locality=None,
    location=None,
    platform=None,
    operating_system=None,
    host_classes=None,
    enrolment_password=None,
    force=None,
    ip_address=None,
    profile="freeipa",
    **kwargs,
):
    """
    Ensure that a host exists and is as declared.

    name
        Its full name.
    description, locality, location, platform, operating_system
        What people say of it.
    host_classes
        A list that automember rules look at.
    enrolment_password
        A reference. Written on creation, and when another one is declared than was written last; FreeIPA
        drops it when the host enrols, and takes no new one after that. There is no random one: nobody
        could read it here.
    force
        On creation: although the DNS doesn't know the name.
    ip_address
        On creation: make its A record, where FreeIPA runs the DNS.

    .. code-block:: yaml

        www1.it-stack.lab:
          itstack_freeipa.host_present:
            - description: Web server
            - force: true
    """
    return _present("host", locals())


def hosts_present(name, hosts, exclusive=False, limit=LIMIT, profile="freeipa", **kwargs):
    """
    Ensure that hosts are as declared, all of a set at once.

    name
        For the report.
    hosts
        By name the fields of each, as of ``host_present``.
    exclusive, limit
        Remove all others, and how many at most.

    .. code-block:: yaml

        the web servers:
          itstack_freeipa.hosts_present:
            - hosts:
                www1.it-stack.lab: {location: Room 1, force: true}
                www2.it-stack.lab: {location: Room 2, force: true}
    """
    return _set("host", locals())


def host_absent(name, profile="freeipa", **kwargs):
    """
    Ensure that there is no such host.

    .. code-block:: yaml

        www2.it-stack.lab:
          itstack_freeipa.host_absent: []
    """
    return _absent("host", locals())


def hostgroup_present(
    name, description=None, hosts=None, hostgroups=None, exclusive=False, profile="freeipa", **kwargs
):
    """
    Ensure that a group of hosts exists and is as declared.

    name
        Name of the group; FreeIPA keeps it in lower case.
    description
        An empty text deletes it.
    hosts, hostgroups
        Direct members. A group that would by any way be its own member is refused: FreeIPA accepts that.
    exclusive
        Take out members, of the fields that are given, that aren't named.

    .. code-block:: yaml

        web:
          itstack_freeipa.hostgroup_present:
            - description: Web servers
            - hosts: [www1.it-stack.lab]
    """
    return _present("hostgroup", locals())


def hostgroups_present(name, hostgroups, exclusive=False, limit=LIMIT, profile="freeipa", **kwargs):
    """
    Ensure that groups of hosts are as declared, all of a set at once.

    name
        For the report.
    hostgroups
        By name the fields of each, as of ``hostgroup_present``.
    exclusive, limit
        Remove all others, and how many at most.

    .. code-block:: yaml

        groups of servers:
          itstack_freeipa.hostgroups_present:
            - hostgroups:
                web: {hosts: [www1.it-stack.lab]}
                servers: {hostgroups: [web]}
    """
    return _set("hostgroup", locals())


def hostgroup_absent(name, profile="freeipa", **kwargs):
    """
    Ensure that there is no such group of hosts.

    .. code-block:: yaml

        servers:
          itstack_freeipa.hostgroup_absent: []
    """
    return _absent("hostgroup", locals())


def service_present(
    name,
    authorization_data=None,
    managed_by=None,
    force=None,
    skip_host_check=None,
    exclusive=False,
    profile="freeipa",
    **kwargs,
):
    """
    Ensure that a service, as a Kerberos principal exists and is as declared.

    name
        The principal, as ``HTTP/www1.it-stack.lab``. Its host must be there.
    authorization_data
        A list such as ``[MS-PAC]``.
    managed_by
        Hosts that may manage its keys; its own is one from the start.
    force
        On creation: although the DNS doesn't know the host.
    skip_host_check
        On creation: although there is no such host.
    exclusive
        Take out members, of the fields that are given, that aren't named.

    .. code-block:: yaml

        HTTP/www1.it-stack.lab:
          itstack_freeipa.service_present:
            - force: true
    """
    return _present("service", locals())


def services_present(name, services, exclusive=False, limit=LIMIT, profile="freeipa", **kwargs):
    """
    Ensure that services are as declared, all of a set at once.

    name
        For the report.
    services
        By name the fields of each, as of ``service_present``.
    exclusive, limit
        Remove all others, and how many at most.

    .. code-block:: yaml

        services of the web server:
          itstack_freeipa.services_present:
            - services:
                HTTP/www1.it-stack.lab: {}
                imap/www1.it-stack.lab: {force: true}
    """
    return _set("service", locals())


def service_absent(name, profile="freeipa", **kwargs):
    """
    Ensure that there is no such service.

    .. code-block:: yaml

        imap/www1.it-stack.lab:
          itstack_freeipa.service_absent: []
    """
    return _absent("service", locals())


def group_present(
    name,
    description=None,
    posix=None,
    group_number=None,
    users=None,
    groups=None,
    services=None,
    exclusive=False,
    profile="freeipa",
    **kwargs,
):
    """
    Ensure that a group exists and is as declared.

    name
        Name of the group; FreeIPA keeps it in lower case.
    description
        An empty text deletes it.
    posix
        Whether it has a group number. FreeIPA's default for a new group is true, and it can't be taken away.
    group_number
        FreeIPA gives it out by itself; only where it is declared it is written.
    users, groups, services
        Direct members. A group that would by any way be its own member is refused: FreeIPA accepts that.
    exclusive
        Take out members, of the fields that are given, that aren't named.

    .. code-block:: yaml

        staff:
          itstack_freeipa.group_present:
            - description: Everybody on the payroll
            - users: [jdoe]
    """
    return _present("group", locals())


def groups_present(name, groups, exclusive=False, limit=LIMIT, profile="freeipa", **kwargs):
    """
    Ensure that groups are as declared, all of a set at once.

    name
        For the report.
    groups
        By name the fields of each, as of ``group_present``.
    exclusive, limit
        Remove all others, and how many at most.

    .. code-block:: yaml

        groups of the house:
          itstack_freeipa.groups_present:
            - groups:
                helpdesk: {description: Help desk, users: [jdoe]}
                house: {groups: [helpdesk], exclusive: true}
    """
    return _set("group", locals())


def group_absent(name, profile="freeipa", **kwargs):
    """
    Ensure that there is no such group.

    .. code-block:: yaml

        house:
          itstack_freeipa.group_absent: []
    """
    return _absent("group", locals())


def system_account_present(
    name,
    description=None,
    privileged=None,
    enabled=None,
    password=None,
    password_check="bind",
    profile="freeipa",
    **kwargs,
):
    """
    Ensure that an account with which an application can read the directory exists and is as declared.

    name
        Name of the account; it binds as ``uid=NAME,cn=sysaccounts,cn=etc,SUFFIX``.
    password
        A reference (``secret://…``, ``sdb://…``), at least eight characters. Needed on creation.
    description
        An empty text deletes it.
    privileged
        May set people's passwords without their having to change them at once. Needs FreeIPA 4.13.
    enabled
        ``false`` locks it. Needs FreeIPA 4.13.
    password_check
        ``bind`` (default) tries the password on the directory, and needs python-ldap. ``fingerprint``
        compares with what this minion wrote last, and doesn't see changes made by others.

    Servers before 4.13 have no commands for these accounts; there it is made over LDAP, which needs
    python-ldap.

    .. code-block:: yaml

        keycloak:
          itstack_freeipa.system_account_present:
            - password: secret://freeipa-keycloak
            - description: Read by Keycloak's user federation
    """
    return _present("system_account", locals())


def system_accounts_present(
    name, system_accounts, exclusive=False, limit=LIMIT, password_check="bind", profile="freeipa", **kwargs
):
    """
    Ensure that system accounts are as declared, all of a set at once.

    name
        For the report.
    system_accounts
        By name the fields of each, as of ``system_account_present``.
    exclusive, limit
        Remove all others, and how many at most.
    password_check
        As of one.

    .. code-block:: yaml

        accounts of applications:
          itstack_freeipa.system_accounts_present:
            - system_accounts:
                keycloak: {password: secret://freeipa-keycloak}
                odoo: {password: secret://freeipa-odoo}
    """
    return _set("system_account", locals())


def system_account_absent(name, profile="freeipa", **kwargs):
    """
    Ensure that there is no such system account.

    .. code-block:: yaml

        odoo:
          itstack_freeipa.system_account_absent: []
    """
    return _absent("system_account", locals())


def sudo_command_present(name, description=None, profile="freeipa", **kwargs):
    """
    Ensure that a sudo command exists and is as declared.

    name
        The command with its path and arguments, as in sudoers.
    description
        An empty text deletes it.

    .. code-block:: yaml

        /usr/bin/less:
          itstack_freeipa.sudo_command_present:
            - description: Reads files
    """
    return _present("sudo_command", locals())


def sudo_commands_present(name, sudo_commands, exclusive=False, limit=LIMIT, profile="freeipa", **kwargs):
    """
    Ensure that sudo commands are as declared, all of a set at once.

    name
        For the report.
    sudo_commands
        By name the fields of each, as of ``sudo_command_present``.
    exclusive, limit
        Remove all others, and how many at most.

    .. code-block:: yaml

        commands of the web team:
          itstack_freeipa.sudo_commands_present:
            - sudo_commands:
                /usr/bin/less: {}
                /usr/sbin/nginx -t: {description: Tests the configuration}
                /usr/bin/vi: {}
    """
    return _set("sudo_command", locals())


def sudo_command_absent(name, profile="freeipa", **kwargs):
    """
    Ensure that there is no such sudo command.

    .. code-block:: yaml

        /usr/bin/vi:
          itstack_freeipa.sudo_command_absent: []
    """
    return _absent("sudo_command", locals())


def sudo_command_group_present(
    name, description=None, commands=None, exclusive=False, profile="freeipa", **kwargs
):
    """
    Ensure that a group of sudo commands exists and is as declared.

    name
        Name of the group.
    description
        An empty text deletes it.
    commands
        Commands, which must be there.
    exclusive
        Take out members, of the fields that are given, that aren't named.

    .. code-block:: yaml

        reading:
          itstack_freeipa.sudo_command_group_present:
            - commands: [/usr/bin/less]
    """
    return _present("sudo_command_group", locals())


def sudo_command_groups_present(
    name, sudo_command_groups, exclusive=False, limit=LIMIT, profile="freeipa", **kwargs
):
    """
    Ensure that groups of sudo commands are as declared, all of a set at once.

    name
        For the report.
    sudo_command_groups
        By name the fields of each, as of ``sudo_command_group_present``.
    exclusive, limit
        Remove all others, and how many at most.

    .. code-block:: yaml

        groups of commands:
          itstack_freeipa.sudo_command_groups_present:
            - sudo_command_groups:
                testing: {commands: [/usr/sbin/nginx -t]}
                nothing: {}
    """
    return _set("sudo_command_group", locals())


def sudo_command_group_absent(name, profile="freeipa", **kwargs):
    """
    Ensure that there is no such group of sudo commands.

    .. code-block:: yaml

        nothing:
          itstack_freeipa.sudo_command_group_absent: []
    """
    return _absent("sudo_command_group", locals())


def sudo_rule_present(
    name,
    description=None,
    sudo_order=None,
    enabled=None,
    user_category=None,
    host_category=None,
    command_category=None,
    run_as_user_category=None,
    run_as_group_category=None,
    users=None,
    groups=None,
    external_users=None,
    hosts=None,
    hostgroups=None,
    external_hosts=None,
    host_masks=None,
    allow_commands=None,
    allow_command_groups=None,
    deny_commands=None,
    deny_command_groups=None,
    run_as_users=None,
    run_as_groups_of_users=None,
    run_as_external_users=None,
    run_as_groups=None,
    run_as_external_groups=None,
    options=None,
    exclusive=False,
    profile="freeipa",
    **kwargs,
):
    """
    Ensure that a sudo rule exists and is as declared.

    name
        Name of the rule.
    description
        An empty text deletes it.
    sudo_order
        A number that no other rule has; later ones win.
    enabled
        ``false`` switches it off.
    user_category, host_category, command_category, run_as_user_category, run_as_group_category
        ``all``, or an empty text. ``all`` leaves no place for members of that kind.
    users, groups, hosts, hostgroups, host_masks
        Who may use it, and where; masks such as ``192.0.2.0/24``.
    allow_commands, allow_command_groups, deny_commands, deny_command_groups
        Commands, which must be there.
    run_as_users, run_as_groups_of_users, run_as_groups
        As whom; people, members of groups, and groups themselves.
    external_users, external_hosts, run_as_external_users, run_as_external_groups
        Names that FreeIPA doesn't have, such as ``root``. FreeIPA would take any unknown name for such a one
        without a word; here they must be declared as what they are.
    options
        Options of sudoers, such as ``!authenticate``.
    exclusive
        Take out members, of the fields that are given, that aren't named.

    .. code-block:: yaml

        web team reads:
          itstack_freeipa.sudo_rule_present:
            - groups: [staff]
            - hostgroups: [web]
            - allow_command_groups: [reading]
            - run_as_external_users: [root]
            - options: ["!authenticate"]
    """
    return _present("sudo_rule", locals())


def sudo_rules_present(name, sudo_rules, exclusive=False, limit=LIMIT, profile="freeipa", **kwargs):
    """
    Ensure that sudo rules are as declared, all of a set at once.

    name
        For the report.
    sudo_rules
        By name the fields of each, as of ``sudo_rule_present``.
    exclusive, limit
        Remove all others, and how many at most.

    .. code-block:: yaml

        rules of the web team:
          itstack_freeipa.sudo_rules_present:
            - sudo_rules:
                web team reads: {sudo_order: 10}
                web team tests: {groups: [staff], host_category: all, allow_commands: [/usr/sbin/nginx -t]}
    """
    return _set("sudo_rule", locals())


def sudo_rule_absent(name, profile="freeipa", **kwargs):
    """
    Ensure that there is no such sudo rule.

    .. code-block:: yaml

        web team tests:
          itstack_freeipa.sudo_rule_absent: []
    """
    return _absent("sudo_rule", locals())


def hbac_service_present(name, description=None, profile="freeipa", **kwargs):
    """
    Ensure that a service that HBAC rules can name exists and is as declared.

    name
        Name of its PAM service.
    description
        An empty text deletes it.

    .. code-block:: yaml

        cockpit:
          itstack_freeipa.hbac_service_present:
            - description: Web console
    """
    return _present("hbac_service", locals())


def hbac_services_present(name, hbac_services, exclusive=False, limit=LIMIT, profile="freeipa", **kwargs):
    """
    Ensure that services that HBAC rules can name are as declared, all of a set at once.

    name
        For the report.
    hbac_services
        By name the fields of each, as of ``hbac_service_present``.
    exclusive, limit
        Remove all others, and how many at most.

    .. code-block:: yaml

        services of our own:
          itstack_freeipa.hbac_services_present:
            - hbac_services:
                cockpit: {}
                backup: {description: Nightly copies}
    """
    return _set("hbac_service", locals())


def hbac_service_absent(name, profile="freeipa", **kwargs):
    """
    Ensure that there is no such HBAC service.

    .. code-block:: yaml

        backup:
          itstack_freeipa.hbac_service_absent: []
    """
    return _absent("hbac_service", locals())


def hbac_service_group_present(
    name, description=None, services=None, exclusive=False, profile="freeipa", **kwargs
):
    """
    Ensure that a group of such services exists and is as declared.

    name
        Name of the group.
    description
        An empty text deletes it.
    services
        Services, which must be there.
    exclusive
        Take out members, of the fields that are given, that aren't named.

    .. code-block:: yaml

        consoles:
          itstack_freeipa.hbac_service_group_present:
            - services: [cockpit, sshd]
    """
    return _present("hbac_service_group", locals())


def hbac_service_groups_present(
    name, hbac_service_groups, exclusive=False, limit=LIMIT, profile="freeipa", **kwargs
):
    """
    Ensure that groups of such services are as declared, all of a set at once.

    name
        For the report.
    hbac_service_groups
        By name the fields of each, as of ``hbac_service_group_present``.
    exclusive, limit
        Remove all others, and how many at most.

    .. code-block:: yaml

        groups of services:
          itstack_freeipa.hbac_service_groups_present:
            - hbac_service_groups:
                consoles: {description: Ways in}
                logins: {services: [login, sshd]}
    """
    return _set("hbac_service_group", locals())


def hbac_service_group_absent(name, profile="freeipa", **kwargs):
    """
    Ensure that there is no such group of HBAC services.

    .. code-block:: yaml

        logins:
          itstack_freeipa.hbac_service_group_absent: []
    """
    return _absent("hbac_service_group", locals())


def hbac_rule_present(
    name,
    description=None,
    enabled=None,
    user_category=None,
    host_category=None,
    service_category=None,
    users=None,
    groups=None,
    hosts=None,
    hostgroups=None,
    services=None,
    service_groups=None,
    exclusive=False,
    profile="freeipa",
    **kwargs,
):
    """
    Ensure that a rule about who may log in where exists and is as declared.

    name
        Name of the rule.
    description
        An empty text deletes it.
    enabled
        ``false`` switches it off. As long as FreeIPA's own rule ``allow_all`` is in force the others mean
        nothing.
    user_category, host_category, service_category
        ``all``, or an empty text. ``all`` leaves no place for members of that kind.
    users, groups, hosts, hostgroups, services, service_groups
        Who may use what, and where.
    exclusive
        Take out members, of the fields that are given, that aren't named.

    .. code-block:: yaml

        staff on the web servers:
          itstack_freeipa.hbac_rule_present:
            - groups: [staff]
            - hostgroups: [web]
            - services: [sshd]
    """
    return _present("hbac_rule", locals())


def hbac_rules_present(name, hbac_rules, exclusive=False, limit=LIMIT, profile="freeipa", **kwargs):
    """
    Ensure that HBAC rules are as declared, all of a set at once.

    name
        For the report.
    hbac_rules
        By name the fields of each, as of ``hbac_rule_present``.
    exclusive, limit
        Remove all others, and how many at most.

    .. code-block:: yaml

        who may log in:
          itstack_freeipa.hbac_rules_present:
            - hbac_rules:
                staff on the web servers: {description: By ssh}
                staff anywhere: {groups: [staff], host_category: all, services: [sshd], enabled: false}
    """
    return _set("hbac_rule", locals())


def hbac_rule_absent(name, profile="freeipa", **kwargs):
    """
    Ensure that there is no such HBAC rule.

    .. code-block:: yaml

        staff anywhere:
          itstack_freeipa.hbac_rule_absent: []
    """
    return _absent("hbac_rule", locals())


def permission_present(
    name,
    rights=None,
    attributes=None,
    type=None,
    subtree=None,
    filters=None,
    target=None,
    target_group=None,
    member_of=None,
    bind_rule=None,
    profile="freeipa",
    **kwargs,
):
    """
    Ensure that a permission exists and is as declared.

    name
        Name of the permission. Those named ``System: …`` are FreeIPA's own, and refused.
    rights
        A list of ``read``, ``search``, ``compare``, ``write``, ``add``, ``delete``, ``all``.
    attributes
        LDAP attributes that it is about.
    type
        A kind of object, such as ``user``; sets subtree and filter.
    subtree, filters, target
        Which entries, in LDAP's terms.
    target_group
        The group whose entry it is about.
    member_of
        Only members of these groups.
    bind_rule
        ``permission`` (default), ``all`` or ``anonymous``.

    .. code-block:: yaml

        telephone numbers:
          itstack_freeipa.permission_present:
            - rights: [write]
            - type: user
            - attributes: [telephonenumber, mobile]
    """
    return _present("permission", locals())


def permissions_present(name, permissions, exclusive=False, limit=LIMIT, profile="freeipa", **kwargs):
    """
    Ensure that permissions are as declared, all of a set at once.

    name
        For the report.
    permissions
        By name the fields of each, as of ``permission_present``.
    exclusive, limit
        Remove all others, and how many at most.

    .. code-block:: yaml

        our permissions:
          itstack_freeipa.permissions_present:
            - permissions:
                telephone numbers: {attributes: [telephonenumber, mobile, pager]}
                titles: {rights: [write], type: user, attributes: [title]}
    """
    return _set("permission", locals())


def permission_absent(name, profile="freeipa", **kwargs):
    """
    Ensure that there is no such permission.

    .. code-block:: yaml

        titles:
          itstack_freeipa.permission_absent: []
    """
    return _absent("permission", locals())


def privilege_present(name, description=None, permissions=None, exclusive=False, profile="freeipa", **kwargs):
    """
    Ensure that a privilege exists and is as declared.

    name
        Name of the privilege.
    description
        An empty text deletes it.
    permissions
        What it is made of.
    exclusive
        Take out members, of the fields that are given, that aren't named.

    .. code-block:: yaml

        phone book:
          itstack_freeipa.privilege_present:
            - description: Writes telephone numbers
    """
    return _present("privilege", locals())


def privileges_present(name, privileges, exclusive=False, limit=LIMIT, profile="freeipa", **kwargs):
    """
    Ensure that privileges are as declared, all of a set at once.

    name
        For the report.
    privileges
        By name the fields of each, as of ``privilege_present``.
    exclusive, limit
        Remove all others, and how many at most.

    .. code-block:: yaml

        our privileges:
          itstack_freeipa.privileges_present:
            - privileges:
                phone book: {}
                group keeping: {permissions: ["System: Modify Groups"]}
    """
    return _set("privilege", locals())


def privilege_absent(name, profile="freeipa", **kwargs):
    """
    Ensure that there is no such privilege.

    .. code-block:: yaml

        group keeping:
          itstack_freeipa.privilege_absent: []
    """
    return _absent("privilege", locals())


def role_present(
    name,
    description=None,
    privileges=None,
    users=None,
    groups=None,
    hosts=None,
    hostgroups=None,
    services=None,
    system_accounts=None,
    exclusive=False,
    profile="freeipa",
    **kwargs,
):
    """
    Ensure that a role exists and is as declared.

    name
        Name of the role.
    description
        An empty text deletes it.
    privileges
        What it gives, such as ``User Administrators``.
    users, groups, hosts, hostgroups, services, system_accounts
        Who has it. System accounts need FreeIPA 4.13.
    exclusive
        Take out members, of the fields that are given, that aren't named.

    .. code-block:: yaml

        directory clerk:
          itstack_freeipa.role_present:
            - privileges: [User Administrators]
            - groups: [staff]
    """
    return _present("role", locals())


def roles_present(name, roles, exclusive=False, limit=LIMIT, profile="freeipa", **kwargs):
    """
    Ensure that roles are as declared, all of a set at once.

    name
        For the report.
    roles
        By name the fields of each, as of ``role_present``.
    exclusive, limit
        Remove all others, and how many at most.

    .. code-block:: yaml

        our roles:
          itstack_freeipa.roles_present:
            - roles:
                directory clerk: {description: Keeps people up to date}
                host clerk: {privileges: [Host Administrators], users: [jdoe]}
    """
    return _set("role", locals())


def role_absent(name, profile="freeipa", **kwargs):
    """
    Ensure that there is no such role.

    .. code-block:: yaml

        host clerk:
          itstack_freeipa.role_absent: []
    """
    return _absent("role", locals())


def password_policy_present(
    name,
    priority=None,
    longest_life_days=None,
    shortest_life_hours=None,
    history=None,
    character_classes=None,
    shortest=None,
    failures=None,
    failure_interval_seconds=None,
    lockout_seconds=None,
    grace_logins=None,
    profile="freeipa",
    **kwargs,
):
    """
    Ensure that a password policy exists and is as declared.

    name
        The group that it is about, or ``global_policy``.
    priority
        Needed on creation, and no other policy has it; the lower one wins.
    longest_life_days, shortest_life_hours
        Of a password.
    history
        How many passwords are remembered.
    character_classes, shortest
        What a password must hold.
    failures, failure_interval_seconds, lockout_seconds
        After how many wrong tries within what time an account is locked, and for how long.
    grace_logins
        LDAP logins after the password's end; -1 doesn't count them.

    .. code-block:: yaml

        staff:
          itstack_freeipa.password_policy_present:
            - priority: 10
            - shortest: 12
    """
    return _present("password_policy", locals())


def password_policies_present(
    name, password_policies, exclusive=False, limit=LIMIT, profile="freeipa", **kwargs
):
    """
    Ensure that password policies are as declared, all of a set at once.

    name
        For the report.
    password_policies
        By name the fields of each, as of ``password_policy_present``.
    exclusive, limit
        Remove all others, and how many at most.

    .. code-block:: yaml

        policies:
          itstack_freeipa.password_policies_present:
            - password_policies:
                staff: {history: 5}
                helpdesk: {priority: 20, longest_life_days: 180}
    """
    return _set("password_policy", locals())


def password_policy_absent(name, profile="freeipa", **kwargs):
    """
    Ensure that there is no such password policy.

    .. code-block:: yaml

        helpdesk:
          itstack_freeipa.password_policy_absent: []
    """
    return _absent("password_policy", locals())


def dns_zone_present(
    name,
    soa_nameserver=None,
    administrator=None,
    soa_refresh=None,
    soa_retry=None,
    soa_expire=None,
    soa_minimum=None,
    default_ttl=None,
    allow_dynamic_update=None,
    update_policy=None,
    allow_query=None,
    allow_transfer=None,
    forwarders=None,
    forward_policy=None,
    sync_ptr=None,
    enabled=None,
    skip_overlap_check=None,
    skip_nameserver_check=None,
    profile="freeipa",
    **kwargs,
):
    """
    Ensure that a DNS zone exists and is as declared.

    name
        Name of the zone, with or without a final dot.
    soa_nameserver, administrator, soa_refresh, soa_retry, soa_expire, soa_minimum, default_ttl
        What its SOA record says; the TTL of records that have none.
    allow_dynamic_update, update_policy
        Whether, and by whom, records may be changed over DNS.
    allow_query, allow_transfer
        Lists of BIND, such as ``any;``.
    forwarders, forward_policy
        Where what isn't known is asked; ``first``, ``only`` or ``none``.
    sync_ptr
        Whether reverse records follow dynamic updates.
    enabled
        ``false`` keeps it, and doesn't answer from it.
    skip_overlap_check, skip_nameserver_check
        On creation: although the zone is served elsewhere, or the nameserver isn't known.

    .. code-block:: yaml

        example.org:
          itstack_freeipa.dns_zone_present:
            - administrator: hostmaster.example.org.
            - skip_overlap_check: true
    """
    return _present("dns_zone", locals())


def dns_zones_present(name, dns_zones, exclusive=False, limit=LIMIT, profile="freeipa", **kwargs):
    """
    Ensure that DNS zones are as declared, all of a set at once.

    name
        For the report.
    dns_zones
        By name the fields of each, as of ``dns_zone_present``.
    exclusive, limit
        Remove all others, and how many at most.

    .. code-block:: yaml

        our zones:
          itstack_freeipa.dns_zones_present:
            - dns_zones:
                example.org: {default_ttl: 600}
                example.net: {skip_overlap_check: true}
    """
    return _set("dns_zone", locals())


def dns_zone_absent(name, profile="freeipa", **kwargs):
    """
    Ensure that there is no such DNS zone.

    .. code-block:: yaml

        example.net:
          itstack_freeipa.dns_zone_absent: []
    """
    return _absent("dns_zone", locals())


def dns_record_present(
    name,
    zone,
    a=None,
    aaaa=None,
    cname=None,
    dname=None,
    mx=None,
    ns=None,
    ptr=None,
    srv=None,
    sshfp=None,
    tlsa=None,
    txt=None,
    uri=None,
    ttl=None,
    profile="freeipa",
    **kwargs,
):
    """
    Ensure that a name in a DNS zone exists and is as declared.

    name
        The name within the zone; ``"@"`` is the zone itself.
    zone
        The zone, which must be there.
    a, aaaa, cname, dname, mx, ns, ptr, srv, sshfp, tlsa, txt, uri
        Lists of values. Each type that is given is the whole truth about it: other values of it are
        removed, other types are left alone.
    ttl
        In seconds.

    .. code-block:: yaml

        www:
          itstack_freeipa.dns_record_present:
            - zone: example.org
            - a: [192.0.2.10, 192.0.2.11]
    """
    return _present("dns_record", locals())


def dns_records_present(name, zone, dns_records, exclusive=False, limit=LIMIT, profile="freeipa", **kwargs):
    """
    Ensure that names of one DNS zone are as declared, all of a set at once.

    name
        For the report.
    zone
        Whose.
    dns_records
        By name the fields of each, as of ``dns_record_present``.
    exclusive, limit
        Remove all others, and how many at most.

    .. code-block:: yaml

        names of example.org:
          itstack_freeipa.dns_records_present:
            - zone: example.org
            - dns_records:
                www: {ttl: 300}
                mail: {a: [192.0.2.20]}
                "@": {mx: ["10 mail"]}
    """
    return _set("dns_record", locals())


def dns_record_absent(name, zone, profile="freeipa", **kwargs):
    """
    Ensure that there is no such name in a zone.

    zone
        Whose. All types of the name are removed.

    .. code-block:: yaml

        mail:
          itstack_freeipa.dns_record_absent:
            - zone: example.org
    """
    return _absent("dns_record", locals())
