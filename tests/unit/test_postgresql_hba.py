"""The managed block of the client authentication file, as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salt_itstack.errors import Invalid
from salt_itstack.services.postgresql import hba

DEBIAN = """\
local   all             postgres                                peer
# "local" is for Unix domain socket connections only
local   all             all                                     peer
host    all             all             127.0.0.1/32            scram-sha-256
"""
RULE = {"type": "hostssl", "database": "wiki", "user": "wiki_user", "address": "10.0.50.13/32"}
LINE = "hostssl wiki wiki_user 10.0.50.13/32 scram-sha-256"


def test_the_block_stands_before_the_lines_for_everybody():
    lines = hba.composed(DEBIAN, hba.lines([RULE])).splitlines()
    assert lines[0] == DEBIAN.splitlines()[0]
    assert lines[2:5] == [hba.BEGIN, LINE, hba.END]
    assert [line for line in lines if line not in (hba.BEGIN, LINE, hba.END)] == DEBIAN.splitlines()


def test_a_block_that_was_moved_behind_them_comes_back():
    moved = f"{DEBIAN}{hba.BEGIN}\n{LINE}\n{hba.END}\n"
    assert hba.composed(moved, [LINE]) == hba.composed(DEBIAN, [LINE])


def test_without_lines_for_everybody_the_block_ends_the_file():
    assert hba.composed("# empty\n", [LINE]).splitlines() == ["# empty", hba.BEGIN, LINE, hba.END]


@given(text=st.lists(st.sampled_from([*DEBIAN.splitlines(), "", "# note"])), count=st.integers(0, 3))
def test_composing_twice_is_composing_once_and_removing_gives_the_rest_back(text, count):
    before = "".join(f"{line}\n" for line in text)
    wanted = [LINE] * count
    once = hba.composed(before, wanted)
    assert hba.composed(once, wanted) == once
    assert hba.managed(once) == wanted
    assert hba.composed(once, []) == before


def test_an_open_block_is_told():
    with pytest.raises(Invalid, match="END salt-itstack"):
        hba.composed(f"{hba.BEGIN}\n{DEBIAN}", [LINE])


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        (RULE, LINE),
        (LINE, LINE),
        ({**RULE, "database": ["a", "b c"]}, 'hostssl a,"b c" wiki_user 10.0.50.13/32 scram-sha-256'),
        ({"type": "local", "database": "all", "user": "+staff", "method": "peer"}, "local all +staff peer"),
        ({**RULE, "options": {"map": "m"}}, f'{LINE} map="m"'),
    ],
)
def test_lines(rule, line):
    assert hba.lines([rule]) == [line]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"adress": "10.0.0.0/8"}, "did you mean address?"),
        ({"type": "hots"}, "there is no such type"),
        ({"address": "10.0.0.1/32\nhost all all 0.0.0.0/0 trust"}, "isn't an address"),
        ({"user": 'a" trust'}, "rules[0]:user"),
        ({"user": None}, "rules[0]:user"),
        ({"type": "local"}, "rules[0]:address"),
        ({"method": "trust all"}, "isn't a method"),
        ({"options": {"map": 'x"\n'}}, "rules[0]:options"),
    ],
)
def test_bad_rules_are_told(change, words):
    with pytest.raises(Invalid) as caught:
        hba.lines([{**RULE, **change}])
    assert words in str(caught.value)
    assert "Remedy" in str(caught.value)


@pytest.mark.parametrize("rule", ["host all", "hots a b c d", f"{LINE}\nhost all all all trust", 7])
def test_bad_lines_are_told(rule):
    with pytest.raises(Invalid, match=r"rules\[0\]"):
        hba.lines([rule])


def test_all_that_is_wrong_is_told_at_once():
    with pytest.raises(Invalid) as caught:
        hba.lines([{**RULE, "type": "x"}, {**RULE, "user": ""}])
    assert len(caught.value.problems) == 2
