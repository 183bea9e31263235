"""The panel: its own service over HTTP, and what a person sees of it in a real browser."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright
from starlette.responses import PlainTextResponse

from local.chromium import launch_options
from local.printer.panel import LANGUAGES, Panel, enrol
from local.printer.registry import USERS
from local.printer.sheet import make_sheet
from tests.clients.wire import TICKET, DeviceApi, problem, served
from tests.manifests import make_manifest
from to_my_email import Client

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
HINT = "a***@contoso.example"
PANEL = {"X-Panel": "1"}


@pytest.fixture
def service() -> Iterator[DeviceApi]:
    """A service on a port of its own."""
    api = DeviceApi()
    with served(api.app) as api.url:
        yield api


@pytest.fixture
def device(service: DeviceApi, tmp_path: Path) -> Iterator[Client]:
    """A device out of the box."""
    made = Client(service.url, tmp_path / "printer")
    yield made
    made.close()


@pytest.fixture
def url(device: Client) -> Iterator[str]:
    """The address of the device's panel."""
    with served(Panel(device, USERS, lambda: NOW).app()) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for all."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(**launch_options())
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    """The panel in a window of its own size; an error on its console is a failure of the test."""
    context = browser.new_context(viewport={"width": 800, "height": 480})
    shown = context.new_page()
    wrong: list[str] = []
    shown.on("pageerror", lambda error: wrong.append(str(error)))
    shown.on("request", lambda asked: wrong.append(asked.url) if not asked.url.startswith((url, "data:")) else None)
    shown.goto(url)
    expect(shown.locator(".tile.first")).to_be_visible()
    yield shown
    context.close()
    assert wrong == []


def approve(service: DeviceApi) -> None:
    """Do what the person does elsewhere: the panel is to ask for his OK now."""
    service.approvals[list(service.approvals)[-1]] |= {"status": "confirm", "account_hint": HINT}


def test_first_scan_of_a_person(page: Page, service: DeviceApi, device: Client) -> None:
    """The main job: who are you, sign in by QR or code, is this you, Start, it is in your mailbox."""
    enrol(device, TICKET)
    page.locator(".tile.first").click()
    page.get_by_role("button", name="Adele Vance").click()
    expect(page.locator("#qr")).to_have_js_property("complete", value=True)
    expect(page.locator(".user-code")).to_have_text("BCDF GHJK")
    expect(page.locator(".approval")).to_contain_text("adele.vance@contoso.example")
    expect(page.locator(".address")).to_have_text(f"{service.url}/s")
    expect(page.get_by_role("link", name="Open on this machine")).to_have_attribute("href", re.compile("/s/"))
    approve(service)
    expect(page.locator(".account")).to_have_text(HINT)
    page.get_by_role("button", name="Yes, OK").click()
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("heading", name="It is in your mailbox")).to_be_visible()
    (document,) = service.documents.values()
    assert document.startswith(b"%PDF-")


def test_person_who_says_no_is_not_signed_in(page: Page, service: DeviceApi, device: Client) -> None:
    """Is this you? No: the sign-in is withdrawn at the service, and the panel says so."""
    enrol(device, TICKET)
    page.locator(".tile.first").click()
    page.get_by_role("button", name="Ben Okoye").click()
    expect(page.locator(".approval")).to_be_visible()
    approve(service)
    page.get_by_role("button", name="No, cancel").click()
    expect(page.get_by_role("heading", name="Cancelled")).to_be_visible()
    assert [approval["status"] for approval in service.approvals.values()] == ["denied"]


def test_own_file_is_scanned_as_it_is(page: Page, service: DeviceApi, device: Client, tmp_path: Path) -> None:
    """A file of the person's own goes out byte for byte."""
    enrol(device, TICKET)
    service.users["olga"] = {"status": "ready", "account_hint": "o***@contoso.example"}
    own = tmp_path / "Ліст.pdf"
    own.write_bytes(b"%PDF-1.7 my own")
    page.locator(".tile.first").click()
    page.get_by_role("button", name="Вольга Кавальчук").click()
    with page.expect_file_chooser() as chooser:
        page.get_by_text("A file of your own").click()
    chooser.value.set_files(own)
    expect(page.locator("#file-name")).to_have_text("Ліст.pdf")
    page.get_by_role("button", name="Start").click()
    expect(page.locator(".result")).to_be_visible()
    assert list(service.documents.values()) == [b"%PDF-1.7 my own"]


def test_administrator_connects_the_organisation(page: Page, service: DeviceApi, device: Client) -> None:
    """Settings, the range, the QR code, the confirmation on the screen; OK closes it and consent is there."""
    enrol(device, TICKET)
    page.get_by_role("button", name="Settings").click()
    page.get_by_role("button", name="Connect organisation").click()
    page.get_by_role("button", name="Send and verify").click()
    expect(page.locator("#qr")).to_be_visible()
    approve(service)
    expect(page.get_by_role("heading", name="Your organisation is connected")).to_be_visible()
    page.get_by_role("button", name="OK").click()
    expect(page.locator(".tiles")).to_be_visible()
    assert [approval["request"]["range"] for approval in service.approvals.values()] == ["send-verified"]
    assert service.consent == "consented"


def test_ticket_is_pasted_at_a_printer_out_of_the_box(page: Page, device: Client) -> None:
    """A printer that is not enrolled says so, takes a ticket, and shows its key in words."""
    page.get_by_role("button", name="Connect this printer").click()
    page.get_by_label("Make a ticket with `make ticket` and paste it here.").fill(TICKET)
    page.get_by_role("button", name="OK").click()
    expect(page.locator(".result")).to_contain_text("amber lake tin")
    assert device.enrolment is not None


@pytest.mark.parametrize("code", [360, 361, 370])
def test_job_list_shows_code_remedy_and_who(page: Page, service: DeviceApi, device: Client, code: int) -> None:
    """A failed job shows its code in the list, and behind it the words, the remedy and who must act."""
    enrol(device, TICKET)
    manifest = make_manifest(b"%PDF-", name="scan.pdf", media_type="application/pdf", user_id="adele")
    device.api.submit(manifest, b"%PDF-")
    service.move(manifest["id"], "failed", code=code, reason="some_reason", who="user", message="What happened.")
    page.get_by_role("button", name="Jobs").click()
    line = page.locator(".line")
    expect(line.locator("em")).to_have_text(str(code))
    line.click()
    result = page.locator(".result")
    expect(result.locator("strong")).to_have_text(str(code))
    expect(result).to_contain_text("What happened.")
    expect(result).to_contain_text("Who must act You")


def test_refusal_is_shown_in_the_services_words(page: Page, service: DeviceApi, device: Client) -> None:
    """What the service refuses is shown with its title, detail, remedy and code, and a way to what is missing."""
    enrol(device, TICKET)
    words = {"title": "Not connected", "detail": "No administrator agreed.", "remedy": "Connect it."}
    service.refuse("POST", "sign-ins", problem(403, "consent_missing", **words, code=370, who="admin"))
    page.locator(".tile.first").click()
    page.get_by_role("button", name="Adele Vance").click()
    for text in ("Not connected", "No administrator agreed.", "Connect it.", "370", "Your administrator"):
        expect(page.locator(".result")).to_contain_text(text)


def test_service_that_is_away_is_said_on_the_status_page(page: Page, service: DeviceApi, device: Client) -> None:
    """The status page tells a service that answers from one that does not."""
    enrol(device, TICKET)
    page.get_by_role("button", name="Status").click()
    expect(page.locator(".facts")).to_contain_text("Reachable")
    expect(page.locator(".facts")).to_contain_text("Contoso")
    service.refuse("GET", "device", PlainTextResponse("Bad Gateway", 502))
    page.locator("#home").click()
    page.get_by_role("button", name="Status", exact=True).click()
    expect(page.locator(".facts")).to_contain_text("The service cannot be reached")


def test_what_is_pressed_after_home_is_what_comes(page: Page, device: Client) -> None:
    """Home asks the printer first: who has pressed something else by then is not taken away from it."""
    enrol(device, TICKET)
    page.get_by_role("button", name="Settings").click()
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/panel/state", hold)
    with page.expect_request("**/panel/state"):
        page.locator("#home").click()
    page.get_by_role("button", name="Language").click()
    with page.expect_response("**/panel/state"):
        held[0].continue_()
    page.wait_for_load_state("networkidle")
    expect(page.locator("#title")).to_have_text("Language")


def test_what_a_screen_waited_for_does_not_hold_anybody_back(page: Page, device: Client) -> None:
    """Who presses Home while the service is slow gets there, though its answer comes before Home is ready."""
    enrol(device, TICKET)
    held: dict[str, Route] = {}

    def hold(route: Route) -> None:
        held[route.request.url.rpartition("/")[2]] = route

    page.route(re.compile("/panel/(state|device)$"), hold)
    with page.expect_request("**/panel/device"):
        page.get_by_role("button", name="Status").click()
    with page.expect_request("**/panel/state"):
        page.locator("#home").click()
    for name in ("device", "state"):
        with page.expect_response(f"**/panel/{name}"):
            held[name].continue_()
    expect(page.locator(".tile.first")).to_be_visible()


def test_scan_without_a_service_waits_and_is_sent_later(page: Page, service: DeviceApi, tmp_path: Path) -> None:
    """R56: the person is told that the scan waits, in the panel's words; the printer hands it over by itself."""
    quick = Client(service.url, tmp_path / "printer", sleep=lambda _: None)
    enrol(quick, TICKET)
    service.users["adele"] = {"status": "ready", "account_hint": HINT}
    page.locator(".tile.first").click()
    page.get_by_role("button", name="Adele Vance").click()
    service.refuse("POST", "scans", problem(503, "busy", retry_after=3600))
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("heading", name="It will be sent a little later")).to_be_visible()
    assert service.documents == {}
    (done,) = quick.resume()
    quick.close()
    assert done.job is not None
    assert list(service.documents) == [done.id]


def test_own_words_are_the_panels_language(page: Page, device: Client, service: DeviceApi, tmp_path: Path) -> None:
    """What the printer itself refuses is said in the panel's language, with a remedy."""
    enrol(device, TICKET)
    service.users["adele"] = {"status": "ready", "account_hint": HINT}
    own = tmp_path / "a.pdf"
    own.write_text("This is no PDF.")
    page.locator("#language").click()
    expect(page.locator("html")).to_have_attribute("lang", "be")
    page.locator(".tile.first").click()
    page.get_by_role("button", name="Adele Vance").click()
    with page.expect_file_chooser() as chooser:
        page.locator("[name=source]").nth(1).click()
    chooser.value.set_files(own)
    page.locator("[data-on=start]").click()
    expect(page.locator(".result")).to_contain_text("Такі файл адправіць нельга")
    expect(page.locator(".result")).to_contain_text("PNG")
    assert service.documents == {}


def test_language_is_the_panels_and_the_services(page: Page, service: DeviceApi, device: Client) -> None:
    """Another language changes the panel's words and what the service is asked for."""
    enrol(device, TICKET)
    page.locator("#language").click()
    expect(page.locator(".tile.first")).to_contain_text("У маю пошту")  # noqa: RUF001
    service.languages.clear()
    page.get_by_role("button", name="Стан").click()
    expect(page.locator(".facts")).to_be_visible()
    assert set(service.languages) == {"be"}


def test_everything_is_reached_by_keyboard(page: Page, device: Client) -> None:
    """A person without a pointer gets to the sign-in: Tab, Enter, Escape."""
    enrol(device, TICKET)
    page.keyboard.press("Tab")  # the language
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".people")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".tiles")).to_be_visible()


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_screen_is_wider_or_taller_than_the_panel(page: Page, device: Client, language: str) -> None:
    """In every language the words of the main screens fit their 800 by 480."""
    enrol(device, TICKET)
    while page.locator("html").get_attribute("lang") != language:
        page.locator("#language").click()
        page.wait_for_load_state("networkidle")
    for way in (["first"], ["first", "person"], ["settings"], ["settings", "consent"], ["status"]):
        for step in way:
            page.locator(f".tile.{step}, .{step}, [data-on={step}]").first.click()
        page.wait_for_load_state("networkidle")
        outside = page.evaluate(
            """() => [...document.querySelectorAll('#screen *')].filter((e) => {
                const box = e.getBoundingClientRect();
                return box.width && (box.right > 800.5 || box.bottom > 480.5);
            }).map((e) => `${e.tagName} ${e.className} ${e.textContent.slice(0, 40)}`)"""
        )
        assert outside == [], way
        page.goto(page.url)
        page.locator(".tile.first").wait_for()


def test_another_page_cannot_press_the_panels_buttons(url: str, device: Client) -> None:
    """A form on a foreign page, and a foreign name for this machine, reach nothing."""
    assert requests.post(f"{url}/panel/enrolment", json={"ticket": TICKET}, timeout=5).status_code == 403
    named = {**PANEL, "Host": "printer.attacker.example"}
    assert requests.get(f"{url}/panel/state", headers=named, timeout=5).status_code == 400
    assert device.enrolment is None


def test_page_may_load_nothing_from_elsewhere(url: str) -> None:
    """The panel's policy lets nothing in but its own files and the QR code."""
    policy = requests.get(url, timeout=5).headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy


def test_each_sheet_is_its_own() -> None:
    """Two sheets of one moment differ by their number alone, and are PDFs."""
    one, two = make_sheet("0000-0001", NOW), make_sheet("0000-0002", NOW)
    assert one[:5] == two[:5] == b"%PDF-"
    assert one != two
