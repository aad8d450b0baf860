"""
Configuration of a Nextcloud on this host, through occ.

Configuration, in pillar or in the minion's configuration:

.. code-block:: yaml

    itstack:
      profiles:
        nextcloud:
          occ_command: php /var/www/nextcloud/occ
          web_user: www-data

Each function takes ``profile``: a name below ``itstack:profiles``, or such a dictionary itself. Reading is
done in bulk, once per run; writing never runs in parallel.
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

import hashlib
import json
import os

from salt_itstack import plugin
from salt_itstack.errors import Denied, Invalid, ItstackError, Problem, Rejected
from salt_itstack.reconcile import body, creation, declared, diff, forget, removal, snapshot
from salt_itstack.secrets import fingerprint
from salt_itstack.services import nextcloud as service
from salt_itstack.services.nextcloud import configfile
from salt_itstack.services.nextcloud.occ import COMMAND, WEB_USER, Occ
from salt_itstack.services.nextcloud.resources import (
    INSTALLATION,
    OIDC_PROVIDER,
    SECRET_VARIABLE,
    application,
    configuration,
    leaves,
    merged,
    provider_arguments,
    with_members,
)

#: occ's own default is 500 rows.
_PAGE = 5000


def _occ(profile):
    settings = plugin.profile(profile, __opts__, __pillar__)
    command = settings.get("occ_command", COMMAND)
    name = hashlib.sha256(command.encode()).hexdigest()[:16]
    return Occ(
        command,
        settings.get("web_user", WEB_USER),
        plugin.environment(),
        os.path.join(__opts__["cachedir"], "itstack", f"nextcloud-{name}.lock"),
    )


def _slot(occ, part):
    return ("nextcloud", *occ.command, part)


def _read(occ, part, read):
    return snapshot(__context__, _slot(occ, part), read)


def status(profile="nextcloud"):
    """
    What Nextcloud says of itself: ``installed``, ``maintenance``, ``needsDbUpgrade``, ``versionstring``.

    CLI Example:

    .. code-block:: bash

        salt lab-app1 itstack_nextcloud.status
    """
    return _occ(profile).json("status")


def readiness(facts):
    """
    What answers as Nextcloud, once people can use it.

    facts
        ``url``, and ``ca_file`` where its certificate isn't one that the system trusts.

    CLI Example:

    .. code-block:: bash

        salt lab-app1 itstack_nextcloud.readiness '{url: "https://cloud.it-stack.lab"}'
    """
    return service.readiness(facts)


def _system(occ):
    return _read(occ, "system", lambda: occ.json("config:list", "system", "--private")["system"] or {})


def _app(occ, app):
    return _read(occ, ("app", app), lambda: occ.json("config:list", app, "--private")["apps"].get(app) or {})


def installation_apply(test=False, profile="nextcloud", **fields):
    """
    Make the first installation if there is none yet, and return what changed.

    fields
        ``database_type``, ``database_name``, ``database_user``, ``database_password``, ``database_host``,
        ``database_port``, ``admin_user``, ``admin_password``, ``data_directory``.

    The passwords go to the installer by standard input. Afterwards these values are system configuration;
    only a database password that the database refuses is put right here too.

    CLI Example:

    .. code-block:: bash

        salt lab-app1 itstack_nextcloud.installation_apply database_name=nextcloud \\
            database_user=nextcloud_user database_password=secret://postgresql-nextcloud \\
            admin_password=secret://nextcloud-admin
    """
    occ = _occ(profile)
    given = declared(**plugin.own_arguments(fields))
    INSTALLATION.check(given)
    wanted, _ = plugin.opened(
        {"database_type": "pgsql", "admin_user": "admin", **given}, __opts__, __pillar__
    )
    _check_installation(wanted)
    try:
        if occ.json("status")["installed"]:
            return {}
    except Denied as error:
        # Installed, and refused by its database. States that need this one would otherwise never get to
        # their configuration.
        mended = _mend_password(occ, {"dbpassword": wanted.get("database_password")}, test, error)
        return {"database_password": mended["dbpassword"]} if mended else {}
    changes = creation(INSTALLATION, wanted)
    if test:
        _plan(occ, wanted)
        return changes
    # Asked in this order, and only for what isn't an option (core/Command/Maintenance/Install.php); without
    # a terminal the console reads plain lines and trims them. Read in its sources, unconfirmed on a server.
    secrets = [wanted[name] for name in ("database_password", "admin_password") if name in wanted]
    options = body(INSTALLATION, wanted, set(wanted) - {"database_password", "admin_password"})
    with occ.alone():
        occ.run(
            "maintenance:install",
            *(f"--{name}={value}" for name, value in options.items()),
            stdin="".join(f"{secret}\n" for secret in secrets),
            hide=secrets,
        )
        forget(__context__, _slot(occ, "system"))
        user = _system(occ).get("dbuser")
    if "database_user" in wanted and user != wanted["database_user"]:
        raise Rejected(
            f"the installer made its own database role {user}: {wanted['database_user']} may make roles",
            "Nextcloud",
            f"take CREATEROLE from {wanted['database_user']}, and install into an empty database again",
        )
    return changes


def _plan(occ, wanted):
    """Later states of this dry run are compared with what the installer would leave."""
    host, port = wanted.get("database_host", "localhost"), wanted.get("database_port")
    system = {
        "dbtype": wanted["database_type"],
        "dbname": wanted.get("database_name"),
        "dbuser": wanted.get("database_user"),
        "dbpassword": wanted.get("database_password"),
        "dbhost": f"{host}:{port}" if port else host,
        "trusted_domains": ["localhost"],
        "overwrite.cli.url": "http://localhost",
        "installed": True,
    }
    snapshot(__context__, _slot(occ, "system"), lambda: system)
    snapshot(__context__, _slot(occ, "groups"), lambda: {"admin": [wanted["admin_user"]]})


def _check_installation(wanted):
    problems = []
    needed = ["admin_password"]
    if wanted["database_type"] not in ("sqlite",):
        needed += ["database_name", "database_user", "database_password"]
    for name in needed:
        if not wanted.get(name):
            problems.append(Problem("", name, None, "the installer can't go without this", "declare it"))
    for name in ("database_password", "admin_password"):
        value = wanted.get(name, "")
        if value != value.strip() or "\n" in value:
            problems.append(
                Problem(
                    "", name, None, "has spaces around it or a line break", "the installer can't take that"
                )
            )
    if problems:
        raise Invalid(problems)


def system_config(profile="nextcloud"):
    """
    Nextcloud's system configuration with its types, secrets hidden.

    CLI Example:

    .. code-block:: bash

        salt lab-app1 itstack_nextcloud.system_config
    """
    return _occ(profile).json("config:list", "system")["system"]


def system_config_apply(values, test=False, profile="nextcloud", members=None):
    """
    Bring values of the system configuration to the declared ones, and return what changed.

    values
        Keys and values as in config.php, with their types. Maps are merged into what is there, lists are
        written as a whole. References (``secret://…``) may stand at any depth.
    members
        Keys whose value is a list, and what has to be among it; what else is in it stays.

    CLI Example:

    .. code-block:: bash

        salt lab-app1 itstack_nextcloud.system_config_apply '{overwriteprotocol: https}'
    """
    occ = _occ(profile)
    members = _map(members, "members") if members else {}
    wanted, hidden = plugin.opened(
        {} if members and not values else _map(values, "values"), __opts__, __pillar__
    )
    mended = {}
    try:
        found = _system(occ)
    except Denied as error:
        mended = _mend_password(occ, wanted, test, error)
        if test:
            return mended
        found = _system(occ)
    wanted.update(with_members(found, members))
    flat = leaves(wanted)
    resource = configuration(flat, hidden)
    named = {":".join(path): value for path, value in flat.items()}
    changes = diff(resource, named, found)
    if not changes or test:
        return {**mended, **changes}
    keys = {name.split(":", 1)[0] for name in changes}
    content = {"system": {key: merged(found.get(key), wanted[key]) for key in keys}}
    _import(occ, content, "system", [named[name] for name in changes if resource.fields[name].secret])
    _verify(diff(resource, named, _system(occ)), "a *.config.php beside config.php sets something else")
    return {**mended, **changes}


def _mend_password(occ, wanted, test, error):
    # With a database that refuses it, occ can't even write its own configuration.
    password = wanted.get("dbpassword")
    if not password:
        raise error
    path = occ.root / "config" / "config.php"
    try:
        text = path.read_text()
        current = configfile.read(text, "dbpassword")
    except (OSError, ItstackError):
        raise error from None
    if current == password:
        raise error
    if test and snapshot(__context__, _slot(occ, "mended"), dict).get("password") == password:
        # An earlier state of this dry run would have put it right already.
        return {}
    one = configuration([("dbpassword",)], ())
    changes = diff(one, {"dbpassword": password}, {"dbpassword": current})
    if test:
        snapshot(__context__, _slot(occ, "mended"), dict)["password"] = password
        return changes
    with occ.alone():
        configfile.write(path, configfile.replaced(text, "dbpassword", password))
        try:
            occ.json("status")
        except ItstackError:
            # That wasn't it, so nothing was changed.
            configfile.write(path, text)
            raise
    return changes


def system_config_remove(keys, test=False, profile="nextcloud"):
    """
    Remove keys from the system configuration, and return what changed.

    keys
        Names; ``redis:password`` is the key ``password`` in the map ``redis``.

    CLI Example:

    .. code-block:: bash

        salt lab-app1 itstack_nextcloud.system_config_remove '[overwritehost]'
    """
    occ = _occ(profile)
    found = leaves(_system(occ))
    changes = {}
    for key in keys:
        path = tuple(str(key).split(":"))
        if not any(place[: len(path)] == path for place in found):
            continue
        changes.update(removal(":".join(path)))
        if not test:
            with occ.alone():
                occ.run("config:system:delete", *path)
    if changes and not test:
        forget(__context__, _slot(occ, "system"))
    return changes


def app_config_apply(app, values, test=False, profile="nextcloud"):
    """
    Bring an app's settings to the declared values, and return what changed.

    app
        The app's id, or ``core``.
    values
        Keys and values. Nextcloud keeps them as text; true and false become 1 and 0.

    CLI Example:

    .. code-block:: bash

        salt lab-app1 itstack_nextcloud.app_config_apply user_oidc '{allow_multiple_user_backends: "0"}'
    """
    occ = _occ(profile)
    wanted, hidden = plugin.opened(_map(values, "values"), __opts__, __pillar__)
    nested = [key for key, value in wanted.items() if isinstance(value, (dict, list)) or value is None]
    if nested:
        raise Invalid(
            [Problem("", f"{app}:{key}", None, "isn't a text, a number or a boolean", "") for key in nested]
        )
    resource = application(wanted, [path[0] for path in hidden])
    changes = diff(resource, wanted, _app(occ, app))
    if not changes or test:
        return changes
    texts = {key: resource.fields[key].compare(wanted[key]) for key in changes}
    _import(occ, {"apps": {app: texts}}, ("app", app), list(texts.values()))
    _verify(diff(resource, wanted, _app(occ, app)), "the app doesn't keep this value")
    return changes


def _map(values, name):
    if not isinstance(values, dict) or not values:
        raise Invalid(Problem("", name, values, "this isn't a map of keys and values", "write key: value"))
    return json.loads(json.dumps(values))  # Salt's own kinds of dict and list become plain ones


def _import(occ, content, part, hide):
    with occ.alone():
        occ.run(
            "config:import",
            stdin=json.dumps(content),
            hide=[text for text in hide if isinstance(text, str)],
        )
    forget(__context__, _slot(occ, part))


def _verify(left, reason):
    if left:
        raise Rejected(
            f"after writing, {', '.join(sorted(left))} still differs", "Nextcloud", f"check whether {reason}"
        )


def apps(profile="nextcloud"):
    """
    Apps, as ``enabled`` and ``disabled`` with their versions.

    CLI Example:

    .. code-block:: bash

        salt lab-app1 itstack_nextcloud.apps
    """
    occ = _occ(profile)
    return _read(occ, "apps", lambda: occ.json("app:list"))


def app_apply(name, enabled=True, test=False, profile="nextcloud"):
    """
    Enable or disable an app, and return what changed.

    name
        The app's id. One that isn't on this host is fetched from the app store.

    CLI Example:

    .. code-block:: bash

        salt lab-app1 itstack_nextcloud.app_apply user_oidc
    """
    occ = _occ(profile)
    if (name in apps(profile)["enabled"]) == enabled:
        return {}
    changes = {name: {"old": "disabled", "new": "enabled"}}
    if not enabled:
        changes = {name: {"old": "enabled", "new": "disabled"}}
    if not test:
        with occ.alone():
            occ.run("app:enable" if enabled else "app:disable", name)
        for part in ("apps", ("app", name), "providers"):
            forget(__context__, _slot(occ, part))
        if (name in apps(profile)["enabled"]) != enabled:
            raise Rejected(f"app {name} stays as it was, although occ reported no error", "Nextcloud")
    return changes


def groups(profile="nextcloud"):
    """
    All groups with their members, by id.

    CLI Example:

    .. code-block:: bash

        salt lab-app1 itstack_nextcloud.groups
    """
    occ = _occ(profile)

    def read():
        found = {}
        while True:
            page = occ.json("group:list", f"--limit={_PAGE}", f"--offset={len(found)}") or {}
            found.update(page)
            if len(page) < _PAGE:
                return found

    return _read(occ, "groups", read)


def group_apply(name, display_name=None, test=False, profile="nextcloud"):
    """
    Ensure that a group exists, and return what changed. Members aren't touched.

    name
        The group's id; its case matters.
    display_name
        Given on creation only: a login through OpenID Connect sets it to the claim's.

    CLI Example:

    .. code-block:: bash

        salt lab-app1 itstack_nextcloud.group_apply staff
    """
    occ = _occ(profile)
    if name in groups(profile):
        return {}
    if not test:
        options = [f"--display-name={display_name}"] if display_name else []
        with occ.alone():
            occ.run("group:add", *options, name)
        forget(__context__, _slot(occ, "groups"))
    return {name: {"old": "absent", "new": "present"}}


def group_remove(name, test=False, profile="nextcloud"):
    """
    Remove a group, and return what changed.

    CLI Example:

    .. code-block:: bash

        salt lab-app1 itstack_nextcloud.group_remove staff
    """
    occ = _occ(profile)
    if name not in groups(profile):
        return {}
    if not test:
        with occ.alone():
            occ.run("group:delete", name)
        forget(__context__, _slot(occ, "groups"))
    return removal(name)


def oidc_providers(profile="nextcloud"):
    """
    OpenID Connect providers of the app ``user_oidc``, by identifier, without their secrets.

    CLI Example:

    .. code-block:: bash

        salt lab-app1 itstack_nextcloud.oidc_providers
    """
    return _providers(_occ(profile))


def _providers(occ):
    def read():
        return {row[OIDC_PROVIDER.key]: row for row in occ.rows("user_oidc:providers")}

    return _read(occ, "providers", read)


def _found_provider(occ, profile, name, test):
    if test and "user_oidc" not in apps(profile)["enabled"]:
        # A state before this one enables it, or the real run will say that it is lacking.
        return None
    return _providers(occ).get(name)


def oidc_provider_apply(name, test=False, profile="nextcloud", **fields):
    """
    Bring an OpenID Connect provider of the app ``user_oidc`` to the declared shape, and return what changed.

    name
        The provider's identifier.
    fields
        ``client_id``, ``client_secret``, ``discovery_endpoint``, ``scope``, ``end_session_endpoint``,
        ``post_logout_uri``, ``unique_uid``, ``mapping_uid``, ``mapping_display_name``, ``mapping_email``,
        ``mapping_quota``, ``mapping_groups``, ``group_provisioning``, ``group_whitelist_regex``,
        ``group_restrict_login_to_whitelist``, ``check_bearer``, ``bearer_provisioning``,
        ``send_id_token_hint``, ``extra_claims``, ``resolve_nested_claims``.

    Nextcloud never gives the secret back. It is written again when it is another one than this minion wrote
    last into this very provider; once more, where nothing is remembered.

    CLI Example:

    .. code-block:: bash

        salt lab-app1 itstack_nextcloud.oidc_provider_apply keycloak client_id=nextcloud \\
            client_secret=secret://keycloak-nextcloud test=True
    """
    occ = _occ(profile)
    given = declared(**plugin.own_arguments(fields))
    OIDC_PROVIDER.check(given)
    wanted, _ = plugin.opened(given, __opts__, __pillar__)
    found = _found_provider(occ, profile, name, test)
    if found is None:
        _check_provider(name, wanted)
    rewrite = []
    secret = wanted.get("client_secret")
    if found is not None and secret and fingerprint.known(__opts__, _mark(occ, found), secret) is not True:
        rewrite.append("client_secret")
    changes = diff(OIDC_PROVIDER, wanted, found, rewrite)
    if not changes or test:
        return changes
    wanted.setdefault("client_id", found and found.get("clientId"))
    secrets = {SECRET_VARIABLE: wanted["client_secret"]} if "client_secret" in changes else {}
    with occ.alone():
        occ.run("user_oidc:provider", name, *provider_arguments(wanted, changes), secrets=secrets)
    forget(__context__, _slot(occ, "providers"))
    found = _providers(occ).get(name)
    _verify(diff(OIDC_PROVIDER, wanted, found), "the app accepts this value")
    if secrets:
        fingerprint.remember(__opts__, _mark(occ, found), wanted["client_secret"])
    return changes


def _check_provider(name, wanted):
    lacking = [key for key in ("client_id", "client_secret", "discovery_endpoint") if not wanted.get(key)]
    if lacking:
        raise Invalid(
            Problem(
                "", f"{name}:{', '.join(lacking)}", None, "a provider can't be made without", "declare it"
            )
        )


def _mark(occ, provider):
    # With the row's number: one that was deleted and made again by hand isn't the one that we wrote.
    return f"nextcloud/{' '.join(occ.command)}/provider/{provider[OIDC_PROVIDER.key]}/{provider['id']}"


def oidc_provider_remove(name, test=False, profile="nextcloud"):
    """
    Remove an OpenID Connect provider, and return what changed. Its people can no longer log in.

    CLI Example:

    .. code-block:: bash

        salt lab-app1 itstack_nextcloud.oidc_provider_remove keycloak
    """
    occ = _occ(profile)
    found = _found_provider(occ, profile, name, test=True)
    if found is None:
        return {}
    if not test:
        with occ.alone():
            # Without --force it asks, takes no answer for a no, and ends with 0.
            occ.run("user_oidc:provider:delete", name, "--force")
        forget(__context__, _slot(occ, "providers"))
        fingerprint.forget(__opts__, _mark(occ, found))
    return removal(name)
