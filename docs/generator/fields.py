"""What is managed of each service, field by field, out of its resources."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

from salt_itstack.reconcile import Field, Resource, same

from .text import NOTE, code, table

#: What has no sentence of its own, or one that is told so often that it needs a shorter one.
_WORDS = {bool: "As true or false.", int: "As a number.", same: "As it is."}


def page(service: str) -> str:
    """Tables of one service's resources."""
    parts = [NOTE]
    for resource in resources(service):
        parts.append(f"**{resource.kind}**\n\n")
        rows = [
            (code(name), code(".".join(field.keys)), _compared(field), _kept(field))
            for name, field in resource.fields.items()
        ]
        parts.append(table(("field", "the server's name", "compared", "secret"), rows) + "\n")
    return "".join(parts)


def resources(service: str) -> Iterator[Resource]:
    """All resources that a service's package declares."""
    package = importlib.import_module(f"salt_itstack.services.{service}")
    for module in sorted(one.name for one in pkgutil.iter_modules(package.__path__)):
        if not module.startswith("resources"):
            continue
        for value in vars(importlib.import_module(f"{package.__name__}.{module}")).values():
            found = getattr(value, "resource", value)
            if isinstance(found, Resource):
                yield found


def _compared(field: Field) -> str:
    if not field.readable:
        return "By its use, or with what was written last."
    # Of each comparison, what its docstring begins with.
    words = _WORDS.get(field.compare) or (field.compare.__doc__ or "").strip().split("\n\n")[0]
    words = words.replace("``", "`")
    return f"{words} Only the declared keys." if field.partial else words


def _kept(field: Field) -> str:
    if not field.secret:
        return ""
    return "yes" if field.readable else "yes; the server never gives it back"
