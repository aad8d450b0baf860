"""Protocol mappers: what puts claims into tokens, on a client or on a client scope."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from ...errors import Invalid, Problem, nearest
from ...reconcile import Changes, diff
from .api import Row
from .plans import Plan, carry_out, looked_at_again
from .resources import MAPPER, attributes
from .view import View

OPENID = "openid-connect"
#: The two that the server couples on creation and nowhere else: a mapper without the second gets it as a copy
#: of the first on POST of a client. Both are always sent, so that no second run finds a difference.
IN_ID_TOKEN, IN_USERINFO = "id.token.claim", "userinfo.token.claim"


def mappers_wanted(mappers: Mapping[str, Any] | None, protocol: str = OPENID) -> dict[str, dict[str, Any]]:
    """
    Declared mappers by name, each ``{type, protocol, config}``, with values as the server keeps them.

    Raises :class:`Invalid` with everything that is wrong in them.
    """
    problems: list[Problem | str] = []
    wanted: dict[str, dict[str, Any]] = {}
    for name, given in (mappers or {}).items():
        place = f"mappers:{name}"
        if not isinstance(given, Mapping) or not given.get("type"):
            problems.append(
                Problem("", place, None, "a mapper needs a type", "such as oidc-group-membership-mapper")
            )
            continue
        unknown = sorted(set(given) - {"type", "config"})
        problems.extend(
            Problem(
                "", f"{place}:{key}", None, "a mapper has no such field", nearest(key, ["type", "config"])
            )
            for key in unknown
        )
        config = given.get("config") or {}
        problems.extend(
            Problem("", f"{place}:config:{key}", value, "must be a single text, number or boolean")
            for key, value in config.items()
            if isinstance(value, (list, tuple, dict))
        )
        if not problems:
            wanted[name] = {"type": given["type"], "protocol": protocol, "config": _coupled(config)}
    if problems:
        raise Invalid(problems)
    return wanted


def mapper_changes(
    wanted: Mapping[str, Mapping[str, Any]], found: Mapping[str, Row], exclusive: bool
) -> Changes:
    """What has to change for an owner's mappers, one entry ``mapper NAME`` for each that differs."""
    changes: Changes = {}
    for name, mapper in wanted.items():
        differences = diff(MAPPER, mapper, found.get(name))
        if differences:
            changes[f"mapper {name}"] = {
                side: {field: one[side] for field, one in differences.items()}
                if _has(side, found, name)
                else None
                for side in ("old", "new")
            }
    if exclusive:
        for name in sorted(set(found) - set(wanted)):
            changes[f"mapper {name}"] = {"old": found[name].get("protocolMapper"), "new": None}
    return changes


def check_types(view: View, wanted: Mapping[str, Mapping[str, Any]], kind: str) -> None:
    """
    Refuse mappers whose type this server doesn't have, before anything is sent.

    kind
        ``openid-connect``, ``saml``, or the class of component that LDAP mappers are.

    The server is asked, because types come with its version and with installed providers.
    """
    info = view.server_info()
    rows = (info.get("protocolMapperTypes") or {}).get(kind) or (info.get("componentTypes") or {}).get(kind)
    if not rows:
        # An account of another realm than master may not see them.
        return
    known = {row["id"]: {one["name"] for one in row.get("properties") or []} for row in rows}
    problems = []
    for name, mapper in wanted.items():
        if mapper["type"] not in known:
            problems.append(
                Problem(
                    "", f"mappers:{name}:type", mapper["type"], "the server has no such mapper",
                    nearest(mapper["type"], sorted(known)),
                )
            )  # fmt: skip
        elif kind not in ("openid-connect", "saml"):
            # keycloak: keys that a component's provider doesn't know are dropped without a word.
            problems.extend(
                Problem(
                    "", f"mappers:{name}:config:{key}", None, f"{mapper['type']} has no such setting", near
                )
                for key, near in (
                    (key, nearest(key, sorted(known[mapper["type"]]))) for key in mapper.get("config") or {}
                )
                if key not in known[mapper["type"]]
            )
    if problems:
        raise Invalid(problems)


def mapper_steps(
    view: View,
    realm: str,
    owner: tuple[str, str],
    wanted: Mapping[str, Mapping[str, Any]],
    found: Mapping[str, Row],
    changes: Changes,
) -> list[tuple[Changes, Callable[[], Any]]]:
    """What writes the mappers that ``changes`` names, one step each; the others aren't touched."""
    return [
        ({entry: change}, functools.partial(_write, view, realm, owner, wanted, found, entry))
        for entry, change in changes.items()
    ]


@looked_at_again
def apply_mapper(
    view: View,
    realm: str,
    owner: tuple[str | None, str | None],
    name: str,
    wanted: Mapping[str, Any] | None,
    test: bool = False,
) -> Changes:
    """
    Bring one mapper to the declared shape, or remove it; its owner's others are left alone.

    owner
        The client, or the client scope.
    wanted
        ``{type, config}``, or ``None``.

    Raises :class:`Invalid` unless one owner is named that is there.
    """
    client, scope = owner
    if bool(client) == bool(scope):
        raise Invalid(
            Problem("", "client, client_scope", None, "a mapper has one owner", "name one of the two")
        )
    field, kind, owner_name = (
        ("client", "clients", client) if client else ("client_scope", "client-scopes", scope)
    )
    rows = view.clients(realm) if client else view.scopes(realm)
    found = rows.get(str(owner_name))
    if found is None and wanted is None:
        return {}
    planned = view.planned(realm, "client" if client else "scope", str(owner_name))
    if found is None and not planned and not view.planned_realm(realm):
        raise Invalid(
            Problem("", field, owner_name, f"the realm {realm} has no such {field.replace('_', ' ')}",
                    nearest(owner_name, rows))
        )  # fmt: skip
    protocol = (found or {}).get("protocol") or OPENID
    own = mappers_wanted({name: wanted} if wanted else None, protocol)
    has = {key: row for key, row in by_name(found).items() if key == name}
    changes = mapper_changes(own, has, wanted is None)
    if own and changes:
        check_types(view, own, protocol)
    plan = Plan(name)
    if found is not None:
        for change, write in mapper_steps(view, realm, (kind, found["id"]), own, has, changes):
            plan.add(change, write)
    else:
        plan.add(changes, lambda: None)
    return carry_out(view, realm, plan, test, "scopes", client=client or "")


def _write(
    view: View,
    realm: str,
    owner: tuple[str, str],
    wanted: Mapping[str, Mapping[str, Any]],
    found: Mapping[str, Row],
    entry: str,
) -> None:
    name = entry.removeprefix("mapper ")
    old = found.get(name)
    if name not in wanted:
        view.api.delete_mapper(realm, owner, found[name]["id"])
    elif old is None:
        view.api.create_mapper(realm, owner, representation(name, wanted[name]))
    elif old.get("protocolMapper") != wanted[name]["type"]:
        # Another type is another mapper, with a configuration of its own.
        view.api.delete_mapper(realm, owner, old["id"])
        view.api.create_mapper(realm, owner, representation(name, wanted[name]))
    else:
        view.api.update_mapper(realm, owner, old["id"], representation(name, wanted[name], old))


def representation(name: str, mapper: Mapping[str, Any], old: Row | None = None) -> Row:
    """A mapper as the server takes it; what isn't declared of an old one stays."""
    config = {**((old or {}).get("config") or {}), **mapper["config"]}
    return {
        **({"id": old["id"]} if old else {}),
        "name": name,
        "protocol": mapper["protocol"],
        "protocolMapper": mapper["type"],
        "config": {key: value for key, value in config.items() if value is not None},
    }


def by_name(row: Row | None) -> dict[str, Row]:
    """An owner's mappers by name."""
    return {one["name"]: one for one in (row or {}).get("protocolMappers") or []}


def _coupled(config: Mapping[str, Any]) -> dict[str, Any]:
    result = attributes(config)
    if IN_ID_TOKEN in result or IN_USERINFO in result:
        result.setdefault(IN_ID_TOKEN, "false")
        result.setdefault(IN_USERINFO, result[IN_ID_TOKEN])
    return result


def _has(side: str, found: Mapping[str, Row], name: str) -> bool:
    return side == "new" or name in found
