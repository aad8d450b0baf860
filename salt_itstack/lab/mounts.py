"""Mounts of one server's file tree, made by system calls, so that they also work on open folders."""

from __future__ import annotations

import ctypes
import fnmatch
import os
from pathlib import Path

CLONE_NEWNS = 0x00020000
MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
PR_SET_PDEATHSIG = 1

LIBC = ctypes.CDLL(None, use_errno=True)

# What every server has for itself; /run, /tmp and /dev/shm start empty.
PRIVATE_FOLDERS = ("/etc", "/var", "/srv", "/opt")
EMPTY_FOLDERS = {"/run": "mode=0755", "/tmp": "mode=1777", "/dev/shm": "mode=1777"}

# The machine's own data and configuration, which must not show in the lab: these start empty.
HIDDEN = (
    "/etc/dirsrv/slapd-*",
    "/etc/ipa",
    "/etc/keycloak",
    "/etc/mattermost",
    "/etc/postgresql/*",
    "/etc/salt",
    "/etc/ssl/itstack",
    "/opt/keycloak",
    "/opt/mattermost",
    "/srv/*",
    "/var/cache/itstack-lab",
    "/var/cache/salt",
    "/var/lib/dirsrv",
    "/var/lib/itstack-lab",
    "/var/lib/keycloak",
    "/var/lib/knot",
    "/var/lib/mysql",
    "/var/lib/postgresql",
    "/var/lib/redis",
    "/var/log/*",
    "/var/spool/*",
    "/var/tmp",
    "/var/www",
)


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Mount, or raise OSError naming the target."""
    if LIBC.mount(source.encode(), target.encode(), kind.encode() or None, flags, options.encode() or None):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), target)


def own_mounts() -> None:
    """Give this process a mount namespace of its own; what it mounts ends with it and its children."""
    if LIBC.unshare(CLONE_NEWNS):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "unshare")
    mount("none", "/", flags=MS_REC | MS_PRIVATE)


def end_with_parent() -> None:
    """Let the kernel kill this process when its parent dies, however it dies."""
    LIBC.prctl(PR_SET_PDEATHSIG, 9, 0, 0, 0)


def overlay(folder: str, lower: str, storage: str) -> None:
    """
    Cover a folder with a private overlay.

    folder
        The place that is covered.
    lower
        A path that still leads to what was there at first, whatever was mounted over it since.
    storage
        The folder that keeps the changes.
    """
    name = folder.strip("/").replace("/", "--")
    upper, work = Path(storage, name, "upper"), Path(storage, name, "work")
    if not upper.exists():
        make_like(upper, lower)
        hide(folder, lower, upper)
    work.mkdir(parents=True, exist_ok=True)
    mount("overlay", folder, "overlay", 0, f"lowerdir={lower},upperdir={upper},workdir={work}")


def make_like(folder: Path, model: str) -> None:
    """Make a folder with the owner and the mode of another one."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(exist_ok=True)
    like = os.stat(model)
    os.chown(folder, like.st_uid, like.st_gid)
    os.chmod(folder, like.st_mode & 0o7777)


def hide(folder: str, lower: str, upper: Path) -> None:
    """Mark what the lab must not see as replaced by empty folders, before the overlay is mounted."""
    for pattern in HIDDEN:
        if not pattern.startswith(folder + "/"):
            continue
        for found in sorted(Path(lower).glob(pattern[len(folder) + 1 :])):
            if not found.is_dir() or found.is_symlink():
                continue
            inner, model = upper, Path(lower)
            for part in found.relative_to(lower).parts:
                inner, model = inner / part, model / part
                make_like(inner, str(model))
            os.setxattr(inner, "trusted.overlay.opaque", b"y")


def folders_to_cover(mountinfo: str) -> list[str]:
    """
    The folders that need an overlay of their own: the private ones, and file systems mounted below them.

    What is hidden anyway needs none, be it the machine's data or the lab's own changes.

    mountinfo
        The text of /proc/self/mountinfo.
    """
    folders = list(PRIVATE_FOLDERS)
    for line in mountinfo.splitlines():
        point = line.split()[4].replace("\\040", " ")
        below = any(point.startswith(folder + "/") for folder in PRIVATE_FOLDERS)
        if (
            below
            and point not in folders
            and not hidden(point)
            and os.path.isdir(point)
            and os.access(point, os.R_OK)
        ):
            folders.append(point)
    return folders


def hidden(folder: str) -> bool:
    """Whether a folder is, or lies below, one that the lab must not see."""
    for path in (folder, *map(str, Path(folder).parents)):
        for pattern in HIDDEN:
            if path.count("/") == pattern.count("/") and fnmatch.fnmatchcase(path, pattern):
                return True
    return False


def enter(storage: Path, visible: list[str], shared_tmp: bool = False) -> None:
    """
    Give the calling process a file tree of its own. It must already be in its own mount namespace.

    storage
        Where the changes of this server are kept.
    visible
        Folders of the machine that keep their place whatever covers them (the checkout, the state).
    shared_tmp
        Leave /tmp as the machine's: people hand files to the master's commands there.
    """
    kept = [(path, os.open(path, os.O_PATH)) for path in visible if os.path.isdir(path)]
    with open("/proc/self/mountinfo") as stream:
        covered = [folder for folder in folders_to_cover(stream.read()) if not _inside(folder, visible)]
    storage.mkdir(parents=True, exist_ok=True)
    # Every folder is opened first: once /var is covered, the old paths below it lead elsewhere.
    changes = os.open(storage, os.O_PATH)
    lowers = [(folder, os.open(folder, os.O_PATH)) for folder in covered if os.path.isdir(folder)]
    for folder, handle in lowers:
        overlay(folder, f"/proc/self/fd/{handle}", f"/proc/self/fd/{changes}")
        os.close(handle)
    os.close(changes)
    emptied = {
        folder: options for folder, options in EMPTY_FOLDERS.items() if folder != "/tmp" or not shared_tmp
    }
    emptied.update(dict.fromkeys(closed_folders(visible), "mode=0711"))
    for folder, options in emptied.items():
        mount("tmpfs", folder, "tmpfs", MS_NOSUID | MS_NODEV, options)
    mount("/usr", "/usr", flags=MS_BIND | MS_REC)
    mount("none", "/usr", flags=MS_BIND | MS_REMOUNT | MS_RDONLY)
    for path, handle in kept:
        if _inside(path, [*PRIVATE_FOLDERS, *emptied]):
            os.makedirs(path, exist_ok=True)
            mount(f"/proc/self/fd/{handle}", path, flags=MS_BIND | MS_REC)
        os.close(handle)


def empty_closed_folders(visible: list[str]) -> None:
    """
    Cover closed folders for the calling process, which must already be in its own mount namespace.

    visible
        What keeps its place, and becomes reachable for services that run as users of their own.
    """
    kept = [(path, os.open(path, os.O_PATH)) for path in visible if os.path.isdir(path)]
    closed = closed_folders([path for path, _ in kept])
    for folder in closed:
        mount("tmpfs", folder, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0711")
    for path, handle in kept:
        if _inside(path, closed):
            os.makedirs(path, exist_ok=True)
            mount(f"/proc/self/fd/{handle}", path, flags=MS_BIND | MS_REC)
        os.close(handle)


def closed_folders(paths: list[str]) -> list[str]:
    """
    Folders above these paths that only their owner may enter, such as /root.

    Services run as users of their own and must reach the checkout: in the lab an empty folder stands there.
    """
    found = set()
    for path in paths:
        for parent in reversed(Path(path).parents):
            if (
                not _inside(str(parent), [*PRIVATE_FOLDERS, *EMPTY_FOLDERS])
                and not parent.stat().st_mode & 0o001
            ):
                found.add(str(parent))
                break
    return sorted(found)


def _inside(folder: str, roots: list[str]) -> bool:
    return any(folder == root or folder.startswith(root.rstrip("/") + "/") for root in roots)
