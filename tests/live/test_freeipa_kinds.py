"""Each kind of FreeIPA's objects by the same measure, the examples of its states, and FreeIPA's traps."""

import ast
import re
from pathlib import Path

import pytest
import yaml
from freeipa_fixtures import ADMIN_PASSWORD, HOST
from freeipa_minion import BIND_PASSWORD, PASSWORD, UNTIL, assert_converges, person

from docs.generator import plugins
from salt_itstack.services.freeipa.resources import KINDS

pytest_plugins = ("freeipa_fixtures", "freeipa_minion")

#: For each kind: what is declared, what somebody changes by hand, and which fields that moves.
CASES = {
    "user": (
        "{x}", {**person(mobile_numbers=["+49 1"], city="Trier", enabled=False, manager="admin")},
        [("user_mod", {"mobile": ["+49 2"], "l": "Bonn"}), ("user_enable", {})],
        {"mobile_numbers", "city", "enabled"},
    ),
    "group": (
        "{x}", {"description": "A", "users": ["admin"]},
        [("group_mod", {"description": "B"}), ("group_remove_member", {"user": ["admin"]})],
        {"description", "users"},
    ),
    "host": (
        "{x}.it-stack.lab",
        {"description": "A", "location": "Room 1", "host_classes": ["web"], "force": True},
        [("host_mod", {"description": "B", "nshostlocation": None, "userclass": ["db", "web"]})],
        {"description", "location", "host_classes"},
    ),
    "hostgroup": (
        "{x}", {"description": "A", "hosts": ["Standing.it-stack.lab"], "hostgroups": ["standing"]},
        [("hostgroup_mod", {"description": "B"}), ("hostgroup_remove_member", {"hostgroup": ["standing"]})],
        {"description", "hostgroups"},
    ),
    "service": (
        "{x}/standing.it-stack.lab",
        {"authorization_data": ["MS-PAC"], "managed_by": ["Helping.it-stack.lab"], "force": True},
        [
            ("service_mod", {"ipakrbauthzdata": ["NONE"]}),
            ("service_remove_host", {"host": ["helping.it-stack.lab"]}),
        ],
        {"authorization_data", "managed_by"},
    ),
    "system_account": (
        "{x}", {"password": BIND_PASSWORD, "description": "A", "enabled": False},
        [("sysaccount_mod", {"description": "B"}), ("sysaccount_enable", {})],
        {"description", "enabled"},
    ),
    "sudo_command": (
        "/usr/bin/{x} -T", {"description": "A"}, [("sudocmd_mod", {"description": "B"})], {"description"},
    ),
    "sudo_command_group": (
        "{x}", {"description": "A", "commands": ["/usr/bin/standing"]},
        [
            ("sudocmdgroup_mod", {"description": "B"}),
            ("sudocmdgroup_remove_member", {"sudocmd": ["/usr/bin/standing"]}),
        ],
        {"description", "commands"},
    ),
    "sudo_rule": (
        "Rule {x}",
        {
            "description": "A", "enabled": False, "users": ["Admin"], "groups": ["standing"],
            "hosts": ["standing.it-stack.lab"], "hostgroups": ["standing"],
            "host_masks": ["192.0.2.7/24", "2001:DB8::1"],
            "allow_commands": ["/usr/bin/standing"], "deny_command_groups": ["Standing"],
            "run_as_external_users": ["root"],
            "options": ["!authenticate", "log_input"],
        },
        [
            ("sudorule_mod", {"description": "B"}), ("sudorule_enable", {}),
            ("sudorule_remove_user", {"user": ["admin"]}),
            ("sudorule_remove_host", {"hostgroup": ["standing"], "hostmask": ["192.0.2.0/24"]}),
            ("sudorule_remove_runasuser", {"user": ["root"]}),
            ("sudorule_remove_option", {"ipasudoopt": "log_input"}),
            ("sudorule_remove_deny_command", {"sudocmdgroup": ["standing"]}),
        ],
        {
            "description", "enabled", "users", "hostgroups", "run_as_external_users", "options",
            "deny_command_groups", "host_masks",
        },
    ),
    "hbac_service": (
        "{x}", {"description": "A"}, [("hbacsvc_mod", {"description": "B"})], {"description"},
    ),
    "hbac_service_group": (
        "{x}", {"description": "A", "services": ["sshd", "Login"]},
        [
            ("hbacsvcgroup_mod", {"description": "B"}),
            ("hbacsvcgroup_remove_member", {"hbacsvc": ["login"]}),
        ],
        {"description", "services"},
    ),
    "hbac_rule": (
        "Rule {x}",
        {
            "description": "A", "user_category": "all", "hostgroups": ["standing"],
            "services": ["sshd", "Sudo"], "service_groups": ["FTP"],
        },
        [
            ("hbacrule_mod", {"usercategory": ""}), ("hbacrule_add_user", {"user": ["admin"]}),
            ("hbacrule_remove_user", {"user": ["admin"]}),
            ("hbacrule_remove_service", {"hbacsvc": ["sudo"], "hbacsvcgroup": ["ftp"]}),
        ],
        {"user_category", "services", "service_groups"},
    ),
    "role": (
        "Role {x}", {"description": "A", "privileges": ["User Administrators"], "groups": ["standing"]},
        [
            ("role_remove_privilege", {"privilege": ["User Administrators"]}),
            ("role_remove_member", {"group": ["standing"]}),
        ],
        {"privileges", "groups"},
    ),
    "privilege": (
        "Privilege {x}", {"description": "A", "permissions": ["System: Add Groups"]},
        [("privilege_remove_permission", {"permission": ["System: Add Groups"]})],
        {"permissions"},
    ),
    "permission": (
        "Permission {x}", {"rights": ["read", "write"], "type": "user", "attributes": ["title", "mobile"]},
        [("permission_mod", {"attrs": ["title"], "ipapermright": ["read"]})],
        {"rights", "attributes"},
    ),
    "password_policy": (
        "standing", {"priority": 77, "shortest": 12, "longest_life_days": 90},
        [("pwpolicy_mod", {"krbpwdminlength": 8})], {"shortest"},
    ),
    "dns_zone": (
        "{x}.example.",
        {
            "default_ttl": 600, "allow_query": "10.0.0.0/8;192.0.2.1", "enabled": False,
            "administrator": "root.example.org.", "skip_overlap_check": True,
        },
        [
            ("dnszone_mod", {"dnsdefaultttl": 60, "idnsallowquery": "any;"}), ("dnszone_enable", {}),
        ],
        {"default_ttl", "allow_query", "enabled"},
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def standing(freeipa):
    """Objects that others are made of."""
    client = freeipa.client()
    client.attempt("group_add", "standing")
    client.attempt("host_add", "standing.it-stack.lab", force=True)
    client.attempt("host_add", "helping.it-stack.lab", force=True)
    client.attempt("hostgroup_add", "standing")
    client.attempt("sudocmd_add", "/usr/bin/standing")
    client.attempt("sudocmdgroup_add", "standing")


@pytest.mark.usefixtures("standing")
@pytest.mark.parametrize("kind", CASES)
def test_each_kind_is_made_mended_and_removed(minion, admin, sent, name, kind):
    pattern, wanted, drift, moved = CASES[kind]
    key = pattern.format(x=name)
    assert_converges(minion, f"{kind}_present", key, **wanted)
    for command, options in drift:
        admin.call(command, key, **options)
    changes = assert_converges(minion, f"{kind}_present", key, **wanted)
    assert set(changes) == moved
    plural = KINDS[kind].plural
    del sent[:]
    whole = minion.state(f"{plural}_present", "all of them", **{plural: {key: wanted}})
    assert (whole["result"], whole["changes"]) == (True, {}), whole
    assert sent == [(f"{KINDS[kind].command}_find", 1)]
    assert_converges(minion, f"{kind}_absent", key)
    assert admin.refused(f"{KINDS[kind].command}_show", key)["code"] == 4001


@pytest.mark.parametrize("kind", CASES)
@pytest.mark.parametrize("wrong", ["password", "address"])
def test_each_kind_fails_cleanly_without_a_way_in(minion, name, kind, wrong):
    change = {"password": {"password": "Canary-wrong"}, "address": {"address": "127.0.99.1:1"}}[wrong]
    minion.profile.update(change)
    pattern, wanted, _, _ = CASES[kind]
    for function, arguments in ((f"{kind}_present", wanted), (f"{kind}_absent", {})):
        # A dry run doesn't try several times to connect.
        done = minion.state(function, pattern.format(x=name), test=wrong == "address", **arguments)
        assert (done["result"], done["changes"]) == (False, {}), done
        assert "Remedy" in done["comment"] and "Canary" not in str(done)


def test_the_arguments_of_states_are_the_fields_of_their_kinds():
    tree = ast.parse(Path(plugins.ROOT / "_states" / "itstack_freeipa.py").read_text())
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    options = {"name", "zone", "exclusive", "password_check", "profile"}
    for kind in KINDS.values():
        given = {argument.arg for argument in functions[f"{kind.name}_present"].args.args}
        assert given - options == {*kind.resource.fields, *kind.once}, kind.name
        assert ("exclusive" in given) == bool(kind.members), kind.name


def _examples():
    plugin = next(one for one in plugins.plugins("states") if one.name == "itstack_freeipa")
    for function in plugin.functions:
        for text in plugins.examples(function.docstring):
            for identity, state in yaml.safe_load(text).items():
                ((name, arguments),) = state.items()
                given = {key: value for one in arguments or () for key, value in one.items()}
                yield name.partition(".")[2], given.pop("name", identity), given


def test_the_examples_of_states_work_one_after_the_other(minion):
    """As they stand, in the order of the page; what they refer to is what examples before them made."""
    ran = 0
    for function, name, given in _examples():
        arguments = yaml.safe_load(
            yaml.safe_dump(given)
            .replace("secret://freeipa-keycloak", BIND_PASSWORD)
            .replace("secret://freeipa-odoo", BIND_PASSWORD)
            .replace("[reading]", "[]")
        )
        predicted = minion.state(function, name, test=True, **arguments)
        first = minion.state(function, name, **arguments)
        assert first["result"] is True, (function, first)
        assert predicted["changes"] == first["changes"] != {}, (function, predicted, first)
        again = minion.state(function, name, **arguments)
        assert (again["result"], again["changes"]) == (True, {}), (function, again)
        ran += 1
    assert ran >= 3 * len(KINDS)


@pytest.fixture
def zone(admin, name):
    admin.call("dnszone_add", f"{name}.example", skip_overlap_check=True)
    return f"{name}.example"


def test_records_of_a_zone(minion, admin, zone):
    wanted = {"a": ["192.0.2.2", "192.0.2.1"], "txt": ["Some words"], "ttl": 300}
    assert_converges(minion, "dns_record_present", "WWW", zone=zone, **wanted)
    admin.call("dnsrecord_mod", zone, "www", arecord=["192.0.2.9"], dnsttl=30)
    admin.call("dnsrecord_mod", zone, "www", aaaarecord=["2001:db8::1"])
    changes = assert_converges(minion, "dns_record_present", "www", zone=f"{zone}.", **wanted)
    assert set(changes) == {"a", "ttl"}
    # What isn't declared is left alone; what is declared empty goes.
    assert admin.call("dnsrecord_show", zone, "www")["result"]["aaaarecord"] == ["2001:db8::1"]
    assert set(assert_converges(minion, "dns_record_present", "www", zone=zone, txt=[])) == {"txt"}
    whole = {"dns_records": {"www": wanted, "mail": {"cname": ["www"]}, "@": {"mx": ["10 mail"]}}}
    changes = assert_converges(minion, "dns_records_present", "names", zone=zone, **whole)
    assert set(changes) == {"www", "mail", "@"}
    only = {"dns_records": {"www": {"a": ["192.0.2.1"]}}}
    changes = assert_converges(minion, "dns_records_present", "names", zone=zone, exclusive=True, **only)
    assert set(changes) == {"www", "mail"} and changes["mail"] == {"old": "present", "new": "absent"}
    assert_converges(minion, "dns_record_absent", "www", zone=zone)
    assert admin.refused("dnsrecord_show", zone, "www")["code"] == 4001
    assert minion.state("dns_record_absent", "www", zone="no.such.zone")["result"] is True


@pytest.mark.parametrize(
    ("function", "wanted", "words"),
    [
        ("dns_record_present", {"a": ["192.0.2.1"], "cname": ["www"]}, "a CNAME stands alone"),
        ("dns_record_present", {"a": []}, "use dns_record_absent"),
        ("dns_record_present", {"aa": ["192.0.2.1"]}, "did you mean a"),
        ("dns_zone_present", {"administrator": "root@example.org"}, "zones hold this as a name"),
    ],
)
def test_names_that_can_t_be_are_refused(minion, zone, function, wanted, words):
    if function == "dns_record_present":
        wanted["zone"] = zone
    done = minion.state(function, f"x.{zone}" if "zone_present" in function else "x", **wanted)
    assert (done["result"], done["changes"]) == (False, {}) and words in done["comment"], done
    assert minion.state("dns_record_present", "x", zone="no.such.zone", a=["192.0.2.1"])["result"] is False


def test_records_of_a_zone_that_the_same_dry_run_would_make(minion, name):
    _, states = minion.run(test=True)
    states["itstack_freeipa.dns_zone_present"](name=f"{name}.example")
    would = states["itstack_freeipa.dns_record_present"](name="www", zone=f"{name}.example", a=["192.0.2.1"])
    assert would["result"] is None and set(would["changes"]) == {"a"}


def test_the_examples_of_the_page_work(minion):
    page = (plugins.ROOT / "docs" / "services" / "freeipa.md").read_text()
    blocks = [
        block for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL) if "itstack_freeipa." in block
    ]
    assert len(blocks) == 2
    for block in blocks:
        for identity, state in yaml.safe_load(block).items():
            ((name, arguments),) = state.items()
            given = {key: value for one in arguments for key, value in one.items()}
            done = minion.state(name.partition(".")[2], given.pop("name", identity), **given)
            assert done["result"] is True, done


# --- traps ---------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("standing")
@pytest.mark.parametrize(
    ("wanted", "field", "remedy"),
    [
        ({"users": ["ghost"]}, "users", "external_users"),
        ({"groups": ["ghosts"]}, "groups", "correct it"),
        ({"hosts": ["ghost.it-stack.lab"]}, "hosts", "external_hosts"),
        ({"host_masks": ["web"]}, "host_masks", "192.0.2.0/24"),
        ({"host_category": "all", "host_masks": ["::1"]}, "host_masks", "host_category is all"),
        ({"run_as_users": ["root"]}, "run_as_users", "run_as_external_users"),
        ({"run_as_groups": ["wheel"]}, "run_as_groups", "run_as_external_groups"),
        ({"external_users": ["admin"]}, "external_users", "declare it under users"),
        ({"user_category": "some"}, "user_category", "write all"),
        ({"user_category": "all", "users": ["admin"]}, "users", "user_category is all"),
        ({"host_category": "all", "external_hosts": ["a.b"]}, "external_hosts", "host_category is all"),
        ({"command_category": "all", "allow_commands": ["/usr/bin/standing"]}, "allow_commands", "is all"),
        ({"sudo_order": "first"}, "sudo_order", "whole number"),
        ({"users": True}, "users", "[first, second]"),
        ({"usrs": ["admin"]}, "usrs", "did you mean users"),
    ],
)
def test_a_sudo_rule_that_would_be_another_one_is_refused(minion, admin, name, wanted, field, remedy):
    for test in (True, False):
        done = minion.state("sudo_rule_present", name, test=test, **wanted)
        assert (done["result"], done["changes"]) == (False, {}), done
        assert f"{name}:{field}" in done["comment"] and remedy in done["comment"], done["comment"]
    assert admin.refused("sudorule_show", name)["code"] == 4001


def test_external_names_are_kept_where_they_are_declared(minion, admin, name):
    wanted = {"external_users": ["ghost"], "external_hosts": ["other.example.org"]}
    assert_converges(minion, "sudo_rule_present", name, **wanted)
    found = admin.call("sudorule_show", name)["result"]
    assert found["externaluser"] == ["ghost"] and found["externalhost"] == ["other.example.org"]
    assert_converges(minion, "sudo_rule_present", name, exclusive=True, external_users=[])
    assert "externaluser" not in admin.call("sudorule_show", name)["result"]


def test_names_that_the_same_dry_run_would_make_are_no_strangers(minion, name):
    _, states = minion.run(test=True)
    states["itstack_freeipa.user_present"](name=name, **person())
    would = states["itstack_freeipa.sudo_rule_present"](name=name, users=[name])
    assert would["result"] is None and would["changes"]["users"]["new"] == [name]


def test_all_and_members_follow_each_other_where_members_may_go(minion, admin, name):
    assert_converges(minion, "hbac_rule_present", name, users=["admin"])
    done = minion.state("hbac_rule_present", name, user_category="all")
    assert done["result"] is False and "exclusive: true" in done["comment"]
    assert_converges(minion, "hbac_rule_present", name, user_category="all", users=[], exclusive=True)
    done = minion.state("hbac_rule_present", name, users=["admin"])
    assert done["result"] is False and "user_category is all" in done["comment"]
    assert_converges(minion, "hbac_rule_present", name, user_category="", users=["admin"])


def test_groups_of_hosts_don_t_go_in_circles(minion, admin, name):
    assert_converges(minion, "hostgroup_present", f"{name}a")
    assert_converges(minion, "hostgroup_present", f"{name}b", hostgroups=[f"{name}a"])
    done = minion.state("hostgroup_present", f"{name}a", hostgroups=[f"{name}b"])
    assert done["result"] is False and f"{name}a > {name}b > {name}a" in done["comment"]
    # In one set, too, whatever the order.
    groups = {f"{name}c": {"hostgroups": [f"{name}d"]}, f"{name}d": {"hostgroups": [f"{name}c"]}}
    done = minion.state("hostgroups_present", "both", hostgroups=groups)
    assert done["result"] is False and "its own member" in done["comment"]
    assert admin.refused("hostgroup_show", f"{name}c")["code"] == 4001


@pytest.mark.parametrize(
    ("function", "key", "words"),
    [
        ("user_absent", "admin", "made this itself"),
        ("group_absent", "admins", "made this itself"),
        ("group_absent", "ipausers", "made this itself"),
        ("hbac_rule_absent", "Allow_All", "enabled: false"),
        ("hbac_service_absent", "SSHD", "made this itself"),
        ("hbac_service_group_absent", "sudo", "made this itself"),
        ("privilege_absent", "User Administrators", "made this itself"),
    ],
)
def test_what_freeipa_made_stays(minion, function, key, words):
    for test in (True, False):
        done = minion.state(function, key, test=test)
        assert (done["result"], done["changes"]) == (False, {}) and words in done["comment"], done


def test_a_permission_says_its_place_once(minion, name):
    done = minion.state(
        "permission_present", name, rights=["read"], type="user", subtree="dc=it-stack,dc=lab"
    )
    assert done["result"] is False and f"{name}:subtree" in done["comment"]


def test_freeipa_s_own_permissions_stay_as_they_are(minion):
    for function, arguments in (("present", {"attributes": ["title"], "rights": ["write"]}), ("absent", {})):
        done = minion.state(f"permission_{function}", "System: Modify Users", **arguments)
        assert (done["result"], done["changes"]) == (False, {}), done
        assert "FreeIPA" in done["comment"] and "Remedy" in done["comment"]


def test_our_own_way_in_stays(minion, admin, name):
    admin.call("user_add", name, givenname="A", sn="B", userpassword="Old-password-1")
    admin.call("user_mod", name, krbpasswordexpiration="20360101000000Z")
    admin.call("group_add_member", "admins", user=[name])
    own = {"user": name, "password": "Old-password-1"}
    minion.profile.update(own)
    for function, key, arguments, words in (
        ("user_absent", name, {}, "the profile's own account"),
        ("user_present", name, {"enabled": False}, "the profile's own account"),
        ("group_present", "admins", {"users": ["admin"], "exclusive": True}, "the profile's own account"),
    ):
        done = minion.state(function, key, **arguments)
        assert (done["result"], done["changes"]) == (False, {}) and words in done["comment"], done
    admin.call("group_remove_member", "admins", user=[name])
    done = minion.state("group_present", "admins", users=[], exclusive=True)
    assert done["result"] is False and "nobody could manage" in done["comment"]


def test_the_host_that_freeipa_runs_on_stays(minion, admin, name):
    admin.attempt("host_add", HOST, force=True)
    done = minion.state("host_absent", HOST)
    assert done["result"] is False and "belongs to a FreeIPA server" in done["comment"]


def test_a_host_s_password_is_written_once(minion, admin, name):
    key, wanted = f"{name}.it-stack.lab", {"enrolment_password": PASSWORD, "force": True}
    assert_converges(minion, "host_present", key, **wanted)
    assert admin.call("host_show", key, all=True)["result"]["has_password"] is True
    changes = assert_converges(minion, "host_present", key, enrolment_password=BIND_PASSWORD)
    assert set(changes) == {"enrolment_password"}


def test_what_the_server_fills_in_can_be_declared_empty(minion, admin, name):
    assert_converges(minion, "user_present", name, **person(mail=[], gecos=""))
    found = admin.call("user_show", name, all=True)["result"]
    assert "mail" not in found and "gecos" not in found


def test_a_change_that_is_none_is_a_success(minion, admin, name, monkeypatch):
    """Somebody else mended it between our reading and our writing: the server answers 4202."""
    from salt_itstack.services.freeipa.workspace import Workspace

    minion.state("hostgroup_present", name, description="A")
    admin.call("hostgroup_mod", name, description="B")
    real = Workspace.entries

    def late(self, kind, fields=None):
        found = real(self, kind, fields)
        admin.attempt("hostgroup_mod", name, description="A")
        return found

    monkeypatch.setattr(Workspace, "entries", late)
    done = minion.state("hostgroup_present", name, description="A")
    assert done["result"] is True, done


def test_who_made_it_meanwhile_is_no_conflict(minion, admin, name, monkeypatch):
    from salt_itstack.services.freeipa.workspace import Workspace

    real = Workspace.entries

    def late(self, kind, fields=None):
        found = real(self, kind, fields)
        admin.attempt("group_add", name, description="Somebody else's")
        return found

    monkeypatch.setattr(Workspace, "entries", late)
    done = minion.state("group_present", name, description="Ours", users=["admin"])
    assert done["result"] is True and set(done["changes"]) == {"description", "users"}, done
    assert admin.call("group_show", name)["result"]["description"] == ["Ours"]


def test_a_certificate_needs_an_authority(minion):
    with pytest.raises(Exception, match=r"runs without an authority.*ipa-ca-install"):
        minion.call("request_certificate", "HTTP/www.it-stack.lab", "-----BEGIN CERTIFICATE REQUEST-----")


def test_secrets_stay_out_of_everything(minion, freeipa, name, caplog):
    caplog.set_level("DEBUG")
    minion.state("user_present", name, **person(password=PASSWORD, password_expires=UNTIL))
    for canary in (PASSWORD, ADMIN_PASSWORD):
        assert canary not in caplog.text
