"""What nobody else wakes: jobs that are due and made no progress, and messages that the queue gave up."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta

from shared import faults
from shared.scans.holds import Holds
from shared.scans.job import FINAL, HELD, PARKED, RESTING, Job, Unreadable
from shared.scans.jobs import WRITES_TAKE, Decision, Due, Jobs
from shared.scans.uploads import Uploads
from shared.storage import Blobs, Queue

MARGIN = timedelta(seconds=60)
"""So long the sweep leaves the queue to bring what it should."""
LOOKED_AT_AGAIN = timedelta(minutes=2)
"""After it was woken."""
AT_MOST = 500
"""Jobs that one run looks at."""

log = logging.getLogger(__name__)


class Sweep:
    """Wakes jobs.

    Args:
        jobs: the rows.
        documents: the container with the bytes.
        deliveries: the queue.
        holds: what waits for its person.
        uploads: what waits for its document.
        clock: the time now.
    """

    def __init__(
        self,
        jobs: Jobs,
        documents: Blobs,
        deliveries: Queue,
        holds: Holds,
        uploads: Uploads,
        clock: Callable[[], datetime],
    ) -> None:
        self._jobs = jobs
        self._documents = documents
        self._holds = holds
        self._uploads = uploads
        self._deliveries = deliveries
        self._clock = clock

    def run(self) -> int:
        """Wake every job that is due and made no progress; returns how many. What it costs grows with what is due."""
        count = 0
        for due in self._jobs.due(AT_MOST):
            try:
                count += self._look(due)
            except faults.NotFound:
                continue
            except Unreadable as error:
                self._condemn(due.device_id, due.job_id, error)
                self._jobs.forget_due(due.place)
        return count

    def _look(self, due: Due) -> bool:
        """Look at one place; says whether its job was woken."""
        job, woken = self._jobs.get(due.device_id, due.job_id), False
        if job is None or job.due != due.place:
            self._clear(due, job)
            return False
        if job.state in PARKED | FINAL:
            self._parked(job)
            return False

        def postpone(job: Job) -> Decision:
            nonlocal woken
            if job.state in RESTING:
                woken = False
                return None
            later = self._later(job)
            woken = later is None
            return {}, later or self._clock() + LOOKED_AT_AGAIN

        self._jobs.change(job.device_id, job.manifest.id, postpone, known=job, postpone=True)
        if woken:
            self._deliveries.send(f"{job.device_id}/{job.manifest.id}")
        return woken

    def _parked(self, job: Job) -> None:
        """Look at what waits for a device or a person, and at what ended while it could still be uploaded."""
        job = self._holds.look(job) if job.state == HELD else self._uploads.look(job)
        if job.state in PARKED:
            later = self._holds.later(job)
            self._jobs.change(
                job.device_id,
                job.manifest.id,
                lambda now: ({}, later) if now.state in PARKED else None,
                known=job,
                postpone=True,
            )
        elif job.state in FINAL and job.due is not None:
            self._documents.delete(job.blob)
            self._jobs.change(job.device_id, job.manifest.id, lambda now: ({}, None) if now.state in FINAL else None)

    def give_up(self, message: str) -> None:
        """A message that the queue brought too often.

        A job that can never be sent, because its row cannot be read, fails. The queue's counter also counts crashes
        of the host (threat R10), so any other job is left to the sweep and to its own counter and deadline.
        """
        device_id, _, job_id = message.partition("/")
        try:
            device_id, job_id = str(uuid.UUID(device_id)), str(uuid.UUID(job_id))
        except ValueError:
            return
        try:
            job = self._jobs.get(device_id, job_id)
        except Unreadable as error:
            self._condemn(device_id, job_id, error)
            return
        if job is not None and job.state not in RESTING:
            log.error("job %s of device %s poisoned the queue in state %s", job_id, device_id, job.state)

    def _condemn(self, device_id: str, job_id: str, error: Unreadable) -> None:
        log.error("job %s of device %s cannot be read (%s): failed", job_id, device_id, error)
        self._jobs.condemn(device_id, job_id)

    def _clear(self, due: Due, job: Job | None) -> None:
        """Finish what was cut off between two writes. A younger one may be under way at this moment."""
        if self._clock() - due.made > WRITES_TAKE:
            if job is not None and job.state in FINAL:
                self._documents.delete(job.blob)
            if due.blob and (job is None or job.blob != due.blob):
                # Stored by an attempt that died before its row; the printer came again with another one, or never.
                self._documents.delete(due.blob)
            self._jobs.forget_due(due.place)

    def _later(self, job: Job) -> datetime | None:
        """Return when to look again at a job that is not to be woken yet: it is worked on, or waits for its time."""
        now = self._clock()
        if job.state == "sending" and job.lease_until is not None and now < job.lease_until:
            return job.lease_until + timedelta(seconds=1)
        if job.next_attempt is not None and now < job.next_attempt + MARGIN:
            return job.next_attempt + MARGIN
        return None
