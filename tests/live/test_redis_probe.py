"""Redis's readiness and the proof of a key space, against a real server and impostors."""

import pytest
from database_fixtures import Salt, impostor, until

from salt_itstack.errors import Denied, Rejected, Unreachable
from salt_itstack.services.redis import readiness
from salt_itstack.services.redis.probe import probe_key_space

pytest_plugins = ("database_fixtures",)

PASSWORD = "Canary-of-a-probe-6"


def facts(port):
    return {"service": "redis", "address": "127.0.0.1", "ports": {"redis": port}}


@pytest.fixture
def salt(redis_server):
    return Salt("redis", redis_server.profile)


@pytest.fixture
def proof(salt, redis_server):
    """The arguments of a proof that holds."""
    assert salt.state("user_present", "proof", password=PASSWORD, keys=["proof:*"])["result"]
    return {
        "host": "127.0.0.1",
        "port": redis_server.port,
        "user": "proof",
        "password": PASSWORD,
        "database": 1,
        "prefix": "proof:",
    }


def test_a_server_that_wants_a_login_is_ready(redis_server):
    assert readiness(facts(redis_server.port)) == "Redis"


def test_a_server_without_logins_tells_its_version(redis_server):
    redis_server.cli("ACL", "SETUSER", "default", "on", "nopass", "+@all")
    try:
        version = next(line for line in redis_server.cli("INFO", "server").split() if "redis_version" in line)
        assert readiness(facts(redis_server.port)) == f"Redis {version.split(':')[1]}"
    finally:
        redis_server.cli("ACL", "SETUSER", "default", "reset", "off")


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (b"-LOADING Redis is loading the dataset in memory\r\n", "LOADING"),
        (b"-DENIED Redis is running in protected mode\r\n", "protected mode"),
        (b"HTTP/1.1 400 Bad Request\r\n", "isn't Redis"),
        (b"", "without an answer"),
    ],
)
def test_a_server_that_cannot_be_used_is_not_ready(answer, word):
    def reply(connection):
        connection.recv(64)
        connection.sendall(answer)

    with impostor(reply) as port, pytest.raises(Unreachable, match=word):
        readiness(facts(port))


def test_nothing_is_not_ready(stopped_port):
    with pytest.raises(Unreachable, match=r"refused.*Remedy"):
        readiness(facts(stopped_port))


def test_the_proof_leaves_nothing(proof, redis_server):
    found = probe_key_space(**proof)
    assert found["keys"] == 0 and found["milliseconds"] > 0
    assert found["version"] and redis_server.cli("-n", "1", "DBSIZE") == "0"


def test_a_user_without_a_prefix_uses_its_database(salt, proof, redis_server):
    salt.state("user_present", "proof", password=PASSWORD)
    redis_server.cli("-n", "2", "SET", "kept", "1")
    assert probe_key_space(**{**proof, "prefix": "", "database": 2})["keys"] == 1
    redis_server.cli("-n", "2", "DEL", "kept")


def test_rights_outside_the_prefix_are_found(salt, proof):
    salt.state("user_present", "proof", password=PASSWORD, keys=["*"])
    with pytest.raises(Rejected, match="a key outside proof:"):
        probe_key_space(**proof)


def test_administrative_rights_are_found(salt, proof):
    salt.state("user_present", "proof", password=PASSWORD, keys=["proof:*"], commands="+@all")
    with pytest.raises(Rejected, match=r"read the server's settings.*Remedy"):
        probe_key_space(**proof)


def test_missing_rights_are_found(salt, proof):
    salt.state("user_present", "proof", password=PASSWORD, keys=["other:*"])
    with pytest.raises(Denied, match="can't use its own key space"):
        probe_key_space(**proof)
    salt.state(
        "user_present", "proof", password=PASSWORD, keys=["proof:*"], commands="+@all -@admin -@dangerous"
    )
    assert probe_key_space(**proof)["version"] == "", "it may not ask for figures, which is its right"


def test_a_server_that_cannot_save_is_found(proof, redis_server):
    redis_server.cli("CONFIG", "SET", "stop-writes-on-bgsave-error", "no")
    redis_server.folder.chmod(0o555)
    try:
        redis_server.cli("BGSAVE")
        until(lambda: "rdb_last_bgsave_status:err" in redis_server.cli("INFO", "persistence"), "the failure")
        with pytest.raises(Rejected, match=r"can't save its data.*Remedy"):
            probe_key_space(**proof)
    finally:
        redis_server.folder.chmod(0o755)
        redis_server.cli("SAVE")


def test_a_wrong_password_and_a_stopped_server_are_told(proof, stopped_port):
    with pytest.raises(Denied, match="may not log in") as caught:
        probe_key_space(**{**proof, "password": "wrong-one"})
    assert "wrong-one" not in str(caught.value)
    with pytest.raises(Unreachable, match="start the server"):
        probe_key_space(**{**proof, "port": stopped_port})
