"""What probes and dry runs together say about the integrations. Pure: answers in, verdicts out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .stack import Stack


def verdicts(
    stack: Stack,
    wanted: Iterable[str],
    probes: Mapping[str, Any],
    runs: Mapping[str, Any],
    versions: Mapping[str, Any],
    when: str,
) -> dict[str, dict[str, Any]]:
    """
    ``state``, ``reason``, ``against`` and ``proved_at`` of each integration.

    wanted
        Ids of active integrations.
    probes
        Returns of ``itstack.probe`` by minion; a minion that didn't answer is missing.
    runs
        Returns of ``state.highstate test=True`` by minion, likewise.
    versions
        Returns of ``itstack.versions`` by minion, likewise.
    when
        The time of the probes.

    What doesn't work is broken. What works, but isn't as declared, is drifted. What nobody could look at is
    unproved.
    """
    servers: dict[str, str] = {}
    for answer in versions.values():
        servers.update(answer if isinstance(answer, Mapping) else {})
    proofs = {}
    for identifier in wanted:
        item = stack.integrations[identifier]
        row = _probed(stack.minion(item.target), probes, identifier)
        if row["state"] == "works":
            ends = sorted({stack.end_minion(identifier, side) for side in ("source", "target")})
            row.update(_compared(identifier, {end: runs.get(end) for end in ends}))
        proofs[identifier] = {
            "state": row["state"],
            "reason": row["reason"],
            "against": (not stack.partial(identifier) and _against(stack, item.source, item.target, servers))
            or row["against"],
            "proved_at": when if row["state"] != "unproved" else None,
        }
    return proofs


def _probed(minion: str, probes: Mapping[str, Any], identifier: str) -> dict[str, Any]:
    answer = probes.get(minion)
    row = answer.get(identifier) if isinstance(answer, Mapping) else None
    if isinstance(row, Mapping):
        return {"state": row["state"], "reason": row["reason"], "against": row["against"]}
    if answer is None:
        told = "doesn't answer"
    elif isinstance(answer, Mapping):
        told = "has no such integration in its pillar"
    else:
        told = f"can't probe: {_short(answer)}"
    return {"state": "unproved", "reason": f"{minion} {told}", "against": ""}


def _compared(identifier: str, runs: Mapping[str, Any]) -> dict[str, str]:
    """What the dry runs of both ends change about a row that works; nothing where they agree with the map."""
    blind, failed, differs = [], [], []
    for minion, run in runs.items():
        if not isinstance(run, Mapping):
            told = "doesn't answer" if run is None else _short(run)
            blind.append(f"{minion}: {told}")
            continue
        for state in run.values():
            # A state belongs to the integration that its id begins with, before the colon.
            name = str(state.get("__id__", ""))
            if name.split(":", 1)[0] != identifier:
                continue
            if not state.get("__state_ran__", True):
                blind.append(f"{minion}: {_cause(state, run)}")
            elif state.get("result") is False:
                failed.append(f"{name}: {state.get('comment')}")
            elif state.get("result") is None:
                differs.append(f"{name} ({', '.join(sorted(state.get('changes') or {}))})")
    if failed:
        return {"state": "broken", "reason": f"its states fail: {'; '.join(failed)}"}
    if differs:
        return {"state": "drifted", "reason": f"differs from the map: {'; '.join(differs)}"}
    if blind:
        return {
            "state": "unproved",
            "reason": f"it works, but drift couldn't be looked for: {'; '.join(dict.fromkeys(blind))}",
        }
    return {}


def _cause(state: Mapping[str, Any], run: Mapping[str, Any]) -> str:
    """Why a state didn't run: what the first failed state says, on the way along the failed requisites."""
    names = {f"{other.get('__sls__')}.{other.get('__id__')}": other for other in run.values()}
    while not state.get("__state_ran__", True):
        comment = str(state.get("comment"))
        found = [name for name in names if name in comment]
        if not found:
            break
        # The longest: one id may begin another. Each is taken once, so this ends.
        state = names.pop(max(found, key=len))
    return str(state.get("comment"))


def _against(stack: Stack, source: str, target: str, servers: Mapping[str, str]) -> str:
    if source not in servers or target not in servers:
        return ""
    told = []
    for service in (source, target):
        remark = stack.services[service].remark
        told.append(f"{servers[service]} ({remark})" if remark else servers[service])
    return " + ".join(told)


def _short(answer: Any) -> str:
    text = "; ".join(str(line) for line in answer) if isinstance(answer, list) else str(answer)
    # The last line of a traceback is what happened.
    return (text.strip().splitlines() or ["no answer"])[-1][:300]
