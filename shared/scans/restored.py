"""After a restore: what a backup says was not sent may have been sent since, so nothing of it is sent by itself."""

from __future__ import annotations

from collections.abc import Iterator

from shared import faults
from shared.scans.job import RESTING, Job, Unreadable
from shared.scans.jobs import Decision, Jobs


class Restored:
    """Sets the jobs of a backup aside. The app must not be running: its timers would wake them.

    Args:
        jobs: the rows.
    """

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    def set_aside(self) -> Iterator[Job]:
        """Make every job that has not ended ``uncertain``, and yield it as it was.

        Such a job is never sent by itself, shows 360, and tells its person to look into his mailbox; an administrator
        may send it once more. Doing it again, or half, does no harm.
        """
        for due in self._jobs.listed():
            try:
                job = self._jobs.get(due.device_id, due.job_id)
            except Unreadable:
                self._jobs.condemn(due.device_id, due.job_id)
                job = None
            if job is not None and job.state not in RESTING:
                self._jobs.change(job.device_id, job.manifest.id, _aside, known=job)
                yield job
            self._jobs.forget_due(due.place)


def _aside(job: Job) -> Decision:
    if job.state in RESTING:
        return None
    reason = faults.OutcomeUnknown.reason
    return {"state": "uncertain", "reason": reason, "next_attempt": None, "lease_until": None, "until": None}, None
