"""An existing realm as states: how people with a grown one start."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ...errors import Missing
from ...reconcile import Resource
from . import clients, describing_login, grants, roles, scopes
from .api import Row
from .directory import MAPPERS, PROVIDER
from .groups import federated_paths
from .mappers import IN_ID_TOKEN, IN_USERINFO, by_name
from .resources import (
    CLIENT,
    CLIENT_SCOPE,
    FEDERATION,
    GROUP,
    PRIVATE_KEYS,
    REALM,
    ROLE,
    SERVICE_ACCOUNT_SCOPE,
    joined,
    singles,
)
from .view import View

States = dict[str, Any]

#: In the order in which they need each other. Roles of clients are given to others after all the clients.
KINDS = (
    "realm", "client_scope", "user_profile", "required_action", "flow", "flow_bindings", "identity_provider",
    "realm_role", "client", "client_role", "group", "federation",
)  # fmt: skip

#: Attributes that the server writes itself, or that say again what a field says.
_CLIENT_ATTRIBUTES = PRIVATE_KEYS | {
    "realm_client", "client.secret.creation.time", "saml.artifact.binding.identifier",
    "client.secret.expiration.time", "client.secret.rotated", "client.secret.rotated.creation.time",
    "client.secret.rotated.expiration.time",
}  # fmt: skip
_REALM_ATTRIBUTES = frozenset({"realmReusableOtpCode", "firstBrokerLoginFlowId", "client-policies.profiles",
                               "client-policies.policies", "organizationsEnabled"})  # fmt: skip
#: What the server adds to a client at one time or another.
_WRITTEN_BY_SERVER = {
    "backchannel_logout_session": "true", "backchannel_logout_revoke_offline_tokens": "false",
    "device_flow": "false", "ciba": "false",
}  # fmt: skip
_PREFIXES = ("webAuthnPolicy", "_browser_header", "client-policies")


def describe(
    view: View, realm: str, kinds: tuple[str, ...] = KINDS, secrets: bool = True, builtin: bool = False
) -> tuple[States, list[str]]:
    """
    States that make a realm as it is, and what of it they leave out although it is of these kinds.

    kinds
        Which, of :data:`KINDS`.
    secrets
        With a reference ``secret://keycloak-REALM-CLIENT`` in the place of each secret.
    builtin
        With the clients, scopes and roles that each realm has. Built-in flows are never described.

    Raises :class:`Missing` where there's no such realm.
    """
    found = view.realm(realm)
    if found is None:
        raise Missing(f"there is no realm {realm}", view.api.service)
    later: States = {}
    lost: list[str] = []

    def login(entries: Iterable[describing_login.Entry]) -> States:
        states: States = {}
        for function, name, fields in entries:
            states.update(_state(realm, function, name, fields))
        return states

    writers: dict[str, Callable[[], States]] = {
        "realm": lambda: _realm(realm, found, secrets),
        "client_scope": lambda: _scopes(view, realm, builtin),
        "user_profile": lambda: login(describing_login.user_profile(view, realm, lost)),
        "required_action": lambda: login(describing_login.required_actions(view, realm)),
        "flow": lambda: login(describing_login.copied_flows(view, realm, secrets, lost)),
        "flow_bindings": lambda: login(describing_login.flow_bindings(view, realm, found)),
        "identity_provider": lambda: login(describing_login.identity_providers(view, realm, secrets, lost)),
        "realm_role": lambda: _roles(view, realm, builtin, later),
        "client": lambda: _clients(view, realm, secrets, builtin, later),
        "client_role": lambda: _client_roles(view, realm, builtin, later),
        "group": lambda: _groups(view, realm),
        "federation": lambda: _federations(view, realm, secrets),
    }
    states: States = {}
    for kind in KINDS:
        if kind == "group":
            states.update(later)
        if kind in kinds:
            states.update(writers[kind]())
    return states, lost


def _split(
    realm: str, function: str, name: str, fields: dict[str, Any], later: States, **needed: Any
) -> dict[str, Any]:
    """
    The fields without the roles of clients that aren't there yet when this is made.

    later
        Gets a state that gives them.
    needed
        What that state has to say beside.
    """
    field = next((key for key in fields if key.endswith("client_roles")), None)
    if field is None:
        return fields
    first = {client: names for client, names in fields[field].items() if clients.is_built_in(client, realm)}
    then = {client: names for client, names in fields[field].items() if client not in first}
    if then:
        _give_later(realm, function, name, {field: then}, later, **needed)
    rest = {key: value for key, value in fields.items() if key != field}
    return {**rest, field: first} if first else rest


def _give_later(
    realm: str, function: str, name: str, given: dict[str, Any], later: States, **needed: Any
) -> None:
    ((title, state),) = _state(realm, function, name, given, **needed).items()
    what = "roles of the realm" if "realm_roles" in given else "roles of clients"
    later[f"{title}, with {what}"] = state


def _state(realm: str, function: str, name: str, fields: Mapping[str, Any], **more: Any) -> States:
    arguments: list[Any] = [{"name": name}]
    if function != "realm_present":
        arguments.append({"realm": realm})
    arguments += [{key: value} for key, value in {**more, **fields}.items()]
    label = function.removesuffix("_present").replace("_", " ")
    place = f" of {more['client']}" if "client" in more else ""
    title = f"{realm}: {label} {name}{place}" if function != "realm_present" else f"realm {realm}"
    return {title: {f"itstack_keycloak.{function}": arguments}}


def _fields(resource: Resource, found: Mapping[str, Any]) -> dict[str, Any]:
    """What an object has of its fields; what isn't there isn't declared."""
    result = {}
    for name, spec in resource.fields.items():
        value = spec.read(found)
        if not spec.readable or spec.secret or value is None or name == "attributes":
            continue
        if isinstance(value, list):
            value = sorted(value)
        result[name] = value
    return result


def _attributes(resource: Resource, found: Mapping[str, Any], hidden: frozenset[str]) -> dict[str, Any]:
    """The attributes that no field stands for."""
    own = {
        spec.keys[1] for spec in resource.fields.values() if spec.keys[0] == "attributes" and spec.keys[1:]
    }
    given = found.get("attributes") or {}
    kept = {
        key: value
        for key, value in sorted(given.items())
        if key not in own and key not in hidden and not key.startswith(_PREFIXES)
    }
    return {"attributes": kept} if kept else {}


def _realm(realm: str, found: Row, secrets: bool) -> States:
    fields = _fields(REALM, found)
    mirrored = {spec.keys[0] for spec in REALM.fields.values()} | _REALM_ATTRIBUTES
    fields.update(_attributes(REALM, found, frozenset(mirrored)))
    mail = fields.get("smtp") or {}
    if "password" in mail:
        fields["smtp"] = {key: value for key, value in sorted(mail.items()) if key != "password"}
        if secrets:
            fields["smtp_password"] = f"secret://keycloak-{realm}-smtp"
    for name in ("browser_security_headers", "smtp"):
        # The server leaves out an empty one when it makes a realm.
        fields[name] = {key: value for key, value in sorted((fields.get(name) or {}).items()) if value}
    fields = {name: value for name, value in fields.items() if value not in ("", {}, [])}
    return _state(realm, "realm_present", realm, fields)


def _mappers(found: Row) -> dict[str, Any]:
    own = by_name(found)
    if not own:
        return {}
    described = {}
    for name, row in sorted(own.items()):
        config = dict(row.get("config") or {})
        if IN_ID_TOKEN in config:
            # Else it would be declared to be like the other one.
            config.setdefault(IN_USERINFO, "")
        described[name] = {"type": row["protocolMapper"], "config": dict(sorted(config.items()))}
    return {"mappers": described}


def _scopes(view: View, realm: str, builtin: bool) -> States:
    states: States = {}
    given = {kind: view.new_client_scopes(realm, kind) for kind in scopes.KINDS}
    for name, row in sorted(view.scopes(realm).items()):
        if not builtin and name in scopes.BUILT_IN:
            continue
        fields = {
            **_fields(CLIENT_SCOPE, row),
            **_attributes(CLIENT_SCOPE, row, frozenset()),
            **_mappers(row),
        }
        fields["realm_default"] = next((kind for kind in scopes.KINDS if name in given[kind]), "none")
        states.update(_state(realm, "client_scope_present", name, fields))
    return states


def _roles(view: View, realm: str, builtin: bool, later: States) -> States:
    own = {
        name: row for name, row in view.roles(realm).items() if builtin or not roles.is_built_in(realm, name)
    }
    return _ordered(view, realm, own, "realm_role_present", later)


def _client_roles(view: View, realm: str, builtin: bool, later: States) -> States:
    states: States = {}
    for client_id in sorted(view.clients(realm)):
        if builtin or not clients.is_built_in(client_id, realm):
            own = view.client_roles(realm, client_id)
            states.update(_ordered(view, realm, own, "client_role_present", later, client=client_id))
    return states


def _ordered(
    view: View, realm: str, rows: Mapping[str, Row], function: str, later: States, **more: Any
) -> States:
    """Roles after those that they bring along."""
    described: dict[str, dict[str, Any]] = {}
    for name, row in rows.items():
        fields = _fields(ROLE, row)
        if row.get("attributes"):
            fields["attributes"] = {key: sorted(value) for key, value in sorted(row["attributes"].items())}
        if row.get("composite"):
            has = grants.of_composites(view, realm, view.api.composites(realm, row["id"]))
            fields.update(_given(has))
        described[name] = _split(realm, function, name, fields, later, **more)
    states: States = {}
    waiting = sorted(described)
    while waiting:
        # A client's roles bring along realm roles that are there before them.
        needs = {
            name: set() if more else set(described[name].get("realm_roles", ())) & set(waiting)
            for name in waiting
        }
        ready = [name for name in waiting if not needs[name]]
        if not ready:
            # Of those that bring along each other, somebody has to be the first, and gets the others later.
            ready = [next(name for name in waiting if _comes_back(name, needs))]
            fields = described[ready[0]]
            _give_later(realm, function, ready[0], {"realm_roles": sorted(needs[ready[0]])}, later, **more)
            there = [role for role in fields.pop("realm_roles") if role not in needs[ready[0]]]
            if there:
                fields["realm_roles"] = there
        for name in ready:
            states.update(_state(realm, function, name, described[name], **more))
        waiting = [name for name in waiting if name not in ready]
    return states


def _comes_back(name: str, needs: Mapping[str, set[str]]) -> bool:
    """Whether a role brings along itself, by way of others."""
    reached: set[str] = set()
    ahead = set(needs[name])
    while ahead:
        reached |= ahead
        ahead = {one for role in ahead for one in needs[role]} - reached
    return name in reached


def _given(has: Mapping[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    if has.get("realmRoles"):
        result["realm_roles"] = sorted(has["realmRoles"])
    if has.get("clientRoles"):
        result["client_roles"] = {
            client: sorted(names) for client, names in sorted(has["clientRoles"].items()) if names
        }
    return {key: value for key, value in result.items() if value}


def _clients(view: View, realm: str, secrets: bool, builtin: bool, later: States) -> States:
    states: States = {}
    for client_id, row in sorted(view.clients(realm).items()):
        if not builtin and clients.is_built_in(client_id, realm):
            continue
        if clients.is_own_account(view, realm, client_id):
            continue
        fields = {**_fields(CLIENT, row), **_attributes(CLIENT, row, _CLIENT_ATTRIBUTES), **_mappers(row)}
        for name, usual in _WRITTEN_BY_SERVER.items():
            if fields.get(name) == usual:
                del fields[name]
        for name in ("post_logout_redirect_uris", "default_acr_values"):
            if name in fields:
                fields[name] = joined(fields[name])
        for name in ("default_scopes", "optional_scopes"):
            if name in fields:
                fields[name] = [scope for scope in fields[name] if scope != SERVICE_ACCOUNT_SCOPE]
        if not fields.get("not_before"):
            fields.pop("not_before", None)
        bound = fields.pop("flow_bindings", None)
        if bound:
            aliases = {flow["id"]: flow["alias"] for flow in view.flows(realm)}
            fields["flow_bindings"] = {key: aliases.get(one, one) for key, one in sorted(bound.items())}
        if fields.get("protocol") == "saml":
            # Of no meaning there, and refused or changed by newer servers.
            for name in ("public", "bearer_only", "client_authenticator"):
                fields.pop(name, None)
        elif secrets and not row.get("publicClient") and not row.get("bearerOnly"):
            fields["secret"] = f"secret://keycloak-{realm}-{client_id}"
        if row.get("serviceAccountsEnabled"):
            fields.update(_service_account(view, realm, row))
            fields = _split(realm, "client_present", client_id, fields, later, service_accounts=True)
        states.update(_state(realm, "client_present", client_id, fields))
    return states


def _service_account(view: View, realm: str, row: Row) -> dict[str, Any]:
    person = view.api.service_account(realm, row["id"])
    has = grants.of_mappings(view.api.role_mappings(realm, ("users", person["id"])))
    has["realmRoles"] = [name for name in has["realmRoles"] if name != roles.default_role(realm)]
    return {f"service_account_{key}": value for key, value in _given(has).items()}


def _groups(view: View, realm: str) -> States:
    states: States = {}
    federated = [path for path in federated_paths(view, realm) if path != "/"]
    for path, row in sorted(view.all_groups(realm).items()):
        if any(path.startswith(f"{one}/") for one in federated):
            continue
        fields = _given(row)
        if row.get("attributes"):
            fields["attributes"] = {key: sorted(value) for key, value in sorted(row["attributes"].items())}
        states.update(
            _state(realm, "group_present", path, {key: fields[key] for key in GROUP.fields if key in fields})
        )
    return states


def _federations(view: View, realm: str, secrets: bool) -> States:
    states: States = {}
    rows = view.components(realm)
    # keycloak: the component that holds a changed user profile has no name.
    ours = [row for row in rows if row["providerType"] == PROVIDER and row["providerId"] == "ldap"]
    for row in sorted(ours, key=lambda one: one["name"]):
        own = [one for one in rows if one.get("parentId") == row["id"] and one["providerType"] == MAPPERS]
        fields: dict[str, Any] = {
            name: (spec.read(row) or [None])[0]
            for name, spec in FEDERATION.fields.items()
            if spec.readable and (spec.read(row) or [None])[0] not in (None, "")
        }
        if secrets:
            fields["bind_credential"] = f"secret://keycloak-{realm}-{row['name']}"
        mappers: dict[str, Any] = {}
        for one in sorted(own, key=lambda mapper: mapper["name"]):
            config = {key: value for key, value in sorted(singles(one.get("config")).items()) if value}
            if one["providerId"] == "group-ldap-mapper" and one["name"] == "groups":
                fields["groups_dn"] = config.get("groups.dn", "")
                fields["groups_path"] = config.get("groups.path", "/")
                fields["drop_missing_groups"] = config.get("drop.non.existing.groups.during.sync") == "true"
            elif one["name"] not in _AUTOMATIC:
                mappers[one["name"]] = {"type": one["providerId"], "config": config}
        if mappers:
            fields["mappers"] = mappers
        states.update(_state(realm, "federation_present", row["name"], fields))
    return states


#: The mappers that the server makes with each federation, as they are on the newest one.
_AUTOMATIC = frozenset({"username", "last name", "email", "creation date", "modify date"})
