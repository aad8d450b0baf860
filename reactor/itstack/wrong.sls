#!py
"""
A minion's look found that something of its own isn't as it was: poke, and call the runner if that is new.

    reactor:
      - 'salt/beacon/*/itstack/*':
        - /path/that/itstack.config/prints/itstack/wrong.sls

Who says it is read from the signature, whether it is their business from the map.
"""

__version__ = "0.1.0"

from salt.exceptions import SaltRenderError

# Of this error alone Salt shows no traceback.
try:
    from salt_itstack import compatibility
except ImportError as error:
    raise SaltRenderError(
        f"{error}; this file needs the library of salt-itstack {__version__}. "
        "Remedy: install it, or sync it together with this file"
    ) from None
if compatibility.refusal(__version__):
    raise SaltRenderError(compatibility.refusal(__version__))

from salt_itstack.remediation import reactions


def run():
    return reactions.wrong(__opts__, data)
