"""The status sheet: one page, readable and extractable in every language, on the paper of the printer's region."""

import io
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pypdfium2
import pytest
from PIL import ImageOps

from functions.device_api.status_sheet import LONGEST_NAME, paper, pdf
from shared import faults
from shared.devices import Device
from shared.mailboxes import Account, Owner, StatusOf
from shared.mailboxes.accounts import Activity
from shared.texts import LANGUAGES, describe
from tests.journeys.test_mailboxes import sign_in

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
A4, LETTER = (595, 842), (612, 792)


def read(made: bytes) -> tuple[int, tuple[int, int], str]:
    """Number of pages, size of the first (points), and its text in one line."""
    with pypdfium2.PdfDocument(io.BytesIO(made)) as document:
        page = document[0]
        text = page.get_textpage().get_text_range()
        return len(document), tuple(round(side) for side in page.get_size()), " ".join(text.split())


def test_the_printer_prints_what_its_status_is(world: Any) -> None:
    """G6: service, account, delivered or not, last success and the code of what is wrong; as PDF and as JSON."""
    printer = world.printer()
    sign_in(world, printer.email_server, "contoso/ben")
    pages, size, text = read(printer.status_sheet())
    assert (pages, size) == (1, A4)
    for word in ("Printer 2F", "Microsoft Exchange Online", "b•••@contoso.example", "not delivered", "370"):
        assert word in text
    assert "ben.okoye" not in text
    facts = printer.status_facts()
    assert facts["email_server"]["status"] == "signed_in"
    assert facts["email_server"]["delivered"] is False
    assert facts["fax_server"]["status"] == "not_signed_in"
    assert (facts["device"]["name"], facts["device"]["location"]) == ("Printer 2F", "2nd floor")


def ink(made: bytes) -> tuple[float, ...]:
    """Points between each edge of the paper and what is drawn, as a picture of the page has it."""
    with pypdfium2.PdfDocument(io.BytesIO(made)) as document:
        picture = document[0].render(scale=1).to_pil().convert("L")
    box = ImageOps.invert(picture).getbbox()
    assert box is not None
    return box[0], box[1], picture.width - box[2], picture.height - box[3]


MARGIN = 24
"""Points: what hardly any printer can print on."""
WORST = "Donaudampfschifffahrtsgesellschaftskapitänsmütze"


def device(locale: str, name: str = "Друкарка Ў") -> Device:
    """A printer."""
    return Device("d", "t", "g", name, name, name, name, locale, "active", {})


def every_fault(use: str) -> list[StatusOf]:
    """A status with every fault that there is, at both places."""
    account = Account(Owner("t", "g"), use, "exchange_online", "s", "b•••@contoso.example", "b@c", "x", "send", NOW)
    return [
        StatusOf(use, "blocked", True, account, leaf, Activity(NOW, NOW, leaf.reason), 25_000_000, NOW)
        for leaf in faults.leaves()
        if "{" not in leaf.detail + leaf.remedy
    ]


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_is_one_page_whatever_is_wrong(language: str) -> None:
    """The longest words and the longest faults fit on one page, and the text can be taken out again."""
    said = {found.reason: describe(found, language) for found in faults.leaves()}
    told = {found.fault.reason: found for found in [*every_fault("email"), *every_fault("fax")]}
    longest = max(told, key=lambda reason: len(said[reason].title + said[reason].detail + said[reason].remedy))
    longest_error = max(told, key=lambda reason: len(said[reason].title + said[reason].remedy))
    servers = {"email-server": replace(told[longest], use="email"), "fax-server": told[longest_error]}
    named = device(language, " ".join([WORST] * 5)[:LONGEST_NAME])
    made = pdf(named, f"{WORST} GmbH", servers, language=language, now=NOW)
    pages, _, text = read(made)
    assert pages == 1
    left, top, right, bottom = ink(made)
    assert min(left, top, right, bottom) > MARGIN
    assert WORST in text
    whole = "".join(text.split())
    for texts in (said[longest], said[longest_error]):
        # As what is wrong now, and as the last error; no word of it is cut off.
        for words, times in ((texts.title, 2), (texts.detail, 1), (texts.remedy, 2)):
            assert whole.count("".join(words.split())) >= times, words


@pytest.mark.parametrize(
    ("locale", "size"), [("en-US", LETTER), ("fr-CA", LETTER), ("en-GB", A4), ("be", A4), ("de_AT", A4), ("", A4)]
)
def test_the_paper_is_that_of_the_region(locale: str, size: tuple[int, int]) -> None:
    """Letter where offices print on it, A4 everywhere else."""
    [found, *_] = every_fault("email")
    made = pdf(device(locale), "Contoso", {"email-server": found}, language="en", now=NOW)
    assert read(made)[1] == size
    assert paper(locale) == ("Letter" if size == LETTER else "A4")


def test_belarusian_letters_are_drawn_and_others_are_not_guessed(caplog: pytest.LogCaptureFixture) -> None:
    """Cyrillic comes out again; a letter that the font lacks becomes a question mark, and no log names it."""
    [found, *_] = every_fault("email")
    named = device("be", "Прынтар Ўладзіслава ё 漢\u202ex")
    text = read(pdf(named, "Contoso", {"email-server": found}, language="be", now=NOW))[2]
    assert "Прынтар Ўладзіслава ё ?x" in text
    assert "漢" not in caplog.text
