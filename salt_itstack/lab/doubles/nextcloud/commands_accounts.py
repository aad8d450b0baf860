"""user:*."""

import os
import re

from salt_itstack.lab.doubles.nextcloud import cache
from salt_itstack.lab.doubles.nextcloud import people as rules
from salt_itstack.lab.doubles.nextcloud.console import OUTPUT, Argument, Command, CommandFailed, Option

_PERMANENT = 1


def cached(run):
    """Account commands go through the distributed cache, so they fail with it."""

    def wrapped(console):
        shared = cache.distributed(console.config)
        if shared:
            try:
                shared.touch("occ/last", "1")
            finally:
                shared.close()
        return run(console)

    return wrapped


def _password(console):
    """The new password of a command's options, or None after saying what is missing."""
    if console.options.get("password-from-env"):
        password = console.environment.get("NC_PASS") or console.environment.get("OC_PASS")
        if not password:
            console.line("--password-from-env given, but NC_PASS/OC_PASS is empty!")
        return password or None
    if console.options.get("generate-password"):
        return rules.app_password()
    if console.interactive:
        password = console.ask("Enter password: ", newline=True)
        if password != console.ask("Confirm password: ", newline=True):
            console.line("Passwords did not match!")
            return None
        return password
    console.line(
        "Interactive input or --password-from-env or --generate-password is needed for setting a password!"
    )
    return None


def user_add(console):
    uid, options, people = console.arguments["uid"], console.options, console.people
    if people.find(uid):
        console.line(f'The account "{uid}" already exists.')
        return 1
    password = _password(console)
    if password is None:
        return 1
    try:
        people.add(uid, password)
    except rules.Refused as refusal:
        console.line(str(refusal))
        return 1
    console.line(f'The account "{uid}" was created successfully')
    if options["display-name"]:
        people.rename(uid, "Database", options["display-name"])
        console.line(f'Display name set to "{options["display-name"]}"')
    for gid in options["group"]:
        if not people.group(gid):
            people.add_group(gid)
            console.line(f'Created group "{gid}"')
        people.join(gid, uid)
        console.line(f'Account "{uid}" added to group "{gid}"')
    if options["email"]:
        if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", options["email"]):
            console.line(
                f'The given email address "{options["email"]}" is invalid. Email not set for the user.'
            )
            return 1
        console.database.set_preference(uid, "settings", "email", options["email"])
        if options.get("generate-password"):
            console.line(f"Welcome email sent to {options['email']}")
    return 0


def details(people, uid, shown, backend, host):
    """What user:info and user:list --info tell, without the storage."""
    database = people.database
    return {
        "user_id": uid,
        "display_name": shown,
        "email": database.preference(uid, "settings", "email", ""),
        "cloud_id": f"{uid}@{host}",
        "enabled": people.enabled(uid),
        "groups": people.groups_of(uid),
        "quota": people.quota(uid),
        "first_seen": rules.seen(database.preference(uid, "login", "firstLogin")),
        "last_seen": rules.seen(database.preference(uid, "login", "lastLogin")),
        "user_directory": people.home(uid),
        "backend": backend,
    }


def user_list(console):
    limit, offset = int(console.options["limit"] or 500), int(console.options["offset"] or 0)
    people = console.people
    rows = people.shown(limit=limit, offset=offset)
    if console.options.get("disabled"):
        rows = [row for row in rows if not people.enabled(row[0])]
    if console.options.get("info"):
        host = console.config.get("overwrite.cli.url")
        console.items({uid: details(people, uid, shown, backend, host) for uid, shown, backend in rows})
    else:
        console.items({uid: shown for uid, shown, _ in rows})
    return 0


def user_info(console):
    people = console.people
    found = people.find(console.arguments["user"])
    if not found:
        console.line("user not found")
        return 1
    told = {}
    for name, value in details(people, *found, console.config.get("overwrite.cli.url")).items():
        if name == "first_seen":
            told["storage"] = people.storage(found[0]) if os.path.isdir(people.home(found[0])) else {}
        told[name] = value
    console.items(told)
    return 0


def user_delete(console):
    found = console.people.find(console.arguments["uid"])
    if not found:
        console.line("User does not exist")
        return 0
    console.people.delete(found[0])
    console.line("The specified user was deleted")
    return 0


def _switch(enabled):
    def run(console):
        found = console.people.find(console.arguments["uid"])
        if not found:
            console.line("User does not exist")
            return 1
        console.people.enable(found[0], enabled)
        console.line(f"The specified user is {'enabled' if enabled else 'disabled'}")
        return 0

    return run


def user_resetpassword(console):
    found = console.people.find(console.arguments["user"])
    if not found:
        console.line("User does not exist")
        return 1
    password = _password(console)
    if password is None:
        return 1
    console.people.set_password(found[0], password)
    console.line(f"Successfully reset password for {found[0]}.")
    return 0


def user_setting(console):
    uid, app, name, value = (console.arguments[key] for key in ("uid", "app", "key", "value"))
    options, database = console.options, console.database
    found = console.people.find(uid)
    if not found and not options.get("ignore-missing-user"):
        console.line(f'The user "{uid}" does not exist.')
        return 1
    uid = found[0] if found else uid
    if not app or not name:
        told = database.preferences(uid)
        if app:
            told = {app: told.get(app, {})}
        elif found:
            told.setdefault("settings", {})["display_name"] = found[1]
        console.items(told)
        return 0
    kept = (
        found[1]
        if (app, name) in (("settings", "display_name"), ("user", "display_name")) and found
        else (database.preference(uid, app, name))
    )
    missing = f'The setting does not exist for user "{uid}".'
    if options.get("delete"):
        if kept is None and options.get("error-if-not-exists"):
            console.line(missing)
            return 1
        database.delete_preference(uid, app, name)
    elif value is not None:
        if options.get("update-only") and kept is None:
            console.line(missing)
            return 1
        if (app, name) == ("settings", "display_name") and found:
            console.people.rename(uid, found[2], value)
        else:
            database.set_preference(uid, app, name, value)
    elif kept is None and options["default-value"] is None:
        console.line(missing)
        return 1
    else:
        console.line(kept if kept is not None else options["default-value"])
    return 0


def token_add(console):
    found = console.people.find(console.arguments["user"])
    if not found:
        console.line("Account does not exist")
        return 1
    if console.options.get("password-from-env"):
        password = console.environment.get("NC_PASS") or console.environment.get("OC_PASS")
        if not password:
            console.line("--password-from-env given, but NC_PASS/OC_PASS is empty!")
            return 1
    elif console.interactive:
        password = console.ask("Enter the account password: ", newline=True)
    else:
        password = None
    if not password:
        console.line(
            "No password provided. The generated app password will therefore have limited capabilities."
            " Any operation"
            " that requires the login password will fail."
        )
    secret = rules.app_password()
    console.database.add_token(found[0], console.options["name"] or "cli", secret, _PERMANENT)
    console.line("app password:")
    console.line(secret)
    return 0


def token_list(console):
    found = console.people.find(console.arguments["user"])
    if not found:
        console.line("user not found")
        return 1
    console.items(
        [
            {"id": number, "name": name, "lastActivity": moment, "type": kind, "scope": {"filesystem": True}}
            for number, name, kind, moment in console.database.tokens(found[0])
        ]
    )
    return 0


def token_delete(console):
    number = console.arguments["id"]
    if number is None and console.options["last-used-before"] is None:
        raise CommandFailed(
            "Not enough arguments. Specify the token <id> or use the --last-used-before option."
        )
    if number is not None:
        removed = console.database.run(
            "DELETE FROM oc_authtoken WHERE uid = %s AND id = %s RETURNING id",
            console.arguments["uid"],
            int(number) if number.isdigit() else -1,
        )
        if not removed:
            raise CommandFailed("token does not exist", "PublicKeyTokenMapper.php line 103")
        return 0
    console.database.run(
        "DELETE FROM oc_authtoken WHERE uid = %s AND last_activity < %s",
        console.arguments["uid"],
        int(console.options["last-used-before"]),
    )
    return 0


_UID = (Argument("uid"),)
_USER = (Argument("user"),)
LIMITS = (
    Option("limit", "l", mode="optional", default="500"),
    Option("offset", "o", mode="optional", default="0"),
)
COMMANDS = (
    Command(
        "user:add",
        cached(user_add),
        (
            Option("password-from-env"),
            Option("generate-password"),
            Option("display-name", mode="optional"),
            Option("group", "g", mode="many"),
            Option("email", mode="required"),
        ),
        _UID,
    ),
    Command("user:list", cached(user_list), (Option("disabled", "d"), *LIMITS, OUTPUT, Option("info", "i"))),
    Command("user:info", cached(user_info), (OUTPUT,), _USER),
    Command("user:delete", cached(user_delete), (), _UID),
    Command("user:disable", cached(_switch(False)), (), _UID),
    Command("user:enable", cached(_switch(True)), (), _UID),
    Command("user:resetpassword", cached(user_resetpassword), (Option("password-from-env"),), _USER),
    Command(
        "user:setting",
        cached(user_setting),
        (
            OUTPUT,
            Option("ignore-missing-user"),
            Option("default-value", mode="required"),
            Option("update-only"),
            Option("delete"),
            Option("error-if-not-exists"),
        ),
        (
            Argument("uid"),
            Argument("app", required=False),
            Argument("key", required=False),
            Argument("value", required=False),
        ),
    ),
    Command(
        "user:auth-tokens:add",
        cached(token_add),
        (Option("password-from-env"), Option("name", mode="required")),
        _USER,
    ),
    Command("user:auth-tokens:list", cached(token_list), (OUTPUT,), _USER),
    Command(
        "user:auth-tokens:delete",
        cached(token_delete),
        (Option("last-used-before", mode="required"), Option("cancel-wipe")),
        (Argument("uid"), Argument("id", required=False)),
    ),
)
