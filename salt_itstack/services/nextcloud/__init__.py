"""Nextcloud: its configuration through occ on its own host, and what it answers over HTTP."""

from .ready import readiness

__all__ = ["readiness"]
