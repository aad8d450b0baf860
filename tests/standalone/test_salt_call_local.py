"""States and modules of every service under ``salt-call --local``: no master, no map, no store."""

import json
import pathlib
import subprocess
import sys

import pytest

CANARY = "Canary-of-the-lonely-minion-64"
SALT_CALL = pathlib.Path(sys.executable).with_name("salt-call")

#: Profile (on the port of nothing) and a state, by service.
CASES = {
    "freeipa": (
        lambda port: {"host": "127.0.0.1", "port": port, "user": "admin", "password": CANARY},
        {"itstack_freeipa.group_present": [{"name": "staff"}, {"description": "people"}]},
    ),
    "keycloak": (
        lambda port: {
            "url": f"http://127.0.0.1:{port}",
            "client_id": "salt-itstack",
            "client_secret": CANARY,
        },
        {"itstack_keycloak.realm_present": [{"name": "corp"}, {"display_name": "Corp"}]},
    ),
    "nextcloud": (
        lambda port: {"occ_command": "/nowhere/occ", "web_user": "nobody"},
        {"itstack_nextcloud.group_present": [{"name": "staff"}]},
    ),
    "postgresql": (
        lambda port: {"host": "127.0.0.1", "port": port, "user": "postgres", "password": CANARY},
        {"itstack_postgresql.role_present": [{"name": "wiki_user"}, {"password": CANARY}]},
    ),
    "redis": (
        lambda port: {"host": "127.0.0.1", "port": port, "user": "salt-itstack", "password": CANARY},
        {"itstack_redis.user_present": [{"name": "wiki"}, {"password": CANARY}]},
    ),
}


class Minion:
    """A minion's configuration in a folder of its own, and nothing else."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "states").mkdir(parents=True)
        (folder / "pillar").mkdir()
        self.configure()

    def configure(self, **options):
        (self.folder / "minion").write_text(
            json.dumps(
                {
                    "id": "lonely",
                    "root_dir": str(self.folder),
                    "log_file": str(self.folder / "log"),
                    "log_level_logfile": "debug",
                    "file_roots": {"base": [str(self.folder / "states")]},
                    "pillar_roots": {"base": [str(self.folder / "pillar")]},
                    **options,
                }
            )
        )

    def call(self, *words):
        """What ``salt-call --local`` returns; anything that isn't clean output fails."""
        done = subprocess.run(
            [SALT_CALL, "--local", "-c", self.folder, "--out=json", *words],
            capture_output=True, text=True, timeout=120, cwd=self.folder,
        )  # fmt: skip
        self.said = done.stdout + done.stderr
        assert "Traceback" not in self.said, self.said
        assert CANARY not in self.said
        try:
            return json.loads(done.stdout)["local"]
        except ValueError:
            pytest.fail(self.said)

    def apply(self, state, *words):
        """One state through an SLS file: its return."""
        (self.folder / "states" / "own.sls").write_text(json.dumps({"declared": state}))
        answer = self.call("state.apply", "own", *words)
        assert isinstance(answer, dict), answer
        (result,) = answer.values()
        return result


@pytest.fixture
def minion(tmp_path):
    return Minion(tmp_path / "minion")


@pytest.mark.parametrize("service", CASES)
def test_a_server_that_is_not_there_is_a_clean_false(minion, stopped_port, service):
    profile, state = CASES[service]
    minion.configure(itstack={"profiles": {service: profile(stopped_port)}})
    result = minion.apply(state)
    assert result["result"] is False and result["changes"] == {}
    assert service in result["comment"].lower() and "Remedy" in result["comment"], result["comment"]
    log = minion.folder / "log"
    assert log.exists() and CANARY not in log.read_text()


@pytest.mark.parametrize("service", CASES)
def test_a_profile_that_is_not_there_is_a_clean_false(minion, service):
    result = minion.apply(CASES[service][1])
    assert result["result"] is False and result["changes"] == {}
    assert f"itstack:profiles:{service}" in result["comment"], result["comment"]


POSTGRESQL = {
    "itstack_postgresql.role_present": [{"name": "lonely_user"}, {"password": CANARY}, {"login": True}]
}
REDIS = {"itstack_redis.user_present": [{"name": "lonely"}, {"password": CANARY}, {"keys": ["lonely:*"]}]}


@pytest.mark.parametrize(("server", "state"), [("postgresql_server", POSTGRESQL), ("redis_server", REDIS)])
def test_the_first_run_changes_and_the_second_does_not(minion, request, server, state):
    service = server.split("_")[0]
    profile = request.getfixturevalue(server).profile
    # From pillar here, as the configuration was used above.
    (minion.folder / "pillar" / "top.sls").write_text(json.dumps({"base": {"*": ["own"]}}))
    (minion.folder / "pillar" / "own.sls").write_text(
        json.dumps({"itstack": {"profiles": {service: profile}}})
    )
    predicted = minion.apply(state, "test=True")
    assert predicted["result"] is None and predicted["changes"], predicted
    first = minion.apply(state)
    assert first["result"] is True and first["changes"] == predicted["changes"], first
    second = minion.apply(state)
    assert (second["result"], second["changes"]) == (True, {}), second
    assert "Canary" not in (minion.folder / "log").read_text()


def test_a_profile_may_stand_in_the_state_itself(minion, redis_server):
    state = {
        "itstack_redis.user_present": [
            *REDIS["itstack_redis.user_present"],
            {"profile": redis_server.profile},
        ]
    }
    result = minion.apply(state, "test=True")
    assert result["result"] in (None, True), result


def test_the_general_module_says_that_there_is_no_map(minion):
    assert minion.call("itstack.services") == {}
    assert minion.call("itstack.version")
