"""What is done about something that is wrong, by the record and the clock alone."""

from __future__ import annotations

import pytest

from salt_itstack.errors import Invalid
from salt_itstack.remediation import fights
from salt_itstack.remediation.policy import (
    ALERT,
    BROKE,
    DAMP,
    INTERRUPTED,
    LEAVE,
    REPAIR,
    REPAIRED,
    STILL_WRONG,
    WAIT,
    Settings,
    Step,
    decide,
    ladder,
)
from salt_itstack.stack import load

SETTINGS = Settings(cooldown=30, budget_per_hour=6, budget_of_all=30, fight_hold=86400)
STEPS = (Step("restart", "redis"), Step("alone", "redis"), Step("service", "redis"))
NOW = 1_000_000.0


def attempt(result, ago, step=STEPS[0], what="redis", took=2.0):
    """An attempt that ended so many seconds ago."""
    ended = NOW - ago
    return {"what": what, "result": result, "step": step.label, "begun": ended - took, "ended": ended}


def verdict(*attempts, now=NOW, settings=SETTINGS, **more):
    return decide("redis", STEPS, attempts, settings, now, **more)


# The ladder ---------------------------------------------------------------------------------------------


def enforced(**more):
    return load(extra={"mode": "enforce", **more})


def labels(stack, what, side=""):
    return [step.label for step in ladder(stack, what, side)]


def test_a_service_is_first_started_again_and_last_applied_as_a_whole():
    assert labels(enforced(), "redis") == [
        "restart redis",
        "re-apply alone redis",
        "re-apply the whole of redis",
    ]
    ends = [step.ends for step in ladder(enforced(), "redis")]
    assert ends[1:] == [[], None]


@pytest.mark.parametrize("side", ["", "source", "target"])
def test_an_integration_begins_at_the_end_that_is_known_to_differ(side):
    found = ladder(enforced(), "keycloak-nextcloud", side)
    first, other = ("target", "source") if side == "target" else ("source", "target")
    assert [(step.action, step.side) for step in found[:2]] == [("end", first), ("end", other)]
    assert found[2].action == "service"
    assert found[2].service == {"source": "keycloak"}.get(side, "nextcloud")
    assert [step.ends for step in found] == [["keycloak-nextcloud"], ["keycloak-nextcloud"], None]


@pytest.mark.parametrize("what", ["redis", "redis-nextcloud"])
@pytest.mark.parametrize("mode", ["observe", "manage"])
def test_what_isnt_in_mode_enforce_has_no_ladder(what, mode):
    assert ladder(load(extra={"mode": mode}), what) == ()


def test_an_end_that_isnt_in_mode_enforce_is_left_out():
    stack = enforced(services={"redis": {"mode": "manage"}})
    assert labels(stack, "redis-nextcloud") == [
        "re-apply the target end of redis-nextcloud (nextcloud)",
        "re-apply the whole of nextcloud",
    ]


def test_the_units_of_an_external_service_are_never_restarted():
    external = {"address": "192.0.2.7", "speaker": "far"}
    stack = enforced(services={"redis": {"external": external, "mode": "enforce"}})
    assert [step.action for step in ladder(stack, "redis")] == ["alone", "service"]


# Decisions ----------------------------------------------------------------------------------------------


def test_the_first_time_the_smallest_step_is_made_at_once():
    found = verdict()
    assert (found.verdict, found.step) == (REPAIR, STEPS[0])


@pytest.mark.parametrize("result", [STILL_WRONG, BROKE])
def test_what_wasnt_enough_is_followed_by_the_next_step_without_a_pause(result):
    assert verdict(attempt(result, 0.5)).step == STEPS[1]
    assert verdict(attempt(result, 0.5, STEPS[1])).step == STEPS[2]


def test_after_the_last_step_there_is_a_pause_that_grows_and_then_the_ladder_begins_again():
    once = [attempt(STILL_WRONG, 10, step) for step in STEPS]
    found = verdict(*once)
    assert (found.verdict, found.until) == (DAMP, NOW - 10 + 30)
    assert verdict(*once, now=NOW + 21).step == STEPS[0]


def test_something_repaired_just_now_is_left_alone_for_the_cooldown():
    found = verdict(attempt(REPAIRED, 10))
    assert (found.verdict, found.until) == (WAIT, NOW + 20)
    assert verdict(attempt(REPAIRED, 30)).step == STEPS[0]


@pytest.mark.parametrize(("times", "pause"), [(1, 30), (2, 60), (3, 120), (4, 240), (5, 480)])
def test_each_pause_is_twice_as_long_as_the_one_before(times, pause):
    before = [attempt(REPAIRED, pause - 1 + 500 * left) for left in reversed(range(times))]
    found = verdict(*before)
    assert found.verdict == (WAIT if times == 1 else DAMP) and found.until == NOW + 1
    assert verdict(*before, now=NOW + 1).verdict == REPAIR


def test_after_an_hour_the_pauses_begin_anew():
    assert verdict(*[attempt(REPAIRED, 3600 + 10 * left) for left in range(5)]).verdict == REPAIR


def test_the_budget_of_one_thing_ends_repairs_for_the_hour():
    tried = [attempt(REPAIRED, 3000 - 500 * number) for number in range(6)]
    found = verdict(*tried)
    assert found.verdict == ALERT and "6 repairs" in found.reason
    # The oldest leaves the hour; what is left counts for the pause alone.
    assert verdict(*tried, now=NOW + 700).verdict != ALERT


def test_the_budget_of_the_fleet_counts_all_things():
    others = [attempt(REPAIRED, 100, what=f"other-{number}") for number in range(30)]
    found = verdict(*others)
    assert found.verdict == ALERT and "whole fleet" in found.reason
    assert verdict(*others[:-1]).verdict == REPAIR


def test_no_budget_means_only_telling():
    assert verdict(settings=Settings(budget_per_hour=0)).verdict == ALERT


def test_an_interrupted_step_is_made_again_at_once():
    found = verdict(attempt(STILL_WRONG, 20), attempt(INTERRUPTED, 1, STEPS[1]))
    assert (found.verdict, found.step) == (REPAIR, STEPS[1])


def test_a_hold_comes_before_everything():
    found = verdict(hold="a fight", person=True)
    assert found.verdict == LEAVE and "a fight" in found.reason


def test_nothing_in_mode_enforce_is_left_to_people():
    found = decide("redis", (), [], SETTINGS, NOW, person=True)
    assert found.verdict == LEAVE and "enforce" in found.reason


def test_a_person_neither_waits_nor_has_a_budget():
    tried = [attempt(REPAIRED, 10 * number + 1) for number in reversed(range(9))]
    assert verdict(*tried).verdict == ALERT
    assert verdict(*tried, person=True).verdict == REPAIR


# Fights -------------------------------------------------------------------------------------------------

URIS = {
    "keycloak-nextcloud: client nextcloud": {"redirect_uris": {"old": ["https://x/*"], "new": ["https://y"]}}
}


def back(at, changes=URIS, minion="lab-id1"):
    return fights.put_backs(minion, changes, "repair", at)


def test_the_second_put_back_within_a_day_is_a_fight_with_both_values():
    (found,) = fights.fought(back(NOW - 86399), back(NOW), NOW)
    assert (found["old"], found["new"], found["times"]) == ('["https://x/*"]', '["https://y"]', 2)
    told = fights.told(found)
    assert "https://x/*" in told and "https://y" in told and "lab-id1" in told


def test_the_first_one_and_one_after_a_day_are_none():
    assert fights.fought([], back(NOW), NOW) == []
    assert fights.fought(back(NOW - 86400), back(NOW), NOW) == []


@pytest.mark.parametrize(
    "other",
    [
        {"redirect_uris": {"old": ["https://x/*"], "new": ["https://z"]}},
        {"web_origins": {"old": ["https://x/*"], "new": ["https://y"]}},
    ],
    ids=["the map was changed", "another field"],
)
def test_other_values_of_ours_and_other_fields_are_no_fight(other):
    (state,) = URIS
    assert fights.fought(back(NOW - 60, {state: other}), back(NOW), NOW) == []


def test_the_same_on_another_minion_is_no_fight():
    assert fights.fought(back(NOW - 60, minion="lab-id2"), back(NOW), NOW) == []


def test_what_somebody_else_wants_may_differ_each_time():
    other = {"keycloak-nextcloud: client nextcloud": {"redirect_uris": {"old": [], "new": ["https://y"]}}}
    assert len(fights.fought(back(NOW - 60, other), back(NOW), NOW)) == 1


def test_a_file_that_is_overwritten_twice_is_a_fight_and_a_service_started_twice_is_none():
    file = {"redis: settings": {"diff": "-maxmemory 256mb\n+maxmemory 1mb"}}
    again = {"redis: settings": {"diff": "-maxmemory 256mb\n+maxmemory 2mb"}}
    (found,) = fights.fought(back(NOW - 60, file), back(NOW, again), NOW)
    assert "2mb" in found["old"]
    started = {"redis: running": {"redis-server": True}, "redis: installed": "odd"}
    assert back(NOW, started) == []


def test_after_a_fight_counting_begins_anew():
    history = [*back(NOW - 60), *back(NOW)]
    found = fights.fought(history[:1], history[1:], NOW)
    assert fights.without(history, found) == []


def test_a_states_id_says_whose_it_is_if_that_is_on_the_minion():
    stack = load()
    assert fights.owner(stack, "lab-id1", "keycloak-nextcloud: client nextcloud") == "keycloak-nextcloud"
    assert fights.owner(stack, "lab-app1", "keycloak-nextcloud: provider") == "keycloak-nextcloud"
    assert fights.owner(stack, "lab-db1", "redis: settings") == "redis"
    assert fights.owner(stack, "lab-db1", "keycloak: settings") == ""
    assert fights.owner(stack, "lab-db1", "keycloak-nextcloud: x") == ""
    assert fights.owner(stack, "lab-db1", "users own state") == ""


def test_long_values_are_cut():
    assert len(fights.shown(["x" * 5000])) == fights.SHOWN


# What the map says --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ({"repairs": {"cooldwn": 1}}, r"repairs\.cooldwn: unknown key. Remedy: did you mean cooldown\?"),
        ({"repairs": {"cooldown": 0}}, r"repairs\.cooldown \(0\): expected a number of seconds"),
        ({"repairs": {"budget_per_hour": -1}}, r"repairs\.budget_per_hour \(-1\).*from 0 to 1000"),
        ({"repairs": {"channel": "#ops-alerts"}}, r"repairs\.channel.*Remedy: leave out the #"),
        ({"services": {"redis": {"units": ["redis@{port}"]}}}, r"services\.redis\.units.*maxmemory"),
        ({"services": {"redis": {"units": ["redis@{"]}}}, r"services\.redis\.units.*can't be filled in"),
        ({"services": {"redis": {"units": "redis"}}}, r"services\.redis\.units.*expected a list"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(extra, words):
    with pytest.raises(Invalid, match=words):
        load(extra=extra)


def test_the_settings_are_the_maps():
    found = Settings.of(load(extra={"repairs": {"budget_of_all": 7}}))
    assert (found.cooldown, found.budget_per_hour, found.budget_of_all) == (30, 6, 7)


def test_units_are_filled_in_from_the_settings():
    stack = load(extra={"services": {"postgresql": {"settings": {"version": "17"}}}})
    assert stack.services["postgresql"].units == ("postgresql@17-main",)
