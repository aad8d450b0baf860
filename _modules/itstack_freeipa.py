"""
People, groups and system accounts of a FreeIPA server, over its JSON-RPC.

Configuration, in pillar or in the minion's configuration:

.. code-block:: yaml

    itstack:
      profiles:
        freeipa:
          host: ipa.it-stack.lab             # the server's own FQDN: aliases and addresses are refused
          user: admin
          password: secret://freeipa-admin
          ca: /etc/ipa/ca.crt                # optional; the system's trust otherwise
          address: 10.0.50.11                # optional: where to connect while the name doesn't resolve
          ldap: ldaps://ipa.it-stack.lab     # optional: where bind passwords are tried
          ldap_start_tls: true               # optional: for ldap://; false only on the server itself

Each function takes ``profile``: a name below ``itstack:profiles``, or such a dictionary itself. All reading
is done in bulk, once per run.
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

import contextlib

from salt_itstack import plugin
from salt_itstack.errors import Conflict, Invalid, Missing, Problem, Rejected
from salt_itstack.reconcile import body, declared, diff, forget, removal, snapshot
from salt_itstack.secrets import fingerprint
from salt_itstack.services import freeipa as service
from salt_itstack.services.freeipa import directory
from salt_itstack.services.freeipa.api import FreeIPA
from salt_itstack.services.freeipa.resources import GROUP, SYSTEM_ACCOUNT, USER, cycle


def _settings(profile):
    settings = plugin.profile(profile, __opts__, __pillar__)
    lacking = [key for key in ("host", "user", "password") if not settings.get(key)]
    if lacking:
        raise Invalid(
            Problem(
                "", "the FreeIPA profile", None, f"it has no {', '.join(lacking)}", "add it to the profile"
            )
        )
    return settings


def _slot(settings, part):
    return ("freeipa", settings["host"], settings["user"], part)


def _server(settings):
    # One session and one login per run. A login that was refused is remembered with it: each further try
    # would count towards the account's lock.
    part = ("session", hash(settings["password"]))
    return snapshot(
        __context__,
        _slot(settings, part),
        lambda: FreeIPA(
            settings["host"],
            settings["user"],
            settings["password"],
            ca=settings.get("ca"),
            address=settings.get("address"),
            # A dry run doesn't wait for what the run itself would start.
            retries=0 if __opts__.get("test") else 3,
        ),
    )


def _entries(kind, settings):
    def read():
        rows = _server(settings).find(kind.command)
        return {kind.key(row): kind.plain(row) for row in rows}

    return snapshot(__context__, _slot(settings, kind.command), read)


def _refresh(kind, settings, name):
    # A write changes one entry of what was read, so the rest needn't be read again.
    entry = _server(settings).show(kind.command, name)
    entries = _entries(kind, settings)
    if entry is None:
        entries.pop(name, None)
    else:
        entries[name] = kind.plain(entry)


def users(profile="freeipa"):
    """
    All people, by login name.

    CLI Example:

    .. code-block:: bash

        salt lab-id1 itstack_freeipa.users
    """
    return _entries(USER, _settings(profile))


def groups(profile="freeipa"):
    """
    All groups with their direct and indirect members, by name.

    CLI Example:

    .. code-block:: bash

        salt lab-id1 itstack_freeipa.groups
    """
    return _entries(GROUP, _settings(profile))


def system_accounts(profile="freeipa"):
    """
    All system accounts, by name. Needs FreeIPA 4.13.

    CLI Example:

    .. code-block:: bash

        salt lab-id1 itstack_freeipa.system_accounts
    """
    return _entries(SYSTEM_ACCOUNT, _settings(profile))


def ping(profile="freeipa"):
    """
    What the server says of itself, after a login: its version and that of its API.

    CLI Example:

    .. code-block:: bash

        salt lab-id1 itstack_freeipa.ping
    """
    return _server(_settings(profile)).ping()


def readiness(facts):
    """
    What answers as FreeIPA, once its web, directory and DNS parts all do.

    facts
        ``address``, ``fqdn`` and ``domain`` of the server, optionally ``ca_file``, ``base_dn``, ``ports``.

    CLI Example:

    .. code-block:: bash

        salt lab-id1 itstack_freeipa.readiness \
            '{address: 10.0.50.11, fqdn: ipa.it-stack.lab, domain: it-stack.lab}'
    """
    return service.readiness(facts)


def user_apply(name, test=False, profile="freeipa", **fields):
    """
    Bring a person to the declared shape, and return what changed.

    name
        Login name.
    test
        Only say what would change.
    fields
        ``first_name``, ``last_name``, ``full_name``, ``display_name``, ``mail``, ``telephone_numbers``,
        ``title``, ``department``, ``employee_number``, ``login_shell``, ``home_directory``, ``password``,
        ``password_expires``, ``groups``. What isn't given is left alone; an empty text deletes.

    A person's password is written on creation, where the person has none, and when the *declared* one is
    another than the one written last. What the person changed is never tried or overwritten: a wrong try
    counts towards locking the account.

    CLI Example:

    .. code-block:: bash

        salt lab-id1 itstack_freeipa.user_apply jdoe first_name=Jane last_name=Doe test=True
    """
    settings = _settings(profile)
    name = str(name).lower()
    wanted = USER.prepared(name, declared(**plugin.own_arguments(fields)))
    found = _entries(USER, settings).get(name)
    rewrite = []
    if "password" in wanted:
        wanted["password"] = plugin.reveal(wanted["password"], __opts__, __pillar__)
        mark = _mark(settings, "user", name)
        if found is not None and (
            not found.get("has_password", True)
            or fingerprint.known(__opts__, mark, wanted["password"]) is False
        ):
            rewrite.append("password")
    changes = _write(USER, name, wanted, rewrite, settings, test)
    if "password" in changes and not test:
        fingerprint.remember(__opts__, mark, wanted["password"])
    return changes


def user_remove(name, preserve=False, test=False, profile="freeipa"):
    """
    Remove a person, and return what changed.

    name
        Login name.
    preserve
        Keep the entry among the deleted ones, from where FreeIPA can restore it.

    CLI Example:

    .. code-block:: bash

        salt lab-id1 itstack_freeipa.user_remove jdoe preserve=True
    """
    return _remove(USER, name, {"preserve": True} if preserve else {}, test, profile)


def group_apply(name, exclusive=False, test=False, profile="freeipa", **fields):
    """
    Bring a group to the declared shape, and return what changed.

    name
        Name of the group.
    exclusive
        Remove members that aren't declared. Otherwise the declared ones are added to what is there.
    fields
        ``description``, ``posix`` (a group number; can't be taken away later), ``users``, ``groups``.

    Raises an error for a group that would, by any way, be a member of itself: FreeIPA accepts that.

    CLI Example:

    .. code-block:: bash

        salt lab-id1 itstack_freeipa.group_apply helpdesk description='Help desk' users='[jdoe]'
    """
    settings = _settings(profile)
    name = str(name).lower()
    wanted = GROUP.prepared(name, declared(**plugin.own_arguments(fields)))
    way = cycle(_entries(GROUP, settings), name, wanted.get("groups") or ())
    if way:
        raise Invalid(
            Problem(
                "", f"{name}:groups", None, f"a group would be its own member ({' > '.join(way)})",
                "take one of these out of the next",
            )
        )  # fmt: skip
    return _write(GROUP, name, wanted, (), settings, test, exclusive)


def group_remove(name, test=False, profile="freeipa"):
    """
    Remove a group, and return what changed.

    CLI Example:

    .. code-block:: bash

        salt lab-id1 itstack_freeipa.group_remove helpdesk
    """
    return _remove(GROUP, name, {}, test, profile)


def system_account_apply(name, password_check="bind", test=False, profile="freeipa", **fields):
    """
    Bring a system account to the declared shape, and return what changed. Needs FreeIPA 4.13.

    name
        Name of the account; it binds as ``uid=NAME,cn=sysaccounts,cn=etc,SUFFIX``.
    password_check
        How a changed password is found. ``bind``: by a bind with the declared one, which can't lock such an
        account and needs python-ldap. ``fingerprint``: by comparing with what this minion wrote last, which
        doesn't see changes made by others.
    fields
        ``password``, ``description``, ``privileged``.

    CLI Example:

    .. code-block:: bash

        salt lab-id1 itstack_freeipa.system_account_apply keycloak password=secret://freeipa-keycloak
    """
    if password_check not in ("bind", "fingerprint"):
        raise Invalid(
            Problem("", f"{name}:password_check", password_check, "unknown check", "bind or fingerprint")
        )
    settings = _settings(profile)
    name = str(name).lower()
    wanted = SYSTEM_ACCOUNT.prepared(name, declared(**plugin.own_arguments(fields)))
    found = _entries(SYSTEM_ACCOUNT, settings).get(name)
    rewrite = []
    mark = _mark(settings, "sysaccount", name)
    if "password" in wanted:
        wanted["password"] = plugin.reveal(wanted["password"], __opts__, __pillar__)
        if found is not None and not _works(found, wanted["password"], password_check, mark, settings):
            rewrite.append("password")
    changes = _write(SYSTEM_ACCOUNT, name, wanted, rewrite, settings, test)
    if "password" in changes and not test:
        fingerprint.remember(__opts__, mark, wanted["password"])
    return changes


def system_account_remove(name, test=False, profile="freeipa"):
    """
    Remove a system account, and return what changed. Needs FreeIPA 4.13.

    CLI Example:

    .. code-block:: bash

        salt lab-id1 itstack_freeipa.system_account_remove keycloak
    """
    return _remove(SYSTEM_ACCOUNT, name, {}, test, profile)


def _mark(settings, command, name):
    return f"freeipa/{settings['host']}/{command}/{name}"


def _works(found, password, check, mark, settings):
    if check == "fingerprint":
        return fingerprint.known(__opts__, mark, password) is True
    url = settings.get("ldap") or f"ldaps://{settings['host']}"
    start_tls = settings.get("ldap_start_tls", True)
    return directory.accepts(url, found["dn"], password, settings.get("ca"), start_tls)


def _write(kind, name, wanted, rewrite, settings, test, exclusive=False):
    found = _entries(kind, settings).get(name)
    if found is None:
        kind.lacking(name, wanted)
    elif not exclusive:
        for field in kind.additive:
            if field in wanted:
                present = [item.lower() for item in kind.resource.fields[field].read(found) or ()]
                wanted[field] = [*present, *(item for item in wanted[field] if item not in present)]
    changes = diff(kind.resource, wanted, found, rewrite)
    if not changes or test:
        return changes
    server = _server(settings)
    if found is None:
        found = _create(kind, server, name, wanted, settings)
        changed = [field for field in wanted if field in kind.additive or field == "password_expires"]
    else:
        changed = list(changes)
    _modify(kind, server, name, wanted, changed, found)
    _refresh(kind, settings, name)
    for other in (USER, GROUP):
        if other is not kind and kind.additive:
            # Memberships show on both sides.
            forget(__context__, _slot(settings, other.command))
    return changes


def _create(kind, server, name, wanted, settings):
    later = {*kind.additive, "password_expires", "posix"}
    options = _options(kind, wanted, [field for field in wanted if field not in later])
    if kind is GROUP and wanted.get("posix") is False:
        options["nonposix"] = True
    try:
        server.call(f"{kind.command}_add", [name], options)
    except Conflict as error:
        # Made by somebody else since it was read, or a preserved person has this name.
        _refresh(kind, settings, name)
        found = _entries(kind, settings).get(name)
        if found is None:
            raise Conflict(
                str(error),
                remedy=f"a deleted {kind.resource.kind} of that name is preserved: `ipa user-undel {name}`, "
                "or delete it for good",
            ) from None
        _modify(kind, server, name, wanted, [field for field in wanted if field not in kind.additive], found)
        return found
    return {}


def _modify(kind, server, name, wanted, changed, found):
    plain = [field for field in changed if field not in (*kind.additive, "password_expires", "posix")]
    options = _options(kind, wanted, plain)
    if "posix" in changed and found:
        if not wanted["posix"]:
            raise Rejected(
                f"group {name} is a POSIX group, and FreeIPA can't take that away",
                "FreeIPA",
                "declare `posix: true`, or remove the group and make it again",
            )
        options["posix"] = True
    if options:
        server.call(f"{kind.command}_mod", [name], options)
    # After the password: one that an administrator sets is expired at once.
    if wanted.get("password_expires") and {"password", "password_expires"} & set(changed):
        field = _options(kind, wanted, ["password_expires"])
        server.call(f"{kind.command}_mod", [name], field)
    for field in kind.additive:
        if field in changed:
            _members(kind, server, name, field, wanted[field], found)


def _members(kind, server, name, field, wanted, found):
    present = {item.lower() for item in kind.resource.fields[field].read(found) or ()}
    new = [item for item in wanted if item not in present]
    old = sorted(present - set(wanted))
    if field in kind.members:
        member = kind.members[field]
        if new:
            server.members(f"{kind.command}_add_member", name, {member: new})
        if old:
            server.members(f"{kind.command}_remove_member", name, {member: old})
        return
    for group in new:
        server.members(f"{kind.memberships[field]}_add_member", group, {kind.command: [name]})


def _options(kind, wanted, fields):
    # An empty list deletes nothing on the wire; an empty text does.
    return {key: "" if value == [] else value for key, value in body(kind.resource, wanted, fields).items()}


def _remove(kind, name, options, test, profile):
    settings = _settings(profile)
    name = str(name).lower()
    entries = _entries(kind, settings)
    if name not in entries:
        return {}
    if not test:
        with contextlib.suppress(Missing):  # somebody else was faster
            _server(settings).call(f"{kind.command}_del", [name], options)
        entries.pop(name, None)
        fingerprint.forget(__opts__, _mark(settings, kind.command, name))
        for other in (USER, GROUP):
            if other is not kind:
                forget(__context__, _slot(settings, other.command))
    return removal(name)
