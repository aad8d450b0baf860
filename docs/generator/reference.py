"""The reference of the map: its keys, its services and its integrations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from salt_itstack.loader import data_file
from salt_itstack.stack import Stack, load, mermaid, schema

from .descriptions import DESCRIPTIONS
from .text import NOTE, block, code, table

#: What a placeholder in a key stands for.
NAMES = {"servers": "<server>", "services": "<service>", "integrations": "<integration>", "ports": "<name>",
         "companions": "<name>", "secrets": "<secret>"}  # fmt: skip


def walk(node: Any = schema.STACK, path: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Each key that a map may have with what is expected there, in the order of the schema."""
    if path:
        yield ".".join(path), _expected(node)
    if isinstance(node, schema.Fields):
        for key, child in node.keys.items():
            yield from walk(child, (*path, key))
    elif isinstance(node, schema.Entries) and isinstance(node.value, schema.Fields):
        for key, child in node.value.keys.items():
            yield from walk(child, (*path, NAMES[path[-1]], key))


def _expected(node: Any) -> str:
    if isinstance(node, schema.Rule):
        return node.expected
    if isinstance(node, schema.Listing):
        return f"a list; each: {node.item.expected}" + (", or null" if node.nullable else "")
    if isinstance(node, schema.Entries):
        inner = f"; each: {node.value.expected}" if isinstance(node.value, schema.Rule) else ""
        return f"a mapping from {node.key.expected}{inner}"
    if isinstance(node, schema.Settings):
        return "a mapping with the settings of its defaults"
    return "a mapping" + (", or null" if node.nullable else "")


def keys() -> str:
    """The table of all keys, with the defaults of the built-in map at the top level."""
    built_in = yaml.safe_load((data_file("stack/servers.yaml")).read_text(encoding="utf-8"))
    rows = []
    for path, expected in walk():
        usual: Any = built_in
        for part in path.split("."):
            usual = usual.get(part) if isinstance(usual, dict) else None
        usual = None if isinstance(usual, dict) else usual
        # Where there is a null, its meaning is in the description.
        rows.append((code(path), expected, code(usual), DESCRIPTIONS[path]))
    return NOTE + table(("key", "value", "default", "meaning"), rows)


def services(stack: Stack) -> str:
    """The table of services, and the settings of each."""
    rows = []
    for item in stack.services.values():
        ports = ", ".join(f"{name} {port}" for name, port in item.ports.items())
        there = "yes" if item.supported else "not yet"
        server = stack.server_of(item.id)
        rows.append(
            (code(item.id), item.name, item.layer, item.phase, server.name if server else "",
             code(item.public_name), ports, ", ".join(stack.needs(item.id)), there)
        )  # fmt: skip
    head = ("id", "service", "layer", "phase", "default server", "public name", "ports", "needs", "deployed")
    parts = [NOTE, table(head, rows), "\nSettings and secrets, with their defaults:\n\n"]
    for item in stack.services.values():
        if item.settings or item.secrets:
            secrets = {name: secret.kind for name, secret in item.secrets.items()}
            shown = {"settings": dict(item.settings), "secrets": secrets}
            shown = {key: value for key, value in shown.items() if value}
            parts += [f"`{item.id}`\n\n", block(yaml.safe_dump(shown, sort_keys=False), "yaml"), "\n"]
    return "".join(parts)


def integrations(stack: Stack) -> str:
    """The table of integrations."""
    rows = []
    for item in stack.integrations.values():
        settings = "; ".join(f"{key}: {value}" for key, value in item.settings.items() if value is not None)
        rows.append(
            (item.number, code(item.id), item.kind, item.title, item.protocol, item.direction, item.trigger,
             item.consumer or "neither", item.probe, settings, "yes" if item.supported else "not yet")
        )  # fmt: skip
    head = ("#", "id", "kind", "what is true then", "protocol", "direction", "trigger", "waits", "probe",
            "settings", "wired")  # fmt: skip
    return NOTE + table(head, rows)


def built_in() -> Stack:
    """The map as it is shipped."""
    return load()


def diagram(stack: Stack) -> str:
    """The map as a Mermaid chart in a page that draws it where that is understood."""
    return f"{NOTE}# The stack as a diagram\n\nDotted arrows aren't there in this version.\n\n" + block(
        mermaid(stack), "mermaid"
    )
