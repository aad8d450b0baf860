"""
The deploy as data: which steps, on which minions, after what. Rendering it touches nothing.

A step is one service on one minion: that minion's highstate, narrowed by a pillar to the service. Every step
is parallel and requires what the map says it needs; two steps on one minion never overlap.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import Invalid, Problem
from .stack import Stack, Step, steps

#: The keys of the pillar ``itstack_deploy``, and what each must be.
OPTIONS: dict[str, type] = {"services": list, "until": str, "phase_by_phase": bool, "prove": bool}
_TYPES = {
    "services": "list of service ids",
    "until": "phase such as 1b",
    "phase_by_phase": "boolean",
    "prove": "boolean",
}
#: Marks a step in the job's arguments, so that whoever follows the event bus knows which it is.
MARK = "itstack_step"
#: The last states of the orchestration, of which one runs.
PROOFS = ("proof", "proof after a failure")
#: Ends of the ids of states that belong to a step, and aren't steps themselves.
THROUGH, HANDS_OVER = " is through", " hands over"


@dataclass(frozen=True)
class Selection:
    """What of the map a run is about; everything by default."""

    services: tuple[str, ...] | None = None
    until: str | None = None
    phase_by_phase: bool = False
    prove: bool = True

    @classmethod
    def of(cls, given: Mapping[str, Any] | None) -> Selection:
        """From the pillar ``itstack_deploy``. Raises :class:`Invalid` for what isn't an option."""
        if not isinstance(given or {}, Mapping):
            remedy = f"give a mapping with {', '.join(OPTIONS)}"
            raise Invalid(Problem("", "itstack_deploy", given, "isn't a mapping", remedy))
        given = dict(given or {})
        if isinstance(given.get("until"), int) and not isinstance(given["until"], bool):
            # On a command line, phase 0 is a number.
            given["until"] = str(given["until"])
        problems = []
        for key, value in given.items():
            if key not in OPTIONS:
                problems.append(
                    Problem(
                        "", f"itstack_deploy:{key}", None, "no such option", f"one of {', '.join(OPTIONS)}"
                    )
                )
            elif value is not None and not _fits(key, value):
                problems.append(
                    Problem("", f"itstack_deploy:{key}", value, "has the wrong type", f"give a {_TYPES[key]}")
                )
        if problems:
            raise Invalid(problems)
        chosen = given.get("services")
        return cls(
            services=None if chosen is None else tuple(chosen),
            until=given.get("until"),
            phase_by_phase=bool(given.get("phase_by_phase")),
            prove=given.get("prove", True) is not False,
        )

    def steps(self, stack: Stack) -> list[Step]:
        """The steps of this selection, in an order in which they could run one by one."""
        return steps(stack, self.services, self.until, self.phase_by_phase)


def _fits(key: str, value: Any) -> bool:
    if key == "services" and isinstance(value, list):
        # An empty one asks for nothing; it's more likely a mistake than a wish.
        return bool(value) and all(isinstance(service, str) for service in value)
    return isinstance(value, OPTIONS[key])


def render(stack: Stack, selection: Selection, run: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """
    The orchestration as the highstate data of an SLS.

    run
        ``id`` and ``process`` of this run: the first step takes the locks for it, and they last as long as
        that process. Without it nothing is locked.

    Raises :class:`~salt_itstack.errors.ItstackError` for a selection that can't be deployed.
    """
    chosen = selection.steps(stack)
    services = [step.service for step in chosen]
    # Of what runs already, a dry run predicts nothing.
    started = [service for service in services if not stack.services[service].external]
    minions = sorted({step.minion for step in chosen})
    states: dict[str, Any] = {
        "preflight": {
            "salt.runner": [
                {"name": "itstack.preflight"},
                {"kwarg": {"minions": minions, "services": services, **({"run": dict(run)} if run else {})}},
                {"parallel": True},
            ]
        }
    }
    made = _made(stack, services)
    about = {"services": started, **({"lock": run["id"]} if run else {})}
    settled: set[str] = set()
    for step in chosen:
        require: list[dict[str, str]] = [{"salt": "preflight"}]
        require += [{"salt": need} for need in step.needs]
        require += [{"salt": f"{need}{HANDS_OVER}"} for need in step.needs if need in made]
        for earlier in step.after:
            # Another service of the same minion must be through, not necessarily well.
            if earlier not in settled:
                settled.add(earlier)
                states[f"{earlier}{THROUGH}"] = {
                    "test.succeed_without_changes": [{"onfail": [{"salt": earlier}]}, {"parallel": True}]
                }
            require.append({"test": f"{earlier}{THROUGH}"})
        states[step.id] = {
            "salt.state": [
                {"tgt": step.minion},
                {"tgt_type": "list"},
                {"highstate": True},
                {"expect_minions": True},
                {"pillar": {MARK: step.service, "itstack_run": about}},
                {"parallel": True},
                {"require": require},
            ]
        }
        if step.id in made:
            states[f"{step.id}{HANDS_OVER}"] = {
                "salt.runner": [
                    {"name": "itstack.collect"},
                    {"kwarg": {"secrets": made[step.id]}},
                    {"parallel": True},
                    {"require": [{"salt": step.id}]},
                ]
            }
    ends = [*services, *(f"{service}{HANDS_OVER}" for service in made)]
    states.update(_proof(ends, selection.prove, run))
    return states


def _made(stack: Stack, services: list[str]) -> dict[str, list[str]]:
    """The secrets that only a server can make, by the service of it."""
    found: dict[str, list[str]] = {}
    for identifier, secret in stack.secrets().items():
        if secret.producer in services:
            found.setdefault(str(secret.producer), []).append(identifier)
    return found


def _proof(ends: list[str], prove: bool, run: Mapping[str, Any] | None) -> dict[str, Any]:
    # One of the two runs once anything was touched: a failed deploy needs the matrix most of all. After a
    # failed preflight nothing has changed, and asking a silent minion again would only take minutes.
    states = [{"salt": identifier} for identifier in ends]
    requisites: tuple[dict[str, Any], ...] = (
        {"require": states},
        {"onfail": states, "require": [{"salt": "preflight"}]},
    )
    return {
        identifier: {
            "salt.runner": [
                {"name": "itstack.finish"},
                {"kwarg": {"run": dict(run or {}), "prove": prove, "failed": identifier != PROOFS[0]}},
                {"parallel": True},
                *({kind: needed} for kind, needed in requisite.items()),
            ]
        }
        for identifier, requisite in zip(PROOFS, requisites)
    }
