"""Axe finds nothing on any page, in any language, at any width (WCAG 2.2, levels A and AA, and its best practices)."""

import json
from typing import Any

from playwright.sync_api import sync_playwright

from local import azurite
from local.chromium import launch_options
from shared.pages import Pages, asset
from shared.texts import LANGUAGES
from tests.pages.test_browser import SAMPLES, worth_a_look

AXE = azurite.INSTALLED / "node_modules" / "axe-core" / "axe.min.js"
WIDTHS = (390, 800, 1280)
PAGES = Pages([])
ORIGIN = "http://pages.test"
RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
}


def faults_of(page: Any) -> list[str]:
    """What axe finds on the page as it is: rule and element."""
    result = page.evaluate("rules => axe.run(document, rules)", RULES)
    return [f"{found['id']}: {node['html'][:120]}" for found in result["violations"] for node in found["nodes"]]


def test_axe_finds_nothing() -> None:
    """Every page of the product, on a phone, a panel and a desk, in every language, by day and by night.

    The three widths go round the languages: each page is seen at every width, in every language, and by night once.
    """

    def answer(route: Any) -> None:
        path = route.request.url.removeprefix(ORIGIN)
        if path.startswith("/assets/"):
            served = asset(path.removeprefix("/assets/").partition("?")[0])
            assert served is not None
            route.fulfill(body=served.body, content_type=served.media_type)
        else:
            _, language, name = path.split("/")
            body = PAGES.render(SAMPLES[name], language=language, reference="7b0e6a52").body
            # Without its policy, which lets no script in: axe is one. tests/pages/test_browser.py holds the policy.
            route.fulfill(body=body, content_type="text/html; charset=utf-8")

    found: dict[str, list[str]] = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**launch_options())
        context = browser.new_context()
        context.route("**/*", answer)
        context.add_init_script(path=AXE)
        page = context.new_page()
        for turn, language in enumerate(LANGUAGES):
            for number, name in enumerate(worth_a_look(language)):
                width = WIDTHS[(turn + number) % len(WIDTHS)]
                page.set_viewport_size({"width": width, "height": 800})
                page.goto(f"{ORIGIN}/{language}/{name}", wait_until="load")
                night = number % len(LANGUAGES) == turn
                for scheme in ("light", "dark") if night else ("light",):
                    page.emulate_media(color_scheme=scheme)
                    if faults := faults_of(page):
                        found[f"{name} {language} {width} {scheme}"] = faults
        # It is awake: a picture without a text is found.
        page.evaluate("document.querySelector('main').append(document.createElement('img'))")
        assert any(fault.startswith("image-alt") for fault in faults_of(page))
        browser.close()
    assert found == {}, json.dumps(found, indent=1)
