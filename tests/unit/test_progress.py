"""What a deploy tells while it runs, and what it makes of the orchestration's return."""

import io
import json
import multiprocessing
import re

import pytest

from salt_itstack import progress
from salt_itstack.orchestration import MARK
from salt_itstack.stack import load, steps


class Bus:
    """An event bus that has these events, and then nothing more."""

    def __init__(self, events):
        self.events = list(events)

    def get_event(self, **kwargs):
        return self.events.pop(0) if self.events else None


class Terminal(io.StringIO):
    def isatty(self):
        return True


RUN = "20260102030405060708"


def published(jid, service, minion, run=RUN):
    """As a master announces the job of a step."""
    about = {"services": [service], "lock": run}
    arguments = [{"__kwarg__": True, "pillar": {MARK: service, "itstack_run": about}}]
    return {
        "tag": f"salt/job/{jid}/new",
        "data": {"jid": jid, "fun": "state.highstate", "minions": [minion], "tgt": minion, "arg": arguments},
    }


def returned(jid, minion, answer):
    """As a minion's return passes over the bus."""
    return {
        "tag": f"salt/job/{jid}/ret/{minion}",
        "data": {"jid": jid, "id": minion, "fun": "state.highstate", "return": answer, "retcode": 0},
    }


def state(result=True, changes=None, comment="", name="redis: service", ran=True):
    return {
        "__id__": name, "name": name, "result": result, "changes": changes or {}, "comment": comment,
        "__state_ran__": ran,
    }  # fmt: skip


NOISE = [
    {"tag": "salt/auth", "data": {"id": "stranger", "act": "accept"}},
    {"tag": "20261123041200", "data": {"minions": ["lab-db1"]}},
    {"tag": "salt/job/7/new", "data": {"fun": "test.ping", "arg": [], "minions": ["lab-db1"]}},
    {"tag": "salt/job/7/ret/lab-db1", "data": {"return": True, "fun": "test.ping"}},
    {
        "tag": "salt/job/8/new",
        "data": {"fun": "state.apply", "arg": ["x", {"pillar": "text"}, {"pillar": {}}]},
    },
    {"tag": "salt/run/9/new", "data": {"fun": "runner.itstack.preflight"}},
    {"tag": "itstack", "data": {}},
]


def watched(events, answer=None, stream=None):
    """Let the teller follow these events; its lines without the times, and the run."""
    plan = steps(load())
    stream = stream or io.StringIO()
    teller = progress.Teller(plan, stream)
    run = progress.Run()
    receiver, sender = multiprocessing.Pipe(duplex=False)
    if answer is not None:
        sender.send_bytes(json.dumps(answer).encode())
    sender.close()
    done = progress._watch(Bus(events), receiver, teller, run, RUN)
    lines = [re.sub(r"[\d.]+ s\b", "_ s", line).strip() for line in stream.getvalue().splitlines()]
    return lines, run, done


def test_a_step_is_told_when_it_starts_and_when_it_ends():
    lines, run, _ = watched(
        [
            published("1", "redis", "lab-db1"),
            *NOISE,
            returned("1", "lab-db1", {"a": state(changes={"pid": 5}), "b": state()}),
        ],
        {"return": {}},
    )
    assert lines == ["_ s  1a  redis on lab-db1 …", "_ s  1a  redis on lab-db1: ready, 1 changes, _ s"]
    assert set(run.durations) == {"redis"}


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        ({"a": state()}, "ready, no changes"),
        ({"a": state(changes={"x": 1}), "b": state(changes={"y": 1})}, "ready, 2 changes"),
        ({"a": state(result=None, changes={"x": 1}), "b": state()}, "would change 1 states"),
        ({"a": state(False), "b": state(False), "c": state(changes={"x": 1})}, "FAILED in 2 states"),
        (["Pillar failed to render"], "FAILED"),
        ("Module 'state.highstate' is not available.", "FAILED"),
        ({}, "FAILED"),
        ({"error": "odd"}, "FAILED"),
        (None, "FAILED"),
    ],
)
def test_how_a_step_ended_is_told(answer, verdict):
    events = [published("1", "redis", "lab-db1"), returned("1", "lab-db1", answer)]
    lines, _, _ = watched(events, {"return": {}})
    assert lines[-1] == f"_ s  1a  redis on lab-db1: {verdict}, _ s"


def test_the_steps_of_another_run_are_not_ours():
    events = [
        published("1", "redis", "lab-db1", run="20260102030405999999"),
        returned("1", "lab-db1", {"a": state()}),
    ]
    lines, run, _ = watched(events, {"return": {}})
    assert lines == [] and run.durations == {}


def test_steps_that_run_at_the_same_time_are_told_apart():
    lines, run, _ = watched(
        [
            published("1", "redis", "lab-db1"),
            published("2", "freeipa", "lab-id1"),
            returned("2", "lab-id1", {"a": state(False)}),
            returned("1", "lab-db1", {"a": state()}),
        ],
        {"return": {}},
    )
    assert [re.sub(r"^_ s +\S+ +", "", line) for line in lines] == [
        "redis on lab-db1 …",
        "freeipa on lab-id1 …",
        "freeipa on lab-id1: FAILED in 1 states, _ s",
        "redis on lab-db1: ready, no changes, _ s",
    ]
    assert set(run.durations) == {"redis", "freeipa"}


def test_the_proof_is_told_once():
    probe = {"tag": "salt/job/5/new", "data": {"fun": "itstack.probe", "arg": []}}
    start = published("1", "redis", "lab-db1")
    lines, _, _ = watched([start, probe, probe, returned("1", "lab-db1", {"a": state()})], {"return": {}})
    assert sum("proving" in line for line in lines) == 1


def asked(minion, *running):
    """As a minion tells what runs on it: functions and job ids."""
    jobs = [{"fun": function, "jid": jid} for function, jid in running]
    data = {"jid": "4", "id": minion, "fun": "saltutil.running", "return": jobs, "retcode": 0}
    return {"tag": f"salt/job/4/ret/{minion}", "data": data}


def test_what_the_preflight_waits_for_is_told_once():
    lines, _, _ = watched(
        [
            asked("lab-app1", ("saltutil.running", "4")),
            asked("lab-db1", ("state.apply", "77"), ("test.sleep", "78")),
            asked("lab-db1", ("state.apply", "77")),
            published("1", "redis", "lab-db1"),
            asked("lab-db1", ("state.highstate", "1")),
            returned("1", "lab-db1", {"a": state()}),
            asked("lab-db1", ("state.highstate", "99")),
        ],
        {"return": {}},
    )
    assert lines[0] == "_ s      waiting for lab-db1: state.apply still runs there (job 77)"
    assert sum("waiting" in line for line in lines) == 1 and len(lines) == 3


def test_a_terminal_shows_what_goes_on_between_the_steps():
    stream = Terminal()
    probe = {"tag": "salt/job/5/new", "data": {"fun": "itstack.probe", "arg": []}}
    start = published("1", "redis", "lab-db1")
    watched([*NOISE, start, returned("1", "lab-db1", {"a": state()}), probe, *NOISE], None, stream)
    shown = stream.getvalue()
    assert shown.index("preflight 0 s") < shown.index("redis 0 s") < shown.index("integrations 0 s")
    assert shown.endswith("\r\033[K"), "the report begins on an empty line"
    assert shown.count("preflight 0 s") == shown.count("integrations 0 s") == 1, "the same is written once"


def test_an_orchestration_that_was_ended_from_outside_is_told():
    _, _, done = watched([])
    assert "ended from outside" in done["error"]


def test_a_terminal_shows_what_is_running_and_wipes_it():
    stream = Terminal()
    watched(
        [published("1", "redis", "lab-db1"), *NOISE, returned("1", "lab-db1", {"a": state()})],
        {"return": 1},
        stream,
    )
    assert "redis 0 s" in stream.getvalue() and "\r\033[K" in stream.getvalue()
    plain = io.StringIO()
    watched(
        [published("1", "redis", "lab-db1"), *NOISE, returned("1", "lab-db1", {"a": state()})],
        {"return": 1},
        plain,
    )
    assert "\033" not in plain.getvalue() and "\r" not in plain.getvalue()


# The return of the orchestration


def concluded(*states, **done):
    run = progress.Run()
    data = {f"salt_|-{number}": one for number, one in enumerate(states)}
    progress._conclude(done or {"return": {"data": {"master_master": data}, "retcode": 0}}, run)
    return run


def step(name, result, minion=None, ran=True, comment="", **states):
    changes = {"out": "highstate", "ret": {minion: states}} if minion else {}
    return state(result, changes, comment, name, ran)


def test_changes_of_all_minions_are_counted():
    run = concluded(
        step("redis", True, "lab-db1", a=state(changes={"x": 1}), b=state(), c=state(changes={"y": 1})),
        step("keycloak", True, "lab-id1", a=state(changes={"x": 1})),
        step("freeipa", True),
    )
    assert (run.changed, run.failures) == (3, [])
    assert run.steps == {"redis": "done", "keycloak": "done", "freeipa": "done"}


def test_a_failure_is_told_by_its_first_cause():
    run = concluded(
        step(
            "redis", False, "lab-db1",
            a=state(False, comment="the port is taken", name="redis: service"),
            b=state(False, comment="One or more requisite failed", name="redis: ready", ran=False),
        ),
        step("nextcloud", False, ran=False, comment="One or more requisite failed"),
        state(True, name="redis is through"),
    )  # fmt: skip
    assert run.failures == ["redis on lab-db1: redis: service: the port is taken"]
    assert run.steps == {"redis": "failed", "nextcloud": "not started"}


@pytest.mark.parametrize("answer", [["Rendering SLS failed"], "no highstate", {"a": "odd"}])
def test_a_step_that_gave_no_states_is_told_with_what_it_gave(answer):
    failed = state(False, {"ret": {"lab-db1": answer}}, name="redis")
    assert len(concluded(failed).failures) == 1
    assert concluded(failed).failures[0].startswith("redis on lab-db1: ")


def test_a_runner_that_failed_is_told_by_its_message():
    told = {"return": {"Error": "no answer from lab-pbx1; nothing was changed", "retcode": 1}}
    crashed = {"return": "Traceback (most recent call last):\n  File\nValueError: the reason"}
    assert concluded(state(False, told, name="preflight")).failures == [
        "preflight: no answer from lab-pbx1; nothing was changed"
    ]
    assert concluded(state(False, crashed, name="preflight")).failures == [
        "preflight: ValueError: the reason"
    ]


def test_a_proof_that_failed_is_a_failure_and_one_that_did_not_run_is_none():
    run = concluded(
        state(False, {"return": {"Error": "x is broken"}}, name="proof after a failure"),
        state(False, name="proof", ran=False, comment="One or more requisite failed"),
    )
    assert run.failures == ["proof after a failure: x is broken"] and run.steps == {}


def test_a_dry_run_is_told_as_one():
    run = concluded(step("redis", None, "lab-db1", a=state(None, {"x": 1})))
    assert run.steps == {"redis": "would change"} and run.failures == []


@pytest.mark.parametrize(
    "done",
    [
        {"error": "the reason"},
        {"return": {"data": {"master_master": ["the reason"]}}},
        {"return": {"data": {"master_master": "the reason"}}},
        {"return": "the reason"},
        {"return": ["the reason"]},
    ],
    ids=str,
)
def test_an_orchestration_that_did_not_run_is_told_with_its_reason(done):
    run = concluded(**done)
    assert len(run.failures) == 1 and "the reason" in run.failures[0]


@pytest.mark.parametrize(
    "done", [{"return": None}, {"return": {}}, {"return": {"data": None}}, {"x": 1}], ids=str
)
def test_no_return_at_all_is_a_failure(done):
    assert concluded(**done).failures


def test_what_the_matrix_shows_is_not_told_again():
    run = concluded(
        state(False, {"return": {"Error": "x is broken", "rows": ["x"]}}, name="proof after a failure"),
    )
    assert run.failures == []


def test_of_a_traceback_only_what_happened_is_told():
    text = "An exception occurred in this state: Traceback (most recent call last):\n  File x\nKeyError: 'y'"
    returned = {"m1": {"a": {"__id__": "s", "result": False, "comment": text}}}
    run = concluded(state(False, {"ret": returned}, name="redis"))
    assert run.failures == ["redis on m1: s: KeyError: 'y'"]
