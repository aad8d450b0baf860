"""
The top file, from the map: each minion's highstate is the services that the map places on it.

.. code-block:: yaml

    master_tops:
      itstack: true

It is merged with the user's own top files.
"""

import logging

from salt_itstack.errors import ItstackError
from salt_itstack.stack import load_for

log = logging.getLogger(__name__)


def top(**kwargs):
    """
    The SLS of one minion, by environment.

    kwargs
        Salt passes ``opts``, whose ``id`` is the minion's as the master knows it, and ``grains``, which are
        the minion's own claims and not looked at.
    """
    try:
        stack = load_for(__opts__)
    except ItstackError as error:
        # The same error fails the minion's pillar, where it's seen; here it would only hide other tops.
        log.error("itstack: %s", error)
        return {}
    services = stack.services_on(kwargs["opts"]["id"])
    return {"base": [f"itstack.{service}" for service in services]} if services else {}
