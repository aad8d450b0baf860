"""Things go wrong at the worst moment: what is told, what goes on, and that the next run converges."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time

import pytest
from direct import APPLICATION_SERVER, DATABASE_SERVER, IDENTITY_SERVER, REALM, Direct
from fleet import changed, wait_for
from promises import WRONG

from salt_itstack.lab import client

ALL = {
    "freeipa-keycloak",
    "keycloak-nextcloud",
    "postgresql-keycloak",
    "postgresql-nextcloud",
    "redis-nextcloud",
    "postgresql-mattermost",
    "taiga-mattermost",
    "traefik-nextcloud",
    "traefik-mattermost",
}
DEPLOYED = f"{IDENTITY_SERVER},{DATABASE_SERVER},{APPLICATION_SERVER}"


@pytest.fixture(scope="module")
def direct(deployed):
    """The servers' own interfaces; at the end nothing is left to do."""
    yield Direct(deployed)
    report, told = deploy(deployed)
    assert (report["failures"], report["changes"]) == ([], 0), told
    assert working(report) == ALL


def deploy(fleet, *words):
    """Run `itstack.deploy`; its report, and what it told meanwhile."""
    done = fleet.inside("lab-master", "salt-run", "--out=json", "itstack.deploy", *words, timeout=600)
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    assert report["retcode"] == done.returncode
    return report, done.stderr


def working(report):
    """Ids of the integrations that work, as a report's rows say."""
    return {row["id"] for row in report["rows"] if row["state"] == "works"}


@contextlib.contextmanager
def running_deploy(fleet, *words):
    """A deploy that goes on meanwhile; it, and all that it started, has ended afterwards."""
    command = client.enter_command(
        fleet.process("lab-master"), ["salt-run", "--out=json", "itstack.deploy", *words]
    )
    run = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=client.inside_environment(),
        start_new_session=True,
    )
    try:
        yield run
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)
        run.communicate()


def signal_program(fleet, server, program, number):
    """Send a signal to a supervised program and all its processes."""
    found = client.supervisor(fleet.process(server)).supervisor.getProcessInfo(program)
    # The supervisor gives each program a process group of its own.
    fleet.shell(server, f"kill -{int(number)} -{found['pid']}")
    return found["pid"]


def take_away(direct):
    """Remove what a deploy has to make again in Keycloak."""
    for federation in direct.federations():
        direct.keycloak("DELETE", f"/components/{federation['id']}")
    direct.keycloak("DELETE", f"/clients/{direct.client('nextcloud')['id']}")


def assert_no_duplicates(direct):
    """Keycloak has one of each of what the map declares."""
    names = [item["clientId"] for item in direct.keycloak("GET", "/clients")]
    assert names.count("nextcloud") == 1
    (federation,) = direct.federations()
    mappers = direct.keycloak("GET", f"/components?parent={federation['id']}")
    assert len({mapper["name"] for mapper in mappers}) == len(mappers) >= 8
    groups = direct.groups()
    assert len(set(groups)) == len(groups) and "/freeipa/users" in groups


def test_a_silent_minion_fails_the_deploy_before_anything_changes(deployed, direct):
    def jobs():
        found, _ = deployed.runner("jobs.list_jobs", "search_function=state.*")
        return set(found)

    before = jobs()
    signal_program(deployed, APPLICATION_SERVER, "salt-minion", signal.SIGSTOP)
    try:
        begun = time.monotonic()
        report, _ = deploy(deployed)
        took = time.monotonic() - begun
    finally:
        signal_program(deployed, APPLICATION_SERVER, "salt-minion", signal.SIGCONT)
    assert took < 20
    assert report["retcode"] == 1
    (failure,) = [text for text in report["failures"] if text.startswith("preflight")]
    assert f"no answer from {APPLICATION_SERVER}; nothing was changed. Remedy: " in failure
    assert DATABASE_SERVER not in failure and IDENTITY_SERVER not in failure
    services = ("freeipa", "postgresql", "redis", "keycloak", "nextcloud")
    assert {report["steps"][service] for service in services} == {"not started"}
    assert jobs() == before, "not even a dry run was published"
    wait_for(lambda: deployed.all_answer(DEPLOYED.split(",")), "the minion answers again")


def test_a_wrong_administrator_secret_is_told_with_the_remedy(deployed, direct):
    right = direct.secret("keycloak-admin")
    try:
        _store(deployed, WRONG)
        run = deployed.highstates(IDENTITY_SERVER)[IDENTITY_SERVER]
        report, code = deployed.runner("itstack.status", "fresh=True", "integrations=['freeipa-keycloak']")
    finally:
        _store(deployed, right)
    assert not changed(run)
    (failed,) = [state for state in run.values() if state["result"] is False and _ran(state)]
    assert failed["__id__"] == "keycloak: machine account"
    assert "neither the account salt-itstack nor the temporary account" in failed["comment"]
    assert "Remedy: correct the profile's secret" in failed["comment"]
    # The directory on the same minion goes on.
    mine = [state for state in run.values() if state["__id__"].startswith("freeipa")]
    assert [state["__id__"] for state in mine if state["result"] is True]
    (row,) = [row for row in report["rows"] if row["id"] == "freeipa-keycloak"]
    assert (row["state"], code) == ("broken", 1), row
    assert "keycloak" in row["reason"]
    shown = json.dumps([run, report])
    assert "Traceback" not in shown and WRONG not in shown and right not in shown
    assert not changed(deployed.highstates(IDENTITY_SERVER)[IDENTITY_SERVER])


def _ran(state):
    # What waits for a failed state is False as well.
    return state.get("__state_ran__", True)


def _store(fleet, value):
    """Put another administrator secret of Keycloak into the store, as a person does."""
    file = "/root/keycloak-admin"
    fleet.shell("lab-master", f"umask 077; cat > {file}", stdin=value)
    try:
        answer, code = fleet.runner(
            "itstack.secret_import", "keycloak-admin", f"path={file}", "overwrite=True"
        )
        assert code == 0, answer
    finally:
        fleet.shell("lab-master", f"rm -f {file}")


def test_keycloak_killed_while_its_step_runs(deployed, direct):
    for _ in range(3):
        take_away(direct)
        with running_deploy(deployed, "services=[keycloak, nextcloud]") as run:
            # Half of the federation is there: the server is ready, and its mappers are still to come.
            wait_for(direct.federations, "the federation is being made", seconds=120, pause=0.05)
            signal_program(deployed, IDENTITY_SERVER, "keycloak", signal.SIGKILL)
            out, told = run.communicate(timeout=300)
        report = json.loads(out)
        assert report["retcode"] == 1
        if report["steps"]["keycloak"] != "done":
            break
        # On a busy machine the step may be over before the signal is there: that is another fault.
        assert deploy(deployed)[0]["failures"] == []
    assert (report["steps"]["keycloak"], report["steps"]["nextcloud"]) == ("failed", "not started"), report
    failures = [text for text in report["failures"] if text.startswith("keycloak on lab-id1: ")]
    assert failures and all("no answer from" in text or "Remedy: " in text for text in failures), failures
    assert "Traceback" not in out + told
    report, told = deploy(deployed)
    assert report["failures"] == [], told
    assert working(report) == ALL
    assert_no_duplicates(direct)


def test_the_directory_is_down(deployed, direct):
    people, groups = direct.people(), direct.groups()
    assert "itstack-probe" in people and "/freeipa/users" in groups
    (federation,) = direct.federations()
    assert deployed.call(IDENTITY_SERVER, "service.stop", "dirsrv") is True
    try:
        report, code = deployed.runner("itstack.status", "fresh=True")
        rows = {row["id"]: row for row in report["rows"]}
        assert code == 1
        assert rows["freeipa-keycloak"]["state"] == "broken"
        assert "directory at ldaps://ipa.it-stack.lab:636" in rows["freeipa-keycloak"]["reason"]
        # What works without it is said to work as far as can be seen: its own states wait for the directory.
        untouched = ("postgresql-keycloak", "postgresql-nextcloud", "redis-nextcloud")
        assert {rows[name]["state"] for name in untouched} == {"unproved"}
        assert all("it works" in rows[name]["reason"] for name in untouched)
        assert all("freeipa isn't ready" in rows[name]["reason"] for name in untouched)
        waiting = deployed.highstates(DATABASE_SERVER)[DATABASE_SERVER]
        assert not changed(waiting)
        failed = [state for state in waiting.values() if state["result"] is False and _ran(state)]
        assert {state["__id__"] for state in failed} == {"postgresql: needs", "redis: needs"}
        assert all("freeipa isn't ready" in state["comment"] for state in failed)
        # The server's own import, which a clock starts: it answers as if all were well.
        with contextlib.suppress(AssertionError):
            direct.keycloak("POST", f"/user-storage/{federation['id']}/sync?action=triggerFullSync")
        answer = deployed.call(IDENTITY_SERVER, "itstack_keycloak.federation_sync", "freeipa", REALM)
        assert "Remedy: " in answer and "Traceback" not in answer, answer
        assert (direct.people(), direct.groups()) == (people, groups)
    finally:
        run = deployed.highstates(IDENTITY_SERVER)[IDENTITY_SERVER]
    assert set(changed(run)) == {"freeipa: running"}
    assert all(state["result"] is True for state in run.values())
    assert {name for name, row in deployed.rows().items() if row["state"] == "works"} == ALL
    assert (direct.people(), direct.groups()) == (people, groups)


def test_the_master_is_killed_in_the_middle_of_a_deploy(deployed, direct):
    take_away(direct)
    before = client.supervisor(deployed.process("lab-master")).supervisor
    with running_deploy(deployed) as run:
        assert run.stderr is not None
        for text in run.stderr:
            if "keycloak on lab-id1 …" in text:
                break
        else:
            pytest.fail("the step of Keycloak never began")
        killed = signal_program(deployed, "lab-master", "salt-master", signal.SIGKILL)
        os.killpg(run.pid, signal.SIGKILL)
    wait_for(lambda: before.getProcessInfo("salt-master")["pid"] not in (0, killed), "a new master runs")
    wait_for(lambda: deployed.all_answer(DEPLOYED.split(",")), "all minions are back", seconds=120)
    report, told = deploy(deployed)
    assert (report["failures"], report["retcode"]) == ([], 0), told
    assert working(report) == ALL
    assert_no_duplicates(direct)


def test_what_needs_a_broken_service_isnt_started_and_all_else_goes_on(deployed, direct):
    broken = "/etc/postgresql/15/main/conf.d/zz-broken.conf"
    deployed.shell(DATABASE_SERVER, f"echo 'no_such_setting = 1' > {broken}; chmod 644 {broken}")
    try:
        assert deployed.call(DATABASE_SERVER, "service.stop", "postgresql@15-main") is True
        assert deployed.call(DATABASE_SERVER, "service.stop", "redis-server") is True
        report, told = deploy(deployed)
    finally:
        deployed.shell(DATABASE_SERVER, f"rm {broken}")
    steps = report["steps"]
    assert (steps["postgresql"], steps["freeipa"], steps["redis"]) == ("failed", "done", "done"), told
    assert (steps["keycloak"], steps["nextcloud"]) == ("not started", "not started")
    assert report["retcode"] == 1
    (failure,) = [text for text in report["failures"] if text.startswith("postgresql on lab-db1: ")]
    assert "no_such_setting" in failure, "the reason is the server's own"
    assert "redis on lab-db1: ready, 1 changes" in told
    assert "keycloak on lab-id1" not in told
    assert (
        "not started, because something they need failed: keycloak, nextcloud, mattermost" in report["notes"]
    )
    states = {row["id"]: row["state"] for row in report["rows"]}
    assert states["postgresql-keycloak"] == states["postgresql-nextcloud"] == "broken"

    # A selection goes as far as it says, and repairs what is on its way.
    report, told = deploy(deployed, "until=1b", "phase_by_phase=True")
    assert report["failures"] == [], told
    assert {step for step in report["steps"] if step in ("nextcloud", "keycloak", "redis")} == {
        "keycloak",
        "redis",
    }
    assert report["changes"] == 1
    assert told.index("redis on lab-db1: ready") < told.index("keycloak on lab-id1 …")
    assert working(report) == ALL


def test_a_selection_of_services_starts_these_alone(deployed, direct):
    report, told = deploy(deployed, "services=[redis]")
    services = {"freeipa", "postgresql", "redis", "keycloak", "nextcloud"}
    assert services & set(report["steps"]) == {"redis"}
    assert (report["failures"], report["changes"]) == ([], 0), told
    answer, code = deployed.runner("itstack.deploy", "services=[redsi]")
    assert code == 1 and "redsi" in str(answer) and "Remedy: " in str(answer), answer
