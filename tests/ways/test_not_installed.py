"""The pack synced from a folder or from git, on a real master and a real minion without the package."""

from __future__ import annotations

import json
import pathlib
import re
import shutil
import sys

import pytest
import yaml
from ways_fixtures import MINION, ROOT, Fleet, checkout, repository

import salt_itstack
from salt_itstack.loader import KINDS, folder
from salt_itstack.master import REACTIONS, configuration

ANOTHER = "9.9.9"
pytestmark = pytest.mark.skipif(
    not pathlib.Path("/proc/self/status").exists(), reason="needs Linux: its master and minion run here"
)


def begin(fleet, *before):
    """What the documentation says: sync on the master, write its lines, start, sync on the minion."""
    fleet.ask(*before, ("master", "saltutil.sync_all"))
    fleet.lines = fleet.run("itstack.config", "--out=yaml")
    (fleet.folder / "master.d" / "itstack.conf").write_text(fleet.lines)
    fleet.start()
    (fleet.synced,) = fleet.ask(("minion", "saltutil.sync_all"))
    return fleet


@pytest.fixture(scope="module")
def from_folder(bare, tmp_path_factory):
    """A fleet whose master has the folder ``sync`` of a checkout among its file roots."""
    place = tmp_path_factory.mktemp("folder")
    roots = [str(place / "fleet/own"), str(checkout(place / "checkout") / "sync")]
    with Fleet(place / "fleet", bare, file_roots={"base": roots}) as fleet:
        yield begin(fleet)


@pytest.fixture(scope="module")
def from_git(bare, tmp_path_factory):
    """A fleet whose master has no checkout, but names a repository and a tag of it."""
    if not shutil.which("git"):
        pytest.skip("Salt's git backend needs the command git: apt-get install git")
    place = tmp_path_factory.mktemp("git")
    remote = f"file://{repository(place / 'repository')}"
    with Fleet(
        place / "fleet",
        bare,
        file_roots={"base": [str(place / "fleet/own")]},
        fileserver_backend=["roots", "gitfs"],
        gitfs_provider="gitpython",
        gitfs_remotes=[{remote: [{"root": "sync"}, {"base": "v1"}]}],
    ) as fleet:
        yield begin(fleet, ("master", "fileserver.update"))


@pytest.fixture(params=["from_folder", "from_git"])
def fleet(request):
    return request.getfixturevalue(request.param)


def test_every_plugin_and_the_library_arrive_without_the_lab(fleet):
    for kind in KINDS:
        names = [path.stem for path in (ROOT / f"_{kind}").glob("*.py")]
        if kind in ("modules", "states", "beacons", "sdb", "output"):
            assert {f"{kind}.{name}" for name in names} <= set(fleet.synced[kind]), kind
        for name in names if kind != "beacons" else ():  # Salt's runner has no beacons to sync on a master
            assert (fleet.folder / f"var/cache/salt/master/extmods/{kind}/{name}.py").is_file()
    for place in ("var/cache/salt/master", "minion/var/cache/salt/minion"):
        library = fleet.folder / place / "extmods/utils/salt_itstack"
        assert (library / "stack/services.yaml.py").read_text() == (
            ROOT / "salt_itstack/stack/services.yaml"
        ).read_text()
        assert not (library / "lab").exists()


def test_the_masters_lines_are_yaml_and_leave_the_file_roots_alone(fleet):
    before = json.loads((fleet.folder / "master").read_text())
    # An installed library names its own files; a synced one has its reactions on the master's file server.
    reactor = [{tag: [f"salt://reactor/itstack/{file}"]} for tag, file in REACTIONS.items()]
    expected = {**configuration(before), "file_roots": before["file_roots"], "reactor": reactor}
    assert yaml.safe_load(fleet.lines) == expected


def test_a_state_changes_at_first_and_then_no_more_and_the_rest_works(fleet, redis_server):
    state = ("minion", "state.single", "itstack_redis.user_present", {
        "name": fleet.folder.parent.name, "password": "not-a-secret-of-anybody", "keys": ["ways:*"],
        "profile": redis_server.profile,
    })  # fmt: skip
    version, kinds, services, top, redis, postgresql, *states = fleet.ask(
        ("minion", "itstack.version"),
        ("minion", "itstack_webhook.kinds"),
        ("minion", "itstack.services"),
        ("minion", "state.show_top"),
        ("minion", "state.show_sls", "itstack.redis"),
        ("minion", "state.show_sls", "itstack.postgresql"),
        (*state[:-1], {**state[-1], "test": True}),
        state,
        state,
    )
    assert version == salt_itstack.__version__
    assert "mattermost-incoming" in kinds
    assert {"redis", "postgresql"} <= set(services)
    assert {"itstack.redis", "itstack.postgresql"} <= set(top["base"])
    for compiled in (redis, postgresql):
        assert isinstance(compiled, dict) and compiled, compiled
    predicted, first, second = (next(iter(answer.values())) for answer in states)
    assert predicted["result"] is None and predicted["changes"], predicted
    assert first["result"] is True and first["changes"] == predicted["changes"], first
    assert (second["result"], second["changes"]) == (True, {}), second


def test_the_runners_the_store_and_the_orchestration_work(fleet):
    secrets, preflight, secret, status, steps = fleet.ask(
        ("master", "itstack.secrets"),
        ("master", "itstack.preflight", {"services": ["redis"]}),
        ("master", "sdb.get", "sdb://itstack/redis-admin"),
        ("master", "itstack.status"),
        ("master", "state.orch_show_sls", "itstack.deploy"),
    )
    assert "keycloak-admin" in secrets
    assert preflight.get("minions") == [MINION], preflight
    assert isinstance(secret, str) and len(secret) >= 20
    assert len(status["data"]["rows"]) == 58
    (rendered,) = steps.values()
    assert {"preflight", "redis", "postgresql"} <= set(rendered)


def test_an_installed_package_starts_with_the_lines_that_it_prints(tmp_path_factory):
    # Not tmp_path, which is named after the test: a socket's path has a hundred characters at most.
    place = tmp_path_factory.mktemp("package")
    own = str(place / "fleet/own")
    with Fleet(place / "fleet", sys.executable, file_roots={"base": [own]}) as fleet:
        lines = fleet.run("itstack.config", "--out=yaml")
        roots = yaml.safe_load(lines)["file_roots"]["base"]
        assert roots == [own, str(folder("sls")), str(folder("orchestrate"))]
        (fleet.folder / "master.d" / "itstack.conf").write_text(lines)
        fleet.start()
        top, sls, preflight = fleet.ask(
            ("minion", "state.show_top"),
            ("minion", "state.show_sls", "itstack.redis"),
            ("master", "itstack.preflight", {"services": ["redis"]}),
        )
    assert {"itstack.redis", "itstack.postgresql"} <= set(top["base"])
    assert isinstance(sls, dict) and sls
    assert preflight.get("minions") == [MINION], preflight


def of_another_version(fleet, kind, name):
    """Put a plug-in file of another version before ours, on the master's file server."""
    target = fleet.folder / "own" / f"_{kind}" / f"{name}.py"
    target.parent.mkdir(exist_ok=True)
    text = (ROOT / f"_{kind}" / f"{name}.py").read_text()
    target.write_text(re.sub(r'^__version__ = ".*"', f'__version__ = "{ANOTHER}"', text, flags=re.MULTILINE))


def test_files_of_another_version_are_refused_and_the_user_sees_why(from_folder):
    # The last test of this fleet, which isn't mended afterwards.
    fleet = from_folder
    for kind, name in (("modules", "itstack"), ("modules", "itstack_redis"), ("states", "itstack_redis")):
        of_another_version(fleet, kind, name)
    (fleet.folder / "own" / "declared.sls").write_text('{"x": {"itstack_redis.user_present": []}}')
    *_, function, state = fleet.ask(
        ("minion", "saltutil.sync_modules"),
        ("minion", "saltutil.sync_states"),
        ("minion", "itstack_redis.users"),
        ("minion", "state.apply", "declared"),
    )
    for kind, name in (("pillar", "itstack"), ("sdb", "itstack"), ("output", "itstack_matrix")):
        of_another_version(fleet, kind, name)
    *_, pillar, preflight, secret = fleet.ask(
        ("master", "saltutil.sync_all"),
        ("minion", "state.apply", "declared"),
        ("master", "itstack.preflight", {"services": ["redis"]}),
        ("master", "sdb.get", "sdb://itstack/redis-admin"),
    )
    told = {
        "function": function, "state": next(iter(state.values()))["comment"], "pillar": pillar[1],
        "preflight": preflight["Error"], "sdb": secret,
        "outputter": fleet.run("itstack.status", "--out=itstack_matrix").splitlines()[0],
    }  # fmt: skip
    for place, text in told.items():
        for part in (ANOTHER, salt_itstack.__version__, "Remedy: install or sync both in one version"):
            assert part in text, (place, text)
