"""
What this minion knows of the map, for SLS files and people: its services, its ends, readiness and proof.

The data come from the master with the pillar; nothing here writes anything.
"""

import logging
import time

from salt_itstack import __version__, plugin
from salt_itstack.errors import Invalid, ItstackError, Missing, Problem
from salt_itstack.integrations import KINDS
from salt_itstack.integrations.probing import Request, Unproved, against, readiness

log = logging.getLogger(__name__)


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
    Whether this run may write this service: it is on this minion, it isn't in mode ``observe``, and the run
    isn't a deploy's step for another service.

    service
        Id of the service.

    CLI Example:

    .. code-block:: bash

        salt app1 itstack.active nextcloud
    """
    step = __pillar__.get("itstack_step")
    own = services().get(service)
    return bool(own) and own["mode"] != "observe" and step in (None, service)


def ends(service, side, kind=None):
    """
    The integrations that this run may configure at one end: a list of dicts with ``id``, ``other`` and
    everything that both ends share.

    service
        The service on this minion.
    side
        ``source`` or ``target``: which end of the arrow the service is.
    kind
        Only integrations of this kind.

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
    ]


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
        ask = f"itstack_{service}.version"
        try:
            if ask in __salt__:
                access = plugin.profile(service, __opts__, pillar)
                found[service] = f"{own['name']} {__salt__[ask](profile=access)}"
            else:
                found[service] = readiness(own)
        except ItstackError:
            continue
    return found


def probe(integrations=None):
    """
    Prove the integrations whose consuming end is on this minion, each through both ends.

    integrations
        Only these ids; all by default.

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
            rows[identifier] = _prove(identifier, item, tree, pillar)
    return rows


def _prove(identifier, item, tree, pillar):
    started = time.monotonic()
    row = {"state": "works", "reason": "", "against": ""}
    unready = None
    try:
        request = _request(identifier, item, tree, pillar)
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


def _request(identifier, item, tree, pillar):
    def opened(value):
        return plugin.reveal(value, __opts__, pillar)

    person = dict(tree.get("sandbox") or {})
    if person and item["probe"] == "visible":
        person["password"] = opened(f"{plugin.REFERENCE}sandbox-person")

    def access(service):
        try:
            return plugin.profile(service, __opts__, pillar)
        except (Invalid, Missing) as error:
            # As with an external service that is only looked at: nothing is known then.
            raise Unproved(f"this minion has no access to {service} ({error})", identifier) from None

    known = {**(tree.get("peers") or {}), **tree["services"]}
    return Request(
        integration=identifier,
        values={key: opened(value) for key, value in item["values"].items()},
        source=known[item["source"]],
        target=known[item["target"]],
        profile=access,
        sandbox=person,
    )
