"""
Salt's ``service`` functions where no systemd runs: unit files are run by a process supervisor.

Put behind ``service.*`` by the minion's configuration: ``providers: {service: itstack_lab_service}``.
"""

import os
import pathlib
import shlex
import subprocess
import sys
import xmlrpc.client

from salt.exceptions import CommandExecutionError

from salt_itstack.lab import client, inside, units
from salt_itstack.lab.errors import tail

__func_alias__ = {"reload_": "reload"}

FOLDER = pathlib.Path(inside.PROGRAM_FOLDER)

# of the supervisor's faults
BAD_NAME, NOT_RUNNING, ALREADY_STARTED, ALREADY_ADDED = 10, 70, 60, 90
LAUNCHER = "-m salt_itstack.lab.launch"


def __virtual__():
    """
    Only in a server of the lab.
    """
    if os.path.exists(client.SUPERVISOR_SOCKET):
        return "itstack_lab_service"
    return False, "this isn't a server of the lab: its supervisor doesn't run"


def _unit(name):
    try:
        return units.load(name)
    except units.UnitError as problem:
        raise CommandExecutionError(str(problem)) from None


def _parts(name):
    """The units behind a name: itself, or the members of a group."""
    unit = _unit(name)
    if not unit.members:
        return [unit]
    return [part for member in unit.members for part in _parts(member)]


def _supervisor():
    return client.supervisor().supervisor


def _state(name):
    """The supervisor's word for a program's state; empty when it has never been started."""
    try:
        return _supervisor().getProcessInfo(name)["statename"]
    except xmlrpc.client.Fault as fault:
        if fault.faultCode == BAD_NAME:
            return ""
        raise


def _options(unit):
    kind = unit.one("Type", "simple")
    if kind not in {"simple", "exec", "notify", "notify-reload", "idle"}:
        raise CommandExecutionError(
            f"{unit.file}: Type={kind} can't be supervised in the lab; use one that stays in the foreground"
        )
    again = {
        "always": "true",
        "on-failure": "unexpected",
        "on-abort": "unexpected",
        "on-abnormal": "unexpected",
    }
    group = unit.one("KillMode", "control-group") == "control-group"
    timeout = unit.one("TimeoutStopSec", "20").removesuffix("s")
    return {
        "autorestart": again.get(unit.one("Restart", "no"), "false"),
        "stopsignal": unit.one("KillSignal", "TERM").removeprefix("SIG"),
        "stopasgroup": str(group).lower(),
        "stopwaitsecs": min(int(timeout), 60) if timeout.isdigit() and int(timeout) else 20,
        # 143: ended by SIGTERM, as Java does
        "exitcodes": "0,143",
    }


def _define(unit):
    """Make the supervisor know the unit as its file describes it now."""
    path = FOLDER / f"{unit.name}.conf"
    command = f"{sys.executable} {LAUNCHER} {shlex.quote(unit.name)}"
    text = inside.program(unit.name, command, **_options(unit))
    supervisor = _supervisor()
    if not path.exists() or path.read_text() != text:
        path.write_text(text)
        supervisor.reloadConfig()
        if _state(unit.name):
            supervisor.removeProcessGroup(unit.name)
    try:
        supervisor.addProcessGroup(unit.name)
    except xmlrpc.client.Fault as fault:
        if fault.faultCode != ALREADY_ADDED:
            raise


def _log(name):
    return f"{inside.LOG_FOLDER}/{name}.log"


def available(name):
    """
    Whether there is a unit file of this name.

    CLI Example:

    .. code-block:: bash

        salt lab-db1 service.available redis-server
    """
    return units.find(name) is not None


def missing(name):
    """
    The opposite of :func:`available`.
    """
    return not available(name)


def offline():
    """
    Always False: without this function the service state would take the lab for a system that isn't booted.
    """
    return False


def status(name, sig=None):
    """
    Whether the service, or every service of the group, runs.

    CLI Example:

    .. code-block:: bash

        salt lab-db1 service.status redis-server
    """
    return available(name) and all(_state(unit.name) == "RUNNING" for unit in _parts(name))


def start(name, **kwargs):
    """
    Start the service and wait until it runs.

    Raises CommandExecutionError with the end of the service's own log when it doesn't.

    CLI Example:

    .. code-block:: bash

        salt lab-db1 service.start redis-server
    """
    for unit in _parts(name):
        if _state(unit.name) == "RUNNING":
            continue
        _define(unit)
        try:
            _supervisor().startProcess(unit.name, True)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode == ALREADY_STARTED:
                continue
            raise CommandExecutionError(
                f"{unit.name} doesn't start ({fault.faultString}); the end of {_log(unit.name)}:\n"
                f"{tail(_log(unit.name))}"
            ) from None
    return True


def stop(name, **kwargs):
    """
    Stop the service and wait until it has ended.

    CLI Example:

    .. code-block:: bash

        salt lab-db1 service.stop redis-server
    """
    for unit in reversed(_parts(name)):
        try:
            _supervisor().stopProcess(unit.name, True)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode not in {NOT_RUNNING, BAD_NAME}:
                raise CommandExecutionError(f"{unit.name} doesn't stop: {fault.faultString}") from None
    return True


def restart(name, **kwargs):
    """
    Stop and start the service, with its unit file as it is now.

    CLI Example:

    .. code-block:: bash

        salt lab-db1 service.restart redis-server
    """
    stop(name)
    return start(name)


def reload_(name, **kwargs):
    """
    Let the service read its configuration again, as its ExecReload says, else by SIGHUP.

    CLI Example:

    .. code-block:: bash

        salt lab-db1 service.reload postgresql
    """
    for unit in _parts(name):
        if _state(unit.name) != "RUNNING":
            raise CommandExecutionError(f"{unit.name} doesn't run, so it can't be reloaded")
        process = _supervisor().getProcessInfo(unit.name)["pid"]
        variables = {**client.plain_environment(), "MAINPID": str(process)}
        for line in unit.all("ExecReload") or ["/bin/kill -HUP $MAINPID"]:
            words, prefixes = units.command(line, variables)
            done = subprocess.run(words, env=variables, capture_output=True, text=True, check=False)
            if done.returncode and units.MAY_FAIL not in prefixes:
                raise CommandExecutionError(
                    f"{unit.name}: {line} ended with {done.returncode}: {done.stderr}"
                )
    return True


def systemctl_reload():
    """
    Nothing to do: unit files are read at each start.
    """
    return True


def _link(name):
    return pathlib.Path(units.WANTS) / f"{units.short(name)}.service"


def enabled(name, **kwargs):
    """
    Whether the service is to start with the server.
    """
    return os.path.lexists(_link(name))


def disabled(name):
    """
    The opposite of :func:`enabled`.
    """
    return not enabled(name)


def enable(name, **kwargs):
    """
    Note that the service is to start with the server, as systemd notes it.
    """
    unit = _unit(name)
    link = _link(name)
    link.parent.mkdir(parents=True, exist_ok=True)
    if not os.path.lexists(link):
        link.symlink_to(unit.file)
    return True


def disable(name, **kwargs):
    """
    Take back :func:`enable`.
    """
    _link(name).unlink(missing_ok=True)
    return True


def get_all():
    """
    Every service that has a unit file.
    """
    return units.names()


def get_enabled(**kwargs):
    """
    Every service that is to start with the server.
    """
    return [name for name in get_all() if enabled(name)]


def get_disabled(**kwargs):
    """
    Every service that isn't to start with the server.
    """
    return [name for name in get_all() if not enabled(name)]


def get_running():
    """
    Every service that runs.
    """
    return sorted(
        process["name"] for process in _supervisor().getAllProcessInfo() if process["statename"] == "RUNNING"
    )
