"""Write a file whole or not at all: a full disk, a power cut or an interruption leaves the old one."""

from __future__ import annotations

import contextlib
import os
import pathlib
import tempfile


def write(path: pathlib.Path, content: bytes, keep: bool = False) -> None:
    """
    Replace a file, or make it; its folder has to be there.

    path
        The file. A symbolic link is replaced by a file, never followed: its folder may belong to others.
    content
        All of it.
    keep
        Leave owner and mode as the present file has them. Otherwise the new one is the caller's, 0600.

    Raises OSError, with the old file still in place and no other beside it.
    """
    before = os.stat(path) if keep else None
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            if before is not None:
                # By handle: whoever owns the folder could put a link where the name is. The mode comes
                # second, because a change of owner takes bits of it away.
                os.fchown(handle, before.st_uid, before.st_gid)
                os.fchmod(handle, before.st_mode & 0o7777)
            stream.write(content)
            stream.flush()
            os.fsync(handle)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
