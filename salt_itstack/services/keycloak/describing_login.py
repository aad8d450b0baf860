"""How people of an existing realm log in, as what the states for that take."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ...errors import Denied, Missing
from ...reconcile import Resource
from . import actions, flows, profiles, providers
from .api import Row
from .flows import Node
from .resources import MASK
from .resources_login import BINDINGS, IDENTITY_PROVIDER, PROFILE_ATTRIBUTE, PROFILE_GROUP, REQUIRED_ACTION
from .view import View

#: The function of a state, the name that it is given, and its other arguments.
Entry = tuple[str, str, dict[str, Any]]
#: Whether something in a flow is a part, what it is called, and the part that it is in.
Place = tuple[bool, str, str]

#: What a new realm's profile has, in the order in which people see it.
_PROFILE = {
    "groups": (PROFILE_GROUP, ("user-metadata",)),
    "attributes": (PROFILE_ATTRIBUTE, ("username", "email", "firstName", "lastName")),
}
#: What the server says of an identity provider beside our fields, and means nothing to another realm.
_OF_PROVIDER = frozenset({"alias", "internalId", "config", "types", "updateProfileFirstLoginMode"})


def user_profile(view: View, realm: str, lost: list[str]) -> Iterator[Entry]:
    """The user profile, each definition as a whole."""
    found = profiles.found_profile(view, realm)
    fields: dict[str, Any] = {}
    for kind, (resource, usual) in _PROFILE.items():
        rows = {row["name"]: row for row in found.get(kind) or []}
        # As it would be in a realm that is made by it: what each has stays where it is.
        order = [*(name for name in usual if name in rows), *(name for name in rows if name not in usual)]
        if order != list(rows):
            lost.append(f"the order of the user profile's {kind}, {', '.join(rows)}: new ones come last")
        if not set(usual) <= set(rows):
            fields["exclusive"] = True
        lost += [
            f"{', '.join(sorted(unknown))} of the user profile's {name}"
            for name, row in rows.items()
            if (unknown := _more(row, resource, {"name"}))
        ]
        fields[kind] = {name: _definition(resource, rows[name]) for name in order}
    fields["unmanaged_attribute_policy"] = found.get("unmanagedAttributePolicy") or profiles.POLICIES[0]
    yield "user_profile_present", realm, fields


def required_actions(view: View, realm: str) -> Iterator[Entry]:
    """The required actions that are registered, and those that aren't and could be."""
    for name, row in sorted(actions.registered(view, realm).items()):
        fields = {key: spec.read(row) for key, spec in REQUIRED_ACTION.fields.items() if key != "config"}
        config = _filled(row.get("config"))
        yield "required_action_present", name, {**fields, **({"config": config} if config else {})}
    for row in sorted(view.api.unregistered_actions(realm), key=lambda one: one["providerId"]):
        yield "required_action_absent", row["providerId"], {}


def copied_flows(view: View, realm: str, secrets: bool, lost: list[str]) -> Iterator[Entry]:
    """
    The flows that aren't built in, with all that is in them.

    Nothing says what a flow was once copied from, so it is described as a copy of the built-in flow that it
    has the most in common with.
    """
    known = flows.flows(view, realm)
    lost += _changed_built_ins(view, realm)
    for name, row in sorted(known.items()):
        if row["builtIn"]:
            continue
        nodes = flows.nodes_of(view, realm, name, name)
        origins = {
            alias: {_place(node): node for node in flows.nodes_of(view, realm, alias, "")}
            for alias, one in sorted(known.items())
            if one["builtIn"] and one["providerId"] == row["providerId"]
        }
        alias = max(origins, key=lambda one: _likeness(nodes, origins[one]), default="")
        reason = _obstacle(row, nodes, origins.get(alias))
        if reason:
            lost.append(
                f"the authentication flow {name}: {reason}; make it by hand before these states use it"
            )
            continue
        executions = [
            _execution(view, realm, name, node, origins[alias].get(_place(node)), secrets, lost)
            for node in nodes
        ]
        fields = {"copy_of": alias, "description": row.get("description") or ""}
        yield "flow_copy_present", name, {**fields, "exclusive": True, "executions": executions}


def flow_bindings(view: View, realm: str, found: Row) -> Iterator[Entry]:
    """What the realm uses in place of the built-in flows."""
    bound = {name: spec.read(found) for name, spec in BINDINGS.fields.items()}
    others = {
        name: alias
        for name, alias in bound.items()
        if alias and alias != flows.DEFAULTS[BINDINGS.fields[name].keys[0]]
    }
    if others:
        yield "flow_bindings_present", realm, others


def identity_providers(view: View, realm: str, secrets: bool, lost: list[str]) -> Iterator[Entry]:
    """The identity providers with their mappers."""
    try:
        found = providers.found_providers(view, realm)
    except Denied:
        lost.append("identity providers: the account of the profile may not see them")
        return
    for name, row in sorted(found.items()):
        fields = {key: spec.read(row) for key, spec in IDENTITY_PROVIDER.fields.items()}
        fields = {key: value for key, value in fields.items() if value not in (None, "")}
        fields["config"] = _settings(
            row.get("config"), f"keycloak-{realm}-provider-{name}", secrets, providers.SECRET
        )
        mappers = {
            each: {
                "type": mapper["identityProviderMapper"],
                "config": _filled(mapper.get("config")),
            }
            for each, mapper in sorted(providers.found_mappers(view, realm, name).items())
        }
        if mappers:
            fields["mappers"] = mappers
        unknown = _more(row, IDENTITY_PROVIDER, _OF_PROVIDER)
        if unknown:
            lost.append(f"{', '.join(sorted(unknown))} of the identity provider {name}")
        yield "identity_provider_present", name, fields


def _forms(nodes: list[Node]) -> set[Place]:
    """
    The parts that can't be added to a flow: forms, and those of client flows.

    What can be added are parts that may depend on conditions.
    """
    return {
        _place(node) for node in nodes if node.is_flow and "CONDITIONAL" not in node.row["requirementChoices"]
    }


def _likeness(nodes: list[Node], origin: Collection[Place]) -> tuple[int, int, int]:
    common = {_place(node) for node in nodes} & set(origin)
    return len(_forms(nodes) & common), len(common), -len(origin)


def _obstacle(row: Row, nodes: list[Node], origin: Collection[Place] | None) -> str:
    """Why a flow can't be made as a copy of another one, or an empty text."""
    places = [_place(node) for node in nodes]
    twice = sorted({node.label for node in nodes if places.count(_place(node)) > 1})
    if not nodes:
        return "there is nothing in it"
    if origin is None:
        return f"no built-in flow is a {row['providerId']}"
    if twice:
        return f"{', '.join(twice)} is twice in one part"
    if not _forms(nodes) <= set(origin):
        return "it has a form, or a part of clients' logins, that no built-in flow has"
    return ""


def _execution(
    view: View, realm: str, flow: str, node: Node, origin: Node | None, secrets: bool, lost: list[str]
) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "flow" if node.is_flow else "provider": node.label,
        "in": node.parent,
        "requirement": node.row["requirement"],
    }
    if "priority" in node.row:
        entry["priority"] = node.row["priority"]
    if node.is_flow:
        entry["description"] = node.row.get("description") or ""
        return entry
    stored = flows.config_of(view, realm, node)
    copied = flows.config_of(view, realm, origin) if origin else {}
    config, usual = _filled(stored.get("config")), _filled(copied.get("config"))
    if not config and not usual:
        return entry
    settings = flows.settings_known(view, realm, node.label)
    unknown = sorted(set(config) - set(settings))
    if unknown:
        lost.append(
            f"{', '.join(unknown)} of {node.label} in the authentication flow {flow}: "
            "the server itself names no such setting"
        )
    known = {key: value for key, value in config.items() if key not in unknown}
    hidden = [key for key, secret in settings.items() if secret]
    described = {
        # Not all servers mask the secrets among them.
        **_settings(known, f"keycloak-{realm}-flow-{flow}-{node.label}", secrets, hidden=hidden),
        # A copy would have them.
        **{key: "" for key in usual if key not in config},
    }
    if described:
        entry["config"] = described
    if described and not copied and stored.get("alias") != f"{flow} {node.label}":
        entry["config_alias"] = stored.get("alias")
    return entry


def _changed_built_ins(view: View, realm: str) -> Iterator[str]:
    """
    What somebody changed of the built-in flows, which states never do.

    The server doesn't say what they were made like: those of the realm master are taken for it.
    """
    if realm == "master":
        return
    try:
        origins = flows.flows(view, "master")
    except (Denied, Missing):
        return
    for alias, row in sorted(flows.flows(view, realm).items()):
        if not row["builtIn"] or alias not in origins:
            continue
        usual = _told(view, "master", alias)
        # Master itself lacks the parts for organizations.
        differ = [
            place[1] for place, told in _told(view, realm, alias).items() if usual.get(place, told) != told
        ]
        if differ:
            yield (
                f"{', '.join(differ)} of the built-in authentication flow {alias} isn't as in the realm "
                "master; states change copies only"
            )


def _told(view: View, realm: str, alias: str) -> dict[Place, Any]:
    told = {}
    for node in flows.nodes_of(view, realm, alias, ""):
        config = _filled(flows.config_of(view, realm, node).get("config"))
        told[_place(node)] = (node.row["requirement"], node.row.get("priority"), config)
    return told


def _place(node: Node) -> Place:
    return node.is_flow, node.label, node.parent


def _settings(
    config: Any, reference: str, secrets: bool, usual: str = "", hidden: Collection[str] = ()
) -> dict[str, Any]:
    """
    Settings with references in the place of the secrets.

    usual
        The secret whose name is the reference alone.
    hidden
        Settings that hold secrets, besides those that are masked.
    """
    result = {}
    for key, value in _filled(config).items():
        if value == MASK or key in hidden:
            if not secrets:
                continue
            name = reference if key == usual else f"{reference}-{key}"
            value = "secret://" + re.sub(r"[^\w.-]+", "-", name)
        result[key] = value
    return result


def _filled(config: Any) -> dict[str, Any]:
    return {key: value for key, value in sorted((config or {}).items()) if value}


def _definition(resource: Resource, row: Row) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, spec in resource.fields.items():
        value = spec.compare(spec.read(row))
        if value is None or value is False:
            continue
        if name == "required":
            result[name] = value or True
        elif name in ("permissions", "selector"):
            result[name] = value
        else:
            result[name] = _sorted(spec.read(row))
    return result


def _sorted(value: Any) -> Any:
    return (
        {key: _sorted(item) for key, item in sorted(value.items())} if isinstance(value, Mapping) else value
    )


def _more(row: Row, resource: Resource, known: set[str] | frozenset[str]) -> list[str]:
    """What an object has that no field stands for."""
    mine = {spec.keys[0] for spec in resource.fields.values()} | known
    return [key for key, value in row.items() if value and key not in mine]
