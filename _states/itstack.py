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

import time

from salt_itstack import plugin
from salt_itstack.errors import ItstackError


def needs_ready(name, **kwargs):  # pylint: disable=unused-argument
    """
    Ensure that everything a service needs can be used, without waiting for it.

    name
        Id of a service on this minion.

    In a dry run, a need that the same run would start is taken as ready.

    .. code-block:: yaml

        "keycloak: needs":
          itstack.needs_ready:
            - name: keycloak
    """
    ret = {"name": name, "changes": {}, "result": True, "comment": f"all that {name} needs is ready"}
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
