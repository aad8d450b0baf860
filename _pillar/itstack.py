"""
Gives each minion its part of the map, with its secrets sealed to its own key.

.. code-block:: yaml

    ext_pillar:
      - itstack: {}

What a minion gets depends on its accepted id and on the master's own files, on nothing that the minion says
of itself: neither its grains nor the pillar that a command line passes are looked at. The pseudo minion of an
orchestration has no key, and gets nothing.
"""

__version__ = "0.1.0"

import logging

from salt.exceptions import CommandExecutionError

# Why this file must not be used is kept until it's called: Salt leaves out, without a word to the minion, an
# external pillar that doesn't load.
try:
    from salt_itstack import compatibility
except ImportError as error:
    _REFUSAL = (
        f"{error}; this plug-in needs the library of salt-itstack {__version__}. "
        "Remedy: install it, or sync it together with this file"
    )
else:
    _REFUSAL = compatibility.refusal(__version__)

if not _REFUSAL:
    from salt_itstack import holds, locks
    from salt_itstack.integrations.view import schedule, view, watch
    from salt_itstack.keyring import public_key
    from salt_itstack.secrets.sealing import awaited, sealed_for
    from salt_itstack.stack import load_for

log = logging.getLogger(__name__)


def ext_pillar(minion_id, pillar):  # pylint: disable=unused-argument
    """
    The pillar tree ``itstack`` of one minion, and what Salt's own scheduler and beacons take from a pillar.

    minion_id
        The id that the master authenticated.
    pillar
        Ignored on purpose: a minion's command line reaches it.

    Raises :class:`~salt_itstack.errors.ItstackError`, which Salt reports as that minion's pillar error: a
    wrong map, a store that can't be opened, a reference that leads nowhere. Never yields an empty secret.
    """
    if _REFUSAL:
        raise CommandExecutionError(_REFUSAL)
    stack = load_for(__opts__, shared=True)
    key = public_key(__opts__, minion_id)
    if not key:
        return {}
    current = holds.Holds.of(__opts__).current()

    def held(identifier):
        hold = holds.covering(stack, identifier, current)
        return str(hold) if hold else ""

    found = view(stack, minion_id, held)
    if not found:
        return {}
    found["sealed"] = sealed_for(stack, minion_id, key, __opts__)
    found["awaited"] = awaited(stack, minion_id, __opts__)
    holder = locks.Locks.of(__opts__).holder(minion_id)
    if holder:
        found["lock"] = {"id": holder.id, "by": str(holder)}
    salts = {"schedule": schedule(stack, minion_id), "beacons": watch(stack, minion_id)}
    return {"itstack": found, **{key: given for key, given in salts.items() if given}}
