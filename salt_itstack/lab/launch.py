"""
Become the process that a unit file describes: `python -m salt_itstack.lab.launch NAME`.

The supervisor starts this instead of the service itself, so environment files, secrets in them, users
and limits are read at each start, as systemd does, and none of it lies in the supervisor's configuration.
"""

from __future__ import annotations

import grp
import os
import pwd
import resource
import subprocess
import sys

from . import units

FOLDERS = {
    "RuntimeDirectory": "/run",
    "StateDirectory": "/var/lib",
    "CacheDirectory": "/var/cache",
    "LogsDirectory": "/var/log",
    "ConfigurationDirectory": "/etc",
}
ROOT_PREFIXES = {"+", "!"}


def account(unit: units.Unit) -> tuple[str, int, int]:
    """The user's name, user id and group id that the unit runs with."""
    user = unit.one("User", "root")
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise units.UnitError(f"{unit.file}: User={user} doesn't exist on this server") from None
    group = unit.one("Group")
    if not group:
        return user, entry.pw_uid, entry.pw_gid
    try:
        return user, entry.pw_uid, grp.getgrnam(group).gr_gid
    except KeyError:
        raise units.UnitError(f"{unit.file}: Group={group} doesn't exist on this server") from None


def privileges(unit: units.Unit, words: list[str]) -> list[str]:
    """The command in front of which user, groups and ambient capabilities are set."""
    user, _, group = account(unit)
    if user == "root" and not unit.one("AmbientCapabilities"):
        return words
    wrapped = ["/usr/bin/setpriv", f"--reuid={user}", f"--regid={group}", "--init-groups"]
    wanted = [name.lower() for line in unit.all("AmbientCapabilities") for name in line.split()]
    names = ",".join("+" + name.removeprefix("cap_") for name in wanted)
    if names:
        wrapped += [f"--inh-caps={names}", f"--ambient-caps={names}"]
    if unit.one("NoNewPrivileges") in {"yes", "true", "1", "on"}:
        wrapped.append("--no-new-privs")
    return [*wrapped, "--", *words]


def make_folders(unit: units.Unit) -> None:
    """Make the folders that systemd would make for the unit."""
    _, uid, gid = account(unit)
    for key, parent in FOLDERS.items():
        for line in unit.all(key):
            for name in line.split():
                path = os.path.join(parent, name)
                os.makedirs(path, exist_ok=True)
                os.chown(path, uid, gid)
                os.chmod(path, int(unit.one(f"{key}Mode", "0755"), 8))


def set_limits(unit: units.Unit) -> None:
    """Set the number of open files, never above what this machine allows."""
    wanted = unit.one("LimitNOFILE")
    if not wanted:
        return
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    number = wanted.split(":")[-1]
    value = most if number == "infinity" else min(int(number), most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (value, most))


def launch(name: str) -> None:
    """Replace this process by the unit's; raises UnitError when the unit can't be started."""
    unit = units.load(name)
    lines = unit.all("ExecStart")
    if len(lines) != 1:
        raise units.UnitError(f"{unit.file}: {len(lines)} ExecStart lines; one is needed")
    user, uid, _ = account(unit)
    entry = pwd.getpwuid(uid)
    base = {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"}
    base.update({"USER": user, "LOGNAME": user, "HOME": entry.pw_dir, "SHELL": entry.pw_shell})
    variables = units.environment(unit, base)
    make_folders(unit)
    set_limits(unit)
    if unit.one("UMask"):
        os.umask(int(unit.one("UMask"), 8))
    folder = unit.one("WorkingDirectory", "/").lstrip(units.MAY_FAIL)
    os.chdir(entry.pw_dir if folder == "~" else folder)
    for line in unit.all("ExecStartPre"):
        words, prefixes = units.command(line, variables)
        words = words if prefixes & ROOT_PREFIXES else privileges(unit, words)
        done = subprocess.run(words, env=variables, check=False)
        if done.returncode and units.MAY_FAIL not in prefixes:
            raise units.UnitError(f"{unit.file}: ExecStartPre={line} ended with {done.returncode}")
    words, prefixes = units.command(lines[0], variables)
    words = words if prefixes & ROOT_PREFIXES else privileges(unit, words)
    sys.stdout.flush()
    os.execvpe(words[0], words, variables)


def main() -> int:
    """Launch the unit named by the first argument."""
    try:
        launch(sys.argv[1])
    except (units.UnitError, OSError) as problem:
        print(problem, file=sys.stderr, flush=True)
    return 203


if __name__ == "__main__":
    sys.exit(main())
