"""
Read systemd unit files, as far as the services of this stack use them.

The states write unit files for systemd; in the lab there is none, and a process supervisor runs what
the same files say. Supported: simple, exec and notify services, templates (name@instance), drop-ins, and
one section of the lab's own, `[X-Lab] Members=a b`, which makes a unit stand for a group of units.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

# In systemd's order of precedence; /lib is /usr/lib on merged systems.
UNIT_FOLDERS = (
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)
WANTS = "/etc/systemd/system/multi-user.target.wants"

MAY_FAIL = "-"


class UnitError(Exception):
    """A unit file that can't be run here; the message names the file and the line's key."""


@dataclass
class Unit:
    """One service unit after its drop-ins were applied."""

    name: str
    file: str
    settings: dict[str, dict[str, list[str]]] = field(default_factory=dict)

    def all(self, key: str, section: str = "Service") -> list[str]:
        """Every value of a key, in order, with the specifiers filled in."""
        return [self._fill(value) for value in self.settings.get(section, {}).get(key, [])]

    def one(self, key: str, default: str = "", section: str = "Service") -> str:
        """The last value of a key."""
        values = self.all(key, section)
        return values[-1] if values else default

    @property
    def members(self) -> list[str]:
        """The units that this one stands for."""
        return [member for line in self.all("Members", "X-Lab") for member in line.split()]

    def _fill(self, text: str) -> str:
        prefix, _, instance = self.name.partition("@")
        known = {
            "i": instance,
            "I": "/" + instance.replace("-", "/") if instance.startswith("-") else instance.replace("-", "/"),
            "n": self.name + ".service",
            "N": self.name,
            "p": prefix,
            "t": "/run",
            "S": "/var/lib",
            "C": "/var/cache",
            "L": "/var/log",
            "E": "/etc",
            "%": "%",
        }
        return re.sub(r"%(.)", lambda found: known.get(found.group(1), found.group(0)), text)


def short(name: str) -> str:
    """A unit's name without its suffix."""
    return name[: -len(".service")] if name.endswith(".service") else name


def find(name: str, root: str = "/") -> Path | None:
    """The file that defines a service, or None. A file linked to /dev/null (masked) counts as none."""
    for folder in UNIT_FOLDERS:
        for candidate in _file_names(short(name)):
            path = Path(root) / folder[1:] / candidate
            if path.is_symlink() and str(path.resolve()) == "/dev/null":
                return None
            if path.is_file():
                return path
    return None


def load(name: str, root: str = "/") -> Unit:
    """The unit with all its drop-ins; raises UnitError when there is none."""
    name = short(name)
    path = find(name, root)
    if path is None:
        raise UnitError(f"no unit file {name}.service in {', '.join(UNIT_FOLDERS)}")
    # An alias (redis.service) is a link to the real file: it must not become a second program.
    real = short(path.resolve().name)
    if "@" not in real or not real.endswith("@"):
        name = real
    unit = Unit(name, str(path))
    read(path.read_text(), unit)
    seen = set()
    for folder in UNIT_FOLDERS:
        for candidate in reversed(_file_names(name)):
            for extra in sorted((Path(root) / folder[1:] / f"{candidate}.d").glob("*.conf")):
                if extra.name not in seen:
                    seen.add(extra.name)
                    read(extra.read_text(), unit)
    return unit


def read(text: str, unit: Unit) -> None:
    """Add the settings of one unit file or drop-in; an empty value clears what came before."""
    section = ""
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        line = line.strip()
        if not line or line[0] in "#;":
            continue
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
            continue
        key, _, value = line.partition("=")
        values = unit.settings.setdefault(section, {}).setdefault(key.strip(), [])
        if value.strip():
            values.append(value.strip())
        else:
            values.clear()


def environment(unit: Unit, base: dict[str, str], root: str = "/") -> dict[str, str]:
    """The environment that the unit asks for, on top of a base."""
    found = dict(base)
    for line in unit.all("Environment"):
        for word in shlex.split(line):
            key, _, value = word.partition("=")
            found[key] = value
    for name in unit.all("EnvironmentFile"):
        path = Path(root) / name.lstrip(MAY_FAIL).lstrip("/")
        if path.is_file():
            found.update(environment_file(path.read_text()))
        elif not name.startswith(MAY_FAIL):
            raise UnitError(f"{unit.file}: EnvironmentFile {name} doesn't exist")
    return found


def environment_file(text: str) -> dict[str, str]:
    """KEY=value lines as systemd reads them: comments by # or ;, optional quotes, no expansion."""
    found = {}
    for line in re.sub(r"\\\n", "", text).splitlines():
        line = line.strip()
        if not line or line[0] in "#;" or "=" not in line:
            continue
        key, _, value = line.partition("=")
        value = value.strip()
        if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
            quote, value = value[0], value[1:-1]
            if quote == '"':
                value = re.sub(r'\\(["\\$`])', r"\1", value)
        found[key.strip()] = value
    return found


def command(line: str, variables: dict[str, str]) -> tuple[list[str], set[str]]:
    """The words of an Exec line with variables filled in, and its prefix characters (-, +, !, @, :)."""
    found = re.match(r"[-+!@:|]*", line)
    prefixes = found.group(0) if found else ""
    words: list[str] = []
    for word in shlex.split(line[len(prefixes) :]):
        alone = re.fullmatch(r"\$(\w+)", word)
        if alone:
            words.extend(shlex.split(variables.get(alone.group(1), "")))
        else:
            words.append(re.sub(r"\$(\$|\{(\w+)\})", lambda part: _variable(part, variables), word))
    return words, set(prefixes)


def _variable(part: re.Match[str], variables: dict[str, str]) -> str:
    return "$" if part.group(1) == "$" else variables.get(part.group(2), "")


def names(root: str = "/") -> list[str]:
    """Every service that has a unit file, templates left out."""
    found = set()
    for folder in UNIT_FOLDERS:
        for path in (Path(root) / folder[1:]).glob("*.service"):
            if not path.stem.endswith("@"):
                found.add(path.stem)
    return sorted(found)


def _file_names(name: str) -> list[str]:
    if "@" in name and not name.endswith("@"):
        return [f"{name}.service", f"{name.partition('@')[0]}@.service"]
    return [f"{name}.service"]
