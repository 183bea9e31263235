"""What a fault says to a person."""

from __future__ import annotations

from dataclasses import dataclass

from shared.faults import Fault, TooLarge
from shared.texts.catalogues import say
from shared.texts.formats import size


@dataclass(frozen=True)
class Texts:
    """What a fault says to a person, in one language and filled in; plain text, not HTML."""

    title: str
    detail: str
    remedy: str


def describe(fault: Fault | type[Fault], language: str, /, **params: str | int) -> Texts:
    """Return the three texts of a fault in a language.

    Args:
        fault: a raised fault, whose own ``params`` fill the texts, or a leaf of the tree (from a stored reason).
        language: a member of ``LANGUAGES``.
        params: values that win over the fault's own. A ``limit`` or ``largest`` that is a number is one of bytes and
            is written as a size: whoever raises a fault does not know who will read it.
    """
    known = (fault.params if isinstance(fault, Fault) else {}) | params
    for name in ("limit", "largest"):
        if isinstance(number := known.get(name), int):
            known[name] = size(number, language)
    leaf = fault if isinstance(fault, type) else type(fault)
    remedy = leaf.wider if issubclass(leaf, TooLarge) and "range" in known else leaf.remedy
    return Texts(
        title=say(fault.title, language, **known),
        detail=say(fault.detail, language, **known),
        remedy=say(remedy, language, **known),
    )
