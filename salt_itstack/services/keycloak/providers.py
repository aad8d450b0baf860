"""Identity providers: other places where people of a realm may log in, and what is taken over from there."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

from ...errors import Invalid, Problem, nearest
from ...reconcile import Changes, body, diff, removal
from .api import Row
from .flows import DEFAULTS, flows
from .masked import Marks, settings_changes, settings_sent, settings_wanted, settings_written
from .plans import Plan, carry_out, looked_at_again
from .resources_login import IDENTITY_MAPPER, IDENTITY_PROVIDER
from .view import View

Wanted = Mapping[str, Any]

SECRET = "clientSecret"
_SWITCHES = ("enabled", "trust_email", "store_token", "add_read_token_role", "link_only", "hide_on_login")
_FLOWS = ("first_broker_login_flow", "post_broker_login_flow")
#: What people are sent to, and can't be without: as the admin console demands it, the API demands nothing.
_NEEDED = {
    "oidc": ("clientId", "authorizationUrl", "tokenUrl"),
    "keycloak-oidc": ("clientId", "authorizationUrl", "tokenUrl"),
    "saml": ("singleSignOnServiceUrl",),
}


def provider_wanted(
    name: str, fields: Wanted, config: Any, mappers: Any, hidden: Collection[str] = ()
) -> dict[str, Any]:
    """
    What was declared of an identity provider, checked: ``fields``, ``config``, ``mappers``, ``hidden``.

    hidden
        Settings whose values nobody may read in a report, besides the client's secret.
    """
    IDENTITY_PROVIDER.check(fields)
    problems: list[Problem | str] = [
        Problem("", key, fields[key], "is neither true nor false", "write true or false")
        for key in _SWITCHES
        if key in fields and not isinstance(fields[key], bool)
    ]
    if not fields.get("type"):
        problems.append(Problem("", "type", None, "is needed", "such as oidc, saml or github"))
    if not name or any(letter.isspace() or letter in "/?#" for letter in name):
        problems.append(
            Problem("", "name", name, "can't be part of an address", "write it without blanks and slashes")
        )
    if not isinstance(mappers or {}, Mapping):
        problems.append(Problem("", "mappers", mappers, "must be a map from names to {type, config}"))
        mappers = {}
    own = {}
    for each, mapper in (mappers or {}).items():
        place = f"mappers:{each}"
        if not isinstance(mapper, Mapping) or not mapper.get("type"):
            problems.append(
                Problem("", place, None, "a mapper needs a type", "such as oidc-user-attribute-idp-mapper")
            )
            continue
        problems += [
            Problem(
                "", f"{place}:{key}", None, "a mapper has no such field", nearest(key, ("type", "config"))
            )
            for key in mapper
            if key not in ("type", "config")
        ]
        own[each] = {
            "type": mapper["type"],
            "config": settings_wanted(mapper.get("config"), f"{place}:config"),
        }
    if problems:
        raise Invalid(problems)
    return {
        "fields": dict(fields),
        "config": settings_wanted(config),
        "mappers": own,
        "hidden": {SECRET, *hidden},
    }


def provider_creation(wanted: Wanted) -> Changes:
    """What making an identity provider would change."""
    _check_needed(wanted)
    return _changes(wanted, None, {}, False, "", None)


@looked_at_again
def apply_provider(
    view: View,
    realm: str,
    name: str,
    wanted: Wanted,
    mark: str,
    marks: Marks,
    exclusive: bool = False,
    test: bool = False,
) -> Changes:
    """
    Bring an identity provider and its mappers to the declared shape; returns what changed or would change.

    mark
        What its secret is remembered by, together with the provider's own id.
    exclusive
        Remove mappers that aren't declared.
    """
    found = found_providers(view, realm).get(name)
    kind = wanted["fields"]["type"]
    if found is not None and found["providerId"] != kind:
        # keycloak: answers 204, and leaves it as it is.
        raise Invalid(
            Problem("", "type", kind, f"{name} is of the type {found['providerId']}, which can't be changed",
                    "give this one another name; to replace it, remove it first: people's links go with it")
        )  # fmt: skip
    mine = f"{mark}/{found['internalId']}" if found else ""
    old = found_mappers(view, realm, name) if found is not None and (wanted["mappers"] or exclusive) else {}
    changes = _changes(wanted, found, old, exclusive, mine, marks)
    if changes:
        if found is None:
            _check_needed(wanted)
        _check_names(view, realm, wanted, found, changes)
    plan = Plan(name)
    own = {key: change for key, change in changes.items() if not key.startswith("mapper ")}
    plan.add(own, lambda: _write(view, realm, name, wanted, found, own, mark, marks))
    for key in changes:
        if key not in own:
            each = key.removeprefix("mapper ")
            plan.add(
                {key: changes[key]}, partial(_write_mapper, view, realm, name, each, wanted, old.get(each))
            )
    if found is not None and not own and not test:
        settings_written(wanted["config"], found.get("config") or {}, own, mine, marks)
    return carry_out(view, realm, plan, test, "providers", _mappers_slot(name))


def remove_provider(
    view: View, realm: str, name: str, mark: str, marks: Marks, test: bool = False
) -> Changes:
    """Delete an identity provider; nothing if it isn't there."""
    found = found_providers(view, realm).get(name)
    if found is None:
        return {}
    if not test:
        view.api.delete_identity_provider(realm, name)
        view.changed(realm, "providers", _mappers_slot(name))
        marks.forget(f"{mark}/{found['internalId']}/{SECRET}")
    return removal(name)


def found_providers(view: View, realm: str) -> dict[str, Row]:
    """A realm's identity providers by their alias."""
    rows = view.listed(realm, "providers", lambda: view.api.identity_providers(realm), [])
    return {row["alias"]: row for row in rows}


def _mappers_slot(name: str) -> str:
    return f"mappers of {name}"


def found_mappers(view: View, realm: str, name: str) -> dict[str, Row]:
    """An identity provider's mappers by their name."""
    rows = view.listed(realm, _mappers_slot(name), lambda: view.api.identity_mappers(realm, name), [])
    return {row["name"]: row for row in rows}


def _changes(
    wanted: Wanted, found: Row | None, old: Mapping[str, Row], exclusive: bool, mark: str, marks: Marks | None
) -> Changes:
    changes = diff(IDENTITY_PROVIDER, wanted["fields"], found)
    stored = (found or {}).get("config") or {}
    changes.update(settings_changes(wanted["config"], stored, wanted["hidden"], mark, marks))
    for name, mapper in wanted["mappers"].items():
        differences = diff(IDENTITY_MAPPER, mapper, old.get(name))
        if differences:
            changes[f"mapper {name}"] = {
                "old": {key: one["old"] for key, one in differences.items()} if name in old else None,
                "new": {key: one["new"] for key, one in differences.items()},
            }
    if exclusive:
        for name in sorted(set(old) - set(wanted["mappers"])):
            changes[f"mapper {name}"] = {"old": old[name]["identityProviderMapper"], "new": None}
    return changes


def _check_needed(wanted: Wanted) -> None:
    kind = wanted["fields"]["type"]
    lacking = [key for key in _NEEDED.get(kind, ()) if not wanted["config"].get(key)]
    if lacking:
        raise Invalid(
            Problem("", f"config:{', '.join(lacking)}", None, f"is needed for a provider of the type {kind}",
                    "the other place's documentation, or its metadata, says it")
        )  # fmt: skip


def _check_names(view: View, realm: str, wanted: Wanted, found: Row | None, changes: Changes) -> None:
    """Refuse a type, a mapper or a flow that this server doesn't have, before anything is sent."""
    info = view.server_info()
    problems: list[Problem | str] = []
    kinds = [row["id"] for row in info.get("identityProviders") or []]
    kind = wanted["fields"]["type"]
    # An account of another realm than master may not see what the server has.
    if found is None and kinds and kind not in kinds:
        problems.append(Problem("", "type", kind, "the server has no such provider", nearest(kind, kinds)))
    changed = [name for name in wanted["mappers"] if f"mapper {name}" in changes]
    types = _mapper_types(view, realm, info, found) if changed else []
    problems += [
        Problem("", f"mappers:{name}:type", wanted["mappers"][name]["type"],
                f"a provider of the type {kind} has no such mapper",
                nearest(wanted["mappers"][name]["type"], types))
        for name in changed
        if types and wanted["mappers"][name]["type"] not in types
    ]  # fmt: skip
    known = [*flows(view, realm), *(DEFAULTS.values() if view.planned_realm(realm) else ())]
    problems += [
        Problem("", field, wanted["fields"][field], f"the realm {realm} has no such flow",
                nearest(wanted["fields"][field], known))
        for field in _FLOWS
        if field in changes
        and wanted["fields"][field]
        and wanted["fields"][field] not in known
        and not view.planned(realm, "flow", wanted["fields"][field])
    ]  # fmt: skip
    if problems:
        raise Invalid(problems)


def _mapper_types(view: View, realm: str, info: Row, found: Row | None) -> list[str]:
    if found is not None:
        return list(view.api.identity_mapper_types(realm, found["alias"]))
    # Which of them suit a provider is only told of one that is there.
    return list(((info.get("providers") or {}).get("identity-provider-mapper") or {}).get("providers") or {})


def _write(
    view: View,
    realm: str,
    name: str,
    wanted: Wanted,
    found: Row | None,
    changes: Changes,
    mark: str,
    marks: Marks,
) -> None:
    fields = {key: value for key, value in wanted["fields"].items() if key in changes}
    config = settings_sent(wanted["config"], (found or {}).get("config") or {}, changes)
    if found is None:
        sent = {"alias": name, **body(IDENTITY_PROVIDER, wanted["fields"]), "config": config}
        view.api.create_identity_provider(realm, sent)
    else:
        # Replaced as a whole, so all that was read goes along; the types are the server's own.
        rest = {key: value for key, value in found.items() if key != "types"}
        sent = {**rest, **body(IDENTITY_PROVIDER, fields), "config": config}
        view.api.update_identity_provider(realm, name, sent)
    view.changed(realm, "providers")
    after = found_providers(view, realm)[name]
    settings_written(
        wanted["config"], after.get("config") or {}, changes, f"{mark}/{after['internalId']}", marks
    )


def _write_mapper(view: View, realm: str, name: str, each: str, wanted: Wanted, before: Row | None) -> None:
    mapper = wanted["mappers"].get(each)
    if before is not None and (mapper is None or before["identityProviderMapper"] != mapper["type"]):
        # Another type is another mapper, with a configuration of its own.
        view.api.delete_identity_mapper(realm, name, before["id"])
        before = None
    if mapper is None:
        return
    config = {**((before or {}).get("config") or {}), **mapper["config"]}
    sent = {
        "name": each,
        "identityProviderAlias": name,
        "identityProviderMapper": mapper["type"],
        "config": {key: value for key, value in config.items() if value is not None},
    }
    if before is None:
        view.api.create_identity_mapper(realm, name, sent)
    else:
        view.api.update_identity_mapper(realm, name, before["id"], {"id": before["id"], **sent})
