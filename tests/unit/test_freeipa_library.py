"""FreeIPA's comparisons, error codes, member answers and group cycles, as pure functions."""

import datetime

import pytest
import salt.state

from salt_itstack.errors import Conflict, Denied, Invalid, Missing, Rejected, Unreachable, Unsupported
from salt_itstack.reconcile import diff
from salt_itstack.secrets import fingerprint
from salt_itstack.services.freeipa import ready, resources, writing
from salt_itstack.services.freeipa.api import failure, member_failures
from salt_itstack.services.freeipa.kinds import cycle, moment
from salt_itstack.services.freeipa.resources import GROUP, SYSTEM_ACCOUNT, USER
from salt_itstack.services.freeipa.writing import Item

#: As user_find gives it.
JANE = {
    "uid": ["jdoe"],
    "givenname": ["Jane"],
    "sn": ["Doe"],
    "cn": ["Jane Doe"],
    "mail": ["Jane@it-stack.lab", "j2@it-stack.lab"],
    "telephonenumber": ["4102", "4101"],
    "krbpasswordexpiration": [{"__datetime__": "20360101000000Z"}],
    "memberof_group": ["ipausers", "staff"],
    "has_password": True,
}


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (4001, Missing),
        (4002, Conflict),
        (2100, Denied),
        (905, Unsupported),
        (3005, Rejected),
        (3007, Rejected),
        (3008, Rejected),
        (3009, Rejected),
        (4205, Rejected),
        (4309, Rejected),
        (4203, Unreachable),
        (1101, Denied),
        (1202, Denied),
        (999999, Rejected),
        (None, Rejected),
    ],
)
def test_error_codes_become_classes_with_the_server_s_reason(code, kind):
    error = failure("user_mod", ["jdoe", {"userpassword": "canary"}], code, "the reason")
    assert type(error) is kind
    assert str(error).startswith(f"FreeIPA: user_mod jdoe: the reason ({code})")
    assert "canary" not in str(error)


def test_member_failures_are_found_inside_a_success():
    result = {
        "completed": 2,
        "failed": {
            "member": {
                "user": [["ghost", "no such entry"], ["jdoe", "This entry is already a member"]],
                "group": [["nogroup", "no such entry"]],
                "service": [],
            }
        },
    }
    assert member_failures(result) == {"ghost": "no such entry", "nogroup": "no such entry"}
    assert member_failures({"completed": 1, "failed": {"member": {"user": []}}}) == {}


def test_a_person_as_the_server_gives_it_is_as_declared():
    wanted = USER.prepared(
        "jdoe",
        {
            "first_name": "Jane",
            "full_name": "Jane Doe",
            "mail": ["j2@IT-STACK.lab", "jane@it-stack.lab"],
            "telephone_numbers": [4101, "4102"],
            "title": "",
            "password": "canary",
            "password_expires": datetime.date(2036, 1, 1),
            "groups": ["Staff", "ipausers"],
        },
    )
    assert diff(USER.resource, wanted, USER.plain(JANE)) == {}


def test_differences_are_told_as_values():
    wanted = USER.prepared("jdoe", {"first_name": "Janet", "title": "Boss", "mail": "jane@it-stack.lab"})
    assert diff(USER.resource, wanted, USER.plain(JANE)) == {
        "first_name": {"old": "Jane", "new": "Janet"},
        "title": {"old": None, "new": "Boss"},
        "mail": {"old": ["Jane@it-stack.lab", "j2@it-stack.lab"], "new": ["jane@it-stack.lab"]},
    }


@pytest.mark.parametrize(
    "given",
    [
        "20360101000000Z",
        "2036-01-01T00:00:00Z",
        "2036-01-01T02:00:00+02:00",
        "2036-01-01",
        datetime.date(2036, 1, 1),
        datetime.datetime(2036, 1, 1),
        datetime.datetime(2036, 1, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(hours=1))),
        [{"__datetime__": "20360101000000Z"}],
    ],
)
def test_times_in_all_their_forms(given):
    assert moment(given) == "20360101000000Z"


def test_everything_that_is_wrong_comes_at_once():
    with pytest.raises(Invalid) as refused:
        USER.prepared("jdoe", {"mail": ["jane"], "password_expires": "soon"})
    assert len(refused.value.problems) == 2
    assert "jdoe:mail" in str(refused.value) and "jdoe:password_expires" in str(refused.value)
    with pytest.raises(Invalid, match="did you mean first_name"):
        USER.prepared("jdoe", {"firstname": "Jane"})
    with pytest.raises(Invalid, match="first_name, last_name"):
        USER.predicted("jdoe", {"mail": ["jane@it-stack.lab"]})
    with pytest.raises(Invalid, match="password"):
        SYSTEM_ACCOUNT.predicted("keycloak", {"description": "x"})


def test_no_members_are_an_empty_list():
    assert diff(GROUP.resource, {"users": []}, {"cn": ["staff"]}) == {}
    assert diff(USER.resource, {"mail": [], "telephone_numbers": []}, {"uid": ["jdoe"]}) == {}


def test_posix_groups_are_known_by_their_classes():
    plain = {"objectclass": ["groupofnames", "ipausergroup"]}
    posix = {"objectclass": ["groupofnames", "PosixGroup"]}
    assert diff(GROUP.resource, {"posix": True}, posix) == {}
    assert diff(GROUP.resource, {"posix": False}, plain) == {}
    assert set(diff(GROUP.resource, {"posix": True}, plain)) == {"posix"}


def test_privileged_in_every_form():
    for found in (True, [True], "TRUE", ["TRUE"]):
        assert diff(SYSTEM_ACCOUNT.resource, {"privileged": True}, {"privileged": found}) == {}
    for found in (False, ["FALSE"], None):
        assert diff(SYSTEM_ACCOUNT.resource, {"privileged": False}, {"privileged": found}) == {}


def test_cycles_are_found_by_any_way():
    groups = {"a": ["B"], "b": ["c", "d"], "c": [], "d": []}
    assert cycle(groups, "d", ["a"]) == ["d", "a", "b", "d"]
    assert cycle(groups, "x", ["x"]) == ["x", "x"]
    assert cycle(groups, "x", ["a", "d"]) == []
    # One that others made doesn't catch us in a circle.
    assert cycle({"a": ["b"], "b": ["a"]}, "x", ["a"]) == []


def test_fingerprints(tmp_path):
    opts = {"cachedir": str(tmp_path / "cache"), "pki_dir": str(tmp_path / "pki")}
    assert fingerprint.known(opts, "thing", "canary") is None
    fingerprint.remember(opts, "thing", "canary")
    assert fingerprint.known(opts, "thing", "canary") is True
    assert fingerprint.known(opts, "thing", "other") is False
    assert fingerprint.known(opts, "other thing", "canary") is None
    for path in (tmp_path / "cache" / "itstack" / "fingerprints").iterdir():
        assert b"canary" not in path.read_bytes() and path.stat().st_mode & 0o077 == 0
    # With another key nothing is remembered, rather than everything changed.
    (tmp_path / "pki").mkdir()
    (tmp_path / "pki" / "minion.pem").write_text("another key")
    assert fingerprint.known(opts, "thing", "canary") is None
    fingerprint.forget(opts, "thing")
    fingerprint.forget(opts, "thing")


def test_readiness_without_dnspython_names_the_package(monkeypatch):
    monkeypatch.setattr(ready, "dns", None)
    with pytest.raises(Unsupported, match=r"dnspython.*Remedy: .*salt-pip install dnspython"):
        ready.readiness({"address": "127.0.0.1", "fqdn": "ipa.it-stack.lab", "domain": "it-stack.lab"})


def planned(kind, found=None, exclusive=False, **wanted):
    """The calls that one object takes: command, arguments, options."""
    item = Item(kind, "it", kind.prepared("it", wanted), found and kind.plain(found), exclusive)
    item.plan()
    return [
        (step.method, step.args, {key: value for key, value in step.options.items() if key != "no_members"})
        for step in sorted(item.steps, key=lambda step: step.round)
    ]


@pytest.mark.parametrize(
    ("kind", "found", "wanted", "calls"),
    [
        (
            resources.SUDO_COMMAND_GROUP, None, {"description": "A", "commands": ["/bin/a", "/bin/b"]},
            [
                ("sudocmdgroup_add", ["it"], {"description": "A"}),
                ("sudocmdgroup_add_member", ["it"], {"sudocmd": ["/bin/a", "/bin/b"]}),
            ],
        ),
        (
            resources.HBAC_SERVICE_GROUP, {"cn": ["it"], "member_hbacsvc": ["sshd", "su"]},
            {"services": ["SSHD", "login"], "exclusive": True},
            [
                ("hbacsvcgroup_remove_member", ["it"], {"hbacsvc": ["su"]}),
                ("hbacsvcgroup_add_member", ["it"], {"hbacsvc": ["login"]}),
            ],
        ),
        (
            resources.HBAC_SERVICE, {"cn": ["it"]}, {"description": "A"},
            [("hbacsvc_mod", ["it"], {"description": "A"})],
        ),
        (
            resources.SERVICE, {"krbcanonicalname": ["it"], "managedby_host": ["a.b"]},
            {"managed_by": ["A.b.", "c.d"]},
            [("service_add_host", ["it"], {"host": ["c.d"]})],
        ),
        (
            resources.USER, None,
            {"first_name": "A", "last_name": "B", "private_group": False, "enabled": False},
            [
                ("user_add", ["it"], {"givenname": "A", "sn": "B", "noprivate": True}),
                ("user_disable", ["it"], {}),
            ],
        ),
        (
            resources.SUDO_RULE, {"cn": ["it"], "hostmask": ["192.0.2.0/24"]},
            {"host_masks": ["192.0.2.0/24", "10.0.0.0/8"]},
            [("sudorule_add_host", ["it"], {"hostmask": ["10.0.0.0/8"]})],
        ),
        (
            resources.HOST, None, {"ip_address": "192.0.2.1"},
            [("host_add", ["it"], {"ip_address": "192.0.2.1"})],
        ),
        (
            resources.SUDO_RULE, {"cn": ["it"], "memberuser_user": ["a"]},
            {"user_category": "all", "users": [], "exclusive": True},
            [
                ("sudorule_remove_user", ["it"], {"user": ["a"]}),
                ("sudorule_mod", ["it"], {"usercategory": "all"}),
            ],
        ),
    ],
)  # fmt: skip
def test_what_differs_becomes_calls_in_their_order(kind, found, wanted, calls):
    """Among them those that the double doesn't offer; their names are those of API.txt of freeipa/freeipa."""
    assert planned(kind, found, **wanted) == calls


def test_members_go_in_slices():
    names = [f"u{number}" for number in range(250)]
    calls = planned(GROUP, {"cn": ["it"]}, users=names)
    assert [len(options["user"]) for _, _, options in calls] == [100, 100, 50]


def test_no_field_has_a_name_that_salt_keeps_for_itself():
    for kind in resources.KINDS.values():
        taken = {*kind.resource.fields, *kind.once} & set(salt.state.STATE_INTERNAL_KEYWORDS)
        assert not taken, (kind.name, taken)


class Breaking:
    """A server that answers once, and is gone then."""

    def __init__(self):
        self.slices = []

    def channel(self, kind):
        return self

    def batch(self, calls):
        self.slices.append(len(calls))
        if len(self.slices) > 1:
            raise Unreachable("gone")
        return [{} for _ in calls]


def test_a_server_that_goes_between_two_slices_isn_t_asked_for_the_third():
    names = [f"u{number}" for number in range(250)]
    found = {"cn": ["large"], "member_user": ["x"], "description": "A"}
    large = Item(GROUP, "large", {"users": list(names), "description": "A"}, found)
    other = Item(GROUP, "other", {"users": ["u1"]}, {"cn": ["other"]})
    for item in (large, other):
        item.plan()
    server = Breaking()
    writing.execute(server, [large, other])
    assert server.slices == [1, 1]
    assert large.done() == {"users": {"old": ["x"], "new": ["x", *names[:100]]}}
    assert other.done() == {} and isinstance(other.failure, Unreachable)
