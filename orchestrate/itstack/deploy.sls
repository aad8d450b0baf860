#!py
"""
Brings up the fleet of the map in dependency order and wires every integration.

    salt-run state.orch itstack.deploy
    salt-run state.orch itstack.deploy pillar='{"itstack_deploy": {"services": ["postgresql", "keycloak"]} }'
    salt-run state.orch itstack.deploy pillar='{"itstack_deploy": {"until": "1b", "phase_by_phase": true} }'
    salt-run state.orch itstack.deploy test=True
"""

from salt_itstack.orchestration import Selection, render
from salt_itstack.stack import load_for


def run():
    return render(load_for(__opts__), Selection.of(__pillar__.get("itstack_deploy")))
