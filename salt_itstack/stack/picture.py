"""The map as a Mermaid flow chart."""

from __future__ import annotations

from collections.abc import Mapping

from .model import BROKEN, DRIFTED, NOT_APPLICABLE, NOT_DEPLOYED, UNPROVED, WORKS, Stack

COLOURS = {
    WORKS: "#2e7d32",
    DRIFTED: "#ef6c00",
    BROKEN: "#c62828",
    UNPROVED: "#1565c0",
    NOT_DEPLOYED: "#9e9e9e",
    NOT_APPLICABLE: "#bdbdbd",
}


def mermaid(stack: Stack, status: Mapping[str, str] | None = None) -> str:
    """
    The services in the boxes of their servers, and the integrations as numbered arrows.

    status
        The state of each integration by its id, which colours its arrow. What isn't named, or everything
        when it is None, shows what the map says: a dotted arrow for what isn't active.
    """
    lines = ["flowchart LR"]
    for name, server in stack.servers.items():
        inside = [item.id for item in stack.services.values() if item.enabled and item.server == name]
        lines += _box(stack, f"server_{_word(name)}", f"{name} {server.address}", inside)
    outside = [item.id for item in stack.services.values() if item.enabled and item.external]
    if outside:
        lines += _box(stack, "external", "external", outside)
    styles: dict[str, list[int]] = {}
    count = 0
    for item in stack.integrations.values():
        ends = (stack.services[item.source], stack.services[item.target])
        if not item.enabled or not all(end.enabled for end in ends):
            continue
        state = (status or {}).get(item.id) or stack.why_inactive(item.id)[0]
        arrow = "-.->" if state in (NOT_DEPLOYED, NOT_APPLICABLE) else "-->"
        lines.append(f"  {_node(item.source)} {arrow}|{item.number}| {_node(item.target)}")
        if state in COLOURS:
            styles.setdefault(COLOURS[state], []).append(count)
        count += 1
    for colour, arrows in styles.items():
        lines.append(f"  linkStyle {','.join(map(str, arrows))} stroke:{colour}")
    waiting = [
        _node(item.id) for item in stack.services.values() if item.enabled and stack.why_absent(item.id)
    ]
    if waiting:
        lines += [
            "  classDef waiting stroke-dasharray:4,color:#757575",
            f"  class {','.join(waiting)} waiting",
        ]
    return "\n".join(lines) + "\n"


def _box(stack: Stack, name: str, title: str, services: list[str]) -> list[str]:
    nodes = [
        f'    {_node(key)}["{_text(stack.services[key].name)}<br/>{_text(stack.fqdn(key))}"]'
        for key in services
    ]
    return [f'  subgraph {name}["{_text(title)}"]', *nodes, "  end"]


def _node(service_id: str) -> str:
    # A prefix, because Mermaid keeps words such as "end" and "class" for itself.
    return f"service_{_word(service_id)}"


def _word(text: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in text)


def _text(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;")
