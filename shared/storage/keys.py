"""Keys of table rows, made in this one place."""

from __future__ import annotations

from urllib.parse import quote

LONGEST = 512
"""Azure allows 1 KiB per key, counted in UTF-16; ours are ASCII."""


def key(*parts: str) -> str:
    """Join ``parts`` to one key, unambiguously and without the characters that Azure forbids.

    Letters, digits and ``_ . - ~`` stand for themselves, every other byte of the UTF-8 text as
    ``=XX``; parts are joined by ``|``. So no input can reach into another partition or row
    (threat E03), and two different lists of parts never give the same key.

    Raises:
        ValueError: the key would be longer than :data:`LONGEST` characters.
    """
    made = "|".join(quote(part, safe="", errors="strict").replace("%", "=") for part in parts)
    if len(made) > LONGEST:
        raise ValueError(f"key of {len(made)} characters; at most {LONGEST} are allowed")
    return made
