"""What starts when: waves, steps, the critical path, and the picture of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..errors import Missing, Unsupported
from .model import PHASES, Stack


@dataclass(frozen=True)
class Step:
    """
    One service on one minion.

    ``needs`` are the steps that must have succeeded. ``after`` are those that only have to be over: they
    share its minion, where at most one state job runs, or belong to an earlier phase. ``requires`` is both.
    """

    id: str
    service: str
    minion: str
    phase: str
    needs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()

    @property
    def requires(self) -> tuple[str, ...]:
        """The ids of all steps that this one comes after."""
        return (*self.needs, *self.after)


def find_cycle(needs: Mapping[str, Iterable[str]]) -> list[str]:
    """One cycle as ``[a, b, a]``, or an empty list."""
    done: set[str] = set()
    for start in needs:
        path: list[str] = []
        stack = [(start, iter(needs[start]))] if start not in done else []
        if stack:
            path.append(start)
        while stack:
            node, rest = stack[-1]
            following = next(rest, None)
            if following is None:
                done.add(node)
                path.pop()
                stack.pop()
            elif following in path:
                return [*path[path.index(following) :], following]
            elif following not in done and following in needs:
                path.append(following)
                stack.append((following, iter(needs[following])))
    return []


def order(stack: Stack, services: Iterable[str] | None = None) -> list[list[str]]:
    """
    The services in waves: everything that a service needs is in an earlier wave.

    services
        Which ones; only needs among them count. Default: what a deploy starts.
    """
    chosen = _chosen(stack, services)
    waves: list[list[str]] = []
    for service_id, wave in sorted(_levels(stack, chosen).items(), key=lambda item: item[1]):
        while len(waves) <= wave:
            waves.append([])
        waves[wave].append(service_id)
    return [sorted(wave, key=chosen.index) for wave in waves]


def steps(
    stack: Stack,
    services: Iterable[str] | None = None,
    until: str | None = None,
    phase_by_phase: bool = False,
) -> list[Step]:
    """
    The steps of a deploy, in an order in which they could run one by one.

    services
        Only these. Raises :class:`Unsupported` for one that a deploy can't start.
    until
        Up to and including this phase.
    phase_by_phase
        Start nothing of a phase before everything of the earlier ones is done.
    """
    if until is not None and until not in PHASES:
        raise Missing(f"no phase {until!r}", remedy=f"one of: {', '.join(PHASES)}")
    chosen = _chosen(stack, services)
    startable = set(stack.deployable())
    for service_id in chosen:
        if service_id not in startable:
            reason = stack.why_absent(service_id) or (
                f"{service_id} is external: it runs already, and in mode observe nothing is written to it"
            )
            raise Unsupported(f"no step for {service_id}: {reason}", remedy="leave it out")
    if until is not None:
        last = PHASES.index(until)
        chosen = [item for item in chosen if PHASES.index(stack.services[item].phase) <= last]
    levels = _levels(stack, chosen)
    phase = {item: PHASES.index(stack.services[item].phase) for item in chosen}
    if phase_by_phase:
        # A service is no earlier than what it needs, whatever phase it was given.
        for item in sorted(chosen, key=levels.__getitem__):
            phase[item] = max([phase[item], *(phase[need] for need in _needs(stack, item, chosen))])
        ranked = sorted(chosen, key=lambda item: (phase[item], levels[item], chosen.index(item)))
    else:
        ranked = sorted(chosen, key=lambda item: (levels[item], phase[item], chosen.index(item)))
    made: list[Step] = []
    for item in ranked:
        minion = stack.minion(item)
        needs = _needs(stack, item, chosen)
        after = tuple(
            one.id
            for one in made
            if one.id not in needs
            and (one.minion == minion or (phase_by_phase and phase[one.id] < phase[item]))
        )
        made.append(Step(item, item, minion, stack.services[item].phase, needs, after))
    return made


def critical_path(made: Iterable[Step], durations: Mapping[str, float]) -> tuple[float, list[str]]:
    """
    The chain of steps that decides how long the whole takes: its seconds and its ids.

    durations
        Seconds by step id; a step that isn't named takes none.
    """
    ends: dict[str, tuple[float, list[str]]] = {}
    for step in made:
        before = max((ends[one] for one in step.requires), key=lambda end: end[0], default=(0.0, []))
        ends[step.id] = (before[0] + durations.get(step.id, 0.0), [*before[1], step.id])
    return max(ends.values(), key=lambda end: end[0], default=(0.0, []))


def _chosen(stack: Stack, services: Iterable[str] | None) -> list[str]:
    """The chosen services, each once, in the order of the map."""
    if services is None:
        return stack.deployable()
    wanted = {stack.service(item).id for item in services}
    return [item for item in stack.services if item in wanted]


def _needs(stack: Stack, service_id: str, chosen: Iterable[str]) -> tuple[str, ...]:
    among = set(chosen)
    return tuple(need for need in stack.needs(service_id) if need in among)


def _levels(stack: Stack, chosen: list[str]) -> dict[str, int]:
    """How many waves come before each service. The map has no cycles: they are refused on loading."""
    levels: dict[str, int] = {}

    def level(item: str) -> int:
        if item not in levels:
            levels[item] = max((level(need) + 1 for need in _needs(stack, item, chosen)), default=0)
        return levels[item]

    for item in chosen:
        level(item)
    return levels
