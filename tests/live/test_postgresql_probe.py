"""PostgreSQL's readiness and the proof of a database, against a real server and impostors."""

import threading

import psycopg
import pytest
from database_fixtures import Salt, impostor

from salt_itstack.errors import Denied, Rejected, Unreachable
from salt_itstack.services.postgresql import readiness
from salt_itstack.services.postgresql.probe import probe_database

pytest_plugins = ("database_fixtures",)

PASSWORD = "Canary-of-a-probe-5"


@pytest.fixture
def facts(postgresql_server):
    return {"service": "postgresql", "address": "127.0.0.1", "ports": {"postgresql": postgresql_server.port}}


@pytest.fixture
def proof(postgresql_server):
    """The arguments of a proof that holds."""
    salt = Salt("postgresql", postgresql_server.profile)
    for name in ("proof", "neighbour"):
        assert salt.state("role_present", f"{name}_user", password=PASSWORD)["result"]
        assert salt.state("database_present", name, owner=f"{name}_user")["result"]
    return {
        "host": "127.0.0.1",
        "port": postgresql_server.port,
        "database": "proof",
        "role": "proof_user",
        "password": PASSWORD,
        "neighbours": ["neighbour", "not-deployed"],
    }


def test_a_server_is_ready_without_a_login_and_does_not_log_an_error(facts, postgresql_server):
    mark = len(postgresql_server.log.read_text())
    assert readiness(facts) == "PostgreSQL"
    # Another session's line is after whatever was to be said of the first.
    postgresql_server.sql("SELECT 'marked'")
    log = postgresql_server.log.read_text()[mark:]
    assert "marked" in log and "could not receive" not in log and "FATAL" not in log


def test_a_server_that_refuses_the_made_up_account_is_ready(facts):
    def refuse(connection):
        connection.recv(1024)
        fields = b"SFATAL\0VFATAL\0C28000\0Mno pg_hba.conf entry\0\0"
        connection.sendall(b"E" + (len(fields) + 4).to_bytes(4, "big") + fields)

    with impostor(refuse) as port:
        assert readiness({**facts, "ports": {"postgresql": port}}) == "PostgreSQL"


@pytest.mark.parametrize(("state", "word"), [(b"57P03", "starting"), (b"53300", "connections are in use")])
def test_a_server_that_takes_no_sessions_is_not_ready(facts, state, word):
    def refuse(connection):
        connection.recv(1024)
        fields = b"SFATAL\0C" + state + b"\0Mlater\0\0"
        connection.sendall(b"E" + (len(fields) + 4).to_bytes(4, "big") + fields)

    with impostor(refuse) as port, pytest.raises(Unreachable, match=word):
        readiness({**facts, "ports": {"postgresql": port}})


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"R\xff\xff\xff\xff", b"E", b""])
def test_something_else_is_not_ready(facts, answer):
    with impostor(lambda connection: connection.sendall(answer)) as port, pytest.raises(Unreachable):
        readiness({**facts, "ports": {"postgresql": port}})


def test_nothing_is_not_ready(facts, stopped_port):
    with pytest.raises(Unreachable, match=r"refused.*Remedy"):
        readiness({**facts, "ports": {"postgresql": stopped_port}})


def test_silence_is_not_ready(facts):
    release = threading.Event()
    with impostor(lambda connection: release.wait(10)) as port:
        with pytest.raises(Unreachable, match="timed out"):
            readiness({**facts, "ports": {"postgresql": port}})
        release.set()


def test_the_proof_leaves_nothing_and_counts_the_applications_sessions(proof, postgresql_server):
    before = postgresql_server.sql("SELECT count(*) FROM pg_class", "proof")
    dsn = {"host": "127.0.0.1", "port": proof["port"], "user": "proof_user", "dbname": "proof"}
    with psycopg.connect(**dsn, password=PASSWORD, application_name="the application"):
        found = probe_database(**proof)
    assert found["applications"] == {"the application": 1}
    assert found["sessions"] == 1
    assert found["refused"] == ["neighbour"]
    assert found["version"].startswith("1")
    assert postgresql_server.sql("SELECT count(*) FROM pg_class", "proof") == before


def test_a_neighbour_that_is_open_is_found(proof, postgresql_server):
    postgresql_server.sql("GRANT CONNECT ON DATABASE neighbour TO proof_user")
    with pytest.raises(Rejected, match="proof_user could connect to the database neighbour"):
        probe_database(**proof)


def test_a_database_that_is_open_to_others_is_found(proof, postgresql_server):
    postgresql_server.sql("GRANT CONNECT ON DATABASE proof TO neighbour_user")
    with pytest.raises(Rejected, match="open to neighbour_user"):
        probe_database(**proof)
    assert probe_database(**proof, allowed=["neighbour_user"])["refused"] == ["neighbour"]


def test_a_role_that_cannot_write_is_found(proof, postgresql_server):
    postgresql_server.sql(
        "ALTER DATABASE proof OWNER TO postgres; GRANT CONNECT ON DATABASE proof TO proof_user"
    )
    with pytest.raises(Denied, match=r"can't write the database proof.*Remedy"):
        probe_database(**proof)


def test_a_wrong_password_and_a_stopped_server_are_told(proof, stopped_port):
    with pytest.raises(Denied, match="may not log in") as caught:
        probe_database(**{**proof, "password": "wrong-one"})
    assert "wrong-one" not in str(caught.value)
    with pytest.raises(Unreachable, match="start the server"):
        probe_database(**{**proof, "port": stopped_port})
