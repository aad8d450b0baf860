"""
Change one text in config.php, for the one case that occ can't mend: with a wrong database password every occ
command fails, also the one that would correct it.

The file is as Nextcloud itself writes it (PHP's ``var_export``, ``lib/private/Config.php``): one key per
line, texts in single quotes. Anything else is refused rather than guessed.
"""

from __future__ import annotations

import pathlib
import re

from ... import atomic
from ...errors import Missing, Rejected

SERVICE = "Nextcloud"


def read(text: str, key: str) -> str:
    """
    The value of a top-level text in config.php.

    Raises :class:`Rejected` where it isn't there exactly once.
    """
    return _unquoted(_line(text, key).group("value"))


def replaced(text: str, key: str, value: str) -> str:
    """
    config.php with another value for a top-level text.

    Raises :class:`Rejected` where the key isn't there exactly once.
    """
    match = _line(text, key)
    return f"{text[: match.start('value')]}{_quoted(value)}{text[match.end('value') :]}"


def write(path: pathlib.Path, text: str) -> None:
    """Replace the file at once, with the owner and mode that it has."""
    try:
        atomic.write(path, text.encode(), keep=True)
    except FileNotFoundError:
        raise Missing(f"there is no {path}", SERVICE, "correct `occ_command` in the profile") from None


def _line(text: str, key: str) -> re.Match[str]:
    # Two spaces: a key of the outermost array.
    found = list(re.finditer(rf"^  '{re.escape(key)}' => (?P<value>'(?:[^'\\]|\\.)*'),$", text, re.MULTILINE))
    if len(found) != 1:
        raise Rejected(
            f"config.php has {len(found)} lines for {key} in the form that Nextcloud writes",
            SERVICE,
            f"set {key} there by hand",
        )
    return found[0]


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _unquoted(quoted: str) -> str:
    return re.sub(r"\\([\\'])", r"\1", quoted[1:-1])
