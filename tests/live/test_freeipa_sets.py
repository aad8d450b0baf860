"""FreeIPA's whole sets, what is taken over from a server, and what happens when it goes away in between."""

import http.server
import re
import ssl
import threading

import pytest
import yaml
from freeipa_fixtures import ADDRESS, ADMIN_PASSWORD, Client, running
from freeipa_minion import BIND_PASSWORD, PASSWORD, Minion, assert_converges, person

from salt_itstack.errors import Invalid
from salt_itstack.services.freeipa import api, writing
from salt_itstack.services.freeipa.api import FreeIPA
from salt_itstack.services.freeipa.resources import KINDS

pytest_plugins = ("freeipa_fixtures", "freeipa_minion")


def people(name, count, **more):
    return {f"{name}{number}": person(title=f"Clerk {number}", **more) for number in range(count)}


# --- sets ----------------------------------------------------------------------------------------------


def test_a_set_is_read_once_and_written_in_slices(minion, admin, sent, name):
    admin.call("user_add", f"{name}0", givenname="Jane", sn="Doe", title="Clerk 0")
    wanted = people(name, 103)
    changes = assert_converges(minion, "users_present", "everybody", users=wanted)
    assert set(changes) == {f"{name}{number}" for number in range(1, 103)}
    assert [size for method, size in sent if method == "batch"] == [100, 2]
    del sent[:]
    assert minion.state("users_present", "everybody", users=wanted)["changes"] == {}
    assert sent == [("user_find", 1)]
    admin.call("user_mod", f"{name}7", title="Boss")
    changes = assert_converges(minion, "users_present", "everybody", users=wanted)
    assert changes == {f"{name}7": {"title": {"old": "Boss", "new": "Clerk 7"}}}
    # A large group, in slices, and never with more than a hundred names at a time.
    del sent[:]
    groups = {f"{name}all": {"users": list(wanted)}, f"{name}none": {"groups": [f"{name}all"]}}
    assert_converges(minion, "groups_present", "groups", groups=groups)
    assert [size for method, size in sent if method == "batch"] == [2, 1, 2]
    assert len(admin.call("group_show", f"{name}all")["result"]["member_user"]) == 103
    gone = {key: value for key, value in wanted.items() if key in (f"{name}0", f"{name}1")}
    done = minion.state("users_present", "only these", users=gone, exclusive=True)
    assert (done["result"], done["changes"]) == (False, {}), done
    assert re.search(r"\d+ users aren't declared and would be removed \(\w+, .*`limit`", done["comment"])
    kept = [key for key in admin_names(admin, "user") if not key.startswith(name)]
    only = {**gone, **{key: {} for key in kept}}
    changes = assert_converges(minion, "users_present", "only", users=only, exclusive=True, limit=101)
    assert set(changes) == set(wanted) - set(gone)
    assert set(admin_names(admin, "user")) == set(only) and "admin" in only


def admin_names(admin, command):
    found = admin.call(f"{command}_find", sizelimit=0)["result"]
    return [entry["uid" if command == "user" else "cn"][0] for entry in found]


def test_no_others_never_means_what_freeipa_made(minion, admin, name):
    admin.call("hbacrule_add", f"{name}old")
    kept = {key: {} for key in admin_names(admin, "hbacrule") if key not in (f"{name}old", "allow_all")}
    kept.pop("allow_systemd-user")
    wanted = {**kept, f"{name}new": {"description": "A"}}
    changes = assert_converges(minion, "hbac_rules_present", "rules", hbac_rules=wanted, exclusive=True)
    assert changes[f"{name}old"] == {"old": "present", "new": "absent"}
    assert set(changes) == {f"{name}old", f"{name}new"}
    assert {"allow_all", "allow_systemd-user"} <= set(admin_names(admin, "hbacrule"))


@pytest.mark.parametrize(
    ("kind", "made_by_freeipa"),
    [
        ("permission", "System: Add Users"),
        ("privilege", "User Administrators"),
        ("group", "ipausers"),
        ("user", "admin"),
        ("password_policy", "global_policy"),
    ],
)
def test_an_empty_set_leaves_what_freeipa_made(minion, admin, kind, made_by_freeipa):
    plural, command = KINDS[kind].plural, KINDS[kind].command
    there = admin_names(admin, command)
    assert made_by_freeipa in there
    done = minion.state(f"{plural}_present", "none", test=True, exclusive=True, limit=1000, **{plural: {}})
    assert done["result"] in (None, True), done
    left = set(there) - set(done["changes"])
    assert made_by_freeipa in left and not any(name.startswith("System: ") for name in done["changes"])


def test_members_of_one_object_of_a_set_are_exclusive(minion, admin, name):
    minion.state("users_present", "two", users=people(name, 2))
    groups = {f"{name}g": {"users": [f"{name}0"]}, f"{name}h": {"users": [f"{name}0"]}}
    assert_converges(minion, "groups_present", "groups", groups=groups)
    for group in groups:
        admin.call("group_add_member", group, user=[f"{name}1"])
    groups[f"{name}g"]["exclusive"] = True
    changes = assert_converges(minion, "groups_present", "groups", groups=groups)
    assert set(changes) == {f"{name}g"}
    assert admin.call("group_show", f"{name}h")["result"]["member_user"] == [f"{name}0", f"{name}1"]


def test_all_that_is_wrong_in_a_set_comes_at_once_and_nothing_is_sent(minion, admin, sent, name):
    wrong = {
        f"{name}a": person(),
        f"{name}A": person(),
        "1234": person(),
        "x" * 33: person(),
        f"{name}b": {"first_name": "Jane"},
        f"{name}c": person(firstname="Jane"),
        f"{name}d": person(telephone_numbers=["4101"]),
        f"{name}e": person(telephone_numbers=["4101", "4102"], mail="nobody"),
        f"{name}f": ["first_name"],
        f"{name}g": person(title=["Boss"], enabled="yes", user_number="many"),
    }
    for test in (True, False):
        done = minion.state("users_present", "everybody", test=test, users=wrong)
        assert (done["result"], done["changes"]) == (False, {}), done
        for words in (
            f"the same person as {name}a",
            "1234: this is no name of a person",
            "it has 33 characters, and can have 32",
            f"{name}b:last_name",
            f"{name}c:firstname: a person has no such field. Remedy: did you mean first_name?",
            f"{name}e:telephone_numbers ('4101'): {name}d is declared with it too",
            f"{name}e:mail ('nobody')",
            f"{name}f (['first_name']): this isn't a mapping",
            f"{name}g:title",
            f"{name}g:enabled ('yes')",
            f"{name}g:user_number ('many')",
        ):
            assert words in done["comment"], done["comment"]
    assert not [method for method, _ in sent if method != "user_find"]
    shared = {key: person(telephone_numbers=["4101"]) for key in (f"{name}a", f"{name}b")}
    assert_converges(minion, "users_present", "two", users=shared, shared_numbers=True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"users": ["jdoe"]}, "this isn't a mapping"),
        ({"users": {}, "limit": "many"}, "write how many may be removed"),
        ({"users": {}, "exclusiv": True}, "did you mean exclusive"),
    ],
)
def test_a_set_that_is_none_is_refused(minion, arguments, words):
    done = minion.state("users_present", "everybody", **arguments)
    assert (done["result"], done["changes"]) == (False, {}) and words in done["comment"]


def test_what_the_server_refuses_is_told_by_name_and_the_others_go_on(minion, admin, name):
    hosts = {f"{name}{number}.it-stack.lab": {"force": True} for number in range(3)}
    hosts[f"{name}1.it-stack.lab"] = {}  # not in the DNS, and nobody says that this is right
    predicted = minion.state("hosts_present", "hosts", test=True, hosts=hosts)
    assert set(predicted["changes"]) == set(hosts)
    done = minion.state("hosts_present", "hosts", hosts=hosts)
    assert done["result"] is False
    assert set(done["changes"]) == set(hosts) - {f"{name}1.it-stack.lab"}
    assert "1 of 3 hosts aren't as declared" in done["comment"]
    assert f"{name}1.it-stack.lab: FreeIPA: host_add" in done["comment"]
    # Members, too: what was taken is told, and what wasn't.
    groups = {
        f"{name}g": {"users": ["admin", "ghost"], "description": "A"},
        f"{name}h": {"users": ["admin"]},
    }
    done = minion.state("groups_present", "groups", groups=groups)
    assert done["result"] is False and f"{name}g: FreeIPA: group_add_member" in done["comment"]
    assert "user ghost: no such entry" in done["comment"]
    assert done["changes"][f"{name}g"]["users"] == {"old": None, "new": ["admin"]}
    assert done["changes"][f"{name}g"]["description"] == {"old": None, "new": "A"}
    assert f"{name}h" in done["changes"]
    # And what a person was put into.
    done = minion.state("user_present", name, **person(groups=[f"{name}g", "no-such-group", f"{name}h"]))
    assert done["result"] is False and "no-such-group" in done["comment"]
    assert done["changes"]["groups"] == {"old": None, "new": [f"{name}g", f"{name}h"]}
    groups[f"{name}g"]["users"] = ["admin"]
    assert minion.state("groups_present", "groups", groups=groups)["changes"] == {}


def test_passwords_of_a_set(minion, freeipa, name):
    wanted = people(name, 2, password=PASSWORD, password_expires="2036-01-01T00:00:00Z")
    changes = assert_converges(minion, "users_present", "two", users=wanted)
    assert changes[f"{name}0"]["password"] == {"old": None, "new": "(hidden)"}
    assert freeipa.client(f"{name}1", PASSWORD).call("ping")
    wanted[f"{name}1"]["password"] = BIND_PASSWORD
    changes = assert_converges(minion, "users_present", "two", users=wanted)
    assert changes == {f"{name}1": {"password": {"old": "(hidden)", "new": "(hidden)"}}}
    assert freeipa.client(f"{name}1", BIND_PASSWORD).call("ping")


# --- taking over ---------------------------------------------------------------------------------------

#: A server that people have used: by kind what is on it.
GROWN = {
    "dns_zone": {"example.org.": {"default_ttl": 600, "skip_overlap_check": True}},
    "host": {"www1.it-stack.lab": {"location": "Room 1", "force": True}, "db1.it-stack.lab": {"force": True}},
    "hostgroup": {
        "web": {"description": "Web", "hosts": ["www1.it-stack.lab"]},
        "servers": {"hostgroups": ["web"], "hosts": ["db1.it-stack.lab"]},
    },
    "user": {
        "jdoe": person(title="Clerk", telephone_numbers=["4102", "4101"], password=PASSWORD),
        "asmith": person(first_name="Ann", display_name="Ann!", mail=[], gecos="", manager="jdoe"),
        "gone": person(enabled=False, login_shell="/bin/false", mail=["gone@example.org", "b@example.org"]),
    },
    "service": {
        "HTTP/www1.it-stack.lab": {"force": True, "authorization_data": ["MS-PAC"]},
        "imap/www1.it-stack.lab": {"force": True},
    },
    "group": {
        "staff": {"users": ["jdoe", "asmith"], "description": "All: of them"},
        "loose": {"posix": False, "groups": ["staff"]},
        "admins": {"users": ["asmith"]},
    },
    "system_account": {"odoo": {"password": BIND_PASSWORD, "description": "Reads"}},
    "password_policy": {"staff": {"priority": 10, "shortest": 12}},
    "sudo_command": {"/usr/bin/less": {"description": "Reads"}, "/usr/bin/vi": {}},
    "sudo_command_group": {"readers": {"description": "Read", "commands": ["/usr/bin/less"]}},
    "sudo_rule": {
        "less": {
            "groups": ["staff"], "host_category": "all", "allow_commands": ["/usr/bin/less"],
            "run_as_external_users": ["root"], "options": ["!authenticate"], "sudo_order": 7,
        },
        "off": {"enabled": False, "external_users": ["ghost"], "host_masks": ["192.0.2.0/24"]},
    },
    "hbac_service": {"cockpit": {"description": "Console"}},
    "hbac_service_group": {
        "web": {"description": "Consoles", "services": ["cockpit"]}, "ftp": {"services": ["cockpit"]},
    },
    "hbac_rule": {
        "allow_all": {"enabled": False},
        "staff": {
            "groups": ["staff"], "hostgroups": ["web"], "services": ["sshd"], "service_groups": ["web"],
        },
    },
    "permission": {
        "numbers": {"rights": ["write"], "type": "user", "attributes": ["mobile", "telephonenumber"]},
        "everywhere": {"rights": ["read"], "subtree": "dc=it-stack,dc=lab", "attributes": ["title"]},
    },
    "privilege": {"phone book": {"description": "Numbers", "permissions": ["numbers"]}},
    "role": {
        "clerk": {"privileges": ["User Administrators", "phone book"], "users": ["jdoe"], "description": "x"},
    },
}  # fmt: skip


def apply_text(minion, text, **secrets):
    """Run states as they are written, in their order, and return what each changed."""
    for reference, value in secrets.items():
        text = text.replace(f"secret://freeipa-{reference.replace('_', '-')}", value)
    changes = {}
    for identity, state in yaml.safe_load(text).items():
        ((name, arguments),) = state.items()
        given = {key: value for one in arguments for key, value in one.items()}
        predicted = minion.state(name.partition(".")[2], identity, test=True, **given)
        done = minion.state(name.partition(".")[2], identity, **given)
        assert done["result"] is True, (identity, done)
        assert predicted["changes"] == done["changes"], identity
        changes[identity] = done["changes"]
    return changes


def test_a_grown_server_is_described_and_made_again(tmp_path):
    secrets = {"user_jdoe": PASSWORD, "user_asmith": PASSWORD, "user_gone": PASSWORD}
    secrets["system_account_odoo"] = BIND_PASSWORD
    with running() as lab:
        minion = Minion(lab, tmp_path)
        # What a fresh server holds is nobody's declaration.
        assert minion.call("describe").strip() == "{}"
        for kind, objects in GROWN.items():
            done = minion.state(f"{KINDS[kind].plural}_present", kind, **{KINDS[kind].plural: objects})
            assert done["result"] is True, done
        names = {"www": {"a": ["192.0.2.1"], "ttl": 60}, "@": {"mx": ["10 www"], "txt": ["v=spf1 -all"]}}
        done = minion.state("dns_records_present", "names", zone="example.org", dns_records=names)
        assert done["result"] is True, done
        text = minion.call("describe", secrets=True)
        assert PASSWORD not in text and BIND_PASSWORD not in text and ADMIN_PASSWORD not in text
        described = yaml.safe_load(text)
        assert described["freeipa: users"]["itstack_freeipa.users_present"][0]["users"]["jdoe"] == {
            "first_name": "Jane", "last_name": "Doe", "title": "Clerk", "telephone_numbers": ["4101", "4102"],
            "password": "secret://freeipa-user-jdoe",
        }  # fmt: skip
        assert not any(apply_text(minion, text, **secrets).values())
        plain = minion.call("describe", ["user", "hbac_rule"])
        assert "secret://" not in plain and "allow_all" in plain
        assert not any(apply_text(minion, plain).values())
        assert minion.call("describe", "user", text=False).keys() == {"freeipa: users"}
        numbered = minion.call("describe", "group", numbers=True)
        assert "group_number" in numbered and not any(apply_text(minion, numbered).values())
    with running() as lab:
        minion = Minion(lab, tmp_path)
        apply_text(minion, text, **secrets)
        assert minion.call("describe", secrets=True) == text
        assert not any(apply_text(minion, text, **secrets).values())


def test_only_kinds_that_there_are_are_described(minion):
    with pytest.raises(Invalid, match="did you mean user"):
        minion.call("describe", "users")


# --- faults --------------------------------------------------------------------------------------------


def test_a_session_that_ends_in_mid_run(minion, name, monkeypatch):
    real, servers = FreeIPA._log_in, []

    def log_in(self):
        servers.append(self)
        return real(self)

    monkeypatch.setattr(FreeIPA, "_log_in", log_in)
    _, states = minion.run()
    assert states["itstack_freeipa.user_present"](name=f"{name}a", **person())["result"] is True
    servers[0].call("session_logout")
    done = states["itstack_freeipa.users_present"](name="set", users=people(name, 2))
    assert done["result"] is True and len(done["changes"]) == 2
    assert len(servers) == 2


def test_a_directory_that_goes_in_mid_run_and_comes_back(tmp_path, name, monkeypatch):
    with running() as lab:
        minion = Minion(lab, tmp_path)
        wanted, real = people(name, 15), FreeIPA.batch
        monkeypatch.setattr(writing, "SLICE", 10)
        slices = []

        def batch(self, calls):
            if slices:
                lab.stop_directory()
            slices.append(len(calls))
            return real(self, calls)

        monkeypatch.setattr(FreeIPA, "batch", batch)
        done = minion.state("users_present", "everybody", users=wanted)
        assert done["result"] is False and slices == [10, 5]
        # What was done is told exactly, and who wasn't.
        assert set(done["changes"]) == {f"{name}{number}" for number in range(10)}
        assert "5 of 15" in done["comment"] and "503" in done["comment"] and "Remedy" in done["comment"]
        lab.start_directory()
        monkeypatch.setattr(FreeIPA, "batch", real)
        done = minion.state("users_present", "everybody", users=wanted)
        assert done["result"] is True and len(done["changes"]) == 5


@pytest.fixture
def between(freeipa):
    """A proxy that answers by itself, as often as it is told, and passes everything else on."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        answers: list = []
        seen: list = []

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.seen.append(body)
            if self.answers and b'"method"' in body and self.wanted in body:
                status, after = self.answers.pop(0)
                self.send_response(status)
                if after is not None:
                    self.send_header("Retry-After", after)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            reply = Client(freeipa.rpc_port, freeipa.authority).request(
                "POST", self.path, body,
                {key: self.headers[key] for key in ("Referer", "Content-Type", "Accept", "Cookie")
                 if self.headers[key]},
            )  # fmt: skip
            text = reply.text.encode()
            self.send_response(reply.status)
            for key in ("Set-Cookie", "Content-Type"):
                if reply.headers[key]:
                    self.send_header(key, reply.headers[key])
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *ignored):
            pass

    Handler.answers, Handler.seen, Handler.wanted = [], [], b""
    server = http.server.ThreadingHTTPServer((ADDRESS, 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(freeipa.root / "server.pem", freeipa.root / "server.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server.server_port, Handler
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("answers", "wanted", "result", "times"),
    [
        ([(429, "0")], b"user_find", True, 2),
        ([(503, "0"), (503, "0")], b"user_find", True, 3),
        ([(503, "0")] * 4, b"user_find", False, 4),
        ([(503, None)], b"user_find", False, 1),
        # Nothing was done, so it may be done now.
        ([(429, "0")], b"batch", True, 2),
        # Nobody knows what was done: not a second time.
        ([(503, "0")], b"batch", False, 1),
    ],
)
def test_something_in_between_asks_to_come_again(minion, between, name, answers, wanted, result, times):
    port, handler = between
    handler.answers, handler.wanted = list(answers), wanted
    minion.profile["address"] = f"{ADDRESS}:{port}"
    done = minion.state("user_present", name, **person())
    assert done["result"] is result, done
    assert sum(wanted in body for body in handler.seen) == times
    if not result:
        assert done["changes"] == {} and "Remedy" in done["comment"]
        assert minion.state("user_present", name, **person())["result"] is True


def test_who_asks_for_hours_is_not_waited_for_that_long(minion, between, name, monkeypatch):
    port, handler = between
    handler.answers, handler.wanted = [(429, "7200")], b"user_find"
    minion.profile["address"] = f"{ADDRESS}:{port}"
    waited = []
    monkeypatch.setattr(api.time, "sleep", waited.append)
    assert minion.state("user_present", name, **person())["result"] is True
    assert waited == [api.LONGEST_WAIT]


# --- rights --------------------------------------------------------------------------------------------

#: The least that an account needs for each kind, as the page says.
RIGHTS = {
    "user": "User Administrators",
    "group": "Group Administrators",
    "host": "Host Administrators",
    "hostgroup": "Host Group Administrators",
    "service": "Service Administrators",
    "system_account": "System Accounts Administrators",
    "sudo_command": "Sudo Administrator",
    "sudo_command_group": "Sudo Administrator",
    "sudo_rule": "Sudo Administrator",
    "hbac_service": "HBAC Administrator",
    "hbac_service_group": "HBAC Administrator",
    "hbac_rule": "HBAC Administrator",
    "role": "Delegation Administrator",
    "privilege": "Delegation Administrator",
    "password_policy": "Password Policy Administrator",
    "dns_zone": "DNS Administrators",
}


@pytest.fixture(scope="module")
def helper(freeipa):
    """An ordinary person with a role, and how to change its privileges."""
    client = freeipa.client()
    client.call("user_add", "rightless", givenname="A", sn="B", userpassword="Old-password-1")
    client.call("user_mod", "rightless", krbpasswordexpiration="20360101000000Z")
    client.call("role_add", "rightless role")
    client.call("role_add_member", "rightless role", user=["rightless"])
    client.call("group_add", "helped")
    client.call("host_add", "helped.it-stack.lab", force=True)
    return client


@pytest.mark.parametrize("kind", RIGHTS)
def test_the_privilege_that_the_page_names_is_enough_and_needed(minion, helper, name, kind):
    minion.profile.update(user="rightless", password="Old-password-1")
    function, wanted = f"{kind}_present", {"description": "A"}
    key = {
        "host": f"{name}.it-stack.lab",
        "dns_zone": f"{name}.example.",
        "service": f"{name}/helped.it-stack.lab",
    }.get(kind, name)
    if kind == "user":
        wanted = person(password=PASSWORD, enabled=False)
    elif kind == "service":
        wanted = {"force": True}
    elif kind == "host":
        wanted["force"] = True
    elif kind == "dns_zone":
        wanted = {"default_ttl": 60, "enabled": False}
    elif kind == "password_policy":
        key, wanted = "helped", {"priority": 88, "shortest": 9}
    elif kind == "system_account":
        wanted.update(password=BIND_PASSWORD, password_check="fingerprint")
    denied = minion.state(function, key, **wanted)
    assert denied["result"] is False and denied["changes"] == {}, denied
    helper.call("role_add_privilege", "rightless role", privilege=[RIGHTS[kind]])
    try:
        assert_converges(minion, function, key, **wanted)
        assert_converges(minion, f"{kind}_absent", key)
    finally:
        helper.call("role_remove_privilege", "rightless role", privilege=[RIGHTS[kind]])
