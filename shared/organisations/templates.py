"""Templates of subject and text that an organisation writes: four placeholders and nothing else.

They look like Python's format strings and are none: a name in braces is replaced by a text, and there is no
attribute, index, conversion or format behind it. ``{{`` and ``}}`` are braces.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from string import Formatter

PLACEHOLDERS = ("title", "printer", "location", "date")


class TemplateInvalid(Exception):
    """A template cannot be used; the message says why, and repeats nothing of it."""


def check(template: str) -> None:
    """Refuse a template with anything but the four placeholders.

    Raises:
        TemplateInvalid: an unknown placeholder, one with something behind its name, or a brace without its other.
    """
    for _, name in _pieces(template):
        if name is not None and name not in PLACEHOLDERS:
            raise TemplateInvalid("the placeholders are " + ", ".join(f"{{{known}}}" for known in PLACEHOLDERS))


def fill(template: str, values: Mapping[str, str]) -> str:
    """Return a checked template with its placeholders replaced. What a value says is not read again.

    Args:
        template: as :func:`check` let it pass.
        values: a text for each of :data:`PLACEHOLDERS`.

    Raises:
        TemplateInvalid: it was never checked.
    """
    check(template)
    return "".join(text + ("" if name is None else values[name]) for text, name in _pieces(template))


def _pieces(template: str) -> Iterator[tuple[str, str | None]]:
    """Yield (text, name of the placeholder behind it); no name at the end and behind a doubled brace."""
    try:
        for text, name, form, conversion in Formatter().parse(template):
            if form or conversion:
                raise TemplateInvalid("a placeholder is a name alone")
            yield text, name
    except ValueError:
        raise TemplateInvalid("a brace is not closed, or not opened") from None
