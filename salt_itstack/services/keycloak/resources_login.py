"""What this pack manages of how people log in: user profile, required actions, flows, identity providers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...reconcile import Field, Resource, text
from .resources import attributes, lists


def settings(value: Any) -> Any:
    """A map of settings in which numbers and booleans count as texts; an empty one isn't there."""
    return {str(key): _leaves(item) for key, item in value.items()} if value else None


def access(value: Any) -> Any:
    """A map of unordered lists of names, where an empty list counts as nothing."""
    return {key: item for key, item in lists(value).items() if item} or None


def condition(value: Any) -> Any:
    """A map of unordered lists of names. An empty one means always, and none at all means never."""
    return None if value is None else (access(value) or {})


def _leaves(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _leaves(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_leaves(item) for item in value]
    return text(value) or {}


PROFILE_ATTRIBUTE = Resource(
    kind="user profile attribute",
    key="name",
    fields={
        "display_name": Field("displayName"),
        "group": Field("group"),
        "required": Field("required", condition),
        "permissions": Field("permissions", access),
        "selector": Field("selector", access),
        "validations": Field("validations", settings),
        "annotations": Field("annotations", settings),
        "multivalued": Field("multivalued", bool),
        "default_value": Field("defaultValue", text),
    },
)

PROFILE_GROUP = Resource(
    kind="user profile group",
    key="name",
    fields={
        "display_header": Field("displayHeader"),
        "display_description": Field("displayDescription"),
        "annotations": Field("annotations", settings),
    },
)

REQUIRED_ACTION = Resource(
    kind="required action",
    key="alias",
    fields={
        "display_name": Field("name"),
        "enabled": Field("enabled", bool),
        "default_action": Field("defaultAction", bool),
        "priority": Field("priority", text),
        "config": Field("config", attributes, partial=True),
    },
)

FLOW = Resource(kind="authentication flow", key="alias", fields={"description": Field("description")})

EXECUTION = Resource(
    kind="execution of a flow",
    key="providerId",
    fields={"requirement": Field("requirement"), "priority": Field("priority", text)},
)

BINDINGS = Resource(
    kind="set of flow bindings",
    key="realm",
    fields={
        "browser": Field("browserFlow"),
        "direct_grant": Field("directGrantFlow"),
        "registration": Field("registrationFlow"),
        "reset_credentials": Field("resetCredentialsFlow"),
        "client_authentication": Field("clientAuthenticationFlow"),
        "docker_authentication": Field("dockerAuthenticationFlow"),
        "first_broker_login": Field("firstBrokerLoginFlow"),
    },
)

IDENTITY_PROVIDER = Resource(
    kind="identity provider",
    key="alias",
    fields={
        "type": Field("providerId"),
        "enabled": Field("enabled", bool),
        "display_name": Field("displayName"),
        "trust_email": Field("trustEmail", bool),
        "store_token": Field("storeToken", bool),
        "add_read_token_role": Field("addReadTokenRoleOnCreate", bool),
        "link_only": Field("linkOnly", bool),
        "hide_on_login": Field("hideOnLogin", bool),
        "first_broker_login_flow": Field("firstBrokerLoginFlowAlias"),
        "post_broker_login_flow": Field("postBrokerLoginFlowAlias"),
    },
)

IDENTITY_MAPPER = Resource(
    kind="identity provider mapper",
    key="name",
    fields={
        "type": Field("identityProviderMapper"),
        "config": Field("config", attributes, partial=True),
    },
)
