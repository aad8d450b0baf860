"""Diff, body and converge: what is compared, what is sent, what Salt hears, and what nobody reads."""

import copy
import json
import multiprocessing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salt_itstack.errors import Denied, Invalid, ItstackError, Unreachable
from salt_itstack.reconcile import (
    HIDDEN,
    Field,
    Resource,
    body,
    caseless,
    converge,
    creation,
    declared,
    diff,
    forget,
    removal,
    snapshot,
    text,
    texts,
    unordered,
)

CANARY = "Canary-of-the-object-12"

THING = Resource(
    kind="thing",
    key="id",
    fields={
        "attributes": Field("attributes", texts, partial=True),
        "title": Field("displayName"),
        "enabled": Field("enabled"),
        "members": Field("members", unordered),
        "mail": Field("mail", caseless),
        "port": Field(("config", "port"), text),
        "method": Field(("attributes", "pkce.code.challenge.method"), text),
        "secret": Field("secret", secret=True),
        "password": Field("password", secret=True, readable=False),
    },
)


def merged(found, sent):
    """What a server makes of a request that names only some fields."""
    result = copy.deepcopy(found)
    for key, value in sent.items():
        if isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = copy.deepcopy(value)
    return result


# Comparing


@pytest.mark.parametrize(
    ("field", "wanted", "found"),
    [
        ("title", "", {}),
        ("title", "", {"displayName": None}),
        ("members", ["b", "a"], {"members": ["a", "b"]}),
        ("members", [], {}),
        ("members", [{"x": 1, "y": 2}], {"members": [{"y": 2, "x": 1}]}),
        ("mail", "Ann@Example.org", {"mail": "ann@example.ORG"}),
        ("mail", ["A", "b"], {"mail": ["B", "a"]}),
        ("mail", [], {}),
        ("mail", [], {"mail": None}),
        ("mail", "", {"mail": []}),
        ("port", 5432, {"config": {"port": "5432"}}),
        ("attributes", {"flag": True}, {"attributes": {"flag": "true", "other": "left alone"}}),
        ("attributes", {"gone": ""}, {"attributes": {"other": "left alone"}}),
        ("attributes", {}, {"attributes": {"other": "left alone"}}),
    ],
)
def test_what_means_the_same_is_no_change(field, wanted, found):
    assert diff(THING, {field: wanted}, found) == {}


@pytest.mark.parametrize(
    ("field", "wanted", "found", "old", "new"),
    [
        ("enabled", False, {}, None, False),
        ("enabled", False, {"enabled": True}, True, False),
        ("title", "", {"displayName": "old"}, "old", ""),
        ("members", ["a", "a"], {"members": ["a"]}, ["a"], ["a", "a"]),
        ("port", 1, {"config": {"port": "2"}}, "2", 1),
        ("port", 1, {"config": None}, None, 1),
        ("attributes", {"a": 1, "b": 2}, {"attributes": {"a": "1", "c": "3"}}, {"b": None}, {"b": "2"}),
        ("attributes", {"a": ""}, {"attributes": {"a": "old"}}, {"a": "old"}, {"a": None}),
        ("attributes", {"a": "1"}, {}, {"a": None}, {"a": "1"}),
    ],
)
def test_what_differs_is_shown_with_both_sides(field, wanted, found, old, new):
    assert diff(THING, {field: wanted}, found) == {field: {"old": old, "new": new}}


def test_only_what_is_declared_is_compared():
    found = {"displayName": "title", "enabled": True, "anything": "else"}
    assert diff(THING, declared(title="title", enabled=None, members=None), found) == {}


def test_declared_keeps_everything_but_nothing():
    assert declared(a=None, b=False, c=0, d="", e=[]) == {"b": False, "c": 0, "d": "", "e": []}


def test_an_object_declared_by_its_name_alone_is_still_created():
    assert creation(THING, {}) == {"exists": {"old": False, "new": True}}
    assert creation(THING, {"title": ""}) == {"exists": {"old": False, "new": True}}
    assert diff(THING, {}, {"id": "there"}) == {}
    assert removal("it") == {"it": {"old": "present", "new": "absent"}}


@pytest.mark.parametrize("function", [lambda wanted: diff(THING, wanted, {}), lambda w: creation(THING, w)])
def test_unknown_fields_are_refused_all_at_once_with_the_nearest_name(function):
    with pytest.raises(Invalid) as caught:
        function({"titel": CANARY, "zzz": CANARY, "title": "right"})
    assert len(caught.value.problems) == 2
    assert "titel" in str(caught.value) and "did you mean title?" in str(caught.value)
    assert "zzz" in str(caught.value) and "one of attributes" in str(caught.value)
    assert CANARY not in str(caught.value)


# Secrets


@pytest.mark.parametrize("found", [None, {}, {"secret": "other"}])
def test_a_secret_never_shows(found):
    changes = diff(THING, {"secret": CANARY}, found)
    assert changes["secret"]["new"] == HIDDEN
    assert CANARY not in repr(changes) and "other" not in repr(changes)


def test_whether_there_was_a_secret_shows():
    assert diff(THING, {"secret": "new"}, {})["secret"]["old"] is None
    assert diff(THING, {"secret": "new"}, {"secret": "old"})["secret"]["old"] == HIDDEN
    assert diff(THING, {"secret": "same"}, {"secret": "same"}) == {}


def test_what_is_never_given_back_is_written_once_and_when_it_is_proved_to_differ():
    assert creation(THING, {"password": CANARY}) == {"password": {"old": None, "new": HIDDEN}}
    assert diff(THING, {"password": CANARY}, {"id": "x"}) == {}
    changes = diff(THING, {"password": CANARY}, {"id": "x"}, rewrite=["password"])
    assert changes == {"password": {"old": HIDDEN, "new": HIDDEN}}


# Bodies


def test_a_body_holds_what_is_declared_at_its_places():
    wanted = {"title": "t", "port": 5, "method": "S256"}
    assert body(THING, wanted) == {
        "displayName": "t",
        "config": {"port": 5},
        "attributes": {"pkce.code.challenge.method": "S256"},
    }
    assert body(THING, wanted, only=["port", "secret", "exists"]) == {"config": {"port": 5}}


@pytest.mark.parametrize("names", [["attributes", "method"], ["method", "attributes"]])
def test_fields_that_share_a_map_do_not_disturb_each_other(names):
    values = {"attributes": {"a": "1"}, "method": "S256"}
    wanted = {name: values[name] for name in names}
    before = copy.deepcopy(wanted)
    assert body(THING, wanted) == {"attributes": {"a": "1", "pkce.code.challenge.method": "S256"}}
    assert wanted == before, "the caller's own values were changed"


def test_a_body_shares_nothing_with_what_was_declared():
    wanted = {"members": ["a"]}
    body(THING, wanted)["members"].append("b")
    assert wanted == {"members": ["a"]}


WORDS = st.text("abcAB.", max_size=4)
VALUES = st.fixed_dictionaries(
    {},
    optional={
        "attributes": st.dictionaries(WORDS, st.one_of(WORDS, st.booleans(), st.integers(0, 9)), max_size=3),
        "title": WORDS,
        "enabled": st.booleans(),
        "members": st.lists(WORDS, max_size=3),
        "mail": WORDS,
        "port": st.integers(0, 9),
        "method": WORDS,
        "secret": WORDS,
    },
)
FOUND = st.fixed_dictionaries(
    {},
    optional={
        "attributes": st.dictionaries(WORDS, WORDS, max_size=3),
        "displayName": st.one_of(st.none(), WORDS),
        "enabled": st.booleans(),
        "members": st.lists(WORDS, max_size=3),
        "mail": WORDS,
        "config": st.fixed_dictionaries({}, optional={"port": st.sampled_from(["1", "2"])}),
        "secret": WORDS,
        "unmanaged": WORDS,
    },
)


@settings(max_examples=300, deadline=None)
@given(VALUES, FOUND)
def test_sending_what_differs_leaves_nothing_that_differs(wanted, found):
    changes = diff(THING, wanted, found)
    after = merged(found, body(THING, wanted, only=changes))
    assert diff(THING, wanted, after) == {}
    assert after.get("unmanaged") == found.get("unmanaged")
    assert set(changes) <= set(wanted)


@settings(max_examples=200, deadline=None)
@given(VALUES)
def test_what_was_just_created_does_not_differ(wanted):
    assert creation(THING, wanted)
    assert diff(THING, wanted, merged({}, body(THING, wanted))) == {}


@settings(max_examples=200, deadline=None)
@given(VALUES, FOUND)
def test_nothing_is_changed_that_was_handed_in(wanted, found):
    before = copy.deepcopy((wanted, found))
    body(THING, wanted, only=diff(THING, wanted, found))
    assert (wanted, found) == before


@settings(max_examples=200, deadline=None)
@given(VALUES, st.one_of(st.none(), FOUND))
def test_changes_can_always_be_returned_by_salt(wanted, found):
    json.dumps(diff(THING, wanted, found))


# Bulk reads


def test_a_bulk_read_happens_once_until_it_is_forgotten():
    context, reads = {}, []

    def read():
        reads.append(1)
        return {"rows": len(reads)}

    key = ("clients", "http://one")
    assert snapshot(context, key, read) is snapshot(context, key, read)
    assert len(reads) == 1
    assert snapshot(context, ("clients", "http://two"), read) == {"rows": 2}
    forget(context, key)
    assert snapshot(context, key, read) == {"rows": 3}
    forget(context, ("never", "read"))


def test_a_bulk_read_stays_in_its_process():
    context = {}
    snapshot(context, ("rows",), lambda: "of the parent")
    receiver, sender = multiprocessing.Pipe(duplex=False)

    def look():
        sender.send(snapshot(context, ("rows",), lambda: "of the child"))

    child = multiprocessing.get_context("fork").Process(target=look)
    child.start()
    assert receiver.recv() == "of the child"
    child.join()


# States

CHANGES = {"title": {"old": None, "new": "t"}}


def test_a_change_is_true_and_its_dry_run_is_none():
    calls = []

    def apply(test):
        calls.append(test)
        return CHANGES

    done = converge("it", apply, False)
    assert (done["name"], done["result"], done["changes"]) == ("it", True, CHANGES)
    dry = converge("it", apply, True)
    assert (dry["result"], dry["changes"]) == (None, CHANGES)
    assert calls == [False, True], "a dry run must be told that it is one"


@pytest.mark.parametrize("test", [True, False])
def test_nothing_to_do_is_true_without_changes(test):
    done = converge("it", lambda test: {}, test, warnings=["mind this"])
    assert (done["result"], done["changes"]) == (True, {})
    assert done["comment"] == "it is as declared" and done["warnings"] == ["mind this"]


@pytest.mark.parametrize(
    "error", [Denied("no", "keycloak", "mend it"), Unreachable("gone"), ItstackError("x")]
)
@pytest.mark.parametrize("test", [True, False])
def test_our_errors_are_a_clean_false(error, test):
    def apply(test):
        raise error

    done = converge("it", apply, test)
    assert (done["result"], done["changes"], done["comment"]) == (False, {}, str(error))


def absent_server(test):
    raise Unreachable("nothing answers")


def test_a_server_that_this_run_would_start_is_predicted_in_a_dry_run_only():
    dry = converge("it", absent_server, True, predicted=CHANGES)
    assert (dry["result"], dry["changes"]) == (None, CHANGES)
    real = converge("it", absent_server, False, predicted=CHANGES)
    assert (real["result"], real["changes"]) == (False, {})
    nothing = converge("it", absent_server, True, predicted={})
    assert (nothing["result"], nothing["changes"]) == (True, {})


def test_a_server_that_refuses_us_is_never_predicted():
    def apply(test):
        raise Denied("wrong password")

    assert converge("it", apply, True, predicted=CHANGES)["result"] is False


def test_a_fault_of_our_own_is_not_hidden():
    with pytest.raises(ZeroDivisionError):
        converge("it", lambda test: 1 // 0, False)


def test_a_module_that_refused_to_load_is_told_and_other_key_errors_are_not_hidden():
    def apply(test):
        raise KeyError("itstack_redis.user_apply")

    done = converge("wiki", apply, False)
    assert done["result"] is False and done["changes"] == {}
    assert "no itstack_redis.user_apply" in done["comment"] and "Remedy: `salt-call" in done["comment"]

    def broken(test):
        raise KeyError("itstack")

    with pytest.raises(KeyError):
        converge("wiki", broken, False)
