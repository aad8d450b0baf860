"""
No secret leaves a trace, and nobody reads more than the map says: in the running fleet.

All secrets that two servers share are changed to canaries, the fleet takes them over while everything that
it says is recorded, and then all of that, and every file that a server has written since the lab began, is
searched for the new values and for those of the first run.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from fleet import wait_for
from traces import Needles, Processes, written

HELPER = str(Path(__file__).resolve().parent / "inside_secrets.py")
SHARED = (
    "freeipa-keycloak",
    "keycloak-nextcloud",
    "postgresql-keycloak",
    "postgresql-mattermost",
    "postgresql-nextcloud",
    "redis-nextcloud",
    "sandbox-person",
)
MARKER = "Marker-that-must-be-found-61"
RUN = os.urandom(3).hex()
CONFIGURED = ("lab-db1", "lab-id1", "lab-app1")

#: Where a secret has to stand in clear, which ones, and why. Everything else is a leak.
ALLOWED = [
    # What a person typed into FreeIPA's installer, kept by the lab for its restarts and the import.
    ("lab-master", r"/etc/itstack-lab/freeipa-admin", {"freeipa-admin"}),
    # Keycloak reads its database's password and its first account from its own files.
    ("lab-id1", r"/opt/keycloak-[^/]+/conf/keycloak\.conf", {"postgresql-keycloak"}),
    ("lab-id1", r"/etc/keycloak/keycloak\.env", {"keycloak-bootstrap"}),
    # Nextcloud keeps these in its own configuration.
    ("lab-app1", r"/var/www/nextcloud/config/config\.php", {"postgresql-nextcloud", "redis-nextcloud"}),
    # Mattermost reads its database's password from its environment.
    ("lab-app1", r"/etc/mattermost/database\.env", {"postgresql-mattermost"}),
    # Keycloak keeps its clients' secrets and its bind password readably in its database.
    (
        "lab-db1",
        r"/var/lib/postgresql/\d+/main/(base|global|pg_wal|pg_stat_tmp)/.*",
        {"freeipa-keycloak", "keycloak-admin", "keycloak-bootstrap", "keycloak-nextcloud"},
    ),
]


def ask(fleet, server, verb, given=None, timeout=300):
    """One verb of the helper inside a server."""
    done = fleet.inside(server, sys.executable, HELPER, verb, stdin=json.dumps(given), timeout=timeout)
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


def canary(identifier):
    """A value that would have to be quoted nearly everywhere."""
    return f"Canary-{identifier}-{RUN}-\"+/&%'=7"


@contextlib.contextmanager
def recorded_events(fleet, path):
    """Write the events of the master's bus to a file meanwhile."""
    from salt_itstack.lab import client

    words = [sys.executable, HELPER, "record", json.dumps({"path": str(path)})]
    recorder = subprocess.Popen(
        client.enter_command(fleet.process("lab-master"), words),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=client.inside_environment(),
    )
    try:
        wait_for(lambda: path.exists() and path.read_text(), "the recorder listens")
        yield
        # What is still on the way belongs to it.
        fleet.salt("lab-mgmt1", "test.arg", "the-end-of-the-record")
        wait_for(lambda: path.read_text().count("the-end-of-the-record") >= 2, "the last event is recorded")
    finally:
        recorder.terminate()
        recorder.wait(30)


class Traces:
    """What was recorded while the fleet took over new secrets."""

    def __init__(self) -> None:
        self.before: dict[str, str] = {}
        self.after: dict[str, str] = {}
        self.outputs: dict[str, str] = {}
        self.codes: dict[str, int] = {}
        self.processes = Processes()
        self.events = b""
        self.jobs: dict = {}

    def run(self, fleet, server, *words):
        """Run a command inside a server, and keep all that it prints."""
        name = f"{server}: {' '.join(words)}"
        done = fleet.inside(server, *words, timeout=600)
        self.outputs[name] = done.stdout + done.stderr
        self.codes[name] = done.returncode

    def texts(self):
        """All of it but the files, by a name for each."""
        yield from ((name, text.encode()) for name, text in self.outputs.items())
        yield from ((f"process {line!r:.80}", line) for line in self.processes.lines)
        yield from ((f"event {line[:120]!r}", line) for line in self.events.splitlines())
        for jid, job in self.jobs["found"].items():
            yield f"job {jid}", json.dumps(job, ensure_ascii=False).encode()
        yield "list of jobs", json.dumps(self.jobs["jobs"], ensure_ascii=False).encode()


@pytest.fixture(scope="module")
def traces(deployed, tmp_path_factory):
    """New secrets for the whole fleet, with everything recorded that it says meanwhile."""
    found = Traces()
    found.before = ask(deployed, "lab-master", "values")
    assert set(SHARED) < set(found.before)
    events = tmp_path_factory.mktemp("traces") / "events"
    with found.processes, recorded_events(deployed, events):
        # The control: what was meant to be found, on each of the ways that are looked at.
        deployed.salt("lab-mgmt1", "cmd.run", f"echo {MARKER} >&2; sleep 1; false")
        answers = ask(deployed, "lab-master", "import_all", {name: canary(name) for name in SHARED})
        assert all("was written" in answer for answer in answers.values()), answers
        for minion in CONFIGURED:
            found.run(deployed, minion, "salt-call", "-l", "debug", "state.highstate")
        found.run(deployed, "lab-master", "salt-run", "-l", "debug", "itstack.deploy")
        found.run(
            deployed, "lab-master", "salt-run", "-l", "debug", "itstack.status", "fresh=True", "whole=True"
        )
        found.run(deployed, "lab-master", "salt", "-L", ",".join(CONFIGURED), "state.highstate", "test=True")
        found.run(deployed, "lab-app1", "salt-call", "-l", "debug", "state.highstate", "test=True")
        found.run(deployed, "lab-app1", "salt-call", "-l", "debug", "itstack.probe")
        found.run(deployed, "lab-master", "salt", "*", "pillar.items", "unmask=True")
        found.run(deployed, "lab-master", "salt", "*", "itstack.versions")
        for minion in CONFIGURED:
            found.run(deployed, "lab-master", "salt-run", "pillar.show_pillar", minion)
        for report in ("itstack.secrets", "itstack.graph", "itstack.preflight"):
            found.run(deployed, "lab-master", "salt-run", report)
        found.jobs = ask(deployed, "lab-master", "job_cache")
    found.events = events.read_bytes()
    found.after = ask(deployed, "lab-master", "values")
    return found


@pytest.fixture(scope="module")
def needles(traces):
    """All secrets, the former and the present ones, and the control."""
    # A canary's beginning is the same however often the rest was quoted.
    begun = [(name, canary(name).partition('"')[0]) for name in SHARED]
    return Needles([*traces.before.items(), *traces.after.items(), *begun, ("marker", MARKER)])


@pytest.fixture(scope="module")
def searched(traces, needles, deployed):
    """The files, of all that a server wrote since its lab began, in which something was found."""
    # The first thing that a new lab makes, and never touches again.
    begun = (deployed.lab.state / "pki" / "master.pem").stat().st_ctime - 1
    return [
        (server, path, names)
        for server in ("lab-master", *deployed.lab.servers)
        for path, content in written(deployed.process(server), begun)
        if (names := needles.found(content))
    ]


def test_the_fleet_took_over_the_new_secrets_and_works(traces, deployed):
    assert {name: code for name, code in traces.codes.items() if code} == {}
    for name in SHARED:
        assert traces.after[name] == canary(name) != traces.before[name]
    rows = [
        row
        for row in deployed.rows(fresh=False).values()
        if row["state"] not in ("not deployed", "not applicable")
    ]
    assert {row["state"] for row in rows} == {"works"}, rows


def test_what_is_looked_for_would_be_found(traces, searched):
    control = Needles([("marker", MARKER)])
    hits = [name for name, text in traces.texts() if control.found(text)]
    for kind in ("process", "event", "job"):
        assert [name for name in hits if name.startswith(kind)], f"the marker is in no {kind}"
    # The call and the return are two events, and the list of jobs shows the call.
    assert len([name for name in hits if name.startswith("event")]) >= 2
    assert "list of jobs" in hits
    places = [(server, path) for server, path, names in searched if "marker" in names]
    assert ("lab-mgmt1", "/var/log/salt/minion") in places
    assert [path for server, path in places if path.startswith("/var/cache/salt/master/jobs/")]


@pytest.mark.parametrize(
    "around",
    [
        "{}",
        '{{"password": {json}}}',
        "https://user:{url}@host/",
        "Authorization: Basic {basic}",
        "'dbpassword' => '{php}',",
    ],
)
def test_a_secret_is_found_in_each_form(around):
    import base64
    import urllib.parse

    value = canary("x")
    text = around.format(
        value,
        json=json.dumps(value),
        url=urllib.parse.quote(value, safe=""),
        basic=base64.b64encode(f"salt-itstack:{value}".encode()).decode(),
        php=value.replace("'", "\\'"),
    )
    assert Needles([("x", value)]).found(text.encode()) == {"x"}


def test_no_command_line_event_job_report_or_debug_output_shows_a_secret(traces, needles):
    leaks = {name: sorted(hit) for name, text in traces.texts() if (hit := needles.found(text) - {"marker"})}
    assert not leaks
    # Otherwise it was looked at nothing.
    assert traces.processes.looks > 100
    assert b"itstack/" in traces.events or b"salt/run/" in traces.events
    debug = next(text for name, text in traces.outputs.items() if "debug state.highstate" in name)
    assert "[DEBUG   ]" in debug and "itstack_postgresql" in debug


def test_no_file_of_any_server_holds_a_secret_where_it_need_not(searched):
    leaks, needed = [], set()
    for server, path, names in searched:
        for number, (where, pattern, those) in enumerate(ALLOWED):
            if server == where and re.fullmatch(pattern, path) and names & those:
                names = names - those
                needed.add(number)
        leaks += [f"{server} {path}: {name}" for name in sorted(names - {"marker"})]
    assert not leaks
    assert needed == set(range(len(ALLOWED))), "a place is allowed where no secret is found"


# Who can open what


def digest(value):
    return hashlib.sha256(value.encode()).hexdigest()


@pytest.fixture(scope="module")
def readers(traces, deployed):
    """Of each secret the minions that may read it, as the map says."""
    answer, _ = deployed.runner("itstack.secrets")
    return {identifier: set(about["readers"]) for identifier, about in answer.items()}


def test_each_pair_of_minion_and_secret_resolves_iff_the_map_says_so(traces, readers, deployed):
    assert set(readers) == set(traces.after)
    # Of these nobody has to ask the map.
    assert readers["redis-admin"] == {"lab-db1"} and readers["redis-nextcloud"] == {"lab-db1", "lab-app1"}
    for minion in deployed.lab.servers:
        answers = ask(deployed, minion, "resolve", {"ids": sorted(readers)})
        expected = {
            name: digest(traces.after[name]) if minion in may else "Missing" for name, may in readers.items()
        }
        assert answers == expected, minion


LIES = {
    "id": "lab-id1",
    "host": "lab-id1",
    "nodename": "lab-id1",
    "fqdn": "lab-id1.it-stack.lab",
    "roles": ["freeipa", "keycloak"],
    "itstack": {"services": ["keycloak"], "sealed": {"keycloak-admin": "x"}},
}
CLAIMS = {
    "itstack": {
        "services": {"keycloak": {}, "freeipa": {}},
        "integrations": {"freeipa-keycloak": {"target": "keycloak"}},
        "profiles": {"keycloak": {"client_secret": "secret://keycloak-admin"}},
        "map": {"services": {"keycloak": {"server": "lab-mgmt1"}}},
    },
    "itstack_step": "keycloak",
    "itstack_run": {"services": ["keycloak"]},
    "id": "lab-id1",
    "minion_id": "lab-id1",
}


@pytest.mark.parametrize("minion", ["lab-app1", "lab-mgmt1"])
@pytest.mark.parametrize(
    "lie",
    [
        {"grains": LIES},
        {"options": {"grains": LIES}},
        {"pillar": CLAIMS},
        {"grains": LIES, "pillar": CLAIMS},
    ],
    ids=["grains", "configured-grains", "pillar", "both"],
)
def test_a_minion_that_lies_opens_nothing_more(traces, readers, deployed, minion, lie):
    answer = ask(deployed, minion, "opened", lie)
    own = {name: digest(traces.after[name]) for name, may in readers.items() if minion in may}
    assert answer == {"opened": own, "closed": []}


def test_a_minion_that_asks_for_another_ones_pillar_opens_nothing(traces, deployed):
    # In its own name the master gives it an empty answer; in the other's, with its own key, none.
    assert ask(deployed, "lab-biz1", "opened", {"asks_for": "lab-id1"}) == {"opened": {}, "closed": []}
    try:
        answer = ask(deployed, "lab-biz1", "opened", {"options": {"id": "lab-id1"}})
        assert set(answer) == {"refused"}
        assert deployed.call("lab-id1", "test.ping") is True, "the real one was shut out"
    finally:
        # The master remembers the attempt.
        deployed.shell("lab-master", "rm -f /etc/salt/pki/master/minions_denied/lab-id1")


def test_a_pillar_on_the_command_line_gives_no_more(traces, needles, deployed):
    for words in (
        ["pillar.items", f"pillar={json.dumps(CLAIMS)}", "unmask=True"],
        ["state.apply", "itstack.keycloak", "test=True", f"pillar={json.dumps(CLAIMS)}"],
        ["state.apply", "itstack.freeipa", "test=True", f"pillar={json.dumps(CLAIMS)}"],
    ):
        done = deployed.inside("lab-mgmt1", "salt-call", "-l", "debug", *words)
        assert not needles.found((done.stdout + done.stderr).encode()), words


def test_nobody_opens_what_is_sealed_to_others(traces, readers, deployed):
    sealed = {
        minion: deployed.runner("pillar.show_pillar", minion)[0].get("itstack", {}).get("sealed", {})
        for minion in deployed.lab.servers
    }
    assert {minion: set(values) for minion, values in sealed.items() if values} == {
        minion: {name for name, may in readers.items() if minion in may}
        # The last one plays Taiga's part, and has no service.
        for minion in (*CONFIGURED, "lab-mgmt1")
    }
    for minion in deployed.lab.servers:
        others = {owner: values for owner, values in sealed.items() if owner != minion}
        assert ask(deployed, minion, "unseal", others) == []
    own = ask(deployed, "lab-app1", "unseal", {"itself": sealed["lab-app1"]})
    assert len(own) == len(sealed["lab-app1"]), "the control: its own it opens"


def test_a_minion_that_the_map_does_not_have_gets_nothing(traces, readers, deployed):
    """Its key is accepted, it says that it is another one, and it has nothing."""
    folder = "/etc/salt/pki/stranger"
    deployed.shell("lab-mgmt1", f"mkdir -p {folder} && cp -p /etc/salt/pki/minion/* {folder}/")
    public = deployed.shell("lab-mgmt1", f"cat {folder}/minion.pub")
    accepted = "/etc/salt/pki/master/minions/stranger"
    deployed.shell("lab-master", f"cat > {accepted}", stdin=public)
    try:
        stranger = {"id": "stranger", "pki_dir": folder}
        answer = ask(deployed, "lab-mgmt1", "opened", {"options": stranger, "grains": LIES, "pillar": CLAIMS})
        assert answer == {"opened": {}, "closed": []}
        found = ask(deployed, "lab-mgmt1", "resolve", {"options": stranger, "ids": sorted(readers)})
        assert set(found.values()) == {"Missing"}
    finally:
        deployed.shell("lab-master", f"rm -f {accepted}")
        deployed.shell("lab-mgmt1", f"rm -r {folder}")
