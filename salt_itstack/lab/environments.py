"""Virtual environments of programs that this project is tested or measured against, kept in the cache."""

from __future__ import annotations

import shutil
import subprocess
import venv
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .errors import LabError, tail


@dataclass(frozen=True)
class Environment:
    """
    Packages of PyPI, apart from this project's own.

    requirements
        Each with its version, as in ``ansible==12.3.0``.
    built_with
        Programs that pip needs to build some of them, and for each the Debian package that has it.
    """

    requirements: tuple[str, ...]
    built_with: Mapping[str, str] = field(default_factory=dict)

    def folder(self, cache: Path) -> Path:
        """Where it is kept: a folder of its own for each choice of versions."""
        return cache / "_".join(one.replace("==", "-") for one in self.requirements)

    def provide(self, cache: Path, tell: Callable[[str], None]) -> Path:
        """
        The environment's folder, after an installation where it isn't there yet.

        cache
            The lab's folder of downloads.
        tell
            Called with a line before something that takes long.

        Raises LabError where it can't be installed.
        """
        folder, names = self.folder(cache), " ".join(self.requirements)
        done = folder / ".complete"
        if done.exists():
            return folder
        lacking = [package for program, package in self.built_with.items() if not shutil.which(program)]
        if lacking:
            wanted = " ".join(lacking)
            raise LabError(f"{names} can't be built here. Remedy: apt-get install {wanted}, and try again")
        tell(f"installing {names} into {folder}")
        cache.mkdir(parents=True, exist_ok=True)
        venv.create(folder, with_pip=True, clear=True)
        log = folder / "pip.log"
        words = [str(folder / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check",
                 "--progress-bar=off", *self.requirements]  # fmt: skip
        with log.open("wb") as stream:
            code = subprocess.call(words, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream)
        if code:
            raise LabError(
                f"pip install {names} ended with {code}; the end of {log}:\n{tail(str(log))}\n"
                "Remedy: mend the network or pip's configuration, and try again"
            )
        done.touch()
        return folder


#: Clients of FreeIPA that others have written. ipalib imports packaging without asking for it.
FREEIPA_CLIENTS = Environment(
    ("python-freeipa==1.0.10", "ipaclient==4.13.1", "packaging==25.0"), {"krb5-config": "libkrb5-dev"}
)
