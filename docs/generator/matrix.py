"""The honest matrix: what of the map is there in this version, and against what the lab proves it."""

from __future__ import annotations

from collections import Counter

from salt_itstack.lab.fleet import overrides
from salt_itstack.lab.settings import DEFAULT_NETWORK, choose
from salt_itstack.stack import Integration, Stack, load

from .text import NOTE, code, table

REAL, DOUBLE, MISSING = "real", "double", "missing"


def lab_stack() -> Stack:
    """The map as the lab overrides it, on a machine that can run Keycloak."""
    # Neither the path of its distribution nor where the application lies shows in the matrix.
    lab = choose(DEFAULT_NETWORK, None, None)
    return load(extra=overrides(lab, ("/keycloak.zip", "0" * 64), "/nextcloud"))


def against(stack: Stack, item: Integration) -> tuple[str, str]:
    """``real``, ``double`` or ``missing``, and which end of it is a double."""
    if not stack.active(item.id):
        return MISSING, ""
    for end in (item.source, item.target):
        remark = stack.services[end].remark or ""
        if "double" in remark.lower():
            return DOUBLE, f"{end}: {remark}" if remark.lower() != DOUBLE else end
    return REAL, ""


def counts(stack: Stack) -> Counter[str]:
    """How many integrations are real, double or missing in the lab."""
    return Counter(against(stack, item)[0] for item in stack.integrations.values())


def matrix() -> str:
    """One row for each integration."""
    stack = lab_stack()
    rows = []
    for item in stack.integrations.values():
        state, end = against(stack, item)
        shown = f"**{state}**" if state != MISSING else state
        reason = stack.why_inactive(item.id)
        way = item.realised_via or item.protocol
        if reason[0] == "not applicable":
            way = f"{way}. Not applicable by default: {reason[1]}"
        rows.append((item.number, code(item.id), f"{shown} ({end})" if end else shown, way))
    return table(("#", "integration", "in the lab", "realised as"), rows)


def page() -> str:
    """The matrix as a page."""
    found = counts(lab_stack())
    return (
        f"{NOTE}# The matrix of integrations\n\n{found[REAL]} are proved in the lab between two real "
        f"servers, {found[DOUBLE]} with a double at one end, and {found[MISSING]} aren't there in this "
        f"version; for these the last column says how they are meant to be.\n\n{matrix()}"
    )
