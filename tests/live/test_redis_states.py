"""Redis's states against a real server, through Salt's own loader."""

import hashlib
import uuid

import pytest
import redis
from database_fixtures import ADMIN_PASSWORD, RedisServer, Salt, assert_converges

pytest_plugins = ("database_fixtures",)

PASSWORD = "Canary-of-a-user-23"
CLOSED = "this user has no permissions"


@pytest.fixture
def salt(redis_server):
    return Salt("redis", redis_server.profile)


@pytest.fixture
def name():
    return f"app-{uuid.uuid4().hex[:8]}"


def changed(changes):
    return {key: (change["old"], change["new"]) for key, change in changes.items()}


def saved(server, name):
    """What the server would know of a user after a restart."""
    return [line for line in server.acl.read_text().splitlines() if line.startswith(f"user {name} ")]


def test_a_new_user_may_use_its_keys_and_no_more(salt, redis_server, name):
    changes = assert_converges(salt, "user_present", name, password=PASSWORD, keys=[f"{name}:*"])
    assert changed(changes) == {
        "enabled": (None, True),
        "password": (None, "(hidden)"),
        "keys": (None, f"~{name}:*"),
        "commands": (None, "+@all -@admin -@dangerous +info +keys"),
    }
    as_user = {"user": name, "password": PASSWORD}
    assert redis_server.cli("SET", f"{name}:a", "1", **as_user) == "OK"
    assert redis_server.cli("INFO", "server", **as_user).startswith("# Server")
    for words in (
        ("GET", "other"),
        ("FLUSHALL",),
        ("CONFIG", "GET", "*"),
        ("ACL", "LIST"),
        ("PUBLISH", "x", "y"),
    ):
        assert redis_server.cli(*words, **as_user).startswith("NOPERM"), words
    assert "passwords" not in salt.call("users")[name]


def test_a_user_lasts_over_a_restart(salt, redis_server, name):
    assert_converges(salt, "user_present", name, password=PASSWORD)
    digest = hashlib.sha256(PASSWORD.encode()).hexdigest()
    assert f"#{digest}" in saved(redis_server, name)[0]
    redis_server.stop()
    redis_server.start()
    assert redis_server.cli("SET", "a", "1", user=name, password=PASSWORD) == "OK"
    assert salt.state("user_present", name, password=PASSWORD)["changes"] == {}


@pytest.mark.parametrize(
    ("drift", "field"),
    [
        ((">another",), "password"),
        (("nopass",), "password"),
        (("resetpass",), "password"),
        (("off",), "enabled"),
        (("~other:*",), "keys"),
        (("resetkeys",), "keys"),
        (("&*",), "channels"),
        (("+flushall",), "commands"),
        (("-get",), "commands"),
        (("(+@all ~*)",), "selectors"),
    ],
)
def test_hand_made_drift_is_repaired(salt, redis_server, name, drift, field):
    wanted = {"password": PASSWORD, "keys": [f"{name}:*"]}
    assert_converges(salt, "user_present", name, **wanted)
    before = saved(redis_server, name)
    assert redis_server.cli("ACL", "SETUSER", name, *drift) == "OK"
    assert set(assert_converges(salt, "user_present", name, **wanted)) == {field}
    assert saved(redis_server, name) == before
    if field == "password":
        assert "NOAUTH" in redis_server.cli("PING", user=name, password="another")


def test_the_order_of_patterns_is_kept_and_channels_are_declared(salt, redis_server, name):
    wanted = {"password": PASSWORD, "keys": ["b:*", "%R~a:*"], "channels": ["news:*"]}
    assert_converges(salt, "user_present", name, **wanted)
    assert salt.call("users")[name]["keys"] == "~b:* %R~a:*"
    assert redis_server.cli("PUBLISH", "news:x", "1", user=name, password=PASSWORD) == "0"


def test_nothing_is_left_of_the_comparison(salt, redis_server, name):
    before = redis_server.cli("ACL", "USERS").split()
    salt.state("user_present", name, test=True, password=PASSWORD)
    assert redis_server.cli("ACL", "USERS").split() == before
    assert not saved(redis_server, name)


def test_removal_ends_connections_and_lasts(salt, redis_server, name):
    assert_converges(salt, "user_present", name, password=PASSWORD)
    client = redis.Redis("127.0.0.1", redis_server.port, username=name, password=PASSWORD, retry=None)
    assert client.ping()
    assert_converges(salt, "user_absent", name)
    assert not saved(redis_server, name)
    with pytest.raises(redis.exceptions.RedisError):
        client.ping()
    client.close()


@pytest.mark.parametrize("user", ["default", "salt-itstack"])
def test_the_accounts_that_are_needed_stay(salt, redis_server, user):
    done = salt.state("user_absent", user)
    assert done["result"] is False and "Remedy" in done["comment"]
    assert user in redis_server.cli("ACL", "USERS").split()


def test_default_can_be_switched_off_but_not_opened(salt, redis_server):
    redis_server.cli("ACL", "SETUSER", "default", "on", "nopass")
    assert "password" in salt.state("user_present", "default", enabled=True)["comment"]
    assert_converges(salt, "user_present", "default", enabled=False, keys=[], commands="-@all")
    assert "NOAUTH" in redis_server.cli("PING", user="default", password="x")


def test_bad_rules_are_refused_before_anything_changes(salt, redis_server, name):
    for arguments, word in (
        ({"commands": "+nosuch"}, "+nosuch"),
        ({"commands": "+@all ~*"}, "isn't a rule about commands"),
        ({"commands": "+@all nopass"}, "nopass"),
        ({"keys": ["a b"]}, "without blanks"),
        ({"comands": "+@all"}, "did you mean commands?"),
    ):
        done = salt.state("user_present", name, password=PASSWORD, **arguments)
        assert done["result"] is False and word in done["comment"], done
        assert "Remedy" in done["comment"]
    assert salt.state("user_present", name)["result"] is False, "a new user without a password"
    assert name not in salt.call("users")


def test_a_server_without_an_acl_file_is_refused_with_the_remedy(name):
    server = RedisServer(aclfile=False)
    try:
        done = Salt("redis", server.profile).state("user_present", name, password=PASSWORD)
        assert done["result"] is False and "aclfile" in done["comment"]
        assert name not in server.cli("ACL", "USERS").split()
    finally:
        server.remove()


def test_what_cannot_be_kept_is_taken_back(salt, redis_server, name):
    other = f"{name}-old"
    salt.state("user_present", other, password=PASSWORD)
    redis_server.acl.parent.chmod(0o500)
    try:
        done = salt.state("user_present", name, password=PASSWORD)
        assert done["result"] is False and "taken back" in done["comment"]
        assert salt.state("user_absent", other)["result"] is False
    finally:
        redis_server.acl.parent.chmod(0o755)
    users = salt.call("users")
    assert name not in users and users[other]["enabled"]
    assert salt.state("user_present", other, password=PASSWORD)["changes"] == {}


def test_settings_are_compared_by_what_they_mean(salt, redis_server):
    wanted = {
        "maxmemory": "64mb",
        "maxmemory-policy": "allkeys-lru",
        "save": ["900 1", "300 10"],
        "appendonly": False,
    }
    redis_server.cli("CONFIG", "SET", "maxmemory", "0", "maxmemory-policy", "noeviction", "save", "")
    changes = assert_converges(salt, "config_present", "settings", settings=wanted)
    assert changed(changes) == {
        "maxmemory": ("0", str(64 * 1024 * 1024)),
        "maxmemory-policy": ("noeviction", "allkeys-lru"),
        "save": ("", "900 1 300 10"),
    }
    assert salt.state("config_present", "settings", settings={"maxmemory": 67108864})["changes"] == {}


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"maxmemori": "1mb"}, "no such setting"),
        ({"requirepass": "x"}, "user_present"),
        ({"databases": 3}, "restart the server"),
        ({"maxmemory-policy": "nonsense"}, "maxmemory-policy"),
    ],
)
def test_settings_that_cannot_be_set(salt, settings, word):
    done = salt.state("config_present", "settings", settings=settings)
    assert done["result"] is False and word in done["comment"]


def test_wrong_credentials_are_told_with_a_remedy(redis_server):
    profile = {**redis_server.profile, "password": "wrong-one"}
    for function, arguments in (
        ("user_present", {"password": "x"}),
        ("config_present", {"settings": {"save": ""}}),
    ):
        done = Salt("redis", profile).state(function, "x", **arguments)
        assert done["result"] is False
        assert "may not log in" in done["comment"] and "Remedy" in done["comment"]
        assert "wrong-one" not in done["comment"]


def test_a_stopped_server_is_told_with_a_remedy(stopped_port):
    profile = {"host": "127.0.0.1", "port": stopped_port, "password": PASSWORD}
    for test in (True, False):
        done = Salt("redis", profile).state("user_present", "x", test=test, password=PASSWORD)
        assert done["result"] is False
        assert "refused" in done["comment"] and "Remedy: start the server" in done["comment"]


def test_a_dry_run_predicts_what_this_run_would_start(redis_server, stopped_port, name):
    absent = Salt("redis", {"host": "127.0.0.1", "port": stopped_port}, services={"redis": {}})
    predicted = absent.state("user_present", name, test=True, password=PASSWORD, channels=["a"])
    assert predicted["result"] is None
    real = Salt("redis", redis_server.profile).state("user_present", name, password=PASSWORD, channels=["a"])
    assert real["changes"] == predicted["changes"]
    assert absent.state("user_absent", name, test=True)["result"] is True
    assert absent.state("user_present", name, test=True, password=PASSWORD, keys=["a b"])["result"] is False


def test_an_account_without_rights_is_told_so(salt, redis_server, name):
    salt.state("user_present", name, password=PASSWORD)
    weak = Salt("redis", {**redis_server.profile, "user": name, "password": PASSWORD})
    done = weak.state("user_present", f"{name}-other", password=PASSWORD)
    assert done["result"] is False and CLOSED in done["comment"].lower()
    assert hashlib.sha256(PASSWORD.encode()).hexdigest() not in done["comment"]


def test_no_clear_password_is_in_the_log_the_file_or_a_report(salt, redis_server, name):
    redis_server.cli("CONFIG", "SET", "slowlog-log-slower-than", "0")
    done = salt.state("user_present", name, password=PASSWORD)
    assert "Canary" not in str(done)
    for text in (
        redis_server.log.read_text(),
        redis_server.cli("SLOWLOG", "GET", "128"),
        redis_server.acl.read_text(),
    ):
        assert PASSWORD not in text
        assert ADMIN_PASSWORD not in text or text.startswith("user default off")
    redis_server.cli("CONFIG", "SET", "slowlog-log-slower-than", "10000")
