"""Nextcloud's comparisons, arguments, messages and the editing of config.php, as pure functions."""

import pathlib

import pytest

from salt_itstack.errors import Denied, Rejected, Unreachable
from salt_itstack.reconcile import creation, diff
from salt_itstack.services.nextcloud import configfile
from salt_itstack.services.nextcloud.occ import Outcome, failure
from salt_itstack.services.nextcloud.resources import (
    OIDC_PROVIDER,
    application,
    configuration,
    leaves,
    merged,
    provider_arguments,
)

#: As PHP's var_export writes it.
CONFIG = r"""<?php
$CONFIG = array (
  'dbname' => 'nextcloud',
  'dbpassword' => 'it\'s a \\ one',
  'redis' =>
  array (
    'dbpassword' => 'not this',
  ),
  'installed' => true,
);
"""


def test_values_are_compared_with_their_types():
    wanted = {"a": True, "b": "1", "c": 1, "d": [], "e": {"f": "x"}}
    flat = {":".join(path): value for path, value in leaves(wanted).items()}
    resource = configuration(leaves(wanted), ())
    assert diff(resource, flat, {"a": True, "b": "1", "c": 1, "d": [], "e": {"f": "x", "g": 2}}) == {}
    found = {"a": "true", "b": 1, "c": "1", "d": {"0": "x"}, "e": {"f": "x"}}
    assert set(diff(resource, flat, found)) == {"a", "b", "c", "d"}


def test_secrets_are_hidden_by_name_and_by_reference():
    wanted = {("redis", "password"): "x", ("mail_smtppassword",): "y", ("user",): "z", ("host",): "h"}
    changes = creation(
        configuration(wanted, [("user",)]), {":".join(path): value for path, value in wanted.items()}
    )
    hidden = {name for name, change in changes.items() if change["new"] == "(hidden)"}
    assert hidden == {"redis:password", "mail_smtppassword", "user"}


def test_maps_are_merged_and_lists_replaced():
    found = {"host": "a", "options": {"x": 1}, "list": [1, 2, 3]}
    wanted = {"options": {"y": 2}, "list": [4]}
    assert merged(found, wanted) == {"host": "a", "options": {"x": 1, "y": 2}, "list": [4]}
    assert merged("text", {"a": 1}) == {"a": 1}


def test_app_settings_are_text():
    values = {"on": True, "off": False, "number": 5, "text": "yes"}
    assert diff(application(values, ()), values, {"on": "1", "off": "0", "number": 5, "text": "yes"}) == {}
    assert set(diff(application(values, ()), values, {"on": "0", "off": "", "number": "6"})) == set(values)


def test_a_setting_whose_default_is_true_is_written_on_creation():
    wanted = {"client_id": "c", "unique_uid": False, "check_bearer": False, "post_logout_uri": ""}
    assert set(creation(OIDC_PROVIDER, wanted)) == {"client_id", "unique_uid", "check_bearer"}


def test_provider_comparisons():
    wanted = {"group_whitelist_regex": "^a$", "scope": "openid email", "mapping_uid": "", "unique_uid": 1}
    settings = {"groupWhitelistRegex": "/^a$/", "mappingUid": "", "uniqueUid": True}
    assert diff(OIDC_PROVIDER, wanted, {"scope": " openid email ", "settings": settings}) == {}


def test_provider_arguments_name_the_client_and_never_the_secret():
    wanted = {"client_id": "c", "client_secret": "canary", "unique_uid": False, "mapping_groups": ""}
    wanted["scope"] = "a b"
    arguments = provider_arguments(wanted, ["client_secret", "unique_uid", "mapping_groups", "scope"])
    assert arguments == [
        "-c", "c", "--clientsecret-env", "ITSTACK_CLIENT_SECRET", "--unique-uid=0", "--mapping-groups=",
        "-o", "a b",
    ]  # fmt: skip


NO_DATABASE = """An unhandled exception has been thrown:
Doctrine: Failed to connect to the database: SQLSTATE[08006] [7] Connection refused
Trace: #0 connect('canary')
"""
REFUSED = 'Error: SQLSTATE[08006] [7] FATAL:  password authentication failed for user "x"'
NOT_INSTALLED = """Nextcloud is not installed - only a limited number of commands are available

  There are no commands defined in the "config" namespace.
"""
NO_APP = '\n  There are no commands defined in the "user_oidc" namespace.  \n\n'
BAD_VALUE = "\nIn CastHelper.php line 20:\n        \n  Non-numeric value canary specified  \n"


@pytest.mark.parametrize(
    ("outcome", "kind", "words"),
    [
        (Outcome(1, NO_DATABASE, ""), Unreachable, "start the database"),
        (Outcome(1, REFUSED, ""), Denied, "dbpassword"),
        (Outcome(1, "", NOT_INSTALLED), Unreachable, "isn't installed yet"),
        (Outcome(1, "", NO_APP), Rejected, "enable the app"),
        (Outcome(1, "", BAD_VALUE), Rejected, "Non-numeric value (hidden) specified"),
        (Outcome(255, "", ""), Rejected, "it printed nothing"),
    ],
)
def test_failures_say_what_happened_without_secrets(outcome, kind, words):
    error = failure("config:import", outcome, ["canary"])
    assert type(error) is kind
    assert words in str(error)
    assert "canary" not in str(error)


def test_config_php_is_changed_in_one_place():
    assert configfile.read(CONFIG, "dbpassword") == "it's a \\ one"
    new = r"q'uo\ted\'"
    changed = configfile.replaced(CONFIG, "dbpassword", new)
    assert configfile.read(changed, "dbpassword") == new
    before, after = CONFIG.splitlines(), changed.splitlines()
    assert [number for number, line in enumerate(before) if line != after[number]] == [3]
    assert len(before) == len(after)


@pytest.mark.parametrize("key", ["nothing", "installed", "redis"])
def test_config_php_in_another_form_is_refused(key):
    with pytest.raises(Rejected, match=f"set {key} there by hand"):
        configfile.replaced(CONFIG, key, "x")


def test_config_php_keeps_owner_and_mode(tmp_path: pathlib.Path):
    path = tmp_path / "config.php"
    path.write_text(CONFIG)
    path.chmod(0o640)
    configfile.write(path, "<?php\n")
    assert path.read_text() == "<?php\n" and path.stat().st_mode & 0o7777 == 0o640
    assert list(tmp_path.iterdir()) == [path]
