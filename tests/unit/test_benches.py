"""What the benches make of what they measure, without the servers."""

import importlib
import json
import sys

import pytest

from bench import keycloak, processes
from bench.__main__ import NAMES, merge
from bench.scripts import keycloak as script
from docs.generator import benches as page


class Program(processes.Tool):
    """Prints how many objects it was given, and takes some memory."""

    name = "a program"

    def declare(self, objects):
        self.objects = objects

    def command(self):
        return [
            sys.executable,
            "-c",
            f"held = b'x' * ({len(self.objects)} << 20); print(len({list(self.objects)}))",
        ]

    def changed(self, said):
        return int(said)


def test_a_run_is_measured_as_a_whole_process(tmp_path):
    tool, answers = Program(tmp_path / "tool"), iter([3, 8])
    tool.declare(dict.fromkeys(range(300)))
    run = tool.run(lambda: next(answers))
    assert (run.changed, run.requests) == (300, 5)
    assert run.seconds > 0 and run.memory_mib > 300


def test_a_run_that_fails_ends_the_bench_with_its_words(tmp_path):
    class Broken(Program):
        def command(self):
            return [sys.executable, "-c", "raise SystemExit('the server is away')"]

    with pytest.raises(AssertionError, match="a program ended with 1: the server is away"):
        Broken(tmp_path / "tool").run(lambda: 0)


def test_a_tool_that_makes_less_than_declared_ends_the_bench(tmp_path):
    class Lazy(Program):
        def changed(self, said):
            return int(said) - 1

    objects = {"one": {}, "two": {}}
    with pytest.raises(AssertionError, match="made 1 of 2"):
        processes.measured(Lazy(tmp_path / "tool"), objects, objects, lambda: 0)


def test_what_others_would_need_for_more_goes_on_in_a_straight_line():
    rows = [
        {"tool": "other", "count": 1, "no_op_s": 2.0, "no_op_requests": 2},
        {"tool": "this pack", "count": 1, "no_op_s": 1.0, "no_op_requests": 2},
        {"tool": "other", "count": 101, "no_op_s": 52.0, "no_op_requests": 202},
    ]
    computed = processes.extrapolated(rows, "other", 1001)
    assert computed == {
        "tool": "other, computed from 101", "count": 1001, "no_op_s": 502.0, "no_op_requests": 2002,
    }  # fmt: skip


def test_figures_are_put_beside_those_of_other_benches(tmp_path):
    file = tmp_path / "benches.json"
    file.write_text(json.dumps({"machine": "old", "deploy": {"services": 20}, "keycloak": {"no_op_s": 9}}))
    merge(file, {"machine": "new", "keycloak": {"no_op_s": 1}})
    assert json.loads(file.read_text()) == {
        "machine": "new", "deploy": {"services": 20}, "keycloak": {"no_op_s": 1},
    }  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_each_figure_that_is_wanted_is_explained(name):
    bench = importlib.import_module(f"bench.{name}")
    assert {figure for figure, _, _ in bench.WANTED} <= bench.FIGURES.keys()


def test_the_page_shows_a_row_for_each_run_and_what_isnt_met(tmp_path, monkeypatch):
    row = {"tool": "this pack", "count": 1000, "create_s": 7.2, "no_op_requests": 14}
    figures = dict.fromkeys(keycloak.FIGURES, 1) | {"runs": [row], "no_op_requests": 14}
    file = tmp_path / "benches.json"
    file.write_text(json.dumps({"machine": "a machine", "keycloak": figures}))
    monkeypatch.setattr(page, "FIGURES", file)
    text = page.page()
    assert "at most 12: not met" in text
    assert "| this pack | 1000 | 7.2 |" in text


def test_the_bare_script_sees_what_differs_from_what_is_wanted():
    mappers = [{"name": "b", "config": {"x": "1", "made": "by the server"}}, {"name": "a", "config": {}}]
    found = {"description": "one", "protocolMappers": mappers, "id": "5"}
    wanted = {"description": "one", "protocolMappers": [{"name": "a"}, {"name": "b", "config": {"x": "1"}}]}
    assert script.same(wanted, found)
    assert not script.same({**wanted, "description": "two"}, found)
    assert not script.same({**wanted, "protocolMappers": [{"name": "a"}]}, found)
