#!py
"""
A scheduled enforcement on a minion changed something: recorded, so that a fight over it is seen.

    reactor:
      - itstack/enforced:
        - /path/that/itstack.config/prints/itstack/enforced.sls
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
    return reactions.enforced(__opts__, data)
