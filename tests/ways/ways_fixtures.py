"""An environment without the package, and a master with one minion in it."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
MINION = "lab-db1"
MAP = "sandbox: {person: sandbox-visitor, group: sandbox}\n"


def environment(folder, without=("salt_itstack",), but=(), extra=()):
    """
    The Python of a new environment that has all packages of this one but some.

    without, but
        Parts of names, and names, that are left out.
    extra
        Further packages to put in.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=60)
    (packages,) = folder.glob("lib/python*/site-packages")
    for entry in pathlib.Path(sysconfig.get_paths()["purelib"]).iterdir():
        left_out = {"__pycache__", *but}
        if entry.name not in left_out and not any(part in entry.name for part in without):
            (packages / entry.name).symlink_to(entry)
    for entry in extra:
        (packages / entry.name).symlink_to(entry)
    return folder / "bin" / "python"


@pytest.fixture(scope="session")
def bare(tmp_path_factory):
    """The Python of an environment like this one, but without the package, and without what it asks for."""
    python = environment(tmp_path_factory.mktemp("bare"), without=("salt_itstack", "dnspython"), but=("dns",))
    done = subprocess.run(
        [python, "-c", "import salt; import salt_itstack"], capture_output=True, text=True, cwd="/"
    )
    assert "No module named 'salt_itstack'" in done.stderr, done.stderr
    return python


class Fleet:
    """A master and a minion of one Python, in a folder of their own."""

    def __init__(self, folder, python, **master):
        self.folder, self.python, self.running = folder, python, []
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            second.bind(("127.0.0.1", 0))
            publish, answers = first.getsockname()[1], second.getsockname()[1]
        (folder / "own").mkdir(parents=True)
        (folder / "itstack.d").mkdir()
        (folder / "itstack.d" / "map.yaml").write_text(MAP)
        (folder / "master.d").mkdir()
        # What a master that ran before would have made.
        (folder / "var/cache/salt/master/proc").mkdir(parents=True)
        self._write(
            folder / "master", root_dir=str(folder), interface="127.0.0.1", publish_port=publish,
            ret_port=answers, auto_accept=True, user="root", worker_threads=3, fileserver_list_cache_time=0,
            default_include="master.d/*.conf", loop_interval=1, **master,
        )  # fmt: skip
        (folder / "minion").mkdir()
        self._write(
            folder / "minion" / "minion", root_dir=str(folder / "minion"), id=MINION, user="root",
            master="127.0.0.1", master_port=answers, publish_port=publish, acceptance_wait_time=1,
        )  # fmt: skip

    @staticmethod
    def _write(path, **options):
        path.write_text(json.dumps({"log_level_logfile": "info", **options}))

    def command(self, name, *words, configuration=None):
        """Words that start one of Salt's programs in this environment."""
        program = pathlib.Path(sys.executable).with_name(name)
        return [str(self.python), str(program), "-c", str(configuration or self.folder), *words]

    def run(self, *words):
        """What ``salt-run`` says, on its standard output."""
        done = subprocess.run(
            self.command("salt-run", *words), capture_output=True, text=True, timeout=120, cwd=self.folder
        )
        assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
        return done.stdout

    def ask(self, *calls):
        """
        Answers to calls, in their order; all are made in one process.

        calls
            ``("minion" or "master", function, *arguments, {keyword: argument})``
        """
        done = subprocess.run(
            [str(self.python), str(ROOT / "tests/ways/asking.py"), str(self.folder), MINION],
            input=json.dumps(calls), capture_output=True, text=True, timeout=180, cwd=self.folder,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    def start(self, *names):
        for name in names or ("salt-master", "salt-minion"):
            place = self.folder / "minion" if name == "salt-minion" else self.folder
            with open(self.folder / f"{name}.out", "wb") as output:
                started = subprocess.Popen(
                    self.command(name, configuration=place),
                    stdout=output,
                    stderr=output,
                    cwd=self.folder,
                    start_new_session=True,
                )
            self.running.append(started)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.running:
            # Whole groups at once: nothing of them is needed any more, and an orderly end takes seconds.
            os.killpg(process.pid, signal.SIGKILL)
        for process in self.running:
            process.wait(20)
        self.running = []


def checkout(folder):
    """A copy of what the checkout holds for Salt, without what Python compiled beside it."""
    for path in ROOT.iterdir():
        if path.is_dir() and (
            path.name.startswith("_")
            or path.name in ("salt_itstack", "states", "orchestrate", "reactor", "sync")
        ):
            shutil.copytree(
                path, folder / path.name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__", "*.pyc")
            )
    return folder


def repository(folder):
    """A git repository with the checkout in it and a tag on it, as a release would be."""
    checkout(folder)
    person = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.org")
    for words in (
        ("init", "--quiet"), ("add", "--all"), (*person, "commit", "--quiet", "-m", "x"), ("tag", "v1"),
    ):  # fmt: skip
        subprocess.run(["git", "-C", str(folder), *words], check=True, timeout=60)
    return folder
