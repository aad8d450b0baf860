"""Nothing starts before what it needs, no minion runs two steps at once, and the picture shows the map."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salt_itstack.errors import Missing, Unsupported
from salt_itstack.stack import PHASES, Step, critical_path, load, mermaid, order, steps
from salt_itstack.stack.graph import find_cycle

EVERYTHING = load(extra={"services": {service_id: {"supported": True} for service_id in load().services}})
IDS = list(EVERYTHING.services)


def closed(stack, chosen):
    """The chosen services and all that they need."""
    found, rest = set(), list(chosen)
    while rest:
        service_id = rest.pop()
        if service_id not in found:
            found.add(service_id)
            rest += stack.needs(service_id)
    return found


def ancestors(made):
    """What each step comes after, through any number of others."""
    found: dict[str, set[str]] = {}
    for step in made:
        found[step.id] = set(step.requires).union(*(found[one] for one in step.requires))
    return found


@pytest.mark.parametrize(
    ("service_id", "needs"),
    [
        ("freeipa", set()),
        ("postgresql", {"freeipa"}),
        ("keycloak", {"freeipa", "postgresql"}),
        ("traefik", {"freeipa"}),
        ("nextcloud", {"postgresql", "redis", "keycloak"}),
        ("zammad", {"postgresql", "redis", "keycloak"}),
        ("iredmail", {"freeipa"}),
        ("freepbx", {"freeipa"}),
        ("graylog", {"elasticsearch"}),
        ("zabbix", {"freeipa", "postgresql", "nextcloud", "mattermost", "traefik"}),
        ("odoo", {"postgresql", "keycloak", "freeipa"}),
    ],
)
def test_what_is_enforced(service_id, needs):
    assert set(EVERYTHING.needs(service_id)) == needs


def test_waves_of_what_this_version_deploys():
    assert order(load()) == [
        ["freeipa"],
        ["postgresql", "redis", "traefik"],
        ["keycloak"],
        ["nextcloud", "mattermost"],
    ]


@settings(deadline=None, max_examples=200)
@given(st.sets(st.sampled_from(IDS)))
def test_any_closed_subset_orders_without_violation(chosen):
    chosen = closed(EVERYTHING, chosen)
    waves = order(EVERYTHING, chosen)
    place = {service_id: number for number, wave in enumerate(waves) for service_id in wave}
    assert set(place) == chosen
    assert sum(map(len, waves)) == len(chosen)
    for service_id in chosen:
        assert all(place[need] < place[service_id] for need in EVERYTHING.needs(service_id))


@settings(deadline=None, max_examples=200)
@given(
    st.sets(st.sampled_from(IDS)),
    st.lists(st.integers(0, 5), min_size=len(IDS), max_size=len(IDS)),
    st.booleans(),
)
def test_steps_of_any_subset_on_any_layout(chosen, layout, phase_by_phase):
    stack = load(
        extra={
            "servers": {f"s{number}": {"address": f"10.1.0.{number + 1}"} for number in range(6)},
            "services": {
                key: {"supported": True, "server": f"s{number}"}
                for key, number in zip(IDS, layout, strict=True)
            },
        }
    )
    made = steps(stack, chosen, phase_by_phase=phase_by_phase)
    assert {step.service for step in made} == chosen
    seen: set[str] = set()
    for step in made:
        assert set(step.requires) <= seen, "a step stands before one that it requires"
        seen.add(step.id)
    before = ancestors(made)
    for step in made:
        assert {need for need in stack.needs(step.service) if need in chosen} <= set(step.needs)
        assert not set(step.needs) & set(step.after)
    for one, other in itertools.combinations(made, 2):
        if one.minion == other.minion:
            assert one.id in before[other.id], "two steps could run on one minion at once"
        if phase_by_phase and PHASES.index(one.phase) < PHASES.index(other.phase):
            assert one.id in before[other.id]


def test_a_failure_blocks_only_what_needs_it():
    made = {step.id: step for step in steps(EVERYTHING)}
    assert made["mattermost"].minion == made["nextcloud"].minion
    assert "nextcloud" not in made["mattermost"].needs
    assert "nextcloud" in made["mattermost"].after
    phased = {step.id: step for step in steps(EVERYTHING, phase_by_phase=True)}
    assert "jitsi" in phased["odoo"].after
    assert set(phased["odoo"].needs) == {"postgresql", "keycloak", "freeipa"}


def test_until_a_phase():
    assert [step.id for step in steps(EVERYTHING, until="1a")] == ["freeipa", "postgresql", "redis"]
    assert len(steps(EVERYTHING, until="4c")) == 20
    with pytest.raises(Missing, match="no phase '1d'"):
        steps(EVERYTHING, until="1d")


def test_only_what_can_be_started_becomes_a_step():
    stack = load()
    with pytest.raises(Unsupported, match="zammad can't be deployed by this version"):
        steps(stack, ["zammad"])
    with pytest.raises(Missing, match="no service 'nope'"):
        steps(stack, ["nope"])
    assert [step.id for step in steps(stack, ["nextcloud"])] == ["nextcloud"]
    assert steps(stack, ["nextcloud"])[0].requires == ()


def test_an_external_service_is_no_step():
    stack = load(extra={"services": {"freeipa": {"external": {"address": "ipa.a.example", "speaker": "m"}}}})
    made = steps(stack)
    assert "freeipa" not in [step.id for step in made]
    assert all("freeipa" not in step.requires for step in made)
    with pytest.raises(Unsupported, match="runs already"):
        steps(stack, ["freeipa"])


def test_the_phase_of_a_service_gives_way_to_what_it_needs():
    stack = load(extra={"services": {"postgresql": {"phase": "4a"}}})
    assert [text for text in stack.warnings if "keycloak (phase 1b) needs postgresql (phase 4a)" in text]
    made = steps(stack, phase_by_phase=True)
    before = ancestors(made)
    assert "postgresql" in before["keycloak"]
    assert "keycloak" in before["nextcloud"]


def test_the_critical_path():
    made = [
        Step("a", "a", "m1", "0"),
        Step("b", "b", "m2", "1a", needs=("a",)),
        Step("c", "c", "m1", "1a", after=("a",)),
        Step("d", "d", "m3", "2a", needs=("b", "c")),
    ]
    assert critical_path(made, {"a": 5, "b": 1, "c": 7, "d": 2}) == (14, ["a", "c", "d"])
    assert critical_path(made, {"a": 5, "b": 9, "d": 2}) == (16, ["a", "b", "d"])
    assert critical_path([], {}) == (0.0, [])


@given(st.dictionaries(st.sampled_from("abcdef"), st.lists(st.sampled_from("abcdef"), max_size=3)))
def test_a_cycle_is_found_exactly_when_there_is_one(needs):
    cycle = find_cycle(needs)
    for one, following in itertools.pairwise(cycle):
        assert following in needs[one]
    if cycle:
        assert cycle[0] == cycle[-1]
        return
    left = dict(needs)
    while True:
        free = [key for key, wanted in left.items() if not set(wanted) & set(left)]
        if not free:
            break
        for key in free:
            del left[key]
    assert left == {}, "there was a cycle"


def test_a_long_chain_is_no_trouble():
    assert find_cycle({str(number): [str(number + 1)] for number in range(5000)}) == []


def test_the_picture():
    text = mermaid(load(), {"keycloak-nextcloud": "works", "redis-nextcloud": "broken"})
    assert text.startswith("flowchart LR\n")
    assert 'service_keycloak["Keycloak<br/>sso.it-stack.lab"]' in text
    assert "service_keycloak -->|2| service_nextcloud" in text
    assert "service_redis -.->|23| service_keycloak" in text
    assert text.count("subgraph ") == text.count("\n  end") == 8
    arrows = [line for line in text.splitlines() if "-->|" in line or "-.->|" in line]
    assert len(arrows) == 58
    works = next(index for index, line in enumerate(arrows) if "|2|" in line)
    assert f"  linkStyle {works} stroke:#2e7d32" in text


def test_the_picture_leaves_out_what_is_off_and_boxes_what_is_external():
    stack = load(
        extra={
            "services": {
                "zabbix": {"enabled": False, "name": 'Z"<b>'},
                "redis": {"external": {"address": "r.a.example", "speaker": "m"}, "name": 'R"<b>'},
            }
        }
    )
    text = mermaid(stack)
    assert "zabbix" not in text
    assert 'subgraph external["external"]' in text
    assert 'service_redis["R&quot;&lt;b&gt;<br/>r.a.example"]' in text
