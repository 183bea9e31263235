"""Who may deliver a job: one delivery at a time, by a lease in the job's row.

A delivery gets everything ready first (token, document, message) and claims the job just before the first byte. So a
job whose lease ran out is one whose mail may have left: it is looked for where the mailbox can be asked, and is
otherwise an open outcome. A delivery that died before its claim has left no trace, and the next one simply sends. Of
two that are ready at once, one write is first, however wrong a clock goes and however long a process was stopped.

A claim lasts ``LASTS``, and while its delivery lives it is put off (``heartbeats``). So a mail may take as long as its
server likes, and a scan whose delivery died is taken up by another one soon all the same.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared import faults
from shared.scans.attempts import BROKEN_OFF, Attempt, noted
from shared.scans.job import PARKED, RESTING, Job
from shared.scans.jobs import Decision, Jobs
from shared.storage import Value

if TYPE_CHECKING:
    from shared.organisations import Organisations

LASTS = timedelta(seconds=90)
"""A claim, from the last sign of life of its delivery."""
GIVEN_UP_AFTER = timedelta(hours=24)
LONGEST_PAUSE = 900.0
"""Seconds between attempts where nobody says how long."""
LOOKED_AT_AGAIN = timedelta(seconds=90)
"""After a delivery took over from one that died: longer than getting ready takes with all its time-outs."""
_READY = frozenset({"accepted", "waiting"})


class TakenOver(Exception):
    """The job is somebody else's: nothing may be sent."""


@dataclass(frozen=True)
class Turn:
    """What a delivery that may try a job knows itself by.

    Attributes:
        begun: the job as it was when the delivery began to get ready.
        lease: what the job's row will say when the delivery has claimed it.
        number: the how manieth attempt it is.
    """

    begun: Job
    lease: str
    number: int

    def holds(self, job: Job) -> bool:
        """Say whether a job is this delivery's to write: claimed by it, or by nobody since it began.

        A delivery whose lease ran out may still know better than "uncertain", nothing else.
        """
        if job.lease == self.lease:
            return job.state in {"sending", "uncertain"}
        begun = self.begun
        return (job.state, job.lease, job.attempts) == (begun.state, begun.lease, begun.attempts)


class Claims:
    """Gives jobs to deliveries.

    Args:
        jobs: the rows.
        organisations: decides what becomes of an open outcome.
        clock: the time now.
    """

    def __init__(self, jobs: Jobs, organisations: Organisations, clock: Callable[[], datetime]) -> None:
        self._jobs = jobs
        self._organisations = organisations
        self._clock = clock

    def turn(self, known: Job) -> tuple[Job, Turn | None]:
        """Return the job as it stands, and where a delivery may try it now, its turn.

        It costs a request only where another delivery has died, or the job is older than a day.

        Args:
            known: the job as it was read before.

        Raises:
            NotFound: there is no such job.
        """
        job, late = known, self._is_late(known)
        if not self._may_begin(job) or late:
            job = self._jobs.change(known.device_id, known.manifest.id, self._decide, known=known)
        if not self._may_begin(job):
            return job, None
        return job, Turn(job, str(uuid.uuid4()), job.attempts if late else job.attempts + 1)

    def claim(self, turn: Turn, *, verified: bool) -> Job:
        """Write down that the mail of a job is about to leave. Whoever comes now leaves the job alone for ``LASTS``.

        Args:
            turn: of the delivery.
            verified: whether the mailbox can be asked what became of the mail.

        Raises:
            TakenOver: somebody else was first.
            NotFound: the job is gone.
        """

        def claim(job: Job) -> Decision:
            if not turn.holds(job):
                raise TakenOver
            until = self._clock() + LASTS
            return {
                "state": "sending",
                "lease": turn.lease,
                "lease_until": until,
                "attempts": turn.number,
                "next_attempt": None,
                "verified": verified,
            }, until + timedelta(seconds=1)

        begun = turn.begun
        return self._jobs.change(begun.device_id, begun.manifest.id, claim, known=begun)

    def put_off(self, turn: Turn) -> None:
        """Let a claim begin to last anew, where it is still its delivery's and nobody has written down its end.

        Raises:
            NotFound: the job is gone.
            StorageUnavailable: it was not put off, or nobody knows.
        """

        def put_off(job: Job) -> Decision:
            if job.state != "sending" or job.lease != turn.lease:
                return None
            until = self._clock() + LASTS
            return {"lease_until": until}, until + timedelta(seconds=1)

        self._jobs.change(turn.begun.device_id, turn.begun.manifest.id, put_off)

    def repeats(self, job: Job) -> bool:
        """Say whether a job with an open outcome is sent once more: as its organisation decided, and never twice."""
        return not job.repeated and self._organisations.recent(job.tid).policy.unknown_outcome == "send_again"

    def _may_begin(self, job: Job) -> bool:
        return job.state in _READY and (job.next_attempt is None or job.next_attempt <= self._clock())

    def _is_late(self, job: Job) -> bool:
        return self._clock() > job.deliverable_since + GIVEN_UP_AFTER + timedelta(seconds=LONGEST_PAUSE)

    def _decide(self, job: Job) -> Decision:
        now = self._clock()
        if job.state in RESTING | PARKED or (job.next_attempt is not None and now < job.next_attempt):
            return None
        changes: dict[str, Value | None] = {}
        if job.state == "sending":
            if job.lease_until is not None and now < job.lease_until:
                return None
            unknown = faults.OutcomeUnknown.reason
            if job.verified:
                changes = {"look": True, "past": noted(job.past, Attempt(job.attempts, now, BROKEN_OFF))}
            else:
                past = noted(job.past, Attempt(job.attempts, now, "uncertain", unknown))
                if not self.repeats(job):
                    # Its delivery died between the first byte and the record: nobody knows.
                    return {"state": "uncertain", "reason": unknown, "past": past}, None
                changes = {"repeated": True, "past": past}
        if self._is_late(job):
            if job.attempts:
                # Attempts that end in a crash never come to the end of one.
                given_up = {"state": "failed", "reason": faults.NotDeliveredInTime.reason, "next_attempt": None}
                return {**changes, **given_up}, None
            # Counted before it begins, so that it is the last one if it does end in a crash.
            changes["attempts"] = 1
        waiting: dict[str, Value | None] = {"state": "waiting", "lease": None, "lease_until": None, **changes}
        return waiting, now + LOOKED_AT_AGAIN
