"""The mail of a scan in the organisation's own words."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.organisations import Policy
from shared.scans.compose import compose
from shared.scans.job import Job, Manifest
from shared.services import now

MANIFEST = Manifest("id", "to_my_email", "adele", "Lease", "en", "lease.pdf", "application/pdf", 1, "0" * 64)
JOB = Job(
    "device", MANIFEST, "tid", "oid", "accepted", None, 0, now(), now(), None, "blob", "etag", "Printer 2F", "2nd floor"
)


def test_without_templates_it_is_ours() -> None:
    """The title, or the printer's name; our text in the job's language."""
    assert compose(JOB, Policy()).subject == "Lease"
    untitled = replace(JOB, manifest=replace(MANIFEST, title=""))
    assert compose(untitled, Policy()).subject == "Scan from Printer 2F"
    assert "Printer 2F (2nd floor)" in compose(JOB, Policy()).text


def test_with_templates_it_is_theirs() -> None:
    """All four placeholders, several lines, the day as the language writes it."""
    policy = Policy(subject="[{printer}] {title}", text="From {printer}, {location}\n\n{date}: {title}\n")
    message = compose(JOB, policy)
    assert message.subject == "[Printer 2F] Lease"
    assert message.text == f"From Printer 2F, 2nd floor\n\n{JOB.created:%Y-%m-%d}: Lease"


def test_a_template_that_comes_to_nothing_is_ours() -> None:
    """A scan without a title and a subject of the title alone still has a subject."""
    untitled = replace(JOB, manifest=replace(MANIFEST, title="\u200b\n"))
    assert compose(untitled, Policy(subject="{title}", text=" {title}\n")).subject == "Scan from Printer 2F"
    assert compose(untitled, Policy(text=" {title}\n")).text == compose(untitled, Policy()).text


@given(title=st.text(max_size=60), printer=st.text(max_size=60))
@settings(deadline=None, max_examples=150)
def test_what_a_printer_says_adds_no_line(title: str, printer: str) -> None:
    """F01, F04: titles and names are one clean line in subject and text, whatever they hold."""
    job = replace(JOB, manifest=replace(MANIFEST, title=title), printer=printer)
    message = compose(job, Policy(subject="{title}{printer}x", text="{title}\n{printer}\nx"))
    assert "\n" not in message.subject
    assert "\r" not in message.text
    assert len(message.text.split("\n")) <= 3


@pytest.mark.parametrize("field", ["subject", "text"])
def test_delivery_uses_them(office: Any, field: str) -> None:
    """What the organisation set is what arrives."""
    office.decide(**{field: "Ours: {title}"})
    office.deliver(office.accept())
    [mail] = office.mails()
    assert "Ours: Lease" in (mail.subject if field == "subject" else mail.body)
