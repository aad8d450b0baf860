"""The documentation says what the code says: generated parts, counts, links, and examples."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from salt_itstack.stack import load

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
sys.path.insert(0, str(DOCS))

generate = importlib.import_module("generate")
fields = importlib.import_module("generator.fields")
matrix = importlib.import_module("generator.matrix")
plugins = importlib.import_module("generator.plugins")
reference = importlib.import_module("generator.reference")
terminal = importlib.import_module("generator.terminal")
descriptions = importlib.import_module("generator.descriptions")

PAGES = sorted(
    path
    for path in [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]
    if not {"_build", ".venv"} & set(path.relative_to(ROOT).parts)
)
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"```.*?```|`[^`]*`", re.DOTALL)
INCLUDE = re.compile(r"^```\{include\} (\S+)$", re.MULTILINE)
FUNCTIONS = [
    pytest.param(plugin, function, id=f"{kind}-{plugin.name}.{function.name}")
    for kind in plugins.KINDS
    for plugin in plugins.plugins(kind)
    for function in plugin.functions
]
STATES = {plugin.name: plugin for plugin in plugins.plugins("states")}
#: Requisites and the like, that any state takes.
COMMON = {"name", "require", "watch", "onchanges", "profile"}


def readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return readme().split(f"\n## {title}\n")[1].split("\n## ")[0]


# What is generated -------------------------------------------------------------------------------------


def test_generated_text_is_what_would_be_written_now():
    outdated = [str(path.relative_to(ROOT)) for path in generate.stale(generate.documents())]
    assert not outdated, f"run python docs/generate.py: {', '.join(outdated)}"


def test_a_changed_file_is_found(tmp_path):
    found = tmp_path / "page.md"
    found.write_text("old")
    assert found in generate.stale({found: "new"})
    assert found not in generate.stale({found: "old"})


def test_a_page_that_nothing_generates_any_more_is_found():
    found = generate.documents()
    gone = DOCS / "generated" / "services.md"
    del found[gone]
    assert gone in generate.stale(found)


def test_every_key_of_the_map_is_described_and_no_other():
    assert sorted(descriptions.DESCRIPTIONS) == sorted(path for path, _ in reference.walk())


@pytest.mark.parametrize("service", load().deployable())
def test_each_service_has_a_page_with_its_fields(service):
    text = (DOCS / "services" / f"{service}.md").read_text(encoding="utf-8")
    assert f"../generated/fields_{service}.md" in text
    for resource in fields.resources(service):
        for name in resource.fields:
            assert f"`{name}`" in (DOCS / "generated" / f"fields_{service}.md").read_text(encoding="utf-8")


def test_the_picture_is_well_formed_and_shows_the_whole_text():
    from xml.etree import ElementTree

    captured = "\x1b[32m✔   1  one <works> & more\x1b[0m\n\nplain"
    root = ElementTree.fromstring(terminal.picture(captured))
    # Blanks that a browser doesn't fold.
    texts = [element.text.replace("\xa0", " ") for element in root.iter() if element.tag.endswith("text")]
    assert texts == ["✔   1  one <works> & more", "plain"]
    colours = [element.get("fill") for element in root.iter() if element.tag.endswith("text")]
    assert colours == [terminal.INKS["32"], None]


def test_the_picture_needs_nothing_from_elsewhere():
    text = (DOCS / "images" / "lab-up.svg").read_text(encoding="utf-8")
    assert "font-face" not in text
    assert re.findall(r"https?://[^\s\"<]*w3\.org[^\s\"<]*", text) == ["http://www.w3.org/2000/svg"]
    assert "href" not in text


# What the README says ----------------------------------------------------------------------------------


def test_the_counts_of_the_readme_are_those_of_the_map():
    stack = load()
    text = " ".join(readme().split())
    supported = [item.id for item in stack.integrations.values() if item.supported]
    assert f"all {len(stack.services)} services and {len(stack.integrations)} integrations" in text
    assert f"**{len(stack.deployable())} services**" in text
    assert f"**{len(supported)} integrations**" in text
    status = section("What version 0.1 can do")
    for identifier in supported:
        assert f"`{identifier}`" in status
    for service in stack.deployable():
        assert stack.services[service].name in status
    assert "22 integrations" in text and "the 58" in text


def test_the_commands_to_try_it_are_the_first_two():
    blocks = re.findall(r"```\w*\n(.*?)```", readme(), re.DOTALL)
    assert blocks[0].splitlines() == ["./lab up", "./lab test"]
    assert re.findall(r"```\w*\n(.*?)```", section("Try it"), re.DOTALL) == [blocks[0]]


def test_the_map_in_the_readme_is_the_example():
    shown = re.findall(r"```yaml\n(.*?)```", section("The map of a real deployment"), re.DOTALL)
    assert shown == [(ROOT / "examples" / "three-servers.yaml").read_text(encoding="utf-8")]
    assert shown[0].count("\n") <= 45, "one screen"


def test_the_runner_functions_of_the_readme_exist():
    (runner,) = plugins.plugins("runners")
    known = {function.name for function in runner.functions}
    named = set(re.findall(r"salt-run (?:--\S+ )?itstack\.(\w+)", readme()))
    assert named <= known
    assert known - named <= {"prove", "finish", "collect"}, "parts of a deploy, not things that people say"


def test_the_matrix_is_honest():
    stack = matrix.lab_stack()
    for item in stack.integrations.values():
        state, end = matrix.against(stack, item)
        assert (state == matrix.MISSING) == (not stack.active(item.id))
        remarks = [stack.services[one].remark or "" for one in (item.source, item.target)]
        if stack.active(item.id):
            assert (state == matrix.DOUBLE) == any("double" in remark for remark in remarks)
            assert bool(end) == (state == matrix.DOUBLE)
    rows = re.findall(r"^\| (\d+) \| `([^`]+)` \|", section("The honest matrix"), re.MULTILINE)
    assert rows == [(str(item.number), item.id) for item in stack.integrations.values()]


# Links -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_somewhere(page):
    whole = page.read_text(encoding="utf-8")
    text = CODE.sub("", whole)
    for target in [*LINK.findall(text), *INCLUDE.findall(whole)]:
        if re.match(r"[a-z]+:", target) or target.startswith("#"):
            continue
        assert (page.parent / target.split("#")[0]).exists(), f"{page.name} links to {target}"


def test_the_files_that_the_architecture_names_exist():
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:salt_itstack|_\w+|states|orchestrate|docs)/[\w/.]+)`", text))
    assert len(named) > 15
    missing = sorted(name for name in named if not (ROOT / name).exists())
    assert missing == []
    tree = text.split("## The tree")[1].split("## ")[0]
    library = re.findall(r"\b(\w+\.py)\b", tree)
    assert all(
        (ROOT / "salt_itstack" / name).exists()
        or name in {"resources.py", "api.py", "view.py", "generate.py"}
        for name in library
    )


# Docstrings --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("plugin", "function"), FUNCTIONS)
def test_each_function_shows_how_it_is_called(plugin, function):
    if plugin.kind == "states":
        found = [text for text in plugins.examples(function.docstring) if f"{plugin.name}." in text]
        assert any(f"{plugin.name}.{function.name}:" in text for text in found), function.place
    else:
        assert "CLI Example:" in function.docstring, function.place
        assert f".{function.name}" in function.docstring or plugin.kind == "sdb", function.place


def arguments(call: str, entry: object) -> set[str]:
    assert isinstance(entry, list), f"{call} takes a list"
    return {name for argument in entry for name in argument}


@pytest.mark.parametrize(
    ("plugin", "function"), [case for case in FUNCTIONS if case.id.startswith("states-")]
)
def test_the_examples_of_states_could_be_used(plugin, function):
    known_fields = set()
    service = plugin.name.removeprefix("itstack_")
    if service in load().services:
        known_fields = {name for resource in fields.resources(service) for name in resource.fields}
    for example in plugins.examples(function.docstring):
        for declaration in yaml.safe_load(example).values():
            for call, given in declaration.items():
                name = call.split(".", 1)[1]
                target = next(one for one in STATES[plugin.name].functions if one.name == name)
                allowed = {*target.parameters, *COMMON}
                if target.takes_more:
                    allowed |= known_fields
                assert arguments(call, given) <= allowed, function.place


def test_examples_in_pages_name_states_that_exist():
    for page in PAGES:
        for name, function in re.findall(r"^ +(itstack_?\w*)\.(\w+):", page.read_text("utf-8"), re.MULTILINE):
            assert function in {one.name for one in STATES[name].functions}, f"{page.name}: {name}.{function}"


def test_the_plugins_are_read_as_they_are():
    runner = plugins.plugins("runners")[0]
    assert "deploy" in {function.name for function in runner.functions}
    assert not [function for function in runner.functions if function.name.startswith("_")]
    driver = plugins.plugins("sdb")[0]
    assert {function.name for function in driver.functions} == {"get", "set", "delete"}


# The whole ---------------------------------------------------------------------------------------------


def test_sphinx_builds_it_without_a_warning(tmp_path):
    pytest.importorskip("sphinx")
    pytest.importorskip("myst_parser")
    words = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-d", str(tmp_path / "trees")]
    done = subprocess.run(
        [*words, str(DOCS), str(tmp_path / "html")], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "html" / "generated" / "api" / "states_itstack_keycloak.html").exists()
