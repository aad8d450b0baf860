"""
States for roles, databases, extensions and client authentication of PostgreSQL.

.. code-block:: yaml

    "role of the wiki":
      itstack_postgresql.role_present:
        - name: wiki_user
        - password: secret://postgresql-wiki
        - connection_limit: 40

    "database of the wiki":
      itstack_postgresql.database_present:
        - name: wiki
        - owner: wiki_user
        - require:
          - itstack_postgresql: "role of the wiki"

    "fuzzy search of the wiki":
      itstack_postgresql.extension_present:
        - name: pg_trgm
        - database: wiki

    "who may come from where":
      itstack_postgresql.hba_present:
        - name: /etc/postgresql/15/main/pg_hba.conf
        - rules:
          - {type: hostssl, database: wiki, user: wiki_user, address: 10.0.50.13/32}

How the server is reached is described in the execution module of the same name.
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
from salt_itstack.errors import ItstackError, Unreachable
from salt_itstack.reconcile import converge, creation, declared
from salt_itstack.services.postgresql import hba
from salt_itstack.services.postgresql.resources import DATABASE, EXTENSION, HBA, ROLE


def _starts(profile):
    return bool(__opts__["test"] and plugin.starts_in_this_run(__opts__, __pillar__, profile))


def _present(function, name, resource, wanted, profile, extra, **options):
    wanted = declared(**wanted)

    def apply(test):
        # What is unknown is refused there, with the nearest name.
        fields = {**wanted, **plugin.own_arguments(extra)}
        return __salt__[f"itstack_postgresql.{function}"](
            name, test=test, profile=profile, **options, **fields
        )

    return converge(name, apply, __opts__["test"], creation(resource, wanted) if _starts(profile) else None)


def _absent(function, name, profile, **options):
    def apply(test):
        try:
            return __salt__[f"itstack_postgresql.{function}"](name, test=test, profile=profile, **options)
        except Unreachable:
            # On a server that this run is going to make, there is nothing to remove.
            if _starts(profile):
                return {}
            raise

    return converge(name, apply, __opts__["test"], unchanged="is absent", changed="was removed")


def role_present(
    name,
    password=None,
    login=True,
    connection_limit=None,
    member_of=None,
    superuser=False,
    create_databases=False,
    create_roles=False,
    replication=False,
    bypass_row_security=False,
    profile="postgresql",
    **kwargs,
):
    """
    Ensure that a role exists, has this password and no more rights than these.

    name
        The role.
    password
        A reference (``secret://…``, ``sdb://…``). The server only ever gets its SCRAM verifier, and gets it
        only when it keeps another one. Not managed if not given.
    login
        Whether it may log in.
    connection_limit
        How many sessions it may have at a time; -1 for no limit. Not managed if not given.
    member_of
        List of the roles that it is a member of: these and no others. Not managed if not given.
    superuser, create_databases, create_roles, replication, bypass_row_security
        Taken away unless given as ``True``.
    profile
        Which server.

    A role that was made to expire no longer does.

    .. code-block:: yaml

        wiki_user:
          itstack_postgresql.role_present:
            - password: secret://postgresql-wiki
            - connection_limit: 40
    """
    wanted = {
        "login": login,
        "password": password,
        "connection_limit": connection_limit,
        "member_of": member_of,
        "superuser": superuser,
        "create_databases": create_databases,
        "create_roles": create_roles,
        "replication": replication,
        "bypass_row_security": bypass_row_security,
        "expires": False,
    }
    return _present("role_apply", name, ROLE, wanted, profile, kwargs)


def role_absent(name, reassign_to=None, drop_owned=False, profile="postgresql", **kwargs):
    """
    Ensure that a role doesn't exist, and has no sessions.

    name
        The role. Superusers and the server's own roles are refused.
    reassign_to
        The role that gets what this one owns. While it owns anything, this or ``drop_owned`` is needed.
    drop_owned
        ``True`` drops what it owns inside databases, for good. A database itself is removed by
        ``database_absent``.
    profile
        Which server.

    .. code-block:: yaml

        wiki_user:
          itstack_postgresql.role_absent:
            - reassign_to: postgres
    """
    return _absent("role_remove", name, profile, reassign_to=reassign_to, drop_owned=drop_owned)


def database_present(
    name,
    owner=None,
    encoding="UTF8",
    locale=None,
    connection_limit=None,
    access=None,
    schema_access=None,
    profile="postgresql",
    **kwargs,
):
    """
    Ensure that a database exists, belongs to its owner, and is closed to everybody else.

    name
        The database.
    owner
        A role; whoever runs this if not given.
    encoding, locale
        Used on creation. They can't be changed later: where they differ, this fails and says so. The locale
        is the server's own if not given.
    connection_limit
        How many sessions it takes at a time; -1 for no limit. Not managed if not given.
    access
        Who else may do what, such as ``{zabbix: [CONNECT]}``. Whatever isn't in it is taken away, also from
        ``PUBLIC``, which is everybody. Empty by default.
    schema_access
        The same for schema public; by default everybody may use it (``{PUBLIC: [USAGE]}``), and nobody but
        the database's owner may create in it.
    profile
        Which server.

    .. code-block:: yaml

        wiki:
          itstack_postgresql.database_present:
            - owner: wiki_user
            - access: {zabbix: [CONNECT]}
    """
    wanted = {
        "owner": owner,
        "encoding": encoding,
        "locale": locale,
        "connection_limit": connection_limit,
        "access": access or {},
    }
    options = declared(schema_access=schema_access)
    return _present("database_apply", name, DATABASE, wanted, profile, kwargs, **options)


def database_absent(name, data_loss=False, profile="postgresql", **kwargs):
    """
    Ensure that a database doesn't exist.

    name
        The database. The server's own are refused.
    data_loss
        Has to be ``True`` where it exists: its data are gone for good.
    profile
        Which server.

    .. code-block:: yaml

        wiki:
          itstack_postgresql.database_absent:
            - data_loss: true
    """
    return _absent("database_remove", name, profile, data_loss=data_loss)


def extension_present(name, database, version=None, schema=None, profile="postgresql", **kwargs):
    """
    Ensure that an extension exists in a database.

    name
        The extension, such as ``pg_trgm``. Its files have to be installed.
    database
        Where.
    version, schema
        Not managed if not given.
    profile
        Which server.

    .. code-block:: yaml

        pg_trgm:
          itstack_postgresql.extension_present:
            - database: wiki
    """
    wanted = {"version": version, "schema": schema}
    return _present("extension_apply", name, EXTENSION, wanted, profile, kwargs, database=database)


def extension_absent(name, database, profile="postgresql", **kwargs):
    """
    Ensure that an extension doesn't exist in a database. Fails while something there uses it.

    name
        The extension.
    database
        Where.
    profile
        Which server.

    .. code-block:: yaml

        pg_trgm:
          itstack_postgresql.extension_absent:
            - database: wiki
    """
    return _absent("extension_remove", name, profile, database=database)


def hba_present(name, rules, profile="postgresql", **kwargs):
    """
    Ensure that the client authentication file has these rules, before those for everybody.

    They stand in one marked block; the rest of the file is left alone. The server checks the file before it
    reads it, and a file with an error is put back as it was.

    name
        The file, such as ``/etc/postgresql/15/main/pg_hba.conf``.
    rules
        A list of lines as in the file, or of maps with ``type`` (default ``host``), ``database``, ``user``,
        ``address``, ``method`` (default ``scram-sha-256``), ``options``. The first that matches decides. An
        empty list removes the block.
    profile
        Which server.

    .. code-block:: yaml

        /etc/postgresql/15/main/pg_hba.conf:
          itstack_postgresql.hba_present:
            - rules:
              - host wiki wiki_user 10.0.50.13/32 scram-sha-256
    """

    def apply(test):
        HBA.check(plugin.own_arguments(kwargs))
        return __salt__["itstack_postgresql.hba_apply"](name, rules, test=test, profile=profile)

    predicted = _prediction(rules) if _starts(profile) else None
    return converge(name, apply, __opts__["test"], predicted)


def _prediction(rules):
    try:
        return creation(HBA, {"rules": hba.lines(rules)}) if rules else None
    except ItstackError:
        # The execution module says the same, in its place.
        return None
