"""`./lab double NAME`: one double by itself, for people who develop against it."""

import contextlib
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from database_fixtures import until

LAB = [sys.executable, "-m", "salt_itstack.lab", "double"]
KEYS = {"url", "user", "password", "ca"}


def enters_freeipa(about):
    """Whether the credentials open a session, in which a command works."""
    http = requests.Session()
    # Or a bundle that the environment names is taken in place of ours.
    http.trust_env = False
    http.verify, http.headers["Referer"] = about["ca"], "https://localhost/ipa"
    form = {"user": about["user"], "password": about["password"]}
    url = f"{about['url']}/ipa/session"
    assert http.post(f"{url}/login_password", data=form, timeout=30).status_code == 200
    order = {"method": "user_show", "params": [["admin"], {"version": "2.254"}], "id": 0}
    answer = http.post(f"{url}/json", json=order, timeout=30).json()
    return answer["result"]["value"] == "admin"


def enters_mattermost(about):
    login = {"login_id": about["user"], "password": about["password"]}
    answer = requests.post(f"{about['url']}/api/v4/users/login", json=login, timeout=30)
    return "system_admin" in answer.json()["roles"]


def enters_nextcloud(about):
    answer = requests.get(
        f"{about['url']}/ocs/v2.php/cloud/user?format=json", auth=(about["user"], about["password"]),
        headers={"OCS-APIRequest": "true"}, timeout=30,
    )  # fmt: skip
    return answer.json()["ocs"]["data"]["id"] == "admin"


@contextlib.contextmanager
def started(*words):
    with subprocess.Popen(
        [*LAB, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def folders(name):
    return set(Path("/var/tmp").glob(f"itstack-{name}-*"))


def runs(folder):
    """Whether a program is there that has to do with a folder."""
    return subprocess.run(["pgrep", "-f", str(folder)], check=False, capture_output=True).returncode == 0


@pytest.mark.parametrize("name", ["freeipa", "mattermost", "nextcloud"])
def test_a_double_says_how_to_get_in_and_leaves_nothing_behind(name):
    before = folders(name)
    with started(name) as process:
        about = json.loads(process.stdout.readline())
        assert set(about) >= KEYS and bool(about["ca"]) == about["url"].startswith("https://")
        assert globals()[f"enters_{name}"](about)
        (folder,) = folders(name) - before
        process.send_signal(signal.SIGTERM)
        rest, told = process.communicate(timeout=60)
    assert process.returncode == 0 and rest == "", told
    assert about["password"] not in told and "not the real product" in told
    assert folders(name) == before
    assert not runs(folder)


def test_on_an_address_of_its_own_it_has_the_products_ports():
    with started("freeipa", "--address", "127.0.77.1") as process:
        about = json.loads(process.stdout.readline())
        assert (about["url"], about["ldap"]) == ("https://127.0.77.1:443", "ldap://127.0.77.1:389")
        assert requests.get(about["url"] + "/ipa/", verify=about["ca"], timeout=30).status_code < 500
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


@pytest.mark.parametrize(
    ("words", "told"),
    [(["zammad"], "zammad"), (["nextcloud", "--address", "here"], "'here' is no IPv4 address. Remedy: "),
     (["nextcloud", "--address", "192.0.2.1"], "192.0.2.1")],
)  # fmt: skip
def test_what_cant_be_started_is_told_with_the_remedy(words, told):
    before = folders(words[0])
    done = subprocess.run([*LAB, *words], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode != 0 and done.stdout == "" and told in done.stderr, done.stderr
    assert "Traceback" not in done.stderr and folders(words[0]) == before


def test_nothing_runs_on_when_it_is_killed():
    before = folders("freeipa")
    with started("freeipa") as process:
        json.loads(process.stdout.readline())
        (folder,) = folders("freeipa") - before
    process.wait()
    until(lambda: not runs(folder), "the directory ends")
    shutil.rmtree(folder)


def test_a_double_whose_directory_is_killed_ends_and_says_so():
    before = folders("freeipa")
    with started("freeipa") as process:
        json.loads(process.stdout.readline())
        (folder,) = folders("freeipa") - before
        assert subprocess.run(["pkill", "-KILL", "-f", f"ns-slapd.*{folder}"], check=False).returncode == 0
        _, told = process.communicate(timeout=60)
    assert process.returncode == 1 and "dirsrv ended with -9" in told, told
    assert folders("freeipa") == before
