"""The examples of the docstrings as they stand, on a real Keycloak and a real directory."""

import re
import shlex
import uuid

import pytest
import yaml
from database_fixtures import Salt, assert_converges
from keycloak_fixtures import BIND_PASSWORD, ONE_VERSION
from salt.utils.args import parse_input

from docs.generator import plugins

pytest_plugins = ("keycloak_fixtures",)
pytestmark = ONE_VERSION

SECRET = "Canary-of-the-examples-37"
#: The realm that the examples are in, and what goes with it.
REALM = "it-stack"


@pytest.fixture(scope="module")
def salt(keycloak_account, keycloak_minion):
    return Salt("keycloak", keycloak_account.profile, keycloak_minion)


@pytest.fixture
def realm(salt):
    """The name of a realm in place of the examples' own, which another test may have."""
    name = f"examples-{uuid.uuid4().hex[:8]}"
    yield name
    assert salt.state("realm_absent", name)["result"] is True


@pytest.fixture
def here(realm, keycloak_directory):
    """An example's value, as it can be used here."""

    def replaced(value):
        if isinstance(value, dict):
            return {key: replaced(item) for key, item in value.items()}
        if isinstance(value, list):
            return [replaced(item) for item in value]
        if not isinstance(value, str):
            return value
        if value.startswith("secret://"):
            return BIND_PASSWORD if value.endswith("freeipa-keycloak") else SECRET
        if value.startswith("ldaps://"):
            return keycloak_directory.url
        return realm if value == REALM else value

    return replaced


@pytest.fixture
def newcomer(salt, keycloak_account):
    """A server on which our account isn't there, and a temporary one is."""
    temporary = {"service_accounts": True, "service_account_realm_roles": ["admin"], "secret": SECRET}
    assert salt.state("client_present", "temporary", realm="master", **temporary)["result"] is True
    profile = {**keycloak_account.profile, "client_id": "examples", "client_secret": SECRET}
    yield Salt("keycloak", profile, salt.options)
    assert keycloak_account.client("master", "temporary") is None
    assert salt.state("client_absent", "examples", realm="master")["changes"]


def plugin(kind):
    return next(one for one in plugins.plugins(kind) if one.name == "itstack_keycloak")


def states_of(docstring, here):
    for text in plugins.examples(docstring):
        for identity, state in yaml.safe_load(text).items():
            ((name, arguments),) = state.items()
            given = here({key: value for one in arguments or () for key, value in one.items()})
            yield name.partition(".")[2], here(given.pop("name", identity)), given


def test_the_examples_of_states_work(salt, realm, here, newcomer):
    """What makes something in the order of the page, and then what removes it in the opposite one."""
    shown = plugin("states").functions
    examples = [example for function in shown for example in states_of(function.docstring, here)]
    assert {function for function, _, _ in examples} == {function.name for function in shown}
    undo = [example for example in examples if example[0].endswith(("_absent", "_withdrawn"))]
    for example in examples:
        if example not in undo:
            function, name, given = example
            assert_converges(newcomer if function == "account_present" else salt, function, name, **given)
    # What the examples remove and none of them made.
    assert salt.state("realm_present", "playground")["result"] is True
    for function, name, given in reversed(undo):
        if function == "flow_absent":
            assert "bind another flow" in salt.state(function, name, **given)["comment"]
            assert_converges(salt, "flow_bindings_present", "ours", realm=realm, browser="browser")
        assert_converges(salt, function, name, **given)


def test_the_example_of_the_whole_works(salt, here, newcomer):
    functions = []
    for function, name, given in states_of(plugin("states").docstring, here):
        assert_converges(newcomer if function == "account_present" else salt, function, name, **given)
        functions.append(function)
    assert functions == ["account_present", "realm_present", "federation_present", "client_present"]


def commands(docstring):
    """The function and the words of each command line of a docstring."""
    for text in re.findall(r"\.\. code-block:: bash\n\n((?:[ \t]+\S.*\n?)+)", docstring):
        words = shlex.split(re.sub(r"\\?\n", " ", text))
        at = next(number for number, word in enumerate(words) if word.startswith("itstack_keycloak."))
        end = words.index(">") if ">" in words else len(words)
        yield words[at].partition(".")[2], words[at + 1 : end]


def understood(words, here):
    """Words as Salt understands them."""
    arguments, keywords = parse_input(words, condition=False)
    return here(arguments), here(keywords)


#: What the functions that change nothing here return of what the examples made.
READ = {
    "version": lambda result: re.fullmatch(r"\d+\.\d+\.\d+", result),
    "account_apply": lambda result: result == {},
    "account_creation": lambda result: result["account"]["new"],
    "describe": lambda result: "client wiki" in result,
    "client_list": lambda result: {"wiki", "blog", "nextcloud"} <= set(result),
    "federation_sync": lambda result: result["failed"] == 0,
    "federation_vanished": lambda result: result == [],
    "federation_prune": lambda result: result == {},
    "federation_test": lambda result: result is True,
    "user": lambda result: result["username"] == "jdoe",
}


def assert_changes_once(salt, name, arguments, keywords):
    if keywords.pop("test", False):
        assert salt.call(name, *arguments, test=True, **keywords), name
    assert salt.call(name, *arguments, **keywords), name
    assert salt.call(name, *arguments, **keywords) == {}, name


def test_the_examples_of_commands_work(salt, realm, here):
    """What makes something, then what reads, then what removes, in the opposite order."""
    make, read, undo = [], [], []
    for function in plugin("modules").functions:
        shown = list(commands(function.docstring))
        assert [name for name, _ in shown] == [function.name], function.place
        example = (function.name, *understood(shown[0][1], here))
        removes = function.name.endswith(("_remove", "_withdraw"))
        (read if function.name in READ else undo if removes else make).append(example)
    for name, arguments, keywords in make:
        if name == "group_apply":
            assert salt.state("group_present", "/staff", realm=realm)["result"] is True
        assert_changes_once(salt, name, arguments, keywords)
    for name, arguments, keywords in read:
        result = salt.call(name, *arguments, **keywords)
        assert READ[name](result), (name, result)
    assert salt.state("realm_present", "old-realm")["result"] is True
    assert salt.state("flow_bindings_present", "ours", realm=realm, browser="browser")["result"] is True
    for name, arguments, keywords in reversed(undo):
        assert_changes_once(salt, name, arguments, keywords)
