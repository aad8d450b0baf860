"""
Gates between services: what must be ready before a service is touched, and when it is ready itself.

.. code-block:: yaml

    "nextcloud: needs":
      itstack.needs_ready:
        - name: nextcloud

    "nextcloud: ready":
      itstack.service_ready:
        - name: nextcloud
        - timeout: 60
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

import os
import time

from salt_itstack import plugin
from salt_itstack.errors import ItstackError


def _occupied():
    """Who else may write on this server right now, or an empty text. A dry run disturbs nobody."""
    if __opts__["test"]:
        return ""
    holder = plugin.tree(__opts__, __pillar__).get("lock") or {}
    run = __pillar__.get("itstack_run") or {}
    if holder and holder["id"] != run.get("lock"):
        return holder["by"]
    own = (os.getpid(), os.getppid())
    jobs = __salt__["saltutil.is_running"]("itstack.enforce")
    others = [job for job in jobs if job.get("pid") not in own]
    return f"the scheduled itstack.enforce (job {others[0]['jid']} on this minion)" if others else ""


def _refusal(name, holder):
    comment = (
        f"{name} isn't touched: this server is held by {holder}. Remedy: wait for it; "
        "`salt-run itstack.status` on the master shows when it's over"
    )
    return {"name": name, "changes": {}, "result": False, "comment": comment}


def needs_ready(name, **kwargs):  # pylint: disable=unused-argument
    """
    Ensure that everything a service needs can be used, without waiting for it, and that nobody else writes on
    this server.

    name
        Id of a service on this minion.

    In a dry run, a need that the same run would start is taken as ready.

    .. code-block:: yaml

        "keycloak: needs":
          itstack.needs_ready:
            - name: keycloak
    """
    ret = {"name": name, "changes": {}, "result": True, "comment": f"all that {name} needs is ready"}
    holder = _occupied()
    if holder:
        return _refusal(name, holder)
    lacking = []
    try:
        needs = __salt__["itstack.facts"](name)["needs"]
        for need in needs:
            found = __salt__["itstack.ready"](need)
            if found["ready"]:
                continue
            if __opts__["test"] and plugin.starts_in_this_run(__opts__, __pillar__, need):
                continue
            lacking.append(f"{need} isn't ready ({found['reason']})")
    except ItstackError as error:
        lacking.append(str(error))
    if lacking:
        ret["result"] = False
        ret["comment"] = f"{name} isn't touched: {'; '.join(lacking)}"
    return ret


def service_ready(name, timeout=120, **kwargs):  # pylint: disable=unused-argument
    """
    Ensure that a service can be used, waiting for it up to ``timeout``.

    name
        Id of a service on this minion.
    timeout
        Seconds to wait.

    .. code-block:: yaml

        "keycloak: ready":
          itstack.service_ready:
            - name: keycloak
            - timeout: 180
    """
    ret = {"name": name, "changes": {}, "result": True, "comment": ""}
    # An external service has no other gate than this one.
    holder = _occupied()
    if holder:
        return _refusal(name, holder)
    deadline = time.monotonic() + timeout
    pause = 0.2
    while True:
        try:
            found = __salt__["itstack.ready"](name)
        except ItstackError as error:
            ret.update(result=False, comment=str(error))
            return ret
        if found["ready"]:
            ret["comment"] = f"{found['answer']} is ready"
            return ret
        if __opts__["test"]:
            # Whatever starts it shows as that state's own change.
            ret["comment"] = f"{name} isn't ready yet ({found['reason']})"
            if not plugin.starts_in_this_run(__opts__, __pillar__, name):
                ret["result"] = False
            return ret
        if time.monotonic() >= deadline:
            ret.update(result=False, comment=f"not ready after {timeout} s: {found['reason']}")
            return ret
        time.sleep(pause)
        pause = min(pause * 1.5, 1.0)


def left_alone(name, **kwargs):  # pylint: disable=unused-argument
    """
    Say that nothing of a service is touched, and why: it is held, or its mode doesn't allow it. No failure.

    name
        Id of the service.

    .. code-block:: yaml

        "keycloak: left alone":
          itstack.left_alone:
            - name: keycloak
    """
    comment = f"{name} isn't touched: {__salt__['itstack.why_left_alone'](name)}"
    return {"name": name, "changes": {}, "result": True, "comment": comment}


def refused(name, reason, remedy="", **kwargs):  # pylint: disable=unused-argument
    """
    Fail, and say why: for a service that can't be had as the map wants it. Its minion's other services go on.

    name
        Id of the service.
    reason
        What is in the way.
    remedy
        What to do about it.

    .. code-block:: yaml

        "keycloak: database":
          itstack.refused:
            - name: keycloak
            - reason: the map gives it no database
    """
    comment = f"{name} isn't touched: {reason}" + (f". Remedy: {remedy}" if remedy else "")
    return {"name": name, "changes": {}, "result": False, "comment": comment}
