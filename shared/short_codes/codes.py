"""The short code that a person types where he cannot scan or paste.

Eight letters of twenty without vowels (RFC 8628 section 6.1): no word arises by accident, and no
letter is taken for a digit. 20^8 is 34.5 bits; guessing is limited by :mod:`shared.short_codes.guesses`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
CODE_LETTERS = 8


def new_code(below: Callable[[int], int]) -> str:
    """Make a code; ``below(n)`` gives an unpredictable number from 0 to n-1."""
    return "".join(ALPHABET[below(len(ALPHABET))] for _ in range(CODE_LETTERS))


def shown(code: str) -> str:
    """Return the code as it is shown: two groups of four."""
    return f"{code[:4]}-{code[4:]}"


def normal_code(typed: str) -> str | None:
    """Return what was typed as a code, or None where it cannot be one. Case, spaces and dashes do not matter."""
    text = unicodedata.normalize("NFKC", typed[:64]).upper()
    letters = "".join(letter for letter in text if letter not in " \t-\u2010\u2011\u2012\u2013\u2014._")
    return letters if len(letters) == CODE_LETTERS and set(letters) <= set(ALPHABET) else None
