"""Whatever is wrong in a map is refused, with file, key, value and remedy, and all of it at once."""

from __future__ import annotations

import textwrap

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from salt_itstack.errors import Invalid
from salt_itstack.secrets import policy
from salt_itstack.stack import load, load_for, mermaid, steps
from salt_itstack.stack.schema import STACK, Entries, Fields, Listing, Settings


def refused(tmp_path, text):
    """The problems of a map file with this text, and the file."""
    file = tmp_path / "50-mine.yaml"
    file.write_text(textwrap.dedent(text))
    with pytest.raises(Invalid) as caught:
        load(tmp_path)
    return caught.value.problems, str(file)


RULES = [
    # the text, the key, words of the message, words of the remedy
    ("domian: a.example\n", "domian", "unknown key", "did you mean domain?"),
    ("services: {nextcloud: {enable: false}}", "services.nextcloud.enable", "unknown key", "enabled"),
    (
        "services: {nextcloud: {settings: {occ_comand: occ}}}",
        "services.nextcloud.settings.occ_comand",
        "unknown setting",
        "occ_command",
    ),
    (
        "services: {nextcloud: {enabled: 'no'}}",
        "services.nextcloud.enabled",
        "true or false",
        "without quotes",
    ),
    (
        "services: {postgresql: {settings: {version: 15}}}",
        "services.postgresql.settings.version",
        "a text",
        "quotes",
    ),
    (
        "services: {postgresql: {settings: {max_connections: many}}}",
        "services.postgresql.settings.max_connections",
        "a whole number",
        "200",
    ),
    ("services: {nextcloud: null}", "services.nextcloud", "expected a mapping", "enabled: false"),
    ("services: {nextcloud: {needs: redis}}", "services.nextcloud.needs", "expected a list", "[one, two]"),
    ("services: {nextcloud: {server: lab-ap1}}", "services.nextcloud.server", "unknown server", "lab-app1"),
    ("services: {nextcloud: {needs: [rediss]}}", "services.nextcloud.needs", "unknown service", "redis"),
    ("services: {nextcloud: {phase: 5a}}", "services.nextcloud.phase", "one of the phases", ""),
    ("services: {nextcloud: {mode: force}}", "services.nextcloud.mode", "observe, manage, enforce", ""),
    ("services: {redis: {ports: {redis: 70000}}}", "services.redis.ports.redis", "1 to 65535", ""),
    (
        "services: {redis: {external: {address: r.example.com}}}",
        "services.redis.external",
        "its speaker",
        "speaker:",
    ),
    (
        "services: {redis: {external: {speaker: lab-db1}}}",
        "services.redis.external",
        "its address",
        "address:",
    ),
    (
        "services: {redis: {enabled: false}}",
        "services.nextcloud.needs",
        "nextcloud needs redis, which is switched off",
        "external",
    ),
    (
        "only: [nextcloud]",
        "services.nextcloud.needs",
        "nextcloud needs keycloak, which is switched off",
        "switch keycloak on",
    ),
    (
        "services: {freeipa: {needs: [keycloak]}}",
        "services.freeipa.needs",
        "a circle of needs: freeipa -> keycloak -> freeipa",
        "take one",
    ),
    ("services: {freeipa: {needs: [freeipa]}}", "services.freeipa.needs", "freeipa -> freeipa", "take one"),
    (
        "services: {zammad: {supported: true, needs: [elasticsearch]}}",
        "services.zammad.needs",
        "can't be deployed by this version",
        "external",
    ),
    (
        "services: {zammad: {public_name: cloud}}",
        "services.zammad.public_name",
        "nextcloud has the same public name",
        "another",
    ),
    ("services: {wiki: {name: Wiki}}", "services.wiki", "a service needs a phase", "phase:"),
    ("services: {wiki: {layer: business, phase: 4a}}", "services.wiki", "no server", "server:"),
    ("services: {Wiki: {layer: business}}", "services.Wiki", "small letters", ""),
    (
        "servers: {lab-db1: {address: 10.0.50.11}}",
        "servers.lab-db1.address",
        "lab-id1 has the same address",
        "changed",
    ),
    (
        "servers: {x: {address: 10.9.9.9, minion: lab-id1}}",
        "servers.x.minion",
        "lab-id1 has the same minion",
        "",
    ),
    ("servers: {x: {minion: x}}", "servers.x", "needs its address", "address:"),
    (
        "servers: {x: {address: 10.9.9.9, services: [redis]}, y: {address: 10.9.9.8, services: [redis]}}",
        "servers.y.services",
        "placed on x too",
        "one server",
    ),
    ("domain: lab", "domain", "a DNS domain", ""),
    (
        "integrations: {redis-nextcloud: {secret: {length: 15}}}",
        "integrations.redis-nextcloud.secret.length",
        "a length from 16 to 256",
        "leave it out",
    ),
    (
        "services: {redis: {secrets: {redis-admin: {length: 257}}}}",
        "services.redis.secrets.redis-admin.length",
        "a length from 16 to 256",
        "leave it out",
    ),
    (
        "integrations: {redis-nextcloud: {secret: {alphabet: aAbB012}}}",
        "integrations.redis-nextcloud.secret.alphabet",
        "at least ten different printable ASCII characters",
        "leave it out",
    ),
    (
        "integrations: {redis-nextcloud: {secret: {alphabet: äöüßáéíóúñâêîô}}}",
        "integrations.redis-nextcloud.secret.alphabet",
        "printable ASCII",
        "letters and digits are drawn",
    ),
    (
        "services: {redis: {secrets: {redis-admin: {kind: person}}}}",
        "services.redis.secrets.redis-admin.kind",
        "one of password, client-secret, token, given",
        "",
    ),
    ("base_dn: it-stack.lab", "base_dn", "a base DN", ""),
    ("kerberos_realm: it-stack.lab", "kerberos_realm", "in capitals", ""),
    (
        "integrations: {postgresql-glpi: {engine: postgresql}}",
        "integrations.postgresql-glpi.engine",
        "MariaDB or MySQL only",
        "mariadb",
    ),
    (
        "integrations: {postgresql-suitecrm: {engine: postgresql}}",
        "integrations.postgresql-suitecrm.engine",
        "no PostgreSQL driver",
        "mariadb",
    ),
    (
        "integrations: {postgresql-odoo: {engine: mariadb}}",
        "integrations.postgresql-odoo.engine",
        "not an engine",
        "postgresql",
    ),
    (
        "integrations: {keycloak-nextcloud: {engine: mariadb}}",
        "integrations.keycloak-nextcloud.engine",
        "not an engine",
        "take it out",
    ),
    (
        "integrations: {keycloak-nextcloud: {kind: saml}}",
        "integrations.keycloak-nextcloud.kind",
        "can't be changed",
        "add one",
    ),
    (
        "integrations: {keycloak-nextcloud: {probe: gentle}}",
        "integrations.keycloak-nextcloud.probe",
        "read, write, visible, disruptive",
        "",
    ),
    (
        "integrations: {mine: {kind: oidc, source: keycloak, target: nextclod}}",
        "integrations.mine.target",
        "unknown service",
        "nextcloud",
    ),
    (
        "integrations: {mine: {kind: odic, source: keycloak, target: odoo}}",
        "integrations.mine.kind",
        "unknown kind",
        "oidc",
    ),
    ("integrations: {mine: {kind: flow, source: odoo}}", "integrations.mine", "needs its target", "target:"),
    (
        "integrations: {mine: {kind: flow, source: odoo, target: odoo}}",
        "integrations.mine",
        "the same service",
        "",
    ),
    (
        "integrations: {mine: {number: 5, kind: flow, source: odoo, target: taiga}}",
        "integrations.mine.number",
        "keycloak-zammad has the same number",
        "leave it out",
    ),
    (
        "integrations: {postgresql-nextcloud: {settings: {database: keycloak}}}",
        "integrations.postgresql-nextcloud.settings.database",
        "has the same database",
        "its own",
    ),
    (
        "integrations: {postgresql-nextcloud: {secret: {id: redis-nextcloud}}}",
        "integrations.redis-nextcloud.secret",
        "a secret of the same id",
        "another",
    ),
    (
        "integrations: {redis-keycloak: {not_applicable:"
        " {when: {service: redis, setting: maxmem, is: [a]}}}}",
        "integrations.redis-keycloak.not_applicable.when.setting",
        "unknown setting",
        "maxmemory",
    ),
    (
        "integrations: {suitecrm-odoo: {supported: true}}",
        "integrations.suitecrm-odoo.supported",
        "no module for integrations of kind",
        "oidc, ldap, database, cache",
    ),
    (
        "integrations: {postgresql-nextcloud: {settings: {tls: verify}}}",
        "integrations.postgresql-nextcloud.settings.tls",
        "one of prefer, require, verify-full",
        "prefer",
    ),
    (
        "services: {freeipa: {settings: {password_check: guess}}}",
        "services.freeipa.settings.password_check",
        "one of bind, fingerprint",
        "bind",
    ),
    (
        "services: {redis: {external: {address: r, speaker: x, access: peer}}}",
        "services.redis.external.access",
        "one of secret, profile",
        "",
    ),
    (
        "services: {redis: {external: {address: r, speaker: x, url: 'ftp://r'}}}",
        "services.redis.external.url",
        "http or https",
        "",
    ),
]


@pytest.mark.parametrize(("text", "key", "message", "remedy"), RULES, ids=[rule[0][:60] for rule in RULES])
def test_a_rule(tmp_path, text, key, message, remedy):
    problems, file = refused(tmp_path, text)
    fitting = [one for one in problems if one.key == key and message in one.message]
    assert fitting, [str(one) for one in problems]
    assert fitting[0].file == file or key == "integrations.redis-nextcloud.secret"
    assert remedy in fitting[0].remedy


def test_a_secrets_length_is_shown_and_what_may_be_a_secret_is_not(tmp_path):
    problems, file = refused(
        tmp_path, "integrations: {redis-nextcloud: {secret: {length: 12, alphabet: hunter2}}}"
    )
    length, alphabet = (str(problem) for problem in problems)
    assert length == (
        f"{file} integrations.redis-nextcloud.secret.length (12): expected a length from 16 to 256, or null."
        " Remedy: leave it out: each kind has a length of its own"
    )
    assert "hunter2" not in alphabet


@pytest.mark.parametrize("kind", ["password", "client-secret", "token"])
@pytest.mark.parametrize("how", [{"length": 16, "alphabet": "0123456789"}, {"length": 256}, {}])
def test_what_the_map_allows_can_be_made(tmp_path, kind, how):
    text = yaml.safe_dump({"integrations": {"redis-nextcloud": {"secret": {"kind": kind, **how}}}})
    (tmp_path / "mine.yaml").write_text(text)
    secret = load(tmp_path).secrets()["redis-nextcloud"]
    made = policy.generate(secret.kind, secret.length, secret.alphabet)
    assert len(made) == how.get("length", len(made)) and set(made) <= set(how.get("alphabet", made))


YAML_MISTAKES = [
    ("services:\n  nextcloud: [1\n", "line 3", "not valid YAML"),
    ("services: {}\ndomain: a.example\nservices: {}\n", "line 3", "'services' stands in line 1 too"),
    ("- services\n", "", "expected a mapping at the top"),
    ("just words\n", "", "expected a mapping at the top"),
    ("domain: !!python/object:os.system x\n", "line 1", "not valid YAML"),
    ("a: 1\n---\nb: 2\n", "line 2", "not valid YAML"),
    ("services: &all\n  x: *all\n", "", "holds itself"),
    ("domain: !!int x\n", "", "doesn't fit its type"),
    ("services:\n\tx: 1\n", "line 2", "not valid YAML"),
]


@pytest.mark.parametrize(("text", "place", "message"), YAML_MISTAKES)
def test_a_file_that_is_no_map(tmp_path, text, place, message):
    problems, file = refused(tmp_path, text)
    assert len(problems) == 1
    assert problems[0].file.startswith(file)
    assert place in problems[0].file
    assert message in problems[0].message


def test_bytes_that_are_no_text(tmp_path):
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe\x00domain")
    with pytest.raises(Invalid, match=r"a\.yaml.*UTF-8"):
        load(tmp_path)


def test_aliases_that_multiply_are_stopped(tmp_path):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    problems, _ = refused(tmp_path, "\n".join(lines))
    assert "too many values" in problems[0].message


def test_aliases_as_such_are_welcome(tmp_path):
    (tmp_path / "a.yaml").write_text("services:\n  odoo: &off {enabled: false}\n  taiga: *off\n")
    stack = load(tmp_path)
    assert not stack.services["odoo"].enabled
    assert not stack.services["taiga"].enabled


def test_all_problems_come_at_once_each_with_its_file(tmp_path):
    (tmp_path / "10-a.yaml").write_text("domian: x\nservices: {nextcloud: {server: nowhere}}\n")
    (tmp_path / "20-b.yaml").write_text("services: {redis: {enabled: false}}\nmode: hard\n")
    (tmp_path / "30-c.yaml").write_text("{")
    with pytest.raises(Invalid) as caught:
        load(tmp_path, extra={"realm": "a b"})
    found = {(one.file.rsplit("/", 1)[-1].split(",")[0], one.key) for one in caught.value.problems}
    assert found == {
        ("10-a.yaml", "domian"),
        ("10-a.yaml", "services.nextcloud.server"),
        ("20-b.yaml", "mode"),
        ("20-b.yaml", "services.nextcloud.needs"),
        ("30-c.yaml", ""),
        ("the master's configuration", "realm"),
    }
    text = str(caught.value)
    assert len(text.splitlines()) == len(caught.value.problems)
    assert "domian" in text
    assert "did you mean domain?" in text


CLEAR = [
    "services: {keycloak: {settings: {admin_password: Hunter2Hunter2}}}",
    "services: {keycloak: {settings: {password: Hunter2Hunter2}}}",
    "services: {keycloak: {pasword: Hunter2Hunter2}}",
    "services: {keycloak: {settings: {admin_pasword: Hunter2Hunter2}}}",
    "services: {keycloak: {settings: {heap: [{client-secret: Hunter2Hunter2}]}}}",
    "services: {keycloak: {secrets: {keycloak-admin: Hunter2Hunter2}}}",
    "services: {keycloak: {secrets: {keycloak-admin: {kind: Hunter2Hunter2}}}}",
    "services: {wiki: {layer: business, phase: 4a, server: x, settings: {a: {api_key: Hunter2Hunter2}}}}",
    "services: {redis: {external: {address: r, speaker: x, url: 'https://me:Hunter2Hunter2@r'}}}",
    "integrations: {keycloak-nextcloud: {secret: Hunter2Hunter2}}",
    "integrations: {mine: {kind: flow, source: odoo, target: taiga, settings: {a_token: Hunter2Hunter2}}}",
    "password: Hunter2Hunter2\npassword: [",
    "password: Hunter2Hunter2: x",
    "password: !!int Hunter2Hunter2",
]


@pytest.mark.parametrize("text", CLEAR)
def test_a_secret_in_clear_is_refused_and_not_repeated(tmp_path, text):
    problems, _ = refused(tmp_path, text)
    assert "Hunter2Hunter2" not in "".join(str(one) for one in problems)


def test_a_secret_in_clear_is_told_with_the_remedy(tmp_path):
    problems, _ = refused(tmp_path, CLEAR[7])
    assert problems[0].message == "a secret in clear where a reference is expected"
    assert "secret://" in problems[0].remedy


def test_references_to_secrets_are_welcome():
    stack = load(
        extra={
            "services": {
                "wiki": {
                    "layer": "business",
                    "phase": "4a",
                    "server": "lab-id1",
                    "settings": {
                        "password": "sdb://vault/wiki",
                        "token": "secret://wiki-token",
                        "secret": None,
                    },
                }
            }
        }
    )
    assert stack.services["wiki"].settings["password"] == "sdb://vault/wiki"


def test_an_unusual_engine_is_a_warning():
    stack = load(extra={"integrations": {"postgresql-snipeit": {"engine": "postgresql"}}})
    assert [text for text in stack.warnings if "postgresql-snipeit" in text and "doesn't support" in text]
    assert stack.integrations["postgresql-snipeit"].realised_via is None


def test_a_missing_need_of_what_is_not_started_anyway_is_a_warning():
    stack = load(
        extra={
            "services": {
                "keycloak": {"enabled": False},
                "nextcloud": {"needs": ["postgresql", "redis"]},
                "mattermost": {"needs": ["postgresql"]},
            }
        }
    )
    assert [text for text in stack.warnings if "keycloak is switched off, and needed by jitsi" in text]
    assert set(stack.deployable()) == {
        "freeipa", "postgresql", "redis", "traefik", "nextcloud", "mattermost",
    }  # fmt: skip


def test_every_circle_is_named():
    with pytest.raises(Invalid) as caught:
        load(
            extra={
                "services": {
                    "freeipa": {"needs": ["redis"]},
                    "mattermost": {"needs": ["zammad"]},
                    "zammad": {"needs": ["mattermost"]},
                }
            }
        )
    text = str(caught.value)
    assert "freeipa -> redis -> freeipa" in text or "redis -> freeipa -> redis" in text
    assert "mattermost -> zammad -> mattermost" in text or "zammad -> mattermost -> zammad" in text


def test_a_circle_through_an_integration_is_found():
    extra = {
        "integrations": {
            "mine": {"kind": "cache", "source": "nextcloud", "target": "keycloak", "settings": {"user": "kc"}}
        }
    }
    with pytest.raises(
        Invalid, match=r"keycloak -> nextcloud -> keycloak|nextcloud -> keycloak -> nextcloud"
    ):
        load(extra=extra)


def test_a_file_that_would_be_ignored_is_told(tmp_path):
    (tmp_path / "mine.yml").write_text("domain: a.example\n")
    stack = load(tmp_path)
    assert stack.domain == "it-stack.lab"
    assert "mine.yml is not read" in stack.warnings[0]


def test_a_folder_that_is_not_there():
    with pytest.raises(Invalid, match=r"/no/such/folder.*can't be read"):
        load("/no/such/folder")
    with pytest.raises(Invalid, match="itstack:directory"):
        load_for({"itstack": {"directory": 7}})
    with pytest.raises(Invalid, match="expected a mapping"):
        load_for({"itstack": "here"})
    with pytest.raises(Invalid, match="itstack:map"):
        load_for({"itstack": {"map": ["a"]}})


WORDS = """
domain realm mode only servers services integrations periods sandbox nextcloud redis lab-id1
address minion settings needs external secrets enabled phase ports kind source target
keycloak-nextcloud engine secret not_applicable when unless is service setting reason number
unique readers producer 0 <<
"""
KEYS = st.sampled_from(WORDS.split())
VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=12),
        st.sampled_from(
            ["nextcloud", "redis", "1a", "oidc", "10.0.0.1", "a.example", "observe", "secret://x"]
        ),
        st.dates(),
        st.binary(max_size=4),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(KEYS, st.text(max_size=6), st.integers(), st.none()), inner, max_size=5),
    ),
    max_leaves=25,
)
MANY = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def survives(**given_to_load):
    """Load; nothing but a stack or our own error may come out, and the error can be printed."""
    try:
        stack = load(**given_to_load)
    except Invalid as error:
        assert error.problems
        assert str(error)
    else:
        assert len(stack.integrations) >= 58
        assert {step.service for step in steps(stack)} == set(stack.deployable())
        assert mermaid(stack, dict.fromkeys(stack.integrations, "works"))


@MANY
@given(st.dictionaries(KEYS, VALUES, max_size=5))
@example({"services": {"redis": {"ports": {"redis": 0x1 << 20000}}}})
@example({"integrations": {"x": {"kind": "oidc", "source": "redis", "target": "redis", "engine": "q"}}})
@example({"services": {"x": {"phase": True, "layer": "business", "server": "lab-id1"}}})
@example({"only": []})
def test_no_data_breaks_the_loader(extra):
    survives(extra=extra)


NAMES = st.sampled_from(
    [
        "redis",
        "keycloak",
        "nextcloud",
        "zammad",
        "wiki",
        "lab-db1",
        "s1",
        "keycloak-nextcloud",
        "mine",
        "token",
    ]
)
PLAUSIBLE = st.one_of(
    NAMES,
    st.booleans(),
    st.integers(0, 70000),
    st.sampled_from(
        ["10.0.50.11", "a.example", "1a", "4c", "oidc", "database", "postgresql", "source", "business"]
    ),
    VALUES,
)


def shaped(node):
    """Data of the form that the schema wants, with values that may be right or wrong."""
    if isinstance(node, Fields):
        return st.fixed_dictionaries({}, optional={key: shaped(child) for key, child in node.keys.items()})
    if isinstance(node, Entries):
        return st.dictionaries(NAMES, shaped(node.value), max_size=3)
    if isinstance(node, Listing):
        return st.lists(NAMES, max_size=3)
    if isinstance(node, Settings):
        return st.dictionaries(NAMES, PLAUSIBLE, max_size=3)
    return PLAUSIBLE


@MANY
@given(shaped(STACK))
def test_no_map_of_the_right_form_breaks_the_loader(extra):
    survives(extra=extra)


@MANY
@given(st.one_of(st.text(max_size=200), st.dictionaries(KEYS, VALUES, max_size=4).map(yaml.dump)))
@example("{[a]: 1}")
@example("? {a: 1}\n: 2\n")
@example("!!bool x: 1\n")
@example("a: !!timestamp 2001-99-99\n")
@example("<<: 3\n")
@example("a: !!binary '*'\n")
@example("services: !!set {a, b}\n")
@example("!!omap [a]")
@example("[" * 5000)
@example("domain: 0x" + "f" * 9000)
def test_no_text_breaks_the_loader(tmp_path, text):
    file = tmp_path / "random.yaml"
    file.write_text(text, encoding="utf-8", errors="surrogatepass")
    survives(files=[file])


@MANY
@given(st.binary(max_size=200))
def test_no_bytes_break_the_loader(tmp_path, content):
    file = tmp_path / "random.yaml"
    file.write_bytes(content)
    survives(files=[file])
