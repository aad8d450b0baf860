"""
The first process of one server: sets up its file tree, then becomes its process supervisor.

`python -m salt_itstack.lab.inside SPECIFICATION`, started by the keeper in namespaces of its own. It must end
as one process: whatever it starts here belongs to the server and ends with it.
"""

from __future__ import annotations

import grp
import json
import os
import pwd
import socket
import sys
from pathlib import Path

from . import mounts
from .errors import LabError

SUPERVISOR_CONFIGURATION = "/run/itstack-lab/supervisord.conf"
PROGRAM_FOLDER = "/run/itstack-lab/programs"
LOG_FOLDER = "/var/log/itstack-lab"

SUPERVISOR = f"""\
[unix_http_server]
file=/run/itstack-lab/supervisor.sock
chmod=0700
[supervisord]
nodaemon=true
silent=true
user=root
logfile={LOG_FOLDER}/supervisord.log
logfile_maxbytes=5MB
logfile_backups=1
pidfile=/run/itstack-lab/supervisord.pid
minfds=1024
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[include]
files={PROGRAM_FOLDER}/*.conf
"""

# A service that ends within this time after its start counts as not started.
START_SECONDS = 1
# A minion takes long to end politely, and has nothing to lose.
SALT_STOP_SECONDS = 2


def program(name: str, command: str, **options: object) -> str:
    """One program's section for the supervisor."""
    settings: dict[str, object] = {
        "command": command.replace("%", "%%"),
        "directory": "/",
        "autostart": "false",
        "autorestart": "false",
        "startsecs": START_SECONDS,
        "startretries": 0,
        "stopwaitsecs": 20,
        "stopasgroup": "true",
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": f"{LOG_FOLDER}/{name}.log",
        "stdout_logfile_maxbytes": "20MB",
        "stdout_logfile_backups": 1,
        **options,
    }
    lines = [f"{key}={value}" for key, value in settings.items()]
    return "\n".join([f"[program:{name}]", *lines, ""])


def write_files(files: list[dict], root: str = "/") -> list[str]:
    """Write the files that differ, with owner and mode; returns the paths of those that were written."""
    written = []
    for entry in files:
        path = Path(root) / entry["path"].lstrip("/")
        content = entry["text"].encode()
        if not path.is_symlink() and path.is_file() and path.read_bytes() == content:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink():
            path.unlink()
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(handle, "wb") as stream:
            stream.write(content)
        user, group = entry.get("user", "root"), entry.get("group", "root")
        os.chown(path, pwd.getpwnam(user).pw_uid, grp.getgrnam(group).gr_gid)
        os.chmod(path, int(entry.get("mode", "0644"), 8))
        written.append(entry["path"])
    return written


def set_up(specification: dict) -> None:
    """Make the server as it would be after its installation: files, names, packages' own set-up."""
    mounts.enter(
        Path(specification["storage"]), specification["visible"], shared_tmp=specification["shared_tmp"]
    )
    socket.sethostname(specification["name"])
    for folder in ("/run/lock", "/run/salt", PROGRAM_FOLDER, LOG_FOLDER):
        os.makedirs(folder, exist_ok=True)
    os.chmod("/run/lock", 0o1777)
    write_files(specification["files"])
    Path(SUPERVISOR_CONFIGURATION).write_text(SUPERVISOR)
    for name, command in specification["programs"].items():
        text = program(
            name,
            command,
            autostart="true",
            autorestart="true",
            startretries=3,
            stopwaitsecs=SALT_STOP_SECONDS,
        )
        Path(PROGRAM_FOLDER, f"{name}.conf").write_text(text)
    from . import roles

    for role in specification["roles"]:
        roles.install(role, specification)


def main() -> None:
    """Set up, then become the supervisor."""
    specification = json.loads(Path(sys.argv[1]).read_text())
    try:
        set_up(specification)
    except (OSError, KeyError, LabError) as problem:
        print(f"{specification['name']}: {type(problem).__name__}: {problem}", file=sys.stderr, flush=True)
        sys.exit(1)
    os.execv(
        sys.executable,
        [sys.executable, "-m", "supervisor.supervisord", "--configuration", SUPERVISOR_CONFIGURATION],
    )


if __name__ == "__main__":
    main()
