"""
What this minion knows of the map, for SLS files and people: its services, its ends, readiness and proof.

The data come from the master with the pillar; nothing here writes anything.
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

import logging
import time

from salt_itstack import plugin
from salt_itstack.errors import Invalid, ItstackError, Problem
from salt_itstack.integrations import KINDS
from salt_itstack.integrations.probing import Unproved, against, readiness, request_for
from salt_itstack.remediation.announcement import ENFORCED, ENFORCED_TAG, announce
from salt_itstack.remediation.look import checks
from salt_itstack.remediation.look import look as look_at
from salt_itstack.secrets import handing

log = logging.getLogger(__name__)

#: These tell their version to our account, by a function of theirs. To ask Salt whether there is one makes it
#: load all modules that it has where there is none, for a second or two.
_ASKED_BY_ACCOUNT = ("keycloak", "mattermost", "postgresql", "redis", "traefik")


def version():
    """
    The version of salt-itstack on this minion.

    CLI Example:

    .. code-block:: bash

        salt '*' itstack.version
    """
    return __version__


def _tree():
    return plugin.tree(__opts__, __pillar__)


def services():
    """
    The services that the map places on this minion, and external ones that it may write to, by id.

    CLI Example:

    .. code-block:: bash

        salt '*' itstack.services
    """
    return dict(_tree().get("services") or {})


def facts(service):
    """
    Names, addresses, ports and settings of a service on this minion, or at the other end of one of its
    integrations.

    service
        Id of the service.

    Raises an error naming the service if this minion has nothing to do with it.

    CLI Example:

    .. code-block:: bash

        salt db1 itstack.facts postgresql
    """
    known = {**(_tree().get("peers") or {}), **services()}
    if service not in known:
        raise Invalid(
            Problem("", "service", service, "the map gives this minion nothing to do with it",
                    f"one of {', '.join(sorted(known)) or '(none: is this minion in the map?)'}")
        )  # fmt: skip
    return dict(known[service])


def active(service):
    """
    Whether this run may write this service: it is on this minion, it isn't in mode ``observe`` or held, and
    the run isn't a deploy's step for another service, nor an enforcement of what isn't in mode ``enforce``.

    service
        Id of the service.

    CLI Example:

    .. code-block:: bash

        salt app1 itstack.active nextcloud
    """
    return _is_about(service) and not why_left_alone(service)


def why_left_alone(service):
    """
    Why this run may not write a service of this minion although it's about it; an empty text otherwise.

    service
        Id of the service.

    CLI Example:

    .. code-block:: bash

        salt app1 itstack.why_left_alone nextcloud
    """
    own = services().get(service)
    if not _is_about(service):
        return ""
    if own.get("held"):
        return own["held"]
    return "" if _may_write(own["mode"]) else f"its mode is {own['mode']}"


def _is_about(service):
    return service in services() and __pillar__.get("itstack_step") in (None, service)


def _run():
    """What this run is about, as the pillar on its command line narrows it."""
    run = __pillar__.get("itstack_run")
    return run if isinstance(run, dict) else {}


def _may_write(mode):
    return mode == "enforce" if _run().get("enforce") else mode != "observe"


def ends(service, side, kind=None, every=False):
    """
    The integrations that this run may configure at one end: a list of dicts with ``id``, ``other`` and
    everything that both ends share.

    service
        The service on this minion.
    side
        ``source`` or ``target``: which end of the arrow the service is.
    kind
        Only integrations of this kind.
    every
        Also those that are held, and those that this run isn't about: for a list that is written as a whole,
        of which they are a part.

    CLI Example:

    .. code-block:: bash

        salt db1 itstack.ends postgresql source kind=database
    """
    sides = {"source": "target", "target": "source"}
    if side not in sides:
        raise Invalid(Problem("", "side", side, "an integration has no such end", "source or target"))
    other = sides[side]
    return [
        {"id": identifier, "other": item[other], **item["values"]}
        for identifier, item in (_tree().get("integrations") or {}).items()
        if item[side] == service
        and kind in (None, item["kind"])
        and item["modes"].get(side, "observe") != "observe"
        and (every or _written(identifier, item, side))
    ]


def _written(identifier, item, side):
    only = _run().get("ends")
    return (
        not (item.get("held") or {}).get(side)
        and _may_write(item["modes"][side])
        and (only is None or identifier in only)
    )


def enforce(test=False):
    """
    Bring what is in mode ``enforce`` back to what the map says: what Salt's scheduler calls.

    test
        Only say what would change.

    Nothing is done while another run writes on this minion, or holds its lock; that is no failure. Returns
    ``services`` (which were looked after), ``changes`` and ``failures`` by state id, or ``skipped`` with the
    reason. Exit code 2 if a state failed.

    CLI Example:

    .. code-block:: bash

        salt app1 itstack.enforce
        salt app1 itstack.enforce test=True
    """
    tree = plugin.tree(__opts__, plugin.fresh_pillar(__opts__, __grains__))
    own = tree.get("services") or {}
    wanted = [name for name in own if own[name]["mode"] == "enforce" and not own[name].get("held")]
    if not wanted:
        return {"skipped": "nothing on this minion is in mode enforce, or all of it is held"}
    if tree.get("lock") and not test:
        return {"skipped": f"this server is held by {tree['lock']['by']}"}
    run = {"enforce": True, "services": []}
    found = __salt__["state.sls"](
        [f"itstack.{service}" for service in wanted], test=test, pillar={"itstack_run": run}
    )
    if not isinstance(found, dict):
        # Salt's own word for a state run that goes on, or for an SLS that can't be rendered.
        told = "; ".join(str(line) for line in found or ["no answer"])
        if "is running as PID" in told:
            return {"skipped": told}
        raise ItstackError(f"the states can't be run: {told}", remedy="see the minion's log")
    changes = {state["__id__"]: state["changes"] for state in found.values() if state.get("changes")}
    failures = {
        state["__id__"]: state["comment"]
        for state in found.values()
        if state.get("result") is False and state.get("__state_ran__", True)
    }
    if changes and not test:
        # For the record, and so that a tug-of-war is noticed.
        __salt__["event.send"](ENFORCED_TAG, announce(__opts__, ENFORCED, changes, time.time()))
    if failures:
        __context__["retcode"] = 2
    return {"services": wanted, "changes": changes, "failures": failures}


def made(identifiers=None):
    """
    What servers of this minion made for others, as it lies here for the master: sealed to the master's key.

    identifiers
        Ids of the secrets; by default those that the map makes this minion the producer of.

    CLI Example:

    .. code-block:: bash

        salt app1 itstack.made
    """
    return handing.parcels(__opts__, _tree().get("produces") or [] if identifiers is None else identifiers)


def sandbox():
    """
    The person that visible probes may use, as ``person`` and ``group``; empty when none is named.

    CLI Example:

    .. code-block:: bash

        salt id1 itstack.sandbox
    """
    return dict(_tree().get("sandbox") or {})


def secret(identifier):
    """
    A secret in clear, for templates of files only root and the service can read.

    identifier
        Id of the secret. This minion gets it only if the map says so.

    Use it in a template of ``file.managed`` with ``show_changes: False``, never in an SLS or on a command
    line, where it would land in a job's return.

    CLI Example:

    .. code-block:: bash

        salt-call --local --out=quiet itstack.secret redis-admin
    """
    return plugin.reveal(f"{plugin.REFERENCE}{identifier}", __opts__, __pillar__)


def ready(service):
    """
    Whether a service can be used right now, as seen from this minion.

    service
        A service of this minion, or at the other end of one of its integrations or needs.

    Returns ``ready``, and ``answer`` (what is there) or ``reason`` (why not).

    CLI Example:

    .. code-block:: bash

        salt app1 itstack.ready postgresql
    """
    try:
        return {"ready": True, "answer": readiness(facts(service))}
    except Invalid:
        raise
    except ItstackError as error:
        return {"ready": False, "reason": str(error)}


def versions():
    """
    The servers behind this minion's services, as they say themselves: ``PostgreSQL 15.18``, by service id.

    What doesn't answer, or doesn't tell, is left out.

    CLI Example:

    .. code-block:: bash

        salt '*' itstack.versions
    """
    pillar = plugin.fresh_pillar(__opts__, __grains__)
    tree = plugin.tree(__opts__, pillar)
    found = {}
    for service, own in (tree.get("services") or {}).items():
        try:
            if service in _ASKED_BY_ACCOUNT:
                access = plugin.profile(service, __opts__, pillar)
                found[service] = f"{own['name']} {__salt__[f'itstack_{service}.version'](profile=access)}"
            else:
                found[service] = readiness(own)
        except ItstackError:
            continue
    return found


def speak(integration, text, mark="", channel=None):
    """
    Say something through an integration of which this minion plays the source, such as a hook of the chat.

    integration
        Its id.
    text
        What is said.
    mark
        Kept with the message where people don't see it, so that it's found again.
    channel
        Another place than the integration's own.

    Returns ``True``, or the reason why it couldn't be said.

    CLI Example:

    .. code-block:: bash

        salt mgmt1 itstack.speak taiga-mattermost "hello from Salt"
    """
    pillar = plugin.fresh_pillar(__opts__, __grains__)
    item = (plugin.tree(__opts__, pillar).get("integrations") or {}).get(integration)
    say = getattr(KINDS.get((item or {}).get("kind")), "speak", None)
    if say is None:
        return f"{integration} isn't an integration of this minion that something can be said through"
    try:
        values = {key: plugin.reveal(value, __opts__, pillar) for key, value in item["values"].items()}
        say(values, text, mark, channel)
    except ItstackError as error:
        return str(error)
    return True


def probe(integrations=None, marks=None):
    """
    Prove the integrations whose consuming end is on this minion, each through both ends.

    integrations
        Only these ids; all by default.
    marks
        What was said at the source, and has to be found at the target: by id, ``mark``, ``channel`` and
        ``failed`` (why it couldn't be said).

    Returns by id: ``state`` (``works``, ``broken`` or ``unproved``), ``reason``, ``against`` (what answered
    at both ends) and ``seconds``. A probe that couldn't run is ``unproved``.

    CLI Example:

    .. code-block:: bash

        salt app1 itstack.probe
        salt app1 itstack.probe integrations='[redis-nextcloud]'
    """
    if isinstance(integrations, str):
        integrations = [part.strip() for part in integrations.split(",")]
    pillar = plugin.fresh_pillar(__opts__, __grains__)
    tree = plugin.tree(__opts__, pillar)
    rows = {}
    for identifier, item in (tree.get("integrations") or {}).items():
        if item["proved_here"] and (integrations is None or identifier in integrations):
            rows[identifier] = _prove(identifier, item, tree, pillar, (marks or {}).get(identifier))
    return rows


def look(services=None, integrations=None, seconds=10):
    """
    How these things are right now, read afresh, whatever their mode: a list of ``what``, ``kind``, ``side``,
    ``state`` (``well``, ``wrong`` or ``unknown``) and ``reason``. Nothing is changed.

    services, integrations
        Lists of ids; all of this minion by default. What isn't on this minion is passed over.
    seconds
        After which what hasn't answered counts as wrong.

    CLI Example:

    .. code-block:: bash

        salt db1 itstack.look
        salt db1 itstack.look services='[redis]' integrations='[]'
    """
    pillar = plugin.fresh_pillar(__opts__, __grains__)
    wanted = checks(__opts__, pillar, services, integrations, enforced=False)
    return [vars(found) for found in look_at(__opts__["id"], wanted, seconds)]


def restart(service, patience=30, seconds=120):
    """
    Start a service that isn't ready again, and wait until it is. One that isn't on this minion, isn't in mode
    ``enforce`` or is held, is refused.

    service
        Id of the service.
    patience
        Seconds that one whose processes run is given to get ready by itself: it may be starting.
    seconds
        To wait for it afterwards.

    Returns ``ready``, ``restarted``, and ``answer`` or ``reason``.

    CLI Example:

    .. code-block:: bash

        salt db1 itstack.restart redis
    """
    tree = plugin.tree(__opts__, plugin.fresh_pillar(__opts__, __grains__))
    own = (tree.get("services") or {}).get(service)
    if not own or own["mode"] != "enforce" or own["held"] or own["external"] or not own["units"]:
        raise Invalid(
            Problem("", "service", service, "it isn't ours to restart here",
                    "it has to be on this minion, in mode enforce and not held, and to have units in the map")
        )  # fmt: skip
    runs = all(__salt__["service.status"](unit) for unit in own["units"])
    found = _await(own, patience if runs else 0)
    if found["ready"]:
        return {**found, "restarted": False}
    for unit in own["units"]:
        if not __salt__["service.restart"](unit):
            reason = f"the unit {unit} can't be started; its own log says why"
            return {"ready": False, "restarted": True, "reason": reason}
    return {**_await(own, seconds), "restarted": True}


def _await(own, seconds):
    deadline = time.monotonic() + seconds
    while True:
        try:
            return {"ready": True, "answer": readiness(own)}
        except ItstackError as error:
            if time.monotonic() >= deadline:
                return {"ready": False, "reason": str(error)}
        time.sleep(0.5)


def _prove(identifier, item, tree, pillar, said):
    started = time.monotonic()
    row = {"state": "works", "reason": "", "against": ""}
    unready = None
    try:
        request = _request(identifier, tree, pillar, said)
        try:
            row["against"] = against(request)
        except ItstackError as error:
            # An end that isn't ready is the effect; the probe may find the cause on the way to it.
            unready = error
        row["reason"] = KINDS[item["kind"]].probe(request)
        if unready:
            raise unready
    except Unproved as error:
        row.update(state="broken" if unready else "unproved", reason=str(unready or error))
    except ItstackError as error:
        row.update(state="broken", reason=str(error))
    except ImportError as error:
        row.update(state="unproved", reason=f"{error.name} isn't installed on this minion")
    except Exception as error:  # one probe's own fault must not hide the other rows
        log.exception("the probe of %s failed", identifier)
        row.update(state="unproved", reason=f"the probe itself failed ({type(error).__name__}); see the log")
    row["seconds"] = round(time.monotonic() - started, 2)
    return row


def _request(identifier, tree, pillar, said):
    return request_for(
        identifier,
        tree,
        opened=lambda value: plugin.reveal(value, __opts__, pillar),
        access=lambda service: plugin.profile(service, __opts__, pillar),
        said=said,
    )
