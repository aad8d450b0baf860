"""What a command is, who calls it, and how its arguments are checked before it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from salt_itstack.lab.doubles.freeipa import errors
from salt_itstack.lab.doubles.freeipa.parameters import VERSION, Parameter
from salt_itstack.lab.doubles.freeipa.store import Session

if TYPE_CHECKING:
    from salt_itstack.lab.doubles.freeipa.kinds import Kind

API_VERSION = (2, 257)
SERVER_VERSION = "4.13.1"


@dataclass(frozen=True)
class Realm:
    """Names of the server: its full host name, the realm, the DNS domain and the suffix of its tree."""

    host: str
    name: str
    domain: str
    base: str


@dataclass
class Call:
    """One command being run: for whom, in which realm, and what it has to tell beside its result."""

    realm: Realm
    person: str
    me: Session
    manager: Session
    kinds: dict[str, Kind]
    version: tuple[int, int] = API_VERSION
    messages: list[dict[str, Any]] = field(default_factory=list)

    def tell(self, kind: str, name: str, code: int, message: str, /, **data: Any) -> None:
        """Add a message to the answer."""
        self.messages.append({"type": kind, "name": name, "message": message, "code": code, "data": data})


@dataclass(frozen=True)
class Command:
    """
    A command that the double offers.

    run
        Called with the call, the positional arguments, and the options that were given as a dict.
    """

    name: str
    run: Callable[..., dict[str, Any]]
    arguments: Sequence[Parameter] = ()
    options: Iterable[Parameter] = ()

    def prepare(self, given: Sequence[Any], options: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """Checked arguments and options, or the framework's refusal."""
        positional = self._positional(given)
        known = {one.name: one for one in (*self.options, VERSION)}
        for name in sorted(options):
            if name not in known:
                raise errors.unknown_option(name)
        pairs = [*zip(self.arguments, positional), *((known[name], value) for name, value in options.items())]
        converted = [(parameter, parameter.convert(value)) for parameter, value in pairs]
        chosen = {parameter.name: value for parameter, value in converted[len(positional) :]}
        for parameter in (*self.arguments, *known.values()):
            found = [value for one, value in converted if one is parameter]
            if parameter.required and (not found or found[0] is None):
                raise errors.required(parameter.name)
        for parameter, value in converted:
            if value is not None:
                parameter.check(value)
        values = [value for _, value in converted[: len(positional)]]
        return values + [None] * (len(self.arguments) - len(values)), chosen

    def _positional(self, given: Sequence[Any]) -> list[Any]:
        last = self.arguments[-1] if self.arguments else None
        if last is not None and last.many and len(given) >= len(self.arguments):
            before = len(self.arguments) - 1
            rest: list[Any] = []
            for one in given[before:]:
                rest += one if isinstance(one, (list, tuple)) else [one]
            return [*given[:before], rest]
        if len(given) > len(self.arguments):
            raise errors.too_many_arguments(self.name, len(self.arguments))
        return list(given)
