"""Asking minions from the master: who answers, who is busy, what their dry runs and probes say."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

import salt.client

from . import __version__
from .errors import ItstackError, Unreachable

#: Seconds that a live minion has to answer a ping. Two rounds of it stay well below twenty.
ANSWER = 8
#: Seconds after which a job is looked after again; a job that still runs is waited for.
LOOK_AGAIN = 5
#: Jobs that may write on a minion: state runs, and what the minion's own schedule calls.
WRITES = ("state.", "itstack.enforce")


class Fleet:
    """
    The minions of the map, asked from the master.

    opts
        The master's options.
    """

    def __init__(self, opts: Mapping[str, Any]) -> None:
        self._opts = dict(opts)
        self._client = salt.client.LocalClient(mopts=self._opts)

    def ask(self, minions: Iterable[str], function: str, timeout: int = 60, **kwargs: Any) -> dict[str, Any]:
        """
        One function on several minions at once: its return by minion. Who doesn't answer is left out.
        """
        wanted = sorted(set(minions))
        if not wanted:
            return {}
        found = self._client.cmd(
            wanted,
            function,
            tgt_type="list",
            timeout=timeout,
            kwarg=kwargs,
            full_return=True,
            gather_job_timeout=LOOK_AGAIN,
        )
        return {
            minion: answer["ret"]
            for minion, answer in found.items()
            # Salt puts a text in the place of what a silent minion should have returned.
            if isinstance(answer, Mapping) and "ret" in answer and answer.get("out") != "no_return"
        }

    def check(self, minions: Iterable[str]) -> None:
        """
        Raise :class:`Unreachable`, naming them, unless all minions answer, with this version of the pack.
        """
        wanted = sorted(set(minions))
        versions = self.ask(wanted, "itstack.version", timeout=ANSWER)
        silent = [minion for minion in wanted if minion not in versions]
        if silent:
            raise Unreachable(
                f"no answer from {', '.join(silent)}; nothing was changed",
                remedy="start salt-minion there and see that its key is accepted (salt-key -L), or place its "
                "services elsewhere in the map",
            )
        others = {minion: found for minion, found in versions.items() if found != __version__}
        if others:
            told = ", ".join(f"{minion} has {_short(found)}" for minion, found in sorted(others.items()))
            raise ItstackError(
                f"salt-itstack {__version__} is on the master, but {told}",
                remedy="install the same version everywhere with salt-pip, and restart salt-minion",
            )

    def wait_until_idle(self, minions: Iterable[str], timeout: float) -> None:
        """
        Wait for state runs that an earlier run left behind: only one at a time runs on a minion.

        timeout
            Seconds. Raises :class:`Unreachable`, naming minion and job, if one still runs then.
        """
        deadline = time.monotonic() + timeout
        wanted = sorted(set(minions))
        while True:
            answers = self.ask(wanted, "saltutil.running", timeout=ANSWER)
            running = {
                minion: job["jid"]
                for minion, jobs in answers.items()
                for job in (jobs if isinstance(jobs, list) else ())
                if job["fun"].startswith(WRITES)
            }
            if not running:
                return
            if time.monotonic() >= deadline:
                told = ", ".join(f"{minion} (job {jid})" for minion, jid in sorted(running.items()))
                raise Unreachable(
                    f"another state run is still going on {told}; nothing was changed",
                    remedy="wait for it, or end it with `salt MINION saltutil.kill_job JID`",
                )
            time.sleep(1)


def _short(answer: Any) -> str:
    text = (str(answer).splitlines() or [""])[0]
    if "is not available" in text:
        return "no salt-itstack"
    # Salt says so of a plug-in that refused to load; which versions don't fit is the rest of the line.
    _, refused, reason = text.partition("__virtual__ returned False: ")
    return f"one that can't be used ({reason})" if refused else text[:80]
