"""What a probe is given, and what it gives back."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import ItstackError


class Unproved(ItstackError):
    """The probe couldn't run, so nothing is known: neither that it works, nor that it's broken."""


@dataclass(frozen=True)
class Request:
    """
    One probe to run.

    integration
        Its id.
    values
        What both ends share, with secrets opened.
    source, target
        Facts of both ends' services.
    profile
        Gives the administrative access that this minion has to a service, with secrets opened; raises if it
        has none. A probe asks only for what it needs.
    sandbox
        ``person``, ``group`` and ``password`` of the person that visible probes may use; may be empty.
    """

    integration: str
    values: Mapping[str, Any]
    source: Mapping[str, Any]
    target: Mapping[str, Any]
    profile: Callable[[str], Mapping[str, Any]]
    sandbox: Mapping[str, Any] = field(default_factory=dict)


def readiness(facts: Mapping[str, Any]) -> str:
    """
    What answers at a service's address, such as ``Keycloak 26.7.3``.

    Raises :class:`~salt_itstack.errors.Unreachable` with the reason while the service can't be used.
    """
    module = importlib.import_module(f"salt_itstack.services.{facts['service']}")
    return str(module.readiness(facts))


def against(request: Request) -> str:
    """Both ends as they are right now, with the remark that the map has for them."""
    names = []
    for facts in (request.source, request.target):
        answer = readiness(facts)
        names.append(f"{answer} ({facts['remark']})" if facts.get("remark") else answer)
    return " + ".join(names)
