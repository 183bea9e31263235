"""What Microsoft asks for, every worker does: pauses to the second, and no more mails at once than it takes."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from shared import faults, settings
from shared.organisations import RANGES
from shared.services import Services
from tests.scans.conftest import CONTOSO, pin

SCOPES = RANGES["send"].mail_scopes


def worker(office: Any) -> Services:
    """Another process of the service."""
    return Services(settings.read(office.told), clock=office.clock, below=office.below)


def asked(office: Any) -> int:
    """How often Microsoft was asked for anything of a mailbox."""
    return int(office.switchboard.count("me") + office.switchboard.count("sendMail"))


@pytest.mark.parametrize("where", ["me", "sendMail"])
def test_a_pause_holds_for_every_worker(office: Any, where: str) -> None:
    """R40: one worker is told 120 seconds: none of three asks for that mailbox before, and all scans wait till then."""
    office.switchboard.add(where, "throttled", retry_after="120")
    jobs = [office.accept() for _ in range(4)]
    first = office.deliver(jobs[0])
    assert (first.state, first.reason) == ("waiting", "throttled")
    office.switchboard.forget()
    workers = [worker(office) for _ in range(3)]
    for job, rooms in zip(jobs[1:], workers, strict=True):
        found = office.deliver(job, rooms.delivery)
        assert (found.state, found.reason) == ("waiting", "throttled")
        assert found.next_attempt == office.clock() + timedelta(seconds=120)
    office.clock.advance(seconds=119.999)
    later = office.accept()
    for job, rooms in zip([later, *jobs[1:]], [*workers, office.rooms], strict=True):
        office.deliver(job, rooms.delivery)
    assert asked(office) == 0
    office.clock.advance(seconds=1)
    for job in (*jobs, later):
        assert office.deliver(job).state == "sent"
    assert len(office.mails()) == 5


def test_a_pause_is_one_mailboxs(office: Any) -> None:
    """R40: others are sent as ever."""
    pin(office.rooms, office.cloud, "ben")
    office.switchboard.add("sendMail", "throttled", retry_after="120", account="contoso/adele")
    assert office.deliver(office.accept()).state == "waiting"
    assert office.deliver(office.accept(office.manifest(user="ben"))).state == "sent"


def test_a_pause_touches_no_token(office: Any) -> None:
    """R40: the sign-in stays as it is, can be renewed meanwhile, and a new one does not end the pause."""
    job = office.accept()
    grants, until = office.rooms.grants, office.clock() + timedelta(seconds=120)
    before = grants.get(CONTOSO, job.oid)
    grants.pause(CONTOSO, job.oid, until)
    grants.pause(CONTOSO, job.oid, until - timedelta(seconds=60))
    assert grants.get(CONTOSO, job.oid) == before
    grants.renew(before, SCOPES)
    assert grants.get(CONTOSO, job.oid).version == (before.version[0], before.version[1] + 1)
    row = office.rooms.storage.table("grants").get(CONTOSO, job.oid)
    grants.store(CONTOSO, job.oid, grants.rows.open(CONTOSO, job.oid, row))
    with pytest.raises(faults.Throttled) as met:
        grants.access_token(CONTOSO, job.oid, SCOPES)
    assert met.value.retry_after == 120
    office.clock.advance(seconds=120)
    assert grants.access_token(CONTOSO, job.oid, SCOPES)


def test_a_pause_revives_nobody(office: Any) -> None:
    """R19, I04: whoever was erased meanwhile has a tombstone, and nothing is written into it."""
    job = office.accept()
    office.rooms.grants.erase(CONTOSO, job.oid)
    office.rooms.grants.pause(CONTOSO, job.oid, office.clock() + timedelta(seconds=9))
    row = office.rooms.storage.table("grants").get(CONTOSO, job.oid)
    assert row.get("not_before") is None


def test_a_burst_for_one_mailbox_is_never_refused(office: Any) -> None:
    """R41: twelve scans of one person on three workers: at most four at Microsoft at once, no 429, twelve mails."""
    jobs = [office.accept() for _ in range(12)]
    office.switchboard.add("sendMail", "slow_after_applying", times=None, seconds=0.2)
    workers = [worker(office) for _ in range(3)]
    waiting = jobs
    for _ in range(12):
        with ThreadPoolExecutor(12) as pool:
            list(pool.map(lambda pair: office.deliver(pair[1], workers[pair[0] % 3].delivery), enumerate(waiting)))
        waiting = [job for job in jobs if office.job(job).state != "sent"]
        if not waiting:
            break
        assert {office.job(job).reason for job in waiting} == {None}
        office.clock.advance(seconds=5)
    assert len(office.mails()) == 12
    assert 1 <= office.switchboard.peak("contoso/adele") <= 4
    assert {office.job(job).attempts for job in jobs} == {1}
    assert office.listed("slot") == office.due() == []
