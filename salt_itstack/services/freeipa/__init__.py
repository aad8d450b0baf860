"""FreeIPA: all that can be declared of it over its JSON-RPC, and the directory behind it."""

from .ready import readiness

__all__ = ["readiness"]
