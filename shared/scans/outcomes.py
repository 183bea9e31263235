"""How an attempt to deliver ended: what the job's row says of it, when it is tried again, and who is told.

The leaf of the fault says what becomes of the job (``shared.faults``: retry, hold, uncertain, end); here that is turned
into states, times and wake-ups. Nothing is written over a job that is somebody else's by now.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared import faults
from shared.faults import Action
from shared.scans.attempts import ended, noted
from shared.scans.claims import GIVEN_UP_AFTER, LONGEST_PAUSE, Claims, Turn
from shared.scans.failure_notices import FailureNotices
from shared.scans.holds import Holds
from shared.scans.job import FINAL, HELD, Job
from shared.scans.jobs import Decision, Jobs
from shared.storage import Blobs, Queue, Value

if TYPE_CHECKING:
    from shared.mailboxes import Outgoings
    from shared.organisations import Organisations

FIRST_PAUSE = 10.0
"""Seconds before the second attempt where nobody says how long: trebled each time, up to ``LONGEST_PAUSE``."""
STEP_BACK = 2.0
"""Seconds at least that a job waits for a slot of its mailbox, while other processes have them all."""
WAKE_MARGIN = timedelta(seconds=60)
"""The sweep looks so long after the queue should have."""

log = logging.getLogger(__name__)


@dataclass
class UnderWay:
    """A delivery whose turn it is, as far as it has come."""

    job: Job
    turn: Turn
    first_slot: int
    """Of its mailbox, to try first."""
    slot: str | None = None
    """The row of the slot that it has: from then on its mail is about to leave, or has left."""
    number: int | None = None
    """Of that slot."""
    verified: bool = False
    """Whether the mailbox can be asked what became of the mail."""

    @property
    def named(self) -> tuple[str, str, int]:
        """What logs call it: job, device, number of the attempt."""
        return self.job.manifest.id, self.job.device_id, self.turn.number


class Outcomes:
    """Writes down how attempts ended.

    Args:
        jobs: the rows.
        documents: the container with the bytes, which go when their job ends.
        deliveries: the queue, for wake-ups at a later time.
        organisations: learns when a consent is gone.
        claims: says whether an open outcome is sent again.
        holds: keeps what its person must sign in for.
        notices: tells a person what failed for good.
        outgoings: learns how a printer's own mail fares.
        clock: the time now.
        below: ``below(n)`` gives a random number from 0 to n-1, for the jitter of pauses.
    """

    def __init__(
        self,
        jobs: Jobs,
        documents: Blobs,
        deliveries: Queue,
        organisations: Organisations,
        claims: Claims,
        holds: Holds,
        notices: FailureNotices,
        outgoings: Outgoings,
        clock: Callable[[], datetime],
        below: Callable[[int], int],
    ) -> None:
        self._jobs = jobs
        self._documents = documents
        self._deliveries = deliveries
        self._organisations = organisations
        self._claims = claims
        self._holds = holds
        self._notices = notices
        self._outgoings = outgoings
        self._clock = clock
        self._below = below

    def sent(self, attempt: UnderWay) -> None:
        """The mail service took the mail."""
        self._end(attempt, "sent", None)
        job = attempt.job
        if job.own:
            self._outgoings.note(job.tid, job.device_id, job.manifest.kind, None)

    def met(self, attempt: UnderWay, fault: faults.Fault) -> None:
        """It met a fault, whose leaf says what becomes of the job."""
        job = attempt.job
        if job.own:
            fault = self._outgoings.meant(fault)
            self._outgoings.note(job.tid, job.device_id, job.manifest.kind, fault.reason)
        log.warning("job %s of device %s, attempt %d: %s", *attempt.named, fault)
        if isinstance(fault, faults.ConsentWithdrawn) and not self._organisations.withdraw(job.tid):
            fault = faults.MicrosoftUnavailable("a fresh consent settles", retry_after=60)
        match fault.action:
            case Action.RETRY:
                self._wait(attempt, fault)
            case Action.UNCERTAIN if self._claims.repeats(job):
                self._again(attempt, FIRST_PAUSE, {"reason": fault.reason, "repeated": True})
            case Action.UNCERTAIN:
                self._end(attempt, "uncertain", fault.reason)
            case Action.HOLD:
                self._hold(attempt, fault)
            case _:
                self._end(attempt, "failed", fault.reason)

    def step_back(self, attempt: UnderWay) -> None:
        """Others are sending to this mailbox: come back soon. It is no fault, and counts as no attempt."""
        pause = STEP_BACK + self._below(2000) / 1000
        self._again(attempt, pause, {"reason": None, "attempts": attempt.turn.begun.attempts})

    def _hold(self, attempt: UnderWay, fault: faults.Fault) -> None:
        """Keep the scan until its person has signed in again, where the organisation wants that."""
        job = attempt.job
        until = self._holds.until_again(job)
        if until is None:
            self._end(attempt, "failed", fault.reason)
            return
        # Before the row says so, so that a sign-in that comes now finds it; and one that came meanwhile is found here.
        self._holds.note(job)
        held: dict[str, Value | None] = {"state": HELD, "reason": fault.reason, "next_attempt": None, "until": until}
        if attempt.verified:
            held["look"] = True
        kept = replace(job, state=HELD, until=until)
        # A sign-in that looks good and is not, as one whose seal is broken, would go round here for ever. So only the
        # first attempt looks at once; after others the sweep does, in pauses that grow.
        if attempt.turn.number > 1:
            later = self._holds.later(kept)
            self._write(attempt, {**held, "next_attempt": later}, due=later)
        elif self._write(attempt, held, due=self._holds.first_look(until)):
            self._holds.look(kept)

    def _wait(self, attempt: UnderWay, fault: faults.Fault) -> None:
        pause = fault.retry_after
        if pause is None:
            pause = min(FIRST_PAUSE * 3 ** (attempt.turn.number - 1), LONGEST_PAUSE)
        # Jitter only ever adds: Retry-After is obeyed to the second (R40).
        pause += pause * self._below(200) / 1000
        if self._clock() + timedelta(seconds=pause) > attempt.job.deliverable_since + GIVEN_UP_AFTER:
            self._end(attempt, "failed", faults.NotDeliveredInTime.reason)
            return
        self._again(attempt, pause, {"reason": fault.reason})

    def _again(self, attempt: UnderWay, pause: float, changes: Mapping[str, Value | None]) -> None:
        at = self._clock() + timedelta(seconds=pause)
        if attempt.verified:
            # However it ended: what it left in the mailbox, the next attempt finds.
            changes = {**changes, "look": True}
        if self._write(attempt, {"state": "waiting", "next_attempt": at, **changes}, due=at + WAKE_MARGIN):
            # Not before ``at`` even where the queue cuts the fraction off or its clock is a little ahead.
            job = attempt.job
            self._deliveries.send(f"{job.device_id}/{job.manifest.id}", delay=math.ceil(pause) + 1)

    def _end(self, attempt: UnderWay, state: str, reason: str | None) -> None:
        if self._write(attempt, {"state": state, "reason": reason, "next_attempt": None}, due=None):
            job = attempt.job
            if state == "failed" and reason is not None and not job.own:
                self._notices.failed(job, reason)
            log.info("job %s of device %s, attempt %d: %s", *attempt.named, state)

    def _write(self, attempt: UnderWay, changes: Mapping[str, Value | None], due: datetime | None) -> bool:
        """Write how this attempt went. False: the job is somebody else's by now, and so is its document."""
        mine, number, written = attempt.job, attempt.turn.number, False
        # One that found no free slot is none.
        counts = changes.get("attempts", number) == number
        told = ended(number, self._clock(), changes)

        def write(job: Job) -> Decision:
            nonlocal written
            written = attempt.turn.holds(job)
            past = noted(job.past, told) if counts else job.past
            return ({"attempts": number, **changes, "lease_until": None, "past": past}, due) if written else None

        def then(job: Job) -> None:
            if written and job.state in FINAL:
                self._documents.delete(job.blob)

        forget = () if attempt.slot is None else (attempt.slot,)
        self._jobs.change(mine.device_id, mine.manifest.id, write, known=mine, then=then, forget=forget)
        if not written:
            log.warning("job %s of device %s, attempt %d: the job was taken over", *attempt.named)
        return written
