"""Clients of FreeIPA that others have written do their work on the double of it."""

import json
import os
import pathlib
import subprocess

import pytest
from freeipa_fixtures import need_directory

from salt_itstack.lab import alone, environments
from salt_itstack.lab.doubles.freeipa.commands import Realm
from salt_itstack.lab.doubles.freeipa.rpc import Interface
from salt_itstack.lab.errors import LabError
from salt_itstack.lab.settings import DEFAULT_CACHE

#: The vendor's client speaks to port 443, whatever it is told.
ADDRESS = "127.0.78.1"


class Peer:
    """A client in a process of its own, which does one call after the other."""

    def __init__(self, python, script, *words, folder):
        self.log = folder / f"{script}.log"
        program = pathlib.Path(__file__).with_name(f"{script}.py")
        # Of this process's own environment a bundle of authorities would be taken in place of the double's.
        clean = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8"}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [python, program, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                text=True, cwd=folder, env=clean,
            )  # fmt: skip

    def ask(self, name, *arguments, **options):
        """What came of a call: ``result``, or ``raised``, ``code`` and ``told``."""
        self.process.stdin.write(json.dumps([name, arguments, options]) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, self.log.read_text(encoding="utf-8")[-3000:]
        return json.loads(line)

    def do(self, name, *arguments, **options):
        """The result of a call that must succeed."""
        answer = self.ask(name, *arguments, **options)
        assert "result" in answer, (name, answer)
        return answer["result"]

    def fail(self, name, *arguments, **options):
        """Class and number of the error that a call must end with."""
        answer = self.ask(name, *arguments, **options)
        assert "raised" in answer, (name, answer)
        return answer["raised"], answer["code"]

    def end(self):
        self.process.communicate(timeout=30)


@pytest.fixture(scope="module")
def clients():
    """The Python that has the clients."""
    try:
        folder = environments.FREEIPA_CLIENTS.provide(DEFAULT_CACHE, print)
    except LabError as problem:
        pytest.fail(str(problem))
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def double():
    need_directory()
    with alone.running("freeipa", ADDRESS) as (_, about):
        yield about


@pytest.fixture(scope="module")
def start(clients, double, tmp_path_factory):
    """Starts a client."""
    peers = []

    def started(script, *words):
        peers.append(Peer(clients, script, *words, folder=tmp_path_factory.mktemp("peer")))
        return peers[-1]

    yield started
    for peer in peers:
        peer.end()


@pytest.fixture(scope="module")
def meta(start, double):
    peer = start("freeipa_python_client", "ClientMeta", ADDRESS, double["ca"])
    peer.do("login", double["user"], double["password"])
    return peer


@pytest.fixture(scope="module")
def vendor(start, double, tmp_path_factory):
    cache = tmp_path_factory.mktemp("vendor")
    peer = start("freeipa_vendor_client", str(cache), ADDRESS, double["ca"], alone.DOMAIN)
    peer.do("connect", double["user"], double["password"])
    return peer


@pytest.fixture(scope="module")
def legacy(start, double):
    peer = start("freeipa_python_client", "ClientLegacy", ADDRESS, double["ca"])
    peer.do("login", double["user"], double["password"])
    return peer


# --- python-freeipa


def test_a_person_from_beginning_to_end(meta):
    added = meta.do("user_add", "metajane", "Jane", "Doe", "Jane Doe", o_mail=["jane@it-stack.lab"])
    assert added["summary"] == 'Added user "metajane"'
    assert (added["value"], added["result"]["mail"]) == ("metajane", ["jane@it-stack.lab"])
    shown = meta.do("user_show", "metajane")["result"]
    assert (shown["cn"], shown["memberof_group"]) == (["Jane Doe"], ["ipausers"])
    assert shown["uidnumber"] == added["result"]["uidnumber"]
    changed = meta.do("user_mod", "metajane", o_title="Head Clerk", o_telephonenumber=["4101", "4102"])
    assert sorted(changed["result"]["telephonenumber"]) == ["4101", "4102"]
    found = meta.do("user_find", o_title="Head Clerk")
    assert (found["count"], found["truncated"]) == (1, False)
    assert [one["uid"] for one in found["result"]] == [["metajane"]]
    assert meta.do("user_find", "metaj")["count"] == 1
    assert meta.do("user_disable", "metajane")["result"] is True
    assert meta.do("user_show", "metajane")["result"]["nsaccountlock"] is True
    assert meta.fail("user_disable", "metajane") == ("AlreadyInactive", 4010)
    assert meta.do("user_del", "metajane")["value"] == ["metajane"]
    assert meta.fail("user_show", "metajane") == ("NotFound", 4001)


def test_what_is_refused_is_told_by_its_class(meta):
    meta.do("user_add", "metatwice", "T", "W", "T W")
    assert meta.fail("user_add", "metatwice", "T", "W", "T W") == ("DuplicateEntry", 4002)
    assert meta.fail("user_mod", "metatwice", o_sn="W") == ("BadRequest", 4202)
    assert meta.fail("user_mod", "metatwice", o_mail=["@"]) == ("ValidationError", 3009)
    assert meta.fail("user_add", "meta twice", "T", "W", "T W") == ("ValidationError", 3009)
    assert meta.fail("user_mod", "metanobody", o_title="X") == ("NotFound", 4001)
    # What the double doesn't offer it doesn't pretend to do.
    assert meta.fail("group_add", "metaexternal", o_external=True) == ("UnknownOption", 3005)
    assert meta.fail("trust_find") == ("BadRequest", 905)


def test_members_of_groups(meta):
    meta.do("user_add", "metamember", "M", "B", "M B")
    assert meta.do("group_add", "metacrew", o_description="Crew")["result"]["objectclass"]
    changed = meta.do("group_add_member", "metacrew", o_user=["metamember", "metanobody"])
    assert changed["completed"] == 1
    assert changed["failed"]["member"]["user"] == [["metanobody", "no such entry"]]
    assert changed["result"]["member_user"] == ["metamember"]
    assert "metacrew" in meta.do("user_show", "metamember")["result"]["memberof_group"]
    gone = meta.do("group_remove_member", "metacrew", o_user=["metamember"])
    assert gone["completed"] == 1 and "member_user" not in gone["result"]
    assert meta.do("group_mod", "metacrew", o_rename="metateam")["value"] == "metacrew"
    assert meta.do("group_find", "metateam")["count"] == 1
    assert meta.do("group_del", "metateam")["value"] == ["metateam"]


def test_hosts_rules_and_names(meta):
    host = "meta.it-stack.lab"
    assert meta.fail("host_add", "meta") == ("ValidationError", 3009)
    assert meta.do("host_add", host, o_force=True)["result"]["fqdn"] == [host]
    assert meta.do("host_mod", host, o_description="Kept")["result"]["description"] == ["Kept"]
    meta.do("hbacrule_add", "metarule", o_hostcategory="all")
    meta.do("user_add", "metaruled", "R", "D", "R D")
    assert meta.do("hbacrule_add_user", "metarule", o_user=["metaruled"])["completed"] == 1
    assert meta.do("hbacrule_show", "metarule")["result"]["memberuser_user"] == ["metaruled"]
    meta.do("sudorule_add", "metasudo")
    option = meta.do("sudorule_add_option", "metasudo", "!authenticate")["result"]
    assert option["ipasudoopt"] == ["!authenticate"]
    meta.do("dnszone_add", "meta.test", o_skip_overlap_check=True)
    meta.do("dnsrecord_add", "meta.test", "www", o_arecord=["192.0.2.1"])
    assert meta.do("dnsrecord_show", "meta.test", "www")["result"]["arecord"] == ["192.0.2.1"]
    assert meta.do("host_del", host)["value"] == [host]


def test_sessions_of_python_freeipa(start, double, meta):
    peer = start("freeipa_python_client", "ClientMeta", ADDRESS, double["ca"])
    assert peer.fail("login", double["user"], "Wrong-pass1")[0] == "InvalidSessionPassword"
    peer.do("login", double["user"], double["password"])
    assert peer.do("ping")["summary"] == "IPA server version 4.13.1. API version 2.257"
    peer.do("logout")
    assert peer.fail("ping") == ("Unauthorized", None)


def test_an_administrators_password_is_changed_by_its_person_first(start, double, meta):
    meta.do("user_add", "metanew", "N", "W", "N W", o_userpassword="First-pass-1")
    peer = start("freeipa_python_client", "ClientMeta", ADDRESS, double["ca"])
    assert peer.fail("login", "metanew", "First-pass-1")[0] == "PasswordExpired"
    assert (
        peer.fail("change_password", "metanew", "Own-pass-22", "Wrong-pass1")[0] == "PWChangeInvalidPassword"
    )
    assert peer.fail("change_password", "metanew", "short", "First-pass-1")[0] == "PWChangePolicyError"
    peer.do("change_password", "metanew", "Own-pass-22", "First-pass-1")
    peer.do("login", "metanew", "Own-pass-22")
    assert peer.do("whoami")["arguments"] == ["metanew"]
    assert peer.fail("user_add", "metaother", "O", "T", "O T") == ("Denied", 2100)


def test_the_older_interface_of_python_freeipa(legacy):
    added = legacy.do("user_add", "legacyjoe", "Joe", "Bloggs", "Joe Bloggs", mail="joe@it-stack.lab")
    assert (added["uid"], added["mail"]) == (["legacyjoe"], ["joe@it-stack.lab"])
    assert legacy.do("user_show", "legacyjoe")["sn"] == ["Bloggs"]
    assert legacy.do("user_mod", "legacyjoe", job_title="Clerk")["title"] == ["Clerk"]
    assert legacy.do("user_find", uid="legacyjoe")["count"] == 1
    assert legacy.fail("user_add", "legacyjoe", "Joe", "B", "Joe B") == ("DuplicateEntry", 4002)
    legacy.do("group_add", "legacycrew", description="Crew")
    legacy.do("group_add_member", "legacycrew", users="legacyjoe")
    assert legacy.fail("group_add_member", "legacycrew", users="legacyjoe")[0] == "ValidationError"
    assert legacy.do("group_show", "legacycrew")["member_user"] == ["legacyjoe"]
    legacy.do("user_del", "legacyjoe")
    assert legacy.fail("user_show", "legacyjoe") == ("NotFound", 4001)


# --- ipalib and ipaclient


def test_the_vendors_client_sees_the_server(vendor):
    assert vendor.do("ping")["summary"] == "IPA server version 4.13.1. API version 2.257"
    assert vendor.do("env", "realm", server=True)["result"] == {"realm": "IT-STACK.LAB"}
    assert vendor.do("user_show", "admin")["value"] == "admin"


def test_a_person_of_the_vendors_client_from_beginning_to_end(vendor):
    added = vendor.do("user_add", "libjane", givenname="Jane", sn="Doe", mail=["jane@it-stack.lab"])
    assert added["summary"] == 'Added user "libjane"'
    assert (added["value"], added["result"]["cn"]) == ("libjane", ["Jane Doe"])
    shown = vendor.do("user_show", "libjane", all=True)["result"]
    assert (shown["displayname"], shown["memberof_group"]) == (["Jane Doe"], ["ipausers"])
    changed = vendor.do("user_mod", "libjane", title="Head Clerk", telephonenumber=["4101", "4102"])
    assert sorted(changed["result"]["telephonenumber"]) == ["4101", "4102"]
    found = vendor.do("user_find", title="Head Clerk", sizelimit=0)
    assert (found["count"], found["truncated"]) == (1, False)
    assert [one["uid"] for one in found["result"]] == [["libjane"]]
    expires = vendor.do("user_mod", "libjane", krbprincipalexpiration="20360101000000Z")["result"]
    # A moment, not a text.
    assert expires["krbprincipalexpiration"] == ["2036-01-01 00:00:00"]
    assert vendor.do("user_disable", "libjane")["result"] is True
    assert vendor.fail("user_disable", "libjane") == ("AlreadyInactive", 4010)
    assert vendor.do("user_del", "libjane")["value"] == ["libjane"]
    assert vendor.fail("user_show", "libjane") == ("NotFound", 4001)


def test_what_is_refused_comes_as_the_vendors_classes(vendor):
    vendor.do("user_add", "libtwice", givenname="T", sn="W")
    again = vendor.ask("user_add", "libtwice", givenname="T", sn="W")
    assert (again["raised"], again["code"]) == ("DuplicateEntry", 4002)
    assert again["told"] == 'user with name "libtwice" already exists'
    assert vendor.fail("user_mod", "libtwice", sn="W") == ("EmptyModlist", 4202)
    wrong = vendor.ask("user_mod", "libtwice", mail=["@"])
    assert (wrong["raised"], wrong["code"]) == ("ValidationError", 3009)
    assert wrong["told"].startswith("invalid 'email': ")
    assert vendor.ask("user_mod", "libnobody", sn="W")["told"] == "libnobody: user not found"
    # What it knows to be wrong it doesn't even send.
    assert vendor.fail("user_add", "libless") == ("RequirementError", 3007)
    assert vendor.fail("user_del", "admin") == ("ProtectedEntryError", 4309)
    assert vendor.fail("group_del", "ipausers") == ("DefaultGroupError", 4018)


def test_members_of_the_vendors_groups(vendor):
    vendor.do("user_add", "libmember", givenname="M", sn="B")
    assert vendor.do("group_add", "libcrew", description="Crew")["summary"] == 'Added group "libcrew"'
    vendor.do("group_add", "libouter", nonposix=True)
    changed = vendor.do("group_add_member", "libcrew", user=["libmember", "libnobody"])
    assert changed["completed"] == 1
    assert changed["failed"]["member"]["user"] == [["libnobody", "no such entry"]]
    assert vendor.do("group_add_member", "libouter", group=["libcrew"])["completed"] == 1
    shown = vendor.do("user_show", "libmember")["result"]
    assert "libcrew" in shown["memberof_group"] and shown["memberofindirect_group"] == ["libouter"]
    assert vendor.do("group_find", "libcrew", no_members=False)["result"][0]["member_user"] == ["libmember"]
    assert vendor.do("group_remove_member", "libcrew", user=["libmember"])["completed"] == 1


def test_hosts_rules_and_names_of_the_vendors_client(vendor):
    host = "lib.it-stack.lab"
    assert vendor.fail("host_add", host) == ("DNSNotARecordError", 4019)
    assert vendor.do("host_add", host, force=True)["result"]["fqdn"] == [host]
    vendor.do("hbacrule_add", "librule", hostcategory="all")
    vendor.do("user_add", "libruled", givenname="R", sn="D")
    assert vendor.do("hbacrule_add_user", "librule", user=["libruled"])["completed"] == 1
    vendor.do("sudorule_add", "libsudo")
    assert vendor.do("sudorule_add_host", "libsudo", host=[host])["completed"] == 1
    vendor.do("dnszone_add", "lib.test", skip_overlap_check=True)
    vendor.do("dnsrecord_add", "lib.test", "www", arecord=["192.0.2.1"])
    shown = vendor.do("dnsrecord_show", "lib.test", "www")["result"]
    assert (shown["arecord"], shown["idnsname"]) == (["192.0.2.1"], ["www"])
    assert vendor.fail("dnsrecord_show", "lib.test", "ftp") == ("NotFound", 4001)
    assert vendor.do("host_del", host)["value"] == [host]


@pytest.mark.parametrize("client", ["meta", "vendor"])
def test_every_switch_that_a_client_sends_by_itself_is_known(client, request):
    offered = Interface(Realm(ADDRESS, alone.REALM, alone.DOMAIN, "dc=it-stack,dc=lab"), None).commands
    sent = request.getfixturevalue(client).do("switches")
    both = set(sent) & set(offered)
    assert {"user_add", "group_find", "host_add", "dnsrecord_add", "sudorule_add_option"} <= both
    unknown = {
        (name, option)
        for name in both
        for option in set(sent[name]) - {one.name for one in offered[name].options}
    }
    assert unknown == set()
