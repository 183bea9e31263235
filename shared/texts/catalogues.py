"""Message catalogues: looking a text up and filling it in."""

from __future__ import annotations

import gettext
from collections.abc import Mapping
from functools import cache

from shared.texts.languages import DEFAULT, LANGUAGES, LOCALE

UNKNOWN = "…"
"""Stands for a value that nobody knows any more, such as the limit that applied when an old job failed."""


class CatalogueMissingError(RuntimeError):
    """A language has a catalogue that was never compiled; the message names the remedy."""


@cache
def translator(language: str) -> gettext.NullTranslations:
    """Return the compiled catalogue of a language; for English one that answers the message ids.

    Raises:
        ValueError: there is no such language.
        CatalogueMissingError: the catalogue exists and was not compiled. Answering in English instead would hide
            a broken installation from everybody who could mend it.
    """
    if language not in LANGUAGES:
        raise ValueError(f"no such language: {language[:20]!r}")
    if language == DEFAULT:
        return gettext.NullTranslations()
    try:
        return gettext.translation("messages", LOCALE, [language])
    except FileNotFoundError as error:
        raise CatalogueMissingError(f"the catalogue of {language!r} is not compiled: run `make install`") from error


def say(message: str, language: str, /, **params: str | int) -> str:
    """Return a text in a language, with its ``{placeholders}`` filled in.

    Args:
        message: the English text, a literal here or marked by ``N_`` where it stands. A text that is in no
            catalogue comes back as it is.
        language: a member of ``LANGUAGES``.
        params: values for the placeholders. One that is missing shows as ``…``: a text is often read from a stored
            slug, long after the value was known, and must not fail for it.
    """
    # The catalogue answers its own header to the empty text.
    text = translator(language).gettext(message) if message else ""
    return text.format_map(_Known(params))


def own_name(language: str) -> str:
    """Return what a language calls itself, for somebody who looks for it among others."""
    return translator(language).pgettext("name of this language", "English")


class _Known(dict[str, str | int]):
    """Values for placeholders, where a missing one is shown and not raised."""

    def __init__(self, values: Mapping[str, str | int]) -> None:
        super().__init__(values)

    def __missing__(self, key: str) -> str:
        return UNKNOWN
