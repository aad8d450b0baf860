"""What a generated secret looks like, by kind."""

from __future__ import annotations

import secrets
import string

from ..errors import Invalid, Problem
from ..stack.model import ALPHABET, LENGTH, LENGTHS, is_alphabet, is_length

#: ASCII letters and digits only: the same bytes after SASLprep (SCRAM), in a URL, an env file, a PHP
#: array and a property file, so that no consumer needs quoting rules of its own.
PLAIN = string.ascii_letters + string.digits


def generate(kind: str, length: int | None = None, alphabet: str | None = None) -> str:
    """
    A new secret.

    kind
        One of :data:`~salt_itstack.stack.model.LENGTHS`.
    length
        Characters; the kind's own by default.
    alphabet
        Characters to draw from; ASCII letters and digits by default.

    Raises :class:`~salt_itstack.errors.Invalid` for a kind that isn't generated, or a weak policy.
    """
    if kind not in LENGTHS:
        known = ", ".join(LENGTHS)
        raise Invalid(Problem("", "kind", kind, "secrets of this kind aren't generated", f"one of {known}"))
    size = LENGTHS[kind] if length is None else length
    letters = PLAIN if alphabet is None else alphabet
    # The map says the same of itself when it is read; a secret is never made by a weaker rule.
    if not is_length(size):
        raise Invalid(Problem("", "length", size, f"expected {LENGTH}"))
    if not is_alphabet(letters):
        raise Invalid(Problem("", "alphabet", letters, f"expected {ALPHABET}"))
    while True:
        value = "".join(secrets.choice(letters) for _ in range(size))
        # Directories may ask for several classes of characters; a rare draw has none of one.
        if letters != PLAIN or (
            any(c.islower() for c in value)
            and any(c.isupper() for c in value)
            and any(c.isdigit() for c in value)
        ):
            return value
