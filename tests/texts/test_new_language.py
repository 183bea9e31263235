"""Somebody adds a language by one file: it is offered, and no page has a text that the file does not reach."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from tests.pages.outline import Outline

ROOT = Path(__file__).parents[2]
ADDED = "eo"
LEFT, RIGHT = "\u27e6", "\u27e7"
SCRIPT = f"""
import sys
from pathlib import Path
from shared.texts import LANGUAGES, negotiate, own_name
from local.show_pages import samples
from shared.pages import Pages
assert "{ADDED}" in LANGUAGES and negotiate("{ADDED}-001, en;q=0.5") == "{ADDED}", LANGUAGES
assert own_name("{ADDED}") == "{LEFT}English{RIGHT}", own_name("{ADDED}")
for name, view in samples():
    Path(sys.argv[1], name + ".html").write_bytes(Pages([]).render(view, language="{ADDED}", reference="7b0e").body)
"""
SAID = {"h2", "dt", "label", "legend", "button", "th", "figcaption", "summary", "option"}
"""What these elements say is ours, except for what the samples put into them."""
OWN = re.compile(r"360|361|370|Adele Vance|To My Email|BCDF.GHJK|•••@")


def test_one_file_is_enough(tmp_path: Path) -> None:
    """Every text of every page in brackets: what stands without them could not be translated."""
    for room in ("shared", "functions", "local"):
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
    with (ROOT / "shared/texts/locale/de/LC_MESSAGES/messages.po").open("rb") as file:
        catalogue = read_po(file)
    for message in catalogue:
        if message.id and len(str(message.id)) > 1:
            message.string = f"{LEFT}{message.id}{RIGHT}"
    place = tmp_path / "shared/texts/locale" / ADDED / "LC_MESSAGES"
    place.mkdir(parents=True)
    with (place / "messages.mo").open("wb") as file:
        write_mo(file, catalogue)
    pages = tmp_path / "pages"
    pages.mkdir()
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(pages)], cwd=tmp_path, check=False, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    bare: set[str] = set()
    for page in sorted(pages.glob("*.html")):
        outline = Outline(page.read_text())
        assert LEFT in outline.one("title").text, page.name
        if page.stem != "api-docs":
            found = [element.text.strip() for element in outline.all(*SAID)]
            bare |= {text for text in found if text and LEFT not in text and not OWN.search(text)}
    # Days and device data are no texts of ours.
    assert {text for text in bare if re.search(r"[A-Za-z]{2}", text)} == set()
