"""The folder ``sync`` holds a link to each file that Salt needs, and nothing else."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest

from salt_itstack import loader

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs"))

from generator import links  # noqa: E402


def test_the_links_are_up_to_date():
    told = ", ".join(str(path) for path in links.stale())
    assert not told, f"{told}. Remedy: python docs/generate.py"


def test_every_plugin_sls_and_library_file_is_there_and_the_lab_is_not():
    places = {str(place.relative_to("sync")) for place in links.links()}
    for kind in loader.KINDS:
        assert {f"_{kind}/{path.name}" for path in (ROOT / f"_{kind}").glob("*.py")} <= places
    assert {"itstack/deploy.sls", "itstack/redis/init.sls", "itstack/redis/redis.conf"} <= places
    assert {"_utils/salt_itstack/compatibility.py", "_utils/salt_itstack/stack/services.yaml.py"} <= places
    assert not [place for place in places if "/lab/" in place or "__pycache__" in place]


def test_links_lead_to_single_files_because_gitfs_follows_no_others():
    for place, target in links.links().items():
        assert ((ROOT / place).parent / target).resolve().is_file()
        assert not (ROOT / place).is_dir()


@pytest.mark.parametrize("change", ["missing", "wrong", "left over"])
def test_what_is_not_as_it_should_be_is_found_and_put_right(change, tmp_path, monkeypatch):
    monkeypatch.setattr(links, "ROOT", tmp_path)
    monkeypatch.setattr(links, "SYNC", tmp_path / "sync")
    (tmp_path / "_modules").mkdir()
    (tmp_path / "_modules" / "itstack_parrot.py").touch()
    link = tmp_path / "sync" / "_modules" / "itstack_parrot.py"
    assert links.write() == [link.relative_to(tmp_path)] and links.stale() == []
    if change == "missing":
        link.unlink()
    elif change == "wrong":
        link.unlink()
        link.symlink_to("nowhere.py")
    else:
        link = link.with_name("itstack_gone.py")
        link.symlink_to("../../_modules/itstack_gone.py")
    assert links.stale() == [link.relative_to(tmp_path)]
    links.write()
    assert links.stale() == []
    assert [path.name for path in (tmp_path / "sync" / "_modules").iterdir()] == ["itstack_parrot.py"]


def test_a_synced_library_finds_its_map_and_its_kinds_of_links(tmp_path):
    for place, target in links.links().items():
        if "_utils" in place.parts:
            copy = tmp_path / place.relative_to("sync/_utils")
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(((ROOT / place).parent / target).resolve().read_bytes())
    script = (
        "import salt_itstack; from salt_itstack.links import kinds; from salt_itstack.stack import load; "
        "from salt_itstack.master import configuration; "
        "print(salt_itstack.__file__, kinds.FILE.name, len(load().integrations), "
        "configuration({'file_roots': {'base': ['/x']}})['file_roots'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)}, timeout=60,
    )  # fmt: skip
    assert done.stdout.split(maxsplit=3) == [
        str(tmp_path / "salt_itstack/__init__.py"), "kinds.yaml.py", "58", "{'base': ['/x']}\n",
    ], done.stderr  # fmt: skip


def test_files_of_the_library_that_are_not_python_are_only_found_through_the_loader():
    asking = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "salt_itstack").rglob("*.py")
        if "lab" not in path.parts and "__file__" in path.read_text(encoding="utf-8")
    ]
    assert sorted(asking) == ["salt_itstack/compatibility.py", "salt_itstack/loader.py"], (
        "use loader.data_file: Salt syncs only what is named as Python"
    )
