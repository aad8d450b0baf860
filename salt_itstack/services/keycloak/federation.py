"""
LDAP federations: a directory whose people and groups a realm takes over.

A federation, its mappers and the group that its groups come below are one declared thing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from ...errors import Conflict, Invalid, Problem, nearest
from ...reconcile import Changes, body, diff, removal
from .administrators import keep_one
from .api import Row
from .directory import (
    MAPPERS,
    PROVIDER,
    create_once,
    find,
    has_people,
    mappers_of,
    prove_bind,
    prove_people,
    sync,
    try_stored,
)
from .freeipa import FIRST_NAME, FREEIPA, group_mapper
from .groups import apply_group, group_path
from .mappers import check_types
from .masked import Marks
from .plans import Plan, carry_out, looked_at_again
from .resources import FEDERATION, LDAP_MAPPER, MASK, settings_of, singles, text
from .view import View

Wanted = Mapping[str, Any]
#: What ties a person to the record that the realm has of them. Measured on 26.7.3: with another UUID
#: attribute nobody is imported or found any more, with another user-name attribute everybody is renamed.
IDENTITY = ("uuid_attribute", "username_attribute", "import_users")
#: What is remembered while people have to be imported.
DUE = "import"
_REMEDY = (
    "keep what is stored; or, where accounts of applications may be left without their people, say "
    "allow_identity_loss: true"
)


def federation_wanted(fields: Wanted) -> dict[str, Any]:
    """Declared fields of a federation over FreeIPA's, checked, as texts."""
    FEDERATION.check(fields)
    needed = [name for name in ("url", "bind_dn", "bind_credential", "users_dn") if not fields.get(name)]
    problems: list[Problem | str] = [
        Problem("", name, None, "is needed for an LDAP federation") for name in needed
    ]
    if fields.get("bind_credential") == MASK:
        problems.append(Problem("", "bind_credential", None, "is the mask that Keycloak shows"))
    for name in ("url",):
        if fields.get(name) and not str(fields[name]).startswith(("ldap://", "ldaps://")):
            problems.append(
                Problem("", name, fields[name], "isn't an LDAP address", "write ldaps://host:636")
            )
    problems += [
        Problem("", name, fields[name], "isn't a number of seconds", "write whole seconds, or -1 for never")
        for name in ("changed_sync_period", "full_sync_period")
        if name in fields and not _is_period(fields[name])
    ]
    if problems:
        raise Invalid(problems)
    return {**FREEIPA, **{name: text(value) or "" for name, value in fields.items()}}


def ldap_mappers_wanted(
    groups_dn: str | None, groups_path: str, drop_missing: bool, mappers: Wanted | None
) -> dict[str, dict[str, Any]]:
    """The mappers that we want: the first name's, the groups' if there are any, and the declared ones."""
    wanted: dict[str, Any] = {"first name": FIRST_NAME}
    if groups_dn:
        wanted["groups"] = group_mapper(groups_dn, groups_path, drop_missing)
    wanted.update(mappers or {})
    problems: list[Problem | str] = []
    for name, mapper in wanted.items():
        if not isinstance(mapper, Mapping) or not mapper.get("type"):
            problems.append(Problem("", f"mappers:{name}", None, "an LDAP mapper needs a type"))
            continue
        problems.extend(
            Problem("", f"mappers:{name}:{key}", None, "an LDAP mapper has no such field",
                    nearest(key, ("type", "config")))
            for key in set(mapper) - {"type", "config"}
        )  # fmt: skip
    if problems:
        raise Invalid(problems)
    return {
        name: {"type": mapper["type"], "config": singles(mapper.get("config"))}
        for name, mapper in wanted.items()
    }


class Federation:
    """
    One declared federation.

    fields
        By the names of :data:`FEDERATION`; ``url``, ``bind_dn``, ``bind_credential``, ``users_dn`` at least.
    groups_dn, groups_path, drop_missing_groups
        Where the directory's groups are, and the group of the realm that they come below.
    mappers
        More LDAP mappers by name, ``{type, config}``; others that the federation has stay.
    allow_identity_loss
        Whether people may be cut off from the records that the realm has of them.
    """

    def __init__(
        self,
        fields: Wanted,
        groups_dn: str | None = None,
        groups_path: str = "/directory",
        drop_missing_groups: bool = True,
        mappers: Wanted | None = None,
        allow_identity_loss: bool = False,
    ) -> None:
        if not isinstance(allow_identity_loss, bool):
            raise Invalid(
                Problem(
                    "", "allow_identity_loss", allow_identity_loss, "is neither true nor false", "write true"
                )
            )
        self.allow_identity_loss = allow_identity_loss
        self.fields = federation_wanted(fields)
        self.groups_path = group_path(groups_path) if groups_dn else ""
        self.mappers = ldap_mappers_wanted(groups_dn, self.groups_path, drop_missing_groups, mappers)

    def creation(self) -> Changes:
        """What creating it would change."""
        return self._changes(None, {}, ())

    def apply(
        self, view: View, realm: str, name: str, mark: str, marks: Marks, test: bool = False
    ) -> Changes:
        """
        Bring it to the declared shape, import the directory's people, and return what changed.

        mark, marks
            By what is remembered, and where, that people have to be imported: until that has been done.

        Raises :class:`Rejected` when the directory can't be reached from Keycloak, :class:`Denied` when it
        refuses the account, :class:`Invalid` when people would be cut off from their records; nothing is
        written then. :class:`Rejected` also where nothing differs and yet nobody of the directory is found.
        """
        return looked_at_again(self._apply)(view, realm, name, mark, marks, test)

    def _apply(self, view: View, realm: str, name: str, mark: str, marks: Marks, test: bool) -> Changes:
        found = find(view, realm, name)
        if found is not None and found["providerId"] != "ldap":
            raise Invalid(
                Problem(
                    "", "name", name, f"is a federation of the provider {found['providerId']}, not of ldap"
                ),
                remedy="give this one another name; to replace it, remove it first: its people go with it",
            )
        own = mappers_of(view, realm, found)
        if found is None and test:
            # The directory, or its account for us, may be made by this same run.
            return self._with_group(view, realm, self.creation())
        rewrite = self._prove(view, realm, found)
        changes = self._changes(found, own, rewrite)
        if found is not None and not self.allow_identity_loss:
            keep_identities(view, realm, found, changes)
        if any(key.startswith("mapper ") for key in changes):
            check_types(view, self.mappers, MAPPERS)
        changes = self._with_group(view, realm, changes)
        if found is not None and "people" not in changes and _imports(self.fields):
            if not changes:
                prove_people(view, realm, found["id"])
            if marks.known(mark, DUE):
                changes["people"] = {"old": "not imported after the last change", "new": "imported"}
        if "people" in changes and not test:
            marks.remember(mark, DUE)
        plan = self._plan(view, realm, name, found, changes, lambda: marks.forget(mark))
        return carry_out(view, realm, plan, test, "components", "groups")

    def _changes(self, found: Row | None, own: Mapping[str, Row], rewrite: tuple[str, ...]) -> Changes:
        changes = diff(FEDERATION, self.fields, found, rewrite)
        for name, mapper in self.mappers.items():
            old = own.get(name)
            differences = diff(LDAP_MAPPER, mapper, old)
            if differences:
                changes[f"mapper {name}"] = {
                    "old": {key: one["old"] for key, one in differences.items()} if old else None,
                    "new": {key: one["new"] for key, one in differences.items()},
                }
        if changes and _imports(self.fields):
            before = "never imported" if found is None else "imported before"
            changes["people"] = {"old": before, "new": "imported"}
        if found is None and self.groups_path:
            changes["groups_path"] = {"old": None, "new": self.groups_path}
        return changes

    def _with_group(self, view: View, realm: str, changes: Changes) -> Changes:
        # keycloak: refuses a group mapper whose groups.path isn't there.
        if not self.groups_path:
            return changes
        rest = {key: value for key, value in changes.items() if key != "groups_path"}
        if view.group(realm, self.groups_path) is not None:
            return rest
        return {**rest, "groups_path": {"old": None, "new": self.groups_path}}

    def _prove(self, view: View, realm: str, found: Row | None) -> tuple[str, ...]:
        """Use the credential. Returns the unreadable fields that have to be written again."""
        if not _is_on(self.fields.get("enabled")):
            return ()
        wanted = {name: self.fields.get(name, "") for name in ("url", "bind_dn")}
        stored = {
            "url": settings_of(found or {}, "connectionUrl"),
            "bind_dn": settings_of(found or {}, "bindDn"),
        }
        if found is not None and stored == wanted and not try_stored(view, realm, found):
            return ()
        prove_bind(view, realm, self.fields)
        return ("bind_credential",) if found is not None else ()

    def _plan(
        self,
        view: View,
        realm: str,
        name: str,
        found: Row | None,
        changes: Changes,
        imported: Callable[[], None],
    ) -> Plan:
        """A step for each object that is written, so that a failure tells what was."""
        plan = Plan(name)
        # By its id: for a moment another run may have made one of that name.
        own: Row = {"id": found["id"]} if found is not None else {}

        def part(*keys: str) -> Changes:
            return {key: changes[key] for key in keys if key in changes}

        plan.add(part("groups_path"), lambda: apply_group(view, realm, self.groups_path, {}))
        plan.add(
            part(*self.fields),
            lambda: own.update(id=self._write_fields(view, realm, name, found, changes)),
        )
        for each in self.mappers:
            plan.add(part(f"mapper {each}"), partial(self._write_mapper_once, view, realm, own, each))

        def take_over() -> None:
            sync(view, realm, own["id"], full=True)
            imported()

        plan.add(part("people"), take_over)
        return plan

    def _write_fields(self, view: View, realm: str, name: str, found: Row | None, changes: Changes) -> str:
        if found is None:
            place = {
                "name": name,
                "providerType": PROVIDER,
                "providerId": "ldap",
                "parentId": _id(view, realm),
            }
            sent = body(FEDERATION, {key: [value] for key, value in self.fields.items() if value != ""})
            return create_once(view, realm, {**place, **sent})
        # An empty list deletes a setting.
        mine = [field for field in self.fields if field in changes]
        values = {key: [self.fields[key]] if self.fields[key] != "" else [] for key in mine}
        place = {key: found[key] for key in ("id", "name", "providerType", "providerId", "parentId")}
        view.api.update_component(realm, found["id"], {**place, **body(FEDERATION, values)})
        return str(found["id"])

    def _write_mapper_once(self, view: View, realm: str, parent: Row, each: str) -> None:
        try:
            self._write_mapper(view, realm, parent, each)
        except Conflict:
            view.changed(realm, "components")
            self._write_mapper(view, realm, parent, each)

    def _write_mapper(self, view: View, realm: str, parent: Row, each: str) -> None:
        mapper = self.mappers[each]
        # keycloak: makes six mappers of its own with a federation.
        old = mappers_of(view, realm, parent).get(each)
        config = {key: [] if value is None else [value] for key, value in mapper["config"].items()}
        sent = {
            "name": each,
            "providerType": MAPPERS,
            "providerId": mapper["type"],
            "parentId": parent["id"],
        }
        if old is not None and old["providerId"] != mapper["type"]:
            view.api.delete_component(realm, old["id"])
            old = None
        if old is None:
            create_once(view, realm, {**sent, "config": config})
        else:
            view.api.update_component(realm, old["id"], {**sent, "id": old["id"], "config": config})


def keep_identities(view: View, realm: str, found: Row, changes: Changes) -> None:
    """Raise :class:`Invalid` if changes of a federation would cut people off from their records."""
    risky = [name for name in IDENTITY if name in changes]
    if not risky or not has_people(view, realm, found["id"]):
        return
    raise Invalid(
        [
            Problem(
                "", name, changes[name]["new"],
                f"in the place of {changes[name]['old']} cuts people off from their records",
            )
            for name in risky
        ],
        remedy=_REMEDY,
    )  # fmt: skip


def remove(view: View, realm: str, name: str, test: bool = False) -> Changes:
    """Delete a federation, with its mappers and the people it imported; groups stay."""
    found = find(view, realm, name)
    if found is None:
        return {}
    identifier = found["id"]
    keep_one(view, realm, lambda kind, row: kind == "users" and row.get("federationLink") == identifier, name)
    if not test:
        view.api.delete_component(realm, identifier)
        view.changed(realm, "components")
    return removal(name)


def _id(view: View, realm: str) -> str:
    found = view.realm(realm)
    assert found is not None
    return str(found["id"])


def _is_on(value: Any) -> bool:
    return text(value) != "false"


def _is_period(value: Any) -> bool:
    shown = text(value) or ""
    return shown == "-1" or (shown.isascii() and shown.isdecimal() and int(shown) > 0)


def _imports(fields: Mapping[str, Any]) -> bool:
    # keycloak: without import, or switched off, a sync answers `ignored`.
    return _is_on(fields.get("import_users")) and _is_on(fields.get("enabled"))
