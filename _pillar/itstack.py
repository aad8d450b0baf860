"""
Gives each minion its part of the map, with its secrets sealed to its own key.

.. code-block:: yaml

    ext_pillar:
      - itstack: {}

What a minion gets depends on its accepted id and on the master's own files, on nothing that the minion says
of itself: neither its grains nor the pillar that a command line passes are looked at. The pseudo minion of an
orchestration has no key, and gets nothing.
"""

import logging

import salt.cache

from salt_itstack.integrations.view import view
from salt_itstack.secrets.sealing import sealed_for
from salt_itstack.stack import load_for

log = logging.getLogger(__name__)


def ext_pillar(minion_id, pillar):  # pylint: disable=unused-argument
    """
    The pillar tree ``itstack`` of one minion.

    minion_id
        The id that the master authenticated.
    pillar
        Ignored on purpose: a minion's command line reaches it.

    Raises :class:`~salt_itstack.errors.ItstackError`, which Salt reports as that minion's pillar error: a
    wrong map, a store that can't be opened, a reference that leads nowhere. Never yields an empty secret.
    """
    stack = load_for(__opts__)
    public_key = _public_key(minion_id)
    if not public_key:
        return {}
    found = view(stack, minion_id)
    if not found:
        return {}
    found["sealed"] = sealed_for(stack, minion_id, public_key, __opts__)
    return {"itstack": found}


def _public_key(minion_id):
    """The minion's accepted public key, as PEM, or an empty text."""
    driver = __opts__.get("keys.cache_driver", "localfs_key")
    entry = salt.cache.Cache(__opts__, driver=driver).fetch("keys", minion_id)
    if not isinstance(entry, dict) or entry.get("state") != "accepted":
        return ""
    return entry.get("pub") or ""
