"""The lab's directory shows applications what FreeIPA's would, and hides what FreeIPA's hides."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ldap
import pytest
from freeipa_fixtures import (
    ADDRESS,
    ADMIN_PASSWORD,
    BASE,
    HOST,
    MANAGER_PASSWORD,
    Client,
    Lab,
)

from salt_itstack.errors import Invalid, Missing
from salt_itstack.lab import directory, freeipa_server

pytest_plugins = ("freeipa_fixtures",)

USERS, GROUPS = f"cn=users,cn=accounts,{BASE}", f"cn=groups,cn=accounts,{BASE}"
ACCOUNT = f"uid=reader,cn=sysaccounts,cn=etc,{BASE}"
ACCOUNT_PASSWORD = "Reader-of-the-tests"
SENSITIVE = ["mail", "memberOf", "ipaUniqueID", "nsAccountLock", "krbPrincipalName"]


@pytest.fixture(scope="module")
def admin(freeipa: Lab) -> Client:
    return freeipa.client()


@pytest.fixture(scope="module")
def people(admin: Client) -> None:
    """A person in a group in a group, and a system account that applications bind with."""
    admin.call(
        "user_add",
        "ada",
        givenname="Ada",
        sn="Lovelace",
        userpassword="Ada-of-the-tests",
        nsaccountlock=False,
    )
    admin.call("group_add", "inner")
    admin.call("group_add", "outer", nonposix=True)
    admin.call("group_add_member", "inner", user=["ada"])
    admin.call("group_add_member", "outer", group=["inner"])
    admin.call("sysaccount_add", "reader", userpassword=ACCOUNT_PASSWORD)


def connect(lab: Lab, dn: str = "", password: str = "", secure: bool = False) -> Any:
    connection = ldap.initialize(f"ldaps://{ADDRESS}:{lab.ldaps_port}" if secure else lab.ldap_url)
    if secure:
        connection.set_option(ldap.OPT_X_TLS_CACERTFILE, str(lab.authority))
        # The certificate carries the name, and the tests have no DNS to find its address; the name is checked
        # by test_the_certificate_is_the_given_one.
        connection.set_option(ldap.OPT_X_TLS_REQUIRE_CERT, ldap.OPT_X_TLS_ALLOW)
        connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
    connection.simple_bind_s(dn, password)
    return connection


@pytest.fixture
def application(freeipa: Lab, people: None) -> Iterator[Any]:
    connection = connect(freeipa, ACCOUNT, ACCOUNT_PASSWORD, secure=True)
    yield connection
    connection.unbind_s()


def read(connection: Any, dn: str, *attributes: str) -> dict[str, list[bytes]]:
    rows = connection.search_s(dn, ldap.SCOPE_BASE, "(objectClass=*)", list(attributes) or None)
    return {name.lower(): values for name, values in rows[0][1].items()}


def test_the_certificate_is_the_given_one(freeipa: Lab) -> None:
    import socket

    context = ssl.create_default_context(cafile=str(freeipa.authority))
    with socket.create_connection((ADDRESS, freeipa.ldaps_port), timeout=10) as raw:
        with context.wrap_socket(raw, server_hostname=HOST) as wrapped:
            names = wrapped.getpeercert()["subjectAltName"]
    assert ("DNS", HOST) in names


def test_an_application_sees_what_it_federates(application: Any) -> None:
    person = read(
        application,
        f"uid=ada,{USERS}",
        "*",
        *SENSITIVE,
        "entryUUID",
        "nsUniqueId",
        "modifyTimestamp",
        "entryUSN",
    )
    assert person["mail"] == [b"ada@it-stack.lab"]
    assert person["nsaccountlock"] == [b"FALSE"]
    assert len(person["ipauniqueid"][0]) == 36
    assert person["modifytimestamp"] and person["entryusn"]
    assert "entryuuid" not in person and "nsuniqueid" not in person
    assert "userpassword" not in person


def test_membership_is_transitive_and_leaves_with_the_group(application: Any, admin: Client) -> None:
    def groups() -> set[bytes]:
        return set(read(application, f"uid=ada,{USERS}", "memberOf").get("memberof", []))

    dns = {name: f"cn={name},{GROUPS}".encode() for name in ("inner", "outer", "ipausers")}
    assert groups() == set(dns.values())
    before = read(application, f"uid=ada,{USERS}", "entryUSN")["entryusn"]
    admin.call("group_remove_member", "outer", group=["inner"])
    try:
        assert groups() == {dns["inner"], dns["ipausers"]}
        # Whoever polls for changed people must notice.
        assert int(read(application, f"uid=ada,{USERS}", "entryUSN")["entryusn"][0]) > int(before[0])
    finally:
        admin.call("group_add_member", "outer", group=["inner"])
    assert groups() == set(dns.values())


def test_private_groups_are_told_apart_by_their_classes(application: Any) -> None:
    rows = application.search_s(
        GROUPS, ldap.SCOPE_ONELEVEL, "(cn=ada)", ["objectClass", "gidNumber", "ipaUniqueID"]
    )
    classes = {one.lower() for one in rows[0][1]["objectClass"]}
    assert b"posixgroup" in classes and b"ipausergroup" not in classes
    assert len(rows[0][1]["ipaUniqueID"][0]) == 36
    assert not application.search_s(GROUPS, ldap.SCOPE_ONELEVEL, "(&(objectClass=ipausergroup)(cn=ada))")


def test_an_application_writes_nothing(application: Any) -> None:
    for dn in (f"uid=ada,{USERS}", f"cn=inner,{GROUPS}", ACCOUNT):
        with pytest.raises((ldap.INSUFFICIENT_ACCESS, ldap.NO_SUCH_OBJECT)):
            application.modify_s(dn, [(ldap.MOD_REPLACE, "description", [b"mine"])])
    with pytest.raises(ldap.INSUFFICIENT_ACCESS):
        application.delete_s(f"uid=ada,{USERS}")


def test_nobody_without_a_password_sees_addresses_or_membership(freeipa: Lab, people: None) -> None:
    anonymous = connect(freeipa)
    person = read(anonymous, f"uid=ada,{USERS}", "*", *SENSITIVE, "entryUUID", "nsUniqueId")
    assert person["uid"] == [b"ada"] and person["givenname"] == [b"Ada"]
    assert not {name.lower() for name in SENSITIVE} & set(person)
    assert "entryuuid" not in person and "nsuniqueid" not in person
    assert "member" not in read(anonymous, f"cn=inner,{GROUPS}")
    assert read(anonymous, "", "defaultNamingContext")["defaultnamingcontext"] == [BASE.encode()]


def test_people_bind_with_their_password_until_they_are_disabled(
    freeipa: Lab, people: None, admin: Client
) -> None:
    dn = f"uid=ada,{USERS}"
    connect(freeipa, dn, "Ada-of-the-tests")
    with pytest.raises(ldap.INVALID_CREDENTIALS):
        connect(freeipa, dn, "another")
    admin.call("user_disable", "ada")
    try:
        with pytest.raises(ldap.UNWILLING_TO_PERFORM):
            connect(freeipa, dn, "Ada-of-the-tests")
    finally:
        admin.call("user_enable", "ada")


def test_a_disabled_system_account_binds_no_more(freeipa: Lab, admin: Client) -> None:
    admin.call("sysaccount_add", "leaver", userpassword="Leaver-of-the-tests")
    dn = f"uid=leaver,cn=sysaccounts,cn=etc,{BASE}"
    connect(freeipa, dn, "Leaver-of-the-tests")
    admin.call("sysaccount_disable", "leaver")
    with pytest.raises(ldap.UNWILLING_TO_PERFORM):
        connect(freeipa, dn, "Leaver-of-the-tests")


def test_admin_is_not_a_person_of_the_address_book(application: Any) -> None:
    admin = read(application, f"uid=admin,{USERS}")
    assert b"inetorgperson" not in {one.lower() for one in admin["objectclass"]}
    assert "mail" not in admin and "givenname" not in admin


def test_it_starts_fast(freeipa: Lab) -> None:
    # Usually under a second; a busy machine gets some more.
    assert freeipa.started_in < 6


def test_installing_again_keeps_the_entries(freeipa: Lab, people: None, admin: Client) -> None:
    configured = freeipa.root / "etc/itstack-lab/freeipa.json"
    before = configured.read_text(encoding="utf-8")
    instance = next((freeipa.root / "var/lib/dirsrv").iterdir()).name
    files = directory.Certificate(
        *(freeipa.root / name for name in ("server.pem", "server.key", "authority.pem"))
    )
    again = freeipa_server.install(
        root=str(freeipa.root), address=ADDRESS, host=HOST, domain="it-stack.lab", realm="IT-STACK.LAB",
        certificate=files, admin_password=ADMIN_PASSWORD, manager_password=MANAGER_PASSWORD,
        user=freeipa.programs[0]["user"], instance=instance, ldap_port=freeipa.ldap_port,
        ldaps_port=freeipa.ldaps_port, rpc_port=freeipa.rpc_port,
    )  # fmt: skip
    assert again == freeipa.programs
    assert configured.read_text(encoding="utf-8") == before
    assert admin.call("user_show", "ada")["value"] == "ada"


def test_only_its_user_reads_the_managers_password(freeipa: Lab) -> None:
    for path in ("etc/itstack-lab/manager.password", "etc/itstack-lab/freeipa.key"):
        assert (freeipa.root / path).stat().st_mode & 0o077 == 0
    settings = (freeipa.root / "etc/ipa/default.conf").read_text(encoding="utf-8")
    assert f"host = {HOST}" in settings and "realm = IT-STACK.LAB" in settings
    shown = [
        path for path in (freeipa.root / "etc").rglob("*") if path.is_file() and path.stat().st_mode & 0o044
    ]
    assert not [path for path in shown if MANAGER_PASSWORD in path.read_text(encoding="utf-8")]


def instance_in(folder: Path, **changes: Any) -> directory.Instance:
    values: dict[str, Any] = {"folder": folder, "suffix": BASE, "address": ADDRESS, "host": HOST,
                              "manager_hash": directory.hash_password("secret")}  # fmt: skip
    return directory.Instance(**{**values, **changes})


def test_an_instance_is_never_laid_out_over_another(tmp_path: Path) -> None:
    (tmp_path / "dse.ldif").write_text("dn: cn=config\n", encoding="utf-8")
    with pytest.raises(Invalid, match=r"there is a directory instance already"):
        directory.lay_out(instance_in(tmp_path), [])
    assert (tmp_path / "dse.ldif").read_text(encoding="utf-8") == "dn: cn=config\n"


def test_what_is_not_installed_is_told_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory, "TEMPLATE", tmp_path / "nothing")
    with pytest.raises(Missing, match="apt-get install 389-ds-base"):
        directory.lay_out(instance_in(tmp_path / "instance"), [])


def test_an_unknown_plugin_is_told(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="No Such Plugin"):
        directory.lay_out(instance_in(tmp_path / "instance", plugins={"No Such Plugin": {}}), [])


def test_hashes_are_salted_and_never_the_password() -> None:
    one, other = directory.hash_password("secret"), directory.hash_password("secret")
    assert one != other
    assert one.startswith("{SSHA512}") and "secret" not in one


def test_the_servers_run_as_an_unprivileged_user(freeipa: Lab) -> None:
    for process in freeipa.processes:
        assert os.stat(f"/proc/{process.pid}").st_uid != 0
    assert os.geteuid() != 0 or freeipa.programs[0]["user"] == "dirsrv"
