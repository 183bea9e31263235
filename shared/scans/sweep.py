"""What nobody else wakes: jobs that are due and made no progress, and messages that the queue gave up."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta

from shared import faults
from shared.scans.jobs import FINAL, RESTING, Decision, Job, Jobs
from shared.storage import Blobs, Queue

MARGIN = timedelta(seconds=60)
"""So long the sweep leaves the queue to bring what it should."""
LOOKED_AT_AGAIN = timedelta(minutes=2)
"""After it was woken."""
WRITES_TAKE = timedelta(minutes=10)
"""No two writes of one change are further apart than this."""
AT_MOST = 500
"""Jobs that one run looks at."""

log = logging.getLogger(__name__)


class Sweep:
    """Wakes jobs.

    Args:
        jobs: the rows.
        documents: the container with the bytes.
        deliveries: the queue.
        clock: the time now.
    """

    def __init__(self, jobs: Jobs, documents: Blobs, deliveries: Queue, clock: Callable[[], datetime]) -> None:
        self._jobs = jobs
        self._documents = documents
        self._deliveries = deliveries
        self._clock = clock

    def run(self) -> int:
        """Wake every job that is due and made no progress; returns how many. What it costs grows with what is due."""
        count = 0
        for place, made, job in self._jobs.due(AT_MOST):
            if job is None or job.due != place:
                self._clear(place, made, job)
                continue
            woken = False

            def postpone(job: Job) -> Decision:
                nonlocal woken
                if job.state in RESTING:
                    woken = False
                    return None
                later = self._later(job)
                woken = later is None
                return {}, later or self._clock() + LOOKED_AT_AGAIN

            try:
                self._jobs.change(job.device_id, job.manifest.id, postpone, known=job, postpone=True)
            except faults.NotFound:
                continue
            if woken:
                self._deliveries.send(f"{job.device_id}/{job.manifest.id}")
                count += 1
        return count

    def give_up(self, message: str) -> None:
        """A message that the queue brought too often: say whose it was.

        The queue's counter also counts crashes of the host (threat R10), so the job is left to the sweep and
        to its own counter and deadline.
        """
        device_id, _, job_id = message.partition("/")
        try:
            job = self._jobs.get(str(uuid.UUID(device_id)), str(uuid.UUID(job_id)))
        except ValueError:
            return
        if job is not None and job.state not in RESTING:
            log.error("job %s of device %s poisoned the queue in state %s", job_id, device_id, job.state)

    def _clear(self, place: str, made: datetime, job: Job | None) -> None:
        """Finish what was cut off between two writes. A younger one may be under way at this moment."""
        if self._clock() - made > WRITES_TAKE:
            if job is not None and job.state in FINAL:
                self._documents.delete(job.blob)
            self._jobs.forget_due(place)

    def _later(self, job: Job) -> datetime | None:
        """Return when to look again at a job that is not to be woken yet: it is worked on, or waits for its time."""
        now = self._clock()
        if job.state == "sending" and job.lease_until is not None and now < job.lease_until:
            return job.lease_until + timedelta(seconds=1)
        if job.next_attempt is not None and now < job.next_attempt + MARGIN:
            return job.next_attempt + MARGIN
        return None
