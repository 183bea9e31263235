"""Rendering: a view becomes bytes and headers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.pages.headers import security_headers
from shared.pages.views import View


@dataclass(frozen=True)
class Rendered:
    """A page as it is served.

    Attributes:
        body: UTF-8 HTML.
        headers: all of its headers; Content-Type is among them.
    """

    body: bytes
    headers: dict[str, str]


class Pages:
    """Renders views.

    Args:
        form_targets: addresses outside this site to which our forms lead: the authority's (see
            ``security_headers``).

    Raises:
        ValueError: a target is no http(s) address.
    """

    def __init__(self, form_targets: Sequence[str]) -> None:
        self._headers = security_headers(form_targets)

    def render(self, view: View, *, language: str, reference: str | None = None, choice: bool = True) -> Rendered:
        """Return the page of a view.

        Args:
            view: what to show.
            language: a member of ``shared.texts.LANGUAGES``.
            reference: the request's id, shown so that a help desk can find it in the log.
            choice: whether another language can be chosen at the foot: that asks for the page's address once more.

        Raises:
            ValueError: there is no such language.
            CatalogueMissingError: the language's catalogue was not compiled.
        """
        # Most requests to the service never show a page: jinja2 is loaded by the first one that does.
        from shared.pages.engine import html

        return Rendered(
            body=html(view, language, reference, choice=choice).encode(errors="replace"),
            headers=self._headers
            | {
                "Content-Type": "text/html; charset=utf-8",
                "Content-Language": language,
                "Vary": "Accept-Language, Cookie",
            },
        )
