"""Mattermost: teams, channels, members, bots, settings, and whether people can use it."""

from .ready import readiness

__all__ = ["readiness"]
