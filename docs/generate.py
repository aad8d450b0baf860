"""
Writes what the documentation takes from the project itself: the reference of the map and of the plug-ins,
the matrix, the diagram, the picture of the lab's result, and the generated parts of the README. And the links
of the folder `sync`.

    python docs/generate.py           write
    python docs/generate.py --check   only say what isn't up to date; exit code 1 if anything isn't
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path[:0] = [str(DOCS), str(ROOT)]

from generator import benches, fields, links, matrix, plugins, reference, terminal, text  # noqa: E402

README = ROOT / "README.md"
FIGURES = {
    "first_up": "First `./lab up`, with all downloads",
    "second_up": "`./lab up` again, with nothing to do",
    "peak_memory": "Memory of the whole lab at its peak",
    "test_run": "`./lab test`",
}


def figures() -> str:
    """The measured figures, or that there are none yet."""
    found: dict[str, Any] = yaml.safe_load((DOCS / "figures.yaml").read_text(encoding="utf-8"))
    rows = [(words, found[key] or "not measured yet") for key, words in FIGURES.items()]
    where = found["machine"] or "a machine that is yet to be named"
    return text.table((f"measured on {where}", ""), rows)


def readme() -> str:
    """The README with its generated parts renewed."""
    document = README.read_text(encoding="utf-8")
    three = (ROOT / "examples" / "three-servers.yaml").read_text(encoding="utf-8")
    for name, content in (
        ("figures", figures()),
        ("three-servers", text.block(three, "yaml")),
        ("matrix", matrix.matrix()),
    ):
        document = text.replaced(document, name, content)
    return document


def documents() -> dict[Path, str]:
    """Everything that is generated, by file."""
    stack = reference.built_in()
    generated = DOCS / "generated"
    supported = stack.deployable()
    found = {
        README: readme(),
        DOCS / "images" / "lab-up.svg": terminal.picture(
            (DOCS / "images" / "lab-up.txt").read_text(encoding="utf-8")
        ),
        generated / "stack.mmd": reference.mermaid(stack),
        generated / "diagram.md": reference.diagram(stack),
        generated / "map_keys.md": reference.keys(),
        generated / "services.md": reference.services(stack),
        generated / "integrations.md": reference.integrations(stack),
        generated / "matrix.md": matrix.page(),
        generated / "benches.md": benches.page(),
        generated / "alone.md": plugins.alone(supported),
        generated / "api" / "index.md": plugins.index(),
    }
    for service in supported:
        found[generated / f"fields_{service}.md"] = fields.page(service)
    for kind in plugins.KINDS:
        for plugin in plugins.plugins(kind):
            found[generated / "api" / f"{kind}_{plugin.name}.md"] = plugins.page(plugin)
    return found


def stale(found: dict[Path, str]) -> list[Path]:
    """The files that differ from what would be written, and those that nothing generates any more."""
    differing = [path for path, wanted in found.items() if not path.exists() or path.read_text() != wanted]
    left = [path for path in (DOCS / "generated").rglob("*") if path.is_file() and path not in found]
    return sorted([*differing, *left])


def main(arguments: list[str]) -> int:
    """Write, or check; returns the exit code."""
    found = documents()
    outdated = stale(found)
    if "--check" in arguments:
        told = [*(path.relative_to(ROOT) for path in outdated), *links.stale()]
        for path in told:
            print(f"{path} isn't up to date. Remedy: python docs/generate.py")
        return int(bool(told))
    for path in outdated:
        if path not in found:
            path.unlink()
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(found[path], encoding="utf-8")
        print(path.relative_to(ROOT))
    for path in links.write():
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
