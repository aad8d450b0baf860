"""PostgreSQL's states against a real server, through Salt's own loader."""

import os
import uuid

import pytest
from database_fixtures import Salt, assert_converges, until
from salt_loader import load

pytest_plugins = ("database_fixtures",)

PASSWORD = "Canary-of-a-role-17"


@pytest.fixture
def salt(postgresql_server):
    return Salt("postgresql", postgresql_server.profile)


@pytest.fixture
def name():
    return f"app_{uuid.uuid4().hex[:8]}"


@pytest.fixture
def wiki(salt, name):
    """A role and a database of its own."""
    assert_converges(salt, "role_present", f"{name}_user", password=PASSWORD, connection_limit=20)
    assert_converges(salt, "database_present", name, owner=f"{name}_user")
    return name


def repaired(salt, function, name, **arguments):
    changes = assert_converges(salt, function, name, **arguments)
    return {key: (change["old"], change["new"]) for key, change in changes.items()}


def test_a_new_role_may_log_in_and_no_more(salt, postgresql_server, name):
    changes = assert_converges(salt, "role_present", name, password=PASSWORD, connection_limit=20)
    assert changes == {
        "login": {"old": None, "new": True},
        "password": {"old": None, "new": "(hidden)"},
        "connection_limit": {"old": None, "new": 20},
    }
    assert postgresql_server.sql("SELECT session_user", user=name, password=PASSWORD) == name
    assert salt.call("roles")[name]["superuser"] is False
    assert "password" not in salt.call("roles")[name]


def test_hand_made_drift_of_a_role_is_repaired(salt, postgresql_server, name):
    wanted = {"password": PASSWORD, "connection_limit": 20, "member_of": ["pg_monitor"]}
    assert_converges(salt, "role_present", name, **wanted)
    postgresql_server.sql(
        f"ALTER ROLE {name} SUPERUSER CREATEDB NOLOGIN PASSWORD 'other' CONNECTION LIMIT 3;"
        f"ALTER ROLE {name} VALID UNTIL '2001-01-01';"
        f"REVOKE pg_monitor FROM {name}; GRANT pg_read_all_data TO {name}"
    )
    assert repaired(salt, "role_present", name, **wanted) == {
        "login": (False, True),
        "password": ("(hidden)", "(hidden)"),
        "connection_limit": (3, 20),
        "member_of": (["pg_read_all_data"], ["pg_monitor"]),
        "superuser": (True, False),
        "create_databases": (True, False),
        "expires": (True, False),
    }
    assert postgresql_server.sql("SELECT 1", user=name, password=PASSWORD) == "1"


def test_an_md5_password_is_rewritten_and_an_equal_one_is_not(salt, postgresql_server, name):
    assert_converges(salt, "role_present", name, password=PASSWORD)
    postgresql_server.sql(f"SET password_encryption = 'md5'; ALTER ROLE {name} PASSWORD '{name}'")
    assert set(repaired(salt, "role_present", name, password=PASSWORD)) == {"password"}
    # Another salt, the same password: nothing to do.
    postgresql_server.sql(f"ALTER ROLE {name} PASSWORD '{PASSWORD}x'")
    assert salt.state("role_present", name, password=f"{PASSWORD}x")["changes"] == {}


def test_a_database_is_closed_to_everybody_but_its_owner(salt, postgresql_server, wiki):
    other = f"{wiki}_other"
    salt.state("role_present", other, password=PASSWORD)
    refused = postgresql_server.sql("SELECT 1", wiki, other, PASSWORD, check=False)
    assert "permission denied for database" in refused
    postgresql_server.sql("CREATE TABLE note (word text)", wiki, f"{wiki}_user", PASSWORD)


def test_hand_made_drift_of_a_database_is_repaired(salt, postgresql_server, wiki):
    owner, other = f"{wiki}_user", f"{wiki}_other"
    salt.state("role_present", other, password=PASSWORD)
    postgresql_server.sql(
        f"ALTER DATABASE {wiki} OWNER TO {other}; GRANT CONNECT ON DATABASE {wiki} TO PUBLIC;"
        f"ALTER DATABASE {wiki} CONNECTION LIMIT 3"
    )
    postgresql_server.sql(
        f"GRANT CREATE ON SCHEMA public TO PUBLIC; ALTER SCHEMA public OWNER TO {other}", wiki
    )
    changes = repaired(salt, "database_present", wiki, owner=owner, connection_limit=30)
    assert changes == {
        "owner": (other, owner),
        "connection_limit": (3, 30),
        "access": ({"PUBLIC": ["CONNECT"]}, {}),
        "schema_owner": (other, "pg_database_owner"),
        "schema_access": ({"PUBLIC": ["CREATE", "USAGE"]}, {"PUBLIC": ["USAGE"]}),
    }
    assert "permission denied" in postgresql_server.sql("SELECT 1", wiki, other, PASSWORD, check=False)
    postgresql_server.sql(f"REVOKE CONNECT ON DATABASE {wiki} FROM {owner}")
    assert set(repaired(salt, "database_present", wiki, owner=owner)) == {"access"}
    assert postgresql_server.sql("SELECT 1", wiki, owner, PASSWORD) == "1"


def test_an_encoding_that_differs_is_told_and_left(salt, postgresql_server, name):
    postgresql_server.sql(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    done = salt.state("database_present", name)
    assert done["result"] is False
    assert done["changes"] == {}
    assert "encoding LATIN1 instead of UTF8" in done["comment"] and "Remedy" in done["comment"]


def test_access_for_others_is_declared(salt, postgresql_server, wiki):
    reader = f"{wiki}_reader"
    salt.state("role_present", reader, password=PASSWORD)
    access = {reader: ["CONNECT"]}
    repaired(salt, "database_present", wiki, owner=f"{wiki}_user", access=access)
    assert postgresql_server.sql("SELECT 1", wiki, reader, PASSWORD) == "1"


def test_extensions_come_and_go(salt, postgresql_server, wiki):
    assert_converges(salt, "extension_present", "pg_trgm", database=wiki)
    owner = postgresql_server.sql(
        "SELECT extowner::regrole FROM pg_extension WHERE extname = 'pg_trgm'", wiki
    )
    assert owner == f"{wiki}_user"
    postgresql_server.sql("CREATE SCHEMA away; ALTER EXTENSION pg_trgm SET SCHEMA away", wiki)
    changes = repaired(salt, "extension_present", "pg_trgm", database=wiki, schema="public")
    assert changes == {"schema": ("away", "public")}
    assert_converges(salt, "extension_absent", "pg_trgm", database=wiki)
    missing = salt.state("extension_present", "no_such_thing", database=wiki)
    assert missing["result"] is False and "isn't installed" in missing["comment"]


def test_a_database_is_only_removed_with_data_loss(salt, postgresql_server, wiki):
    refused = salt.state("database_absent", wiki, test=True)
    assert refused["result"] is False and "data_loss: true" in refused["comment"]
    assert salt.state("database_absent", wiki)["result"] is False
    assert_converges(salt, "database_absent", wiki, data_loss=True)
    assert wiki not in salt.call("databases")
    assert salt.state("database_absent", "template1", data_loss=True)["result"] is False


def test_a_role_is_only_removed_when_what_it_owns_has_an_heir(salt, postgresql_server, wiki):
    role, heir = f"{wiki}_user", f"{wiki}_heir"
    salt.state("role_present", heir, password=PASSWORD)
    postgresql_server.sql("CREATE TABLE note (word text)", wiki, role, PASSWORD)
    refused = salt.state("role_absent", role)
    assert refused["result"] is False
    assert wiki in refused["comment"] and "reassign_to" in refused["comment"]
    assert_converges(salt, "role_absent", role, reassign_to=heir)
    assert postgresql_server.sql("SELECT tableowner FROM pg_tables WHERE tablename = 'note'", wiki) == heir
    assert salt.call("databases")[wiki]["owner"] == heir


def test_a_role_with_rights_only_is_removed_at_once(salt, wiki):
    reader = f"{wiki}_reader"
    salt.state("role_present", reader, password=PASSWORD)
    salt.state("database_present", wiki, owner=f"{wiki}_user", access={reader: ["CONNECT"]})
    assert_converges(salt, "role_absent", reader)


def test_what_a_role_owns_is_dropped_only_when_told(salt, postgresql_server, name):
    postgresql_server.sql(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'")
    postgresql_server.sql(f"CREATE SCHEMA {name} AUTHORIZATION {name}")
    assert_converges(salt, "role_absent", name, drop_owned=True)
    assert postgresql_server.sql(f"SELECT count(*) FROM pg_namespace WHERE nspname = '{name}'") == "0"


@pytest.mark.parametrize("role", ["postgres", "pg_monitor"])
def test_the_servers_own_roles_are_left_alone(salt, role):
    assert salt.state("role_absent", role, drop_owned=True)["result"] is False
    assert salt.state("role_present", role)["result"] is False


def test_a_superuser_is_not_removed(salt, postgresql_server, name):
    postgresql_server.sql(f"CREATE ROLE {name} SUPERUSER")
    assert "superuser" in salt.state("role_absent", name)["comment"]
    assert name in salt.call("roles")


def test_sessions_and_version_are_told(salt, postgresql_server):
    assert postgresql_server.sql("SHOW server_version").startswith(salt.call("version"))
    assert isinstance(salt.call("sessions"), list)


def test_the_rules_of_client_authentication(salt, postgresql_server, wiki):
    file = str(postgresql_server.hba)
    before = postgresql_server.hba.read_text()
    loopback = {"database": wiki, "user": f"{wiki}_user", "address": "127.0.0.1/32"}
    assert_converges(salt, "hba_present", file, rules=[{**loopback, "method": "reject"}])
    # In force at once, and before Debian's line for everybody.
    until_refused(postgresql_server, wiki)
    lines = postgresql_server.hba.read_text().splitlines()
    assert lines.index(f"host {wiki} {wiki}_user 127.0.0.1/32 reject") < lines.index(
        "local   all             all                                     peer"
    )
    bad = salt.state("hba_present", file, rules=[{**loopback, "method": "no-such"}])
    assert bad["result"] is False and "no-such" in bad["comment"]
    assert postgresql_server.hba.read_text().splitlines() == lines
    assert_converges(salt, "hba_present", file, rules=[])
    assert postgresql_server.hba.read_text() == before
    status = postgresql_server.hba.stat()
    assert status.st_mode & 0o777 == 0o600 and status.st_uid != 0


def test_a_file_that_was_written_but_not_loaded_is_loaded(salt, postgresql_server):
    file, before = postgresql_server.hba, postgresql_server.hba.read_text()
    assert salt.state("hba_present", str(file), rules=[])["changes"] == {}
    file.write_text(before)
    changes = assert_converges(salt, "hba_present", str(file), rules=[])
    assert changes == {"loaded": {"old": False, "new": True}}


def test_an_error_that_somebody_else_made_is_told(salt, postgresql_server):
    file, before = postgresql_server.hba, postgresql_server.hba.read_text()
    file.write_text(f"{before}nonsense\n")
    try:
        done = salt.state("hba_present", str(file), rules=[])
        assert done["result"] is False and f"line {len(before.splitlines()) + 1}" in done["comment"]
        assert file.read_text() == f"{before}nonsense\n"
    finally:
        file.write_text(before)
        assert salt.state("hba_present", str(file), rules=[])["result"] is True


def test_an_account_that_is_not_there_is_told():
    done = Salt("postgresql", {"os_user": "no-such-account"}).state("role_present", "x")
    assert done["result"] is False and "no system account no-such-account" in done["comment"]


def test_a_second_run_asks_little(salt, postgresql_server, name):
    for number in range(5):
        salt.state("role_present", f"{name}_{number}", password=PASSWORD)
    mark = len(postgresql_server.log.read_text())
    modules, _ = load({}, salt.pillar)
    for number in range(5):
        assert modules["itstack_postgresql.role_apply"](f"{name}_{number}", password=PASSWORD) == {}
    log = postgresql_server.log.read_text()[mark:]
    assert log.count("connection authorized") == 1
    assert log.count("statement:") + log.count("execute ") == 2, log


def until_refused(server, database):
    until(
        lambda: "pg_hba.conf" in server.sql("SELECT 1", database, f"{database}_user", PASSWORD, check=False),
        "the refusal by pg_hba.conf",
    )


def test_another_servers_file_is_refused(salt, tmp_path):
    (tmp_path / "pg_hba.conf").write_text("")
    done = salt.state("hba_present", str(tmp_path / "pg_hba.conf"), rules=[])
    assert done["result"] is False and "the server reads" in done["comment"]


def test_unknown_fields_are_refused_with_the_nearest(salt, name):
    done = salt.state("role_present", name, conection_limit=3)
    assert done["result"] is False and "did you mean connection_limit?" in done["comment"]
    assert name not in salt.call("roles")


def test_names_are_quoted(salt, postgresql_server):
    name = "odd \"name'; DROP TABLE x; --"
    assert_converges(salt, "role_present", name, password='it\'s $a "quoted" one')
    assert_converges(salt, "database_present", name, owner=name)
    assert_converges(salt, "database_absent", name, data_loss=True)
    assert_converges(salt, "role_absent", name)


@pytest.mark.parametrize("function", ["role_present", "database_present"])
def test_wrong_credentials_are_told_with_a_remedy(postgresql_server, function):
    profile = {
        "host": "127.0.0.1",
        "port": postgresql_server.port,
        "user": "postgres",
        "password": "wrong-one",
    }
    done = Salt("postgresql", profile).state(function, "x")
    assert done["result"] is False
    assert "may not log in" in done["comment"] and "Remedy" in done["comment"]
    assert "wrong-one" not in done["comment"]


def test_a_stopped_server_is_told_with_a_remedy(stopped_port):
    profile = {"host": "127.0.0.1", "port": stopped_port, "user": "postgres", "password": PASSWORD}
    for test in (True, False):
        done = Salt("postgresql", profile).state("role_present", "x", test=test)
        assert done["result"] is False
        assert "refused" in done["comment"] and "Remedy: start the server" in done["comment"]


def test_a_dry_run_predicts_what_this_run_would_start(postgresql_server, stopped_port, name):
    absent = Salt("postgresql", {"host": "127.0.0.1", "port": stopped_port}, services={"postgresql": {}})
    predicted = absent.state("role_present", name, test=True, password=PASSWORD)
    assert predicted["result"] is None
    real = Salt("postgresql", postgresql_server.profile).state("role_present", name, password=PASSWORD)
    assert real["changes"] == predicted["changes"]
    assert absent.state("role_absent", name, test=True)["result"] is True
    assert absent.state("role_present", name)["result"] is False


def test_a_minion_that_may_not_is_told_so(salt, postgresql_server, name):
    assert_converges(salt, "role_present", name, password=PASSWORD)
    weak = Salt(
        "postgresql",
        {"host": "127.0.0.1", "port": postgresql_server.port, "user": name, "password": PASSWORD},
    )
    done = weak.state("role_present", f"{name}_other")
    assert done["result"] is False and "superuser" in done["comment"]


def test_only_connecting_is_done_as_another_user(salt):
    salt.call("version")
    assert os.geteuid() == 0


def test_no_clear_password_is_in_the_log_or_in_a_report(salt, postgresql_server, wiki):
    postgresql_server.sql(f"ALTER ROLE {wiki}_user PASSWORD NULL")
    done = salt.state("role_present", f"{wiki}_user", password="Canary-that-nobody-else-writes-3")
    assert done["changes"]["password"] == {"old": None, "new": "(hidden)"}
    log = postgresql_server.log.read_text()
    assert f'ALTER ROLE "{wiki}_user" PASSWORD \'SCRAM-SHA-256$' in log
    assert "Canary-that-nobody-else-writes-3" not in log
    assert "Canary" not in str(done)
