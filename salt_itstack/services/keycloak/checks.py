"""What is refused of a client before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from ...errors import Invalid, Problem
from .resources import MASK, joined

Wanted = Mapping[str, Any]

_LISTS = ("redirect_uris", "web_origins", "default_scopes", "optional_scopes")
#: Where a SAML application may be sent its assertions; the attributes are the server's names.
_CONSUMERS = ("assertion_consumer_url", "assertion_consumer_redirect_url", "metadata_descriptor_url",
              "admin_url", "redirect_uris")  # fmt: skip
_CONSUMER_ATTRIBUTES = ("saml_assertion_consumer_url_post", "saml_assertion_consumer_url_redirect",
                        "saml_artifact_binding_url", "saml.metadataDescriptorUrl")  # fmt: skip


def check_client(wanted: Wanted) -> None:
    """Raise :class:`Invalid` with everything that is wrong in the declared fields of a client."""
    problems = _list_problems(wanted) + _secret_problems(wanted) + attribute_problems(wanted)
    if not problems:
        problems += _redirect_problems(wanted)
        twice = set(wanted.get("default_scopes", ())) & set(wanted.get("optional_scopes", ()))
        problems += [
            Problem("", "optional_scopes", name, "is a default scope too", "name it in one of the two lists")
            for name in sorted(twice)
        ]
    if problems:
        raise Invalid(problems)


def _list_problems(wanted: Wanted) -> list[Problem | str]:
    problems: list[Problem | str] = [
        Problem("", name, wanted[name], "must be a list", "write each entry on a line of its own")
        for name in _LISTS
        if name in wanted and not isinstance(wanted[name], (list, tuple))
    ]
    return problems


def attribute_problems(wanted: Wanted) -> list[Problem | str]:
    """What is wrong in a declared map of ``attributes``, which the server keeps as texts."""
    given = wanted.get("attributes") or {}
    if not isinstance(given, Mapping):
        return [Problem("", "attributes", given, "must be a map of texts")]
    problems: list[Problem | str] = []
    for key, value in given.items():
        place = f"attributes:{key}"
        if isinstance(value, bool):
            # Some of them are booleans to the server and some only look like it ("on", "yes", "1").
            problems.append(
                Problem(
                    "", place, value, "Keycloak keeps texts only", f'write "{str(value).lower()}", in quotes'
                )
            )
        elif isinstance(value, (list, tuple, dict)):
            problems.append(
                Problem("", place, value, "must be a text or a number", "Keycloak keeps texts only")
            )
    return problems


def check_new_client(wanted: Wanted) -> None:
    """Raise :class:`Invalid` for what an existing client may leave out, and a new one needs."""
    if wanted.get("protocol") != "saml" or any(wanted.get(name) for name in _CONSUMERS):
        return
    if any((wanted.get("attributes") or {}).get(name) for name in _CONSUMER_ATTRIBUTES):
        return
    raise Invalid(
        Problem("", "assertion_consumer_url", None, "a SAML client needs an address for assertions (ACS)",
                "name assertion_consumer_url, or metadata_descriptor_url")
    )  # fmt: skip


def _secret_problems(wanted: Wanted) -> list[Problem | str]:
    if "secret" not in wanted:
        return []
    if wanted.get("public"):
        return [Problem("", "secret", None, "a public client has no secret", "leave out secret, or public")]
    if not wanted["secret"]:
        return [Problem("", "secret", None, "is empty", "give a reference to a secret")]
    if wanted["secret"] == MASK:
        return [Problem("", "secret", None, "is the mask that Keycloak shows", "give the secret itself")]
    return []


def _redirect_problems(wanted: Wanted) -> list[Problem | str]:
    logout = wanted.get("post_logout_redirect_uris") or []
    logout = logout if isinstance(logout, (list, tuple)) else joined(logout)
    given = [("redirect_uris", uri) for uri in wanted.get("redirect_uris", ())]
    given += [("post_logout_redirect_uris", uri) for uri in logout if uri not in ("+", "-")]
    problems: list[Problem | str] = []
    for field, uri in given:
        reason = redirect_flaw(uri)
        if reason:
            problems.append(
                Problem("", field, uri, reason, "name the host, with the path that is called back")
            )
    for origin in wanted.get("web_origins", ()):
        if "*" in str(origin):
            problems.append(
                Problem("", "web_origins", origin, "opens the client to every site", "name the origin")
            )
    return problems


def redirect_flaw(uri: Any) -> str:
    """Why an address can't be trusted to send codes to; an empty text if it can."""
    if not isinstance(uri, str) or not uri.strip():
        return "isn't an address"
    if uri.startswith("/"):
        # Relative to the client's root URL.
        return "" if "*" not in uri[:-1] and "#" not in uri else "may have a wildcard at its end only"
    try:
        parts = urlsplit(uri)
        parts.port  # noqa: B018  (raises for what isn't a number)
    except ValueError:
        return "isn't an address"
    if "*" in uri.split("://", 1)[-1].split("/", 1)[0] or "*" in parts.scheme:
        return "has a wildcard for a host, so anybody's site would be sent the codes of people who log in"
    if not parts.scheme or (parts.scheme in ("http", "https") and not parts.netloc):
        return "has no scheme and host"
    if parts.scheme in ("javascript", "data"):
        return "has a scheme that Keycloak refuses"
    if parts.fragment or uri.endswith("#"):
        return "has a fragment, which Keycloak refuses"
    if "*" in uri[:-1]:
        return "may have a wildcard at its end only"
    return ""
