"""FreeIPA: people, groups and system accounts over its JSON-RPC, and the directory behind it."""

from .ready import readiness

__all__ = ["readiness"]
