"""
Looks whether what this minion has in mode ``enforce`` is still as it was, and tells the master if it isn't.

Services of this minion that aren't ready, ends of integrations here that aren't as declared, and proofs made
here that fail, as far as nobody notices them. The master's ``ext_pillar`` switches it on where there is
something to look at, every ``periods.beacon`` seconds of the map; a minion takes a change of that over with
``saltutil.refresh_pillar``:

.. code-block:: yaml

    beacons:
      itstack:
        - interval: 10

Only what was well once, on this minion, counts as broken. An event names the thing and what kind of trouble
it is, and is signed with the minion's key; it is sent when something turns wrong, then at most once a minute,
and once when it is well again. No look is made during a state run. One ends after two seconds at the latest;
what hasn't answered by then is wrong if it has no answer at the next look either.
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

import time

import salt.utils.minion

from salt_itstack.errors import ItstackError
from salt_itstack.remediation.announcement import WRONG, announce
from salt_itstack.remediation.look import WELL, checks, look
from salt_itstack.remediation.policy import RECOVERED
from salt_itstack.remediation.watch import Watch

#: Seconds for a whole look: the minion does nothing else meanwhile.
SECONDS = 2.0
#: Jobs during which things are expected to be in flux.
BUSY = ("state.", "itstack.restart", "itstack.enforce")
_SLOT = "itstack.watch"


def validate(config):
    """
    Whether the configuration can be used: a list, with an ``interval`` in seconds at most.

    config
        A list of mappings, as all beacons have.
    """
    if not isinstance(config, list):
        return False, "the configuration of the beacon itstack must be a list"
    return True, "valid"


def beacon(config):  # pylint: disable=unused-argument
    """
    What the master has to hear of, as Salt's beacons return it.

    config
        Nothing of it is needed: what is looked at stands in the pillar.
    """
    if _SLOT not in __context__:
        __context__[_SLOT] = Watch.of(__opts__)
    if any(job["fun"].startswith(BUSY) for job in salt.utils.minion.running(__opts__)):
        __context__[_SLOT].disturbed()
        return []
    findings = look(__opts__["id"], checks(__opts__, __opts__["pillar"]), SECONDS, repeated=True)
    events = []
    for found in __context__[_SLOT].news(findings):
        kind = RECOVERED if found.state == WELL else found.kind
        content = {"what": found.what, "kind": kind, "side": found.side}
        try:
            said = announce(__opts__, WRONG, content, time.time())
        except ItstackError as error:
            # An exception of a beacon would go to the master as an event that nobody reads.
            return [{"tag": "unsigned", "reason": str(error)}]
        events.append({"tag": found.what, **said})
    return events
