"""Nextcloud's states against the double's occ on a real PostgreSQL, through Salt's own loader."""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from database_fixtures import free_port, until
from salt_loader import load

from salt_itstack.errors import Unreachable
from salt_itstack.lab.doubles import nextcloud
from salt_itstack.secrets import seal
from salt_itstack.services.nextcloud import readiness

pytest_plugins = ("database_fixtures",)

DATABASE_PASSWORD = "Canary-of-the-database-1"
ADMIN_PASSWORD = "Canary-of-the-admin-2"
CLIENT_SECRET = "Canary-of-the-client-3"
REDIS_PASSWORD = "Canary-of-redis-4"
CANARIES = (DATABASE_PASSWORD, ADMIN_PASSWORD, CLIENT_SECRET, REDIS_PASSWORD)

PROVIDER = {
    "client_id": "nextcloud",
    "client_secret": CLIENT_SECRET,
    "discovery_endpoint": "https://sso.it-stack.lab/realms/it-stack/.well-known/openid-configuration",
    "scope": "openid email profile groups",
    "post_logout_uri": "",
    "unique_uid": False,
    "mapping_uid": "preferred_username",
    "mapping_groups": "groups",
    "group_provisioning": True,
    "group_whitelist_regex": "^(admin|users|stack-.*)$",
}
SYSTEM = {
    "trusted_domains": ["cloud.it-stack.lab", "127.0.0.1"],
    "overwriteprotocol": "https",
    "memcache.locking": "\\OC\\Memcache\\Redis",
    "allow_local_remote_servers": True,
    "loglevel": 2,
    "redis": {"host": "lab-db1.it-stack.lab", "port": 6379, "password": REDIS_PASSWORD},
}


class Server:
    """A Nextcloud's folder, owned by the web server's user, with each call of occ written down."""

    def __init__(self, postgresql, name):
        self.postgresql = postgresql
        self.name = name
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="itstack-nextcloud-"))
        self.folder.chmod(0o755)
        self.cache = pathlib.Path(tempfile.mkdtemp(prefix="itstack-cache-"))
        self.root = self.folder / "nextcloud"
        self.config = self.root / "config" / "config.php"
        postgresql.sql(f"CREATE ROLE {name} LOGIN PASSWORD '{DATABASE_PASSWORD}'")
        postgresql.sql(f"CREATE DATABASE {name} OWNER {name}")
        self.real = nextcloud.install(str(self.root))
        self.calls = self.folder / "calls"
        self.calls.touch()
        recorder = self.folder / "php"
        # Stands where PHP is called: occ's own words follow the path of occ.
        words = f'printf "%s " "$@" >> {self.calls}; echo >> {self.calls}'
        recorder.write_text(f'#!/bin/sh\n{words}\nexec "$@"\n')
        recorder.chmod(0o755)
        subprocess.run(["chown", "-R", "www-data:www-data", self.folder], check=True)
        self.profile = {"occ_command": f"{recorder} {self.real}", "web_user": "www-data"}

    def states(self, test=False, pillar=None):
        opts = {"test": test, "cachedir": str(self.cache), "pki_dir": str(self.cache)}
        tree = {"profiles": {"nextcloud": self.profile}, **(pillar or {})}
        return load(opts, {"itstack": tree})

    def state(self, function, name="anything", test=False, pillar=None, **arguments):
        _, states = self.states(test, pillar)
        return states[f"itstack_nextcloud.{function}"](name=name, **arguments)

    def call(self, function, *arguments, **keywords):
        return self.states()[0][f"itstack_nextcloud.{function}"](*arguments, **keywords)

    def by_hand(self, *words):
        done = subprocess.run(
            ["setpriv", "--reuid=www-data", "--regid=www-data", "--clear-groups", self.real, *words],
            capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def recorded(self):
        lines = self.calls.read_text().splitlines()
        return [line.split(" ", 1)[1].strip() for line in lines]

    @property
    def installation(self):
        return {
            "database_name": self.name,
            "database_user": self.name,
            "database_password": DATABASE_PASSWORD,
            "database_host": "127.0.0.1",
            "database_port": self.postgresql.port,
            "admin_password": ADMIN_PASSWORD,
            "data_directory": str(self.folder / "data"),
        }

    def remove(self):
        shutil.rmtree(self.folder)
        shutil.rmtree(self.cache)
        self.postgresql.sql(f"DROP DATABASE {self.name} WITH (FORCE)")
        self.postgresql.sql(f"DROP ROLE {self.name}")


@pytest.fixture(scope="module")
def installed(postgresql_server):
    server = Server(postgresql_server, "nextcloud_states")
    try:
        assert server.state("installed", **server.installation)["result"] is True
        yield server
    finally:
        server.remove()


@pytest.fixture
def fresh(postgresql_server):
    server = Server(postgresql_server, "nextcloud_fresh")
    yield server
    server.remove()


@pytest.fixture
def with_oidc(installed):
    assert installed.state("app_enabled", "user_oidc")["result"] is True
    yield installed
    installed.state("oidc_provider_absent", "keycloak")


def assert_converges(server, function, name="anything", **arguments):
    predicted = server.state(function, name, test=True, **arguments)
    assert predicted["result"] is None, predicted
    first = server.state(function, name, **arguments)
    assert first["result"] is True, first
    assert first["changes"] and first["changes"] == predicted["changes"]
    second = server.state(function, name, **arguments)
    assert (second["result"], second["changes"]) == (True, {}), second
    assert not any(canary in str((predicted, first, second)) for canary in CANARIES)
    return first["changes"]


# --- installation --------------------------------------------------------------------------------------


def test_first_installation_keeps_its_passwords_out_of_the_arguments(fresh):
    assert fresh.call("status")["installed"] is False
    changes = assert_converges(fresh, "installed", **fresh.installation)
    assert changes["database_password"] == {"old": None, "new": "(hidden)"}
    assert fresh.call("status")["installed"] is True
    assert fresh.by_hand("config:system:get", "dbpassword") == DATABASE_PASSWORD
    assert any(call.startswith("maintenance:install") for call in fresh.recorded())
    assert not any(canary in call for call in fresh.recorded() for canary in CANARIES)


def test_installation_with_a_wrong_database_password_says_what_to_do_and_may_be_repeated(fresh):
    wrong = {**fresh.installation, "database_password": "Wrong-canary"}
    done = fresh.state("installed", **wrong)
    assert done["result"] is False and done["changes"] == {}
    assert "password authentication failed" in done["comment"] and "Remedy" in done["comment"]
    assert "Wrong-canary" not in done["comment"]
    assert fresh.state("installed", **fresh.installation)["result"] is True


def test_a_role_that_may_make_roles_is_refused_after_the_fact(fresh):
    fresh.postgresql.sql(f"ALTER ROLE {fresh.name} CREATEROLE")
    done = fresh.state("installed", **fresh.installation)
    assert done["result"] is False and "CREATEROLE" in done["comment"]
    fresh.postgresql.sql(f"REASSIGN OWNED BY oc_admin TO {fresh.name}; DROP OWNED BY oc_admin", fresh.name)
    fresh.postgresql.sql("DROP ROLE oc_admin")


def test_installation_refuses_what_the_installer_would_silently_change(fresh):
    done = fresh.state("installed", **{**fresh.installation, "admin_password": " blank before"})
    assert done["result"] is False and "admin_password" in done["comment"]
    assert "blank before" not in done["comment"]
    lacking = {key: value for key, value in fresh.installation.items() if key != "database_password"}
    assert "database_password" in fresh.state("installed", **lacking)["comment"]
    assert fresh.call("status")["installed"] is False


def test_dry_run_before_there_is_a_nextcloud(fresh):
    shutil.rmtree(fresh.root)
    same_run = {"services": {"nextcloud": {}}}
    for function, arguments in (
        ("installed", fresh.installation),
        ("system_config_present", {"values": {"redis": {"password": REDIS_PASSWORD}}}),
        ("app_enabled", {}),
        ("app_config_present", {"values": {"x": "1"}}),
        ("group_present", {}),
        ("oidc_provider_present", PROVIDER),
    ):
        predicted = fresh.state(function, "thing", test=True, pillar=same_run, **arguments)
        assert predicted["result"] is None and predicted["changes"], (function, predicted)
        assert not any(canary in str(predicted) for canary in CANARIES)
        # Not of this run: then it should be there.
        assert fresh.state(function, "thing", test=True, **arguments)["result"] is False
    for function in ("system_config_absent", "group_absent", "oidc_provider_absent"):
        assert fresh.state(function, "thing", test=True, pillar=same_run)["result"] is True


# --- system configuration ------------------------------------------------------------------------------


def test_system_configuration_in_one_go(installed):
    installed.calls.write_text("")
    changes = assert_converges(installed, "system_config_present", values=SYSTEM)
    assert changes["loglevel"] == {"old": None, "new": 2}
    assert changes["redis:password"] == {"old": None, "new": "(hidden)"}
    assert len([call for call in installed.recorded() if call == "config:import"]) == 1
    assert not any(canary in call for call in installed.recorded() for canary in CANARIES)
    assert installed.by_hand("config:system:get", "redis", "port", "--output=json") == "6379"


def test_hand_made_drift_of_system_configuration_is_repaired_and_neighbours_stay(installed):
    installed.state("system_config_present", values=SYSTEM)
    installed.by_hand("config:system:set", "redis", "dbindex", "--type=integer", "--value=3")
    installed.by_hand("config:system:set", "redis", "password", "--value=other")
    installed.by_hand("config:system:set", "trusted_domains", "5", "--value=evil.test")
    # The type counts: Nextcloud takes the text "false" for true.
    installed.by_hand("config:system:set", "allow_local_remote_servers", "--value=true")
    changes = assert_converges(installed, "system_config_present", values=SYSTEM)
    assert changes["redis:password"] == {"old": "(hidden)", "new": "(hidden)"}
    assert changes["allow_local_remote_servers"] == {"old": "true", "new": True}
    assert set(changes) == {"redis:password", "trusted_domains", "allow_local_remote_servers"}
    assert installed.by_hand("config:system:get", "redis", "dbindex") == "3"
    assert installed.by_hand("config:system:get", "redis", "password") == REDIS_PASSWORD


def test_what_has_to_be_among_a_list_is_added_and_the_rest_of_it_stays(installed):
    wanted = {"trusted_proxies": ["10.0.50.15"]}
    assert assert_converges(installed, "system_config_present", members=wanted) == {
        "trusted_proxies": {"old": None, "new": ["10.0.50.15"]}
    }
    installed.by_hand("config:system:set", "trusted_proxies", "--type=json", '--value=["192.0.2.7"]')
    assert assert_converges(installed, "system_config_present", members=wanted) == {
        "trusted_proxies": {"old": ["192.0.2.7"], "new": ["192.0.2.7", "10.0.50.15"]}
    }
    installed.state("system_config_present", values={"trusted_proxies": "no list"})
    refused = installed.state("system_config_present", members=wanted)
    assert refused["result"] is False and "members:trusted_proxies" in refused["comment"]
    assert installed.by_hand("config:system:get", "trusted_proxies") == "no list"


def test_keys_are_removed_at_any_depth(installed):
    installed.state("system_config_present", values=SYSTEM)
    assert_converges(installed, "system_config_absent", keys=["redis:password", "overwriteprotocol", "none"])
    assert "password" not in installed.by_hand("config:system:get", "redis", "--output=json")


def test_references_are_opened_on_the_minion_and_hidden_wherever_they_stand(installed):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    pem = installed.cache / "minion.pem"
    pem.write_bytes(private)
    pillar = {"sealed": {"redis-user": seal.seal("Canary-of-redis-4", public)}}
    values = {"redis": {"user": "secret://redis-user"}, "list": ["secret://redis-user"]}
    try:
        done = installed.state("system_config_present", pillar=pillar, values=values)
        assert done["changes"]["redis:user"] == {"old": None, "new": "(hidden)"}
        assert done["changes"]["list"] == {"old": None, "new": "(hidden)"}
        assert installed.by_hand("config:system:get", "redis", "user") == REDIS_PASSWORD
        assert installed.state("system_config_present", pillar=pillar, values=values)["changes"] == {}
        lacking = installed.state("system_config_present", values=values)
        assert lacking["result"] is False and "redis-user" in lacking["comment"]
    finally:
        pem.unlink()


def test_what_a_fragment_overrides_is_a_failure_and_not_an_eternal_change(installed):
    fragment = installed.root / "config" / "zz.config.php"
    fragment.write_text("<?php\n$CONFIG = array (\n  'default_language' => 'en',\n);\n")
    try:
        done = installed.state("system_config_present", values={"default_language": "de"})
        assert done["result"] is False and "*.config.php" in done["comment"]
    finally:
        fragment.unlink()


def test_a_changed_database_password_is_put_right_without_occ(fresh):
    fresh.state("installed", **fresh.installation)
    before = fresh.config.stat()
    new = "It's new \\ and quoted"
    fresh.postgresql.sql(f"ALTER ROLE {fresh.name} PASSWORD '{new.replace(chr(39), chr(39) * 2)}'")
    stale = fresh.state("system_config_present", values={"dbpassword": DATABASE_PASSWORD})
    assert stale["result"] is False and "Remedy" in stale["comment"]
    assert "config.php" in fresh.state("app_enabled", "user_oidc")["comment"]
    wrong = fresh.state("system_config_present", values={"dbpassword": "Wrong-canary"})
    assert wrong["result"] is False and "Wrong-canary" not in wrong["comment"]
    values = {"dbpassword": new, "loglevel": 1}
    # What else would change can't be read while occ is dead.
    mended = {"dbpassword": {"old": "(hidden)", "new": "(hidden)"}}
    assert fresh.state("system_config_present", test=True, values=values)["changes"] == mended
    done = fresh.state("system_config_present", values=values)
    assert done["changes"] == {**mended, "loglevel": {"old": None, "new": 1}}
    assert fresh.state("system_config_present", values=values)["changes"] == {}
    after = fresh.config.stat()
    assert (after.st_uid, after.st_gid, after.st_mode) == (before.st_uid, before.st_gid, before.st_mode)
    assert fresh.by_hand("config:system:get", "dbpassword") == new
    # A state that needs the installation must get this far too.
    fresh.config.write_text(fresh.config.read_text().replace("quoted", "changed by hand"))
    changes = assert_converges(fresh, "installed", **{**fresh.installation, "database_password": new})
    assert changes == {"database_password": {"old": "(hidden)", "new": "(hidden)"}}
    assert fresh.by_hand("config:system:get", "dbpassword") == new


# --- apps, groups, providers ---------------------------------------------------------------------------


def test_apps_are_enabled_and_disabled(installed):
    installed.by_hand("app:disable", "user_oidc")
    assert_converges(installed, "app_enabled", "user_oidc")
    installed.by_hand("app:disable", "user_oidc")
    assert installed.state("app_enabled", "user_oidc")["changes"]
    assert_converges(installed, "app_disabled", "user_oidc")
    unknown = installed.state("app_enabled", "no_such_app")
    assert unknown["result"] is False and "appstore" in unknown["comment"]
    protected = installed.state("app_disabled", "dav")
    assert protected["result"] is False and "can't be disabled" in protected["comment"]


def test_app_configuration(with_oidc):
    values = {"allow_multiple_user_backends": 0, "single": True, "token": "Canary-of-redis-4"}
    changes = assert_converges(with_oidc, "app_config_present", "user_oidc", values=values)
    assert changes["token"] == {"old": None, "new": "(hidden)"}
    with_oidc.by_hand("config:app:set", "user_oidc", "single", "--value=0")
    assert set(with_oidc.state("app_config_present", "user_oidc", values=values)["changes"]) == {"single"}
    nested = with_oidc.state("app_config_present", "user_oidc", values={"list": ["a"]})
    assert nested["result"] is False and "user_oidc:list" in nested["comment"]


def test_groups(installed):
    assert_converges(installed, "group_present", "Staff", display_name="All staff")
    assert "Staff" in installed.call("groups")
    installed.by_hand("group:delete", "Staff")
    assert installed.state("group_present", "Staff")["changes"]
    assert_converges(installed, "group_absent", "Staff")
    kept = installed.state("group_absent", "admin")
    assert kept["result"] is False and "could not be deleted" in kept["comment"]


def test_provider_is_made_as_declared(with_oidc):
    with_oidc.calls.write_text("")
    changes = assert_converges(with_oidc, "oidc_provider_present", "keycloak", **PROVIDER)
    assert changes["client_secret"] == {"old": None, "new": "(hidden)"}
    assert changes["unique_uid"] == {"old": None, "new": False}
    settings = with_oidc.call("oidc_providers")["keycloak"]["settings"]
    assert settings["uniqueUid"] is False and settings["groupProvisioning"] is True
    assert not any(canary in call for call in with_oidc.recorded() for canary in CANARIES)


def test_hand_made_drift_of_a_provider_is_repaired(with_oidc):
    with_oidc.state("oidc_provider_present", "keycloak", **PROVIDER)
    with_oidc.by_hand("user_oidc:provider", "keycloak", "--unique-uid=1", "-o", "openid", "-p", "https://x/")
    changes = assert_converges(with_oidc, "oidc_provider_present", "keycloak", **PROVIDER)
    assert set(changes) == {"unique_uid", "scope", "post_logout_uri"}


def test_a_provider_s_secret_is_written_when_it_may_be_another(with_oidc):
    def written(**other):
        with_oidc.calls.write_text("")
        changes = with_oidc.state("oidc_provider_present", "keycloak", **{**PROVIDER, **other})["changes"]
        return set(changes), "--clientsecret-env" in "\n".join(with_oidc.recorded())

    written()
    assert written() == (set(), False)
    assert written(client_secret="Canary-of-the-client-new") == ({"client_secret"}, True)
    # Made again by hand: what was remembered belongs to the row before.
    with_oidc.by_hand("user_oidc:provider:delete", "keycloak", "--force")
    with_oidc.by_hand(
        "user_oidc:provider", "keycloak", "-c", "nextcloud", "-s", "x", "-d", PROVIDER["discovery_endpoint"]
    )
    changed, sent = written(client_secret="Canary-of-the-client-new")
    assert "client_secret" in changed and sent
    # Without a memory it is written once.
    shutil.rmtree(with_oidc.cache / "itstack" / "fingerprints")
    assert written(client_secret="Canary-of-the-client-new") == ({"client_secret"}, True)
    assert written(client_secret="Canary-of-the-client-new") == (set(), False)


def test_what_is_remembered_of_a_secret_is_closed_and_isn_t_the_secret(with_oidc):
    with_oidc.state("oidc_provider_present", "keycloak", **PROVIDER)
    folder = with_oidc.cache / "itstack" / "fingerprints"
    assert folder.stat().st_mode & 0o077 == 0
    for path in folder.iterdir():
        assert path.stat().st_mode & 0o077 == 0
        assert CLIENT_SECRET.encode() not in path.read_bytes()


def test_provider_is_removed(with_oidc):
    with_oidc.state("oidc_provider_present", "keycloak", **PROVIDER)
    assert_converges(with_oidc, "oidc_provider_absent", "keycloak")
    assert "keycloak" not in with_oidc.call("oidc_providers")


def test_a_provider_without_its_app(installed):
    installed.by_hand("app:disable", "user_oidc")
    lacking = installed.state("oidc_provider_present", "keycloak", **PROVIDER)
    assert lacking["result"] is False and "enable the app" in lacking["comment"]
    # A state before this one might enable it.
    assert installed.state("oidc_provider_present", "keycloak", test=True, **PROVIDER)["result"] is None
    assert installed.state("oidc_provider_absent", "keycloak")["result"] is True


def test_one_run_reads_once_whatever_it_holds(with_oidc):
    for number in range(3):
        with_oidc.state("group_present", f"g{number}")
    with_oidc.calls.write_text("")
    _, states = with_oidc.states()
    for number in range(3):
        assert states["itstack_nextcloud.group_present"](name=f"g{number}")["changes"] == {}
    assert len(with_oidc.recorded()) == 1


def test_unknown_arguments_are_refused_with_the_nearest_name(installed):
    for function, arguments, near in (
        ("group_present", {"dispay_name": "x"}, "display_name"),
        ("system_config_present", {"value": {}}, "values"),
        ("oidc_provider_present", {"mapping_user": "x"}, "mapping_uid"),
        ("installed", {"database_pass": "x"}, "database_password"),
    ):
        done = installed.state(function, "thing", require=[{"test": "x"}], __id__="x", **arguments)
        assert done["result"] is False, (function, done)
        assert f"did you mean {near}" in done["comment"], (function, done)


# --- faults and readiness ------------------------------------------------------------------------------


def test_faults_are_false_with_a_remedy(installed, postgresql_server):
    for profile in (
        {**installed.profile, "occ_command": "/nowhere/php /nowhere/occ"},
        {**installed.profile, "web_user": "nobody-of-that-name"},
    ):
        done = installed.state("group_present", "x", profile=profile)
        assert done["result"] is False and "Remedy" in done["comment"], done
    postgresql_server.stop()
    try:
        done = installed.state("group_present", "x")
        assert done["result"] is False and done["changes"] == {}
        assert "Connection refused" in done["comment"] and "start the database" in done["comment"]
    finally:
        postgresql_server.start()


def test_readiness_needs_more_than_the_status_page(installed):
    port = free_port()
    url = f"http://127.0.0.3:{port}"  # not localhost, which is always trusted
    with pytest.raises(Unreachable, match="no answer"):
        readiness({"url": url})
    installed.state("system_config_present", values={"trusted_domains": ["127.0.0.3", "cloud.it-stack.lab"]})
    installed.state("system_config_absent", keys=["memcache.locking", "memcache.distributed", "redis"])
    server = subprocess.Popen(
        [
            "setpriv", "--reuid=www-data", "--regid=www-data", "--clear-groups", sys.executable,
            "-m", "salt_itstack.lab.doubles.nextcloud.server",
            "--root", installed.root, "--address", "127.0.0.3", "--http-port", str(port),
        ],
        cwd=pathlib.Path(nextcloud.__file__).parents[4],
        env={"PATH": os.environ["PATH"]},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip

    def answers():
        try:
            return readiness({"url": url}).startswith("Nextcloud ")
        except Unreachable as error:
            if "no answer" in str(error):
                return False
            raise

    try:
        until(answers, "the start of the web server")
        installed.by_hand("maintenance:mode", "--on")
        with pytest.raises(Unreachable, match="maintenance"):
            readiness({"url": url})
        installed.by_hand("maintenance:mode", "--off")
        # The status page says that all is well.
        installed.by_hand("config:system:set", "redis", "host", "--value=127.0.0.1")
        installed.by_hand("config:system:set", "redis", "port", "--type=integer", f"--value={free_port()}")
        installed.by_hand("config:system:set", "memcache.distributed", "--value=\\OC\\Memcache\\Redis")
        with pytest.raises(Unreachable):
            readiness({"url": url})
        with pytest.raises(Unreachable, match="trusted domains"):
            installed.state("system_config_present", values={"trusted_domains": ["cloud.it-stack.lab"]})
            readiness({"url": url})
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(20)
        installed.state("system_config_absent", keys=["memcache.distributed", "redis"])
