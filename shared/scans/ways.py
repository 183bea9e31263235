"""Which way a scan goes whose document is there: to be delivered, to be held, or nowhere."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared import faults
from shared.faults import Action
from shared.scans.holds import Holds
from shared.scans.job import AWAITING, HELD, Job
from shared.scans.jobs import Decision, Jobs
from shared.storage import Queue, Value

if TYPE_CHECKING:
    from shared.people import People

SWEPT_AFTER = timedelta(seconds=60)
"""A job that nobody has picked up is woken again after this."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Way:
    """Where a scan goes: ``accepted`` or ``held`` (with the reason and the end of the hold), and whose it is."""

    oid: str
    state: str
    reason: str | None
    until: datetime | None
    largest_taken: int | None = None
    """Bytes: what its mailbox refused was larger; None where that is not known."""


class Ways:
    """Decides the way of scans.

    Args:
        jobs: the rows.
        holds: keeps what cannot be sent yet.
        people: say whose a scan is, and whether he can be sent for.
        deliveries: the queue that wakes delivery.
        clock: the time now.
    """

    def __init__(
        self, jobs: Jobs, holds: Holds, people: People, deliveries: Queue, clock: Callable[[], datetime]
    ) -> None:
        self._jobs = jobs
        self._holds = holds
        self._people = people
        self._deliveries = deliveries
        self._clock = clock

    def choose(self, tid: str, group: str, user: str, created: datetime) -> Way:
        """Return the way of a scan that is handed over now.

        Raises:
            PersonMust: he must sign in first, and the organisation holds nothing.
        """
        oid = self._people.account_of(tid, group, user)
        standing = self._people.standing(tid, oid)
        hindrance = standing.hindrance
        if hindrance is None:
            return Way(oid, "accepted", None, None, standing.largest_taken)
        until = self._holds.until(tid, created) if hindrance.action is Action.HOLD else None
        if until is None:
            raise hindrance("not held")
        return Way(oid, HELD, hindrance.reason, until, standing.largest_taken)

    def go(self, job: Job, etag: str) -> Job:
        """Bring an awaited scan on its way, pinned by the ETag of its document."""
        try:
            way = self._way_of(job)
        except faults.PersonMust as fault:
            way = Way(job.oid, "failed", fault.reason, None)
        if way.state == HELD and job.oid:
            self._holds.note(job)
        went = False

        def go(now: Job) -> Decision:
            nonlocal went
            went = now.state == AWAITING
            if not went:
                return None
            changes: dict[str, Value | None] = {
                "state": way.state,
                "reason": way.reason,
                "until": way.until,
                "etag": etag,
                "began": self._clock(),
            }
            if way.until is not None:
                return changes, self._holds.first_look(way.until)
            return changes, self._clock() + SWEPT_AFTER if way.state == "accepted" else None

        job = self._jobs.change(job.device_id, job.manifest.id, go)
        return self.went(job) if went else job

    def went(self, job: Job) -> Job:
        """Wake the delivery of a scan whose row was written just now, or look once more whether it must be held."""
        if job.state == HELD:
            return self._holds.look(job)
        if job.state == "accepted":
            try:
                self._deliveries.send(f"{job.device_id}/{job.manifest.id}")
            except faults.StorageUnavailable:
                log.warning(
                    "job %s of device %s has no wake-up; the sweep will bring it", job.manifest.id, job.device_id
                )
        return job

    def _way_of(self, job: Job) -> Way:
        if job.own:
            # Whether the printer's mailbox still is signed in, delivery says.
            return Way(job.oid, "accepted", None, None)
        if not job.oid:
            # Whose it is by now is found by the look after this: his traces come before the row names him.
            until = self._holds.until(job.tid, job.created)
            if until is None:
                raise faults.SignInRequired("not held")
            return Way("", HELD, faults.SignInRequired.reason, until)
        hindrance = self._people.hindrance(job.tid, job.oid)
        until = self._holds.until(job.tid, job.created) if hindrance and hindrance.action is Action.HOLD else None
        if hindrance is None or until is None:
            # Where he cannot be sent for and nothing is held, delivery says so.
            return Way(job.oid, "accepted", None, None)
        return Way(job.oid, HELD, hindrance.reason, until)
