"""The list of an organisation's scans: every scan once, newest first, no other tenant's, at the price of a page."""

import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared import faults
from shared.devices import Device
from shared.organisations.policy import Policy
from shared.pages import ACTS, CHOICES, POLICY
from shared.scans import Job
from shared.services import Services
from shared.storage import AlreadyThere
from tests.privacy.conftest import ADELE, BEN, CONTOSO, FABRIKAM, PRINTER, Desk, desk

__all__ = ["desk"]


def stored(desk: Desk, number: int, **more: Any) -> Job:
    """A scan, a minute later than the one before."""
    job = desk.announce(**more)
    desk.rooms.jobs.insert(job)
    desk.clock.advance(minutes=1)
    return job


def walk(rooms: Services, count: int, tid: str = CONTOSO, **asked: Any) -> list[str]:
    """The ids on all pages, in order."""
    ids, cursor = [], ""
    while True:
        page, more = rooms.ledger.page(tid, cursor, count, **asked)
        assert len(page) <= count
        ids += [job.manifest.id for job in page]
        if more is None:
            return ids
        assert more != cursor
        cursor = more


@pytest.mark.parametrize("count", [1, 3, 7, 8])
def test_pages_show_every_scan_once(desk: Desk, count: int) -> None:
    """Newest first, nothing twice, nothing missing, whatever the size of a page; by printer and person as well."""
    other = str(uuid.uuid4())
    jobs = [
        stored(desk, number, oid=BEN if number % 2 else ADELE, device_id=other if number % 3 else str(uuid.uuid4()))
        for number in range(8)
    ]
    stored(desk, 9, tid=FABRIKAM)
    newest = [job.manifest.id for job in reversed(jobs)]
    assert walk(desk.rooms, count) == newest
    assert walk(desk.rooms, count, oid=BEN) == [job.manifest.id for job in reversed(jobs) if job.oid == BEN]
    of_other = [job.manifest.id for job in reversed(jobs) if job.device_id == other]
    assert walk(desk.rooms, count, device_id=other) == of_other
    wanted = {jobs[1].manifest.id, jobs[6].manifest.id}
    assert set(walk(desk.rooms, count, wanted=lambda job: job.manifest.id in wanted)) == wanted


def test_an_erased_person_leaves_no_place_that_is_never_cleared(desk: Desk) -> None:
    """I04: after an erasure a scan stays listed without its person, and goes with the others after thirty days."""
    job = stored(desk, 1)
    desk.rooms.erasure.erase(CONTOSO, ADELE)
    [kept], _ = desk.rooms.ledger.page(CONTOSO, "", 5)
    assert (kept.oid, kept.manifest.title) == ("", "")
    desk.clock.advance(days=31)
    assert desk.rooms.retention.expire() == 1
    assert list(desk.rooms.storage.table("jobs").query("lists")) == []
    assert desk.rooms.jobs.get(job.device_id, job.manifest.id) is None


def test_a_withdrawn_announcement_leaves_no_place(desk: Desk) -> None:
    """What was announced and not stored is in no list."""
    job = stored(desk, 1)
    with pytest.raises(AlreadyThere):
        desk.rooms.jobs.insert(job)
    again = replace(job, blob=str(uuid.uuid4()), due=f"{job.due}x")
    desk.rooms.announcements.make(again)
    desk.rooms.announcements.withdraw(again)
    assert walk(desk.rooms, 5) == [job.manifest.id]


def test_a_scan_of_another_tenant_is_no_printers(desk: Desk) -> None:
    """E15, A02: a row that names another tenant is not among a printer's scans, and cannot be found by its id."""
    other = stored(desk, 1, tid=FABRIKAM)
    printer = Device(PRINTER, CONTOSO, "office", "", "", "", "", "en", "active", {})
    assert walk(desk.rooms, 5, device_id=PRINTER) == []
    with pytest.raises(faults.NotFound):
        desk.rooms.desk.find(printer, other.manifest.id)


def test_figures_count_days_and_reasons(desk: Desk) -> None:
    """Scans by day, failures by reason, and half of the times to the mailbox; of this tenant alone."""
    sent = stored(desk, 1)
    failed = stored(desk, 2)
    stored(desk, 3, tid=FABRIKAM)
    took = {"state": "sent", "reason": None}
    desk.rooms.jobs.change(sent.device_id, sent.manifest.id, lambda _: (took, None))
    broken = {"state": "failed", "reason": faults.MailboxFull.reason}
    desk.rooms.jobs.change(failed.device_id, failed.manifest.id, lambda _: (broken, None))
    figures = desk.rooms.ledger.figures(CONTOSO)
    assert (figures.counted, figures.read) == (2, 2)
    assert figures.reasons == ((faults.MailboxFull.reason, 1),)
    assert sum(day.scans for day in figures.days) == 2
    assert sum(day.sent for day in figures.days) == sum(day.failed for day in figures.days) == 1
    # A mailbox that is full has no code of the panel's.
    assert [sum(codes) for codes in zip(*(day.codes for day in figures.days), strict=True)] == [0, 0, 0, 1]
    [seconds] = [day.seconds for day in figures.days if day.seconds is not None]
    assert seconds >= timedelta(minutes=2).total_seconds()
    desk.clock.advance(days=15)
    assert desk.rooms.ledger.figures(CONTOSO).counted == 0


def test_every_field_of_the_policy_has_words() -> None:
    """A field that is added to the policy cannot be forgotten on its page; every choice and act is worded."""
    assert set(POLICY) == {*Policy.__dataclass_fields__, "sign_in_days"}
    assert {"leave", "send_again", "yes", "no"} <= set(CHOICES)
    assert len(ACTS) > 10
