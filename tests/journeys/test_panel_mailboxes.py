"""The printer's own mailbox and fax account by hand: at the panel by the keyboard, and in the console's pages."""

import os
from pathlib import Path

import pypdfium2
from playwright.sync_api import Page, expect

from shared.organisations.policy import Policy
from tests.journeys.test_browser import (
    CONTOSO,
    PANEL,
    PHONE,
    SCREEN,
    Office,
    browser,
    look,
    office,
    press,
    scanned,
    soon,
)

__all__ = ["browser", "office"]


def at_microsoft(office: Office, code: str, account: str) -> None:
    """Somebody types the code at Microsoft, and signs in."""
    page = office.world.person().walk(f"{office.world.microsoft_url}/devicelogin?user_code={code}", account)
    assert "You have signed in" in page.text


def state(panel: Page, words: str) -> None:
    """The screen of a server says this."""
    soon(panel.locator(".state b", has_text=words))


OUTSIDE = """() => [...document.querySelectorAll('#screen *')].filter((e) => {
    const box = e.getBoundingClientRect();
    const cut = e.matches('.facts') && e.scrollHeight > e.clientHeight;
    return box.width && (box.right > 800.5 || box.bottom > 480.5 || cut);
}).map((e) => `${e.tagName} ${e.className} ${e.textContent.slice(0, 40)}`)"""


def test_mail_server_fax_server_and_sheet_from_panel_and_console(office: Office) -> None:
    """G3 to G7, G12, G13: from "you must sign in" to a mail, a fax and a printed sheet, and to the end of the sign-in.

    No pointer is used at the panel. The mail server is signed in at the panel, the fax server in the console. Every
    screen and page is whole, the panel's in every language.
    """
    office.world.consent()
    policy = Policy(fax_address="{number}@fax.example.com")
    office.world.rooms.organisations.set_policy(CONTOSO, policy)
    office.enrol()
    panel = office.panel()
    sign_in_the_mail_server(office, panel)
    send_a_mail(office, panel)
    sign_in_the_fax_server(office)
    send_a_fax(office, panel)
    print_the_sheet(office, panel)
    office.world.clock.advance(days=91)
    home(panel)
    press(panel, "Mail")
    soon(panel.locator("#recipient"))
    panel.keyboard.type("olga@contoso.example")
    press(panel, "Start")
    office.deliver()
    soon(panel.locator(".result", has_text="The sign-in of the printer's mailbox has expired"))
    expect(panel.locator(".result strong")).to_have_text("361")
    for language, expired in (("be", "Тэрмін скончыўся"), ("de", "Abgelaufen")):
        in_another_language(panel, language, expired)
    office.eyes.wrong = [told for told in office.eyes.wrong if "422 (Unprocessable" not in told]


def home(panel: Page) -> None:
    """Go to the first screen."""
    panel.locator("#home").press("Enter")
    soon(panel.locator(".tile.first"))


def sign_in_the_mail_server(office: Office, panel: Page) -> None:
    """The guide's message with its code; which service; the code; signed in but not delivered; OK."""
    look(panel, "80-panel-home", sizes=(PANEL,))
    press(panel, "Mail")
    soon(panel.locator(".result", has_text="To use this function you must sign in to your email"))
    expect(panel.locator(".result strong")).to_have_text("370")
    look(panel, "81-panel-mail-not-signed-in", sizes=(PANEL,))
    press(panel, "Mail server")
    state(panel, "Not signed in")
    look(panel, "82-panel-server-none", sizes=(PANEL,))
    press(panel, "Sign in")
    look(panel, "83-panel-services", sizes=(PANEL,))
    press(panel, "Microsoft Exchange Online")
    soon(panel.locator(".user-code"))
    look(panel, "84-panel-code", sizes=(PANEL,))
    assert scanned(panel) == f"{office.world.microsoft_url}/devicelogin"
    at_microsoft(office, panel.locator(".user-code").inner_text(), "contoso/ben")
    office.ask_again(panel)
    state(panel, "Signed in, but not delivered: press OK")
    expect(panel.locator(".state em")).to_have_text("370")
    expect(panel.locator(".facts")).to_contain_text("b•••@contoso.example")
    look(panel, "85-panel-server-undelivered", sizes=(PANEL,))
    press(panel, "OK")
    soon(panel.get_by_role("heading", name="The printer has the settings"))
    look(panel, "86-panel-server-stored", sizes=(PANEL,))
    press(panel, "OK")
    soon(panel.locator(".server"))
    state(panel, "Signed in")
    panel.keyboard.press("Escape")
    soon(panel.locator(".tile.first"))


def send_a_mail(office: Office, panel: Page) -> None:
    """A stranger is refused; people of the organisation get what lies on the glass, from the printer's mailbox."""
    press(panel, "Mail")
    soon(panel.locator("#recipient"))
    panel.keyboard.type("eve@evil.example")
    press(panel, "Start")
    soon(panel.get_by_role("heading", name="The printer may not send mail to this recipient"))
    look(panel, "87-panel-recipient-refused", sizes=(PANEL,))
    press(panel, "Try again")
    soon(panel.locator("#recipient"))
    panel.keyboard.type("olga@contoso.example, adele.vance@contoso.example")
    panel.keyboard.press("Tab")
    panel.keyboard.type("Lease")
    look(panel, "88-panel-mail", sizes=(PANEL,))
    press(panel, "Start")
    office.deliver()
    soon(panel.get_by_role("heading", name="The mail is sent"))
    look(panel, "89-panel-mail-sent", sizes=(PANEL,))
    [mail] = office.world.mailbox("olga@contoso.example")
    assert (mail["from"], mail["subject"]) == ("ben.okoye@contoso.example", "Lease")
    assert mail["to"] == ["olga@contoso.example", "adele.vance@contoso.example"]


def send_a_fax(office: Office, panel: Page) -> None:
    """OK at the panel; letters in a number are refused; the number goes to the provider."""
    home(panel)
    press(panel, "Status")
    press(panel, "Fax server")
    state(panel, "Signed in, but not delivered: press OK")
    press(panel, "OK")
    soon(panel.get_by_role("heading", name="The printer has the settings"))
    home(panel)
    press(panel, "Fax")
    soon(panel.locator("#recipient"))
    panel.keyboard.type("+375 17 CALL ME")
    press(panel, "Start")
    soon(panel.get_by_role("heading", name="This is not a fax number"))
    press(panel, "Try again")
    soon(panel.locator("#recipient"))
    panel.keyboard.type("+375 17 200-11-22")
    look(panel, "90-panel-fax", sizes=(PANEL,))
    press(panel, "Start")
    office.deliver()
    soon(panel.get_by_role("heading", name="The fax is on its way"))
    look(panel, "91-panel-fax-sent", sizes=(PANEL,))
    assert office.world.cloud.mailboxes.external == ["375172001122@fax.example.com"]


def print_the_sheet(office: Office, panel: Page) -> None:
    """G5, G6: the status of both servers on the panel and on paper; the tray gives out nothing but sheets."""
    home(panel)
    press(panel, "Status")
    soon(panel.locator(".status"))
    look(panel, "92-panel-status", sizes=(PANEL,))
    press(panel, "Mail server")
    state(panel, "Signed in")
    look(panel, "93-panel-server-good", sizes=(PANEL,))
    panel.keyboard.press("Escape")
    press(panel, "Status sheet")
    soon(panel.get_by_role("heading", name="The status sheet is printed"))
    look(panel, "94-panel-sheet", sizes=(PANEL,))
    name = panel.locator(".remedy").inner_text()
    sheet = panel.request.get(f"{office.panel_url}/panel/tray/{name}")
    assert sheet.headers["content-type"] == "application/pdf"
    with pypdfium2.PdfDocument(sheet.body()) as document:
        text = document[0].get_textpage().get_text_range()
    for word in ("Virtual printer", "b•••@contoso.example", "o•••@contoso.example", "Microsoft Exchange Online"):
        assert word in text
    assert panel.request.get(f"{office.panel_url}/panel/tray/..%2Fdevice-key.pem").status == 404


def in_another_language(panel: Page, language: str, expired: str) -> None:
    """The screens fit; each with the words of the language, the service's and the panel's."""
    folder = os.environ.get("SCREENSHOTS")

    def fits(name: str, there: str) -> None:
        soon(panel.locator(there))
        if folder:
            panel.screenshot(path=Path(folder) / f"{language}-{name}.png")
        assert panel.evaluate(OUTSIDE) == [], name

    home(panel)
    panel.locator("#language").click()
    expect(panel.locator("html")).to_have_attribute("lang", language)
    fits("home", ".tile.first")
    panel.locator("[data-on=fax]").click()
    fits("fax", "#recipient")
    home(panel)
    panel.locator("[data-on=mail]").click()
    fits("mail-expired", ".result")
    home(panel)
    panel.locator("[data-on=settings]").click()
    fits("settings", ".settings")
    panel.locator("[data-on=mail]").click()
    fits("server-expired", ".server")
    expect(panel.locator(".state")).to_have_text(f"{expired}361")
    panel.locator(".server .main").click()
    fits("services", ".list")
    panel.locator(".line").first.click()
    fits("code", ".user-code")
    panel.locator("[data-on=cancel]").click()
    soon(panel.locator(".server"))
    home(panel)
    panel.locator("[data-on=status]").click()
    fits("status", ".status")


def sign_in_the_fax_server(office: Office) -> None:
    """An administrator signs the fax server in: the page shows the code, and by itself that it is done."""
    page = office.window(SCREEN)
    page.goto(f"{office.world.url}/console")
    page.locator("#sign-in").click()
    page.locator("#account-contoso-admin").click()
    page.get_by_role("link", name="Mail and fax").click()
    soon(page.get_by_text("b•••@contoso.example"))
    look(page, "A0-console-mail")
    page.get_by_role("link", name="Virtual printer").click()
    look(page, "A1-console-printer-mail")
    page.locator("#sign-in-fax").click()
    soon(page.locator("#user-code"))
    look(page, "A2-console-code")
    at_microsoft(office, page.locator("#user-code").inner_text(), "contoso/olga")
    office.world.clock.advance(seconds=6)
    soon(page.get_by_text("Now press OK at the printer"))
    look(page, "A3-console-signed-in")
    expect(page.locator("dl.facts").last).to_contain_text("o•••@contoso.example")


def test_where_codes_are_blocked_the_panel_shows_a_link(office: Office) -> None:
    """Conditional Access: the panel names it (370), and the same sign-in goes on by a QR code with the link."""
    office.world.consent()
    office.world.cloud.block_device_code("contoso")
    office.enrol()
    panel = office.panel()
    press(panel, "Settings")
    press(panel, "Mail server")
    press(panel, "Sign in")
    press(panel, "Microsoft Exchange Online")
    soon(panel.locator(".user-code"))
    code = panel.locator(".user-code").inner_text()
    office.world.person().walk(f"{office.world.microsoft_url}/devicelogin?user_code={code}", "contoso/ben")
    office.ask_again(panel)
    soon(panel.get_by_text("370: Your organisation does not allow signing in by code"))
    look(panel, "95-panel-blocked", sizes=(PANEL,))
    link = scanned(panel)
    phone = office.window(PHONE, has_touch=True, is_mobile=True)
    phone.goto(link)
    look(phone, "96-link")
    phone.get_by_role("button", name="Sign in with Microsoft").tap()
    phone.locator("#account-contoso-ben").tap()
    soon(phone.get_by_role("heading", name="Now press OK on the printer"))
    look(phone, "97-link-done")
    office.ask_again(panel)
    state(panel, "Signed in, but not delivered: press OK")


def test_the_wrong_account_is_named_at_the_panel(office: Office) -> None:
    """B01, B02: whoever enters the code with a wrong account is told so on the panel, with 370 and what to do."""
    office.enrol()
    panel = office.panel()
    press(panel, "Settings")
    press(panel, "Mail server")
    press(panel, "Sign in")
    press(panel, "Microsoft Exchange Online")
    soon(panel.locator(".user-code"))
    office.world.cloud.device_codes.approve(panel.locator(".user-code").inner_text(), "personal/pat")
    office.ask_again(panel)
    soon(panel.locator(".result", has_text="Personal accounts cannot be used here"))
    expect(panel.locator(".result strong")).to_have_text("370")
