"""What the Nextcloud double does with its configuration: the code flow, the proxy's headers, Redis, the
database."""

import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import time

import pytest
import requests
from nextcloud_fixtures import (
    Postgresql,
    RedisServer,
    free_port,
    hand_over,
    open_folder,
    unprivileged,
    wait_for,
)
from nextcloud_provider import Provider
from nextcloud_replay import Replay

from salt_itstack.lab.doubles.nextcloud import install

OCS = {"OCS-APIRequest": "true", "Accept": "application/json"}
PERSON = {
    "sub": "s1",
    "preferred_username": "erin",
    "name": "Erin E",
    "email": "erin@x.test",
    "groups": ["users"],
}
REDIS = "\\OC\\Memcache\\Redis"


@pytest.fixture(scope="module")
def postgresql():
    with open_folder() as folder:
        server = Postgresql(folder)
        yield server
        server.stop()


@pytest.fixture(scope="module")
def redis_server():
    with open_folder() as folder:
        server = RedisServer(folder)
        yield server
        server.stop()


@pytest.fixture
def provider():
    running = Provider(free_port())
    running.start()
    yield running
    running.stop()


def make_database(postgresql):
    """A new database of its own role; the name of both."""
    name = f"nc{free_port()}"
    postgresql.run(f"CREATE ROLE {name} LOGIN PASSWORD 'database password'")
    postgresql.run(f"CREATE DATABASE {name} OWNER {name}")
    return name


def installer(postgresql, name, data):
    """The words of an installation without any password."""
    return [
        "maintenance:install",
        "--database=pgsql",
        f"--database-name={name}",
        f"--database-user={name}",
        f"--database-host=127.0.0.1:{postgresql.port}",
        "--admin-user=admin",
        f"--data-dir={data}",
    ]


@pytest.fixture
def cloud(tmp_path, postgresql, provider):
    """An installed double with a provider and the insecure test address allowed."""
    replay = Replay(tmp_path, free_port(), provider)
    name = make_database(postgresql)
    replay.name = name
    assert (
        replay.occ(*installer(postgresql, name, replay.data), stdin="database password\nadmin password\n")[0]
        == 0
    )
    for words in (
        ["app:enable", "user_oidc"],
        ["config:system:set", "allow_local_remote_servers", "--type=boolean", "--value=true"],
        ["config:app:set", "user_oidc", "allow_insecure_http", "--value=1"],
    ):
        assert replay.occ(*words)[0] == 0
    set_provider(replay, "--unique-uid=0", "--mapping-uid=preferred_username", "--group-provisioning=1")
    yield replay
    replay.close()


def set_provider(replay, *words, secret=None):
    url = f"{replay.provider.address}/realms/x/.well-known/openid-configuration"
    code, out, _ = replay.occ(
        "user_oidc:provider",
        "kc",
        "-c",
        "nc",
        "--clientsecret-env=SECRET",
        "-d",
        url,
        *words,
        environment={"SECRET": secret or replay.provider.secret},
    )
    assert code == 0, out


def log_in(replay, claims=PERSON, headers=None, **overrides):
    """(session, answer of the return) of one login."""
    session = requests.Session()
    session.headers.update(headers or {})
    base = f"http://{replay.host}/index.php/apps/user_oidc"
    started = session.get(f"{base}/login/1", allow_redirects=False, timeout=30)
    assert started.status_code == 303, started.text
    state, code = replay.provider.authorize(started.headers["Location"], claims, **overrides)
    answer = session.get(
        f"{base}/code", params={"state": state, "code": code}, allow_redirects=False, timeout=30
    )
    return session, answer


def who_am_i(replay, session):
    return session.get(f"http://{replay.host}/ocs/v2.php/cloud/user", headers=OCS, timeout=30)


def test_a_person_logs_in_and_is_known_by_the_session(cloud):
    session, answer = log_in(cloud)
    assert answer.status_code == 303
    told = who_am_i(cloud, session).json()["ocs"]["data"]
    assert (told["id"], told["displayname"], told["email"], told["groups"], told["backend"]) == (
        "erin",
        "Erin E",
        "erin@x.test",
        ["users"],
        "user_oidc",
    )
    assert who_am_i(cloud, requests.Session()).status_code == 401


def test_a_session_ends_with_the_logout_that_the_provider_sends(cloud):
    session, _ = log_in(cloud, {**PERSON, "sid": "session one"})
    token = cloud.provider.sign(
        {
            "iss": cloud.provider.issuer,
            "aud": "nc",
            "sub": "s1",
            "sid": "session one",
            "exp": int(time.time()) + 60,
        }
    )
    address = f"http://{cloud.host}/index.php/apps/user_oidc/backchannel-logout/kc"
    assert requests.post(address, data={"logout_token": token[:-4] + "AAAA"}, timeout=30).status_code == 400
    assert who_am_i(cloud, session).status_code == 200
    assert requests.post(address, data={"logout_token": token}, timeout=30).status_code == 200
    assert who_am_i(cloud, session).status_code == 401


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"aud": "someone else"}, "The audience does not match ours"),
        ({"azp": "someone else"}, "The authorized party does not match ours"),
        ({"iss": "http://elsewhere"}, "The issuer does not match"),
        ({"nonce": "another"}, "The nonce does not match"),
        ({"exp": int(time.time()) - 3600}, "The received token is expired"),
    ],
)
def test_a_token_that_is_not_for_this_login_is_refused(cloud, overrides, message):
    session, answer = log_in(cloud, **overrides)
    assert (answer.status_code, message in answer.text) == (403, True)
    assert who_am_i(cloud, session).status_code == 401
    assert cloud.occ("user:info", "erin")[0] == 1


def test_a_wrong_client_secret_keeps_everybody_out(cloud):
    set_provider(cloud, secret="not the secret")
    session, answer = log_in(cloud)
    assert (answer.status_code, "Invalid client credentials" in answer.text) == (403, True)
    assert who_am_i(cloud, session).status_code == 401


def test_a_foreign_signature_is_an_error_and_a_new_key_is_fetched(cloud):
    assert log_in(cloud)[1].status_code == 303
    old = cloud.provider.key
    cloud.provider.new_key()
    assert log_in(cloud)[1].status_code == 303
    # The published key stays, the signature comes from another one.
    published = cloud.provider.keys()
    cloud.provider.keys = lambda: published
    cloud.provider.key = old
    assert log_in(cloud)[1].status_code == 500


def test_a_state_of_another_session_is_refused(cloud):
    started = requests.get(
        f"http://{cloud.host}/index.php/apps/user_oidc/login/1", allow_redirects=False, timeout=30
    )
    state, code = cloud.provider.authorize(started.headers["Location"], PERSON)
    answer = requests.get(
        f"http://{cloud.host}/index.php/apps/user_oidc/code",
        params={"state": state, "code": code},
        timeout=30,
    )
    assert answer.status_code == 403


def test_local_servers_are_called_only_when_allowed(cloud):
    address = f"http://{cloud.host}/index.php/apps/user_oidc/login/1"
    assert cloud.occ("config:system:delete", "allow_local_remote_servers")[0] == 0
    assert requests.get(address, allow_redirects=False, timeout=30).status_code == 404


def test_plain_http_is_refused_until_the_proxy_says_https(cloud):
    address = f"http://{cloud.host}/index.php/apps/user_oidc/login/1"
    assert cloud.occ("config:app:delete", "user_oidc", "allow_insecure_http")[0] == 0
    assert requests.get(address, allow_redirects=False, timeout=30).status_code == 404
    forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "cloud.x.test"}
    assert requests.get(address, headers=forwarded, allow_redirects=False, timeout=30).status_code == 404
    for name, value in (("trusted_proxies", '["127.0.0.0/8"]'), ("trusted_domains", '["cloud.x.test"]')):
        assert cloud.occ("config:system:set", name, "--type=json", f"--value={value}")[0] == 0
    answer = requests.get(address, headers=forwarded, allow_redirects=False, timeout=30)
    assert answer.status_code == 303
    assert (
        "redirect_uri=https%3A%2F%2Fcloud.x.test%2Findex.php%2Fapps%2Fuser_oidc%2Fcode"
        in answer.headers["Location"]
    )


def test_a_single_backend_sends_the_login_page_to_the_provider(cloud):
    page = f"http://{cloud.host}/index.php/login"
    assert requests.get(page, allow_redirects=False, timeout=30).status_code == 200
    words = ("config:app:set", "user_oidc", "allow_multiple_user_backends", "--value=0", "--type=string")
    assert cloud.occ(*words)[0] == 0
    answer = requests.get(page, allow_redirects=False, timeout=30)
    assert (answer.status_code, answer.headers["Location"].endswith("/apps/user_oidc/login/1")) == (302, True)
    assert requests.get(f"{page}?direct=1", allow_redirects=False, timeout=30).status_code == 200


def test_requests_write_to_redis_under_the_users_name(cloud, redis_server):
    administrator = redis_server.client()
    administrator.execute_command("ACL", "SETUSER", "nextcloud", "on", ">cache password", "~*", "+@all")
    values = {
        "redis": {
            "host": "127.0.0.1",
            "port": redis_server.port,
            "user": "nextcloud",
            "password": "cache password",
            "dbindex": 3,
        },
        "memcache.distributed": REDIS,
        "memcache.locking": REDIS,
    }
    assert cloud.occ("config:import", stdin=json.dumps({"system": values}))[0] == 0
    address = f"http://{cloud.host}/remote.php/dav/files/admin/a.txt"
    assert requests.put(address, data="x", auth=("admin", "admin password"), timeout=30).status_code == 201
    kept = redis_server.client(db=3)
    assert kept.dbsize() > 0
    assert redis_server.client(db=0).dbsize() == 0
    assert not [name for name in kept.scan_iter() if b"/lock/" in name], "the lock is given back"
    administrator.execute_command("ACL", "SETUSER", "nextcloud", "resetpass", ">another password")
    administrator.execute_command("CLIENT", "KILL", "TYPE", "NORMAL", "SKIPME", "yes")
    answer = requests.get(
        f"http://{cloud.host}/ocs/v2.php/cloud/user",
        headers=OCS,
        auth=("admin", "admin password"),
        timeout=30,
    )
    assert answer.status_code == 500
    assert requests.get(f"http://{cloud.host}/status.php", timeout=30).status_code == 200


def test_with_locks_alone_in_a_dead_redis_reading_works_and_writing_fails(cloud):
    values = {"redis": {"host": "127.0.0.1", "port": free_port()}, "memcache.locking": REDIS}
    assert cloud.occ("config:import", stdin=json.dumps({"system": values}))[0] == 0
    address, login = f"http://{cloud.host}/remote.php/dav/files/admin/", ("admin", "admin password")
    assert requests.request("PROPFIND", address, auth=login, timeout=30).status_code == 207
    assert requests.put(f"{address}a.txt", data="x", auth=login, timeout=30).status_code == 500


def test_a_changed_database_password_stops_occ_until_the_file_is_mended(cloud, postgresql):
    postgresql.run(f"ALTER ROLE {cloud.name} PASSWORD 'new password'")
    assert cloud.occ("config:system:set", "dbpassword", "--value=new password")[0] == 1
    assert requests.get(f"http://{cloud.host}/status.php", timeout=30).status_code == 500
    path = pathlib.Path(cloud.root) / "config" / "mended.config.php"
    path.write_text("<?php\n$CONFIG = ['dbpassword' => 'new password'];\n", encoding="utf-8")
    assert cloud.occ("status", "-e")[0] == 0
    assert requests.get(f"http://{cloud.host}/status.php", timeout=30).json()["installed"] is True


def test_a_revoked_grant_stops_occ(cloud, postgresql):
    postgresql.run("ALTER TABLE oc_appconfig OWNER TO postgres", cloud.name)
    code, out, _ = cloud.occ("user:list")
    assert (code, "permission denied for table oc_appconfig" in out) == (1, True)


@pytest.fixture
def passable():
    with open_folder() as folder:
        yield folder


def test_passwords_are_read_from_a_pipe_by_the_executable_as_an_unprivileged_user(passable, postgresql):
    root, name = passable / "cloud", make_database(postgresql)
    program = install(str(root))
    for folder in (root, root / "config"):
        hand_over(folder)
    prefix, _ = unprivileged()
    words = [*prefix, program, *installer(postgresql, name, root / "data")]
    done = subprocess.run(
        words, input="database password\nadmin password\n", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr.index("What is the password to access the database") < done.stderr.index(
        "admin account <admin>"
    )
    assert "password\n" not in done.stdout
    if os.getuid() == 0:
        refused = subprocess.run([program, "status"], capture_output=True, text=True, check=False)
        assert (refused.returncode, "has to be executed with the user" in refused.stdout) == (1, True)


def test_without_interaction_or_input_a_missing_password_is_no_password(tmp_path, postgresql, provider):
    replay = Replay(tmp_path, free_port(), provider)
    words = installer(postgresql, make_database(postgresql), replay.data)
    assert replay.occ(*words, "-n", "--database-pass=database password")[1] == "Set an admin password.\n"
    code, _, error = replay.occ(*words, stdin="database password\n")
    assert (code, "Aborted." in error) == (1, True)
    replay.close()


def test_parallel_changes_of_the_configuration_all_succeed_as_processes(cloud):
    program = os.path.join(cloud.root, "occ")

    def change(number):
        words = [program, "config:system:set", f"key{number}", "--value=x"]
        return subprocess.run(words, capture_output=True, check=False).returncode

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert set(pool.map(change, range(4))) == {0}
    kept = [number for number in range(4) if cloud.config().get(f"key{number}") == "x"]
    assert kept, "the file survives parallel writers"


def test_https_is_served_with_the_given_certificate(cloud, tmp_path):
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost,IP:127.0.0.1",
            "-keyout",
            tmp_path / "key.pem",
            "-out",
            tmp_path / "certificate.pem",
        ],
        check=True,
        capture_output=True,
    )
    port, plain = free_port(), free_port()
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "salt_itstack.lab.doubles.nextcloud.server",
            "--root",
            cloud.root,
            "--address",
            "127.0.0.1",
            "--http-port",
            str(plain),
            "--https-port",
            str(port),
            "--certificate",
            str(tmp_path / "certificate.pem"),
            "--key",
            str(tmp_path / "key.pem"),
        ],
        cwd=pathlib.Path(__file__).parent.parent.parent,
    )
    try:

        def ready():
            try:
                return requests.get(f"http://127.0.0.1:{plain}/status.php", timeout=5).status_code == 200
            except requests.ConnectionError:
                return False

        wait_for(ready, "the web server")
        told = requests.get(
            f"https://127.0.0.1:{port}/status.php", verify=tmp_path / "certificate.pem", timeout=30
        )
        assert told.json()["installed"] is True
        with pytest.raises(requests.exceptions.SSLError):
            requests.get(f"https://127.0.0.1:{port}/status.php", timeout=30)
    finally:
        process.terminate()
        assert process.wait(10) == 0
