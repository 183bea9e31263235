"""What an organisation decides: checked when it is set, templates without any power, and a command."""

import io
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.organisation_command import run
from shared.organisations import PLACEHOLDERS, RANGES, Organisations, Policy, PolicyInvalid
from shared.organisations.templates import TemplateInvalid, check, fill
from shared.storage import Storage

TID = "11111111-1111-4111-8111-111111111111"
VALUES = {"title": "Lease", "printer": "Printer 2F", "location": "2nd floor", "date": "2026-11-23"}


@pytest.fixture
def organisations(storage: Storage, clock: Any) -> Organisations:
    """The room, with one organisation."""
    made = Organisations(storage.table("organisations"), clock)
    made.consented(TID, name="contoso", consented_range=RANGES["send"], proven_by="a", oid="o")
    return made


WRONG: list[tuple[str, Any]] = [
    ("hold_hours", -1), ("hold_hours", 73), ("hold_hours", 1.5), ("hold_hours", True), ("hold_hours", "24"),
    ("unknown_outcome", "send"), ("largest_document", 0), ("largest_document", 150_000_001),
    ("failure_notices", 1), ("failure_notices", "no"), ("panel_browser", "yes"),
    ("subject", "x" * 201), ("subject", "two\nlines"), ("subject", "{user}"), ("subject", None),
    ("text", "x" * 4001), ("text", "bell\x07"), ("text", "{title.__class__}"), ("text", "{title"),
]  # fmt: skip


@pytest.mark.parametrize(("field", "value"), WRONG)
def test_what_cannot_be_meant_is_refused_when_it_is_set(organisations: Organisations, field: str, value: Any) -> None:
    """The field is named, its value is not repeated, and the policy stays as it was."""
    before = organisations.get(TID).policy
    with pytest.raises(PolicyInvalid) as refused:
        organisations.set_policy(TID, replace(Policy(), **{field: value}))
    assert [problem.split()[0].rstrip(":") for problem in refused.value.problems] == [field]
    assert "__class__" not in str(refused.value)
    assert organisations.get(TID).policy == before


def test_everything_wrong_is_named_at_once(organisations: Organisations) -> None:
    """One try shows all mistakes."""
    with pytest.raises(PolicyInvalid) as refused:
        organisations.set_policy(TID, Policy(hold_hours=-1, largest_document=0, subject="{x}", text="{"))
    assert len(refused.value.problems) == 4


@pytest.mark.parametrize(
    "template",
    [
        "{user}", "{}", "{0}", "{title.__class__}", "{title[0]}", "{title!r}", "{title:>9}", "{title:{date}}",
        "{title", "title}", "{{title}", "{ title}", "{Title}", "{title.format}", "{__globals__}", "{title,}",
    ],
)  # fmt: skip
def test_only_the_four_placeholders_are_any(template: str) -> None:
    """F04: no other name, no attribute, index, conversion or format; a brace needs its other."""
    with pytest.raises(TemplateInvalid):
        check(template)
    with pytest.raises(TemplateInvalid):
        fill(template, VALUES)


def test_a_template_is_filled() -> None:
    """Each placeholder as often as it stands there; doubled braces are braces."""
    template = "{title} | {printer} | {location} | {date} | {title} {{title}}"
    assert fill(template, VALUES) == "Lease | Printer 2F | 2nd floor | 2026-11-23 | Lease {title}"
    assert fill("", VALUES) == ""


@given(st.text(max_size=80), st.text(max_size=40))
@settings(deadline=None, max_examples=300)
def test_no_text_has_power(template: str, title: str) -> None:
    """F04: any template is refused or filled; what a value says stands there as it is and is not read again."""
    values = dict.fromkeys(PLACEHOLDERS, title)
    try:
        check(template)
    except TemplateInvalid:
        with pytest.raises(TemplateInvalid):
            fill(template, values)
        return
    filled = fill(f"{{title}}{template}", values)
    assert filled.startswith(title)
    assert fill("{title}", {**values, "title": "{date}{0.__class__}"}) == "{date}{0.__class__}"


def command(organisations: Organisations, *line: str) -> tuple[int, str]:
    """Run a command line."""

    class Rooms:
        pass

    rooms: Any = Rooms()
    rooms.organisations = organisations
    out = io.StringIO()
    return run(line, rooms, out), out.getvalue()


def test_the_command_shows_and_sets(organisations: Organisations, capsys: pytest.CaptureFixture[str]) -> None:
    """What is not named stays; what is wrong changes nothing, and is not repeated; an unknown tenant has none."""
    status, shown = command(organisations, "show", "--tenant", TID.upper())
    assert status == 0
    assert "hold_hours = 24\n" in shown
    line = (
        "hold_hours=0",
        "failure_notices=false",
        "subject=Scan: {title}",
        r"text=Hello\n{date}",
        "unknown_outcome=leave",
    )
    assert command(organisations, "set", "--tenant", TID, *line)[0] == 0
    found = organisations.get(TID).policy
    assert found == Policy(hold_hours=0, failure_notices=False, subject="Scan: {title}", text="Hello\n{date}")
    for wrong in ("hold_hours=canary", "hold_hours=99", "canary=1", "subject={canary}", "hold_hours"):
        assert command(organisations, "set", "--tenant", TID, wrong)[0] == 2
    assert command(organisations, "show", "--tenant", "22222222-2222-4222-8222-222222222222")[0] == 1
    assert command(organisations, "show", "--tenant", "contoso")[0] == 2
    assert organisations.get(TID).policy == found
    assert "must be a whole number" in capsys.readouterr().err
