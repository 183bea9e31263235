"""The status sheet: one page to print, with what an administrator asks for at a printer that does not send.

A4 or Letter, as the printer's region has it; in its language; in a font that has Latin, Greek and Cyrillic letters, so
that the text can be copied out again. It is drawn smaller where it would not fit, and is never a second page.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared import faults
from shared.devices import Device
from shared.mail.message import clean
from shared.mailboxes import StatusOf
from shared.pages.server_states import server_words
from shared.texts import describe, moment, say, size

if TYPE_CHECKING:
    from fpdf import FPDF

LETTER = frozenset({"US", "CA", "MX", "PH", "CL", "CO", "CR", "GT", "PA", "PR", "SV", "VE", "DO", "NI"})
"""Regions in which offices print on Letter (Unicode CLDR, paper sizes)."""
LONGEST_NAME = 120
LONGEST_VALUE = 1000
"""Characters. Ours have at most about 400: what is cut is somebody else's."""
_SCALES = (1.0, 0.92, 0.85, 0.78, 0.7, 0.62)
_MARGIN, _LABEL = 18.0, 52.0
"""Millimetres: the page's margin, and the width of the labels."""
_INK, _FAINT, _RULE = (30, 34, 40), (98, 104, 112), (205, 209, 214)
_GOOD, _OPEN, _BAD = (24, 110, 62), (150, 92, 0), (170, 38, 32)

Line = tuple[str, str]


def pdf(device: Device, organisation: str, servers: Mapping[str, StatusOf], *, language: str, now: datetime) -> bytes:
    """Return the sheet.

    Args:
        device: whose sheet it is.
        organisation: its name.
        servers: by resource, email-server first.
        language: of the texts.
        now: when it is made, aware.
    """
    for scale in _SCALES:
        sheet = _Sheet(device.locale, language, now, scale)
        sheet.title(say("Status sheet", language), device, organisation)
        for found in servers.values():
            sheet.server(found)
        sheet.end()
        fits, made = sheet.fits, sheet.written()
        if fits:
            break
    return made


def paper(locale: str) -> str:
    """Return ``A4`` or ``Letter`` for a device's locale (BCP 47)."""
    regions = {part.upper() for part in locale.replace("_", "-").split("-")[1:]}
    return "Letter" if regions & LETTER else "A4"


class _Sheet:
    """A page that is being drawn from top to bottom."""

    def __init__(self, locale: str, language: str, now: datetime, scale: float) -> None:
        self._pdf = _page(paper(locale), now)
        self._language = language
        self._now = now
        self._scale = scale
        known = self._pdf.fonts["opensans"].cmap
        self._drawable = frozenset(known)

    def title(self, title: str, device: Device, organisation: str) -> None:
        """Draw the head: what it is, and of which printer."""
        self._text(_MARGIN, title, 20, bold=True)
        self._text(_MARGIN, "To My Email", 10, colour=_FAINT)
        self._gap(5)
        self._lines(
            [
                (say("Printer", self._language), device.name),
                (say("Location", self._language), device.location),
                (say("Model", self._language), device.model),
                (say("Serial number", self._language), device.serial),
                (say("Organisation", self._language), organisation),
                (say("Printed", self._language), moment(self._now, self._language)),
            ]
        )

    def server(self, found: StatusOf) -> None:
        """Draw one server: the word that matters first, then the facts, then what to do."""
        language, page = self._language, self._pdf
        self._gap(7)
        page.set_draw_color(*_RULE)
        page.set_line_width(0.3)
        page.line(_MARGIN, page.get_y(), page.w - _MARGIN, page.get_y())
        self._gap(4)
        names = {"email": say("Mail server", language), "fax": say("Fax server", language)}
        self._text(_MARGIN, names[found.use], 14, bold=True)
        colour = _GOOD if found.ready else _OPEN if found.status == "signed_in" else _BAD
        self._text(_MARGIN, _headline(found, language), 12, bold=True, colour=colour)
        self._gap(1.5)
        self._lines(_facts(found, language))
        if found.fault:
            said = describe(found.fault, language)
            self._gap(2.5)
            code = f" ({found.fault.code})" if found.fault.code else ""
            self._text(_MARGIN, f"{said.title}{code}", 10.5, bold=True, colour=colour)
            self._text(_MARGIN, f"{said.detail} {said.remedy}", 10.5)

    def end(self) -> None:
        """Draw the foot."""
        self._gap(6)
        said = say("This sheet holds no password and nothing with which anybody could sign in.", self._language)
        self._text(_MARGIN, said, 8.5, colour=_FAINT)

    @property
    def fits(self) -> bool:
        """Whether everything is above the lower margin."""
        return bool(self._pdf.get_y() <= self._pdf.h - _MARGIN / 2)

    def written(self) -> bytes:
        """Return the finished file. Nothing can be drawn any more."""
        made = bytes(self._pdf.output())
        for font in self._pdf.fonts.values():
            # fpdf2 keeps the font's file open for as long as the page lives.
            font.ttfont.close()
        return made

    def _lines(self, lines: list[Line]) -> None:
        page = self._pdf
        for label, value in lines:
            if not value:
                continue
            top = page.get_y()
            self._text(_MARGIN, label, 10, colour=_FAINT, width=_LABEL - 3)
            below = page.get_y()
            page.set_y(top)
            self._text(_MARGIN + _LABEL, clean(value, LONGEST_VALUE), 10)
            page.set_y(max(below, page.get_y()))
            self._gap(0.7)

    def _text(
        self,
        left: float,
        text: str,
        points: float,
        *,
        bold: bool = False,
        colour: tuple[int, int, int] = _INK,
        width: float = 0,
    ) -> None:
        page = self._pdf
        page.set_font("opensans", "B" if bold else "", points * self._scale)
        page.set_text_color(*colour)
        page.set_x(left)
        # What the font does not have would be drawn as nothing, and named in a log.
        shown = "".join(letter if ord(letter) in self._drawable else "?" for letter in text)
        space = width or page.w - _MARGIN - left
        page.multi_cell(space, points * self._scale * 0.47, shown, align="L", new_x="LMARGIN", new_y="NEXT")

    def _gap(self, millimetres: float) -> None:
        self._pdf.set_y(self._pdf.get_y() + millimetres * self._scale)


def _page(paper_size: str, now: datetime) -> FPDF:
    # ttf-opensans asks for Pillow, which fpdf2 has anyway.
    from fpdf import FPDF
    from ttf_opensans import OPENSANS_BOLD, OPENSANS_REGULAR

    page = FPDF(format=paper_size, unit="mm")
    page.set_creation_date(now)
    page.set_title("To My Email")
    page.set_auto_page_break(auto=False)
    page.add_font("opensans", "", OPENSANS_REGULAR.path)
    page.add_font("opensans", "B", OPENSANS_BOLD.path)
    page.set_margins(_MARGIN, _MARGIN)
    page.add_page()
    page.c_margin = 0  # labels and texts on one edge
    return page


def _headline(found: StatusOf, language: str) -> str:
    return say(server_words(found.status, delivered=found.delivered), language)


def _facts(found: StatusOf, language: str) -> list[Line]:
    return list(_told(found, language))


def _told(found: StatusOf, language: str) -> Iterator[Line]:
    account, activity = found.account, found.activity
    never = say("never", language)
    if account:
        names: dict[str, Any] = {
            "exchange_online": "Microsoft Exchange Online",
            "outlook_com": "Outlook.com",
        }
        yield say("Service", language), names[account.service]
        yield say("Account", language), account.account_hint
        delivered = say("yes", language) if found.delivered else say("no", language)
        yield say("Delivered to the printer", language), delivered
        yield say("Largest scan", language), size(found.largest, language)
    yield say("Sent last", language), moment(activity.last_success, language) if activity.last_success else never
    if activity.last_error and activity.reason:
        error = faults.BY_REASON[activity.reason]
        code = f" ({error.code})" if error.code else ""
        said = describe(error, language)
        yield say("Last error", language), f"{moment(activity.last_error, language)}: {said.title}{code}. {said.remedy}"
    if found.valid_until:
        until = moment(found.valid_until, language)
        yield (
            say("Signed in until", language),
            say("{moment}, and longer as long as the service runs", language, moment=until),
        )
