"""What checkov's report is made of: ``make infra-check`` asks checkov itself."""

import re
from pathlib import Path
from typing import Any

import pytest

from infra.policies import HERE, PLANTED, problems, skips

REASON = re.compile(r"// checkov:skip=(\w+): (\S.*)")


def report(**results: Any) -> dict[str, Any]:
    """A report as checkov writes it."""
    return {"summary": {"parsing_errors": len(results.get("parsing_errors", []))}, "results": results}


FAILED = {"file_path": "/a.bicep", "resource": "x.y", "check_id": "CKV_1", "check_name": "Ensure"}


@pytest.mark.parametrize(
    ("said", "written", "expected"),
    [
        (report(), set(), []),
        (report(failed_checks=[FAILED]), set(), ["/a.bicep: x.y: CKV_1: Ensure"]),
        (report(parsing_errors=["/a.bicep"]), set(), ["/a.bicep cannot be read by checkov"]),
        ({"summary": {"parsing_errors": 1}}, set(), ["checkov cannot read a file"]),
        (report(skipped_checks=[FAILED]), {("/a.bicep", "CKV_1")}, []),
        (report(skipped_checks=[FAILED]), {("/b.bicep", "CKV_1")}, ["/b.bicep: nothing needs the skip of CKV_1"]),
    ],
)
def test_what_a_report_is_made_of(said: dict[str, Any], written: set[tuple[str, str]], expected: list[str]) -> None:
    """A failure, an unread file and a skip that is out of date are problems; a skip in use is none."""
    assert problems(said, written) == expected


def test_every_skip_says_why() -> None:
    """A policy that is not followed is argued beside its resource; "the same" stands below another reason."""
    found = 0
    for path in HERE.rglob("*.bicep"):
        reason = ""
        for line in path.read_text("utf-8").splitlines():
            if "checkov:skip" in line:
                given = REASON.search(line)
                assert given, line
                assert len(given[2]) > len("the same; the plan") or (given[2].startswith("the same") and reason), line
                reason = given[2]
            else:
                reason = ""
            found += "checkov:skip" in line
    assert found >= len(skips(HERE)) > 0


def test_the_planted_mistake_can_be_planted(read_site: str) -> None:
    """What it replaces is there, once."""
    assert PLANTED[0] == "modules/site.bicep"
    assert read_site.count(PLANTED[1]) == 1


@pytest.fixture
def read_site() -> str:
    """The function app's file."""
    return (Path(HERE) / "modules" / "site.bicep").read_text("utf-8")
