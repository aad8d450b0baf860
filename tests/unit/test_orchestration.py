"""The rendered deploy is the plan of the map: its edges, one step per minion at a time, what it refuses."""

import itertools
import os

import pytest
import salt.loader
import salt.template

from salt_itstack.errors import Invalid, ItstackError
from salt_itstack.loader import folder
from salt_itstack.orchestration import HANDS_OVER, MARK, PROOFS, Selection, render
from salt_itstack.stack import load, steps

ONE_SERVER = {
    "only": ["freeipa", "postgresql", "redis", "keycloak", "nextcloud"],
    "servers": {
        "all1": {
            "address": "192.0.2.10",
            "services": ["freeipa", "postgresql", "redis", "keycloak", "nextcloud"],
        }
    },
    "services": {"nextcloud": {"ports": {"http": 8081, "https": 8444}}},
}
LAYOUTS = {"eight servers": {}, "one server": ONE_SERVER}


def flat(state):
    """Module function and arguments of a state, from its highstate data."""
    ((function, arguments),) = state.items()
    return function, {key: value for part in arguments for key, value in part.items()}


def edges(states):
    """What each state waits for, by id, whatever the requisite."""
    found = {}
    for identifier, state in states.items():
        _, arguments = flat(state)
        waits = arguments.get("require", []) + arguments.get("onfail", [])
        found[identifier] = {name for requisite in waits for name in requisite.values()}
    return found


def before(graph, identifier):
    """Everything that a state comes after."""
    seen, todo = set(), [identifier]
    while todo:
        for earlier in graph[todo.pop()]:
            if earlier not in seen:
                seen.add(earlier)
                todo.append(earlier)
    return seen


@pytest.fixture(params=LAYOUTS)
def stack(request):
    return load(extra=LAYOUTS[request.param])


def rendered(stack, **selection):
    selection = Selection.of(selection)
    return selection.steps(stack), render(stack, selection)


SELECTIONS = [
    {},
    {"phase_by_phase": True},
    {"until": "1b"},
    {"until": "0"},
    {"services": ["nextcloud", "postgresql"]},
    {"services": ["redis"], "prove": False},
]


@pytest.mark.parametrize("selection", SELECTIONS, ids=str)
def test_every_step_is_that_minions_highstate_for_that_service(stack, selection):
    plan, states = rendered(stack, **selection)
    assert {step.id for step in plan} == {name for name in states if flat(states[name])[0] == "salt.state"}
    for step in plan:
        function, arguments = flat(states[step.id])
        assert function == "salt.state"
        assert (arguments["tgt"], arguments["tgt_type"]) == (stack.minion(step.service), "list")
        assert arguments["highstate"] is True and arguments["expect_minions"] is True
        assert arguments["pillar"][MARK] == step.service
        assert set(arguments["pillar"]["itstack_run"]["services"]) == {one.service for one in plan}


@pytest.mark.parametrize("selection", SELECTIONS, ids=str)
def test_the_edges_are_the_needs(stack, selection):
    plan, states = rendered(stack, **selection)
    chosen = {step.service for step in plan}
    for step in plan:
        required = {need["salt"] for need in flat(states[step.id])[1]["require"] if "salt" in need}
        assert required == {"preflight"} | (set(stack.needs(step.service)) & chosen)


@pytest.mark.parametrize("selection", SELECTIONS, ids=str)
def test_everything_is_parallel_and_no_requisite_leads_nowhere(stack, selection):
    _, states = rendered(stack, **selection)
    for identifier, state in states.items():
        assert flat(state)[1]["parallel"] is True, identifier
    for waits in edges(states).values():
        assert waits <= set(states)


@pytest.mark.parametrize("selection", SELECTIONS, ids=str)
def test_a_minion_never_has_two_steps_at_a_time(stack, selection):
    plan, states = rendered(stack, **selection)
    graph = edges(states)
    for one, other in itertools.combinations(plan, 2):
        if one.minion == other.minion:
            assert one.id in before(graph, other.id) or other.id in before(graph, one.id), (one.id, other.id)
    for identifier in states:
        assert identifier not in before(graph, identifier), "a circle"


def test_steps_of_different_minions_wait_for_each_other_only_where_they_must():
    _, states = rendered(load())
    graph = edges(states)
    assert "redis" not in before(graph, "keycloak"), "nothing that Keycloak needs is on Redis"
    assert (
        not before(graph, "postgresql")
        - {"preflight"}
        - before(graph, "redis")
        - {"redis", "redis is through"}
    )


def test_a_failed_neighbour_does_not_stop_a_step_of_the_same_minion():
    plan, states = rendered(load())
    later, earlier = next((step, need) for step in plan for need in step.after)
    required = flat(states[later.id])[1]["require"]
    assert {"test": f"{earlier} is through"} in required and {"salt": earlier} not in required
    function, arguments = flat(states[f"{earlier} is through"])
    assert function == "test.succeed_without_changes" and arguments["onfail"] == [{"salt": earlier}]


@pytest.mark.parametrize("phase_by_phase", [True, False])
def test_phase_by_phase_starts_nothing_early(phase_by_phase):
    stack = load()
    plan, states = rendered(stack, phase_by_phase=phase_by_phase)
    graph = edges(states)
    order = stack.phases
    early = [
        (one.id, other.id)
        for one, other in itertools.permutations(plan, 2)
        if order.index(one.phase) < order.index(other.phase) and one.id not in before(graph, other.id)
    ]
    assert bool(early) is not phase_by_phase


def test_until_stops_at_the_phase():
    assert {step.service for step in rendered(load(), until="1b")[0]} == {
        "freeipa", "postgresql", "redis", "keycloak",
    }  # fmt: skip
    assert {step.service for step in rendered(load(), until="0")[0]} == {"freeipa"}


def test_phase_0_is_a_phase_even_where_a_shell_makes_it_a_number():
    assert [step.service for step in rendered(load(), until=0)[0]] == ["freeipa"]


def test_the_preflight_is_first_and_asks_the_minions_of_the_steps():
    plan, states = rendered(load(), services=["postgresql", "keycloak"])
    function, arguments = flat(states["preflight"])
    assert (function, arguments["name"]) == ("salt.runner", "itstack.preflight")
    assert arguments["kwarg"] == {
        "minions": sorted({step.minion for step in plan}),
        "services": [step.service for step in plan],
    }
    assert "require" not in arguments
    graph = edges(states)
    assert all("preflight" in before(graph, name) for name in states if name != "preflight")


def test_exactly_one_proof_runs_after_everything():
    plan, states = rendered(load())
    # What a server makes has to be collected, too.
    everything = {step.id for step in plan} | {f"mattermost{HANDS_OVER}"}
    well, ill = (flat(states[name]) for name in PROOFS)
    assert well[0] == ill[0] == "salt.runner" and well[1]["name"] == ill[1]["name"] == "itstack.finish"
    assert (well[1]["kwarg"]["failed"], ill[1]["kwarg"]["failed"]) == (False, True)
    assert {need["salt"] for need in well[1]["require"]} == everything and "onfail" not in well[1]
    assert {need["salt"] for need in ill[1]["onfail"]} == everything
    assert ill[1]["require"] == [{"salt": "preflight"}], "where nothing was touched, nothing is proved"
    unproved = rendered(load(), prove=False)[1]
    assert all(flat(unproved[name])[1]["kwarg"]["prove"] is False for name in PROOFS), "the locks still end"


def test_rendering_is_pure():
    assert render(load(), Selection()) == render(load(), Selection())


@pytest.mark.parametrize(
    ("selection", "told"),
    [
        ({"service": ["redis"]}, "itstack_deploy:service"),
        ({"services": "redis"}, "itstack_deploy:services"),
        ({"services": [["redis"]]}, "itstack_deploy:services"),
        ({"services": []}, "itstack_deploy:services"),
        ({"services": {"redis": True}}, "itstack_deploy:services"),
        ({"until": ["1b"]}, "itstack_deploy:until"),
        ({"until": True}, "itstack_deploy:until"),
        ({"phase_by_phase": "yes"}, "itstack_deploy:phase_by_phase"),
        ({"prove": 1}, "itstack_deploy:prove"),
        (["redis"], "itstack_deploy"),
        ("redis", "itstack_deploy"),
    ],
    ids=str,
)
def test_a_wrong_selection_is_refused_by_its_key(selection, told):
    with pytest.raises(Invalid, match=told):
        Selection.of(selection)


def test_all_problems_of_a_selection_come_at_once():
    with pytest.raises(Invalid) as caught:
        Selection.of({"service": [], "until": []})
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize(
    ("selection", "told"),
    [
        ({"services": ["rediss"]}, "rediss"),
        ({"services": ["zabbix"]}, "zabbix"),
        ({"until": "9z"}, "9z"),
    ],
    ids=str,
)
def test_what_cannot_be_deployed_is_refused_by_name(selection, told):
    with pytest.raises(ItstackError, match=told) as caught:
        rendered(load(), **selection)
    assert "Remedy" in str(caught.value)


@pytest.mark.parametrize("given", [None, {}, {"services": None, "until": None}])
def test_everything_is_the_default(given):
    assert Selection.of(given) == Selection()
    assert Selection.of(given).steps(load()) == steps(load())


def test_salt_renders_the_sls_to_the_same(master):
    opts = {
        **master.opts, "file_client": "local", "id": "master_master", "grains": {},
        "file_roots": {"base": [str(folder("orchestrate"))]},
        "pillar": {
            "itstack_deploy": {"services": ["postgresql", "keycloak"], "prove": False},
            "itstack_run": "20260102030405060708",
        },
    }  # fmt: skip
    path = folder("orchestrate") / "itstack" / "deploy.sls"
    found = salt.template.compile_template(
        str(path),
        salt.loader.render(opts, salt.loader.minion_mods(opts)),
        "jinja|yaml",
        [],
        [],
        sls="itstack.deploy",
    )
    selection = Selection.of({"services": ["postgresql", "keycloak"], "prove": False})
    assert found == render(load(), selection, {"id": "20260102030405060708", "process": os.getpid()})
