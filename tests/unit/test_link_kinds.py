"""The kinds of webhooks and links as data: what their templates name has to exist."""

import pytest

from salt_itstack.links.kinds import kinds, named, products

#: What the engine itself gives to templates.
ALWAYS = {"name", "marker", "site", "secret", "value", "each", "field", "text"}
#: What the servers' own objects have, by kind: fields of a row that templates take.
ROWS = {
    "mattermost-incoming": {"id"},
    "mattermost-outgoing": {"id", "token"},
    "mattermost-bot": {"user_id", "id"},
    "nextcloud-account": set(),
}


def looked_up(spec):
    found = set(spec.get("look_up", {}))
    for join in spec.get("joins", ()):
        found |= set(join.get("look_up", {}))
    return found


@pytest.mark.parametrize("kind", kinds())
def test_templates_name_only_what_there_is(kind):
    spec = kinds()[kind]
    given = set(spec.get("arguments", {})) | set(spec.get("other", {})) | looked_up(spec)
    known = ALWAYS | given | ROWS[kind]
    templates = {
        key: value for key, value in spec.items() if key not in ("title", "source_of_facts", "switched_off")
    }
    assert named_in(templates) <= known


def named_in(value):
    """The names of all templates below a value, lists of mappings among them."""
    if isinstance(value, dict):
        return set().union(set(), *(named_in(item) for item in value.values()))
    if isinstance(value, list):
        return set().union(set(), *(named_in(item) for item in value))
    return named(value)


@pytest.mark.parametrize("kind", kinds())
def test_a_kind_says_what_the_engine_needs(kind):
    spec = kinds()[kind]
    assert spec["product"] in products() and spec["state"] in ("webhook", "link")
    assert spec["end"] in ("source", "target") and spec["title"] and spec["source_of_facts"]
    assert {"list", "match", "fields", "create", "change", "remove"} <= set(spec)
    told = [part for part in ("value", "credential", "secret") if part in spec]
    assert len(told) == 1, "the other end needs one thing"
