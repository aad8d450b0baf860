"""A running lab, as a test uses it."""

from __future__ import annotations

import contextlib
import json
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import yaml

from salt_itstack.lab import client
from salt_itstack.lab.settings import Lab, choose

#: Read after the lab's own file.
PERIODS_FILE = "/etc/salt/itstack.d/zz-periods.yaml"
CLI = [sys.executable, "-m", "salt_itstack.lab"]
HERE = Path(__file__).parent


class Fleet:
    """
    A lab of its own network and state folder.

    network
        First three numbers of its addresses.
    """

    def __init__(self, network: str, state: Path, servers: list[str] | None = None) -> None:
        self.lab: Lab = choose(network, str(state), None, servers)
        self.network = network

    def command(
        self, verb: str, *words: str, timeout: float = 900, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run one verb of `./lab` for this lab."""
        options = ["--network", self.lab.network, "--state", str(self.lab.state)]
        if self.lab.partial:
            options += ["--servers", ",".join(self.lab.servers)]
        done = subprocess.run(
            [*CLI, verb, *options, *words], capture_output=True, text=True, timeout=timeout, check=False
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def process(self, server: str) -> int:
        """The first process of a server, the master's being `lab-master`."""
        keeper = client.Keeper(self.lab)
        assert keeper.connect(), "the lab doesn't run"
        try:
            return int(keeper.order("list")["servers"][server])
        finally:
            keeper.close()

    def inside(
        self, server: str, *words: str, timeout: float = 300, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside a server, as root."""
        return subprocess.run(
            client.enter_command(self.process(server), list(words)),
            capture_output=True,
            text=True,
            input=stdin,
            timeout=timeout,
            check=False,
            env=client.inside_environment(),
        )

    def shell(self, server: str, line: str, **options: Any) -> str:
        """Run a shell line inside a server; its output. Fails if the line fails."""
        done = self.inside(server, "sh", "-c", line, **options)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        return done.stdout

    def salt(self, target: str, function: str, *arguments: str, timeout: float = 300) -> dict[str, Any]:
        """Answers of minions to one function, by minion."""
        done = self.inside(
            "lab-master", "salt", "-L", target, "--out=json", "--static", "--timeout=60", function,
            *arguments,
            timeout=timeout,
        )  # fmt: skip
        assert done.stdout, done.stderr
        return dict(json.loads(done.stdout))

    def all_answer(self, minions: Iterable[str]) -> bool:
        """Whether all of these minions answer now. A master that is about to start refuses to ask them."""
        wanted = sorted(minions)
        done = self.inside(
            "lab-master", "salt", "-L", ",".join(wanted), "--out=json", "--static", "--timeout=3", "test.ping"
        )
        with contextlib.suppress(ValueError):
            return json.loads(done.stdout) == dict.fromkeys(wanted, True)
        return False

    def call(self, minion: str, function: str, *arguments: str, timeout: float = 300) -> Any:
        """The answer of one minion to one function."""
        return self.salt(minion, function, *arguments, timeout=timeout)[minion]

    def state(self, minion: str, function: str, test: bool = False, **arguments: Any) -> dict[str, Any]:
        """Run one state on a minion by `state.single`; its return."""
        words = [f"{key}={json.dumps(value)}" for key, value in {**arguments, "test": test}.items()]
        answer = self.call(minion, "state.single", function, *words)
        assert isinstance(answer, dict), answer
        return dict(next(iter(answer.values())))

    def highstate(self, minion: str, test: bool = False) -> dict[str, dict[str, Any]]:
        """Run a minion's highstate; its states by id."""
        answer = self.call(minion, "state.highstate", f"test={test}", timeout=600)
        assert isinstance(answer, dict), answer
        return {state["__id__"]: state for state in answer.values()}

    def highstates(self, *minions: str, test: bool = False) -> dict[str, dict[str, dict[str, Any]]]:
        """Run the highstates of several minions at once; by minion, their states by Salt's own tags."""
        answers = self.salt(",".join(minions), "state.highstate", f"test={test}", timeout=600)
        assert set(answers) == set(minions), answers
        assert all(isinstance(answer, dict) for answer in answers.values()), answers
        return answers

    def runner(self, function: str, *arguments: str, timeout: float = 900) -> tuple[Any, int]:
        """A runner's return, and its exit code."""
        done = self.inside("lab-master", "salt-run", "--out=json", function, *arguments, timeout=timeout)
        assert done.stdout, done.stderr
        return json.loads(done.stdout), done.returncode

    def orchestrate(self, test: bool = False, **select: Any) -> dict[str, dict[str, Any]]:
        """Run `state.orch itstack.deploy`; its steps by id."""
        given = json.dumps({"test": test, "select": select})
        done = self.inside("lab-master", sys.executable, str(HERE / "orchestrate.py"), given, timeout=900)
        assert done.stdout, done.stderr
        (steps,) = json.loads(done.stdout)["data"].values()
        assert isinstance(steps, dict), steps
        return {step["__id__"]: step for step in steps.values()}

    def periods(self, **seconds: int | None) -> None:
        """Have every minion look, and be enforced, at these periods of the map; ``None``: not at all."""
        text = yaml.safe_dump({"periods": seconds})
        self.shell("lab-master", f"cat > {PERIODS_FILE}", stdin=text)
        minions = ",".join(self.lab.servers)
        answers = self.salt(minions, "saltutil.refresh_pillar", "wait=True", "timeout=60")
        assert set(answers.values()) == {True}, answers
        if "enforce" in seconds and seconds["enforce"] is None:
            # What the schedule had begun before still writes.
            wait_for(
                lambda: not any(self.salt(minions, "saltutil.is_running", "itstack.enforce").values()),
                "the end of every enforcement",
            )

    def rows(self, fresh: bool = True) -> dict[str, dict[str, Any]]:
        """The matrix, by integration."""
        answer, _ = self.runner("itstack.status", f"fresh={fresh}")
        return {row["id"]: row for row in answer["rows"]}


def changes(steps: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What an orchestration's steps changed or would change: by minion and state id, the changes."""
    found: dict[str, dict[str, Any]] = {}
    for step in steps.values():
        returned = (step.get("changes") or {}).get("ret")
        for minion, states in (returned or {}).items() if isinstance(returned, dict) else ():
            for state in states.values():
                # Some of Salt's own states only say None in a dry run, without what they would change.
                if state.get("changes") or state.get("result") is None:
                    found[f"{minion} {state['__id__']}"] = state["changes"]
    return found


def changed(states: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What a highstate changed or would change: the changes by state id."""
    return {
        state["__id__"]: state["changes"]
        for state in states.values()
        if state.get("changes") or state.get("result") is None
    }


def wait_for(condition: Callable[[], object], what: str, seconds: float = 60, pause: float = 0.5) -> None:
    """Wait until a condition holds, or fail saying what it was."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not in {seconds} s: {what}"
        # Most conditions keep a core busy: what is waited for needs it.
        time.sleep(pause)


def line(*words: str) -> str:
    """Words as a shell line."""
    return shlex.join(words)
