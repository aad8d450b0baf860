"""status, config:* and maintenance:mode."""

import json
import os

from salt_itstack.lab.doubles.nextcloud import database as db
from salt_itstack.lab.doubles.nextcloud import phpvalues, systemconfig
from salt_itstack.lab.doubles.nextcloud.console import OUTPUT, Argument, Command, CommandFailed, Option


def status(console):
    """Exit 0; with ``-e`` no output and 1 in maintenance, 2 when an upgrade is needed."""
    values = console.installation.status()
    if console.options.get("exit-code"):
        return 2 if values["needsDbUpgrade"] else int(values["maintenance"])
    console.items(values)
    return 0


def system_get(console):
    exists, value = console.config.at(console.arguments["name"])
    if not exists:
        if console.options["default-value"] is None:
            return 1
        value = console.options["default-value"]
    console.value(value)
    return 0


def _cast(kind, text):
    """(value, how the command names it). Raises CommandFailed for what the type doesn't take."""
    if kind in ("integer", "int", "double", "float"):
        try:
            number = float(text)
        except (TypeError, ValueError):
            line = 20 if kind in ("integer", "int") else 28
            raise CommandFailed("Non-numeric value specified", f"CastHelper.php line {line}")
        if kind in ("integer", "int"):
            return int(number), f"integer {int(number)}"
        return number, f"double {phpvalues.to_json(number)}"
    if kind in ("boolean", "bool"):
        if text.lower() not in ("true", "false"):
            raise CommandFailed("Unable to parse value as boolean", "CastHelper.php line 49")
        return text.lower() == "true", f"boolean {text.lower()}"
    if kind == "null":
        return None, "null"
    if kind == "string":
        return text, "empty string" if text == "" else f"string {text}"
    if kind == "json":
        try:
            value = phpvalues.normalise(json.loads(text))
        except ValueError:
            value = None
        return value, f"json {phpvalues.to_json(value)}"
    raise CommandFailed("Invalid type", "CastHelper.php line 73")


def system_set(console):
    path = console.arguments["name"]
    value, shown = _cast(console.options["type"], console.options["value"] or "")
    if console.options.get("update-only") and not console.config.at(path)[0]:
        raise CommandFailed("Config parameter does not exist", "SetConfig.php line 77")
    console.config.put(path, value)
    console.config.save()
    console.line(f"System config value {' => '.join(path)} set to {shown}")
    return 0


def system_delete(console):
    path = console.arguments["name"]
    shown = " => ".join(path)
    if console.config.drop(path):
        console.config.save()
    elif console.options.get("error-if-not-exists"):
        console.line(f"System config {shown} could not be deleted because it did not exist")
        return 1
    console.line(f"System config value {shown} deleted")
    return 0


def app_get(console):
    app, name = console.arguments["app"], console.arguments["name"]
    found = console.database.app_values(app).get(name)
    if found is None:
        if console.options["default-value"] is None:
            return 1
        console.value(console.options["default-value"])
        return 0
    text, kind, lazy, sensitive = found
    if console.options.get("details"):
        console.value(
            {
                "app": app,
                "key": name,
                "value": text,
                "type": db.TYPE_NAMES[kind],
                "lazy": lazy,
                "sensitive": sensitive,
            }
        )
        return 0
    console.value(text)
    return 0


def _app_text(kind, text):
    if kind == db.INTEGER:
        if not text.lstrip("-").isdigit():
            raise CommandFailed("Value is not an integer", "ConfigManager.php line 246")
        return str(int(text))
    if kind == db.FLOAT:
        try:
            float(text)
        except ValueError:
            raise CommandFailed("Value is not a float", "ConfigManager.php line 252")
        return text
    if kind == db.BOOLEAN:
        if text.lower() not in ("true", "false", "1", "0"):
            raise CommandFailed("Value is not a boolean", "ConfigManager.php line 258")
        return "1" if text.lower() in ("true", "1") else "0"
    if kind == db.ARRAY:
        try:
            value = json.loads(text)
        except ValueError:
            raise CommandFailed("Value is not an array", "ConfigManager.php line 264")
        return json.dumps(value, separators=(",", ":"))
    return text


def app_set(console):
    app, name, options = console.arguments["app"], console.arguments["name"], console.options
    found = console.database.app_values(app).get(name)
    if found is None and options.get("update-only"):
        console.line(f"Config value {name} for app {app} not updated, as it has not been set before.")
        return 1
    if found is None and options["value"] is None:
        raise CommandFailed("unknown config key", "AppConfig.php line 240")
    old, old_kind, lazy, sensitive = found or (None, db.MIXED, False, False)
    wanted = db.TYPES.get(options["type"] or "", None)
    if options["type"] and wanted is None:
        raise CommandFailed("Unknown type", "AppConfig.php line 240")
    kind = wanted or old_kind
    if found and kind != old_kind:
        console.line(f"You are about to set config value {app}/{name} as {db.TYPE_NAMES[kind].upper()}\n")
        console.line("This might break thing, affect performance on your instance or its security!")
        if console.ask("Confirm this action by typing 'yes': ") != "yes":
            return 1
    new_lazy = lazy if options.get("lazy") is None else options["lazy"]
    new_sensitive = sensitive if options.get("sensitive") is None else options["sensitive"]
    text = old if options["value"] is None else _app_text(kind, options["value"])
    if found == (text, kind, new_lazy, new_sensitive):
        console.line("Config value were not updated")
        return 0
    console.database.set_app_value(app, name, text, kind, new_lazy, new_sensitive)
    shown = "<sensitive>" if new_sensitive else text
    console.line(
        f"Config value '{name}' for app '{app}' is now set to '{shown}', stored as {db.TYPE_NAMES[kind]}"
        f" in {'lazy' if new_lazy else 'fast'} cache"
    )
    return 0


def app_delete(console):
    app, name = console.arguments["app"], console.arguments["name"]
    if console.database.app_value(app, name) is None and console.options.get("error-if-not-exists"):
        console.line(f"Config {name} of app {app} could not be deleted because it did not exist")
        return 1
    console.database.delete_app_value(app, name)
    console.line(f"Config value {name} of app {app} deleted")
    return 0


def _app_listing(console, app, private):
    return {
        name: systemconfig.MASK if sensitive and not private else db.typed(text, kind)
        for name, (text, kind, _, sensitive) in console.database.app_values(app).items()
    }


def config_list(console):
    app, private = console.arguments["app"] or "all", console.options.get("private")
    found = {}
    if app in ("all", "system"):
        found["system"] = console.config.values if private else console.config.masked()
    if app == "all":
        found["apps"] = {
            name: _app_listing(console, name, private) for name in console.database.apps_with_values()
        }
    elif app != "system":
        found["apps"] = {app: _app_listing(console, app, private)}
    console.options["output"] = "json" if console.options["output"] == "json" else "json_pretty"
    console.value(found)
    return 0


def config_import(console):
    path = console.arguments["file"]
    try:
        if path:
            with open(path, encoding="utf-8") as file:
                text = file.read()
        else:
            text = console.stdin.read()
    except OSError:
        console.line(f"File {path} does not exist or is not readable")
        return 1
    try:
        content = json.loads(text)
    except ValueError:
        console.line("The file must contain a valid json array")
        return 1
    problem = _import_problem(content)
    if problem:
        console.line(problem)
        return 1
    for name, value in (content.get("system") or {}).items():
        if value is None:
            console.config.drop([name])
        else:
            console.config.put([name], phpvalues.normalise(value))
    if content.get("system"):
        console.config.save()
    for app, values in (content.get("apps") or {}).items():
        for name, value in values.items():
            if value is None:
                console.database.delete_app_value(app, name)
            else:
                console.database.set_app_value(app, name, str(value))
    console.line(f"Config successfully imported from: {path or ''}")
    return 0


def _import_problem(content):
    if not isinstance(content, dict):
        return "The file must contain a valid json array"
    foreign = sorted(set(content) - {"system", "apps"})
    if foreign:
        return f"Found invalid entries in root: {', '.join(foreign)}"
    for app, values in (content.get("apps") or {}).items():
        for name, value in values.items():
            if value is not None and (isinstance(value, bool) or not isinstance(value, (int, str))):
                return (
                    f'Invalid app config value for "{app}":"{name}". Only integers, strings and null (delete)'
                    " are allowed."
                )
    return ""


def maintenance_mode(console):
    on = console.installation.maintenance
    for wanted, option, word in ((True, "on", "enabled"), (False, "off", "disabled")):
        if console.options.get(option):
            if on == wanted:
                console.line(f"Maintenance mode already {word}")
            else:
                console.config.put(["maintenance"], wanted)
                console.config.save()
                console.line(f"Maintenance mode {word}")
            return 0
    console.line(f"Maintenance mode is currently {'enabled' if on else 'disabled'}")
    return 0


def upgrade(console):
    if not console.installation.needs_upgrade:
        console.line(
            "No upgrade required.\n\nNote: This command triggers the upgrade actions associated with a"
            " new version."
            " The new version's updated source files must be deployed in advance.\nSee the upgrade"
            " documentation:"
            " https://docs.nextcloud.com/server/35/go.php?to=admin-update for more information."
        )
        return 0
    console.config.put(["version"], console.installation.status()["version"])
    console.config.put(["maintenance"], False)
    console.config.save()
    console.line(
        "Setting log level to debug\nTurned on maintenance mode\nUpdating database schema\nUpdated database\n"
        "Update successful\nTurned off maintenance mode\nResetting log level"
    )
    return 0


def certificates(console):
    console.value([{"name": name} for name in sorted(_imported(console))])
    return 0


def _uploads(console):
    return os.path.join(str(console.config.get("datadirectory")), "files_external", "uploads")


def _imported(console):
    return os.listdir(_uploads(console)) if os.path.isdir(_uploads(console)) else []


def certificates_import(console):
    path = console.arguments["path"]
    try:
        with open(path, encoding="ascii") as file:
            text = file.read()
    except (OSError, ValueError):
        console.line("Certificate not found, please provide a path accessible by the web server user")
        return 1
    os.makedirs(_uploads(console), exist_ok=True)
    with open(os.path.join(_uploads(console), os.path.basename(path)), "w", encoding="ascii") as file:
        file.write(text)
    return 0


def certificates_remove(console):
    name = console.arguments["name"]
    if name in _imported(console):
        os.unlink(os.path.join(_uploads(console), name))
    return 0


_NAME = Argument("name", many=True)
_APP_NAME = (Argument("app"), Argument("name"))
_DEFAULT = Option("default-value", mode="optional")
_ERROR_IF = Option("error-if-not-exists")
COMMANDS = (
    Command("status", status, (OUTPUT, Option("exit-code", "e")), installed=False),
    Command("config:system:get", system_get, (OUTPUT, _DEFAULT), (_NAME,)),
    Command(
        "config:system:set",
        system_set,
        (
            OUTPUT,
            Option("type", mode="required", default="string"),
            Option("value", mode="required"),
            Option("update-only"),
        ),
        (_NAME,),
    ),
    Command("config:system:delete", system_delete, (OUTPUT, _ERROR_IF), (_NAME,)),
    Command("config:app:get", app_get, (OUTPUT, Option("details"), _DEFAULT), _APP_NAME),
    Command(
        "config:app:set",
        app_set,
        (
            OUTPUT,
            Option("value", mode="required"),
            Option("type", mode="required"),
            Option("lazy", mode="negatable"),
            Option("sensitive", mode="negatable"),
            Option("internal"),
            Option("update-only"),
        ),
        _APP_NAME,
    ),
    Command("config:app:delete", app_delete, (OUTPUT, _ERROR_IF), _APP_NAME),
    Command("config:list", config_list, (OUTPUT, Option("private")), (Argument("app", required=False),)),
    Command("config:import", config_import, (), (Argument("file", required=False),)),
    Command("maintenance:mode", maintenance_mode, (Option("on"), Option("off"))),
    Command("upgrade", upgrade),
    Command("security:certificates", certificates, (OUTPUT,)),
    Command("security:certificates:import", certificates_import, (), (Argument("path"),)),
    Command("security:certificates:remove", certificates_remove, (), (Argument("name"),)),
)
