"""What we manage in Nextcloud, and how it is compared."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ...errors import Invalid, Problem
from ...reconcile import Field, Resource, same

#: Words in a key whose values are never shown. References are hidden wherever they stand.
SENSITIVE = ("password", "secret", "salt", "token")

#: What the installer is given once; afterwards these are system configuration.
INSTALLATION = Resource(
    kind="installation",
    key="",
    fields={
        "database_type": Field("database"),
        "database_name": Field("database-name"),
        "database_user": Field("database-user"),
        "database_host": Field("database-host"),
        "database_port": Field("database-port"),
        "database_password": Field("database-pass", secret=True, readable=False),
        "admin_user": Field("admin-user"),
        "admin_password": Field("admin-pass", secret=True, readable=False),
        "data_directory": Field("data-dir"),
    },
)


def typed(value: Any) -> Any:
    """Compared with its type: ``true``, ``"true"`` and 1 are three things. PHP has one empty list or map."""
    return json.dumps([] if value == {} else value, sort_keys=True)


def as_text(value: Any) -> Any:
    """An app's setting: Nextcloud keeps text, and "1" or "0" for a boolean."""
    if isinstance(value, bool):
        return "1" if value else "0"
    return None if value is None else str(value)


def switch(value: Any) -> Any:
    """A boolean, anything but 0 and empty being on. Unset isn't off: some defaults are true."""
    return None if value is None else value not in ("", "0", 0, False)


def trimmed(value: Any) -> Any:
    """A text that is kept without spaces around it."""
    return same(value.strip() if isinstance(value, str) else value)


def pattern(value: Any) -> Any:
    """A regular expression: the app puts slashes around one that doesn't begin with one."""
    return f"/{value}/" if value and not str(value).startswith("/") else same(value)


def _setting(key: str, compare: Callable[[Any], Any] = same) -> Field:
    return Field(("settings", key), compare)


#: ``user_oidc``: fields as ``user_oidc:providers`` prints them, and for each the option that writes it.
OIDC_PROVIDER = Resource(
    kind="OpenID Connect provider",
    key="identifier",
    fields={
        "client_id": Field("clientId"),
        "client_secret": Field("clientSecret", secret=True, readable=False),
        "discovery_endpoint": Field("discoveryEndpoint"),
        "scope": Field("scope", trimmed),
        "end_session_endpoint": Field("endSessionEndpoint"),
        "post_logout_uri": Field("postLogoutUri"),
        "unique_uid": _setting("uniqueUid", switch),
        "mapping_uid": _setting("mappingUid"),
        "mapping_display_name": _setting("mappingDisplayName"),
        "mapping_email": _setting("mappingEmail"),
        "mapping_quota": _setting("mappingQuota"),
        "mapping_groups": _setting("mappingGroups"),
        "group_provisioning": _setting("groupProvisioning", switch),
        "group_whitelist_regex": _setting("groupWhitelistRegex", pattern),
        "group_restrict_login_to_whitelist": _setting("restrictLoginToGroups", switch),
        "check_bearer": _setting("checkBearer", switch),
        "bearer_provisioning": _setting("bearerProvisioning", switch),
        "send_id_token_hint": _setting("sendIdTokenHint", switch),
        "extra_claims": _setting("extraClaims"),
        "resolve_nested_claims": _setting("nestedAndFallbackClaims", switch),
    },
)
#: Options that have a letter; the others are called as the field, with hyphens.
_LETTERS = {
    "client_id": "-c",
    "discovery_endpoint": "-d",
    "scope": "-o",
    "end_session_endpoint": "-e",
    "post_logout_uri": "-p",
}
#: The variable that carries the client's secret.
SECRET_VARIABLE = "ITSTACK_CLIENT_SECRET"


def provider_arguments(wanted: Mapping[str, Any], changed: Iterable[str]) -> list[str]:
    """
    Arguments of ``user_oidc:provider`` that write some fields of a provider.

    wanted
        Declared values; the client id is always needed: with the secret alone the command only prints.
    changed
        Names of the fields to write.
    """
    arguments = ["-c", str(wanted["client_id"])]
    for name in changed:
        value = wanted.get(name)
        if name == "client_id":
            continue
        if name == "client_secret":
            arguments += ["--clientsecret-env", SECRET_VARIABLE]
        elif name in _LETTERS:
            arguments += [_LETTERS[name], "" if value is None else str(value)]
        else:
            text = (
                ("1" if switch(value) else "0") if _is_switch(name) else "" if value is None else str(value)
            )
            arguments.append(f"--{name.replace('_', '-')}={text}")
    return arguments


def _is_switch(name: str) -> bool:
    return OIDC_PROVIDER.fields[name].compare is switch


def leaves(tree: Mapping[str, Any], path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """The values of nested maps by their path. A list is one value, since it is written as a whole."""
    result: dict[tuple[str, ...], Any] = {}
    for key, value in tree.items():
        place = (*path, str(key))
        if isinstance(value, Mapping) and value:
            result.update(leaves(value, place))
        else:
            result[place] = value
    return result


def configuration(paths: Iterable[tuple[str, ...]], hidden: Iterable[tuple[str, ...]]) -> Resource:
    """
    System configuration as a resource: one field for each declared value, named by its path.

    paths
        Of the declared values.
    hidden
        Of those that came by a reference.
    """
    secret = set(hidden)
    fields = {
        ":".join(path): Field(path, typed, secret=path in secret or is_sensitive(path)) for path in paths
    }
    return Resource(kind="system configuration", key="", fields=fields)


def application(keys: Iterable[str], hidden: Iterable[str]) -> Resource:
    """An app's settings as a resource; arguments as of :func:`configuration`."""
    secret = set(hidden)
    fields = {key: Field((key,), as_text, secret=key in secret or is_sensitive((key,))) for key in keys}
    return Resource(kind="app's configuration", key="", fields=fields)


def is_sensitive(path: Iterable[str]) -> bool:
    """Whether a value under these keys is a secret by its name."""
    return any(word in key.casefold() for key in path for word in SENSITIVE)


def with_members(found: Mapping[str, Any], members: Mapping[str, Any]) -> dict[str, Any]:
    """
    Lists with what has to be among them put at their end, where it isn't.

    found
        The system configuration as it is.
    members
        By the list's key.

    Raises :class:`Invalid` for what isn't a list.
    """
    result: dict[str, Any] = {}
    for key, wanted in members.items():
        there = found.get(key) or []
        # PHP's lists with gaps.
        rows = list(there.values()) if isinstance(there, Mapping) else there
        for value, remedy in ((wanted, "write a list"), (rows, "Nextcloud has no list there: use `values`")):
            if not isinstance(value, list):
                raise Invalid(Problem("", f"members:{key}", value, "isn't a list", remedy))
        lacking = [item for item in wanted if item not in rows]
        result[key] = [*rows, *lacking] if lacking else there
    return result


def merged(found: Any, wanted: Any) -> Any:
    """What there is with the declared values put in: keys of maps that aren't declared stay."""
    if not isinstance(wanted, Mapping) or not isinstance(found, Mapping):
        return wanted
    return {**found, **{key: merged(found.get(key), value) for key, value in wanted.items()}}
