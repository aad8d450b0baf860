"""
The reference of the Salt plug-ins, out of their docstrings.

They are parsed, not imported: outside of Salt's loader their dunders don't exist.
"""

from __future__ import annotations

import ast
import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

from .text import NOTE, block

ROOT = Path(__file__).resolve().parents[2]
#: Folder of each kind of plug-in, and what people call its functions.
KINDS = {
    "runners": "Runner functions",
    "states": "States",
    "modules": "Execution functions",
    "sdb": "Functions of the sdb driver",
}
_YAML = re.compile(r"\.\. code-block:: yaml\n\n((?:[ \t]+\S.*\n|\n)+)")


@dataclass(frozen=True)
class Function:
    """One public function of a plug-in."""

    name: str
    arguments: str
    parameters: tuple[str, ...]
    takes_more: bool
    docstring: str
    place: str


@dataclass(frozen=True)
class Plugin:
    """One plug-in file."""

    kind: str
    name: str
    path: Path
    docstring: str
    functions: tuple[Function, ...]


def plugins(kind: str) -> list[Plugin]:
    """All plug-ins of one kind."""
    return [_read(kind, path) for path in sorted((ROOT / f"_{kind}").glob("*.py"))]


def _read(kind: str, path: Path) -> Plugin:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    aliases: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__func_alias__":
            aliases = ast.literal_eval(node.value)
    found = []
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef) or node.name.startswith("_"):
            continue
        shown = node.args
        more = shown.kwarg is not None
        names = tuple(argument.arg for argument in (*shown.args, *shown.kwonlyargs))
        if kind == "states":
            # What Salt hands over besides isn't for people.
            shown.kwarg = None
        found.append(
            Function(
                name=aliases.get(node.name, node.name),
                arguments=ast.unparse(shown),
                parameters=names,
                takes_more=more,
                docstring=ast.get_docstring(node) or "",
                place=f"{path.relative_to(ROOT)}:{node.lineno}",
            )
        )
    return Plugin(kind, path.stem, path, ast.get_docstring(tree) or "", tuple(found))


def examples(docstring: str) -> list[str]:
    """The YAML blocks of a docstring, without their indentation."""
    return [textwrap.dedent(found).strip("\n") for found in _YAML.findall(f"{docstring}\n")]


def page(plugin: Plugin) -> str:
    """The page of one plug-in."""
    parts = [NOTE, f"# {plugin.name} ({plugin.kind})\n\n", _restructured(plugin.docstring)]
    for function in plugin.functions:
        title = f"{plugin.name}.{function.name}"
        parts += [f"\n## {title}\n\n", block(f"{title}({function.arguments})", "text"), "\n"]
        parts.append(_restructured(function.docstring))
    return "".join(parts)


def index() -> str:
    """The page that lists all of them."""
    parts = [NOTE, "# Reference of the plug-ins\n"]
    for kind, title in KINDS.items():
        names = [plugin.name for plugin in plugins(kind)]
        entries = "\n".join(f"{kind}_{name}" for name in names)
        parts.append(f"\n## {title}\n\n```{{toctree}}\n:maxdepth: 1\n\n{entries}\n```\n")
    return "".join(parts)


def alone(services: list[str]) -> str:
    """Profile and example of each service, for those who use states without the map."""
    profiles = {plugin.name: plugin for plugin in plugins("modules")}
    shown = {plugin.name: plugin for plugin in plugins("states")}
    parts = [NOTE]
    for service in services:
        name = f"itstack_{service}"
        parts.append(f"## {name}\n\nThe profile:\n\n")
        parts.append(block(examples(profiles[name].docstring)[0], "yaml"))
        parts.append("\nStates:\n\n")
        parts.append(block(examples(shown[name].docstring)[0], "yaml"))
        parts.append(f"\nAll of them: [{name}](api/states_{name}.md).\n\n")
    return "".join(parts)


def _restructured(docstring: str) -> str:
    return f"````{{eval-rst}}\n{docstring.rstrip()}\n````\n"
