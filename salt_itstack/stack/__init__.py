"""The map: services, servers, phases and integrations as data, and what follows from them."""

from .graph import Step, critical_path, order, steps
from .load import load, load_for
from .model import (
    BROKEN,
    DRIFTED,
    GIVEN,
    LAYERS,
    MODES,
    NOT_APPLICABLE,
    NOT_DEPLOYED,
    PHASES,
    STATUSES,
    UNPROVED,
    WORKS,
    End,
    External,
    Integration,
    Secret,
    Server,
    Service,
    Stack,
)
from .picture import mermaid

__all__ = [
    "BROKEN",
    "DRIFTED",
    "GIVEN",
    "LAYERS",
    "MODES",
    "NOT_APPLICABLE",
    "NOT_DEPLOYED",
    "PHASES",
    "STATUSES",
    "UNPROVED",
    "WORKS",
    "End",
    "External",
    "Integration",
    "Secret",
    "Server",
    "Service",
    "Stack",
    "Step",
    "critical_path",
    "load",
    "load_for",
    "mermaid",
    "order",
    "steps",
]
