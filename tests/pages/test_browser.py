"""Chromium shows the pages as they are meant, under their own headers."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, ViewportSize, sync_playwright

from local.chromium import launch_options
from local.show_pages import samples
from shared.pages import Pages, asset
from shared.texts import LANGUAGES

PAGES = Pages([])
SAMPLES = dict(samples())
PHONE: ViewportSize = {"width": 390, "height": 844}
PANEL: ViewportSize = {"width": 800, "height": 480}
NARROW: ViewportSize = {"width": 320, "height": 568}


class Door(BaseHTTPRequestHandler):
    """Serves ``/{language}/{name}`` and the assets; a form is answered with what it sent."""

    def do_GET(self) -> None:
        """Answer a page or an asset."""
        address = urlsplit(self.path)
        if address.path.startswith("/assets/"):
            found = asset(address.path.removeprefix("/assets/"), parse_qs(address.query)["v"][0])
            assert found is not None
            self.answer(found.body, found.headers)
        else:
            _, language, name = address.path.split("/")
            page = PAGES.render(SAMPLES[name], language=language, reference="7b0e6a52")
            self.answer(page.body, page.headers)

    def do_POST(self) -> None:
        """Answer the fields of a form as plain text."""
        self.answer(self.rfile.read(int(self.headers["Content-Length"])), {"Content-Type": "text/plain"})

    def answer(self, body: bytes, headers: dict[str, str]) -> None:
        """Send 200."""
        self.send_response(200)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep the test's output quiet."""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """Serve the pages on a port of their own."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start Chromium once."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(**launch_options())
        yield chromium
        chromium.close()


def worth_a_look(language: str) -> list[str]:
    """Return every page, but of the faults, which differ in their texts alone, the longest five."""
    faults = [name for name in SAMPLES if name.startswith("trouble-")]
    faults.sort(key=lambda name: len(PAGES.render(SAMPLES[name], language=language).body.decode()))
    return [name for name in SAMPLES if name not in faults[:-5]]


MEASURES = """() => ({
    width: document.documentElement.scrollWidth,
    height: document.documentElement.scrollHeight,
    styled: getComputedStyle(document.body).margin === "0px",
    logo: document.querySelector("header img").naturalWidth > 0,
    smallest: Math.min(44, ...Array.from(
        document.querySelectorAll("button, .button, input.code, .choice, .ways a, header a"),
        control => control.getBoundingClientRect().height)),
})"""


@pytest.mark.parametrize("language", LANGUAGES)
def test_pages_fit_under_their_own_policy(site: str, browser: Browser, language: str) -> None:
    """A page fits where it is read, looks as it is meant and breaks no rule of its own headers.

    Nothing is cut off sideways even at 320 pixels (WCAG 2.2, 1.4.10); all of a first login, and of the wordiest
    faults, is seen at once on a printer's panel; the style applies and the logo shows; controls are large enough for
    a finger (2.5.5); the console has no complaint.
    """
    complaints: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        complaints.append(message.text)

    with browser.new_context(viewport=PANEL) as context:
        page = context.new_page()
        page.on("console", listen)
        for name in worth_a_look(language):
            page.set_viewport_size(PANEL)
            page.goto(f"{site}/{language}/{name}")
            on_panel = page.evaluate(MEASURES)
            page.set_viewport_size(NARROW)
            measures = page.evaluate(MEASURES)
            assert (on_panel["width"], measures["width"]) == (PANEL["width"], NARROW["width"]), name
            assert (measures["styled"], measures["logo"], measures["smallest"]) == (True, True, 44), name
            if name.startswith(("enter-code", "first-login", "trouble")):
                assert on_panel["height"] == PANEL["height"], name
    assert complaints == []


def test_forms_work_without_scripts(site: str, browser: Browser) -> None:
    """With scripts switched off, the code is found by its label, typed and sent, and a range is chosen by a tap."""
    with browser.new_context(viewport=PHONE, java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"{site}/en/enter-code")
        page.get_by_label("Enter the code from the printer").fill("bcdf ghjk")
        page.get_by_role("button", name="Continue").click()
        assert page.locator("body").inner_text() == "code=bcdf+ghjk"
        page.goto(f"{site}/en/consent")
        page.get_by_text("Send large scans").click()
        page.get_by_role("button", name="Continue to Microsoft").click()
        assert page.locator("body").inner_text() == "range=send-large"


def test_the_keyboard_shows_where_it_is(site: str, browser: Browser) -> None:
    """Whoever uses the keyboard sees which control has the focus."""
    with browser.new_context(viewport=PHONE) as context:
        page = context.new_page()
        page.goto(f"{site}/en/first-login")
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        focused = page.locator("button:focus")
        assert focused.inner_text() == "Sign in with Microsoft"
        assert focused.evaluate("button => getComputedStyle(button).outlineStyle") == "solid"
