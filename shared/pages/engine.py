"""The template engine. Imported by the first page that is rendered, because jinja2 costs time at a cold start."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from shared.faults import leaves
from shared.pages.assets import asset_address
from shared.pages.console_words import act_words
from shared.pages.next_steps import next_step, who_acts, who_acts_here
from shared.pages.scan_states import attempt_words, state_words, state_words_here
from shared.pages.server_states import server_words
from shared.pages.views import View
from shared.texts import LANGUAGES, day, describe, moment, number, own_name, size, translator

if TYPE_CHECKING:
    from shared.pages.api_reference import Reference


def html(view: View, language: str, reference: str | None, *, choice: bool) -> str:
    """Return the page of a view as HTML. See ``Pages.render``."""

    def translated(message: str, **params: Any) -> Markup:
        """Translate and fill in. Text and values are escaped; a value that is Markup already is taken as it is."""
        # The catalogue answers its own header to the empty text.
        text = escape(translator(language).gettext(message) if message else "")
        return text.format(**params) if params else text

    return (
        _environment()
        .get_template(view.template)
        .render(
            view=view,
            language=language,
            reference=reference,
            languages=[(each, own_name(each)) for each in LANGUAGES] if choice else [],
            _=translated,
            described=lambda fault: describe(fault, language),
            moment=lambda when: _whole(moment(when, language)),
            dated=lambda one: day(datetime.combine(one, time(), UTC), language),
            counted=lambda many: number(many, language),
            sized=lambda number_of_bytes: size(number_of_bytes, language),
        )
    )


def _whole(text: str) -> Markup:
    """Return a text that no line break may take apart."""
    return Markup('<span class="whole">{}</span>').format(text)


def _api_reference(document: Mapping[str, Any]) -> Reference:
    """Read an OpenAPI document. Only its own page pays for the import."""
    from shared.pages.api_reference import read

    return read(document)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals |= {
        "asset": asset_address,
        "next_step": next_step,
        "who_acts": who_acts,
        "who_acts_here": who_acts_here,
        "state_words": state_words,
        "state_words_here": state_words_here,
        "attempt_words": attempt_words,
        "server_words": server_words,
        "act_words": act_words,
        "api_reference": _api_reference,
        "faults": leaves,
    }
    return environment
