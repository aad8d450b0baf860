"""A Salt that is too old says so in one line, and does nothing else."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import sysconfig

import pytest
from ways_fixtures import checkout, environment

import salt_itstack

VARIABLE = "ITSTACK_SALT_3007"
TOLD = f"salt-itstack {salt_itstack.__version__} needs Salt 3008 or later, and this is Salt 3007"


@pytest.fixture(scope="module")
def call(tmp_path_factory):
    """Calls one of Salt 3007's programs on a machine without a master, whose file root is ``sync``."""
    given = os.environ.get(VARIABLE)
    if not given:
        pytest.skip(
            f"needs a Salt 3007: `.venv/bin/pip install --no-deps --target FOLDER salt==3007.8`, "
            f"then `{VARIABLE}=FOLDER ./lab test tests/ways`"
        )
    place = tmp_path_factory.mktemp("old")
    packages = [path for path in pathlib.Path(given).iterdir() if path.name.startswith("salt")]
    ours = pathlib.Path(sysconfig.get_paths()["purelib"])
    left_out = ["salt_itstack", *(path.name for path in ours.glob("salt-3*"))]
    python = environment(place / "environment", without=left_out, but=["salt"], extra=packages)
    (place / "own").mkdir()
    (place / "own" / "declared.sls").write_text('{"x": {"itstack_redis.user_present": []}}')
    (place / "var/cache/salt/master/proc").mkdir(parents=True)
    roots = {"base": [str(place / "own"), str(checkout(place / "checkout") / "sync")]}
    options = json.dumps({"root_dir": str(place), "file_roots": roots, "file_client": "local", "id": "old"})
    for name in ("master", "minion"):
        (place / name).write_text(options)

    def run(program, *words):
        path = str(pathlib.Path(sys.executable).with_name(program))
        done = subprocess.run(
            [python, "-W", "ignore", path, "-c", place, *words],
            capture_output=True, text=True, timeout=120, cwd=place,
        )  # fmt: skip
        assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
        return done.stdout + done.stderr

    assert "3007." in run("salt-call", "--local", "test.version")
    run("salt-call", "--local", "saltutil.sync_all")
    run("salt-run", "saltutil.sync_all")
    return run


@pytest.mark.parametrize(
    "words",
    [
        ("salt-call", "--local", "itstack.version"),
        ("salt-call", "--local", "itstack_redis.users"),
        ("salt-call", "--local", "state.apply", "declared"),
        ("salt-run", "itstack.preflight"),
        ("salt-run", "state.orch", "itstack.deploy"),
    ],
    ids=lambda words: words[-1],
)
def test_salt_3007_is_refused_in_one_line(call, words):
    (line,) = {line.split(TOLD)[1] for line in call(*words).splitlines() if TOLD in line}
    assert "Remedy: upgrade Salt" in line
