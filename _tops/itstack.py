"""
The top file, from the map: each minion's highstate is the services that the map places on it.

.. code-block:: yaml

    master_tops:
      itstack: true

It is merged with the user's own top files.
"""

__version__ = "0.1.0"

import logging

# Why this file must not be used is kept until it's called: without a top of ours a highstate
# would only lack what is ours, and succeed.
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
    if _REFUSAL:
        log.error("itstack: %s", _REFUSAL)
        # An SLS that nobody has fails the highstate, and Salt names it; what a top raises, it only logs.
        return {"base": [f"itstack ({_REFUSAL})"]}
    try:
        stack = load_for(__opts__, shared=True)
    except ItstackError as error:
        # The same error fails the minion's pillar, where it's seen; here it would only hide other tops.
        log.error("itstack: %s", error)
        return {}
    services = stack.services_on(kwargs["opts"]["id"])
    return {"base": [f"itstack.{service}" for service in services]} if services else {}
