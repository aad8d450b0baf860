"""
Roles, databases, extensions and client authentication of a PostgreSQL server.

Configuration, in pillar or in the minion's configuration. Everything has a default, which suits the minion
of a Debian server:

.. code-block:: yaml

    itstack:
      profiles:
        postgresql:
          host: /var/run/postgresql   # the socket's folder, or an address
          port: 5432
          user: postgres              # a superuser: only such a one may read what is kept of passwords
          os_user: postgres           # with a socket: the system's account that logs in by `peer`
          password: secret://my-admin # otherwise
          database: postgres
          sslmode: verify-full        # optional, with `ca`: the certificate's file
          ca: /etc/ssl/certs/my-ca.pem

Each function takes ``profile``: a name below ``itstack:profiles``, or such a dictionary itself. Roles and
databases are read at once, once per run. Needs psycopg: ``salt-pip install 'salt-itstack[postgresql]'``.
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

import os
import pathlib
import time

from salt_itstack import atomic, plugin
from salt_itstack.errors import Conflict, Invalid, Missing, Problem, Rejected
from salt_itstack.reconcile import diff, forget, removal, snapshot
from salt_itstack.services.postgresql import hba, scram
from salt_itstack.services.postgresql.api import PostgreSQL
from salt_itstack.services.postgresql.resources import (
    DATABASE,
    EXTENSION,
    OWN_DATABASES,
    ROLE,
    SCHEMA_ACCESS,
    SCHEMA_OWNER,
    UNCHANGEABLE,
)

_SERVICE = "PostgreSQL"
_LOAD_SECONDS = 10


def _server(profile):
    return PostgreSQL(plugin.profile(profile, __opts__, __pillar__))


def _slot(server, *part):
    return ("postgresql", *server.address, *part)


def _cluster(server):
    return snapshot(__context__, _slot(server, "cluster"), server.read_cluster)


def _inside(server, database):
    return snapshot(__context__, _slot(server, "inside", database), lambda: server.read_inside(database))


def _forget(server, database=""):
    forget(__context__, _slot(server, "cluster"))
    if database:
        forget(__context__, _slot(server, "inside", database))


def version(profile="postgresql"):
    """
    The server's version, such as ``15.18``.

    CLI Example:

    .. code-block:: bash

        salt lab-db1 itstack_postgresql.version
    """
    number = _cluster(_server(profile))["version"]
    return f"{number // 10000}.{number % 10000}"


def roles(profile="postgresql"):
    """
    All roles by name, without what is kept of their passwords.

    CLI Example:

    .. code-block:: bash

        salt lab-db1 itstack_postgresql.roles
    """
    found = _cluster(_server(profile))["roles"]
    return {name: {key: row[key] for key in row if key != "password"} for name, row in found.items()}


def databases(profile="postgresql"):
    """
    All databases by name, with everybody's rights on them but the owner's.

    CLI Example:

    .. code-block:: bash

        salt lab-db1 itstack_postgresql.databases
    """
    return _cluster(_server(profile))["databases"]


def sessions(profile="postgresql"):
    """
    Open sessions, counted by role, database, application and client address.

    CLI Example:

    .. code-block:: bash

        salt lab-db1 itstack_postgresql.sessions
    """
    return _server(profile).read_sessions()


def role_apply(name, test=False, profile="postgresql", **fields):
    """
    Bring a role to the wanted shape, and return what changed or would change.

    name
        The role, in the case that the server shall keep.
    fields
        As in the state ``role_present``; only what is given is compared.
    test
        Only say what would change.

    CLI Example:

    .. code-block:: bash

        salt lab-db1 itstack_postgresql.role_apply wiki_user login=True password=secret://wiki test=True
    """
    wanted = plugin.own_arguments(fields)
    ROLE.check(wanted)
    server = _server(profile)
    cluster = _cluster(server)
    found = cluster["roles"].get(name)
    _refuse_own(server, name)
    if wanted.get("expires"):
        raise Invalid(
            Problem(
                "", "expires", True, "a role isn't made to expire here", "leave it out, or remove the role"
            )
        )
    if "password" in wanted:
        wanted["password"] = _verifier(wanted["password"], found)
    changes = diff(ROLE, wanted, found)
    if changes and not test:
        fields = wanted if found is None else {key: wanted[key] for key in changes}
        before, after = set((found or {}).get("member_of") or []), set(wanted.get("member_of") or [])
        joins = "member_of" in changes
        server.write_role(
            name,
            {key: value for key, value in fields.items() if key != "member_of"},
            exists=found is not None,
            join=sorted(after - before) if joins else [],
            leave=sorted(before - after) if joins else [],
        )
        _forget(server)
    return changes


def _verifier(password, found):
    # What is kept is itself what is wanted where it was made from this password: then nothing differs.
    clear = plugin.reveal(password, __opts__, __pillar__)
    if not isinstance(clear, str):
        raise Invalid(Problem("", "password", None, "isn't a text", "put it in quotes, or give a reference"))
    stored = (found or {}).get("password")
    return stored if scram.matches(clear, stored) else scram.verifier(clear)


def _refuse_own(server, name):
    if name.startswith("pg_") or name in (_cluster(server)["user"], "postgres"):
        raise Conflict(
            f"the role {name} belongs to the server, or is what we log in with",
            _SERVICE,
            "declare a role of the application's own",
        )


def role_remove(name, reassign_to=None, drop_owned=False, test=False, profile="postgresql"):
    """
    Remove a role, end its sessions, and return what changed or would change.

    name
        The role.
    reassign_to
        The role that gets what this one owns.
    drop_owned
        Drop what it owns inside databases instead, for good. Databases themselves aren't dropped.
    test
        Only say what would change.

    Raises an error where it owns something and neither is given, and for superusers.

    CLI Example:

    .. code-block:: bash

        salt lab-db1 itstack_postgresql.role_remove wiki_user reassign_to=archive
    """
    server = _server(profile)
    _refuse_own(server, name)
    found = _cluster(server)["roles"].get(name)
    if found is None:
        return {}
    if found["superuser"]:
        raise Conflict(
            f"the role {name} is a superuser", _SERVICE, "take that away first, if it isn't needed"
        )
    owned = server.read_owned(name)
    keeps = sorted(database or "the server (a database itself)" for database, owns in owned.items() if owns)
    if keeps and not (reassign_to or drop_owned):
        raise Conflict(
            f"the role {name} owns objects in {', '.join(keeps)}",
            _SERVICE,
            "name who gets them as `reassign_to`, or let them be dropped for good with `drop_owned: true`",
        )
    if reassign_to and reassign_to not in _cluster(server)["roles"]:
        raise Missing(
            f"there is no role {reassign_to} to give anything to", _SERVICE, "declare it before this one"
        )
    if not test:
        # Rights on what belongs to no single database are given up from any one.
        for database in sorted(filter(None, owned)) or ([server.profile["database"]] if owned else []):
            server.give_up(name, database, reassign_to or "")
        server.drop_role(name)
        _forget(server)
    return removal(name)


def database_apply(name, test=False, profile="postgresql", **fields):
    """
    Bring a database to the wanted shape, and return what changed or would change.

    name
        The database.
    fields
        As in the state ``database_present``; only what is given is compared. ``access`` defaults to nobody
        but the owner.
    test
        Only say what would change.

    Raises an error where encoding or locale differ: they are fixed when a database is made.

    CLI Example:

    .. code-block:: bash

        salt lab-db1 itstack_postgresql.database_apply wiki owner=wiki_user test=True
    """
    wanted = {"access": {}, **plugin.own_arguments(fields)}
    DATABASE.check(wanted)
    schema = {
        "schema_owner": SCHEMA_OWNER,
        "schema_access": wanted.pop("schema_access", SCHEMA_ACCESS),
    }
    server = _server(profile)
    found = _cluster(server)["databases"].get(name)
    if found is None:
        changes = diff(DATABASE, wanted, None)
        if not test:
            server.create_database(name, wanted)
            _forget(server, name)
            created = _cluster(server)["databases"][name]
            server.alter_database(name, {"access": wanted["access"]}, created)
            _schema_apply(server, name, schema, created["owner"], test)
            _forget(server, name)
        return changes
    changes = diff(DATABASE, wanted, found)
    fixed = [key for key in UNCHANGEABLE if key in changes]
    if fixed:
        differences = ", ".join(f"{key} {found[key]} instead of {wanted[key]}" for key in fixed)
        raise Conflict(
            f"the database {name} has {differences}, which can't be changed",
            _SERVICE,
            "declare what it has; or dump it, remove it with database_absent, and restore it afterwards",
        )
    if changes and not test:
        server.alter_database(name, {key: wanted[key] for key in changes}, found)
    owner = wanted.get("owner") or found["owner"]
    changes.update(_schema_apply(server, name, schema, owner, test))
    if changes and not test:
        _forget(server, name)
    return changes


def _schema_apply(server, database, wanted, owner, test):
    schema = _inside(server, database)["schema"]
    if schema is None:
        # The application removed it; that is its right, and nobody can come in through it.
        return {}
    own = (SCHEMA_OWNER, owner)
    found = {
        # Both mean the same: whoever owns the database.
        "schema_owner": SCHEMA_OWNER if schema["owner"] in own else schema["owner"],
        "schema_access": {who: rights for who, rights in schema["access"].items() if who not in own},
    }
    changes = diff(DATABASE, wanted, found)
    if changes and not test:
        server.alter_schema(database, {key: wanted[key] for key in changes}, found)
    return changes


def database_remove(name, data_loss=False, test=False, profile="postgresql"):
    """
    Remove a database with everything in it, and return what changed or would change.

    name
        The database.
    data_loss
        Has to be ``True``: this can't be undone.
    test
        Only say what would change.

    CLI Example:

    .. code-block:: bash

        salt lab-db1 itstack_postgresql.database_remove wiki data_loss=True
    """
    server = _server(profile)
    if name in OWN_DATABASES or name == server.profile["database"]:
        raise Conflict(f"the database {name} belongs to the server", _SERVICE, "leave it")
    if name not in _cluster(server)["databases"]:
        return {}
    if data_loss is not True:
        raise Conflict(
            f"removing the database {name} loses all its data for good",
            _SERVICE,
            "dump what is still needed (pg_dump), then say `data_loss: true`",
        )
    if not test:
        server.drop_database(name)
        _forget(server, name)
    return removal(name)


def extension_apply(name, database, test=False, profile="postgresql", **fields):
    """
    Create, update or move an extension in a database, and return what changed or would change.

    A trusted extension belongs to the database's owner, any other to the administrator.

    name
        The extension, such as ``pg_trgm``.
    database
        Where.
    fields
        ``version`` and ``schema``; only what is given is compared.
    test
        Only say what would change.

    CLI Example:

    .. code-block:: bash

        salt lab-db1 itstack_postgresql.extension_apply pg_trgm wiki test=True
    """
    wanted = {key: str(value) for key, value in plugin.own_arguments(fields).items()}
    EXTENSION.check(wanted)
    server = _server(profile)
    home = _cluster(server)["databases"].get(database)
    if home is None:
        if test:
            # An earlier state of this run makes it.
            return diff(EXTENSION, wanted, None)
        raise Missing(f"there is no database {database}", _SERVICE, "declare it before its extensions")
    found = _inside(server, database)["extensions"].get(name)
    changes = diff(EXTENSION, wanted, found)
    if changes and found is None:
        trusted = server.is_trusted(name)
        if not test:
            server.create_extension(database, name, wanted, home["owner"] if trusted else "")
    elif changes and not test:
        server.alter_extension(database, name, {key: wanted[key] for key in changes})
    if changes and not test:
        _forget(server, database)
    return changes


def extension_remove(name, database, test=False, profile="postgresql"):
    """
    Remove an extension from a database, and return what changed or would change.

    name
        The extension.
    database
        Where.
    test
        Only say what would change.

    Raises an error while something in the database uses it.

    CLI Example:

    .. code-block:: bash

        salt lab-db1 itstack_postgresql.extension_remove pg_trgm wiki
    """
    server = _server(profile)
    if database not in _cluster(server)["databases"] or name not in _inside(server, database)["extensions"]:
        return {}
    if not test:
        server.drop_extension(database, name)
        _forget(server, database)
    return removal(name)


def hba_apply(name, rules, test=False, profile="postgresql"):
    """
    Put rules into our block of the client authentication file, and return what changed or would change.

    The server checks the file before it is told to read it. A file with an error is put back as it was.

    name
        The file; it has to be the one that the server uses.
    rules
        A list of lines, or of maps with ``type``, ``database``, ``user``, ``address``, ``method``,
        ``options``; an empty list removes the block.
    test
        Only say what would change.

    CLI Example:

    .. code-block:: bash

        salt lab-db1 itstack_postgresql.hba_apply /etc/postgresql/15/main/pg_hba.conf rules='[]' test=True
    """
    wanted = hba.lines(rules or [])
    server = _server(profile)
    state = server.read_hba()
    if os.path.realpath(state["file"]) != os.path.realpath(name):
        raise Invalid(
            Problem(
                "", "name", name, f"the server reads {state['file']}", "name that file, or the other server"
            )
        )
    try:
        with open(name, "rb") as file:
            before = file.read()
        read_later = os.stat(name).st_mtime > state["loaded"]
    except OSError as error:
        raise Missing(
            f"{name} can't be read ({error.strerror})", _SERVICE, "run this on the database server itself"
        ) from None
    text = before.decode("utf-8", "surrogateescape")
    after = hba.composed(text, wanted).encode("utf-8", "surrogateescape")
    changes = {}
    if after != before:
        changes["rules"] = {"old": hba.managed(text) or None, "new": wanted}
    elif read_later and not state["errors"]:
        # Written, but the run ended before the server was told.
        changes["loaded"] = {"old": False, "new": True}
    elif state["errors"]:
        raise _bad_file(name, state["errors"])
    if changes and not test:
        if after != before:
            _replace(name, after)
            errors = server.read_hba()["errors"]
            if errors:
                _replace(name, before)
                raise _bad_file(name, errors)
        _load(server, name)
    return changes


def _load(server, name):
    # The server is told by a signal and reads a little later; until then the old rules are in force.
    written = os.stat(name).st_mtime
    server.reload()
    deadline = time.monotonic() + _LOAD_SECONDS
    while server.read_hba()["loaded"] < written:
        if time.monotonic() > deadline:
            raise Rejected(
                f"the server hasn't read {name} within {_LOAD_SECONDS} s",
                _SERVICE,
                "its own log has the reason",
            )
        time.sleep(0.02)


def _bad_file(name, errors):
    return Rejected(
        f"the server finds errors in {name}, which keep it from reading the file: {'; '.join(errors)}",
        _SERVICE,
        "correct the rule, or the line of the file that isn't ours",
    )


def _replace(name, content):
    # As a whole: the server may read it at any moment, and its owner and mode are the distribution's.
    atomic.write(pathlib.Path(os.path.realpath(name)), content, keep=True)
