"""Axe finds nothing on any page, in any language, at any width (WCAG 2.2, levels A and AA, and its best practices)."""

import base64
import json
import re
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from local import azurite
from local.chromium import launch_options
from shared.pages import Pages, asset
from shared.texts import LANGUAGES
from tests.pages.test_browser import SAMPLES, worth_a_look

AXE = azurite.INSTALLED / "node_modules" / "axe-core" / "axe.min.js"
WIDTHS = (390, 800, 1280)
PAGES = Pages([])
RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
}
# All pages in one window, one after another: going to an address would take longer than looking.
LOOK = """async ([pages, rules]) => {
    const found = {};
    for (const [name, html] of pages) {
        document.open();
        document.write(html);
        document.close();
        await document.fonts.ready;
        const { violations } = await axe.run(document, rules);
        const faults = violations.flatMap((one) => one.nodes.map((node) => `${one.id}: ${node.html.slice(0, 120)}`));
        if (document.styleSheets.length !== 1) faults.push("no style");
        if (faults.length) found[name] = faults;
    }
    return found;
}"""


def alone(name: str, language: str) -> str:
    """A page with style and pictures in itself; tests/pages/test_browser.py holds the policy that would forbid it."""

    def served(address: str) -> bytes:
        found = asset(address.removeprefix("/assets/").partition("?")[0])
        assert found is not None, address
        return found.body

    def style(link: re.Match[str]) -> str:
        return f"<style>{served(link[1]).decode()}</style>"

    def picture(source: re.Match[str]) -> str:
        return f'src="data:image/svg+xml;base64,{base64.b64encode(served(source[1])).decode()}"'

    html = PAGES.render(SAMPLES[name], language=language, reference="7b0e6a52").body.decode()
    html, styles = re.subn(r'<link rel="stylesheet" href="(/assets/[^"]*)">', style, html)
    assert styles == 1, name
    return re.sub(r'src="(/assets/[^"]*)"', picture, html)


@pytest.mark.parametrize("language", LANGUAGES)
def test_axe_finds_nothing(language: str) -> None:
    """Every page of the product, in every language, on a phone, a panel and a desk, by day and on one of them by night.

    Of the faults, whose pages differ in their texts alone, the wordiest five; the others are seen on the phone.
    """
    pages = {name: alone(name, language) for name in SAMPLES}
    seen = worth_a_look(language)
    turn = LANGUAGES.index(language)
    looks: list[tuple[int, str, list[str]]] = [
        *((width, "light", seen) for width in WIDTHS),
        (WIDTHS[turn % len(WIDTHS)], "dark", seen),
        (WIDTHS[0], "light", [name for name in pages if name not in seen]),
    ]
    found: dict[str, Any] = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**launch_options())
        page = browser.new_page()
        page.add_script_tag(path=AXE)
        for width, scheme, names in looks:
            page.set_viewport_size({"width": width, "height": 800})
            page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            faults = page.evaluate(LOOK, [[(name, pages[name]) for name in names], RULES])
            found |= {f"{name} {width} {scheme}": told for name, told in faults.items()}
        # It is awake: a picture without a text is found, and a colour that is too pale by day or by night.
        spoilt = pages["front"].replace("</main>", '<img src="data:,"><p style="color: #888">Pale</p></main>')
        [told] = page.evaluate(LOOK, [[("front", spoilt)], RULES]).values()
        assert {"image-alt", "color-contrast"} <= {fault.partition(":")[0] for fault in told}
        browser.close()
    assert found == {}, json.dumps(found, indent=1)
