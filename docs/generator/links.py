"""
The folder ``sync``: a file root for those who don't install the package, made of links to single files.

Salt's git backend doesn't follow links to folders, and syncing takes only what is named as Python: so the map
files have that ending there.
"""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SYNC = ROOT / "sync"
#: Folders whose content belongs at the top of a file root, or at a place of its own in it.
CONTENT = {"states": Path(), "orchestrate": Path(), "reactor": Path("reactor")}


def links() -> dict[Path, str]:
    """What each link points to, by its path below the repository."""
    found: dict[Path, Path] = {}
    for folder in sorted(ROOT.glob("_*")):
        found.update({Path(folder.name, path.name): path for path in folder.glob("*.py")})
    for path in _files(ROOT / "salt_itstack"):
        place = Path("_utils") / path.relative_to(ROOT)
        if path.suffix == ".yaml":
            found[place.with_name(f"{path.name}.py")] = path
        elif path.suffix == ".py" and "lab" not in place.parts:
            found[place] = path
    for name, below in CONTENT.items():
        found.update({below / path.relative_to(ROOT / name): path for path in _files(ROOT / name)})
    return {
        Path(SYNC.name, place): os.path.relpath(path, (SYNC / place).parent) for place, path in found.items()
    }


def stale() -> list[Path]:
    """Links that are missing, point elsewhere, or that nothing asks for, as paths below the repository."""
    wanted = links()
    present = {path.relative_to(ROOT) for path in SYNC.rglob("*") if path.is_symlink() or path.is_file()}
    differing = {
        place
        for place, target in wanted.items()
        if not (ROOT / place).is_symlink() or os.readlink(ROOT / place) != target
    }
    return sorted(differing | (present - set(wanted)))


def write() -> list[Path]:
    """Make the folder what it should be; returns what was touched."""
    wanted, touched = links(), stale()
    for place in touched:
        link = ROOT / place
        link.unlink(missing_ok=True)
        if place in wanted:
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(wanted[place])
    for folder in sorted((path for path in SYNC.rglob("*") if path.is_dir()), reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()
    return touched


def _files(folder: Path) -> list[Path]:
    found = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return sorted(path for path in found if "__pycache__" not in path.parts)
