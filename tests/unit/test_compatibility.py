"""No plug-in file works with a library of another version, without one, or with a Salt that is too old."""

from __future__ import annotations

import builtins
import importlib.util
import pathlib
import re
import subprocess
import sys

import pytest
import salt.version
from salt.exceptions import CommandExecutionError, SaltRenderError

import salt_itstack
from salt_itstack import compatibility
from salt_itstack.errors import ItstackError
from salt_itstack.fleet import Fleet
from salt_itstack.loader import KINDS, folder

ROOT = pathlib.Path(__file__).resolve().parents[2]
PLUGINS = sorted(ROOT.glob("_*/*.py"))
ANOTHER = "0.0.9"
#: Kinds of which Salt tells nobody why they don't load: they do, and say it when they are called.
CALLS = {
    "_pillar": lambda plugin: plugin.ext_pillar("lab-db1", {}),
    "_tops": lambda plugin: plugin.top(opts={"id": "lab-db1"}, grains={}),
    "_sdb": lambda plugin: [
        told(plugin.get, "x"), told(plugin.set_, "x", "y"), told(plugin.delete, "x")
    ],
    "_output": lambda plugin: plugin.output({"rows": [], "notes": ["seen all the same"]}),
}  # fmt: skip


def load(path):
    """Run a plug-in file as Salt's loader does: by its path."""
    spec = importlib.util.spec_from_file_location(f"another_copy_of_{path.stem}", path)
    plugin = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(plugin)
    plugin.__opts__ = {"conf_file": "/nowhere/master"}
    return plugin


def told(function, *arguments):
    try:
        return str(function(*arguments))
    except CommandExecutionError as error:
        return str(error)


def refused(path):
    """All that a user of this file is told."""
    call = CALLS.get(path.parent.name)
    if call is None:
        with pytest.raises(ImportError) as error:
            load(path)
        return [str(error.value)]
    said = call(load(path)) if path.parent.name == "_sdb" else told(call, load(path))
    return said if isinstance(said, list) else [said]


@pytest.fixture(params=PLUGINS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def plugin(request):
    return request.param


def test_every_kind_of_plugin_is_looked_at():
    assert {path.parent.name for path in PLUGINS} == {f"_{kind}" for kind in KINDS}
    assert all(folder(kind).samefile(ROOT / f"_{kind}") for kind in KINDS)


def test_the_version_of_a_file_is_that_of_the_library(plugin):
    written = re.findall(r'^__version__ = "([^"]+)"$', plugin.read_text(), re.MULTILINE)
    assert written == [salt_itstack.__version__]
    load(plugin)


def test_a_library_of_another_version_is_refused_with_both_and_the_remedy(plugin, monkeypatch):
    monkeypatch.setattr(compatibility, "__version__", ANOTHER)
    for line in refused(plugin):
        assert ANOTHER in line and salt_itstack.__version__ in line and "Remedy: " in line, line
        if plugin.parent.name != "_output":
            assert "\n" not in line


def test_salt_3007_is_refused_with_its_version_and_the_remedy(plugin, monkeypatch):
    monkeypatch.setattr(salt.version, "__version__", "3007.9")
    monkeypatch.setattr(salt.version, "__version_info__", (3007, 9))
    for line in refused(plugin):
        assert "needs Salt 3008 or later, and this is Salt 3007.9. Remedy: upgrade" in line, line


@pytest.mark.parametrize("missing", ["salt_itstack", "salt_itstack.compatibility"])
def test_no_library_or_one_that_cannot_answer_is_told_with_the_remedy(plugin, missing, monkeypatch):
    really = builtins.__import__

    def without(name, globals=None, locals=None, fromlist=(), level=0):
        parts = {name, *(f"{name}.{part}" for part in fromlist or ())}
        if level == 0 and missing in {".".join(part.split(".")[: missing.count(".") + 1]) for part in parts}:
            raise ModuleNotFoundError(f"No module named {missing!r}", name=missing)
        return really(name, globals, locals, fromlist, level)

    monkeypatch.setattr(builtins, "__import__", without)
    lines = refused(plugin)
    monkeypatch.undo()
    for line in lines:
        assert f"No module named '{missing}'" in line, line
        assert f"needs the library of salt-itstack {salt_itstack.__version__}. Remedy: " in line, line


def test_what_could_not_be_shown_as_a_table_is_shown_all_the_same(monkeypatch):
    monkeypatch.setattr(compatibility, "__version__", ANOTHER)
    (path,) = (path for path in PLUGINS if path.parent.name == "_output")
    assert "seen all the same" in refused(path)[0]


def python_sls():
    """SLS files that are written in Python: they import the library as well."""
    found = (path for name in ("states", "orchestrate", "reactor") for path in (ROOT / name).rglob("*.sls"))
    return sorted(path for path in found if path.read_text().startswith("#!py"))


@pytest.mark.parametrize("path", python_sls(), ids=lambda path: path.stem)
def test_an_sls_of_another_version_is_refused_without_a_traceback(path, monkeypatch):
    def render():
        exec(compile(path.read_text(), str(path), "exec"), {"__name__": "sls"})

    render()
    monkeypatch.setattr(compatibility, "__version__", ANOTHER)
    # Of any other error Salt shows the traceback.
    with pytest.raises(SaltRenderError) as error:
        render()
    told = str(error.value)
    assert ANOTHER in told and salt_itstack.__version__ in told and "Remedy: " in told


def test_the_question_itself_needs_nothing_of_salt_but_its_version():
    text = pathlib.Path(compatibility.__file__).read_text()
    assert re.findall(r"^(?:import|from) (\S+)", text, re.MULTILINE) == [
        "__future__", "pathlib", "salt.version", ".",
    ]  # fmt: skip
    assert sys.modules["salt_itstack"].__version__ == compatibility.__version__


def test_the_package_says_the_same_version():
    setup = (ROOT / "setup.cfg").read_text()
    assert "version = attr: salt_itstack.__version__" in setup


def test_minions_of_another_version_are_named_before_a_deploy(monkeypatch):
    reason = "this plug-in is of salt-itstack 9.9.9, but the library in /x is 0.0.9. Remedy: install both"
    answers = {
        "same": salt_itstack.__version__,
        "other": "9.9.9",
        "none": "'itstack.version' is not available.",
        "mixed": f"'itstack' __virtual__ returned False: {reason}",
    }
    monkeypatch.setattr(Fleet, "ask", lambda self, wanted, *_, **__: {name: answers[name] for name in wanted})
    fleet = object.__new__(Fleet)
    fleet.check(["same"])
    with pytest.raises(ItstackError) as error:
        fleet.check(answers)
    told = str(error.value)
    assert f"salt-itstack {salt_itstack.__version__} is on the master" in told and "Remedy: " in told
    assert "other has 9.9.9" in told and "none has no salt-itstack" in told and reason in told
    assert "same has" not in told


def test_the_command_of_a_release_changes_every_file(tmp_path):
    files = [*PLUGINS, *python_sls(), ROOT / "salt_itstack" / "__init__.py"]
    for path in files:
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(path.read_text())
    section = (ROOT / "CONTRIBUTING.md").read_text().split("## A release")[1]
    (command,) = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    subprocess.run(["sh", "-c", command], cwd=tmp_path, check=True)
    (new,) = set(re.findall(r'"(\d[^"]+)"', command))
    for path in files:
        text = (tmp_path / path.relative_to(ROOT)).read_text()
        assert re.findall(r"^__version__ = (.*)$", text, re.MULTILINE) == [f'"{new}"'], path
