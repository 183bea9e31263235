"""What lies on the glass of a printer that has none: one A4 page, as a PDF."""

from datetime import datetime

from fpdf import FPDF

_PAPER = (251, 250, 246)
_INK = (43, 47, 54)
_FAINT = (150, 154, 160)
_ACCENT = (10, 95, 138)
_A4 = (210, 297)
"""Millimetres."""
_SKEW = 0.6
"""Degrees: nobody lays a letter down quite straight."""

_BODY = """Thank you for walking up to the printer. This page was made for you the moment you pressed Start, \
and no two of them are alike: the number above is on this sheet alone.

If you read this in your own mailbox, it went the whole way: the printer handed it to the service, the service \
asked Microsoft for a token in your name, and your own account sent it to yourself. Nobody else's did, and no \
password was kept anywhere on the way.

Put the next page on the glass whenever you like. From now on it is one press."""


def make_sheet(number: str, when: datetime) -> bytes:
    """Return a PDF that looks like a scanned letter, with the date and this number on it.

    Args:
        number: the sheet's own number; Latin-1, because the built-in PDF fonts are.
        when: an aware time, shown as it is and used as the document's creation date.
    """
    pdf = FPDF(format="A4", unit="mm")
    pdf.set_creation_date(when)
    pdf.set_title(f"Scan {number}")
    pdf.set_auto_page_break(auto=False)
    pdf.add_page()
    pdf.c_margin = 0  # text and cells on one edge
    _paper(pdf)
    with pdf.rotation(_SKEW, _A4[0] / 2, _A4[1] / 2):
        _letterhead(pdf, number, when)
        _letter(pdf)
        _stamp(pdf, when)
    return bytes(pdf.output())


def _paper(pdf: FPDF) -> None:
    """Draw off-white paper, the shadow of the lid along one edge, and two punched holes."""
    pdf.set_fill_color(*_PAPER)
    pdf.rect(0, 0, *_A4, style="F")
    for step in range(12):
        shade = 214 + step * 3
        pdf.set_fill_color(shade, shade, shade - 2)
        pdf.rect(step * 0.35, 0, 0.36, _A4[1], style="F")
    pdf.set_fill_color(226, 225, 221)
    for height in (108.5, 188.5):  # ISO 838: 80 mm apart, 12 mm from the edge
        pdf.ellipse(9, height - 3, 6, 6, style="F")


def _letterhead(pdf: FPDF, number: str, when: datetime) -> None:
    pdf.set_fill_color(*_ACCENT)
    pdf.rect(30, 26, 12, 12, style="F")
    pdf.set_draw_color(255, 255, 255)
    pdf.set_line_width(0.7)
    pdf.rect(32.5, 29, 7, 6)
    pdf.polyline([(32.5, 29), (36, 32.4), (39.5, 29)])
    pdf.set_text_color(*_ACCENT)
    pdf.set_font("helvetica", "B", 17)
    pdf.text(46, 33.5, "To My Email")
    pdf.set_text_color(*_FAINT)
    pdf.set_font("helvetica", "", 9)
    pdf.text(46, 38, "Virtual printer, second floor")
    pdf.set_xy(120, 27)
    pdf.set_font("helvetica", "", 10)
    pdf.set_text_color(*_INK)
    pdf.cell(65, 5, f"{when:%d %B %Y, %H:%M}", align="R")
    pdf.set_xy(120, 33)
    pdf.set_font("courier", "B", 11)
    pdf.cell(65, 5, f"No. {number}", align="R")
    pdf.set_draw_color(*_FAINT)
    pdf.set_line_width(0.2)
    pdf.line(30, 46, 185, 46)


def _letter(pdf: FPDF) -> None:
    pdf.set_text_color(*_INK)
    pdf.set_font("times", "", 13)
    pdf.text(30, 72, "Dear reader,")
    pdf.set_xy(30, 80)
    pdf.set_left_margin(30)
    pdf.multi_cell(150, 7.2, _BODY, align="L")
    pdf.text(30, pdf.get_y() + 16, "Yours faithfully,")
    pdf.set_font("times", "I", 21)
    pdf.set_text_color(36, 62, 122)
    pdf.text(32, pdf.get_y() + 29, "The Printer")


def _stamp(pdf: FPDF, when: datetime) -> None:
    pdf.set_draw_color(176, 52, 44)
    pdf.set_text_color(176, 52, 44)
    with pdf.rotation(9, 155, 232):
        pdf.set_line_width(0.8)
        pdf.rect(131, 221, 48, 20, round_corners=True, corner_radius=2)
        pdf.set_font("helvetica", "B", 15)
        pdf.set_xy(131, 224)
        pdf.cell(48, 7, "SCANNED", align="C")
        pdf.set_font("helvetica", "", 9)
        pdf.set_xy(131, 232)
        pdf.cell(48, 5, f"{when:%Y-%m-%d}", align="C")
