"""Texts: what the service says to people, in their language.

Owns the message catalogues (``locale/<language>/LC_MESSAGES/messages.po``), the choice of a language, and the few
things that are written differently in each language: sizes, numbers and moments. English is the message ids themselves.

Does not own the texts: they stand where they are used (``shared/faults.py``, the page templates, a room), marked
for the catalogues by ``N_("…")``, by ``say("…", language)`` or, in a template, by ``_("…")``. ``docs/translating.md``
says how a language is added: by one file.

May import: the standard library and ``shared.faults``. Babel makes the catalogues and is not there at run time.
"""

from shared.texts.catalogues import CatalogueMissingError, own_name, say, translator
from shared.texts.descriptions import Texts, describe
from shared.texts.formats import day, masked, moment, number, size, time_of_day
from shared.texts.languages import LANGUAGES, negotiate

__all__ = [
    "LANGUAGES",
    "CatalogueMissingError",
    "Texts",
    "day",
    "describe",
    "masked",
    "moment",
    "negotiate",
    "number",
    "own_name",
    "say",
    "size",
    "time_of_day",
    "translator",
]
