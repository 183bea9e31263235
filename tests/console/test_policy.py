"""The policy's form: in people's units, and whole or not at all."""

import html
import re
from dataclasses import replace
from typing import Any

import pytest

from shared.organisations import Policy
from tests.console.conftest import Desk
from tests.console.test_safety import CONTOSO

NAME = re.compile(r'<(?:input|select|textarea)[^>]*\bname="([a-z_]+)"')


def filled_in(page: str) -> dict[str, str]:
    """The form as a browser would send it back untouched."""
    form = page[page.index('action="/console/policy"') :]
    told = dict(re.findall(r'<input type="(?:text|number)"[^>]*\bname="([a-z_]+)" value="([^"]*)"', form))
    told |= dict(re.findall(r'<textarea[^>]*\bname="([a-z_]+)"[^>]*>\n(.*?)</textarea>', form, re.DOTALL))
    for name, options in re.findall(r'<select[^>]*\bname="([a-z_]+)"[^>]*>(.*?)</select>', form, re.DOTALL):
        told[name] = re.findall(r'<option value="([^"]*)" selected', options)[0]
    assert set(told) == set(NAME.findall(form))
    return {name: html.unescape(value) for name, value in told.items()}


@pytest.mark.parametrize(
    ("before", "typed", "after"),
    [
        (25_000_000, "40", 40_000_000),
        # To the byte, from elsewhere: saving the page for another field's sake does not round it.
        (31_457_280, None, 31_457_280),
        (25_000_000, "150", 150_000_000),
        (25_000_000, "151", None),
        (25_000_000, "0", None),
        (25_000_000, "2,5", None),
    ],
)
def test_the_largest_document_is_in_megabytes(
    world: Any, desk: Desk, before: int, typed: str | None, after: int | None
) -> None:
    """What an administrator types is what he means; what cannot be used changes nothing, and says so at its field."""
    world.consent()
    world.rooms.organisations.set_policy(CONTOSO, replace(Policy(), largest_document=before))
    admin = desk.cookie(desk.open())
    form = filled_in(desk.get("/console/policy", admin).text)
    answer = desk.post(
        "/console/policy", admin, {**form, "hold_hours": "30", "largest_document": typed or form["largest_document"]}
    )
    policy = world.rooms.organisations.get(CONTOSO).policy
    if after is None:
        assert answer.status_code == 422
        assert 'name="largest_document"' in answer.text
        assert answer.text.count('aria-invalid="true"') == 1
        assert policy == replace(Policy(), largest_document=before)
    else:
        assert answer.status_code == 303
        assert policy == replace(Policy(), largest_document=after, hold_hours=30)
        audit = html.unescape(desk.get("/console/audit", admin).text)
        changed = typed is not None and before != after
        assert ("largest_document" in audit) is changed
        assert (f"largest_document {before // 1_000_000} -> {typed} MB" in audit) is changed
