"""
Tells Salt where the plug-in folders of this package are.

The entry point is a function, not a module: Salt looks for a module's plug-ins below the package's own
folder, where an editable install doesn't have them (they are ``_modules`` beside the package there).
"""

from __future__ import annotations

import functools
import pathlib

KINDS = ("modules", "states", "runners", "pillar", "tops", "sdb", "output", "beacons", "engines")
#: Files that aren't plug-ins, and where a checkout has them.
FILES = {"sls": "states", "orchestrate": "orchestrate", "reactor": "reactor"}


@functools.cache
def folder(kind: str) -> pathlib.Path:
    """
    The folder of one kind of file that ships with the package.

    kind
        A plug-in kind of Salt's loader, or one of :data:`FILES`.

    Returns the folder inside an installed package, or the one beside it in a checkout.
    """
    package = pathlib.Path(__file__).resolve().parent
    installed = package / kind
    if installed.is_dir():
        return installed
    return package.parent / FILES.get(kind, f"_{kind}")


def data_file(name: str) -> pathlib.Path:
    """
    A file of the library that isn't Python.

    name
        Its path below the package, such as ``stack/services.yaml``.

    Returns where it is. Salt syncs only what is named as Python, so the folder ``sync`` adds that ending, and
    where the library was synced the file has it.
    """
    path = pathlib.Path(__file__).resolve().parent / name
    return path if path.exists() else path.with_name(f"{path.name}.py")


def paths() -> dict[str, list[str]]:
    """
    Folders by loader kind, as the ``salt.loader`` entry point wants them.

    Never raises: Salt would only log the exception and the whole pack would silently be gone.
    """
    # Salt asks anew for each of its loaders, several times for one pillar.
    return {kind: [path] for kind, path in _there()}


@functools.cache
def _there() -> tuple[tuple[str, str], ...]:
    return tuple((kind, str(folder(kind))) for kind in KINDS if folder(kind).is_dir())
