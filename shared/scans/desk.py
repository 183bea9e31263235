"""What an administrator may do with a scan of his organisation: send it again, let it go, cancel it.

He decides about scans and never sees one: neither the document nor its title is handed to the console.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared import faults
from shared.scans.accept import Acceptance
from shared.scans.holds import Holds
from shared.scans.job import HELD, Job
from shared.scans.jobs import Decision, Jobs
from shared.storage import Queue, Value

if TYPE_CHECKING:
    from shared.devices import Device

SWEPT_AFTER = timedelta(seconds=60)
"""A scan whose wake-up is lost is woken again after this."""
AGAIN = frozenset({"waiting", "uncertain"})
"""States from which a scan can be sent at once. A failed one cannot: its document is deleted."""


class Desk:
    """Carries out what an administrator decided about a scan. The device is one of his organisation's.

    Args:
        jobs: the rows.
        holds: what waits for its person.
        acceptance: cancels.
        deliveries: the queue that wakes delivery.
        clock: the time now.
    """

    def __init__(
        self, jobs: Jobs, holds: Holds, acceptance: Acceptance, deliveries: Queue, clock: Callable[[], datetime]
    ) -> None:
        self._jobs = jobs
        self._holds = holds
        self._acceptance = acceptance
        self._deliveries = deliveries
        self._clock = clock

    def find(self, device: Device, job_id: str) -> Job:
        """Return a scan.

        Raises:
            NotFound: the device has no such scan, or it was handed over for another organisation.
        """
        job = self._jobs.get(device.id, job_id)
        if job is None or job.tid != device.tid:
            raise faults.NotFound("job")
        return job

    def retry(self, device: Device, job_id: str) -> Job:
        """Send a scan at once that waits for its next attempt, or once more one that perhaps was sent.

        Raises:
            NotFound: there is no such scan.
            WrongState: it is in another state by now.
        """
        self.find(device, job_id)

        def retry(job: Job) -> Decision:
            if job.state not in AGAIN:
                raise faults.WrongState(job.state)
            now = self._clock()
            # Whoever decides that a mail is sent once more starts the time for it anew, and decides once.
            again: dict[str, Value] = {}
            if job.state == "uncertain":
                again = {"repeated": True, "began": now, "look": True}
            return {"state": "accepted", "reason": None, "next_attempt": None, **again}, now + SWEPT_AFTER

        job = self._jobs.change(device.id, job_id, retry)
        self._deliveries.send(f"{device.id}/{job_id}")
        return job

    def release(self, device: Device, job_id: str) -> Job:
        """Look whether a held scan can go, without waiting for the next look.

        Raises:
            NotFound: there is no such scan.
            WrongState: it is not held.
            SignInRequired: its person cannot be sent for; it stays held.
        """
        job = self.find(device, job_id)
        if job.state != HELD:
            raise faults.WrongState(job.state)
        job = self._holds.look(job)
        if job.state == HELD:
            raise faults.SignInRequired("held")
        return job

    def cancel(self, device: Device, job_id: str) -> Job:
        """Cancel what has not been sent.

        Raises:
            NotFound: there is no such scan.
            WrongState: it is being sent, or has ended.
        """
        self.find(device, job_id)
        return self._acceptance.cancel(device, job_id)
