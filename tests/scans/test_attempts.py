"""What a scan's row tells of its attempts: each with its end, at no cost, and nothing about anybody."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared import faults
from shared.scans import Attempt, Job, attempts_of
from shared.scans.attempts import LONGEST, REMEMBERED, noted
from tests.scans.conftest import consent

NOON = datetime(2026, 9, 14, 12, tzinfo=UTC)


def told(job: Job) -> list[tuple[int, str, str | None]]:
    """Number, outcome and reason of each attempt."""
    return [(attempt.number, attempt.outcome, attempt.reason) for attempt in attempts_of(job.past)]


def test_each_attempt_is_told_with_its_end(office: Any) -> None:
    """Throttled, then unreachable, then sent: when each ended, why, and when the next was to be."""
    office.switchboard.add("sendMail", "throttled", retry_after="100")
    job = office.deliver(office.accept())
    [first] = attempts_of(job.past)
    assert (first.number, first.outcome, first.reason) == (1, "waiting", faults.Throttled.reason)
    assert abs(first.at - office.clock()) <= timedelta(seconds=1)
    assert first.next_attempt is not None
    assert job.next_attempt is not None
    assert abs(first.next_attempt - job.next_attempt) <= timedelta(seconds=1)
    office.clock.advance(seconds=101)
    office.switchboard.add("sendMail", "graph", status=503)
    office.deliver(job)
    office.clock.advance(minutes=10)
    job = office.deliver(job)
    assert told(job) == [
        (1, "waiting", faults.Throttled.reason),
        (2, "waiting", faults.MicrosoftUnavailable.reason),
        (3, "sent", None),
    ]
    assert job.attempts == 3


UNKNOWN = faults.OutcomeUnknown.reason
DIED = [
    ("send", False, [(1, "sent", None)]),
    ("send", True, [(1, "uncertain", UNKNOWN)]),
    ("send-verified", True, [(1, "broken_off", None), (2, "sent", None)]),
]


@pytest.mark.parametrize(("permission_range", "sent", "ends"), DIED)
def test_an_attempt_that_died_is_told_by_its_successor(
    office: Any, permission_range: str, *, sent: bool, ends: list[Any]
) -> None:
    """R07: its process ended before the claim, which leaves no trace, or after the last byte."""
    consent(office.rooms, permission_range)

    class DiesError(BaseException):
        """The process ends here."""

    class Deadly:
        def choose(self, *given: Any) -> "Deadly":
            self.real = office.rooms.transports.choose(*given)
            return self

        def __getattr__(self, name: str) -> Any:
            if name == "scopes" and not sent:
                raise DiesError
            return getattr(self.real, name)

        def send(self, *given: Any) -> None:
            self.real.send(*given)
            raise DiesError

    job = office.accept()
    with pytest.raises(DiesError):
        office.deliver(job, office.with_(transports=Deadly()))
    assert told(office.job(job)) == []
    office.clock.advance(minutes=5)
    job = office.deliver(job)
    assert told(job) == ends
    assert len(office.mails()) == 1


def test_an_erased_scan_tells_its_attempts_and_names_nobody(office: Any) -> None:
    """I04: what stays of them is times and our own slugs."""
    office.switchboard.add("sendMail", "graph", status=403, code="ErrorQuotaExceeded")
    job = office.deliver(office.accept())
    office.rooms.erasure.erase(job.tid, job.oid)
    kept = office.job(job)
    assert (kept.oid, kept.manifest.title) == ("", "")
    assert [outcome for _, outcome, _ in told(kept)] == ["failed"]
    assert not {"adele", "lease", job.oid} & set(json.dumps(kept.past).lower().split('"'))


def test_no_more_than_a_table_likes() -> None:
    """The newest stay, in count and in bytes, however long a scan was tried and whatever a reason is called."""
    past = ""
    for number in range(1, 200):
        past = noted(past, Attempt(number, NOON, "waiting", "throttled", NOON + timedelta(minutes=15)))
        assert len(past) <= LONGEST
    kept = attempts_of(past)
    assert [attempt.number for attempt in kept] == list(range(200 - REMEMBERED, 200))
    assert kept[0].next_attempt == NOON + timedelta(minutes=15)
    assert len(noted(past, Attempt(200, NOON, "waiting", "x" * 3000))) <= LONGEST


@pytest.mark.parametrize(
    "spoilt", ["", "{", "7", "[7]", "[[1]]", '[["a","b","c","d","e"]]', "[[1,1e99,null,null,null]]"]
)
def test_a_row_that_was_tampered_with_tells_nothing(spoilt: str) -> None:
    """E15: and the next attempt is told all the same."""
    assert attempts_of(spoilt) == []
    assert attempts_of(noted(spoilt, Attempt(1, NOON, "sent"))) == [Attempt(1, NOON, "sent")]
