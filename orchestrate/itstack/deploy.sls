#!py
"""
Brings up the fleet of the map in dependency order and wires every integration.

    salt-run state.orch itstack.deploy
    salt-run state.orch itstack.deploy pillar='{"itstack_deploy": {"services": ["postgresql", "keycloak"]} }'
    salt-run state.orch itstack.deploy pillar='{"itstack_deploy": {"until": "1b", "phase_by_phase": true} }'
    salt-run state.orch itstack.deploy test=True
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

import os

from salt.utils.jid import gen_jid

from salt_itstack.orchestration import Selection, render
from salt_itstack.stack import load_for


def run():
    # What renders the steps is the process that runs them: the locks last as long as it does.
    identifier = __pillar__.get("itstack_run") or gen_jid(__opts__)
    about = {"id": identifier, "process": os.getpid()}
    return render(load_for(__opts__), Selection.of(__pillar__.get("itstack_deploy")), about)
