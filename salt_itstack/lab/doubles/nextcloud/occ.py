"""occ: finds the command, checks what the server needs, runs it, and words failures as the real one does."""

import os
import sys

from salt_itstack.lab.doubles.nextcloud import (
    cache,
    commands_accounts,
    commands_apps,
    commands_groups,
    commands_oidc,
    commands_setup,
    commands_system,
    console,
)
from salt_itstack.lab.doubles.nextcloud import database as db
from salt_itstack.lab.doubles.nextcloud.installation import VERSION, VERSION_STRING, Installation

COMMANDS = {
    command.name: command
    for module in (
        commands_system,
        commands_setup,
        commands_apps,
        commands_accounts,
        commands_groups,
        commands_oidc,
    )
    for command in module.COMMANDS
}
ALIASES = {"user:add-app-password": "user:auth-tokens:add"}
_HELP = (
    f"Nextcloud {VERSION_STRING}\n\nUsage:\n  command [options] [arguments]\n\nOptions:\n"
    "  -h, --help            Display help for the given command\n"
    "  -V, --version         Display this application version\n"
    "  -n, --no-interaction  Do not ask any interactive question\n\nAvailable commands:\n"
)


def main(root, arguments, streams=None, environment=None):
    """Run one occ call.

    root: the installation's folder. arguments: the words after ``occ``. streams: (stdin, stdout, stderr),
    default this process's. environment: mapping, default this process's. Returns the exit code.
    """
    streams = streams or (sys.stdin, sys.stdout, sys.stderr)
    environment = os.environ if environment is None else environment
    try:
        installation = Installation(root)
        owner = _foreign_owner(installation.config.path)
        if owner is not None:
            streams[1].write(owner)
            return 1
        _start(installation)
    except console.Unhandled as failure:
        streams[1].write(f"An unhandled exception has been thrown:\n{failure}\n")
        return 1
    except ValueError as failure:
        streams[1].write(f"An unhandled exception has been thrown:\nParseError: {failure}\n")
        return 1
    try:
        return _dispatch(installation, list(arguments), streams, environment) & 0xFF
    finally:
        installation.close()
        streams[1].flush()


def _foreign_owner(path):
    """The refusal when occ doesn't run as the owner of the configuration, else None."""
    if not os.path.exists(path) or os.stat(path).st_uid == os.getuid():
        return None
    owner = os.stat(path).st_uid
    return (
        "Console has to be executed with the user that owns the file config/config.php\n"
        f"Current user id: {os.getuid()}\nOwner id of config.php: {owner}\n"
        f"Try adding 'sudo -u #{owner}' to the beginning of the command (without the single quotes)\n"
    )


def _start(installation):
    if not installation.installed:
        return
    try:
        installation.start()
    except cache.Unavailable as failure:
        raise console.Unhandled(f"OCP\\HintException: [0]: {failure}")
    except db.Unreachable as failure:
        raise console.Unhandled(unreachable(installation.root, failure))
    except db.QueryFailed as failure:
        raise console.Unhandled(
            f"OC\\DB\\Exceptions\\DbalException: An exception occurred while executing a query: {failure}"
        )
    if installation.newer:
        found = installation.config.get("version")
        raise console.Unhandled(
            f"OCP\\HintException: [0]: Downgrading Nextcloud from {found} to {VERSION} is not supported"
            f" and may"
            " corrupt your instance (database and data directory). Restore a full backup (code, database,"
            " and data"
            " directory) taken before the change, or restore the previous codebase so that it matches the"
            " installed"
            f" version (version {found}). ()"
        )


def unreachable(root, failure):
    """The text of the exception for a database that can't be reached."""
    return (
        "Doctrine\\DBAL\\Exception: Failed to connect to the database: An exception occurred in the driver:"
        f" SQLSTATE[08006] [7] {failure} in {root}/lib/private/DB/Connection.php:229\nStack trace:\n#0"
        f" {{main}}"
    )


def _dispatch(installation, tokens, streams, environment):
    _, stdout, stderr = streams
    name = console.first_argument(tokens)
    available = _available(installation, name, stderr)
    if console.flag(tokens, "--version", "-V"):
        stdout.write(f"Nextcloud {VERSION_STRING}\n")
        return 0
    if name is None:
        stdout.write(_HELP + "".join(f"  {known}\n" for known in sorted(available)))
        return 0
    command = available.get(ALIASES.get(name, name))
    if command is None:
        if sum(known.startswith(name) for known in available) > 1 and ":" in name:
            stderr.write(_HELP)
            return 1
        stderr.write(console.frame(console.unknown(name, available)) + "\n")
        return 1
    if console.flag(tokens, "--help", "-h"):
        stdout.write(f"Usage:\n  {command.synopsis()}\n")
        return 0
    return _run(command, installation, tokens, streams, environment)


def _available(installation, name, stderr):
    """The commands that exist in the server's present condition; says on standard error why there are few."""
    if not installation.installed:
        if name != "maintenance:install":
            stderr.write("Nextcloud is not installed - only a limited number of commands are available\n")
        return {known: command for known, command in COMMANDS.items() if not command.installed}
    commands = {known: command for known, command in COMMANDS.items() if known != "maintenance:install"}
    if installation.needs_upgrade:
        if name != "upgrade":
            stderr.write(
                "Nextcloud or one of the apps require upgrade - only a limited number of commands are"
                " available\n"
                "You may use your browser or the occ upgrade command to do the upgrade\n"
            )
    elif installation.maintenance:
        if name not in ("maintenance:mode", "status"):
            stderr.write(
                "Nextcloud is in maintenance mode, no apps are loaded.\n"
                "Commands provided by apps are unavailable.\n"
            )
    else:
        return {
            known: command
            for known, command in commands.items()
            if not command.app or installation.app_enabled(command.app)
        }
    return {known: command for known, command in commands.items() if not command.app}


def _run(command, installation, tokens, streams, environment):
    _, stdout, stderr = streams
    try:
        options, arguments = console.parse(command, tokens)
        interactive = not console.flag(tokens, "-n", "--no-interaction", "-q", "--quiet")
        bound = console.Console(installation, options, arguments, streams, environment, interactive)
        return command.run(bound) or 0
    except console.CommandFailed as failure:
        stdout.flush()
        stderr.write(console.frame(str(failure), failure.where) + command.synopsis() + "\n\n")
        return failure.code
    except cache.CacheFailure as failure:
        stderr.write(console.frame(str(failure), "Redis.php line 63") + command.synopsis() + "\n\n")
        return 1
    except db.Unreachable as failure:
        stdout.write(f"An unhandled exception has been thrown:\n{unreachable(installation.root, failure)}\n")
        return 1
    except db.QueryFailed as failure:
        message = f"An exception occurred while executing a query: {failure}"
        stderr.write(console.frame(message, "DbalException.php line 51") + command.synopsis() + "\n\n")
        return 1 if failure.sqlstate != "23505" else 7
