"""The moment before the first byte: who is first, the delivery or its successor, whatever the clocks say."""

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared import faults
from shared.scans import Claims, Slots
from shared.scans.slots import AllTaken, HandedOver, TakenOver
from tests.scans.conftest import CONTOSO

COUNT = 4


def claimed(office: Any) -> Any:
    """A job that a delivery holds."""
    job = office.accept()
    office.messages()
    claims = Claims(office.rooms.jobs, office.rooms.slots, office.rooms.organisations, office.clock)
    held, mine = claims.claim(job)
    assert mine
    return held


def take(office: Any, job: Any, *, verified: bool = False, seconds: int = 90) -> tuple[str, ...]:
    """Take a slot."""
    until = office.clock() + timedelta(seconds=seconds)
    rows: tuple[str, ...] = office.rooms.slots.take(job, COUNT, first=0, verified=verified, until=until)
    return rows


@pytest.mark.parametrize("verified", [False, True])
def test_who_takes_over_learns_how_far_the_other_came(office: Any, *, verified: bool) -> None:
    """R07: the mark says that the mail may have left, and whether the mailbox can be asked; every time it is asked."""
    job = claimed(office)
    take(office, job, verified=verified)
    expected = HandedOver(verified, office.clock() + timedelta(seconds=90))
    assert [office.rooms.slots.seize(job.lease) for _ in range(2)] == [expected, expected]


def test_a_lease_that_was_taken_away_sends_nothing(office: Any) -> None:
    """R08, R18, R54: the delivery that wakes afterwards cannot say any more that its mail leaves."""
    job = claimed(office)
    assert [office.rooms.slots.seize(job.lease) for _ in range(2)] == [None, None]
    with pytest.raises(TakenOver):
        take(office, job)
    assert office.listed("slot") == []


def test_one_of_the_two_is_first(office: Any) -> None:
    """R08, R54: at the same moment, 24 times: either the mail may leave and the successor knows, or neither."""
    first = {True: 0, False: 0}
    for _ in range(24):
        job = replace(claimed(office), lease=str(uuid.uuid4()))
        gate = threading.Barrier(2)

        def leave(job: Any = job, gate: threading.Barrier = gate) -> tuple[str, ...]:
            gate.wait()
            try:
                return take(office, job)
            except TakenOver:
                return ()

        def seize(job: Any = job, gate: threading.Barrier = gate) -> HandedOver | None:
            gate.wait()
            found: HandedOver | None = office.rooms.slots.seize(job.lease)
            return found

        with ThreadPoolExecutor(2) as pool:
            left, seized = pool.submit(leave), pool.submit(seize)
        assert bool(left.result()) == (seized.result() is not None)
        first[bool(left.result())] += 1
        for row in left.result():
            office.rooms.storage.table("jobs").delete("lists", row)
    assert sum(first.values()) == 24


def test_no_more_than_the_mailbox_takes(office: Any) -> None:
    """R41: sixteen at once over two processes: four have a slot, for this mailbox; another's are free."""
    jobs = [replace(claimed(office), lease=str(uuid.uuid4())) for _ in range(16)]
    rooms = [office.rooms.slots, Slots(office.rooms.storage.table("jobs"), office.clock)]
    until = office.clock() + timedelta(seconds=90)

    def get(number: int) -> bool:
        try:
            rooms[number % 2].take(jobs[number], COUNT, first=0, verified=False, until=until)
        except AllTaken:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(get, range(16))) <= COUNT
    # Who was beaten too often stepped back though one was free: it is there for the next.
    for job in jobs[: COUNT - len(office.listed("slot"))]:
        take(office, replace(job, lease=str(uuid.uuid4())))
    assert len(office.listed("slot")) == COUNT
    with pytest.raises(AllTaken):
        take(office, replace(jobs[0], lease=str(uuid.uuid4())))
    take(office, replace(jobs[0], lease=str(uuid.uuid4()), oid="another"))


def test_a_slot_is_free_when_its_time_is_over(office: Any) -> None:
    """R41: the slots of deliveries that died come back, and no earlier; that they died stays known."""
    dead = [claimed(office) for _ in range(COUNT)]
    for job in dead:
        take(office, job)
    late = claimed(office)
    office.clock.advance(seconds=90)
    with pytest.raises(AllTaken):
        take(office, late)
    office.clock.advance(seconds=1)
    take(office, late)
    assert all(office.rooms.slots.seize(job.lease) is not None for job in dead)


def test_all_taken_costs_no_attempt_and_no_code(office: Any) -> None:
    """R41: the fifth scan of a person comes back within seconds; nothing is shown as a fault."""
    for _ in range(COUNT):
        take(office, claimed(office))
    job = office.deliver(office.accept())
    assert (job.state, job.reason, job.attempts, job.past) == ("waiting", None, 0, "")
    assert 2 <= (job.next_attempt - office.clock()).total_seconds() <= 4
    assert office.mails() == []
    office.clock.advance(seconds=91)
    assert office.deliver(job).state == "sent"


def test_a_clock_that_goes_five_minutes_ahead_sends_nothing_twice(office: Any) -> None:
    """R54: to the other process the lease has run out while the first is about to send: one mail, and one end."""
    job = office.accept()

    def ahead() -> Any:
        return office.clock() + timedelta(minutes=5)

    claims = Claims(office.rooms.jobs, office.rooms.slots, office.rooms.organisations, ahead)
    other = office.with_(claims=claims, clock=ahead)

    class Slow:
        def access_token(self, *given: Any) -> str:
            assert office.deliver(job, other).state == "sent"
            return str(office.rooms.grants.access_token(*given))

    assert office.deliver(job, office.with_(grants=Slow())).state == "sent"
    assert len(office.mails()) == 1


def test_an_erasure_stops_what_has_not_begun_to_leave(office: Any) -> None:
    """I04: a delivery has the token and the document in its hands, and not sent a byte: it never sends one."""
    job = office.accept()

    class Late:
        def take(self, *given: Any, **more: Any) -> tuple[str, ...]:
            office.rooms.erasure.erase(CONTOSO, job.oid)
            rows: tuple[str, ...] = office.rooms.slots.take(*given, **more)
            return rows

        def seize(self, lease: str) -> HandedOver | None:
            found: HandedOver | None = office.rooms.slots.seize(lease)
            return found

    ended = office.deliver(job, office.with_(slots=Late()))
    assert (ended.state, ended.oid) == ("cancelled", "")
    assert office.mails() == []


def test_what_died_is_cleared_away(office: Any) -> None:
    """Slots and marks that nobody will ask for go after two days, and not an hour before."""
    take(office, claimed(office))
    office.clock.advance(hours=47)
    office.rooms.retention.expire()
    assert len(office.listed("slot")) == len(office.listed("mark")) == 1
    office.clock.advance(hours=2)
    office.rooms.retention.expire()
    assert office.listed("slot") == office.listed("mark") == []


def test_a_mark_lasts_longer_than_a_job_is_tried(office: Any) -> None:
    """R07: a delivery that died after the first byte is known as long as its scan may be sent again."""
    job = claimed(office)
    take(office, job)
    office.clock.advance(hours=47)
    office.rooms.retention.expire()
    assert office.deliver(job).reason == faults.OutcomeUnknown.reason
