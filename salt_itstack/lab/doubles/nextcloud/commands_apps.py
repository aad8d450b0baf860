"""app:*: the apps that lie in the folder; there is no app store."""

from salt_itstack.lab.doubles.nextcloud.console import OUTPUT, Argument, Command, Option
from salt_itstack.lab.doubles.nextcloud.installation import APPS

_RESTRICTED = {"filesystem", "prelogin", "authentication", "logging", "prevent_group_restriction"}


def app_list(console):
    enabled, disabled = {}, {}
    for app in sorted(APPS):
        version = APPS[app][0]
        if console.installation.app_enabled(app):
            enabled[app] = version
        else:
            known = console.database.app_value(app, "installed_version")
            disabled[app] = f"{version} (installed {known})" if known else version
    found = {"enabled": enabled, "disabled": disabled}
    if console.options.get("enabled"):
        del found["disabled"]
    elif console.options.get("disabled"):
        del found["enabled"]
    if console.options["output"] in ("json", "json_pretty"):
        console.value(found)
        return 0
    for word, apps in found.items():
        console.line(f"{word.capitalize()}:")
        console.items(apps)
    return 0


def enable(console):
    failures = 0
    groups = [gid for gid in console.options["groups"] if gid and console.people.group(gid)]
    for app in console.arguments["app-id"]:
        failures += _enable(console, app, groups)
    return 1 if failures else 0


def _enable(console, app, groups):
    database = console.database
    if app not in APPS:
        console.line(f"Could not download app {app}, it was not found on the appstore")
        return 1
    version, _, _, types = APPS[app]
    if not groups and database.app_value(app, "enabled") == "yes":
        console.line(f"{app} already enabled")
        return 0
    if database.app_value(app, "installed_version") is None:
        database.set_app_value(app, "installed_version", version)
    if groups and _RESTRICTED & set(types.split(",")):
        # Measured: the refusal leaves the app disabled.
        database.set_app_value(app, "enabled", "no")
        console.line(f"{app} can't be enabled for groups.")
        return 1
    database.set_app_value(app, "enabled", "yes" if not groups else '["' + '","'.join(groups) + '"]')
    database.set_app_value(app, "types", types)
    if groups:
        console.line(f"{app} {version} enabled for groups: {', '.join(groups)}")
    else:
        console.line(f"{app} {version} enabled")
    return 0


def disable(console):
    worst = 0
    for app in console.arguments["app-id"]:
        if app not in APPS or not console.installation.app_enabled(app):
            console.line(f"No such app enabled: {app}")
        elif APPS[app][2]:
            console.line(f"{app} can't be disabled.")
            worst = 2
        else:
            console.database.set_app_value(app, "enabled", "no")
            console.line(f"{app} {APPS[app][0]} disabled")
    return worst


def install(console):
    app = console.arguments["app-id"]
    if app in APPS:
        console.line(f"{app} already installed")
    else:
        console.line(f"Error: Could not download app {app}, it was not found on the appstore")
    return 1


_IDS = (Argument("app-id", many=True),)
COMMANDS = (
    Command(
        "app:list",
        app_list,
        (OUTPUT, Option("shipped", mode="required"), Option("enabled"), Option("disabled")),
    ),
    Command("app:enable", enable, (Option("groups", "g", mode="many"), Option("force", "f")), _IDS),
    Command("app:disable", disable, (), _IDS),
    Command(
        "app:install",
        install,
        (Option("keep-disabled"), Option("force", "f"), Option("allow-unstable")),
        (Argument("app-id"),),
    ),
)
