"""
What the tests of secrets do inside a server: `inside_secrets.py VERB`, JSON on standard input and output.

Values never leave it but for the verb `values`, whose output goes to the test's own process.
"""

import hashlib
import json
import os
import pathlib
import signal
import sys
import time

import salt.client
import salt.config
import salt.loader
import salt.minion
import salt.pillar
import salt.runner
import salt.utils.event
from salt.exceptions import CommandExecutionError

from salt_itstack import plugin
from salt_itstack.errors import ItstackError
from salt_itstack.secrets import seal
from salt_itstack.secrets.store import Store

MASTER, MINION = "/etc/salt/master", "/etc/salt/minion"


def digest(value):
    """What may be told of a secret."""
    return hashlib.sha256(str(value).encode()).hexdigest()


def minion_options(changes):
    """This minion's options, with what it says of itself falsely."""
    opts = salt.config.minion_config(MINION)
    # Somebody who doubts the answer would wait; a refusal must not take a minute.
    opts.update(
        {"request_channel_timeout": 20, "request_channel_tries": 1, "auth_tries": 1, "auth_timeout": 5}
    )
    opts.update(changes)
    return opts


def values(_):
    """Master: every secret of the store in clear."""
    store = Store.of(salt.config.master_config(MASTER))
    return {identifier: store.get(identifier) for identifier in store.describe()}


def import_all(given):
    """Master: import these values, each from a file, as a person does."""
    client = salt.runner.RunnerClient(salt.config.master_config(MASTER))
    answers = {}
    for identifier, value in given.items():
        path = pathlib.Path(f"/etc/itstack-lab/new-{identifier}")
        path.touch(mode=0o600)
        path.write_text(value)
        try:
            answers[identifier] = client.cmd(
                "itstack.secret_import", arg=[identifier, str(path)], kwarg={"overwrite": True}
            )
        finally:
            path.unlink()
    return answers


def record(given):
    """Master: write each event of the bus as a line, until told to end."""
    opts = salt.config.master_config(MASTER)
    end = []
    signal.signal(signal.SIGTERM, lambda *_: end.append(True))
    with open(given["path"], "w", encoding="utf-8") as stream:
        with salt.utils.event.get_event("master", opts=opts, listen=True) as bus:
            bus.get_event(wait=1, no_block=True)
            stream.write("listening\n")
            stream.flush()
            while not end:
                event = bus.get_event(wait=1, full=True)
                if event:
                    stream.write(json.dumps(event, default=repr, ensure_ascii=False) + "\n")
                    stream.flush()
    return {}


def job_cache(_):
    """Master: everything that the job cache gives of every job."""
    opts = salt.config.master_config(MASTER)
    client = salt.runner.RunnerClient(opts)
    jobs = client.cmd("jobs.list_jobs", print_event=False)
    cache = salt.loader.returners(opts, {})
    return {"jobs": jobs, "found": {jid: job(cache, jid) for jid in jobs}}


def job(cache, jid):
    """What the cache has of a job; one that begins just now has a folder before it has its files."""
    end = time.monotonic() + 10
    while True:
        try:
            return [cache["local_cache.get_load"](jid), cache["local_cache.get_jid"](jid)]
        except CommandExecutionError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def resolve(given):
    """Minion: of each id what it resolves to in this minion's own process, or how it was refused."""
    caller = salt.client.Caller(mopts=minion_options(given.get("options", {})))
    answers = {}
    for identifier in given["ids"]:
        try:
            answers[identifier] = digest(caller.cmd("itstack.secret", identifier))
        except ItstackError as error:
            answers[identifier] = type(error).__name__
    return answers


def opened(given):
    """Minion: what can be opened of the pillar that the master gives for these claims."""
    opts = minion_options(given.get("options", {}))
    opts.update(salt.minion.resolve_dns(opts))
    name = given.get("asks_for", opts["id"])
    grains = {**salt.loader.grains(opts), **given.get("grains", {})}
    try:
        pillar = salt.pillar.get_pillar(
            opts, grains, name, "base", pillar_override=given.get("pillar")
        ).compile_pillar()
    except (Exception, SystemExit) as error:  # noqa: BLE001  how the master refuses is Salt's affair
        return {"refused": f"{type(error).__name__}: {error}"}
    found, closed = {}, []
    for identifier in (pillar.get("itstack") or {}).get("sealed") or {}:
        try:
            found[identifier] = digest(plugin.reveal(f"{plugin.REFERENCE}{identifier}", opts, pillar))
        except ItstackError:
            closed.append(identifier)
    return {"opened": found, "closed": closed}


def unseal(given):
    """Minion: the ids of those sealed values of others that this minion's key opens."""
    key = pathlib.Path("/etc/salt/pki/minion/minion.pem").read_bytes()
    found = []
    for owner, sealed in given.items():
        for identifier, value in sealed.items():
            try:
                seal.unseal(value, key)
            except ItstackError:
                continue
            found.append(f"{identifier} of {owner}")
    return found


VERBS = {verb.__name__: verb for verb in (values, import_all, record, job_cache, resolve, opened, unseal)}

if __name__ == "__main__":
    answer = os.fdopen(os.dup(1), "w")
    # Whatever Salt prints besides would be in the way.
    os.dup2(2, 1)
    given = json.loads(sys.argv[2]) if len(sys.argv) > 2 else json.loads(sys.stdin.read() or "null")
    json.dump(VERBS[sys.argv[1]](given), answer, default=repr)
    answer.flush()
    os._exit(0)
