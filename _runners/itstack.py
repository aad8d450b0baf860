"""
Deploy the stack, see what works, and look after its secrets: from the master.

.. code-block:: bash

    salt-run itstack.deploy
    salt-run itstack.status fresh=True
    salt-run itstack.graph
"""

__version__ = "0.1.0"

try:
    from salt_itstack import compatibility
except ImportError as error:
    raise ImportError(
        f"{error}; this plug-in needs the library of salt-itstack {__version__}. "
        "Remedy: install it, or sync it together with this file"
    ) from None
else:
    compatibility.require(__version__)

import functools
import logging
import pathlib
import time
from secrets import token_hex

from salt.utils.jid import gen_jid

from salt_itstack import announcing, collecting, holds, locks, progress, report
from salt_itstack.errors import Invalid, ItstackError, Problem
from salt_itstack.fleet import Fleet
from salt_itstack.master import configuration
from salt_itstack.orchestration import Selection
from salt_itstack.proof import verdicts
from salt_itstack.remediation import overview, policy, worker
from salt_itstack.remediation.pokes import Pokes
from salt_itstack.remediation.record import Record
from salt_itstack.secrets.sealing import specification
from salt_itstack.secrets.store import Store
from salt_itstack.stack import GIVEN, critical_path, load_for, mermaid
from salt_itstack.stack.schema import nearest


def _worth_reading(record):
    """Salt 3008 warns in each runner that nobody closed its own objects; the report drowns in that."""
    return not str(record.msg).startswith("unclosed ")


def _told(function):
    """Show our errors as what they say: Salt would print the traceback of a runner's exception."""

    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        for name in ("salt.runner", "salt.minion", "salt.utils.event"):
            logging.getLogger(name).addFilter(_worth_reading)
        try:
            return function(*args, **kwargs)
        except ItstackError as error:
            __context__["retcode"] = 1
            # An orchestration takes a key of this name for the runner's failure.
            return {"Error": str(error), "retcode": 1}

    return wrapper


def _known(what, given, known):
    """
    A list of ids as a command line gives it, or None. Raises :class:`Invalid` for those that aren't known.

    A text is one id, or several with commas between them.
    """
    if given is None:
        return None
    wanted = [part.strip() for part in given.split(",")] if isinstance(given, str) else given
    if not isinstance(wanted, (list, tuple)) or not wanted:
        raise Invalid(Problem("", what, given, "isn't a list of ids", f"write {what}='[one, two]'"))
    problems = [
        Problem("", what, item, "the map has none of this id", nearest(item, known))
        for item in wanted
        if item not in known
    ]
    if problems:
        raise Invalid(problems)
    return list(wanted)


def _memory():
    return pathlib.Path(__opts__["cachedir"]) / "itstack" / "status.json"


@_told
def preflight(minions=None, services=None, run=None):
    """
    Whether a deploy can begin: the map is right, all its minions answer, all secrets are there.

    minions
        Ids that have to answer; by default those of the services.
    services
        Ids of the services that are to be deployed, whose secrets have to be there; all by default.
    run
        ``id`` and ``process`` of the deploy that begins: it then holds the lock of each of these minions.

    Changes nothing on any minion. Raises an error that names what is wrong; a silent minion is told within
    20 seconds.

    CLI Example:

    .. code-block:: bash

        salt-run itstack.preflight
        salt-run itstack.preflight services='[redis]'
    """
    stack = load_for(__opts__)
    chosen = _known("services", services, stack.services) or stack.present()
    wanted = list(minions or {stack.minion(service) for service in chosen})
    specs = {
        name: spec
        for name, spec in specification(stack).items()
        if set(chosen) & set(stack.secrets()[name].services)
    }
    store = Store.of(__opts__)
    store.ensure(specs)
    present = store.describe()
    lacking = [
        name
        for name, spec in specs.items()
        # What a server makes is collected after its step.
        if spec["kind"] == GIVEN and name not in present and not stack.producer(name)
    ]
    if lacking:
        raise Invalid(
            [
                Problem("", name, None, "this secret was made elsewhere, and isn't in the store",
                        f"salt-run itstack.secret_import {name} path=FILE")
                for name in lacking
            ]
        )  # fmt: skip
    fleet = Fleet(__opts__)
    fleet.check(wanted)
    locked = locks.Locks.of(__opts__)
    if run:
        locked.take(wanted, "deploy", run["id"], process=run["process"], identifier=run["id"])
    try:
        # After the lock: what begins from now on sees it, and what began before is waited for.
        fleet.wait_until_idle(wanted, timeout=300)
    except ItstackError:
        if run:
            locked.release(run["id"])
        raise
    left = [str(hold) for hold in holds.Holds.of(__opts__).current().values()]
    return {"minions": sorted(wanted), "warnings": [*stack.warnings, *left]}


@_told
def collect(secrets=None, by=None):
    """
    Take what only servers can make (the address of a hook, a token) from the minions that made it into the
    store; the ids of those that are new or others now.

    secrets
        Only these ids; by default all that the map makes some server the producer of.
    by
        ``event`` where the reactor calls it: once for all events that came until then.

    A minion's word counts for those only, and only with its signature.

    CLI Example:

    .. code-block:: bash

        salt-run itstack.collect
    """
    stack = load_for(__opts__)
    if by == "event":
        return {"received": collecting.when_asked(__opts__, stack, Fleet(__opts__))}
    wanted = _known("secrets", secrets, stack.secrets())
    return {"received": collecting.collect(__opts__, stack, Fleet(__opts__), wanted)}


@_told
def finish(run=None, prove=True, failed=False):
    """
    The last step of a deploy: prove the integrations, tell people, and let go of the locks.

    run
        ``id`` of the deploy.
    prove
        Whether to run the probes.
    failed
        Whether a step failed.

    Returns and fails as ``itstack.prove``. That nobody could be told is no failure of the deploy; the row of
    that integration says it.

    CLI Example:

    .. code-block:: bash

        salt-run itstack.finish prove=False
    """
    stack = load_for(__opts__)
    identifier = (run or {}).get("id")
    locked = locks.Locks.of(__opts__)
    try:
        found = _verdict(stack, None) if prove else {}
        holder = next((one for one in locked.holders().values() if one.id == identifier), None)
        seconds = time.time() - holder.since if holder else None
        rows = report.rows(stack, report.recall(_memory()))
        text = announcing.sentence(stack, rows, failed, seconds)
        untold = announcing.announce(__opts__, stack, Fleet(__opts__), text)
        if prove and not stack.sandbox.get("channel"):
            # Without a channel to try it in, what was just said is the proof.
            said = [item for item in announcing.announced_by(stack) if item not in untold]
            if said:
                _prove(stack, said)
        return {**found, **({"not announced": untold} if untold else {})}
    finally:
        if identifier:
            locked.release(identifier)
        if not failed:
            # From now on the minions' own schedules and beacons are those of this map.
            minions = {stack.minion(service) for service in stack.deployable()}
            Fleet(__opts__).ask(minions, "saltutil.refresh_pillar", timeout=10)


@_told
def hold(what, reason, **kwargs):
    """
    Let nothing of ours touch a service, a server or an integration for a while: no deploy, no schedule, no
    repair, no highstate. Probes go on.

    what
        Id of a service, a server or an integration of the map. A service's ends of its integrations are held
        with it.
    reason
        Why, for those who see it in the status.
    for
        How long, such as ``30m``, ``2h`` or ``3d``; ``1h`` by default.

    A run that is going on already is not stopped.

    CLI Example:

    .. code-block:: bash

        salt-run itstack.hold keycloak for=2h reason="upgrade by hand"
    """
    length = holds.duration(kwargs.pop("for", "1h"))
    given = {key: value for key, value in kwargs.items() if not key.startswith("__")}
    if given:
        raise Invalid(
            Problem("", key, None, "no such argument", nearest(key, ["for", "reason"])) for key in given
        )
    if not isinstance(reason, str) or not reason.strip():
        raise Invalid(Problem("", "reason", reason, "says nothing", "write why, for those who see it"))
    wanted = holds.check(load_for(__opts__), what)
    return str(holds.Holds.of(__opts__).put(wanted, length, reason.strip(), locks.user()))


@_told
def release(what):
    """
    End a hold, whether a person or a repair that gave up has placed it.

    what
        What is held.

    CLI Example:

    .. code-block:: bash

        salt-run itstack.release keycloak
    """
    return f"{holds.Holds.of(__opts__).release(what).what} is looked after again"


@_told
def status(fresh=False, whole=False, integrations=None):
    """
    The matrix: which of the integrations work, when that was proved, and against what.

    fresh
        Run the probes and look for drift now; else what was proved last is shown.
    whole
        Also one line for each row that isn't deployed or applicable.
    integrations
        Probe only these ids.

    ``--out=json`` gives ``rows`` of ``number``, ``id``, ``kind``, ``source``, ``target``, ``state``,
    ``proved_at``, ``against``, ``reason`` and ``held`` (why it's left alone, if it is), ``holds`` by what
    they hold, ``locks`` by the minion that is held by a run, and ``repairs`` as ``itstack.repairs`` has them.
    Exit code 0 iff no row is broken or drifted.

    CLI Example:

    .. code-block:: bash

        salt-run itstack.status
        salt-run itstack.status fresh=True --out=json
    """
    stack = load_for(__opts__)
    integrations = _known("integrations", integrations, stack.integrations)
    if fresh:
        _prove(stack, integrations)
    found, left = _known_rows(stack)
    running = {minion: str(holder) for minion, holder in locks.Locks.of(__opts__).holders().items()}
    notes = [f"held: {hold}" for hold in left.values()]
    notes += [f"running: {by} holds {minion}" for minion, by in running.items()]
    code = report.retcode(found)
    __context__["retcode"] = code
    done = _repairs()
    notes += overview.lines(done)
    data = {
        "rows": found,
        "counts": report.counts(found),
        "holds": left,
        "locks": running,
        "repairs": done,
        "notes": ["", *notes] if notes else [],
        "whole": whole,
        "retcode": code,
    }
    return {"outputter": "itstack_matrix", "data": data}


def _known_rows(stack):
    """The rows as they were proved last, and what is held, by what it is."""
    found = report.rows(stack, report.recall(_memory()))
    current = holds.Holds.of(__opts__).current()
    report.mark_held(found, lambda identifier: str(holds.covering(stack, identifier, current) or ""))
    return found, {what: str(hold) for what, hold in current.items()}


@_told
def prove(integrations=None):
    """
    Run the probes and look for drift, as the last step of a deploy: the state of each integration by its id.

    integrations
        Probe only these ids.

    Fails, naming them, if any is broken or drifted. ``itstack.status`` shows the details.

    CLI Example:

    .. code-block:: bash

        salt-run itstack.prove
    """
    stack = load_for(__opts__)
    return _verdict(stack, _known("integrations", integrations, stack.integrations))


def _verdict(stack, only):
    found = report.rows(*_prove(stack, only))
    bad = [f"{row['id']} is {row['state']}: {row['reason']}" for row in found if row["state"] in report.BAD]
    if bad:
        __context__["retcode"] = 1
        told = f"{'; '.join(bad)}. Remedy: salt-run itstack.status shows the whole matrix"
        # `rows` says that it's the proof that went badly, not the proving.
        return {"Error": told, "rows": [row["id"] for row in found if row["state"] in report.BAD]}
    return {row["id"]: row["state"] for row in found if row["proved_at"]}


def _prove(stack, only):
    wanted = [
        item.id
        for item in stack.integrations.values()
        if stack.active(item.id) and (only is None or item.id in only)
    ]
    fleet = Fleet(__opts__)
    provers = {stack.minion(stack.integrations[item].target) for item in wanted}
    ends = {
        stack.end_minion(end.integration.id, end.side) for end in stack.ends() if end.integration.id in wanted
    }
    marks = _spoken(stack, fleet, wanted)
    proofs = verdicts(
        stack,
        wanted,
        probes=fleet.ask(provers, "itstack.probe", timeout=60, integrations=wanted, marks=marks),
        runs=fleet.ask(ends, "state.highstate", timeout=60, test=True),
        versions=fleet.ask(ends, "itstack.versions", timeout=30),
        when=report.now(),
    )
    report.remember(_memory(), {**report.recall(_memory()), **proofs})
    return stack, report.recall(_memory())


def _spoken(stack, fleet, wanted):
    """What probes have to look for at the target, because it was said at the source: by integration."""
    channel = stack.sandbox.get("channel")
    marks = {}
    for identifier in wanted:
        if not stack.integrations[identifier].orchestration:
            continue
        if channel:
            mark = token_hex(8)
            text = f"A probe of salt-itstack, taken away at once ({mark})"
            why = announcing.speak(stack, fleet, identifier, text, mark, channel)
            marks[identifier] = {"mark": mark, "channel": channel, "failed": why}
        else:
            marks[identifier] = announcing.last_mark(__opts__, identifier)
    return marks


@_told
def deploy(services=None, until=None, phase_by_phase=False, test=False):
    """
    Bring up the fleet in dependency order, wire every integration, prove them, and show the matrix.

    services
        Only these service ids. What they need has to run already.
    until
        Up to and including this phase.
    phase_by_phase
        Start nothing of a phase before all of the earlier ones is done.
    test
        Dry run: show what would change, change nothing.

    The same as ``salt-run state.orch itstack.deploy``, with progress on standard error. A second run changes
    nothing. Exit code 0 iff every step succeeded and no row is broken or drifted.

    CLI Example:

    .. code-block:: bash

        salt-run itstack.deploy
        salt-run itstack.deploy services='[postgresql, keycloak]'
        salt-run itstack.deploy until=1b phase_by_phase=True
        salt-run itstack.deploy test=True
    """
    stack = load_for(__opts__)
    selection = {"services": services, "until": until, "phase_by_phase": phase_by_phase}
    selection = {key: value for key, value in selection.items() if value is not None and value is not False}
    steps = Selection.of(selection).steps(stack)
    run = progress.follow(__opts__, stack, steps, selection, test)
    found, left = _known_rows(stack)
    code = 1 if run.failures else 0
    if not test:
        code = code or report.retcode(found)
    seconds, path = critical_path(steps, run.durations)
    notes = ["", f"{run.changed} changes in {run.seconds:.0f} s"]
    if path:
        notes[-1] += f"; the longest chain is {' > '.join(path)} ({seconds:.0f} s)"
    notes += [f"held: {hold}" for hold in left.values()]
    notes += [f"warning: {warning}" for warning in stack.warnings]
    notes += [f"FAILED: {failure}" for failure in run.failures]
    waiting = [step for step, outcome in run.steps.items() if outcome == "not started"]
    if waiting:
        notes.append(f"not started, because something they need failed: {', '.join(waiting)}")
    __context__["retcode"] = code
    data = {
        "rows": found,
        "counts": report.counts(found),
        "steps": run.steps,
        "changes": run.changed,
        "seconds": round(run.seconds, 1),
        "critical_path": {"steps": path, "seconds": round(seconds, 1)},
        "failures": run.failures,
        "notes": notes,
        "retcode": code,
    }
    return {"outputter": "itstack_matrix", "data": data}


@_told
def graph():
    """
    The map as a Mermaid diagram, coloured by what was proved last.

    CLI Example:

    .. code-block:: bash

        salt-run itstack.graph --out=newline_values_only > stack.mmd
    """
    stack = load_for(__opts__)
    states = {row["id"]: row["state"] for row in report.rows(stack, report.recall(_memory()))}
    return mermaid(stack, states)


@_told
def secrets():
    """
    The secrets: kind, when each was made, and the minions that may read it. No values.

    What is in the master's store and not of the map, such as the repair hook's, has no readers.

    CLI Example:

    .. code-block:: bash

        salt-run itstack.secrets
    """
    stack = load_for(__opts__)
    present = Store.of(__opts__).describe()
    wanted = specification(stack)
    return {
        identifier: {
            "kind": (wanted.get(identifier) or present[identifier])["kind"],
            "made": present.get(identifier, {}).get("made", "not yet"),
            "readers": sorted(stack.readers(identifier)) if identifier in wanted else [],
        }
        for identifier in [*wanted, *sorted(set(present) - set(wanted))]
    }


@_told
def secret_import(identifier, path, overwrite=False):
    """
    Put a secret that somebody else made into the store, from a file, so that it shows in no process list.

    identifier
        Id of the secret, as ``salt-run itstack.secrets`` names it.
    path
        A file on the master with the secret; a final newline is dropped. The file is left as it is.
    overwrite
        Replace one that is there.

    CLI Example:

    .. code-block:: bash

        salt-run itstack.secret_import freeipa-admin path=/root/freeipa-admin
    """
    known = specification(load_for(__opts__))
    if identifier not in known:
        raise Invalid(
            Problem("", "identifier", identifier, "the map has no such secret", f"one of {', '.join(known)}")
        )
    try:
        value = pathlib.Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(
            Problem(path, "", None, f"can't be read ({error})", "name a readable text file")
        ) from None
    store = Store.of(__opts__)
    if identifier in store.describe() and not overwrite:
        if store.get(identifier) == value:
            return f"{identifier} is in the store already"
        raise ItstackError(
            f"the store has another {identifier}", remedy="give overwrite=True to replace it; deploy then"
        )
    store.put(identifier, value, known[identifier]["kind"])
    return f"{identifier} was written to {store.path}"


@_told
def remediate(what=None, why="", by=None):
    """
    Repair a service or an integration, if it is wrong: what the reactor calls, and a person may.

    what
        Its id; by default all that is poked and that nobody has taken up yet.
    why
        Kept with the record.
    by
        ``event``: called by the reactor. Otherwise a person asks: then neither pauses nor budgets count, but
        holds and modes do.

    It is looked at first, and nothing is done to what is well. The smallest repair comes first: start the
    service again; re-apply one end, then the other; the whole service. Only what is in mode ``enforce``.
    Returns by id: ``verdict``, ``reason`` and the ``steps`` that were made. Exit code 1 if something that a
    person asked for isn't well afterwards.

    CLI Example:

    .. code-block:: bash

        salt-run itstack.remediate redis why="it doesn't answer"
    """
    stack = load_for(__opts__)
    master = worker.Master.of(__opts__, stack, gen_jid(__opts__))
    person = by != "event"
    if what is not None and person:
        (wanted,) = _known("what", [what], [*stack.services, *stack.integrations])
        user = locks.user()
        master.pokes.put(wanted, kind=policy.ASKED, side="", by=user, why=str(why) or f"asked by {user}")
    found = worker.work(master, person, [what] if what else [])
    if person and any(outcome.verdict not in (policy.REPAIRED, worker.WELL) for outcome in found):
        __context__["retcode"] = 1
    return {
        outcome.what: {
            "verdict": outcome.verdict,
            "reason": outcome.reason,
            "steps": [f"{row['step']}: {row['result']}" for row in outcome.attempts],
        }
        for outcome in found
    }


@_told
def repairs(last=20):
    """
    The record of repairs: what runs, the last attempts, what is wrong and left alone, and fights.

    last
        How many attempts and fights.

    ``--out=json`` gives ``running``, ``attempts``, ``left`` and ``fights``.

    CLI Example:

    .. code-block:: bash

        salt-run itstack.repairs
        salt-run itstack.repairs last=100 --out=json
    """
    return overview.overview(Record.of(__opts__).read(), Pokes.of(__opts__), int(last))


def _repairs():
    """The last of them for the status, in which a record that can't be read hides nothing else."""
    try:
        return overview.overview(Record.of(__opts__).read(), Pokes.of(__opts__), 5)
    except ItstackError as error:
        return {"running": [], "attempts": [], "left": [], "fights": [], "problem": str(error)}


@_told
def config(hook=False):
    """
    The lines that the master's configuration needs, as YAML.

    hook
        Also those of the engine that takes requests for repairs from outside.

    What this master has already among its file roots, external pillars, tops, reactions and engines is kept.

    CLI Example:

    .. code-block:: bash

        salt-run itstack.config --out=yaml > /etc/salt/master.d/itstack.conf
        salt-run itstack.config hook=True --out=yaml
    """
    return configuration(__opts__, hook)
