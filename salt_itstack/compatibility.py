"""
Whether a plug-in file, this library and Salt belong together.

Each plug-in asks before it imports anything else of the library, because what it would import may not be
there: a synced file shadows an installed one, and a daemon keeps the library that it began with. Nothing of
Salt but its version is imported here, so that an old Salt gets an answer as well.
"""

from __future__ import annotations

import pathlib

import salt.version

from . import __version__

#: The first major version of Salt whose loader, pillar and keys are as this pack expects them.
SALT = 3008


class Incompatible(ImportError):
    """Parts of different versions. Salt shows an ImportError as the reason why a plug-in isn't there."""


def refusal(version: str) -> str:
    """
    Why a plug-in file must not be used, in one line with the remedy; an empty text if it may be.

    version
        The file's own ``__version__``.
    """
    if salt.version.__version_info__[0] < SALT:
        found = salt.version.__version__
        return (
            f"salt-itstack {version} needs Salt {SALT} or later, and this is Salt {found}. "
            "Remedy: upgrade Salt on this machine, and restart its daemons"
        )
    if version != __version__:
        place = pathlib.Path(__file__).resolve().parent
        return (
            f"this plug-in is of salt-itstack {version}, but the library in {place} is {__version__}. "
            "Remedy: install or sync both in one version, and restart Salt's daemons on this machine"
        )
    return ""


def require(version: str) -> None:
    """
    Raise :class:`Incompatible`, with that reason, if a plug-in file must not be used.

    version
        The file's own ``__version__``.
    """
    reason = refusal(version)
    if reason:
        raise Incompatible(reason)
