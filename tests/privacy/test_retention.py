"""How long a scan is remembered, and what is taken out of it."""

from dataclasses import replace

import pytest

from tests.privacy.conftest import ADELE, BEN, Desk


def test_a_scan_is_forgotten_after_thirty_days(desk: Desk) -> None:
    """I06: job, history, document, and whose it was: all there on the thirtieth day, all gone after it, and counted."""
    old = desk.scan()
    desk.clock.advance(days=29, hours=23)
    young = desk.scan()
    assert desk.rooms.retention.expire() == 0
    assert desk.documents() == {old.blob, young.blob}
    desk.clock.advance(hours=2)
    assert desk.rooms.retention.expire() == 1
    assert desk.job(old) is None
    assert desk.job(young) is not None
    assert [job.manifest.id for job in desk.rooms.jobs.history(old.device_id, None, 10)[0]] == [young.manifest.id]
    assert desk.documents() == {young.blob}
    assert desk.traces() == [young.blob]
    assert desk.rooms.retention.expire() == 0


def test_an_attempt_that_came_to_nothing_takes_no_job_with_it(desk: Desk) -> None:
    """R03: the same id handed over again later is another document: the first attempt's age does not end it."""
    died = desk.announce()
    desk.put(died)
    desk.clock.advance(days=20)
    again = desk.announce(manifest=died.manifest)
    desk.store(again)
    desk.clock.advance(days=11)
    assert desk.rooms.retention.expire() == 1
    kept = desk.job(again)
    assert kept is not None
    assert kept.blob == again.blob
    assert desk.documents() == {again.blob}


def test_an_erased_persons_scan_is_forgotten_too(desk: Desk) -> None:
    """I04: what was made anonymous still goes after thirty days."""
    job = desk.scan()
    [trace] = desk.rooms.traces.of(job.tid, ADELE, "job")
    assert desk.rooms.retention.anonymise(ADELE, trace) == "cancelled"
    desk.clock.advance(days=31)
    assert desk.rooms.retention.expire() == 1
    assert desk.job(job) is None


@pytest.mark.parametrize("state", ["sent", "failed", "uncertain"])
def test_an_end_is_kept_without_a_name(desk: Desk, state: str) -> None:
    """I04: the printer's history goes on saying how it ended; whose and what is gone; twice finds nothing."""
    job = desk.scan(state=state, reason="mailbox_full" if state == "failed" else None)
    [trace] = desk.rooms.traces.of(job.tid, ADELE, "job")
    assert desk.rooms.retention.anonymise(ADELE, trace) == "kept"
    kept = desk.job(job)
    assert kept is not None
    assert (kept.state, kept.reason, kept.oid) == (state, job.reason, "")
    assert (kept.manifest.user, kept.manifest.title, kept.manifest.name, kept.manifest.sha256) == ("", "", "", "")
    assert desk.documents() == set()
    assert {announced.oid for announced in desk.rooms.announcements.before(desk.clock(), 10)} == {""}
    assert desk.rooms.retention.anonymise(ADELE, trace) == "nothing"


def test_nobody_elses_scan_is_touched(desk: Desk) -> None:
    """I05: a trace that names somebody else's job, or another attempt's document, changes no job."""
    of_ben = desk.scan(BEN)
    [trace] = desk.rooms.traces.of(of_ben.tid, BEN, "job")
    assert desk.rooms.retention.anonymise(ADELE, replace(trace, parts=(*trace.parts[:3], "no such document"))) == (
        "nothing"
    )
    mine = desk.scan()
    [trace] = desk.rooms.traces.of(mine.tid, ADELE, "job")
    assert desk.rooms.retention.anonymise(BEN, replace(trace, parts=(*trace.parts[:3], "another"))) == "nothing"
    assert desk.rooms.retention.anonymise(ADELE, replace(trace, parts=(*trace.parts[:3], "another"))) == "nothing"
    stays = desk.job(mine)
    assert stays is not None
    assert (stays.state, stays.oid) == ("accepted", ADELE)
    other = desk.job(of_ben)
    assert other is not None
    assert (other.state, other.oid) == ("accepted", BEN)
