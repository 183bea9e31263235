"""Scans that wait for their person to sign in: kept in private storage, sent by themselves, or deleted in the end.

A hold and a sign-in may cross. The hold writes its entry in the index, then the job's row, then looks whether the
person can be sent for by now. The sign-in is stored, then reads the index. So one of the two sees the other; where a
process dies in between, the list of what is due brings the job to :meth:`Holds.look` again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared import faults
from shared.scans.announcements import Announcements
from shared.scans.failure_notices import FailureNotices
from shared.scans.hold_index import HoldIndex, row_of
from shared.scans.job import HELD, Job
from shared.scans.jobs import WRITES_TAKE, Decision, Jobs
from shared.storage import Blobs, Queue

if TYPE_CHECKING:
    from shared.organisations import Organisations
    from shared.people import People

LONGEST_LIFE = timedelta(days=5)
"""However often it is held again, a scan is held no later than this after it was made."""
HELD_AT_MOST = 50
"""Scans for one person within :data:`LONGEST_LIFE`; more are refused (threat E06)."""
FIRST_LOOK = timedelta(minutes=5)
"""The net under the index; the pauses between looks grow with the age of the scan."""
RELEASED_SWEPT_AFTER = timedelta(seconds=60)

log = logging.getLogger(__name__)


class Holds:
    """Holds scans and lets them go.

    Args:
        index: where a sign-in finds them.
        jobs: the rows.
        announcements: learn whose a scan is.
        documents: the container with the bytes.
        deliveries: the queue that wakes delivery.
        organisations: say how long a scan is held.
        people: say whose it is and whether he can be sent for.
        notices: tell a person of what was deleted before he came.
        clock: the time now.
    """

    def __init__(
        self,
        index: HoldIndex,
        jobs: Jobs,
        announcements: Announcements,
        documents: Blobs,
        deliveries: Queue,
        organisations: Organisations,
        people: People,
        notices: FailureNotices,
        clock: Callable[[], datetime],
    ) -> None:
        self._index = index
        self._jobs = jobs
        self._announcements = announcements
        self._documents = documents
        self._deliveries = deliveries
        self._organisations = organisations
        self._people = people
        self._notices = notices
        self._clock = clock

    def until(self, tid: str, created: datetime) -> datetime | None:
        """Return until when a scan made at ``created`` would be held from now on; None: it is not held at all."""
        now = self._clock()
        until = min(now + timedelta(hours=self._organisations.recent(tid).policy.hold_hours), created + LONGEST_LIFE)
        return until if until > now else None

    def until_again(self, job: Job) -> datetime | None:
        """Return until when a scan would be held whose delivery met a sign-in that ended; None: it is not held.

        Only for the account that the printer's user is pinned to: a row that was made to name another one fails (E15).
        """
        if not job.oid or self._people.account_of(job.tid, job.group, job.manifest.user) != job.oid:
            return None
        return self.until(job.tid, job.created)

    def require_room(self, tid: str, group: str, user: str, oid: str) -> None:
        """Let one more scan be held for a person.

        Raises:
            TooManyRequests: as many as may be are held for him.
        """
        held = self._index.of_account(tid, oid) if oid else self._index.of_user(tid, group, user)
        young = self._clock() - LONGEST_LIFE
        if sum(entry.made > young for entry in held) >= HELD_AT_MOST:
            raise faults.TooManyRequests("held")

    def first_look(self, until: datetime) -> datetime:
        """Return when the net looks at a scan for the first time."""
        return min(until, self._clock() + FIRST_LOOK)

    def note(self, job: Job) -> None:
        """Write the entry of a scan that is about to be held. It comes before the job's row says so."""
        self._index.note(job)

    def look(self, job: Job) -> Job:
        """Send a held scan on its way where its person can be sent for by now, or end it where its time is over.

        Returns:
            The job as it stands.

        Raises:
            StorageUnavailable: look again later.
        """
        if job.next_attempt is not None and self._clock() < job.next_attempt:
            return job
        oid = self._people.account_of(job.tid, job.group, job.manifest.user)
        if job.oid in {"", oid} and self._people.hindrance(job.tid, oid) is None:
            return self._release(job, oid)
        if job.until is not None and self._clock() >= job.until:
            return self._give_up(job)
        return job

    def later(self, job: Job) -> datetime:
        """Return when to look again at a scan that stays held."""
        now = self._clock()
        if job.next_attempt is not None and now < job.next_attempt:
            return job.next_attempt
        later = now + max(FIRST_LOOK, (now - job.created) / 2)
        return later if job.until is None else min(later, job.until)

    def signed_in(self, tid: str, group: str, user: str) -> None:
        """The person behind a printer's user can be sent for: let go what is held for him, and for nobody else.

        To be called after his sign-in was stored. It may be called again.
        """
        oid = self._people.account_of(tid, group, user)
        if self._people.hindrance(tid, oid) is not None:
            return
        lapsed: list[Job] = []
        for entry in (*self._index.of_user(tid, group, user), *self._index.of_account(tid, oid)):
            job = self._jobs.get(*entry.job)
            if job is None:
                # A younger one may be of a scan that is being accepted at this moment; it looks for itself.
                if self._clock() - entry.made > WRITES_TAKE:
                    self._index.forget([entry.row])
                continue
            if job.state == "failed" and job.reason == faults.HoldExpired.reason:
                lapsed.append(job)
            self._release(job, oid)
            self._index.forget([entry.row])
        if lapsed:
            self._notices.lapsed(tid, oid, lapsed)

    def _release(self, job: Job, oid: str) -> Job:
        """Say whose a scan is, where that is new, and send it on its way, where it was held."""
        entry = row_of(job)
        if not job.oid:
            # Before the row names him, so that his erasure finds it.
            self._announcements.adopt(job, oid)
        released = False

        def release(now: Job) -> Decision:
            nonlocal released
            released = False
            if now.oid not in {"", oid}:
                return None
            if now.state != HELD:
                return None if now.oid else ({"oid": oid}, now.until if now.due else None)
            released = True
            moment = self._clock()
            changes = {
                "state": "accepted",
                "reason": None,
                "oid": oid,
                "until": None,
                "began": moment,
                "next_attempt": None,
            }
            return changes, moment + RELEASED_SWEPT_AFTER

        with suppress(faults.NotFound):
            job = self._jobs.change(job.device_id, job.manifest.id, release)
        if released:
            self._index.forget([entry])
            self._deliveries.send(f"{job.device_id}/{job.manifest.id}")
            log.info("job %s of device %s: released", job.manifest.id, job.device_id)
        return job

    def _give_up(self, job: Job) -> Job:
        ended = False

        def give_up(now: Job) -> Decision:
            nonlocal ended
            ended = now.state == HELD
            return ({"state": "failed", "reason": faults.HoldExpired.reason, "until": None}, None) if ended else None

        def then(job: Job) -> None:
            if ended:
                self._documents.delete(job.blob)

        job = self._jobs.change(job.device_id, job.manifest.id, give_up, then=then)
        if ended:
            log.info("job %s of device %s: held in vain", job.manifest.id, job.device_id)
        return job
