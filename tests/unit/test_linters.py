"""The linters are tests, so that one command says whether a change may go in."""

import ast
import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PLUGINS = sorted(path for folder in ROOT.glob("_*") for path in folder.glob("*.py"))
SLS = sorted(
    str(path.relative_to(ROOT))
    for kind in ("states", "orchestrate", "reactor")
    for path in (ROOT / kind).rglob("*.sls")
)
COMMANDS = {
    "ruff": ["ruff", "check", "."],
    "format": ["ruff", "format", "--check", "."],
    "mypy": ["mypy"],
    "imports": ["lint-imports"],
    "salt-lint": ["salt-lint", *SLS],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_linter_finds_nothing(name):
    program, *words = COMMANDS[name]
    found = shutil.which(program, path=str(pathlib.Path(sys.executable).parent))
    assert found, f"{program} isn't installed beside {sys.executable}: pip install -e .[test]"
    done = subprocess.run([found, *words], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{program} {' '.join(words)}\n{done.stdout}{done.stderr}"


def imported(path):
    """The modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", PLUGINS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_plugin_imports_neither_the_lab_nor_another_plugin(path):
    # In a checkout the plug-ins aren't part of the package, so the import linter doesn't see them.
    others = ("lab", "modules", "states", "runners", "pillar", "tops", "sdb", "output", "beacons", "engines")
    for name in imported(path):
        assert not name.startswith(tuple(f"salt_itstack.{other}" for other in others)), name
        assert not name.startswith("_"), name


def test_there_are_plugins_and_sls_to_look_at():
    assert len(PLUGINS) >= 10 and len(SLS) >= 10
