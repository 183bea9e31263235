"""A claim lasts as long as its delivery lives, however long the mail service takes, and not much longer."""

import threading
from datetime import timedelta
from time import monotonic, sleep
from typing import Any

from shared.scans import Claims, Heartbeats
from shared.scans.claims import LASTS, Turn
from tests.scans.conftest import Pausing

LOOK = 0.01
"""Seconds; the service's clock is the test's, threads wait in real time."""


def claims_of(office: Any) -> Claims:
    """The claims of a process."""
    return Claims(office.rooms.jobs, office.rooms.organisations, office.clock)


def claimed(office: Any) -> tuple[Claims, Turn, Any]:
    """A scan whose mail is about to leave."""
    claims = claims_of(office)
    _, turn = claims.turn(office.accept())
    assert turn is not None
    return claims, turn, claims.claim(turn, verified=False)


def beats() -> list[threading.Thread]:
    """The threads of deliveries at work."""
    return [thread for thread in threading.enumerate() if thread.name == "heartbeats"]


def until(true: Any) -> bool:
    """Wait for something that another thread does."""
    ends = monotonic() + 10
    while not true() and monotonic() < ends:
        sleep(0.01)
    return bool(true())


def test_a_server_may_take_its_time_after_the_dot(office: Any) -> None:
    """R44, R07: a delivery that waits for ten minutes is not taken for dead: one mail, and nobody else began."""

    def ten_minutes() -> None:
        for _ in range(10):
            office.clock.advance(seconds=60)
            assert until(lambda: office.job(job).lease_until > office.clock() + LASTS / 2)
            assert office.deliver(job).state == "sending"

    job = office.accept()
    slow = Pausing(office.rooms.transports, before=ten_minutes)
    delivery = office.with_(transports=slow, heartbeats=Heartbeats(claims_of(office), LOOK))
    assert office.deliver(job, delivery).state == "sent"
    assert len(office.mails()) == 1
    assert until(lambda: not beats())


def test_one_that_hangs_counts_as_dead(office: Any) -> None:
    """R51: no claim is put off for ever."""
    claims, turn, job = claimed(office)
    Heartbeats(claims, LOOK).begin(turn, timedelta(milliseconds=100))
    assert until(lambda: not beats())
    office.clock.advance(seconds=LASTS.total_seconds() + 1)
    assert office.deliver(job).state == "uncertain"


def test_what_has_ended_or_is_somebody_elses_is_left_alone(office: Any) -> None:
    """R18: a beat that comes late changes nothing."""
    claims, turn, job = claimed(office)
    office.clock.advance(seconds=LASTS.total_seconds() + 1)
    assert office.deliver(job).state == "uncertain"
    ended = office.job(job).row
    claims.put_off(turn)
    assert office.job(job).row == ended

    _, mine, other = claimed(office)
    claimed_row = office.job(other).row
    claims.put_off(Turn(mine.begun, "another lease", mine.number))
    assert office.job(other).row == claimed_row


def test_storage_that_is_away_for_a_moment_costs_no_claim(office: Any) -> None:
    """R11: a beat that is lost is followed by others."""
    _, turn, job = claimed(office)

    class Cut(Claims):
        calls = 0

        def put_off(self, turn: Turn) -> None:
            self.calls += 1
            if self.calls < 3:
                raise OSError("cut")
            super().put_off(turn)

    office.clock.advance(seconds=30)
    beating = Heartbeats(Cut(office.rooms.jobs, office.rooms.organisations, office.clock), LOOK)
    beating.begin(turn, timedelta(seconds=60))
    assert until(lambda: office.job(job).lease_until == office.clock() + LASTS)
    beating.end(turn)
    assert until(lambda: not beats())


def test_a_quick_delivery_costs_no_thread_of_its_own_and_no_request(office: Any) -> None:
    """R51: a hundred deliveries that end before their first beat share one thread, and it asks for nothing."""
    claims, turn, job = claimed(office)
    before = office.job(job).row
    beating = Heartbeats(claims, 0.1)
    for number in range(100):
        each = Turn(turn.begun, f"lease {number}", 1)
        beating.begin(each, timedelta(seconds=60))
        beating.end(each)
    beating.begin(turn, timedelta(seconds=60))
    assert len(beats()) == 1
    beating.end(turn)
    assert until(lambda: not beats())
    assert office.job(job).row == before
