"""Everything through the console alone, in a real browser and by keyboard: from nothing to the first scan.

The time it took stands in the log; it is never asserted: pytest -o log_cli=true --log-cli-level=INFO shows it.
"""

import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from local.chromium import launch_options
from to_my_email import Api

ADELE = {"id": "adele", "email": "adele.vance@contoso.example", "name": "Adele"}
log = logging.getLogger(__name__)


@pytest.fixture
def screen(world: Any) -> Iterator[Page]:
    """An administrator's browser; nothing may be wrong on its pages."""
    wrong: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**launch_options())
        context = browser.new_context(viewport={"width": 1280, "height": 800}, ignore_https_errors=True, locale="en-GB")
        context.set_default_timeout(20_000)
        context.on("console", lambda told: wrong.append(told.text) if told.type in {"error", "warning"} else None)
        context.on("request", lambda asked: wrong.append(asked.url) if stranger(world, asked.url) else None)
        yield context.new_page()
        browser.close()
    assert wrong == []


def stranger(world: Any, address: str) -> bool:
    """Whether a page asks somebody who is neither we nor Microsoft."""
    return not address.startswith((world.url, world.microsoft_url, "data:"))


def enter(page: Page, *, selector: str) -> None:
    """Reach a button by Tab and press it by Enter: nothing needs a mouse."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            page.keyboard.press("Enter")
            return
    raise AssertionError(f"{selector} is not reached by Tab")


def done(page: Page) -> int:
    """How many steps of the set-up have ticked themselves off."""
    return page.locator(".steps .done").count()


def signs_in_and_scans(world: Any, printer: Api, browser: Browser | None) -> str:
    """The first person follows the code with his phone, presses OK at the panel, and scans; returns the scan's id."""
    assert browser is not None
    begun = printer.sign_ins.start({"user": ADELE})
    phone = browser.new_context(viewport={"width": 390, "height": 844}, ignore_https_errors=True).new_page()
    phone.goto(begun.verification_uri_complete)
    phone.get_by_role("button", name="Sign in with Microsoft").click()
    phone.locator("#account-contoso-adele").click()
    expect(phone.get_by_role("heading", name="Now press OK on the printer")).to_be_visible()
    printer.sign_ins.confirm(begun.id)
    document = world.pdf()
    accepted = printer.submit(world.manifest(document), document)
    assert world.deliver() == 1
    return str(accepted.id)


def test_from_nothing_to_the_first_scan(world: Any, screen: Page) -> None:
    """An organisation that has nothing gets its first scan into a mailbox, and its administrator sees it there.

    Consent and range, the first printer's code and its approval by four words, the first person's first login, the
    first scan; each step ticks itself off. Every button is reached and pressed by keyboard.
    """
    began = time.monotonic()
    page = screen
    page.goto(f"{world.url}/console")
    enter(page, selector="#sign-in")
    page.locator("#account-contoso-admin").click()
    page.locator("#accept").click()
    expect(page.get_by_role("heading", name="Set-up")).to_be_visible()
    assert done(page) == 0
    expect(page.locator("main")).not_to_contain_text("Everything works")

    page.get_by_role("link", name="Agree for your organisation").press("Enter")
    page.get_by_label("Send and verify").press("Space")
    enter(page, selector="#consent")
    page.locator("#pick-contoso-admin").click()
    page.locator("#accept").click()
    expect(page.get_by_role("heading", name="is connected")).to_be_visible()
    page.goto(f"{world.url}/console")
    assert done(page) == 2

    page.get_by_role("link", name="Let the first printer in").press("Enter")
    page.get_by_label("Group").fill("office")
    page.get_by_label("Where they stand").fill("2nd floor")
    enter(page, selector="#enrol")
    code = page.locator(".ticket code").inner_text()
    printer = Api(world.url, world.directory / "printer", sleep=lambda _: None)
    world.closing.callback(printer.close)
    enrolled = printer.enrol(code, model="Virtual", serial="S1", name="Printer 2F")

    page.goto(f"{world.url}/console")
    page.get_by_role("link", name="A printer waits to be let in").press("Enter")
    page.get_by_label("The four words").fill(enrolled.words)
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("The printer is in.")

    scan = signs_in_and_scans(world, printer, page.context.browser)
    assert len(world.mailbox()) == 1

    page.goto(f"{world.url}/console")
    expect(page.locator("main")).to_contain_text("Nothing. Everything works as far as we can see.")
    assert page.locator(".steps").count() == 0
    page.get_by_role("link", name="Scans").press("Enter")
    page.get_by_role("link", name="Sent", exact=True).press("Enter")
    expect(page.get_by_text(scan)).to_be_visible()
    expect(page.get_by_role("listitem").filter(has_text="1. Sent")).to_be_visible()
    log.info("from nothing to the first scan in the console: %.1f seconds", time.monotonic() - began)
