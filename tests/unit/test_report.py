"""The matrix: rows, table, JSON, exit code, and what is remembered of the last proof."""

import json
import os

import pytest
import salt.loader

from salt_itstack import report
from salt_itstack.proof import verdicts
from salt_itstack.stack import STATUSES, load

WHEN = "2026-11-23T04:21:31Z"
COLUMNS = {"number", "id", "kind", "source", "target", "state", "proved_at", "against", "reason"}


def proof(state="works", reason="proved", against="PostgreSQL 15.9 + Keycloak 26.7.3", proved_at=WHEN):
    return {"state": state, "reason": reason, "against": against, "proved_at": proved_at}


@pytest.fixture(scope="module")
def stack():
    return load()


def by_id(rows):
    return {row["id"]: row for row in rows}


def test_each_integration_has_one_row_in_order(stack):
    rows = report.rows(stack, {})
    assert [row["number"] for row in rows] == list(range(1, 59))
    assert all(set(row) == COLUMNS and row["state"] in STATUSES for row in rows)
    assert len({row["id"] for row in rows}) == 58
    json.dumps(rows)


def test_what_was_never_proved_is_unproved_not_well(stack):
    row = by_id(report.rows(stack, {}))["postgresql-keycloak"]
    assert (row["state"], row["proved_at"], row["against"]) == ("unproved", None, None)


def test_a_row_shows_its_last_proof(stack):
    row = by_id(report.rows(stack, {"postgresql-keycloak": proof()}))["postgresql-keycloak"]
    assert {key: row[key] for key in proof()} == proof()


def test_a_proof_of_what_is_switched_off_since_is_not_shown():
    off = load(extra={"integrations": {"redis-nextcloud": {"enabled": False}}})
    row = by_id(report.rows(off, {"redis-nextcloud": proof()}))["redis-nextcloud"]
    assert (row["state"], row["proved_at"]) == ("not deployed", None)
    assert "switched off" in row["reason"]


def test_every_idle_row_has_its_reason(stack):
    for row in report.rows(stack, {}):
        assert row["reason"], row["id"]


@pytest.mark.parametrize("state", STATUSES)
def test_only_broken_and_drifted_rows_fail_a_run(state):
    rows = [{"state": "works"}, {"state": state}]
    assert report.retcode(rows) == (1 if state in ("broken", "drifted") else 0)
    assert report.retcode([]) == 0


def test_counts_add_up(stack):
    rows = report.rows(stack, {"postgresql-keycloak": proof(), "redis-nextcloud": proof("broken", "why")})
    counts = report.counts(rows)
    assert sum(counts.values()) == 58
    assert (counts["works"], counts["broken"]) == (1, 1) and "drifted" not in counts
    assert list(counts) == [state for state in STATUSES if state in counts]


# The table


def table(stack, proofs, **options):
    return report.table(report.rows(stack, proofs), **options)


def test_the_table_shows_what_is_deployed_and_counts_the_rest(stack):
    text = table(stack, {"postgresql-keycloak": proof(), "redis-nextcloud": proof("broken", "no such user")})
    lines = {line.split()[2]: line for line in text.splitlines() if line and line[0] in "✔✘?≠"}
    assert "works" in lines["postgresql-keycloak"] and "04:21:31" in lines["postgresql-keycloak"]
    assert "PostgreSQL 15.9" in lines["postgresql-keycloak"]
    assert "broken" in lines["redis-nextcloud"] and "no such user" in lines["redis-nextcloud"]
    assert "zabbix-mattermost" not in text and "whole=True" in text
    assert "58 integrations: 1 works, 1 broken" in text


def test_the_whole_table_has_a_line_for_each_row(stack):
    text = table(stack, {}, whole=True, width=10_000)
    assert all(f" {item} " in text for item in stack.integrations)
    assert "whole=True" not in text


def test_every_state_has_a_sign_and_a_colour():
    assert set(report.SIGNS) == set(report.COLOURS) == set(STATUSES)


def test_colour_only_where_it_is_wanted(stack):
    assert "\033" not in table(stack, {"postgresql-keycloak": proof()})
    assert "\033[32m✔" in table(stack, {"postgresql-keycloak": proof()}, colour=True)


@pytest.mark.parametrize("width", [80, 100, 140])
def test_long_reasons_are_folded_and_complete(stack, width):
    reason = " ".join(f"word{number}" for number in range(60)) + "\nsecond line"
    text = table(stack, {"redis-nextcloud": proof("broken", reason)}, width=width)
    assert all(len(line) <= width for line in text.splitlines())
    assert " ".join(reason.split()) in " ".join(text.split())


# Memory


def test_what_is_remembered_comes_back(tmp_path):
    path = tmp_path / "itstack" / "status.json"
    report.remember(path, {"a": proof()})
    report.remember(path, {"b": proof("broken")})
    assert report.recall(path) == {"b": proof("broken")}
    assert [file.name for file in path.parent.iterdir()] == ["status.json"]


def test_a_full_disk_leaves_the_old_memory(tmp_path, monkeypatch):
    path = tmp_path / "status.json"
    report.remember(path, {"a": proof()})

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError):
        report.remember(path, {"b": proof()})
    monkeypatch.undo()
    assert report.recall(path) == {"a": proof()}
    assert [file.name for file in tmp_path.iterdir()] == ["status.json"]


@pytest.mark.parametrize(
    "content", ["", "[]", "null", "{}", '{"proofs": []}', '{"proofs": {"redis-nextcloud": 1}}', "\udcff"]
)
def test_a_damaged_memory_is_an_empty_one(tmp_path, stack, content):
    path = tmp_path / "status.json"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    row = by_id(report.rows(stack, report.recall(path)))["redis-nextcloud"]
    assert row["state"] == "unproved"
    assert report.recall(tmp_path / "nothing.json") == {}


# Verdicts

PROBE = {"lab-app1": {"redis-nextcloud": {"state": "works", "reason": "proved", "against": "a + b"}}}
WELL = {"lab-app1": {}, "lab-db1": {}}


def verdict(stack, probes=PROBE, runs=WELL, versions=None):
    return verdicts(stack, ["redis-nextcloud"], probes, runs, versions or {}, WHEN)["redis-nextcloud"]


def dry(**states):
    """A dry run of the source's minion, by name of the state: its result."""
    return {
        **WELL,
        "lab-db1": {
            str(number): {"__id__": name, "result": result, "changes": {"keys": {}}, "comment": "why"}
            for number, (name, result) in enumerate(states.items())
        },
    }


def test_what_works_and_is_as_declared_works(stack):
    assert verdict(stack) == {"state": "works", "reason": "proved", "against": "a + b", "proved_at": WHEN}


def test_what_a_dry_run_would_change_is_drifted_with_the_fields(stack):
    found = verdict(stack, runs=dry(**{"redis-nextcloud: user": None, "redis: service": None}))
    assert found["state"] == "drifted"
    assert "redis-nextcloud: user (keys)" in found["reason"] and "redis: service" not in found["reason"]


def test_states_that_fail_make_a_row_broken(stack):
    found = verdict(stack, runs=dry(**{"redis-nextcloud: user": False}))
    assert (found["state"], found["reason"]) == ("broken", "its states fail: redis-nextcloud: user: why")


def test_states_that_were_not_reached_say_nothing_of_what_works(stack):
    run = {
        "1": {
            "__id__": "redis: needs",
            "__sls__": "itstack.redis.service",
            "result": False,
            "comment": "why",
        },
        "2": {
            **{"__id__": "redis: ready", "__sls__": "itstack.redis.service", "result": False},
            **{
                "__state_ran__": False,
                "comment": "One or more requisite failed: itstack.redis.service.redis: needs",
            },
        },
        "3": {
            **{"__id__": "redis-nextcloud: user", "__sls__": "itstack.redis.provide", "result": False},
            **{
                "__state_ran__": False,
                "comment": "One or more requisite failed: itstack.redis.service.redis: ready",
            },
        },
    }
    found = verdict(stack, runs={**WELL, "lab-db1": run})
    assert (found["state"], found["reason"]) == (
        "unproved",
        "it works, but drift couldn't be looked for: lab-db1: why",
    )


def test_what_does_not_work_is_broken_whatever_the_dry_run_says(stack):
    probes = {"lab-app1": {"redis-nextcloud": {"state": "broken", "reason": "refused", "against": ""}}}
    assert verdict(stack, probes, dry(**{"redis-nextcloud: user": None}))["reason"] == "refused"


@pytest.mark.parametrize(
    "probes", [{}, {"lab-app1": {}}, {"lab-app1": "not available"}, {"lab-db1": PROBE}], ids=str
)
def test_a_probe_that_gave_nothing_is_unproved_naming_the_minion(stack, probes):
    found = verdict(stack, probes)
    assert (found["state"], found["proved_at"]) == ("unproved", None) and "lab-app1" in found["reason"]


@pytest.mark.parametrize("run", [None, "no pillar", ["Rendering SLS failed"], []])
def test_a_dry_run_that_gave_nothing_leaves_a_row_unproved_naming_the_minion(stack, run):
    found = verdict(stack, runs={**WELL, "lab-db1": run})
    assert found["state"] == "unproved" and "lab-db1" in found["reason"]


def test_a_row_names_the_servers_that_answered(stack):
    versions = {"lab-db1": {"redis": "Redis 7.0.15"}, "lab-app1": {"nextcloud": "Nextcloud 32"}}
    assert verdict(stack, versions=versions)["against"].startswith("Redis 7.0.15")


# The outputter


def test_the_outputter_shows_table_and_notes_and_leaves_the_rest_alone(master, stack):
    outputters = salt.loader.outputters({**master.opts, "color": False})
    rows = report.rows(stack, {"postgresql-keycloak": proof()})
    text = outputters["itstack_matrix"]({"rows": rows, "notes": ["", "5 changes in 9 s"]})
    assert "✔" in text and text.endswith("5 changes in 9 s")
    assert "The map is wrong" in outputters["itstack_matrix"]({"Error": "The map is wrong"})
