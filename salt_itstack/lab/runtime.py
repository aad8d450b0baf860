"""The lab's verbs: start it, look at it, enter it, end it."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from . import alone, checks, client, environments, inside, memory, mounts, packages, specifications
from .errors import LabError, tail
from .layout import read_map
from .progress import Progress
from .settings import CHECKOUT, MASTER, Lab

SERVER_SECONDS = 120
MINION_SECONDS = 180


class Runtime:
    """One lab on this machine."""

    def __init__(self, lab: Lab, progress: Progress | None = None) -> None:
        self.lab = lab
        self.progress = progress or Progress()
        self.keeper = client.Keeper(lab)

    # up ---------------------------------------------------------------------------------------------

    def up(self, deploy: bool = True) -> int:
        """Start what doesn't run, and deploy; the exit code is the deploy's."""
        with self._alone():
            self._check()
            self.progress.say(
                f"lab {self.lab.network}: {len(self.lab.servers)} servers, state in {self.lab.state}"
            )
            with self.progress.stage("packages"):
                packages.install(self.lab, self.progress)
            with self.progress.stage("downloads"):
                self.keycloak = packages.keycloak(self.lab, self.progress)
            fresh = not self.keeper.connect()
            try:
                with self.progress.stage("namespaces"):
                    self._start_servers(fresh)
                peak = memory.Peak(self.processes().values())
                with peak.watched():
                    with self.progress.stage("minions"):
                        self.await_minions()
                    code = self._deploy() if deploy else 0
            except BaseException:
                if fresh and self.keeper.connect():
                    self.progress.say("stopping what this run had started")
                    self._end()
                raise
            self.keeper.order("release")
            self.keeper.close()
        self.progress.say(f"{self.progress.summary()}; peak memory {peak.size / 2**30:.1f} GiB")
        return code

    def _check(self) -> None:
        ports = read_map(self.lab.network).ports
        running = set(self.processes())
        lacks, self.in_memory = checks.lacks(self.lab, ports, running)
        if lacks:
            raise LabError("\n".join(str(lack) for lack in lacks))

    def _start_servers(self, fresh: bool) -> None:
        found = specifications.write(self.lab, self.keycloak)
        if fresh:
            self.lab.logs.mkdir(parents=True, exist_ok=True)
            self.keeper.start(self.in_memory)
        # From here on a crash of this process ends what it started.
        if fresh:
            self.keeper.order("hold")
        started = []
        for name in found:
            (self.lab.logs / f"{name}.log").touch()
            if self.keeper.order("start", server=name)["started"]:
                started.append(name)
        self._await_servers(started)
        ran = [name for name in found if name not in started]
        if ran:
            self.progress.update(f"bringing up to date {', '.join(ran)}")
            processes = self.processes()
            with ThreadPoolExecutor(len(ran)) as pool:
                for done in [pool.submit(_refresh, processes[name], found[name]) for name in ran]:
                    done.result()
        self.progress.say(
            f"  started {', '.join(started) if started else 'nothing'}; "
            f"{len(found) - len(started)} ran already"
        )

    def _await_servers(self, names: list[str]) -> None:
        waiting = list(names)
        end = time.monotonic() + SERVER_SECONDS
        while waiting:
            self.progress.update(f"setting up {', '.join(waiting)}")
            answer = self.keeper.order("list")
            for name in list(waiting):
                log = str(self.lab.logs / f"{name}.log")
                if name in answer["ended"]:
                    raise LabError(f"server {name} doesn't start; the end of {log}:\n{tail(log)}")
                process = answer["servers"].get(name)
                if process and client.supervisor_answers(process):
                    waiting.remove(name)
                elif time.monotonic() > end:
                    raise LabError(f"server {name} isn't ready in time; the end of {log}:\n{tail(log)}")
            if waiting:
                time.sleep(0.05)

    def await_minions(self) -> None:
        words = [
            sys.executable,
            "-m",
            "salt_itstack.lab.await_minions",
            str(MINION_SECONDS),
            *self.lab.servers,
        ]
        answered: list[str] = []
        child = subprocess.Popen(
            client.enter_command(self._process(MASTER), words),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=client.inside_environment(),
            preexec_fn=mounts.end_with_parent,
        )
        assert child.stdout and child.stderr
        self.progress.update(f"0 of {len(self.lab.servers)} answer")
        for line in child.stdout:
            answered.append(line.strip())
            self.progress.update(f"{len(answered)} of {len(self.lab.servers)} answer")
        complaint = child.stderr.read()
        if child.wait():
            logs = "\n".join(
                f"  {name}:\n{tail(self.inside_path(name, log))}"
                for name, log in [(MASTER, f"{inside.LOG_FOLDER}/salt-master.log")]
                + [
                    (name, f"{inside.LOG_FOLDER}/salt-minion.log")
                    for name in self.lab.servers
                    if name not in answered
                ]
            )
            raise LabError(f"{complaint.strip()}\nThe ends of their logs:\n{logs}")

    def _deploy(self) -> int:
        with self.progress.stage("deploy"):
            if self.lab.server_of("freeipa"):
                self.hand_over_password()
            return self.run_inside(["salt-run", "itstack.deploy"])

    def hand_over_password(self) -> None:
        """Give the product the one secret that was made outside of it, by FreeIPA's installation."""
        done = Path(self.inside_path(MASTER, "/var/lib/itstack-lab-installed/freeipa-admin"))
        if done.exists():
            return
        words = ["salt-run", "itstack.secret_import", "freeipa-admin"]
        words += [f"path={specifications.ADMINISTRATOR_SECRET}", "overwrite=True"]
        found = subprocess.run(
            client.enter_command(self._process(MASTER), words),
            capture_output=True,
            text=True,
            env=client.inside_environment(),
            check=False,
        )
        if found.returncode:
            raise LabError(
                f"{' '.join(words[:3])} ended with {found.returncode}:\n{found.stdout}{found.stderr}"
            )
        done.parent.mkdir(exist_ok=True)
        done.touch()

    # the other verbs --------------------------------------------------------------------------------

    def status(self) -> int:
        """Show servers, processes and memory; 3 when the lab doesn't run, as service tools do."""
        if not self.keeper.connect():
            print(f"lab {self.lab.network}: not running")
            return 3
        answer = self.keeper.order("list")
        usage = memory.by_namespace({memory.namespace(process) for process in answer["servers"].values()})
        total = 0
        for server in self.lab.everyone:
            process = answer["servers"].get(server.name)
            if not process:
                ended = answer["ended"].get(server.name)
                print(f"{server.name:12} {server.address:15} down{f' (ended with {ended})' if ended else ''}")
                continue
            size = usage.get(memory.namespace(process), 0)
            total += size
            states = self._programs(process)
            print(f"{server.name:12} {server.address:15} {size / 2**20:6.0f} MiB  {', '.join(states)}")
        total += memory.of_process(answer["pid"])
        print(f"together {total / 2**20:.0f} MiB (proportional set size)", flush=True)
        return self.run_inside(["salt-run", "itstack.status"]) if MASTER in answer["servers"] else 1

    def verify(self, as_json: bool) -> int:
        """Let the product prove every integration now; its exit code."""
        output = ["--out=json"] if as_json else []
        return self.run_inside(["salt-run", *output, "itstack.status", "fresh=True"])

    def _programs(self, process: int) -> list[str]:
        try:
            found = client.supervisor(process).supervisor.getAllProcessInfo()
        except OSError as problem:
            return [f"its supervisor doesn't answer: {problem}"]
        return [
            f"{entry['name']} {entry['statename'].lower()}"  # type: ignore[index]
            for entry in found  # type: ignore[union-attr]
        ]

    def stop(self) -> int:
        """End everything; nothing is left but the state folder."""
        with self._alone():
            if not self.keeper.connect():
                self.progress.say(f"lab {self.lab.network}: not running")
                return 0
            with self.progress.stage("stop"):
                self._end()
        return 0

    def _end(self) -> None:
        if self.keeper.connect():
            # the answer comes at once or not at all: the keeper ends the servers, then itself
            self.keeper.order("stop")
            if not self.keeper.wait_gone():
                raise LabError(f"the lab's keeper doesn't end; see {self.lab.logs / 'keeper.log'}")

    def reset(self) -> int:
        """End everything and forget the state; downloads stay in the cache."""
        code = self.stop()
        if self.lab.state.exists():
            for path in self.lab.state.iterdir():
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
            self.lab.state.rmdir()
        return code

    def shell(self, command: str | None) -> int:
        """A shell in the master's server, or one command there."""
        if command is not None:
            return self.run_inside(["bash", "-c", command])
        return self.run_inside(["bash", "--noprofile", "--rcfile", "/etc/itstack-lab/bashrc", "-i"])

    def run_inside(self, words: list[str], name: str = MASTER) -> int:
        """Run a command in a server with this terminal; returns its exit code."""
        script = 'cd "$0" 2>/dev/null || cd /; exec "$@"'
        child = subprocess.Popen(
            client.enter_command(self._process(name), ["sh", "-c", script, os.getcwd(), *words]),
            env=client.inside_environment(),
            preexec_fn=mounts.end_with_parent,
        )
        while True:
            try:
                code = child.wait()
                break
            except KeyboardInterrupt:
                # The terminal has sent it to the command as well: let it end in its own way.
                if words[0] != "bash":
                    child.wait()
                    raise
        return 128 - code if code < 0 else code

    def test(self, arguments: list[str]) -> int:
        """Run the project's tests: those that the arguments choose, or all, in two processes."""
        if not arguments:
            # Before both want to.
            with self.progress.stage("packages"):
                packages.install(self.lab, self.progress, packages.TEST_PACKAGES)
            with self.progress.stage("downloads"):
                for version in (packages.KEYCLOAK_VERSION, packages.OLDER_KEYCLOAK_VERSION):
                    packages.keycloak(self.lab, self.progress, version)
                try:
                    environments.FREEIPA_CLIENTS.provide(self.lab.cache, self.progress.say)
                except LabError as problem:
                    # The tests that need it will fail, and all others needn't.
                    self.progress.say(str(problem))
        self._open_checkout()
        os.chdir(CHECKOUT)
        if arguments:
            return subprocess.call([sys.executable, "-m", "pytest", *arguments])
        # The lab's tests wait half of the time: all others run beside them. Names of sockets are short, and
        # folders that pytest chooses for several processes are not.
        folder = tempfile.mkdtemp()
        beside = ["-n", "2", "--no-loadscope-reorder", "--basetemp", f"{folder}/t"]
        code = subprocess.call([sys.executable, "-m", "pytest", *beside])
        if code == 0:
            shutil.rmtree(folder, ignore_errors=True)
        return code

    def double(self, name: str, address: str) -> int:
        """Run one double by itself, in the foreground."""
        packages.install(self.lab, self.progress)
        self._open_checkout()
        return alone.run(name, address, self.progress)

    def _open_checkout(self) -> None:
        """Let servers that aren't root's read the checkout, as long as this process lasts."""
        if os.geteuid() == 0:
            mounts.own_mounts()
            mounts.empty_closed_folders(self.lab.visible)

    def bench(self, arguments: list[str]) -> int:
        """Run the benches, which bring up labs of their own."""
        os.chdir(CHECKOUT)
        return subprocess.call([sys.executable, "-m", "bench", *arguments])

    # shared -----------------------------------------------------------------------------------------

    def processes(self) -> dict[str, int]:
        """The first process of each running server, by name."""
        if not self.keeper.connect():
            return {}
        found = self.keeper.order("list")["servers"]
        return {name: process for name, process in found.items() if process}

    def inside_path(self, name: str, path: str) -> str:
        """A path in a running server, as seen from outside."""
        return f"/proc/{self._process(name)}/root{path}"

    def _process(self, name: str) -> int:
        process = self.processes().get(name)
        if not process:
            raise LabError(f"server {name} of lab {self.lab.network} isn't running. Remedy: ./lab up")
        return process

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Only one command at a time may change a lab."""
        if os.geteuid():
            raise LabError(
                "the lab must run as root. Remedy: sudo ./lab …, on a machine that may be thrown away"
            )
        self.lab.state.parent.mkdir(parents=True, exist_ok=True)
        with open(self.lab.state.parent / f".{self.lab.state.name}.lock", "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise LabError(
                    f"another ./lab command works on {self.lab.state}. Remedy: wait for it, or end it"
                ) from None
            yield


def _refresh(process: int, specification: dict) -> None:
    """Bring a running server's files up to date; Salt is started anew if its own changed."""
    written = inside.write_files(specification["files"], f"/proc/{process}/root")
    functions = client.supervisor(process).supervisor
    salt_changed = any(path.startswith(("/etc/salt/master", "/etc/salt/minion")) for path in written)
    for program in specification["programs"]:
        state = functions.getProcessInfo(program)["statename"]  # type: ignore[union-attr,index,call-overload]
        if state == "RUNNING" and salt_changed:
            functions.stopProcess(program)
        if state != "RUNNING" or salt_changed:
            functions.startProcess(program)


def interruptible() -> None:
    """Let a hang-up or a polite kill end the command as Ctrl-C does."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGHUP, interrupt)
