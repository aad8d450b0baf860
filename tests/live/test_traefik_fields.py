"""Our table of Traefik's fields against the real one: what we let through, it has to take."""

import json
import os
import re

import pytest
import yaml
from database_fixtures import until

from salt_itstack.errors import Invalid
from salt_itstack.services.traefik.document import check
from salt_itstack.services.traefik.fields import DOCUMENT, Bare, Named, Rows
from salt_itstack.services.traefik.loading import unloaded

pytest_plugins = ("database_fixtures", "traefik_fixtures")

VALUES = {
    "text": "foo", "number": 42, "flag": True, "duration": "90s", "texts": ["foo"], "anything": {"a": "b"},
}  # fmt: skip


def filled(known):
    """A document with every field that the table has."""
    known = known.fields if isinstance(known, Bare) else known
    if isinstance(known, str):
        return VALUES[known]
    if isinstance(known, Named):
        return {"x": filled(known.value)}
    if isinstance(known, Rows):
        return [filled(known.row)]
    return {key: filled(value) for key, value in known.items()}


def mappings(known, path=()):
    """The path of each mapping and list of the table, and whether it may be empty."""
    if isinstance(known, Rows):
        yield from mappings(known.row, (*path, 0))
    elif not isinstance(known, str):
        if len(path) > 3 and not isinstance(path[-1], int):
            yield path, isinstance(known, Bare)
        inside = {"x": known.value} if isinstance(known, Named) else getattr(known, "fields", known)
        for key, value in inside.items():
            yield from mappings(value, (*path, key))


def at(path, content):
    for key in reversed(path):
        content = [content] if key == 0 else {key: content}
    return content


def shown(proxy):
    """What is loaded, without Traefik's judgement: references lead nowhere here."""
    found = proxy.get("/api/rawdata")
    for rows in found.values():
        for row in rows.values():
            row.pop("status", None)
    return found


@pytest.fixture
def load(proxy):
    """Has Traefik read a document; returns its reason if that stops the provider."""
    proxy.stop()
    proxy.throttle = "10ms"
    proxy.start()
    log, marks = proxy.folder / "log", iter(range(1000))

    def read(document):
        mark = f"mark{next(marks)}"
        document = json.loads(json.dumps(document))
        balancer = {"loadBalancer": {"servers": [{"address": "127.0.0.1:1"}]}}
        document.setdefault("udp", {}).setdefault("services", {})[mark] = balancer
        start, told = log.stat().st_size, []
        new = proxy.folder / "new"
        new.write_text(yaml.safe_dump(document))
        os.replace(new, proxy.directory / "tried.yml")

        def judged():
            told[:] = re.findall(r"tried\.yml: (.*)", log.read_text()[start:])
            return told or f"{mark}@file" in (proxy.get("/api/rawdata").get("udpServices") or {})

        until(judged, f"Traefik's judgement of {mark}")
        return told[0] if told else ""

    return read


def test_every_field_that_we_know_is_one_of_traefik_and_shown_by_its_api(load, proxy):
    whole = filled(DOCUMENT)
    assert load(whole) == ""
    assert unloaded(whole, shown(proxy)) == {}


def test_what_we_take_for_empty_is_empty_for_traefik(load, proxy):
    tried = 0
    for path, may_be_empty in mappings(DOCUMENT):
        document = at(path, {})
        assert (load(document) == "") is may_be_empty, path
        assert not may_be_empty or unloaded(document, shown(proxy)) == {}, path
        tried += 1
    assert tried > 40


@pytest.mark.parametrize(
    ("path", "value", "taken"),
    [
        (("http", "services", "x", "loadBalancer", "passHostHeader"), "false", True),
        (("http", "services", "x", "loadBalancer", "passHostHeader"), "no", False),
        (("http", "services", "x", "loadBalancer", "healthCheck"), {"interval": 5, "timeout": "1.5s"}, True),
        (("http", "services", "x", "loadBalancer", "healthCheck"), {"interval": "5 s"}, False),
        (("http", "services", "x", "loadBalancer", "healthCheck"), {"interval": "1d"}, False),
        (("http", "services", "x", "loadBalancer", "healthCheck"), {"status": "200"}, True),
        (("http", "services", "x", "loadBalancer", "healthCheck"), {"status": 200.5}, False),
    ],
)
def test_values_are_judged_as_traefik_judges_them(load, path, value, taken):
    document = at(path, value)
    document["http"]["services"]["x"]["loadBalancer"].setdefault("servers", [{"url": "http://127.0.0.1:1"}])
    assert (load(document) == "") is taken
    if taken:
        check(document)
    else:
        with pytest.raises(Invalid, match=str(path[-1])):
            check(document)
