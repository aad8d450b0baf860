"""Files are written whole or not at all, with the owner and the mode that they should have."""

import os
import pathlib
import stat
import subprocess
import sys
import tempfile

import pytest

from salt_itstack import atomic

OLD, NEW = b"old content", b"new content, and longer"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "file.json"
    path.write_bytes(OLD)
    return path


def names(path):
    return [entry.name for entry in path.parent.iterdir()]


def full(*args, **kwargs):
    raise OSError(28, "No space left on device")


def interrupted(*args, **kwargs):
    raise KeyboardInterrupt


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("failure", [full, interrupted])
@pytest.mark.parametrize("step", ["mkstemp", "fsync", "replace"])
def test_what_fails_midway_leaves_the_old_file_and_no_other(file, monkeypatch, step, failure, keep):
    file.chmod(0o644)
    before = file.stat()
    monkeypatch.setattr(tempfile if step == "mkstemp" else os, step, failure)
    with pytest.raises((OSError, KeyboardInterrupt)):
        atomic.write(file, NEW, keep=keep)
    monkeypatch.undo()
    after = file.stat()
    assert file.read_bytes() == OLD
    assert (after.st_ino, after.st_mode, after.st_uid) == (before.st_ino, before.st_mode, before.st_uid)
    assert names(file) == ["file.json"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_a_disk_that_is_really_full_leaves_the_old_file_and_no_other(tmp_path):
    # In a mount namespace of its own, which ends with the process.
    script = f"""
import pathlib, sys
from salt_itstack import atomic
path = pathlib.Path({str(tmp_path)!r}) / "disk" / "file"
path.write_bytes(b"old content")
try:
    atomic.write(path, b"x" * 10_000_000)
except OSError as error:
    print(error.strerror)
print(path.read_bytes().decode(), [entry.name for entry in path.parent.iterdir()])
"""
    (tmp_path / "disk").mkdir()
    mounted = 'mount -t tmpfs -o size=1m none "$DISK" && exec "$0" -c "$SCRIPT"'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", mounted, sys.executable],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SCRIPT": script, "DISK": str(tmp_path / "disk")},
        cwd=pathlib.Path(__file__).parents[2],
    )
    assert done.stdout.splitlines() == ["No space left on device", "old content ['file']"], done.stderr


@pytest.mark.parametrize("umask", [0, 0o077])
def test_a_new_file_is_for_its_owner_only_whatever_the_umask(tmp_path, umask):
    old = os.umask(umask)
    try:
        atomic.write(tmp_path / "new", NEW)
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o600
    assert (tmp_path / "new").read_bytes() == NEW


def test_an_open_mode_is_closed_unless_it_is_to_be_kept(file):
    file.chmod(0o644)
    atomic.write(file, NEW)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
@pytest.mark.parametrize("mode", [0o640, 0o444, 0o2660])
def test_owner_group_and_mode_are_kept_where_asked_for(file, mode):
    os.chown(file, 33, 65534)
    file.chmod(mode)
    atomic.write(file, NEW, keep=True)
    after = file.stat()
    assert (after.st_uid, after.st_gid, stat.S_IMODE(after.st_mode)) == (33, 65534, mode)
    assert file.read_bytes() == NEW and names(file) == ["file.json"]


def test_a_file_to_be_kept_that_is_not_there_is_told_and_not_made(tmp_path):
    with pytest.raises(FileNotFoundError):
        atomic.write(tmp_path / "none", NEW, keep=True)
    assert not list(tmp_path.iterdir())


def test_a_link_is_replaced_and_what_it_led_to_is_left_alone(file):
    link = file.parent / "link"
    link.symlink_to(file)
    atomic.write(link, NEW, keep=True)
    assert file.read_bytes() == OLD
    assert link.read_bytes() == NEW and not link.is_symlink()


def test_readers_never_see_half_of_it(file):
    with file.open("rb") as reader:
        atomic.write(file, NEW)
        assert reader.read() == OLD
    assert file.read_bytes() == NEW
