"""Webhooks and links of every kind, against the doubles of the applications: both ends in one run."""

import json
import re
import sys
import threading
from pathlib import Path
from urllib.parse import urlencode

import pytest
import requests
import yaml
from database_fixtures import free_port
from salt_loader import load
from test_mattermost_double import database
from test_mattermost_double_deeds import PASSWORD, Process, Site
from test_nextcloud_deeds import cloud, postgresql, provider  # noqa: F401

from salt_itstack.links.kinds import kinds
from salt_itstack.secrets import handing

sys.path.append(str(Path(__file__).parents[1] / "unit"))
from core_fixtures import Reply, Web, private_key, private_pem, public_pem

pytest_plugins = ("database_fixtures",)

#: What each kind is tried with: the end where it's made, the other end, and a field to edit.
CASES = {
    "mattermost-incoming": ({"team": "dev", "channel": "ops"}, {}, ("description", "from somewhere")),
    "mattermost-outgoing": (
        {"team": "dev", "channel": "ops"},
        {"url": "http://127.0.0.1:1/x"},
        ("description", "from somewhere"),
    ),
    "mattermost-bot": ({"team": "dev", "channels": ["ops"]}, {}, ("display_name", "A Bot")),
    "nextcloud-account": None,
}
WRONG = "canary-of-a-wrong-password"
MATTERMOST = [name for name, case in CASES.items() if case]


def test_every_kind_has_a_case():
    assert set(CASES) == set(kinds())


@pytest.fixture(scope="module")
def site(postgresql_server, tmp_path_factory):
    """A Mattermost with an administrator, a team and a channel."""
    folder = tmp_path_factory.mktemp("mattermost")
    double = Process(folder, free_port(), "")
    double.environment = {}
    double.configure(
        SqlSettings={"DataSource": database(postgresql_server, "links")},
        ServiceSettings={"SiteURL": "http://chat.test", "EnableBotAccountCreation": True},
        TeamSettings={"EnableOpenServer": True},
    )
    yield Site(double.start())
    double.stop()


class Tried:
    """One kind, tried under a name of its own."""

    def __init__(self, kind, name, site, folder, password=PASSWORD, port=None, user="root"):
        here, there, self.field = CASES[kind]
        self.kind, self.name, self.file = kind, name, folder / f"{name}.value"
        self.spec, self.folder, self.site = kinds()[kind], folder, site
        url = f"http://127.0.0.1:{port or site.double.port}"
        profile = {"url": url, "user": user, "password": password}
        ends = {self.spec["end"]: {**here, "profile": profile}}
        ends["source" if self.spec["end"] == "target" else "target"] = {**there, "file": str(self.file)}
        self.ends = ends

    def run(self, function="present", test=False, pillar=None, **fields):
        opts = {"test": test, "cachedir": str(self.folder / "cache"), "pki_dir": str(self.folder)}
        _, states = load(opts, pillar or {})
        state = states[f"itstack_{self.spec['state']}.{function}"]
        done = state(name=self.name, kind=self.kind, **self.ends, **fields)
        assert PASSWORD not in json.dumps(done) and WRONG not in json.dumps(done)
        if self.file.exists():
            assert self.file.read_text().strip() not in json.dumps(done), "the value is shown"
        return done

    def value(self):
        return self.file.read_text().strip()

    def rows(self):
        """The objects of this name, as the server itself lists them."""
        if self.kind == "mattermost-bot":
            found = self.site.get("/bots?include_deleted=true").value
            return [row for row in found if row["username"] == self.name]
        which = self.kind.split("-")[1]
        found = self.site.get(f"/hooks/{which}").value
        return [row for row in found if row["display_name"] == self.name]

    def works(self):
        """Whether the other end can use what it has."""
        if self.kind == "mattermost-bot":
            headers = {"Authorization": f"Bearer {self.value()}"}
            return self.site.double.call("GET", "/api/v4/users/me", headers=headers).status == 200
        if self.kind == "mattermost-outgoing":
            return self.rows()[0]["token"] == self.value()
        assert self.value().startswith("http://chat.test/hooks/")
        path = self.value().removeprefix("http://chat.test")
        return self.site.double.call("POST", path, {"text": "hello"}).status == 200


@pytest.fixture(params=MATTERMOST)
def tried(request, site, tmp_path):
    name = f"n{abs(hash(request.node.nodeid)) % 10**8}"
    return Tried(request.param, name, site, tmp_path)


def test_the_first_run_makes_it_as_predicted_and_the_second_changes_nothing(tried):
    predicted = tried.run(test=True)
    assert predicted["result"] is None and not tried.rows() and not tried.file.exists()
    first = tried.run()
    assert first["result"] is True and first["changes"] == predicted["changes"]
    assert tried.works() and tried.file.stat().st_mode & 0o777 == 0o600
    second = tried.run()
    assert (second["result"], second["changes"]) == (True, {})
    assert tried.run(test=True)["result"] is True


def test_an_edited_field_is_put_back(tried):
    key, value = tried.field
    tried.run(**{key: value})
    assert tried.rows()[0][key] == value
    tried.run(**{key: "by hand"})
    changed = tried.run(**{key: value})
    assert changed["changes"] == {key: {"old": "by hand", "new": value}}
    assert tried.rows()[0][key] == value and tried.works()


def test_what_was_removed_by_hand_is_made_anew_and_the_other_end_gets_it_in_the_same_run(tried):
    tried.run()
    before, row = tried.value(), tried.rows()[0]
    if tried.kind == "mattermost-bot":
        assert tried.site.double.call(
            "POST", f"/api/v4/bots/{row['user_id']}/disable", headers=tried.site.admin
        ).status == 200  # fmt: skip
    else:
        which = tried.kind.split("-")[1]
        path = f"/api/v4/hooks/{which}/{row['id']}"
        assert tried.site.double.call("DELETE", path, headers=tried.site.admin).status == 200
    predicted, done = tried.run(test=True), tried.run()
    assert done["result"] is True and done["changes"] == predicted["changes"] and done["changes"]
    assert tried.works() and (tried.value() != before or tried.kind == "mattermost-bot")
    assert tried.run()["changes"] == {}


@pytest.mark.parametrize("how", ["lost", "overwritten", "opened"])
def test_the_other_end_is_put_right(tried, how):
    tried.run()
    before = tried.value()
    if how == "lost":
        tried.file.unlink()
    elif how == "overwritten":
        tried.file.write_text("something else\n")
    else:
        tried.file.chmod(0o644)
    done = tried.run()
    assert done["result"] is True
    assert str(tried.file) in done["changes"], done
    assert tried.file.stat().st_mode & 0o777 == 0o600
    if how == "opened":
        assert list(done["changes"]) == [str(tried.file)] and tried.value() == before, "nothing else changes"
    assert tried.works() and tried.run()["changes"] == {}
    if tried.kind == "mattermost-bot":
        (row,) = tried.rows()
        assert len(tried.site.get(f"/users/{row['user_id']}/tokens").value) == 1, "the old one is revoked"


def test_it_is_removed_from_both_ends_once(tried):
    tried.run()
    assert tried.run("absent", test=True)["result"] is None and tried.file.exists()
    gone = tried.run("absent")
    assert gone["result"] is True and set(gone["changes"]) == {tried.name, str(tried.file)}
    assert not tried.file.exists() and all(row["delete_at"] for row in tried.rows())
    assert (tried.run("absent")["result"], tried.run("absent")["changes"]) == (True, {})


def test_wrong_credentials_and_an_unreachable_server_fail_cleanly(tried, site, tmp_path):
    # Not the administrator: Mattermost locks an account after ten wrong passwords.
    user = f"victim-{tried.name}"
    site.person(user)
    denied = Tried(tried.kind, tried.name, site, tmp_path, password=WRONG, user=user)
    nobody = Tried(tried.kind, tried.name, site, tmp_path, port=free_port())
    for broken in (denied, nobody):
        for function in ("present", "absent"):
            for test in (False, True):
                done = broken.run(function, test=test)
                assert (done["result"], done["changes"]) == (False, {}), done
                assert "Mattermost" in done["comment"] and "Remedy: " in done["comment"], done["comment"]
    assert not tried.file.exists() and not tried.rows()


def test_on_a_server_that_the_run_would_start_the_creation_is_predicted(tried, site, tmp_path):
    away = Tried(tried.kind, tried.name, site, tmp_path)
    profile = away.ends[away.spec["end"]].pop("profile")
    closed = {**profile, "url": f"http://127.0.0.1:{free_port()}"}
    tree = {"itstack": {"profiles": {"mattermost": closed}, "services": {"mattermost": {}}}}
    predicted = away.run(test=True, pillar=tree)
    assert predicted["result"] is None
    assert away.run("absent", test=True, pillar=tree)["result"] is True
    assert tried.run()["changes"] == predicted["changes"]


def test_a_token_that_was_revoked_by_hand_is_replaced(site, tmp_path):
    tried = Tried("mattermost-bot", "revoked", site, tmp_path)
    tried.run()
    before, (row,) = tried.value(), tried.rows()
    (token,) = site.get(f"/users/{row['user_id']}/tokens").value
    answer = site.double.call("POST", "/api/v4/users/tokens/revoke", {"token_id": token["id"]}, site.admin)
    assert answer.status == 200 and not tried.works()
    predicted, done = tried.run(test=True), tried.run()
    assert done["result"] is True and done["changes"] == predicted["changes"]
    assert set(done["changes"]) == {"token", str(tried.file)}
    assert tried.works() and tried.value() != before and tried.run()["changes"] == {}


def test_an_archived_channel_takes_its_hooks_along_and_the_next_run_makes_new_ones(site, tmp_path):
    made = site.make("/channels", team_id=site.team, name="gone", display_name="Gone", type="O")
    tried = Tried("mattermost-incoming", "archived", site, tmp_path)
    tried.ends["target"]["channel"] = "gone"
    tried.run()
    before = tried.value()
    assert site.double.call("DELETE", f"/api/v4/channels/{made['id']}", headers=site.admin).status == 200
    refused = tried.run()
    assert refused["result"] is False and "gone" in refused["comment"], refused
    site.double.call("POST", f"/api/v4/channels/{made['id']}/restore", headers=site.admin)
    assert tried.run()["result"] is True and tried.value() != before and tried.works()


def test_a_switch_of_the_server_is_told_with_what_to_do(site, tmp_path):
    tried = Tried("mattermost-incoming", "off", site, tmp_path)
    site.patch(ServiceSettings={"EnableIncomingWebhooks": False})
    try:
        done = tried.run()
        assert done["result"] is False and "Remedy: set EnableIncomingWebhooks" in done["comment"], done
    finally:
        site.patch(ServiceSettings={"EnableIncomingWebhooks": True})


def test_a_field_that_the_server_keeps_is_a_warning_and_no_endless_change(site, tmp_path):
    tried = Tried("mattermost-incoming", "named", site, tmp_path)
    tried.run()
    done = tried.run(username="somebody")
    assert (done["result"], done["changes"]) == (True, {})
    assert any("EnablePostUsernameOverride" in warning for warning in done["warnings"])


def test_of_two_with_the_same_name_the_oldest_is_looked_after(site, tmp_path):
    tried = Tried("mattermost-incoming", "twice", site, tmp_path)
    tried.run()
    before = tried.value()
    site.make("/hooks/incoming", channel_id=site.channel, display_name="twice")
    done = tried.run()
    assert (done["result"], done["changes"]) == (True, {}) and tried.value() == before
    assert any("there are 2 of the same name" in warning for warning in done["warnings"])
    assert len(tried.rows()) == 2


class Account:
    """An account in Nextcloud, a product whose secrets we choose and whose fields change one by one."""

    def __init__(self, cloud, folder, name="robot", groups=("wiki",)):  # noqa: F811
        self.profile = {"url": f"http://{cloud.host}", "user": "admin", "password": "admin password"}
        self.folder, self.name, self.groups = folder, name, list(groups)
        self.secret = "Canary-of-an-account-18"

    def run(self, function="present", test=False, **fields):
        opts = {"test": test, "cachedir": str(self.folder / "cache"), "pki_dir": str(self.folder)}
        _, states = load(opts, {"itstack": {"profiles": {"nextcloud": self.profile}}})
        if function == "present":
            fields["secret"] = self.secret
        done = states[f"itstack_link.{function}"](
            name=self.name, kind="nextcloud-account", source={}, target={"groups": self.groups}, **fields
        )
        assert "Canary-of-an" not in json.dumps(done) and WRONG not in json.dumps(done)
        return done

    def may_come_in(self):
        return requests.get(
            self.profile["url"] + "/ocs/v2.php/cloud/user?format=json", auth=(self.name, self.secret),
            headers={"OCS-APIRequest": "true"}, timeout=10,
        ).status_code == 200  # fmt: skip


@pytest.fixture
def account(cloud, tmp_path):  # noqa: F811
    cloud.occ("group:add", "wiki")
    return Account(cloud, tmp_path)


def test_an_account_of_another_product_by_the_same_form(account, cloud):  # noqa: F811
    run = account.run
    predicted, first = run(test=True, display_name="Robot"), run(display_name="Robot")
    assert (predicted["result"], first["result"]) == (None, True), first
    assert first["changes"] == predicted["changes"] and account.may_come_in()
    assert (run(display_name="Robot")["result"], run(display_name="Robot")["changes"]) == (True, {})
    assert run(display_name="R2")["changes"] == {"display_name": {"old": "Robot", "new": "R2"}}
    assert cloud.occ("group:removeuser", "wiki", "robot")[0] == 0
    assert list(run(display_name="R2")["changes"]) == ["member of"]
    account.secret = "Canary-of-another-19"
    assert list(run(display_name="R2")["changes"]) == ["secret"] and account.may_come_in()
    assert run(display_name="R2")["changes"] == {}
    assert run("absent", test=True)["result"] is None
    assert run("absent")["changes"] and run("absent")["changes"] == {}


def test_an_account_that_was_deleted_by_hand_is_made_anew(account, cloud):  # noqa: F811
    account.run()
    assert cloud.occ("user:delete", "robot")[0] == 0
    predicted, done = account.run(test=True), account.run()
    assert done["result"] is True and done["changes"] == predicted["changes"]
    assert account.may_come_in() and account.run()["changes"] == {}


def test_an_account_whose_password_was_changed_by_hand_gets_ours_back(account, cloud):  # noqa: F811
    account.run()
    by_hand = requests.put(
        account.profile["url"] + "/ocs/v2.php/cloud/users/robot?format=json", timeout=10,
        json={"key": "password", "value": "Somebody-elses-word-77"}, auth=("admin", "admin password"),
        headers={"OCS-APIRequest": "true"},
    )  # fmt: skip
    assert by_hand.status_code == 200 and not account.may_come_in()
    assert list(account.run()["changes"]) == ["secret"] and account.may_come_in()


def test_an_account_fails_cleanly(account, cloud):  # noqa: F811
    absent_group = Account(cloud, account.folder, "lonely", ["no-such-group"])
    told = absent_group.run()
    assert told["result"] is False, told
    assert "no-such-group" in told["comment"] and "Remedy: " in told["comment"]
    assert absent_group.run(test=True)["comment"] == told["comment"]
    assert cloud.occ("user:info", "lonely")[0] != 0, "nothing is half-made"
    denied, nobody = Account(cloud, account.folder, "other"), Account(cloud, account.folder, "other")
    denied.profile["password"] = WRONG
    nobody.profile["url"] = f"http://127.0.0.1:{free_port()}"
    for broken in (denied, nobody):
        for function in ("present", "absent"):
            for test in (False, True):
                done = broken.run(function, test=test)
                assert (done["result"], done["changes"]) == (False, {}), done
                assert "Remedy: " in done["comment"], done["comment"]


class Stored(Tried):
    """One whose value goes to the master, for the minion that needs it."""

    def __init__(self, kind, name, site, folder):
        super().__init__(kind, name, site, folder)
        self.other = "source" if self.spec["end"] == "target" else "target"
        self.ends[self.other] = {"store": "wiki-chat"}
        self.master, self.minion = private_key(), private_key()
        (folder / "minion.pem").write_bytes(private_pem(self.minion))
        (folder / "minion_master.pub").write_bytes(public_pem(self.master))
        self.opts = {"id": "wiki1", "cachedir": str(folder / "cache"), "pki_dir": str(folder)}

    def run(self, function="present", test=False, **fields):
        _, states = load({**self.opts, "test": test}, {})
        done = states[f"itstack_{self.spec['state']}.{function}"](
            name=self.name, kind=self.kind, **self.ends, **fields
        )
        told = json.dumps(done)
        assert PASSWORD not in told and (not self.parcels() or self.value() not in told)
        return done

    def parcels(self):
        return handing.parcels(self.opts, ["wiki-chat"])

    def value(self):
        """What the master opens."""
        key = public_pem(self.minion).decode()
        return handing.opened(
            self.parcels()["wiki-chat"], "wiki-chat", "wiki1", key, private_pem(self.master)
        )


@pytest.mark.parametrize("kind", MATTERMOST)
def test_what_goes_to_the_master_is_made_mended_and_taken_back(site, tmp_path, kind):
    tried = Stored(kind, f"stored-{kind.split('-')[1]}", site, tmp_path)
    if kind == "mattermost-outgoing":
        tried.ends[tried.other]["url"] = CASES[kind][1]["url"]
    predicted = tried.run(test=True)
    assert predicted["result"] is None and not tried.parcels() and not tried.rows()
    first = tried.run()
    assert first["result"] is True and first["changes"] == predicted["changes"]
    assert "store wiki-chat" in first["changes"] and tried.works()
    assert (tried.run()["result"], tried.run()["changes"]) == (True, {})

    before = tried.value()
    handing.forget(tried.opts, "wiki-chat")
    assert list(tried.run(test=True)["changes"])[-1] == "store wiki-chat" and not tried.parcels()
    mended = tried.run()
    assert mended["result"] is True and "store wiki-chat" in mended["changes"]
    assert tried.works() and tried.run()["changes"] == {}
    # A token is shown once, so that a lost one is replaced; an address is still the same.
    assert (tried.value() == before) == (kind != "mattermost-bot")

    gone = tried.run("absent")
    assert gone["result"] is True and "store wiki-chat" in gone["changes"]
    assert not tried.parcels() and tried.run("absent")["changes"] == {}


class Limited:
    """A proxy before the server that turns away the first requests of one kind."""

    def __init__(self, site, status, method, times):
        self.left, self.method, self.seen = times, method, []
        self.web = Web()

        def reply(seen):
            self.seen.append(seen.method)
            if self.left and seen.method == method and not seen.path.endswith("/login"):
                self.left -= 1
                return Reply(status, "come again", {"Retry-After": "1", "Content-Type": "text/plain"})
            headers = {key: seen.headers[key] for key in ("Authorization",) if key in seen.headers}
            query = f"?{urlencode(seen.query)}" if seen.query else ""
            body = json.loads(seen.body) if seen.body else None
            answer = site.double.call(seen.method, seen.path + query, body, headers)
            token = answer.header("Token")
            return Reply(answer.status, answer.value, {"Token": token} if token else {})

        self.web.replies = [reply]
        self.port = self.web.url.rsplit(":", 1)[1]


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_asks_for_a_pause_gets_it_and_then_the_work_is_done(site, tmp_path, status):
    proxy = Limited(site, status, "GET", 2)
    try:
        tried = Tried("mattermost-incoming", f"paused{status}", site, tmp_path, port=proxy.port)
        done = tried.run()
    finally:
        proxy.web.stop()
    assert done["result"] is True and not proxy.left, done
    assert len(tried.rows()) == 1 and tried.works()


@pytest.mark.parametrize("status", [429, 503])
def test_a_creation_that_is_turned_away_is_told_and_mended_by_the_next_run(site, tmp_path, status):
    proxy = Limited(site, status, "POST", 1)
    try:
        tried = Tried("mattermost-incoming", f"refused{status}", site, tmp_path, port=proxy.port)
        done = tried.run()
        # Whether it was made isn't known for sure after 503, so it isn't sent twice.
        assert (done["result"], done["changes"]) == (False, {}) and "try again later" in done["comment"]
        assert not tried.file.exists() and not tried.rows()
        assert tried.run()["result"] is True
    finally:
        proxy.web.stop()
    assert len(tried.rows()) == 1 and tried.works()


def test_two_runs_at_once_leave_one_that_works(site, tmp_path):
    tried = Tried("mattermost-incoming", "race", site, tmp_path)
    results = []
    runs = [threading.Thread(target=lambda: results.append(tried.run()["result"])) for _ in range(2)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert results == [True, True]
    # Mattermost knows no uniqueness: both may have made one. From then on one is looked after, and told of.
    assert tried.run()["result"] is True and tried.works()
    assert tried.run()["changes"] == {}


def test_an_overloaded_server_is_waited_for_and_then_told(site, tmp_path):
    web = Web()
    web.replies = [Reply(429, "limit exceeded", {"Retry-After": "1", "Content-Type": "text/plain"})]
    try:
        tried = Tried("mattermost-incoming", "limited", site, tmp_path, port=web.url.rsplit(":", 1)[1])
        done = tried.run()
    finally:
        web.stop()
    assert (done["result"], done["changes"]) == (False, {})
    assert "Remedy: " in done["comment"] and "try again later" in done["comment"], done["comment"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"kind": "mattermost-incomming"}, "did you mean mattermost-incoming"),
        ({"target": {"team": "dev"}}, "target:channel: is missing"),
        ({"target": {"team": "dev", "chanel": "ops"}}, "did you mean channel"),
        ({"target": {"team": "dev", "channel": 5}}, "target:channel"),
        ({"target": "dev"}, "target: isn't a mapping"),
        ({"source": {}}, "give file: PATH, or store:"),
        ({"source": {"file": "/x", "store": "y"}}, "give file: PATH, or store:"),
        ({"source": {"file": "/x", "mode": 600}}, "isn't a file mode"),
        ({"secret": "secret://x"}, "the server chooses it"),
        ({"descripton": "x"}, "did you mean description"),
        ({"locked": "yes"}, "isn't a boolean"),
    ],
    ids=str,
)
def test_what_is_wrong_is_refused_by_its_key_before_anything_is_sent(tmp_path, change, told):
    given = {
        "kind": "mattermost-incoming",
        "source": {"file": str(tmp_path / "x")},
        "target": {"profile": {"url": "http://127.0.0.1:1"}, "team": "dev", "channel": "ops"},
    }
    if isinstance(change.get("target"), dict):
        change["target"] = {"profile": given["target"]["profile"], **change["target"]}
    _, states = load({"cachedir": str(tmp_path), "pki_dir": str(tmp_path)})
    done = states["itstack_webhook.present"](name="bad", **{**given, **change})
    assert (done["result"], done["changes"]) == (False, {}) and told in done["comment"], done["comment"]


def test_the_examples_of_the_page_do_what_they_say(site, cloud, tmp_path):  # noqa: F811
    text = (Path(__file__).parents[2] / "docs" / "links.md").read_text(encoding="utf-8")
    place = tmp_path / "etc/wiki"
    place.mkdir(parents=True)
    for key, name in ((private_key(), "minion.pem"), (private_key(), "minion_master.pub")):
        (tmp_path / name).write_bytes(public_pem(key) if name.endswith("pub") else private_pem(key))
    cloud.occ("group:add", "wiki")
    team = site.make("/teams", name="it-stack", display_name="IT", type="O")["id"]
    site.make("/channels", team_id=team, name="wiki", display_name="Wiki", type="O")
    pillar = {
        "itstack": {
            "profiles": {
                "mattermost": {
                    "url": f"http://127.0.0.1:{site.double.port}", "user": "root", "password": PASSWORD,
                },
                "nextcloud": {"url": f"http://{cloud.host}", "user": "admin", "password": "admin password"},
            }
        }
    }  # fmt: skip
    opts = {"id": "wiki1", "cachedir": str(tmp_path / "cache"), "pki_dir": str(tmp_path)}
    seen = set()
    for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL):
        block = block.replace("/etc/", f"{tmp_path}/etc/").replace("secret://wiki-files", "Canary-of-wiki-8")
        for state in yaml.safe_load(block).values():
            ((function, arguments),) = state.items()
            given = {key: value for row in arguments for key, value in row.items()}
            _, dry = load({**opts, "test": True}, pillar)
            predicted = dry[function](**given)
            _, states = load(opts, pillar)
            first, second = states[function](**given), states[function](**given)
            assert predicted["result"] is None and first["result"] is True, (predicted, first)
            assert first["changes"] == predicted["changes"]
            assert (second["result"], second["changes"]) == (True, {}), second
            seen.add(given["kind"])
    assert seen == set(kinds()), "a kind without an example"
