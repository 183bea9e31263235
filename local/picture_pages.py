"""Take a picture of every page, to be looked at: ``python -m local.picture_pages OUTDIR``, with the tests' environment.

Single pictures are ``{language}-{width}-{page}.png``; several of a kind stand side by side on ``sheet-*.png``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from local.chromium import launch_options
from local.show_pages import samples
from shared.pages import Pages, Trouble, asset

WIDTHS = (390, 800, 1280)
HEIGHTS = {390: 844, 800: 480, 1280: 800}
LANGUAGES = ("en", "be")
ORIGIN = "http://pages.local"
FAULTS_SHOWN = 5
"""Their pages differ in their texts alone: the wordiest are enough."""
COLUMNS = {390: 6, 800: 3, 1280: 3}
SHEET = (1560, 1500)
"""Pixels of a sheet: what can be read on one screen."""
_GAP = 8


def worth_a_picture(pages: Pages, language: str) -> list[str]:
    """Return the names of every page, and of the wordiest faults."""
    views = dict(samples())
    faults = [name for name, view in views.items() if isinstance(view, Trouble)]
    faults.sort(key=lambda name: len(pages.render(views[name], language=language).body.decode()))
    return [name for name in views if name not in faults[:-FAULTS_SHOWN]]


def take(folder: Path, languages: Sequence[str], widths: Sequence[int], wanted: Sequence[str]) -> None:
    """Take the pictures and the sheets. ``wanted``: beginnings of names, or nothing for all."""
    from playwright.sync_api import sync_playwright

    folder.mkdir(parents=True, exist_ok=True)
    pages, views = Pages([]), dict(samples())

    def answer(route: Any) -> None:
        path = urlsplit(route.request.url).path
        if path.startswith("/assets/"):
            found = asset(path.removeprefix("/assets/"))
            assert found is not None
            route.fulfill(body=found.body, headers=found.headers)
        else:
            _, language, name = path.split("/")
            page = pages.render(views[name], language=language, reference="7b0e6a52")
            route.fulfill(body=page.body, headers=page.headers)

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**launch_options())
        context = browser.new_context()
        context.route("**/*", answer)
        page = context.new_page()
        for language in languages:
            names = [name for name in worth_a_picture(pages, language) if not wanted or name.startswith(tuple(wanted))]
            for name in names:
                page.goto(f"{ORIGIN}/{language}/{name}")
                for width in widths:
                    page.set_viewport_size({"width": width, "height": HEIGHTS[width]})
                    page.screenshot(path=folder / f"{language}-{width}-{name}.png", full_page=True)
            for width in widths:
                _sheets(folder, f"{language}-{width}", names, COLUMNS[width])
        browser.close()


def _sheets(folder: Path, kind: str, names: Sequence[str], columns: int) -> None:
    """Put the pictures of a kind beside and below each other, each as wide as a column."""
    from PIL import Image, ImageDraw

    wide = SHEET[0] // columns - _GAP

    def scaled() -> Iterator[tuple[str, Any]]:
        for name in names:
            picture = Image.open(folder / f"{kind}-{name}.png").convert("RGB")
            high = round(picture.height * wide / picture.width)
            yield name, picture.resize((wide, high), Image.Resampling.LANCZOS)

    number, sheet, filled = 0, Image.new("RGB", SHEET, "#444"), [0] * columns
    for name, picture in scaled():
        column = filled.index(min(filled))
        if filled[column] and filled[column] + picture.height + 2 * _GAP > SHEET[1]:
            sheet.save(folder / f"sheet-{kind}-{number:02d}.png")
            number, sheet, filled, column = number + 1, Image.new("RGB", SHEET, "#444"), [0] * columns, 0
        left, top = column * (wide + _GAP), filled[column]
        ImageDraw.Draw(sheet).text((left + 2, top), name, fill="#fff")
        sheet.paste(picture, (left, top + 12))
        filled[column] += picture.height + 12 + _GAP
    sheet.save(folder / f"sheet-{kind}-{number:02d}.png")


def main(arguments: Sequence[str]) -> None:
    """Carry out the command line."""
    parser = argparse.ArgumentParser(prog="local.picture_pages", description="Take a picture of every page.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", help="beginnings of pages' names; none: all")
    parser.add_argument("--languages", nargs="+", default=LANGUAGES)
    parser.add_argument("--widths", nargs="+", type=int, choices=WIDTHS, default=WIDTHS)
    asked = parser.parse_args(arguments)
    take(asked.folder, asked.languages, asked.widths, asked.names)


if __name__ == "__main__":
    main(sys.argv[1:])
