"""Who may deliver a job: one delivery at a time, by a lease in the job's row.

A lease that ran out is taken away from its delivery for good (see ``slots``). What the successor then finds decides:
a mail that had not begun to leave never will, and is simply sent; one that had is looked for where the mailbox can be
asked, and is otherwise an open outcome.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared import faults
from shared.scans.attempts import BROKEN_OFF, Attempt, noted
from shared.scans.jobs import PARKED, RESTING, Decision, Job, Jobs
from shared.scans.slots import Slots

if TYPE_CHECKING:
    from shared.organisations import Organisations

LEASE = timedelta(seconds=90)
"""From the claim to the first byte: longer than that takes with all its time-outs."""
GIVEN_UP_AFTER = timedelta(hours=24)
LONGEST_PAUSE = 900.0
"""Seconds between attempts where nobody says how long."""


class Claims:
    """Gives jobs to deliveries.

    Args:
        jobs: the rows.
        slots: says how far a delivery had come that let its lease run out.
        organisations: decides what becomes of an open outcome.
        clock: the time now.
    """

    def __init__(self, jobs: Jobs, slots: Slots, organisations: Organisations, clock: Callable[[], datetime]) -> None:
        self._jobs = jobs
        self._slots = slots
        self._organisations = organisations
        self._clock = clock

    def claim(self, known: Job) -> tuple[Job, bool]:
        """Return the job as it stands, and whether it is the caller's now.

        Args:
            known: the job as it was read before.

        Raises:
            NotFound: there is no such job.
        """
        lease = str(uuid.uuid4())
        job = self._jobs.change(known.device_id, known.manifest.id, lambda job: self._decide(job, lease), known=known)
        return job, job.state == "sending" and job.lease == lease

    def _decide(self, job: Job, lease: str) -> Decision:
        now = self._clock()
        if job.state in RESTING | PARKED or (job.next_attempt is not None and now < job.next_attempt):
            return None
        if job.state == "sending" and job.lease_until is not None and now < job.lease_until:
            return None
        look, repeated, past = job.look, job.repeated, job.past
        if job.state == "sending" and job.lease is not None:
            came = self._slots.seize(job.lease)
            if came is not None and now < came.until:
                # Earlier than the sweep, which has just seen that the lease is over, would look again.
                return {}, came.until + timedelta(seconds=1)
            look = look or (came is not None and came.verified)
            past = noted(past, Attempt(job.attempts, now, BROKEN_OFF))
            if came is not None and not came.verified:
                unknown = faults.OutcomeUnknown.reason
                past = noted(job.past, Attempt(job.attempts, now, "uncertain", unknown))
                if not self.repeats(job):
                    # Its delivery died between the first byte and the record: nobody knows.
                    return {"state": "uncertain", "reason": unknown, "past": past}, None
                repeated = True
        if job.attempts and now > job.deliverable_since + GIVEN_UP_AFTER + timedelta(seconds=LONGEST_PAUSE):
            # Attempts that end in a crash never come to the end of one.
            ended = {"state": "failed", "reason": faults.NotDeliveredInTime.reason, "next_attempt": None, "past": past}
            return ended, None
        until = now + LEASE
        return {
            "state": "sending",
            "lease": lease,
            "lease_until": until,
            "attempts": job.attempts + 1,
            "next_attempt": None,
            "look": look,
            "repeated": repeated,
            "past": past,
        }, until + timedelta(seconds=1)

    def repeats(self, job: Job) -> bool:
        """Say whether a job with an open outcome is sent once more: as its organisation decided, and never twice."""
        return not job.repeated and self._organisations.recent(job.tid).policy.unknown_outcome == "send_again"
