"""A minion that a FreeIPA double is managed from, each call a run of its own."""

import uuid

import pytest
from freeipa_fixtures import ADDRESS, ADMIN_PASSWORD, HOST
from salt_loader import load

PASSWORD = "Canary-of-a-person-1"
BIND_PASSWORD = "Canary-of-an-account-2"
CANARIES = (PASSWORD, BIND_PASSWORD, ADMIN_PASSWORD)
UNTIL = "2036-01-01T00:00:00Z"


class Minion:
    """Each call is a run of its own, with the same cache."""

    def __init__(self, lab, cache, **profile):
        self.cache = cache
        self.profile = {
            "host": HOST,
            "user": "admin",
            "password": ADMIN_PASSWORD,
            "ca": str(lab.authority),
            "address": f"{ADDRESS}:{lab.rpc_port}",
            # The test's certificate carries the name alone, and that doesn't resolve here.
            "ldap": lab.ldap_url,
            "ldap_start_tls": False,
            **profile,
        }

    def run(self, test=False, **tree):
        opts = {"test": test, "cachedir": str(self.cache), "pki_dir": str(self.cache)}
        return load(opts, {"itstack": {"profiles": {"freeipa": self.profile}, **tree}})

    def state(self, function, name, test=False, tree=None, **arguments):
        _, states = self.run(test, **(tree or {}))
        return states[f"itstack_freeipa.{function}"](name=name, **arguments)

    def call(self, function, *arguments, **keywords):
        return self.run()[0][f"itstack_freeipa.{function}"](*arguments, **keywords)


@pytest.fixture
def minion(freeipa, tmp_path):
    return Minion(freeipa, tmp_path)


@pytest.fixture
def admin(freeipa):
    """The server by another way than the one under test."""
    return freeipa.client()


@pytest.fixture
def name():
    return f"x{uuid.uuid4().hex[:8]}"


def person(**more):
    return {"first_name": "Jane", "last_name": "Doe", **more}


def assert_converges(minion, function, name, **arguments):
    predicted = minion.state(function, name, test=True, **arguments)
    assert predicted["result"] is None, predicted
    first = minion.state(function, name, **arguments)
    assert first["result"] is True, first
    assert first["changes"] and first["changes"] == predicted["changes"]
    second = minion.state(function, name, **arguments)
    assert (second["result"], second["changes"]) == (True, {}), second
    assert not any(canary in str((predicted, first, second)) for canary in CANARIES)
    return first["changes"]
