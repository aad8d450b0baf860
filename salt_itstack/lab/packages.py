"""What the servers run, installed on the machine beforehand and not started there."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .errors import LabError
from .progress import Progress
from .settings import Lab

PACKAGES = (
    "postgresql",
    "redis-server",
    "389-ds-base",
    "libnss3-tools",
    "knot",
    "knot-dnsutils",
    "openjdk-17-jre-headless",
    "maven",
    "unzip",
    "ssl-cert",
    "ca-certificates",
    "util-linux",
    "procps",
    "iproute2",
)
#: What the tests need beside them: FreeIPA's own client is built with Kerberos.
TEST_PACKAGES = ("libkrb5-dev",)
POLICY = Path("/usr/sbin/policy-rc.d")
# What apt's two kinds of progress count.
STEPS = {"dlstatus": "downloading", "pmstatus": "installing"}
KEYCLOAK_VERSION = "26.7.3"
#: The states are tested on it too; the lab doesn't run it.
OLDER_KEYCLOAK_VERSION = "26.4.5"
KEYCLOAK_MEGABYTES = 170
COMPLAINT_LENGTH = 240


def missing(wanted: Sequence[str]) -> list[str]:
    """Those of these packages that aren't installed."""
    done = subprocess.run(
        ["dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\n", *wanted],
        capture_output=True,
        text=True,
        check=False,
    )
    there = {line.split()[0] for line in done.stdout.splitlines() if line.endswith(" installed")}
    return [name for name in wanted if name not in there]


def install(lab: Lab, progress: Progress, also: Sequence[str] = ()) -> None:
    """Install what is missing, also of other packages; LabError with the end of apt's words if that fails."""
    wanted = missing((*PACKAGES, *also))
    if not wanted:
        return
    progress.say(f"installing {', '.join(wanted)}")
    log = lab.state / "log" / "apt.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with autostart_denied():
        # a machine whose last installation was cut off
        subprocess.run(["dpkg", "--configure", "-a"], capture_output=True, check=False)
        _apt(["update"], log, progress)
        _apt(["install", "--yes", "--no-install-recommends", *wanted], log, progress)


@contextmanager
def autostart_denied() -> Iterator[None]:
    """While this lasts, packages don't start their services; an administrator's own policy is left alone."""
    own = not POLICY.exists()
    if own:
        POLICY.write_text("#!/bin/sh\n# made by the lab while it installs packages\nexit 101\n")
        POLICY.chmod(0o755)
    try:
        yield
    finally:
        if own:
            POLICY.unlink(missing_ok=True)


def _apt(words: list[str], log: Path, progress: Progress) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    reading, writing = os.pipe()
    options = ["-o", f"APT::Status-Fd={writing}", "-o", "Dpkg::Options::=--force-confold"]
    options += ["-o", "DPkg::Lock::Timeout=120", "-o", "Dpkg::Use-Pty=0"]
    with open(log, "ab") as stream:
        child = subprocess.Popen(
            ["apt-get", *options, *words],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            env=environment,
            pass_fds=[writing],
        )
    os.close(writing)
    try:
        with open(reading, errors="replace") as statuses:
            for line in statuses:
                kind, _, rest = line.strip().partition(":")
                if kind in {"pmstatus", "dlstatus"}:
                    _, percent, text = rest.split(":", 2)
                    progress.update(f"{STEPS[kind]} {float(percent):.0f} %: {text}")
    except BaseException:
        # it ends at a safe point, and its packages must not start services meanwhile
        child.terminate()
        child.wait()
        raise
    if child.wait():
        from .errors import tail

        raise LabError(
            f"apt-get {words[0]} ended with {child.returncode}; the end of {log}:\n{tail(str(log))}\n"
            "Remedy: mend apt's sources or the network, then run ./lab up again"
        )


def keycloak(lab: Lab, progress: Progress, version: str = KEYCLOAK_VERSION) -> tuple[str, str] | None:
    """
    A distribution of Keycloak and its SHA-256, from the cache or from Maven's registry.

    Returns None when it can't be had; the reason was told.
    """
    target = lab.cache / f"keycloak-quarkus-dist-{version}.zip"
    recorded = target.with_name(target.name + ".sha256")
    if target.exists() and recorded.exists():
        digest = recorded.read_text().split()[0]
        if checksum(target) == digest:
            return str(target), digest
        progress.say(f"{target} doesn't have the checksum of its download: fetching it again")
    if not shutil.which("java") or not shutil.which("mvn"):
        progress.say("no Java on this machine: the lab goes on without Keycloak")
        return None
    lab.cache.mkdir(parents=True, exist_ok=True)
    if not _download(lab, target, progress, version):
        return None
    digest = checksum(target)
    recorded.write_text(f"{digest}  {target.name}\n")
    return str(target), digest


def _download(lab: Lab, target: Path, progress: Progress, version: str) -> bool:
    repository = lab.cache / "maven"
    log = lab.state / "log" / "maven.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    progress.say(f"downloading Keycloak {version} (about {KEYCLOAK_MEGABYTES} MB)")
    with open(log, "wb") as stream:
        child = subprocess.Popen(
            [
                *(
                    "mvn",
                    "--batch-mode",
                    "-Dstyle.color=never",
                    f"-Dmaven.repo.local={repository}",
                    "dependency:copy",
                ),
                f"-Dartifact=org.keycloak:keycloak-quarkus-dist:{version}:zip",
                f"-DoutputDirectory={lab.cache}",
            ],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            cwd=lab.cache,
        )
    waiting = threading.Event()
    while child.poll() is None:
        size = sum(path.stat().st_size for path in repository.glob("org/keycloak/**/*.zip*") if path.exists())
        progress.update(f"{size / 1e6:.0f} of about {KEYCLOAK_MEGABYTES} MB")
        waiting.wait(0.5)
    shutil.rmtree(repository, ignore_errors=True)
    if child.returncode or not target.exists():
        target.unlink(missing_ok=True)
        progress.say(
            f"the lab goes on without Keycloak, which couldn't be downloaded: {_complaint(log)} "
            f"(all in {log}). Remedy: mend the network, then run ./lab up again"
        )
        return False
    return True


def _complaint(log: Path) -> str:
    """The first thing that Maven complains about, in one line."""
    for line in log.read_text(errors="replace").splitlines():
        kind, _, text = line.partition("]")
        if kind == "[ERROR" and text.strip():
            return text.strip()[:COMPLAINT_LENGTH]
    return "no reason was given"


def checksum(path: Path) -> str:
    """The SHA-256 of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
