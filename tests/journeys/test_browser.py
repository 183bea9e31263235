"""The journeys in a real browser: a panel, a phone and an administrator's screen, pressing what people press.

With SCREENSHOTS=folder every page that a person sees is kept there as a picture.
"""

import io
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import zxingcpp
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Request, ViewportSize, expect, sync_playwright

from local.chromium import launch_options
from local.printer.panel import Panel
from local.printer.registry import USERS
from shared.organisations import RANGES
from tests.clients.wire import served
from to_my_email import Client

CONTOSO = "11111111-1111-4111-8111-111111111111"
PHONE: ViewportSize = {"width": 390, "height": 844}
PANEL: ViewportSize = {"width": 800, "height": 480}
SCREEN: ViewportSize = {"width": 1280, "height": 800}
COOKIE = "__Host-browser"
PATIENCE_MS = 20_000
INTERVAL = 6
"""Seconds: a panel asks a little more seldom how a sign-in stands."""

OUTLINE = """() => ({
    lang: document.documentElement.lang,
    title: document.title.trim(),
    headings: [...document.querySelectorAll("h1")].filter((e) => e.checkVisibility()).length,
    unlabelled: [...document.querySelectorAll("input, select, textarea")]
        .filter((e) => e.type !== "hidden" && e.checkVisibility() && !e.labels?.length && !e.ariaLabel)
        .map((e) => e.outerHTML),
    nameless: [...document.querySelectorAll("a, button")]
        .filter((e) => e.checkVisibility() && !e.innerText.trim() && !e.ariaLabel).map((e) => e.outerHTML),
})"""
FOCUSED = """() => {
    const now = document.activeElement;
    return now.matches("a, button, input") ? [now.id, now.innerText] : null;
}"""
OVERFLOW = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


@dataclass
class Eyes:
    """Watches every browser of a test: what goes wrong on our pages, and whom they talk to."""

    origins: list[str]
    """Ours, and Microsoft's."""
    wrong: list[str] = field(default_factory=list)
    asked: list[Request] = field(default_factory=list)

    def watch(self, context: BrowserContext) -> BrowserContext:
        """Watch one browser: errors, broken policies, requests to anybody else."""
        context.set_default_timeout(PATIENCE_MS)
        context.on("console", lambda told: self.complain(told.type, told.text, told.page.url if told.page else ""))
        context.on("weberror", lambda error: self.wrong.append(f"script: {error.error}"))
        context.on("request", self.note)
        context.on("requestfailed", lambda asked: self.wrong.append(f"failed: {asked.url} {asked.failure}"))
        return context

    def complain(self, kind: str, text: str, where: str) -> None:
        """Keep what a browser says on its console, but for mere logging."""
        if kind in {"error", "warning", "assert"}:
            self.wrong.append(f"{where}: {text}")

    def note(self, asked: Request) -> None:
        """Keep a request; one to a stranger is wrong."""
        self.asked.append(asked)
        if not asked.url.startswith((*self.origins, "data:", "blob:")):
            self.wrong.append(f"a stranger is asked: {asked.url}")

    def only(self, path: str) -> Request:
        """The last request to a path of ours."""
        return [asked for asked in self.asked if asked.url.startswith(f"{self.origins[0]}{path}")][-1]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start Chromium once."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(**launch_options())
        yield chromium
        chromium.close()


@dataclass
class Office:
    """The world, a printer with a panel in it, and people with browsers."""

    world: Any
    browser: Browser
    device: Client
    panel_url: str
    eyes: Eyes
    closing: ExitStack

    def window(self, viewport: ViewportSize, **options: Any) -> Page:
        """A browser of its own, which trusts the emulated Microsoft."""
        context = self.browser.new_context(viewport=viewport, ignore_https_errors=True, locale="en-GB", **options)
        self.closing.callback(context.close)
        return self.eyes.watch(context).new_page()

    def panel(self) -> Page:
        """The printer's screen."""
        page = self.window(PANEL)
        page.clock.install()
        page.goto(self.panel_url)
        soon(page.locator(".tile.first"))
        return page

    def ask_again(self, panel: Page) -> None:
        """Let the interval pass, for panel and service alike, after which the panel asks how a sign-in stands."""
        self.world.clock.advance(seconds=INTERVAL)
        panel.clock.fast_forward(INTERVAL * 1000)

    def enrol(self) -> None:
        """Connect the printer, where the test is about something else."""
        ticket = self.world.rooms.tickets.issue(CONTOSO, "office", "2nd floor")
        self.device.enrol(ticket, model="Virtual MFP 480", serial="VMFP480-0001", name="Virtual printer")

    def deliver(self) -> None:
        """Let the queue bring what was scanned."""
        ends = time.monotonic() + 20
        while not self.world.deliver():
            assert time.monotonic() < ends, "no scan came"
            time.sleep(0.05)


@pytest.fixture
def office(world: Any, browser: Browser, tmp_path: Path) -> Iterator[Office]:
    """An office; afterwards nothing must have gone wrong on any screen of it."""
    device = Client(world.url, tmp_path / "panel")
    app = Panel(device, USERS, lambda: datetime.now(UTC)).app()
    with ExitStack() as closing:
        panel_url = closing.enter_context(served(app))
        closing.callback(device.close)
        eyes = Eyes([world.url, world.microsoft_url, panel_url])
        yield Office(world, browser, device, panel_url, eyes, closing)
    assert eyes.wrong == []


def soon(locator: Locator) -> None:
    """Wait until it is seen."""
    expect(locator).to_be_visible(timeout=PATIENCE_MS)


def look(page: Page, name: str, *, sizes: tuple[ViewportSize, ...] = (PHONE, PANEL, SCREEN)) -> None:
    """See that a page is whole: language, title, one heading, labels, names, and no scrolling sideways."""
    page.wait_for_load_state()
    folder = os.environ.get("SCREENSHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png")
    outline = page.evaluate(OUTLINE)
    assert outline["lang"] == "en", name
    assert outline["title"], name
    assert (outline["headings"], outline["unlabelled"], outline["nameless"]) == (1, [], []), name
    own = page.viewport_size
    assert own is not None
    for size in sizes:
        page.set_viewport_size(size)
        assert page.evaluate(OVERFLOW) <= 0, (name, size)
    page.set_viewport_size(own)


def scanned(page: Page) -> str:
    """What a phone's camera reads from the screen."""
    expect(page.locator("#qr")).to_have_js_property("complete", value=True)
    picture = Image.open(io.BytesIO(page.locator("#qr").screenshot()))
    [code] = zxingcpp.read_barcodes(picture)
    return str(code.text)


def test_from_the_box_to_the_mailbox(office: Office) -> None:
    """A printer is connected, an administrator consents on his screen, a person signs in on his phone, and scans.

    No console complains, no policy is broken, nobody else is asked; every page is whole in every size (H03).
    """
    panel = office.panel()
    look(panel, "01-panel-new", sizes=(PANEL,))
    panel.get_by_role("button", name="Connect this printer").click()
    panel.get_by_role("textbox").fill(office.world.rooms.tickets.issue(CONTOSO, "office", "2nd floor"))
    look(panel, "02-panel-ticket", sizes=(PANEL,))
    panel.get_by_role("button", name="OK").click()
    soon(panel.get_by_role("heading", name="This printer is connected"))
    look(panel, "03-panel-enrolled", sizes=(PANEL,))
    panel.locator("#home").click()

    panel.get_by_role("button", name="Settings").click()
    look(panel, "04-panel-settings", sizes=(PANEL,))
    panel.get_by_role("button", name="Connect organisation").click()
    look(panel, "05-panel-ranges", sizes=(PANEL,))
    panel.get_by_role("button", name="Send").first.click()
    consent_at(office, scanned(panel))
    office.ask_again(panel)
    soon(panel.get_by_role("heading", name="Your organisation is connected"))
    look(panel, "06-panel-connected", sizes=(PANEL,))
    panel.get_by_role("button", name="OK").click()

    panel.locator(".tile.first").click()
    look(panel, "07-panel-who", sizes=(PANEL,))
    panel.get_by_role("button", name="Adele Vance").click()
    link = scanned(panel)
    look(panel, "08-panel-sign-in", sizes=(PANEL,))
    sign_in_on_the_phone(office, link)
    office.ask_again(panel)
    soon(panel.locator(".account"))
    look(panel, "09-panel-is-this-you", sizes=(PANEL,))
    panel.get_by_role("button", name="Yes, OK").click()
    soon(panel.get_by_role("button", name="Start"))
    look(panel, "10-panel-scan", sizes=(PANEL,))
    panel.get_by_role("button", name="Start").click()
    office.deliver()
    soon(panel.get_by_role("heading", name="It is in your mailbox"))
    look(panel, "11-panel-sent", sizes=(PANEL,))
    [message] = office.world.mailbox()
    assert message["from"] == "adele.vance@contoso.example"
    assert message["to"] == ["adele.vance@contoso.example"]
    assert [attachment["name"][-4:] for attachment in message["attachments"]] == [".pdf"]


def consent_at(office: Office, link: str) -> None:
    """What an administrator presses, on his own screen."""
    page = office.window(SCREEN)
    page.goto(link)
    look(page, "20-consent")
    page.get_by_role("button", name="Continue to Microsoft").click()
    page.locator("#account-contoso-admin").click()
    page.locator("#accept").click()
    soon(page.get_by_role("heading", name="is connected"))
    look(page, "21-consent-done")


def sign_in_on_the_phone(office: Office, link: str) -> None:
    """What a person presses on his phone after the camera has read the code."""
    page = office.window(PHONE, has_touch=True, is_mobile=True)
    page.goto(link)
    look(page, "30-first-login")
    page.get_by_role("button", name="Sign in with Microsoft").tap()
    page.locator("#account-contoso-adele").tap()
    soon(page.get_by_role("heading", name="Now press OK on the printer"))
    look(page, "31-first-login-done")


def begin(office: Office, panel: Page, person: str = "Adele Vance") -> None:
    """Go to the screen with the code."""
    panel.locator(".tile.first").click()
    panel.get_by_role("button", name=person).click()
    soon(panel.locator("#qr"))


def test_the_way_back_from_microsoft_is_cross_site_and_the_cookie_is_not(office: Office) -> None:
    """Entra's form comes from another site and carries no cookie; the cookie decides one step later (B04, C09, H01).

    The app is on 127.0.0.1 and Microsoft on localhost: two sites, as in production.
    """
    office.world.consent()
    office.enrol()
    panel = office.panel()
    begin(office, panel)
    page = office.window(PHONE)
    page.goto(scanned(panel))
    page.get_by_role("button", name="Sign in with Microsoft").click()
    soon(page.locator("#account-contoso-adele"))
    [cookie] = page.context.cookies(office.world.url)
    assert cookie["name"] == COOKIE
    assert (cookie["secure"], cookie["httpOnly"], cookie["sameSite"]) == (True, True, "Lax")
    assert (cookie["domain"], cookie["path"]) == ("127.0.0.1", "/")
    page.locator("#account-contoso-adele").click()
    soon(page.get_by_role("heading", name="Now press OK"))
    posted, finished = (office.eyes.only(path) for path in ("/auth/callback", "/auth/finish"))
    assert posted.method == "POST"
    assert posted.all_headers()["sec-fetch-site"] == "cross-site"
    assert "cookie" not in posted.all_headers()
    assert COOKIE in finished.all_headers()["cookie"]
    assert "code=" not in finished.url
    assert page.context.cookies(office.world.url) == [], "nothing is left behind"


def test_the_keyboard_alone_is_enough(office: Office) -> None:
    """Tab, letters, arrows and Enter: the code is typed, the sign-in begun, a range chosen, with no pointer at all."""
    office.world.consent()
    office.enrol()
    panel = office.panel()
    press(panel, "To My Email")
    press(panel, "Adele Vance")
    soon(panel.locator(".user-code"))
    code = panel.locator(".user-code").inner_text()
    page = office.window(PHONE)
    page.goto(f"{office.world.url}/s")
    look(page, "40-enter-code")
    reach(page, "code")
    page.keyboard.type("bcdf ghjk")
    page.keyboard.press("Enter")
    soon(page.locator("#refused"))
    look(page, "41-enter-code-refused")
    office.eyes.wrong.clear()  # Chromium tells every 404 on its console
    reach(page, "code")
    page.keyboard.press("Control+a")
    page.keyboard.type(code.lower())
    page.keyboard.press("Enter")
    soon(page.get_by_role("heading", name="Connect your mailbox"))
    press(page, "Sign in with Microsoft")
    soon(page.locator("#account-contoso-adele"))
    page.locator("#account-contoso-adele").focus()
    page.keyboard.press("Enter")
    soon(page.get_by_role("heading", name="Now press OK on the printer"))
    office.ask_again(panel)
    press(panel, "Yes, OK")
    press(panel, "Start")
    office.deliver()
    soon(panel.get_by_role("heading", name="It is in your mailbox"))


def test_the_own_page_by_the_keyboard_alone(office: Office) -> None:
    """I04: sign in, look, leave, come back, end it: Tab and Enter do all of it, and a late press is told so."""
    office.world.consent()
    office.world.rooms.organisations.consented(
        CONTOSO,
        name="Contoso",
        consented_range=RANGES["send"],
        proven_by="admin",
        oid=office.world.cloud.account("contoso/adele").oid,
    )
    page = office.window(PHONE)

    def come() -> None:
        page.goto(f"{office.world.url}/me")
        press(page, "Sign in with Microsoft")
        adele = page.locator("#account-contoso-adele, #pick-contoso-adele").first
        soon(adele)
        adele.focus()
        page.keyboard.press("Enter")
        soon(page.get_by_text("Agreed for the organisation"))

    come()
    look(page, "70-me")
    press(page, "Leave this page")
    soon(page.get_by_role("button", name="Sign in with Microsoft"))
    come()
    reach(page, "end")
    page.keyboard.press("Enter")
    soon(page.get_by_role("heading", name="End it and delete your data?"))
    look(page, "71-me-end")
    office.world.clock.advance(minutes=16)
    press(page, "End and delete")
    soon(page.get_by_role("alert"))
    expect(page.get_by_role("alert")).to_contain_text("Nothing has been ended or deleted")
    look(page, "72-me-too-late")
    office.eyes.wrong.clear()  # Chromium tells every 403 on its console
    come()
    reach(page, "end")
    page.keyboard.press("Enter")
    soon(page.get_by_role("button", name="End and delete"))
    reach(page, "End and delete")
    page.keyboard.press("Enter")
    soon(page.get_by_role("heading", name="It has ended, and your data are deleted"))
    look(page, "73-me-ended")


def reach(page: Page, wanted: str) -> None:
    """Press Tab until the control that has this id or says this has the focus."""
    for _ in range(25):
        focused = page.evaluate(FOCUSED)
        if focused and (focused[0] == wanted or wanted in focused[1]):
            return
        page.keyboard.press("Tab")
    pytest.fail(f"the keyboard does not reach {wanted!r}")


def press(page: Page, wanted: str) -> None:
    """Reach a button by Tab and press it by Enter."""
    soon(page.get_by_role("button", name=wanted).first)
    reach(page, wanted)
    page.keyboard.press("Enter")


def test_in_the_panels_own_browser_where_it_is_allowed(office: Office) -> None:
    """The guide's way: the page opens on the panel, 800 by 480, and signs out again; without the policy, no way there.

    tests/journeys/test_panel_browser.py has what the next person finds (B13).
    """
    office.world.consent()
    office.enrol()
    panel = office.panel()
    begin(office, panel)
    soon(panel.get_by_role("link", name="Open on this machine"))
    expect(panel.get_by_role("link", name="Sign in at this panel")).to_be_hidden()
    panel.get_by_role("button", name="Cancel").click()
    policy = office.world.rooms.organisations.get(CONTOSO).policy
    office.world.rooms.organisations.set_policy(CONTOSO, replace(policy, panel_browser=True))
    begin(office, panel)
    look(panel, "50-panel-sign-in-here", sizes=(PANEL,))
    with panel.context.expect_page() as opened:
        panel.get_by_role("link", name="Sign in at this panel").click()
    page = opened.value
    soon(page.get_by_role("heading", name="Connect your mailbox"))
    look(page, "51-panel-first-login")
    page.get_by_role("button", name="Sign in with Microsoft").click()
    page.locator("#account-contoso-adele").click()
    soon(page.get_by_role("heading", name="Now press OK on the printer"))
    look(page, "52-panel-signed-out")
    page.close()
    office.ask_again(panel)
    panel.get_by_role("button", name="Yes, OK").click()
    soon(panel.get_by_role("button", name="Start"))


def test_a_refused_sign_in_is_a_page_that_says_what_to_do(office: Office) -> None:
    """Somebody else's account at Adele's code: the phone says what happened, the panel that nothing was kept (B01)."""
    office.world.consent()
    office.enrol()
    panel = office.panel()
    begin(office, panel)
    page = office.window(PHONE)
    page.goto(scanned(panel))
    page.get_by_role("button", name="Sign in with Microsoft").click()
    page.locator("#account-contoso-ben").click()
    soon(page.get_by_role("heading", name="This is not the account of this printer user"))
    look(page, "60-wrong-account")
    office.ask_again(panel)
    soon(panel.get_by_role("heading", name="Not signed in"))
    look(panel, "61-panel-denied", sizes=(PANEL,))
    office.eyes.wrong = [told for told in office.eyes.wrong if "403 (Forbidden)" not in told]


@pytest.mark.parametrize("path", ["/", "/s", "/consent", "/api/docs", "/nowhere"])
def test_pages_that_stand_alone_are_whole(office: Office, path: str) -> None:
    """Whatever address a person types: a page of ours, whole in every size."""
    page = office.window(SCREEN)
    page.goto(f"{office.world.url}{path}")
    look(page, f"70{path.replace('/', '-')}")
    office.eyes.wrong = [told for told in office.eyes.wrong if "404 (Not Found)" not in told]
