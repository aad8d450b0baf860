"""
One document of Traefik's file provider, checked before the provider sees it. Pure.

One bad file makes the provider discard every new file, so what it would choke on is refused here. Some of it
Traefik would take without a word, and then do nothing useful: a reference that leads nowhere, a null.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ...errors import Invalid, Problem, nearest
from ...reconcile import HIDDEN
from .fields import DOCUMENT, Bare, Named, Rows

#: Keys whose values are credentials, or may be.
CONFIDENTIAL = ("users", "customRequestHeaders", "customResponseHeaders", "password", "plugin")
_DURATION = re.compile(r"\d+|(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+")
_KINDS = {
    "number": (re.compile(r"-?\d+"), "isn't a number", "write a whole number"),
    "flag": (re.compile("true|false"), "isn't true or false", "write true or false"),
    "duration": (_DURATION, "isn't a duration", "write a number with ms, s, m or h, such as 15s"),
}
#: Where a reference stands, without protocol and names, and the section that it leads to.
_REFERENCES = {
    ("routers", "service"): "services",
    ("routers", "middlewares"): "middlewares",
    ("routers", "parentRefs"): "routers",
    ("services", "middlewares"): "middlewares",
    ("services", "loadBalancer", "serversTransport"): "serversTransports",
    ("services", "weighted", "services", "name"): "services",
    ("services", "highestRandomWeight", "services", "name"): "services",
    ("services", "mirroring", "service"): "services",
    ("services", "mirroring", "mirrors", "name"): "services",
    ("services", "failover", "service"): "services",
    ("services", "failover", "fallback"): "services",
    ("middlewares", "chain", "middlewares"): "middlewares",
    ("middlewares", "errors", "service"): "services",
}
_Path = tuple[Any, ...]


def check(document: Any) -> None:
    """
    Refuse what would freeze the provider, or can't mean anything.

    Raises :class:`Invalid` with all that is wrong, by the key.
    """
    if not isinstance(document, Mapping) or not document:
        raise Invalid(
            Problem("", "document", None, "isn't a mapping with content", "write http: {routers: …}")
        )
    problems = [
        _problem(path, _visible(path, text), "is a template to Traefik", "write it without double braces")
        for path, text in _texts(document, ())
        if "{{" in text or "}}" in text
    ]
    problems += _unfit((), document, DOCUMENT)
    if not problems:
        # What follows relies on the shape.
        problems += [*_meaningless(document), *_dangling(document)]
    if problems:
        raise Invalid(problems)


def plain(document: Any) -> dict[str, Any]:
    """The same document without what a renderer made of its mappings, after :func:`check`."""
    check(document)
    found: dict[str, Any] = json.loads(json.dumps(document))
    return found


def shown(document: Any, inside: str = "") -> Any:
    """A document as a report may show it: without what may be a credential."""
    if isinstance(document, Mapping):
        return {
            key: HIDDEN
            if key in CONFIDENTIAL or (inside, key) == ("healthCheck", "headers")
            else shown(value, str(key))
            for key, value in document.items()
        }
    if isinstance(document, str) and "PRIVATE KEY" in document:
        return HIDDEN
    return [shown(item, inside) for item in document] if isinstance(document, list) else document


def names(document: Mapping[str, Any]) -> dict[tuple[str, str], list[str]]:
    """The names that a document defines, by protocol and section."""
    return {
        (protocol, section): sorted(objects, key=str)
        for protocol, sections in document.items()
        if protocol in DOCUMENT and isinstance(sections, Mapping)
        for section, objects in sections.items()
        if isinstance(objects, Mapping)
    }


def _unfit(path: _Path, value: Any, known: Any) -> Iterator[Problem]:
    """What isn't there at all in Traefik, or isn't what belongs there."""
    if isinstance(known, Named):
        yield from _unfit_objects(path, value, known)
    elif isinstance(known, Rows):
        if not isinstance(value, list):
            yield _problem(path, None, "isn't a list", "write a list of mappings")
            return
        for number, row in enumerate(value):
            yield from _unfit((*path, number), row, Bare(known.row))
    elif isinstance(known, str):
        yield from _unfit_value(path, value, known)
    else:
        fields = known.fields if isinstance(known, Bare) else known
        if not isinstance(value, Mapping):
            yield _problem(path, None, "isn't a mapping", "write its fields")
        elif not value and not isinstance(known, Bare):
            yield _problem(path, None, "is empty, which stops the whole provider", "leave it out, or fill it")
        else:
            yield from _unfit_fields(path, value, fields)


def _unfit_fields(path: _Path, value: Mapping[Any, Any], fields: Mapping[str, Any]) -> Iterator[Problem]:
    for key, content in value.items():
        if key in fields:
            yield from _unfit((*path, key), content, fields[key])
        else:
            what = "no such section" if len(path) < 2 else "unknown field"
            yield _problem((*path, key), None, what, nearest(key, fields))


def _unfit_objects(path: _Path, value: Any, known: Named) -> Iterator[Problem]:
    if not isinstance(value, Mapping) or not value:
        yield _problem(path, None, "isn't a mapping with content", "leave it out, or write it")
        return
    for name, content in value.items():
        if len(path) == 2 and "@" in str(name):
            yield _problem((*path, name), None, "a name may not have an @", "take it out")
        # Of an empty object Traefik says itself what it lacks, and the rest goes on.
        is_object = isinstance(known.value, Mapping)
        yield from _unfit((*path, name), content, Bare(known.value) if is_object else known.value)


def _unfit_value(path: _Path, value: Any, kind: str) -> Iterator[Problem]:
    if kind == "anything":
        return
    if kind == "texts":
        if not isinstance(value, list):
            yield _problem(path, _visible(path, value), "isn't a list", "write a list, such as [websecure]")
            return
        for number, item in enumerate(value):
            yield from _unfit_value((*path, number), item, "text")
    elif value is None or isinstance(value, (Mapping, list)):
        yield _problem(path, None, "isn't a single value", "write a value, or leave the key out")
    elif kind in _KINDS:
        pattern, message, remedy = _KINDS[kind]
        if not pattern.fullmatch(spelled(value)):
            yield _problem(path, _visible(path, value), message, remedy)


def spelled(value: Any) -> str:
    """A single value as Traefik reads it: ``True`` is ``true``."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _meaningless(document: Mapping[str, Any]) -> Iterator[Problem]:
    for (protocol, section), objects in names(document).items():
        for name in objects:
            path, content = (protocol, section, name), document[protocol][section][name]
            if section == "routers":
                if not content.get("service") and not content.get("parentRefs"):
                    yield _problem(path, None, "a router needs a service", "add service:")
                if protocol != "udp" and not content.get("rule"):
                    remedy = "add rule:, such as Host(`a.example`)"
                    yield _problem(path, None, "a router needs a rule", remedy)
            elif section in ("services", "middlewares"):
                kinds = sorted(set(content) - ({"middlewares"} if section == "services" else set()))
                if len(kinds) != 1:
                    remedy = (
                        f"give each a name of its own: {', '.join(kinds)}" if kinds else "write what it is"
                    )
                    yield _problem(path, None, f"has to be one thing, and is {len(kinds)}", remedy)
                elif kinds == ["loadBalancer"]:
                    yield from _unreachable((*path, *kinds), content["loadBalancer"], protocol)


def _unreachable(path: _Path, balancer: Mapping[str, Any], protocol: str) -> Iterator[Problem]:
    servers = balancer.get("servers")
    if not servers:
        yield _problem((*path, "servers"), None, "no server", "write servers: [{url: http://…}]")
    for number, server in enumerate(servers or ()):
        place = (*path, "servers", number)
        if protocol == "http":
            if not str(server.get("url")).startswith(("http://", "https://", "h2c://")):
                yield _problem(place, None, "isn't a server's URL", "write {url: http://address:port}")
        elif not re.fullmatch(r".+:\d+", str(server.get("address"))):
            yield _problem(place, None, "isn't a server's address", "write {address: address:port}")


def _dangling(document: Mapping[str, Any]) -> Iterator[Problem]:
    """References within the document that lead nowhere: of many Traefik says nothing, or only in its log."""
    for path, text in _texts(document, ()):
        protocol = path[0]
        place = (path[1], *(part for part in path[3:] if not isinstance(part, int)))
        section = _REFERENCES.get(place)
        if place == ("routers", "tls", "options") and text != "default":
            protocol, section = "tls", "options"
        if section is None or "@" in text:
            continue
        there = (document.get(protocol) or {}).get(section) or {}
        if text not in there:
            yield _problem(path, text, f"isn't among the {section} here", nearest(text, there))


def _texts(value: Any, path: _Path) -> Iterator[tuple[_Path, str]]:
    """All texts of a document by their path; a key is one, too, at its own path."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if "{{" in str(key) or "}}" in str(key):
                yield (*path, key), str(key)
            yield from _texts(item, (*path, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _texts(item, (*path, number))
    elif isinstance(value, str):
        yield path, value


def _visible(path: _Path, value: Any) -> Any:
    """A value as an error may show it."""
    hidden = any(part in CONFIDENTIAL for part in path) or "healthCheck" in path
    return None if hidden or "PRIVATE KEY" in str(value) else str(value)[:60]


def _problem(path: Iterable[Any], value: Any, message: str, remedy: str) -> Problem:
    return Problem("", "document:" + ":".join(str(part) for part in path), value, message, remedy)
