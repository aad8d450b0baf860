"""What the runners refuse, and what they ask for, before any minion is spoken to."""

from __future__ import annotations

import pytest
import salt.loader

from salt_itstack.fleet import Fleet
from salt_itstack.loader import folder
from salt_itstack.master import configuration


class Minions:
    """All minions answer, and are idle; what they were asked is kept."""

    def __init__(self):
        self.checked = []

    def check(self, minions):
        self.checked += minions

    def wait_until_idle(self, minions, timeout):
        pass


@pytest.fixture
def runners(master):
    return salt.loader.runner(master.opts)


@pytest.fixture
def minions(monkeypatch):
    found = Minions()
    monkeypatch.setattr(Fleet, "__init__", lambda self, opts: None)
    monkeypatch.setattr(Fleet, "check", lambda self, wanted: found.check(wanted))
    monkeypatch.setattr(Fleet, "wait_until_idle", lambda self, wanted, timeout: None)
    monkeypatch.setattr(Fleet, "ask", lambda self, wanted, function, timeout=60, **kwargs: {})
    return found


@pytest.mark.parametrize("given", ["redis-nextclod", ["redis-nextcloud", "redis-nextclod"], "redis"])
@pytest.mark.parametrize("runner", ["prove", "status"])
def test_an_unknown_integration_is_refused_with_the_nearest(runners, minions, runner, given):
    told = runners[f"itstack.{runner}"](integrations=given, **({"fresh": True} if runner == "status" else {}))
    assert told["retcode"] == 1
    wrong = given if isinstance(given, str) else given[-1]
    assert f"'{wrong}'" in told["Error"] and "did you mean redis-" in told["Error"]


def test_one_integration_may_be_given_as_a_text_and_is_not_searched_in(runners, minions):
    found = runners["itstack.status"](fresh=True, integrations="postgresql-nextcloud")
    states = {row["id"]: row["reason"] for row in found["data"]["rows"]}
    assert "doesn't answer" in states["postgresql-nextcloud"]
    assert states["redis-nextcloud"] == "no probe has run yet"


def test_preflight_asks_for_the_secrets_of_the_selection_only(master, runners, minions):
    told = runners["itstack.preflight"]()
    assert "freeipa-admin" in told["Error"]
    assert runners["itstack.preflight"](services=["redis"]) == {"minions": ["lab-db1"], "warnings": []}
    assert {"redis-admin", "redis-nextcloud"} <= set(master.store.describe())
    assert "freeipa-admin" in runners["itstack.preflight"](services="freeipa,redis")["Error"]


def test_preflight_refuses_a_service_that_the_map_has_not(runners, minions):
    told = runners["itstack.preflight"](services=["rediss"])
    assert told["retcode"] == 1 and "did you mean redis?" in told["Error"]
    assert minions.checked == []


OURS = [str(folder("sls")), str(folder("orchestrate"))]


def test_the_masters_lines_keep_what_it_has_already(master):
    theirs = {
        "file_roots": {"base": ["/srv/mine", "/srv/more"], "dev": ["/srv/dev"]},
        "ext_pillar": [{"git": []}],
        "master_tops": {"reclass": {"storage_type": "yaml_fs"}},
    }
    found = salt.loader.runner({**master.opts, **theirs})["itstack.config"]()
    assert found["file_roots"] == {"base": ["/srv/mine", "/srv/more", *OURS], "dev": ["/srv/dev"]}
    assert found["ext_pillar"] == [{"git": []}, {"itstack": {}}]
    assert found["master_tops"] == {"reclass": {"storage_type": "yaml_fs"}, "itstack": True}
    again = configuration({**theirs, **found})
    assert again == found, "what is there isn't added twice"
    assert theirs["file_roots"]["base"] == ["/srv/mine", "/srv/more"]


def test_before_there_is_a_master_the_defaults_are_kept():
    found = configuration()
    assert found["file_roots"] == {"base": ["/srv/salt", *OURS]}
    assert found["ext_pillar"] == [{"itstack": {}}] and found["master_tops"] == {"itstack": True}
