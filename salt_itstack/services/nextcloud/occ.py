"""
Run occ, Nextcloud's own command, as the web server's user on this host.

Secrets go in by the environment or by standard input, never by arguments, which everybody on the host can
read. What a command prints is only quoted in messages up to its first line and without those secrets:
``config:system:set`` echoes the value, and the installer prints a trace with arguments.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pathlib
import pwd
import shlex
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ...errors import Denied, Invalid, ItstackError, Problem, Rejected, Unreachable

SERVICE = "Nextcloud"
COMMAND = "php /var/www/nextcloud/occ"
WEB_USER = "www-data"
#: Seconds for one command; a first installation takes some seconds, enabling a big app a minute.
PATIENCE = 300.0


@dataclass(frozen=True)
class Outcome:
    """What a command gave: exit code, and both outputs as text."""

    code: int
    stdout: str
    stderr: str


class Occ:
    """
    occ of one Nextcloud on this host.

    command
        How occ is called, such as ``php /var/www/nextcloud/occ``.
    user
        The web server's user. Anything else would leave files that the web server can't write.
    environment
        Variables that each call gets.
    lock
        Path of a file that keeps two writers apart: writes in parallel all succeed, and lose each other's
        keys.
    """

    def __init__(
        self,
        command: str = COMMAND,
        user: str = WEB_USER,
        environment: Mapping[str, str] | None = None,
        lock: str | os.PathLike[str] | None = None,
    ) -> None:
        self.command = shlex.split(command)
        if not self.command:
            raise Invalid(
                Problem("", "occ_command", command, "there is no command in it", f"such as {COMMAND}")
            )
        try:
            self._account = pwd.getpwnam(user)
        except KeyError:
            raise Unreachable(
                f"the web server's user {user} doesn't exist on this host",
                SERVICE,
                "install the web server, or name its user as `web_user` in the profile",
            ) from None
        self._environment = {**(environment or {}), "HOME": self._account.pw_dir}
        self._lock = lock

    @property
    def root(self) -> pathlib.Path:
        """The folder that occ is in, which is Nextcloud's own."""
        return pathlib.Path(self.command[-1]).parent

    def run(
        self,
        *arguments: str,
        accept: Iterable[int] = (),
        stdin: str | None = None,
        secrets: Mapping[str, str] | None = None,
        hide: Iterable[str] = (),
    ) -> Outcome:
        """
        Run one command.

        accept
            Exit codes beside 0 that are an answer here.
        stdin
            What the command reads.
        secrets
            Variables that hold secrets, for this command only.
        hide
            Further texts that no message may quote.

        Raises :class:`Unreachable` where Nextcloud or its database isn't there, :class:`Denied` where the
        database refuses it, otherwise :class:`Rejected`.
        """
        program = pathlib.Path(self.command[-1])
        if program.is_absolute() and not program.exists():
            # PHP says so too, but with the exit code of any other failure.
            raise self._nowhere(f"there is no {program}")
        try:
            done = subprocess.run(
                [*self.command, *arguments],
                input=stdin if stdin is not None else "",
                env={**self._environment, **(secrets or {})},
                cwd="/",
                capture_output=True,
                text=True,
                errors="replace",
                timeout=PATIENCE,
                check=False,
                start_new_session=True,
                **self._identity(),
            )
        except (FileNotFoundError, PermissionError) as error:
            tried = f"`{shlex.join(self.command)}` can't be run ({error.strerror})"
            raise self._nowhere(tried) from None
        except subprocess.TimeoutExpired:
            raise Unreachable(
                f"occ {arguments[0]} didn't end within {PATIENCE:.0f} s", SERVICE, "look at the server's load"
            ) from None
        outcome = Outcome(done.returncode, done.stdout, done.stderr)
        if outcome.code == 0 or outcome.code in accept:
            return outcome
        raise failure(arguments[0], outcome, [*(secrets or {}).values(), *hide])

    def json(self, *arguments: str) -> Any:
        """Run a command that prints JSON, and return what it printed."""
        outcome = self.run(*arguments, "--output=json")
        try:
            return json.loads(outcome.stdout)
        except ValueError:
            raise Rejected(
                f"occ {arguments[0]} printed something that isn't JSON",
                SERVICE,
                "run it by hand: a PHP warning in its output is the usual reason",
            ) from None

    def rows(self, *arguments: str) -> list[Any]:
        """Run a command that prints one JSON object per line."""
        return [
            json.loads(line)
            for line in self.run(*arguments, "--output=json").stdout.splitlines()
            if line.startswith("{")
        ]

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other writers of this Nextcloud out meanwhile."""
        if self._lock is None:
            yield
            return
        path = pathlib.Path(self._lock)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with path.open("a") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def _nowhere(self, what: str) -> Unreachable:
        remedy = "install Nextcloud's files and PHP, or correct `occ_command` in the profile"
        return Unreachable(what, SERVICE, remedy)

    def _identity(self) -> dict[str, Any]:
        if os.geteuid() == self._account.pw_uid:
            return {}
        return {"user": self._account.pw_uid, "group": self._account.pw_gid, "extra_groups": []}


def failure(command: str, outcome: Outcome, hide: Iterable[str] = ()) -> ItstackError:
    """
    The exception that a failed command stands for.

    command
        occ's command name.
    hide
        Texts that the message must not quote.
    """
    said = outcome.stdout + outcome.stderr
    reason = _first_words(outcome, hide)
    tried = f"occ {command} ended with {outcome.code}: {reason}"
    if "password authentication failed" in said or "no pg_hba.conf entry" in said:
        return Denied(
            tried, SERVICE, "compare `dbuser` and `dbpassword` in config.php with the role in the database"
        )
    if "Failed to connect to the database" in said or "SQLSTATE[08006]" in said:
        return Unreachable(tried, SERVICE, "start the database, or correct `dbhost`")
    if "Nextcloud is not installed" in said:
        return Unreachable(
            f"occ {command}: Nextcloud isn't installed yet",
            SERVICE,
            "use `itstack_nextcloud.installed` first",
        )
    if "require upgrade" in said:
        return Rejected(
            f"occ {command}: Nextcloud waits for its upgrade", SERVICE, "run `occ upgrade`, then again"
        )
    if "no commands defined in the" in said or "is not defined" in said:
        return Rejected(tried, SERVICE, "enable the app that brings this command")
    return Rejected(tried, SERVICE)


def _first_words(outcome: Outcome, hide: Iterable[str]) -> str:
    lines = [line.strip() for line in f"{outcome.stdout}\n{outcome.stderr}".splitlines()]
    lines = [
        line
        for line in lines
        # A place in a PHP file and a headline, with what happened in the next line.
        if line and not line.startswith("In ") and line != "An unhandled exception has been thrown:"
    ]
    if len(lines) > 1 and lines[0].startswith("Nextcloud") and "limited number" in lines[0]:
        lines = lines[1:]
    said = lines[0] if lines else "it printed nothing"
    for secret in hide:
        if secret:
            said = said.replace(secret, "(hidden)")
    return said[:300]
