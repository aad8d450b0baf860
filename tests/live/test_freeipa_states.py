"""FreeIPA's states against the double on a real directory, through Salt's own loader."""

import shutil
import socket
import threading

import dns.message
import dns.rrset
import pytest
from freeipa_fixtures import ADDRESS, ADMIN_PASSWORD, HOST, running
from freeipa_minion import BIND_PASSWORD, PASSWORD, UNTIL, Minion, assert_converges, person

from salt_itstack.errors import Denied, Missing, Unreachable, Unsupported
from salt_itstack.services.freeipa import directory, readiness
from salt_itstack.services.freeipa.api import FreeIPA

pytest_plugins = ("freeipa_fixtures", "freeipa_minion")

# --- people --------------------------------------------------------------------------------------------


def test_a_new_person_can_log_in_at_once(minion, freeipa, name):
    changes = assert_converges(
        minion, "user_present", name, **person(password=PASSWORD, password_expires=UNTIL, title="Clerk")
    )
    assert changes["password"] == {"old": None, "new": "(hidden)"}
    assert changes["password_expires"]["new"] == "20360101000000Z"
    assert freeipa.client(name, PASSWORD).call("ping")


def test_drift_of_a_person_made_by_hand_is_repaired_and_the_rest_stays(minion, admin, name):
    wanted = person(mail=[f"{name}@it-stack.lab"], telephone_numbers=["4101", "4102"], department="Sales")
    assert_converges(minion, "user_present", name, **wanted)
    admin.call(
        "user_mod", name, mail=["other@it-stack.lab"], telephonenumber=[], ou="IT", employeenumber="17"
    )
    changes = assert_converges(minion, "user_present", name, **wanted)
    assert changes["department"] == {"old": "IT", "new": "Sales"}
    assert set(changes) == {"mail", "telephone_numbers", "department"}
    found = admin.call("user_show", name, all=True)["result"]
    assert found["employeenumber"] == ["17"]
    assert sorted(found["telephonenumber"]) == ["4101", "4102"]


def test_an_empty_value_deletes(minion, admin, name):
    minion.state("user_present", name, **person(title="Boss", telephone_numbers=["1"]))
    changes = assert_converges(minion, "user_present", name, title="", telephone_numbers=[])
    assert set(changes) == {"title", "telephone_numbers"}
    found = admin.call("user_show", name, all=True)["result"]
    assert "title" not in found and "telephonenumber" not in found


def test_case_and_order_that_the_server_doesn_t_keep_are_no_drift(minion, name):
    minion.state("user_present", name, **person(mail=[f"{name}@it-stack.lab", f"b{name}@it-stack.lab"]))
    again = person(mail=[f"B{name}@IT-stack.lab", f"{name}@it-stack.lab"])
    assert minion.state("user_present", name.upper(), **again)["changes"] == {}


def test_a_person_s_own_password_is_left_alone_and_a_new_declaration_is_written(minion, freeipa, admin, name):
    wanted = person(password=PASSWORD, password_expires=UNTIL)
    minion.state("user_present", name, **wanted)
    admin.call("user_mod", name, userpassword="Chosen-by-the-person-1")
    admin.call("user_mod", name, krbpasswordexpiration="20360101000000Z")
    assert minion.state("user_present", name, **wanted)["changes"] == {}
    assert freeipa.client(name, "Chosen-by-the-person-1")
    changes = assert_converges(
        minion, "user_present", name, **person(password=BIND_PASSWORD, password_expires=UNTIL)
    )
    assert changes == {"password": {"old": "(hidden)", "new": "(hidden)"}}
    assert freeipa.client(name, BIND_PASSWORD)


def test_a_person_that_was_there_before_keeps_the_password(minion, freeipa, admin, name):
    admin.call("user_add", name, givenname="Jane", sn="Doe", userpassword="Chosen-by-the-person-1")
    admin.call("user_mod", name, krbpasswordexpiration="20360101000000Z")
    assert minion.state("user_present", name, **person(password=PASSWORD))["changes"] == {}
    assert freeipa.client(name, "Chosen-by-the-person-1")


def test_people_are_put_into_groups(minion, admin, name):
    admin.call("group_add", f"{name}g")
    admin.call("group_add", f"{name}h")
    minion.state("user_present", name, **person(groups=[f"{name}g"]))
    admin.call("group_remove_member", f"{name}g", user=[name])
    admin.call("group_add_member", f"{name}h", user=[name])
    assert_converges(minion, "user_present", name, groups=[f"{name}g"])
    found = admin.call("user_show", name)["result"]
    assert {f"{name}g", f"{name}h"} <= set(found["memberof_group"])
    done = minion.state("user_present", name, groups=["no-such-group"])
    assert done["result"] is False and "no-such-group" in done["comment"]


def test_people_are_removed(minion, admin, name):
    minion.state("user_present", name, **person())
    assert_converges(minion, "user_absent", name)
    assert admin.refused("user_show", name)["code"] == 4001
    protected = minion.state("user_absent", "admin")
    assert protected["result"] is False and "FreeIPA made this itself" in protected["comment"]


def test_what_can_t_be_made_is_said_before_anything_is_done(minion, admin, name):
    done = minion.state("user_present", name, mail=["not an address"], password_expires="soon")
    assert done["result"] is False
    assert f"{name}:mail" in done["comment"] and f"{name}:password_expires" in done["comment"]
    done = minion.state("user_present", name, first_name="Jane", __id__="x", require=[{"test": "y"}])
    assert done["result"] is False and "last_name" in done["comment"]
    done = minion.state("user_present", name, **person(firstname="Jane"))
    assert done["result"] is False and "did you mean first_name" in done["comment"]
    assert admin.refused("user_show", name)["code"] == 4001


# --- groups --------------------------------------------------------------------------------------------


def test_groups_with_members(minion, admin, name):
    for one in ("a", "b", "c"):
        minion.state("user_present", f"{name}{one}", **person())
    assert_converges(minion, "group_present", f"{name}inner", description="Inner", posix=False)
    wanted = {"users": [f"{name}A", f"{name}b"], "groups": [f"{name}inner"]}
    assert_converges(minion, "group_present", name, **wanted)
    admin.call("group_remove_member", name, user=[f"{name}a"])
    admin.call("group_add_member", name, user=[f"{name}c"])
    assert_converges(minion, "group_present", name, **wanted)
    # Added, never replaced.
    assert set(admin.call("group_show", name)["result"]["member_user"]) == {f"{name}{one}" for one in "abc"}
    changes = assert_converges(minion, "group_present", name, exclusive=True, **wanted)
    assert set(changes) == {"users"}
    assert set(admin.call("group_show", name)["result"]["member_user"]) == {f"{name}a", f"{name}b"}
    assert_converges(minion, "group_present", name, exclusive=True, users=[])
    assert "member_user" not in admin.call("group_show", name)["result"]
    assert_converges(minion, "group_absent", name)
    assert admin.refused("group_show", name)["code"] == 4001


def test_a_member_that_isn_t_taken_is_a_failure(minion, name):
    done = minion.state("group_present", name, users=["ghost"], groups=["no-such-group"])
    # The group was made; who would be in it wasn't there.
    assert done["result"] is False and done["changes"] == {"exists": {"old": False, "new": True}}
    assert "user ghost: no such entry" in done["comment"]
    assert "group no-such-group: no such entry" in done["comment"]
    assert "Remedy" in done["comment"]


def test_groups_don_t_go_in_circles(minion, admin, name):
    assert_converges(minion, "group_present", f"{name}a")
    assert_converges(minion, "group_present", f"{name}b", groups=[f"{name}a"])
    assert_converges(minion, "group_present", f"{name}c", groups=[f"{name}b"])
    for test in (True, False):
        done = minion.state("group_present", f"{name}a", test=test, groups=[f"{name}c"])
        assert done["result"] is False, done
        assert f"{name}a > {name}c > {name}b > {name}a" in done["comment"]
    assert "member_group" not in admin.call("group_show", f"{name}a")["result"]


def test_a_group_gets_a_number_but_never_loses_it(minion, name):
    assert_converges(minion, "group_present", name, posix=False)
    assert_converges(minion, "group_present", name, posix=True)
    done = minion.state("group_present", name, posix=False)
    assert done["result"] is False and "can't take that away" in done["comment"]


# --- system accounts -----------------------------------------------------------------------------------


def test_a_system_account_can_bind_and_its_drift_is_found_by_a_bind(minion, freeipa, admin, name):
    wanted = {"password": BIND_PASSWORD, "description": "Reads people"}
    changes = assert_converges(minion, "system_account_present", name, **wanted)
    assert changes["password"] == {"old": None, "new": "(hidden)"}
    dn = f"uid={name},cn=sysaccounts,cn=etc,dc=it-stack,dc=lab"
    assert directory.accepts(freeipa.ldap_url, dn, BIND_PASSWORD, start_tls=False)
    admin.call("sysaccount_mod", name, userpassword="changed-by-hand", description="x")
    assert not directory.accepts(freeipa.ldap_url, dn, BIND_PASSWORD, start_tls=False)
    assert set(assert_converges(minion, "system_account_present", name, **wanted)) == {
        "password",
        "description",
    }
    assert directory.accepts(freeipa.ldap_url, dn, BIND_PASSWORD, start_tls=False)
    assert_converges(minion, "system_account_absent", name)
    assert not directory.accepts(freeipa.ldap_url, dn, BIND_PASSWORD, start_tls=False)


def test_a_system_account_without_python_ldap(minion, name, monkeypatch):
    minion.state("system_account_present", name, password=BIND_PASSWORD)
    monkeypatch.setattr(directory, "ldap", None)
    done = minion.state("system_account_present", name, password=BIND_PASSWORD)
    assert done["result"] is False and "salt-itstack[ldap]" in done["comment"]
    by_memory = {"password_check": "fingerprint"}
    assert minion.state("system_account_present", name, password=BIND_PASSWORD, **by_memory)["changes"] == {}
    changes = assert_converges(minion, "system_account_present", name, password=PASSWORD, **by_memory)
    assert set(changes) == {"password"}
    shutil.rmtree(minion.cache / "itstack")
    assert_converges(minion, "system_account_present", name, password=PASSWORD, **by_memory)


def test_a_system_account_needs_a_password(minion, name):
    done = minion.state("system_account_present", name, description="x")
    assert done["result"] is False and f"{name}:password" in done["comment"]


@pytest.fixture
def older(monkeypatch):
    """A server from before 4.13: it doesn't know these commands."""
    real = FreeIPA.call

    def call(self, method, *arguments, **keywords):
        return real(self, method.replace("sysaccount", "nosuchthing"), *arguments, **keywords)

    monkeypatch.setattr(FreeIPA, "call", call)


def test_a_system_account_of_an_older_server_is_made_over_ldap(minion, freeipa, admin, older, name):
    wanted = {"password": BIND_PASSWORD, "description": "Reads people"}
    assert_converges(minion, "system_account_present", name, **wanted)
    dn = f"uid={name},cn=sysaccounts,cn=etc,dc=it-stack,dc=lab"
    assert directory.accepts(freeipa.ldap_url, dn, BIND_PASSWORD, start_tls=False)
    # What was made over LDAP is what the newer commands know.
    assert admin.call("sysaccount_show", name)["result"]["description"] == ["Reads people"]
    admin.call("sysaccount_mod", name, userpassword="changed-by-hand", description="x")
    assert set(assert_converges(minion, "system_account_present", name, **wanted)) == set(wanted)
    assert directory.accepts(freeipa.ldap_url, dn, BIND_PASSWORD, start_tls=False)
    done = minion.state("system_account_present", name, privileged=True, **wanted)
    assert done["result"] is False and "upgrade FreeIPA to 4.13" in done["comment"]
    assert_converges(minion, "system_account_absent", name)
    assert admin.refused("sysaccount_show", name)["code"] == 4001


@pytest.mark.parametrize(
    ("profile", "words"),
    [
        ({"ldap_user": "cn=Directory Manager", "ldap_password": "Canary-wrong"}, "ldap_password"),
        ({"ldap": f"ldap://{ADDRESS}:1"}, "no answer from the directory"),
    ],
)
def test_a_directory_that_doesn_t_let_us_in(minion, older, name, profile, words):
    minion.profile.update(profile)
    done = minion.state("system_account_present", name, password=BIND_PASSWORD)
    assert done["result"] is False and done["changes"] == {} and words in done["comment"]
    assert "Canary" not in str(done)


def test_an_older_server_without_python_ldap(minion, older, name, monkeypatch):
    monkeypatch.setattr(directory, "ldap", None)
    with pytest.raises(Unsupported, match="salt-itstack"):
        minion.call("entries", "system_account")


# --- one run, faults, readiness ------------------------------------------------------------------------


def test_a_run_logs_in_and_reads_once_whatever_it_holds(minion, freeipa, name):
    for number in range(4):
        minion.state("user_present", f"{name}{number}", **person())
    _, states = minion.run()
    log = next(path for path in freeipa.root.glob("*.log") if "POST" in path.read_text())
    before = log.read_text().count("POST")
    for number in range(4):
        done = states["itstack_freeipa.user_present"](name=f"{name}{number}", **person())
        assert (done["result"], done["changes"]) == (True, {})
    assert log.read_text().count("POST") - before == 2
    # What a run changes it sees, without reading all again.
    made = states["itstack_freeipa.user_present"](name=f"{name}9", **person())
    assert made["changes"]
    assert states["itstack_freeipa.user_present"](name=f"{name}9", **person())["changes"] == {}


def test_a_wrong_password_is_tried_once_in_a_run(minion, freeipa, name):
    minion.profile["password"] = "Canary-that-is-wrong"
    _, states = minion.run()
    log = next(path for path in freeipa.root.glob("*.log") if "POST" in path.read_text())
    before = log.read_text().count("login_password")
    for _ in range(8):
        done = states["itstack_freeipa.user_present"](name=name, **person())
        assert done["result"] is False and "invalid-password" in done["comment"]
        assert "Remedy" in done["comment"] and "Canary-that-is-wrong" not in done["comment"]
    assert log.read_text().count("login_password") - before == 1


def test_an_expired_account_is_told_apart(minion, admin, name):
    admin.call("user_add", name, givenname="A", sn="B", userpassword="Old-password-1")
    minion.profile.update(user=name, password="Old-password-1")
    done = minion.state("user_present", "somebody", **person())
    assert done["result"] is False and "password-expired" in done["comment"]
    assert "krbpasswordexpiration" in done["comment"]


def test_an_account_without_rights_is_denied(minion, admin, name):
    admin.call("user_add", name, givenname="A", sn="B", userpassword="Old-password-1")
    admin.call("user_mod", name, krbpasswordexpiration="20360101000000Z")
    minion.profile.update(user=name, password="Old-password-1")
    done = minion.state("user_present", f"{name}b", **person())
    assert done["result"] is False and "role" in done["comment"]


def test_another_name_than_the_server_s_own_is_explained(minion, freeipa, name):
    server = FreeIPA(
        HOST, "admin", ADMIN_PASSWORD, ca=str(freeipa.authority), address=f"{ADDRESS}:{freeipa.rpc_port}"
    )
    server._http._session.headers["Referer"] = "https://alias.it-stack.lab/ipa"
    with pytest.raises(Exception, match="the server's own FQDN"):
        server.call("ping")


def test_a_session_that_ended_is_renewed_once(freeipa):
    server = FreeIPA(
        HOST, "admin", ADMIN_PASSWORD, ca=str(freeipa.authority), address=f"{ADDRESS}:{freeipa.rpc_port}"
    )
    assert "IPA server version" in server.ping()
    server.call("session_logout")
    assert "IPA server version" in server.ping()
    server._http._session.cookies.clear()
    server._password = "wrong"
    for _ in range(2):
        with pytest.raises(Denied, match="invalid-password"):
            server.ping()


def test_batches_tell_each_outcome(freeipa, admin, name):
    server = FreeIPA(
        HOST, "admin", ADMIN_PASSWORD, ca=str(freeipa.authority), address=f"{ADDRESS}:{freeipa.rpc_port}"
    )
    many = [("user_show", [f"{name}-{number}"], {}) for number in range(100)]
    outcomes = server.batch(
        [*many, ("user_show", ["admin"], {}), ("user_mod", ["admin"], {"sn": "Administrator"})]
    )
    assert all(isinstance(outcome, Missing) for outcome in outcomes[:100])
    assert outcomes[100]["result"]["uid"] == ["admin"] and outcomes[101] == {}
    assert server.batch([]) == []


def test_nobody_there(minion, name):
    with socket.socket() as unused:
        unused.bind((ADDRESS, 0))
        minion.profile["address"] = f"{ADDRESS}:{unused.getsockname()[1]}"
        for function, arguments in (
            ("user_present", person(password=PASSWORD, password_expires=UNTIL)),
            ("group_present", {"users": ["a"], "groups": ["b"]}),
            ("system_account_present", {"password": BIND_PASSWORD}),
        ):
            done = minion.state(function, name, **arguments)
            assert done["result"] is False and "start the service" in done["comment"], done
            same_run = {"services": {"freeipa": {}}}
            predicted = minion.state(function, name, test=True, tree=same_run, **arguments)
            assert predicted["result"] is None and predicted["changes"], predicted
        whole = minion.state("users_present", "set", test=True, tree=same_run, users={name: person()})
        assert whole["result"] is None and set(whole["changes"]) == {name}
        assert minion.state("user_absent", name, test=True, tree=same_run)["result"] is True
        assert minion.state("user_absent", name)["result"] is False
        # Nobody learns from a prediction that it can't work.
        assert minion.state("user_present", name, test=True, tree=same_run)["result"] is False


@pytest.mark.parametrize("part", ["service", "directory"])
def test_a_server_that_stops_in_between(tmp_path, part, name):
    with running() as lab:
        minion = Minion(lab, tmp_path)
        assert minion.state("user_present", name, **person())["result"] is True
        process = lab.processes[-1 if part == "service" else 0]
        process.terminate()
        process.wait(30)
        done = minion.state("user_present", name, **person(title="Boss"))
        assert done["result"] is False and done["changes"] == {}
        assert "Remedy" in done["comment"]


@pytest.fixture
def resolver():
    """Answers for one name as a DNS server of the domain does."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((ADDRESS, 0))
        server.settimeout(0.1)
        done = threading.Event()

        def serve():
            while not done.is_set():
                try:
                    query, client = server.recvfrom(4096)
                except OSError:
                    continue
                answer = dns.message.make_response(dns.message.from_wire(query))
                asked = answer.question[0].name
                if str(asked) == "_ldap._tcp.it-stack.lab.":
                    answer.answer.append(dns.rrset.from_text(asked, 60, "IN", "SRV", f"0 100 389 {HOST}."))
                else:
                    answer.set_rcode(3)
                server.sendto(answer.to_wire(), client)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        done.set()
        thread.join()


def test_readiness_needs_directory_names_and_web(minion, freeipa, resolver):
    facts = {
        "address": ADDRESS,
        "fqdn": HOST,
        "domain": "it-stack.lab",
        "base_dn": "dc=it-stack,dc=lab",
        "ca_file": str(freeipa.authority),
        "ports": {"ldap": freeipa.ldap_port, "dns": resolver, "https": freeipa.rpc_port},
    }
    assert minion.call("readiness", facts) == "FreeIPA 4.13.1"
    for change, words in (
        ({"ports": {**facts["ports"], "ldap": 1}}, f"directory at {ADDRESS}:1"),
        ({"base_dn": "dc=other"}, "serves dc=it-stack,dc=lab, not dc=other"),
        ({"ports": {**facts["ports"], "dns": 1}}, f"DNS at {ADDRESS}:1 doesn't answer"),
        ({"domain": "other.lab"}, "has no _ldap._tcp.other.lab"),
        ({"ports": {**facts["ports"], "https": 1}}, "web part isn't ready"),
        ({"fqdn": "alias.it-stack.lab"}, "web part isn't ready"),
    ):
        with pytest.raises(Unreachable, match=words):
            readiness({**facts, **change})
