"""What a probe is given, and what it gives back."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ..errors import Invalid, ItstackError, Missing, Unreachable

#: Seconds within which a proxy sees that an application is there: a health check's interval and some more.
HEALTH_SECONDS = 8.0
Result = TypeVar("Result")


class Unproved(ItstackError):
    """The probe couldn't run, so nothing is known: neither that it works, nor that it's broken."""


class Idle(ItstackError):
    """What the integration gives is all there, but the application that takes it isn't ready."""


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
    said
        What was said at the source and has to be found here: ``mark``, ``channel``, ``failed``; may be empty.
    partial
        What of the integration is there, if it isn't all: its source isn't then.
    """

    integration: str
    values: Mapping[str, Any]
    source: Mapping[str, Any]
    target: Mapping[str, Any]
    profile: Callable[[str], Mapping[str, Any]]
    sandbox: Mapping[str, Any] = field(default_factory=dict)
    said: Mapping[str, Any] = field(default_factory=dict)
    partial: str = ""


def request_for(
    integration: str,
    tree: Mapping[str, Any],
    opened: Callable[[Any], Any],
    access: Callable[[str], Mapping[str, Any]],
    said: Mapping[str, Any] | None = None,
) -> Request:
    """
    The request of an integration, as the minion knows it.

    tree
        This minion's part of the map.
    opened
        Opens a reference to a secret.
    access
        The profile of a service, secrets opened.
    said
        What was said at the source.
    """
    item = tree["integrations"][integration]
    person = dict(tree.get("sandbox") or {})
    if person.get("person") and item["probe"] == "visible" and item["proved_here"]:
        person["password"] = opened("secret://sandbox-person")

    def profile(service: str) -> Mapping[str, Any]:
        try:
            return access(service)
        except (Invalid, Missing) as error:
            # As with an external service that is only looked at: nothing is known then.
            raise Unproved(f"this minion has no access to {service} ({error})", integration) from None

    known = {**(tree.get("peers") or {}), **tree["services"]}
    return Request(
        integration=integration,
        values={key: opened(value) for key, value in item["values"].items()},
        source=known[item["source"]],
        target=known[item["target"]],
        profile=profile,
        sandbox=person,
        said=said or {},
        partial=item["partial"],
    )


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
    for facts in (request.target,) if request.partial else (request.source, request.target):
        answer = readiness(facts)
        names.append(f"{answer} ({facts['remark']})" if facts.get("remark") else answer)
    return " + ".join(names) + (f"; {request.partial}" if request.partial else "")


def once_healthy(ask: Callable[[], Result]) -> Result:
    """
    What a request through a proxy gives, which answers 503 until its next health check of the application.

    Raises what ``ask`` raises; 503 after :data:`HEALTH_SECONDS`.
    """
    deadline = time.monotonic() + HEALTH_SECONDS
    while True:
        try:
            return ask()
        except Unreachable as error:
            if "answered with 503" not in str(error) or time.monotonic() >= deadline:
                raise
        time.sleep(0.5)
