"""
Deploy the stack, see what works, and look after its secrets: from the master.

.. code-block:: bash

    salt-run itstack.deploy
    salt-run itstack.status fresh=True
    salt-run itstack.graph
"""

import functools
import logging
import pathlib

from salt_itstack import progress, report
from salt_itstack.errors import Invalid, ItstackError, Problem
from salt_itstack.fleet import Fleet
from salt_itstack.master import configuration
from salt_itstack.orchestration import Selection
from salt_itstack.proof import verdicts
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
def preflight(minions=None, services=None):
    """
    Whether a deploy can begin: the map is right, all its minions answer, all secrets are there.

    minions
        Ids that have to answer; by default those of the services.
    services
        Ids of the services that are to be deployed, whose secrets have to be there; all by default.

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
    lacking = [name for name, spec in specs.items() if spec["kind"] == GIVEN and name not in present]
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
    fleet.wait_until_idle(wanted, timeout=300)
    return {"minions": sorted(wanted), "warnings": list(stack.warnings)}


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
    ``proved_at``, ``against`` and ``reason``. Exit code 0 iff no row is broken or drifted.

    CLI Example:

    .. code-block:: bash

        salt-run itstack.status
        salt-run itstack.status fresh=True --out=json
    """
    stack = load_for(__opts__)
    integrations = _known("integrations", integrations, stack.integrations)
    if fresh:
        _prove(stack, integrations)
    found = report.rows(stack, report.recall(_memory()))
    code = report.retcode(found)
    __context__["retcode"] = code
    return {
        "outputter": "itstack_matrix",
        "data": {"rows": found, "counts": report.counts(found), "whole": whole, "retcode": code},
    }


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
    found = report.rows(*_prove(stack, _known("integrations", integrations, stack.integrations)))
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
    ends = {stack.minion(end.service.id) for end in stack.ends() if end.integration.id in wanted}
    proofs = verdicts(
        stack,
        wanted,
        probes=fleet.ask(provers, "itstack.probe", timeout=60, integrations=wanted),
        runs=fleet.ask(ends, "state.highstate", timeout=60, test=True),
        versions=fleet.ask(ends, "itstack.versions", timeout=30),
        when=report.now(),
    )
    report.remember(_memory(), {**report.recall(_memory()), **proofs})
    return stack, report.recall(_memory())


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
    found = report.rows(stack, report.recall(_memory()))
    code = 1 if run.failures else 0
    if not test:
        code = code or report.retcode(found)
    seconds, path = critical_path(steps, run.durations)
    notes = ["", f"{run.changed} changes in {run.seconds:.0f} s"]
    if path:
        notes[-1] += f"; the longest chain is {' > '.join(path)} ({seconds:.0f} s)"
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
    The secrets that the map needs: kind, when each was made, and the minions that may read it. No values.

    CLI Example:

    .. code-block:: bash

        salt-run itstack.secrets
    """
    stack = load_for(__opts__)
    present = Store.of(__opts__).describe()
    return {
        identifier: {
            "kind": spec["kind"],
            "made": present.get(identifier, {}).get("made", "not yet"),
            "readers": sorted(stack.readers(identifier)),
        }
        for identifier, spec in specification(stack).items()
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


def config():
    """
    The lines that the master's configuration needs, as YAML.

    What this master has already among its file roots, external pillars and tops is kept.

    CLI Example:

    .. code-block:: bash

        salt-run itstack.config --out=yaml > /etc/salt/master.d/itstack.conf
    """
    return configuration(__opts__)
