"""
Tells Salt where the plug-in folders of this package are.

The entry point is a function, not a module: Salt looks for a module's plug-ins below the package's own
folder, where an editable install doesn't have them (they are ``_modules`` beside the package there).
"""

from __future__ import annotations

import pathlib

KINDS = ("modules", "states", "runners", "pillar", "tops", "sdb", "output")


def folder(kind: str) -> pathlib.Path:
    """
    The folder of one kind of file that ships with the package.

    kind
        A plug-in kind of Salt's loader, or ``sls`` or ``orchestrate``.

    Returns the folder inside an installed package, or the one beside it in a checkout.
    """
    package = pathlib.Path(__file__).resolve().parent
    installed = package / kind
    if installed.is_dir():
        return installed
    return package.parent / {"sls": "states", "orchestrate": "orchestrate"}.get(kind, f"_{kind}")


def paths() -> dict[str, list[str]]:
    """
    Folders by loader kind, as the ``salt.loader`` entry point wants them.

    Never raises: Salt would only log the exception and the whole pack would silently be gone.
    """
    return {kind: [str(folder(kind))] for kind in KINDS if folder(kind).is_dir()}
