"""
What this minion knows of the map, for SLS files and people: its services, its ends, readiness and proof.

The data come from the master with the pillar; nothing here writes anything.
"""

import time

from salt_itstack import __version__, plugin
from salt_itstack.errors import Invalid, ItstackError, Problem
from salt_itstack.integrations import KINDS
from salt_itstack.integrations.probing import Request, Unproved, against, readiness


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
    The services that the map places on this minion, by id.

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
    other = {"source": "target", "target": "source"}[side]
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
    mine = services()
    rows = {}
    for identifier, item in (_tree().get("integrations") or {}).items():
        if item["target"] in mine and (integrations is None or identifier in integrations):
            rows[identifier] = _prove(identifier, item)
    return rows


def _prove(identifier, item):
    started = time.monotonic()
    row = {"state": "works", "reason": "", "against": ""}
    try:
        request = _request(identifier, item)
        row["against"] = against(request)
        row["reason"] = KINDS[item["kind"]].probe(request)
    except Unproved as error:
        row.update(state="unproved", reason=str(error))
    except ItstackError as error:
        row.update(state="broken", reason=str(error))
    except ImportError as error:
        row.update(state="unproved", reason=f"{error.name} isn't installed on this minion")
    row["seconds"] = round(time.monotonic() - started, 2)
    return row


def _request(identifier, item):
    def opened(values):
        return {key: plugin.reveal(value, __opts__, __pillar__) for key, value in values.items()}

    mine = _tree()
    sandbox_person = sandbox()
    if sandbox_person and item["probe"] == "visible":
        sandbox_person["password"] = plugin.reveal(f"{plugin.REFERENCE}sandbox-person", __opts__, __pillar__)
    return Request(
        integration=identifier,
        values=opened(item["values"]),
        source=facts(item["source"]),
        target=facts(item["target"]),
        profiles={name: opened(found) for name, found in (mine.get("profiles") or {}).items()},
        sandbox=sandbox_person,
    )
