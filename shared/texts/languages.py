"""Which languages there are, and which of them a caller gets."""

from __future__ import annotations

import re
from pathlib import Path

LOCALE = Path(__file__).parent / "locale"
"""The folder of the catalogues, one sub-folder for each language."""

DEFAULT = "en"

LANGUAGES: tuple[str, ...] = (DEFAULT, *sorted(folder.parent.name for folder in LOCALE.glob("*/LC_MESSAGES")))
"""English, which is the message ids, and every language that has a folder: what is deployed holds no .po files."""

# A header is somebody else's text: neither its length nor its number of items may make us work.
_LONGEST_WISH = 1000
_MOST_ITEMS = 40

_QUALITY = re.compile(r"q=([01](?:\.[0-9]{0,3})?)", re.IGNORECASE)
_TAG_END = re.compile(r"[-_.@]")


def negotiate(*wishes: str | None) -> str:
    """Return the language for somebody with these wishes, the most important wish first.

    Args:
        wishes: each a language tag (``de-AT``; ``de_AT`` is taken too), an ``Accept-Language`` field (RFC 9110
            section 12.5.4, with q-values), or None. The first wish that names one of ours decides.

    Returns:
        A member of ``LANGUAGES``; English where no wish can be met. Never raises, whatever the text.
    """
    for wish in wishes:
        for language in _in_order(wish or ""):
            if language in LANGUAGES:
                return language
    return DEFAULT


def _in_order(wish: str) -> list[str]:
    """Return the primary subtags of a wish, best first, without those that q=0 rules out."""
    ranked: list[tuple[float, str]] = []
    for item in wish[:_LONGEST_WISH].split(",", _MOST_ITEMS)[:_MOST_ITEMS]:
        tag, *parameters = (part.strip() for part in item.split(";"))
        quality = min((_quality(parameter) for parameter in parameters), default=1.0)
        if quality > 0:
            ranked.append((quality, _TAG_END.split(tag, maxsplit=1)[0].lower()))
    # The sort is stable: equal wishes keep the order in which they were written.
    return [language for _, language in sorted(ranked, key=lambda pair: -pair[0])]


def _quality(parameter: str) -> float:
    """Return the weight of ``q=0.8``; 1 for any other parameter or a malformed one, as if it were not there."""
    match = _QUALITY.fullmatch(parameter)
    return float(match[1]) if match else 1.0
