"""The first login in the panel's own browser: off unless the organisation allows it; nothing is left behind (B13)."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests
from playwright.sync_api import BrowserContext, Page, expect, sync_playwright

from local.chromium import launch_options
from to_my_email import Api

CONTOSO = "11111111-1111-4111-8111-111111111111"
ADELE, BEN = "adele.vance@contoso.example", "ben.okoye@contoso.example"


@pytest.fixture
def panel(world: Any) -> Iterator[Page]:
    """The browser of a panel, which no one tidies up between its people."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**launch_options())
        context = browser.new_context(viewport={"width": 800, "height": 480}, ignore_https_errors=True, locale="en-GB")
        context.set_default_timeout(20_000)
        wrong: list[str] = []
        context.on("console", lambda told: wrong.append(told.text) if told.type == "error" else None)
        yield context.new_page()
        browser.close()
    # A refused sign-in is answered with its status, which Chromium notes.
    assert [text for text in wrong if "Failed to load resource" not in text] == [], world.url


def begin(device: Api, user: str, email: str) -> Any:
    """Somebody chooses his name at the panel."""
    return device.sign_ins.start({"user": {"id": user, "email": email, "name": user.title()}})


def allow(world: Any, *, panel_browser: bool = True) -> None:
    """The organisation decides."""
    policy = world.rooms.organisations.get(CONTOSO).policy
    world.rooms.organisations.set_policy(CONTOSO, replace(policy, panel_browser=panel_browser))


def at_microsoft(page: Page, address: str, account: str) -> str:
    """Press our button and sign in at Microsoft; returns what Microsoft showed first."""
    page.goto(address)
    page.get_by_role("button", name="Sign in with Microsoft").click()
    page.wait_for_url("**/authorize?**")
    shown = page.locator("body").inner_text()
    page.locator(f"#account-{account.replace('/', '-')}").click()
    return shown


def left(context: BrowserContext, ours: str) -> list[str]:
    """What a browser still knows: names of cookies of all sites, and what lies in our site's storage."""
    names = [str(cookie.get("name")) for cookie in context.cookies()]
    page = context.new_page()
    page.goto(f"{ours}/")
    stored = page.evaluate(
        "async () => [...Object.keys(localStorage), ...Object.keys(sessionStorage),"
        " ...(await indexedDB.databases()).map((one) => one.name), ...await caches.keys()]"
    )
    page.close()
    return [*names, *stored]


def knows_somebody(context: BrowserContext, world: Any) -> bool:
    """Whether Microsoft would let the next one in at this browser as somebody who was here before."""
    query = {
        "client_id": world.rooms.settings.client_id,
        "redirect_uri": f"{world.url}/auth/callback",
        "response_type": "code",
        "scope": "openid",
        "prompt": "select_account",
    }
    page = context.new_page()
    page.goto(f"{world.microsoft_url}/{CONTOSO}/oauth2/v2.0/authorize?{urlencode(query)}")
    found = page.locator("[id^=pick-]").count() > 0
    page.close()
    return found


def test_it_is_off_until_the_organisation_allows_it(world: Any) -> None:
    """Without the policy no address is given, the record says so, and a made-up address opens nothing."""
    world.consent()
    device = world.printer()
    begun = begin(device, "adele", ADELE)
    assert begun.panel_uri is None
    assert device.about().policy["panel_browser"] is False
    made_up = f"{begun.verification_uri_complete}/panel"
    same_site = {"Origin": world.url, "Sec-Fetch-Site": "same-origin"}
    assert requests.get(made_up, timeout=10).status_code == 404
    assert requests.post(made_up, headers=same_site, timeout=10, allow_redirects=False).status_code == 404
    allow(world)
    assert device.about().policy["panel_browser"] is True
    begun = begin(device, "adele", ADELE)
    assert requests.get(begun.panel_uri, timeout=10).status_code == 200
    # The phone's way stays as it is, and a policy that is taken back counts at once.
    answer = requests.post(begun.panel_uri, headers=same_site, timeout=10, allow_redirects=False)
    assert parse_qs(urlsplit(answer.headers["Location"]).query)["prompt"] == ["login"]
    answer = requests.post(begun.verification_uri_complete, headers=same_site, timeout=10, allow_redirects=False)
    assert parse_qs(urlsplit(answer.headers["Location"]).query)["prompt"] == ["select_account"]
    allow(world, panel_browser=False)
    world.clock.advance(minutes=2)
    assert requests.post(begun.panel_uri, headers=same_site, timeout=10, allow_redirects=False).status_code == 404


def test_the_next_person_finds_nothing(world: Any, panel: Page) -> None:
    """B13: Adele signs in at the panel; the browser forgets her, at Microsoft and here, and Ben is asked who he is.

    Then Ben signs in for Adele's panel user by mistake: refused, and he is forgotten just the same.
    """
    world.consent()
    allow(world)
    device = world.printer()
    begun = begin(device, "adele", ADELE)
    panel.goto(begun.panel_uri)
    expect(panel.locator("main")).to_contain_text("nothing of you stays in this browser")
    at_microsoft(panel, begun.panel_uri, "contoso/adele")
    expect(panel.get_by_role("heading", name="Now press OK on the printer")).to_be_visible()
    assert panel.url.startswith(f"{world.url}/auth/signed-out")
    assert left(panel.context, world.url) == []
    assert not knows_somebody(panel.context, world)
    assert "adele" not in panel.content().lower()
    assert device.sign_ins.look(begun.id).status == "confirm"
    device.sign_ins.confirm(begun.id)
    assert device.user("adele").status == "ready"

    begun = begin(device, "ben", BEN)
    shown = at_microsoft(panel, begun.panel_uri, "contoso/adele")
    assert "Pick an account" not in shown
    expect(panel.get_by_role("heading", name="This is not the account of this printer user")).to_be_visible()
    assert left(panel.context, world.url) == []
    assert not knows_somebody(panel.context, world)
    state = device.sign_ins.look(begun.id)
    assert (state.status, state.reason) == ("denied", "wrong_account")


def test_microsoft_still_knows_somebody(world: Any, panel: Page) -> None:
    """B13: Adele took the phone's way in the panel's browser, or left before Microsoft's sign-out was through.

    Ben must type his own password all the same, and afterwards neither of the two is known there.
    """
    world.consent()
    allow(world)
    device = world.printer()
    at_microsoft(panel, begin(device, "adele", ADELE).verification_uri_complete, "contoso/adele")
    expect(panel.get_by_role("heading", name="Now press OK on the printer")).to_be_visible()
    assert knows_somebody(panel.context, world)
    assert not [one for one in panel.context.cookies() if str(one.get("name")).startswith("__Host-")]
    shown = at_microsoft(panel, begin(device, "ben", BEN).panel_uri, "contoso/ben")
    assert "Pick an account" not in shown
    expect(panel.get_by_role("heading", name="Now press OK on the printer")).to_be_visible()
    assert left(panel.context, world.url) == []
    assert not knows_somebody(panel.context, world)


@pytest.mark.parametrize("state", ["", "x", "x~y", "~wrong_account", "a" * 5000, "%00~<script>"])
def test_a_made_up_way_back_is_harmless(world: Any, state: str) -> None:
    """Microsoft may bring no state back, and anybody may send one: a page of ours, and nothing left behind."""
    answer = requests.get(f"{world.url}/auth/signed-out", {"state": state} if state else {}, timeout=10)
    assert answer.status_code in {200, 403}
    assert answer.headers["Clear-Site-Data"] == '"cache", "cookies", "storage"'
    assert "__Host-browser=" in answer.headers["Set-Cookie"]
    assert "<script" not in answer.text
