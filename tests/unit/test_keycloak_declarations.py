"""What Keycloak's declarations refuse, and how they compare what the server gives back."""

import pytest
import salt.state

from salt_itstack.errors import Invalid
from salt_itstack.reconcile import diff
from salt_itstack.services.keycloak.checks import redirect_flaw
from salt_itstack.services.keycloak.clients import client_wanted, predicted_client
from salt_itstack.services.keycloak.federation import Federation
from salt_itstack.services.keycloak.groups import group_path
from salt_itstack.services.keycloak.mappers import by_name, mapper_changes, mappers_wanted
from salt_itstack.services.keycloak.resources import (
    CLIENT,
    CLIENT_SCOPE,
    FEDERATION,
    GROUP,
    REALM,
    ROLE,
)

DIRECTORY = {
    "url": "ldaps://ipa.it-stack.lab:636",
    "bind_dn": "uid=keycloak,cn=sysaccounts,cn=etc,dc=it-stack,dc=lab",
    "bind_credential": "canary",
    "users_dn": "cn=users,cn=accounts,dc=it-stack,dc=lab",
}


@pytest.mark.parametrize("resource", [REALM, CLIENT, CLIENT_SCOPE, GROUP, ROLE, FEDERATION])
def test_no_field_is_named_like_something_that_salt_keeps_for_itself(resource):
    taken = salt.state.STATE_INTERNAL_KEYWORDS | {"aggregate", "names", "test", "profile", "realm"}
    assert not set(resource.fields) & taken


@pytest.mark.parametrize(
    "address",
    [
        "https://cloud.it-stack.lab/apps/user_oidc/code",
        "https://cloud.it-stack.lab:8443/*",
        "http://127.0.0.1/back",
        "/relative/*",
        "com.example.app:/callback",
        "com.example.app://callback",
    ],
)
def test_addresses_that_name_their_host_are_taken(address):
    assert redirect_flaw(address) == ""


@pytest.mark.parametrize(
    "address",
    [
        "*", "https://*", "https://*/x", "https://*.it-stack.lab/x", "https://cloud*/x", "*://cloud/x",
        "https://cloud/x#part", "https://cloud/#", "https://cloud/*/code", "javascript:alert(1)", "data:x",
        "https:///x", "cloud.it-stack.lab/x", "", None, 5, "https://cloud:port/x", "/a/*/b", "/#x",
    ],
)  # fmt: skip
def test_addresses_that_would_give_codes_away_are_refused(address):
    assert redirect_flaw(address)


def test_everything_that_is_wrong_with_a_client_is_told_at_once():
    with pytest.raises(Invalid) as told:
        client_wanted({"redirect_uris": ["https://*", "https://x#y"], "web_origins": ["*"]})
    assert len(told.value.problems) == 3
    for wrong in (
        {"redirect_uris": "https://cloud/x"},
        {"attributes": {"a": ["list"]}},
        {"attributes": "text"},
        {"secret": ""},
        {"secret": "**********"},
        {"secret": "x", "public": True},
        {"default_scopes": ["email"], "optional_scopes": ["email"]},
        {"redirect_ursi": []},
    ):
        with pytest.raises(Invalid):
            client_wanted(wrong)


def test_booleans_and_numbers_become_the_texts_that_the_server_keeps():
    wanted = client_wanted({"attributes": {"a": "true", "b": 5, "c": ""}, "access_token_lifespan": 60})
    assert wanted["attributes"] == {"a": "true", "b": "5", "c": None}
    assert wanted["access_token_lifespan"] == "60"
    found = {"attributes": {"a": "true", "b": "5", "access.token.lifespan": "60", "realm_client": "false"}}
    assert diff(CLIENT, wanted, found) == {}


def test_orders_that_the_server_does_not_keep_are_no_drift():
    wanted = client_wanted(
        {
            "redirect_uris": ["https://a/x", "https://b/y"],
            "default_scopes": ["email", "basic"],
            "post_logout_redirect_uris": ["https://a/*", "https://b/*"],
        }
    )
    found = {
        "redirectUris": ["https://b/y", "https://a/x"],
        "defaultClientScopes": ["service_account", "basic", "email"],
        "attributes": {"post.logout.redirect.uris": "https://b/*##https://a/*"},
    }
    assert diff(CLIENT, wanted, found) == {}


def test_a_mapper_always_says_both_id_token_and_userinfo():
    def config(**given):
        return mappers_wanted(
            {"m": {"type": "t", "config": {key.replace("_", "."): given[key] for key in given}}}
        )["m"]["config"]

    assert config(id_token_claim=True) == {"id.token.claim": "true", "userinfo.token.claim": "true"}
    assert config(userinfo_token_claim=True) == {"id.token.claim": "false", "userinfo.token.claim": "true"}
    assert config(id_token_claim=True, userinfo_token_claim=False)["userinfo.token.claim"] == "false"
    assert config(included_custom_audience="x") == {"included.custom.audience": "x"}


@pytest.mark.parametrize(
    "mappers",
    [
        {"m": {}},
        {"m": "text"},
        {"m": {"type": "t", "confg": {}}},
        {"m": {"type": "t", "config": {"a": ["x"]}}},
    ],
)
def test_mappers_of_the_wrong_shape_are_refused_by_name(mappers):
    with pytest.raises(Invalid, match="mappers:m"):
        mappers_wanted(mappers)


def test_mappers_that_are_not_declared_are_left_alone_unless_ours_are_exclusive():
    row = {"protocolMappers": [{"name": "theirs", "protocolMapper": "x", "config": {}}]}
    assert mapper_changes({}, by_name(row), False) == {}
    assert mapper_changes({}, by_name(row), True) == {"mapper theirs": {"old": "x", "new": None}}


def test_a_prediction_shows_no_secret():
    assert "canary" not in str(predicted_client({"secret": "canary", "redirect_uris": ["https://a/x"]}))
    assert "canary" not in str(Federation(DIRECTORY).creation())


def test_a_federation_needs_its_four_fields_and_an_ldap_address():
    with pytest.raises(Invalid) as told:
        Federation({})
    assert len(told.value.problems) == 4
    for wrong in ({"url": "https://ipa"}, {"bind_credential": "**********"}, {"user_dn": "x"}):
        with pytest.raises(Invalid):
            Federation({**DIRECTORY, **wrong})


def test_groups_come_only_where_they_are_asked_for():
    assert "groups" not in Federation(DIRECTORY).mappers
    groups = Federation(DIRECTORY, groups_dn="cn=groups", groups_path="freeipa", drop_missing_groups=False)
    config = groups.mappers["groups"]["config"]
    assert (config["groups.path"], config["drop.non.existing.groups.during.sync"]) == ("/freeipa", "false")


@pytest.mark.parametrize(("given", "path"), [("/a/b", "/a/b"), ("a/b/", "/a/b"), ("a", "/a")])
def test_a_path_of_a_group_is_written_in_one_way(given, path):
    assert group_path(given) == path


@pytest.mark.parametrize("given", ["", "/", "/a//b", "/ /"])
def test_a_path_with_an_empty_name_is_refused(given):
    with pytest.raises(Invalid):
        group_path(given)
