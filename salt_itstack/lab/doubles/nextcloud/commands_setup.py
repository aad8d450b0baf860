"""maintenance:install on PostgreSQL, the only database type that the double has."""

import os
import re
import secrets
import string
import time

import psycopg
from psycopg import sql

from salt_itstack.lab.doubles.nextcloud import database as db
from salt_itstack.lab.doubles.nextcloud.console import Command, CommandFailed, Option
from salt_itstack.lab.doubles.nextcloud.installation import APPS, VERSION
from salt_itstack.lab.doubles.nextcloud.people import ADMIN, People


class SetupFailed(Exception):
    """What the installer prints before it exits with 1."""


def install(console):
    """Missing passwords are asked for: a prompt on standard error, an answer line on standard input, the
    database's first. Without a terminal the lines are read from a pipe just the same; with ``-n`` nothing is
    asked."""
    options = console.options
    kind = options["database"].lower()
    if kind != "pgsql":
        raise CommandFailed(
            f"Database <{kind}> is not supported. pgsql are supported.", "Install.php line 120"
        )
    if options["database-user"] is None:
        raise CommandFailed("Database user not provided.", "Install.php line 141")
    if options["database-name"] is None:
        raise CommandFailed("Database name not provided.", "Install.php line 144")
    password = options["database-pass"]
    if password is None:
        password = console.ask(
            f"What is the password to access the database with user <{options['database-user']}>?",
            newline=True,
        )
    admin_password = options["admin-pass"]
    if admin_password is None:
        admin_password = console.ask(
            f"What is the password you like to use for the admin account <{options['admin-user']}>?",
            newline=True,
        )
    if options["admin-email"] and not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", options["admin-email"]):
        raise CommandFailed(
            f"Invalid e-mail-address <{options['admin-email']}> for <{options['admin-user']}>.",
            "Install.php line 170",
        )
    try:
        _install(console, password or "", admin_password or "")
    except SetupFailed as failure:
        console.line(str(failure))
        return 1
    console.line("Nextcloud was successfully installed")
    return 0


def _install(console, password, admin_password):
    options, config = console.options, console.config
    if not options["admin-user"]:
        raise SetupFailed("Set an admin Login.")
    if not admin_password:
        raise SetupFailed("Set an admin password.")
    data = options["data-dir"] or os.path.join(console.installation.root, "data")
    try:
        os.makedirs(data, mode=0o770, exist_ok=True)
        with open(os.path.join(data, ".ncdata"), "w", encoding="utf-8") as file:
            file.write("# Nextcloud data directory\n")
    except OSError:
        raise SetupFailed(f"Cannot create or write into the data directory {data}")
    host = options["database-host"]
    if options["database-port"]:
        host = f"{host}:{options['database-port']}"
    for name, value in (
        ("passwordsalt", _random(30)),
        ("secret", _random(48)),
        ("trusted_domains", ["localhost"]),
        ("datadirectory", data),
        ("dbtype", "pgsql"),
        ("version", VERSION),
        ("overwrite.cli.url", "http://localhost"),
        ("instanceid", config.get("instanceid") or "oc" + _random(10).lower()),
        ("dbname", options["database-name"]),
        ("dbhost", host),
        ("dbtableprefix", "oc_"),
        ("dbuser", options["database-user"]),
        ("dbpassword", password),
    ):
        config.put([name], value)
    # As on the real server, a failed installation leaves these values behind and may be tried again.
    config.save()
    _own_role(config, options["admin-user"])
    database = _fill(config)
    _first_person(database, data, options, admin_password)
    database.close()
    config.put(["updater.release.channel"], "git")
    config.put(["installed"], True)
    config.save()


def _random(length):
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(length))


def _connect(config):
    try:
        return db.connect(config)
    except db.Unreachable as failure:
        raise SetupFailed(
            "Error while trying to create admin account: An exception occurred in the driver:"
            f" SQLSTATE[08006] [7] {failure}\nTrace: #0 {{main}}"
        )


def _own_role(config, admin):
    """A role that may create roles is swapped for a new one of its own, as the real installer does."""
    with _connect(config) as connection:
        row = connection.execute(
            "SELECT rolcreaterole OR rolsuper FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
        if not row or not row[0]:
            return
        name, number = f"oc_{admin}", 1
        while connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,)).fetchone():
            name, number = f"oc_{admin}{number}", number + 1
        password = _random(30)
        try:
            connection.execute(
                sql.SQL("CREATE USER {} CREATEDB PASSWORD {}").format(
                    sql.Identifier(name), sql.Literal(password)
                )
            )
            connection.execute(sql.SQL("GRANT CREATE ON SCHEMA public TO {}").format(sql.Identifier(name)))
        except psycopg.Error as failure:
            raise SetupFailed(f"Error while trying to create admin account: {failure}")
    config.put(["dbuser"], name)
    config.put(["dbpassword"], password)
    config.save()


def _fill(config):
    database = db.Database(_connect(config))
    try:
        # An installation over an old database's tables starts from nothing.
        for table in db.TABLES:
            database.run(f"DROP TABLE IF EXISTS {table.split()[0]}")
        database.create_tables()
    except db.QueryFailed as failure:
        database.close()
        raise SetupFailed(
            "Error while trying to initialise the database: An exception occurred while executing a query:"
            f" {failure}\nTrace: #0 {{main}}"
        )
    now = time.time()
    database.set_app_value("core", "installedat", f"{now:.4f}")
    database.set_app_value("core", "lastupdatedat", str(int(now)), db.INTEGER)
    database.set_app_value("core", "vendor", "nextcloud")
    database.set_app_value("core", "public_files", "files_sharing/public.php")
    for app, (version, enabled, _, types) in APPS.items():
        if enabled:
            database.set_app_value(app, "installed_version", version)
            database.set_app_value(app, "types", types)
            database.set_app_value(app, "enabled", "yes")
    return database


def _first_person(database, data, options, admin_password):
    people = People(database, data)
    uid = options["admin-user"]
    people.add(uid, admin_password)
    people.add_group(ADMIN)
    people.join(ADMIN, uid)
    if options["admin-email"]:
        database.set_preference(uid, "settings", "email", options["admin-email"])
    people.logged_in(uid)


COMMANDS = (
    Command(
        "maintenance:install",
        install,
        (
            Option("database", mode="required", default="sqlite"),
            Option("database-name", mode="required"),
            Option("database-host", mode="required", default="localhost"),
            Option("database-port", mode="required"),
            Option("database-user", mode="required"),
            Option("database-pass", mode="optional"),
            Option("database-table-space", mode="optional"),
            Option("admin-user", mode="required", default="admin"),
            Option("admin-pass", mode="required"),
            Option("admin-email", mode="optional"),
            Option("data-dir", mode="required"),
        ),
        installed=False,
    ),
)
