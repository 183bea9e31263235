"""The pages in docs/: links lead somewhere, pictures are small, what they say of retention is what the code does."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from infra.bicep import files
from shared.organisations.policy import LONGEST_HOLD
from shared.scans.claims import GIVEN_UP_AFTER
from shared.scans.holds import LONGEST_LIFE
from shared.scans.retention import KEPT

HOUSE = Path(__file__).resolve().parent.parent
PAGES = sorted([*HOUSE.glob("*.md"), *HOUSE.glob("docs/**/*.md"), *HOUSE.glob("infra/*.md")])
LARGEST_PICTURE = 60_000
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(#[^)\s]*)?\)")


def anchors(page: Path) -> set[str]:
    """What a page's headings are called in links, as GitHub makes it."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {"#" + re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(HOUSE).as_posix())
def test_every_link_leads_somewhere(page: Path) -> None:
    """A file that was renamed, or a heading, breaks this test and not the reader."""
    for file, heading in LINK.findall(page.read_text("utf-8")):
        target = (page.parent / file) if file else page
        assert target.exists(), file
        if heading:
            assert heading in anchors(target), file + heading


def test_pictures_are_small() -> None:
    """Everybody who clones pays for them."""
    pictures = list(HOUSE.glob("docs/*.png"))
    assert pictures
    assert [picture.name for picture in pictures if picture.stat().st_size > LARGEST_PICTURE] == []


def test_a_security_team_is_told_the_truth_of_retention() -> None:
    """I06: hours, days and limits on the page are the code's and the template's."""
    page = " ".join((HOUSE / "docs" / "security-questions.md").read_text("utf-8").split())
    assert (timedelta(days=5), timedelta(days=1)) == (LONGEST_LIFE, GIVEN_UP_AFTER)
    assert f"at most {LONGEST_HOLD} hours at once and five days in all; tried for a day more" in page
    assert f"| a job's row | {KEPT.days} days |" in page
    [main] = [file for file in files() if file.name == "main.bicep"]
    days = main.parameters["documentDays"]
    least = {made["type"]: made["argument"] for made in days["decorators"]}["min_value"]
    assert f"`documentDays` ({days['default']}, at least {least})" in page
