"""Runs the orchestration and tells on standard error how it goes."""

from __future__ import annotations

import copy
import json
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TextIO

import salt.runner
import salt.utils.event
import salt.utils.jid
import salt.utils.user

from .fleet import WRITES
from .orchestration import HANDS_OVER, MARK, PROOFS, THROUGH
from .stack import Stack, Step


@dataclass
class Run:
    """What became of a deploy."""

    seconds: float = 0.0
    changed: int = 0
    steps: dict[str, str] = field(default_factory=dict)
    durations: dict[str, float] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)


class Teller:
    """
    Prints a line when a step starts and when it ends; on a terminal also one that counts the seconds of what
    is running.
    """

    def __init__(self, steps: Iterable[Step], stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stderr
        self.steps = {step.service: step for step in steps}
        self.started = time.monotonic()
        self.running: dict[str, float] = {}
        #: What goes on while no step does, and since when.
        self.between = ("preflight", self.started)
        self._live = self.stream.isatty()
        self._shown = ""
        self._lock = threading.Lock()

    def say(self, text: str) -> None:
        """A line that stays."""
        with self._lock:
            self._wipe()
            print(f"{time.monotonic() - self.started:7.1f} s  {text}", file=self.stream, flush=True)

    def start(self, service: str) -> None:
        """A step's job was published."""
        self.running[service] = time.monotonic()
        step = self.steps[service]
        self.say(f"{step.phase:<3} {service} on {step.minion} …")

    def end(self, service: str, verdict: str) -> float:
        """A step's minion has returned; the seconds it took."""
        took = time.monotonic() - self.running.pop(service, self.started)
        step = self.steps[service]
        self.say(f"{step.phase:<3} {service} on {step.minion}: {verdict}, {took:.1f} s")
        return took

    def tick(self) -> None:
        """Show what is running right now, if somebody is looking."""
        if not self._live:
            return
        with self._lock:
            now = time.monotonic()
            going_on = self.running.items() or [self.between]
            line = ", ".join(f"{what} {now - since:.0f} s" for what, since in going_on)[:100]
            # There are many events a second, and a recording of the screen holds each line that is written.
            if line == self._shown:
                return
            self._wipe()
            self.stream.write(f"           {line}")
            self.stream.flush()
            self._shown = line

    def clear(self) -> None:
        """Nothing goes on any more."""
        with self._lock:
            self._wipe()

    def _wipe(self) -> None:
        if self._shown:
            self.stream.write("\r\033[K")
            self._shown = ""


def follow(
    opts: Mapping[str, Any], stack: Stack, steps: list[Step], selection: Mapping[str, Any], test: bool
) -> Run:
    """
    Run ``state.orch itstack.deploy`` and tell its progress.

    selection
        The pillar ``itstack_deploy``.

    Never raises for a failed step: the :class:`Run` says what failed and why.
    """
    # A plain copy: what the loader injects is bound to the thread that called the runner.
    plain = copy.deepcopy(dict(opts))
    run = Run()
    teller = Teller(steps)
    teller.say(f"preflight: {len({step.minion for step in steps})} minions for {len(steps)} services")
    jid = salt.utils.jid.gen_jid(plain)
    pillar = {"itstack_deploy": dict(selection), "itstack_run": jid}
    kwarg: dict[str, Any] = {"pillar": pillar, "orchestration_jid": jid}
    if test:
        kwarg["test"] = True
    # A process of its own: when Salt's leftovers of an orchestration are collected at the end of Python, they
    # print tracebacks over the report. It is forked before the bus is opened, which it must not inherit, and
    # waits until we listen, so that no event is missed.
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    listening = context.Event()
    worker = context.Process(
        target=_orchestrate, args=(plain, kwarg, sender, listening), name="orchestration"
    )
    worker.start()
    sender.close()
    try:
        with salt.utils.event.get_event("master", opts=dict(plain), listen=True) as events:
            listening.set()
            done = _watch(events, receiver, teller, run, jid)
    finally:
        worker.join()
    run.seconds = time.monotonic() - teller.started
    _conclude(done, run)
    return run


def _orchestrate(opts: dict[str, Any], kwarg: dict[str, Any], sender: Any, listening: Any) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    listening.wait()
    answer: dict[str, Any] = {}
    try:
        answer["return"] = salt.runner.RunnerClient(opts).cmd(
            "state.orchestrate",
            arg=["itstack.deploy"],
            kwarg=kwarg,
            # Without it the steps are published as a user that the master refuses.
            pub_data={"user": salt.utils.user.get_specific_user()},
            print_event=False,
        )
    except Exception as error:  # noqa: BLE001  whatever it is, the user has to see it as the reason
        answer["error"] = str(error)
    sender.send_bytes(json.dumps(answer, default=str).encode())
    sender.close()
    os._exit(0)


def _watch(events: Any, receiver: Any, teller: Teller, run: Run, jid: str) -> dict[str, Any]:
    jobs: dict[str, str] = {}
    told_proof = False
    waited_for: set[str] = set()
    done: dict[str, Any] | None = None
    last = float("inf")
    while True:
        if done is None and receiver.poll():
            done = _received(receiver)
            # The ends of the last steps may still be on their way to us, among whatever else happens.
            last = time.monotonic() + 2
        event = events.get_event(wait=0.5 if done is None else 0.1, full=True, auto_reconnect=True)
        teller.tick()
        if done is not None and (not event or time.monotonic() > last):
            teller.clear()
            return done
        if not event:
            continue
        tag, data = event["tag"].split("/"), event["data"]
        if tag[:2] == ["salt", "job"] and tag[-1] == "new":
            service = _mark(data, jid)
            if service in teller.steps:
                jobs[tag[2]] = service
                teller.start(service)
            elif data.get("fun") == "itstack.probe" and not told_proof:
                told_proof = True
                teller.between = ("proving the integrations", time.monotonic())
                teller.say("    proving the integrations …")
        elif tag[:2] == ["salt", "job"] and len(tag) > 3 and tag[3] == "ret" and tag[2] in jobs:
            service = jobs.pop(tag[2])
            run.durations[service] = teller.end(service, _verdict(data))
            teller.between = ("between two steps", time.monotonic())
        elif data.get("fun") == "saltutil.running" and not (jobs or run.durations):
            for other in _still_running(data):
                if other not in waited_for:
                    waited_for.add(other)
                    teller.say(f"    waiting for {other}")


def _still_running(data: Mapping[str, Any]) -> list[str]:
    """What the preflight waits for, of one minion's answer to it."""
    jobs = data.get("return")
    return [
        f"{data.get('id')}: {job['fun']} still runs there (job {job['jid']})"
        for job in (jobs if isinstance(jobs, list) else ())
        if job["fun"].startswith(WRITES)
    ]


def _received(receiver: Any) -> dict[str, Any]:
    try:
        return dict(json.loads(receiver.recv_bytes()))
    except EOFError:
        return {"error": "the orchestration was ended from outside; run it again, it goes on from there"}


def _mark(job: Mapping[str, Any], jid: str) -> str:
    """The service whose step a job is, if it's a step of this run: another one may go on elsewhere."""
    for argument in job.get("arg") or []:
        pillar = argument.get("pillar") if isinstance(argument, Mapping) else None
        if isinstance(pillar, Mapping) and (pillar.get("itstack_run") or {}).get("lock") == jid:
            return str(pillar.get(MARK, ""))
    return ""


def _verdict(data: Mapping[str, Any]) -> str:
    returned = data.get("return")
    if not isinstance(returned, Mapping):
        return "FAILED"
    states = [state for state in returned.values() if isinstance(state, Mapping)]
    bad = sum(1 for state in states if state.get("result") is False)
    if bad or not states:
        return f"FAILED in {bad} states" if bad else "FAILED"
    expected = sum(1 for state in states if state.get("result") is None)
    if expected:
        return f"would change {expected} states"
    changed = sum(1 for state in states if state.get("changes"))
    return f"ready, {changed} changes" if changed else "ready, no changes"


def _conclude(done: Mapping[str, Any], run: Run) -> None:
    if "error" in done:
        run.failures.append(done["error"])
        return
    answer = done.get("return")
    states = None
    if isinstance(answer, Mapping):
        data = answer.get("data")
        states = next(iter(data.values()), None) if isinstance(data, Mapping) else None
    if not isinstance(states, Mapping):
        run.failures.append(str(states or answer))
        return
    for state in states.values():
        identifier = str(state.get("__id__"))
        if identifier.endswith(THROUGH):
            continue
        if identifier.endswith(HANDS_OVER):
            if state.get("__state_ran__", True) and state.get("result") is False:
                run.failures.append(f"{identifier}: {_reason(state)}")
            continue
        if identifier in PROOFS:
            # Only one of the two runs. What it says of rows stands in the matrix; it may also fail without
            # having touched that.
            told = (state.get("changes") or {}).get("return")
            rows = isinstance(told, Mapping) and "rows" in told
            if state.get("__state_ran__", True) and state.get("result") is False and not rows:
                run.failures.append(f"{identifier}: {_reason(state)}")
            continue
        if not state.get("__state_ran__", True):
            run.steps[identifier] = "not started"
            continue
        run.steps[identifier] = {True: "done", None: "would change"}.get(state.get("result"), "failed")
        returned = (state.get("changes") or {}).get("ret")
        for minion, states_there in (returned or {}).items() if isinstance(returned, Mapping) else ():
            _count(identifier, minion, states_there, run)
        if state.get("result") is False and not returned:
            run.failures.append(f"{identifier}: {_reason(state)}")


def _count(identifier: str, minion: str, states: Any, run: Run) -> None:
    if not isinstance(states, Mapping):
        run.failures.append(f"{identifier} on {minion}: {states}")
        return
    for state in states.values():
        if not isinstance(state, Mapping):
            run.failures.append(f"{identifier} on {minion}: {state}")
            continue
        if state.get("changes"):
            run.changed += 1
        # What only failed because something before it did, repeats its reason.
        if state.get("result") is False and state.get("__state_ran__", True):
            told = _last_words(str(state.get("comment")))
            run.failures.append(f"{identifier} on {minion}: {state.get('__id__')}: {told}")


def _reason(state: Mapping[str, Any]) -> str:
    returned = (state.get("changes") or {}).get("return")
    if isinstance(returned, Mapping) and "Error" in returned:
        return str(returned["Error"])
    if isinstance(returned, str) and returned:
        return _last_words(returned)
    return str(state.get("comment"))


def _last_words(text: str) -> str:
    """A traceback's last line, which is what happened; other texts as they are. The log has the whole."""
    return text.strip().splitlines()[-1] if "Traceback (most recent call last)" in text else text
