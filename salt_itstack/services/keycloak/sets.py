"""The kinds of which many can be declared in one state: clients, client scopes, roles, groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import clients, groups, roles, scopes
from .plans import Set
from .view import View


def client_set(view: View, realm: str) -> Set:
    """Clients, by their ``clientId``."""
    return Set(
        kind="client",
        lists=clients.LISTS,
        found=lambda: view.clients(realm),
        plan=lambda name, fields: clients.client_plan(view, realm, name, fields),
        remove=lambda name: clients.remove_client_plan(view, realm, name),
        kept=lambda name: clients.is_built_in(name, realm) or clients.is_own_account(view, realm, name),
    )


def scope_set(view: View, realm: str) -> Set:
    """Client scopes, by name."""
    return Set(
        kind="client scope",
        lists=scopes.LISTS,
        found=lambda: view.scopes(realm),
        plan=lambda name, fields: scopes.scope_plan(view, realm, name, fields),
        remove=lambda name: scopes.remove_scope_plan(view, realm, name),
        kept=lambda name: name in scopes.BUILT_IN,
    )


def role_set(view: View, realm: str, client: str = "") -> Set:
    """Realm roles, or those of a client, by name; one that brings along others comes after them."""
    return Set(
        kind="role",
        lists=[f"roles of {client}" if client else "roles"],
        found=lambda: view.client_roles(realm, client) if client else view.roles(realm),
        plan=lambda name, fields: roles.role_plan(view, realm, name, fields, client),
        remove=lambda name: roles.remove_role_plan(view, realm, name, client),
        kept=lambda name: not client and roles.is_built_in(realm, name),
        order=True,
    )


def group_set(view: View, realm: str, wanted: Mapping[str, Any]) -> tuple[Set, Mapping[str, Any]]:
    """
    Groups, by their paths, and the declared ones in the order that they can be made in.

    What a federation has imported isn't removed, nor a group that has a declared one below it.
    """
    if isinstance(wanted, Mapping):
        wanted = {groups.group_path(str(path)): fields for path, fields in wanted.items()}
        wanted = {path: wanted[path] for path in sorted(wanted, key=lambda path: path.count("/"))}
    paths = list(wanted) if isinstance(wanted, Mapping) else []
    made: dict[str, str] = {}

    def kept(path: str) -> bool:
        federated = [one for one in groups.federated_paths(view, realm) if one != "/"]
        return (
            path in paths
            or any(one.startswith(f"{path}/") for one in (*paths, *federated))
            or any(path == one or path.startswith(f"{one}/") for one in federated)
            # It goes with the one above it.
            or (path.rpartition("/")[0] not in ("", *paths) and not kept(path.rpartition("/")[0]))
        )

    kind = Set(
        kind="group",
        lists=("groups",),
        found=lambda: view.all_groups(realm),
        plan=lambda path, fields: groups.group_plan(view, realm, path, fields, made, paths),
        remove=lambda path: groups.remove_group_plan(view, realm, path),
        kept=kept,
        order=True,
    )
    return kind, wanted
