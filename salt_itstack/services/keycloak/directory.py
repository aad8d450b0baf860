"""LDAP federations as they are: find them, try them, let them import."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from ...errors import Conflict, Denied, Invalid, Missing, Problem, Rejected
from ...reconcile import Changes
from .api import Row
from .resources import MASK, settings_of
from .view import View

PROVIDER = "org.keycloak.storage.UserStorageProvider"
MAPPERS = "org.keycloak.storage.ldap.mappers.LDAPStorageMapper"
#: People a page where each may cost a bind and a search, and seconds for these with a slow directory.
SAMPLE, PATIENCE = 10, (5.0, 180.0)
#: So many people of a realm who aren't of the federation are passed in the search for one who is.
OTHERS = 50
#: Seconds between looks whether one who makes the same takes it back.
RIVALS = (0.5, 1.0, 2.0)
#: Seconds for which the server waits for a directory's answer where nothing is declared.
READ_TIMEOUT = 5.0
_AGAIN = (
    "If identity settings were changed, declare the former uuid_attribute and username_attribute again, with "
    "allow_identity_loss: true"
)


def find(view: View, realm: str, name: str) -> Row | None:
    """
    The federation of that name, or ``None``.

    Raises :class:`Invalid` where several have it, which the server allows: which is meant isn't known.
    """
    # keycloak: the component that holds a changed user profile has no name.
    found = [row for row in view.components(realm) if row["providerType"] == PROVIDER and row["name"] == name]
    if len(found) > 1:
        raise Invalid(
            Problem("", "name", name, f"is the name of {len(found)} federations of the realm {realm}"),
            remedy="in Keycloak's console, remove all but the one by which the realm's people came",
        )
    return found[0] if found else None


def required(view: View, realm: str, name: str) -> Row:
    """The federation of that name. Raises :class:`Missing` where there is none, and as :func:`find`."""
    found = find(view, realm, name)
    if found is None:
        raise Missing(
            f"the realm {realm} has no federation {name}",
            view.api.service,
            "declare it with itstack_keycloak.federation_present",
        )
    return found


def mappers_of(view: View, realm: str, found: Mapping[str, Any] | None) -> dict[str, Row]:
    """A federation's own mappers by name."""
    if found is None:
        return {}
    return {row["name"]: row for row in view.components(realm) if row.get("parentId") == found["id"]}


def create_once(view: View, realm: str, sent: Row) -> str:
    """
    Create a component and return its id; take it back where somebody else makes one of its name meanwhile.

    The server takes both. The one with the lower id stays, if those who made the others do as we do.

    Raises :class:`Conflict` where ours was taken back.
    """
    own = view.api.create_component(realm, sent)
    view.changed(realm, "components")
    for pause in (0.0, *RIVALS):
        time.sleep(pause)
        others = [row["id"] for row in view.api.components(realm) if _alike(row, sent) and row["id"] != own]
        if not others:
            return own
        if min(others) < own:
            break
    view.api.delete_component(realm, own)
    raise Conflict(
        f"somebody else makes {sent['name']} in the realm {realm} as well",
        view.api.service,
        "run it again when the other run is over",
    )


def _alike(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(one.get(key) == other[key] for key in ("name", "providerType", "parentId"))


def has_people(view: View, realm: str, identifier: str) -> bool:
    """
    Whether a realm knows anybody by a federation: imported, or as the federation gives them.

    A federation that breaks the list of people has some.
    """
    try:
        return any(
            row.get("federationLink") == identifier or row["id"].startswith(f"f:{identifier}:")
            for row in view.api.users(realm, SAMPLE, PATIENCE)
        )
    except Rejected:
        return True


def people(view: View, realm: str, identifier: str) -> Iterator[tuple[Row, bool]]:
    """
    The people whom a realm imported by a federation, and of each whether the directory still gives them.

    Read page by page, as far as somebody wants to know. Measured on 26.7.3: who is searched by ``enabled`` is
    so in the realm's own record; who then reads as disabled is somebody whom the directory doesn't give.
    """
    for row in view.api.users(realm, SAMPLE, PATIENCE, enabled="true"):
        if row.get("federationLink") == identifier:
            yield row, bool(row["enabled"])
        else:
            yield {}, False


def prove_people(view: View, realm: str, identifier: str) -> None:
    """
    See that a federation whose directory answers gives its people, by the first of them.

    Raises :class:`Rejected` when the server can't list people because of it, or finds none of those whom it
    imported. Says nothing where nobody was imported, or the realm has many others.
    """
    others, lost = 0, 0
    try:
        for row, given in people(view, realm, identifier):
            if given:
                return
            lost += bool(row)
            others += not row
            if others >= OTHERS and not lost:
                return
    except Rejected as error:
        raise Rejected(
            f"Keycloak can't read the people of the realm {realm} through the federation ({error})",
            view.api.service,
            "the directory takes longer than read_timeout (milliseconds; 5000 where none is declared), or "
            f"doesn't give that account the uuid_attribute or the username_attribute. {_AGAIN}",
        ) from None
    if lost:
        raise Rejected(
            f"the directory gives none of the {lost} people whom the realm {realm} imported from it",
            view.api.service,
            "they are kept, disabled. See that filter and users_dn let them through, and that the directory "
            f"answers well within read_timeout. {_AGAIN}; or, if they are to go, "
            "itstack_keycloak.federation_prune",
        )


def vanished(view: View, realm: str, name: str) -> tuple[list[Row], int]:
    """
    The people whom a federation imported and its directory doesn't give any more, and how many it gives.

    Raises what :func:`judge` raises: of a directory that doesn't answer nothing is known. :class:`Rejected`
    as well where it answers so slowly that it may not have for one person. Seen on 26.7.3, once: people of a
    directory that takes as long as the read time-out read as if it didn't give them.
    """
    found = required(view, realm, name)
    _test_in_time(view, realm, found)
    gone, given = [], 0
    for row, here in people(view, realm, found["id"]):
        if here:
            given += 1
        elif row:
            gone.append(row)
    # One that went away meanwhile answers like one that knows nobody.
    _test_in_time(view, realm, found)
    return gone, given


def _test_in_time(view: View, realm: str, found: Row) -> None:
    began = time.monotonic()
    judge(view, realm, _test(found))
    took = time.monotonic() - began
    declared = settings_of(found, "readTimeout")
    limit = (int(declared) / 1000 if declared.isdigit() else 0) or READ_TIMEOUT
    if took > limit / 2:
        raise Rejected(
            f"the directory of {found['name']} takes {took:.1f} s for a login, and Keycloak waits {limit:g} "
            "s for an answer: whom it doesn't give in time isn't known to be gone",
            view.api.service,
            "run it again when the directory answers faster, or declare a longer read_timeout (milliseconds)",
        )


def prune(view: View, realm: str, name: str, limit: int = 10, test_only: bool = False) -> Changes:
    """
    Remove the records of people whom the directory doesn't give any more, and return what changed.

    limit
        More than so many aren't removed.

    Raises :class:`Invalid` where that, or a directory that gives nobody, makes it look like a mistake.
    """
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        raise Invalid(
            Problem("", "limit", limit, "isn't a number of people", "write a whole number from 1 on")
        )
    gone, given = vanished(view, realm, name)
    if gone and not given:
        raise Invalid(
            Problem("", "name", name, "has a directory that gives nobody at all, so nobody is removed"),
            remedy="see that filter and users_dn let people through; federation_absent removes them all",
        )
    if len(gone) > limit:
        raise Invalid(
            Problem("", "limit", limit, f"would be passed: {len(gone)} people aren't in the directory"),
            remedy="look whether it is right that they are missing, and say a higher limit",
        )
    if not test_only:
        for row in gone:
            view.api.delete_user(realm, row["id"])
    return {row["username"]: {"old": row["id"], "new": None} for row in gone}


def try_stored(view: View, realm: str, found: Row) -> str:
    """
    Bind with what the federation has stored; an empty text, or what went wrong.

    Measured on 26.7.3: the server uses its stored credential when it gets the mask, the component's id, and
    the very address and account that are stored; with the mask alone, or another account, it doesn't.
    """
    return view.api.test_ldap(realm, {**_test(found), "action": "testAuthentication"})


def prove_bind(view: View, realm: str, fields: Mapping[str, str]) -> None:
    """
    Bind with a credential that isn't stored yet.

    Raises :class:`Rejected` when the directory isn't reached, :class:`Denied` when it refuses the account.
    """
    request = {
        "connectionUrl": fields["url"],
        "bindDn": fields["bind_dn"],
        "bindCredential": fields["bind_credential"],
        "authType": fields.get("auth_type", "simple"),
        "useTruststoreSpi": fields.get("use_truststore", "always"),
        "startTls": fields.get("start_tls", "false"),
    }
    judge(view, realm, request)


def judge(view: View, realm: str, request: Row) -> None:
    """Raise what a directory test says, told apart: not reached, or refused."""
    if not view.api.test_ldap(realm, {**request, "action": "testAuthentication"}):
        return
    url, account = request["connectionUrl"], request["bindDn"]
    reason = view.api.test_ldap(realm, {**request, "action": "testConnection"})
    if reason:
        raise Rejected(
            f"Keycloak doesn't reach the directory at {url} ({reason})",
            view.api.service,
            "start the directory, correct its address, or put its CA into Keycloak's conf/truststores",
        )
    raise Denied(
        f"the directory at {url} refuses {account}",
        view.api.service,
        "correct bind_dn or bind_credential, or set the account's password in the directory",
    )


def test(view: View, realm: str, name: str) -> None:
    """Connect and bind as a federation does; raises what :func:`judge` raises."""
    judge(view, realm, _test(required(view, realm, name)))


def sync(view: View, realm: str, identifier: str, full: bool = True) -> Row:
    """
    Import people and groups.

    Raises :class:`Rejected` where the server says that it failed for everybody, and what :func:`judge` raises
    where the directory went away meanwhile: the server answers 200 with zeros then. Callers prove the
    connection before.
    """
    try:
        result = view.api.sync_users(realm, identifier, full)
    except Rejected:
        # 26.4 says so for some of it, in a word.
        judge(view, realm, _test(_by_id(view, realm, identifier)))
        raise
    view.changed(realm, "groups", "components")
    if not any(result.get(count) for count in ("added", "updated", "removed", "failed")):
        judge(view, realm, _test(_by_id(view, realm, identifier)))
    if result.get("failed") and not result.get("added") and not result.get("updated"):
        raise Rejected(
            f"the import of people failed ({result.get('status') or 'no reason given'})",
            view.api.service,
            f"the server's log names the people and why. {_AGAIN}",
        )
    return result


def _by_id(view: View, realm: str, identifier: str) -> Row:
    return next(row for row in view.components(realm) if row["id"] == identifier)


def _test(found: Row) -> Row:
    return {
        "connectionUrl": settings_of(found, "connectionUrl"),
        "bindDn": settings_of(found, "bindDn"),
        "bindCredential": MASK,
        "componentId": found["id"],
        "authType": settings_of(found, "authType"),
        "useTruststoreSpi": settings_of(found, "useTruststoreSpi"),
        "startTls": settings_of(found, "startTls"),
    }
