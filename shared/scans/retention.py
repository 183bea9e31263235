"""How long a job's rows and bytes live: thirty days, or until its person is erased."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from shared import faults
from shared.scans.announcements import Announcements
from shared.scans.failure_notices import FailureNotices
from shared.scans.hold_index import HoldIndex
from shared.scans.job import RESTING, Job, written
from shared.scans.jobs import Jobs
from shared.scans.slots import Slots
from shared.storage import Blobs, Value

if TYPE_CHECKING:
    from shared.privacy import Trace

KEPT = timedelta(days=30)
"""After this a job, its place in the history and whatever is left of it are deleted. No job works for so long."""
ORPHAN_AFTER = timedelta(hours=48)
"""An older document is asked for its job. Only held ones live so long with one."""
AT_MOST = 2000
"""Jobs that one run of the timer deletes."""


log = logging.getLogger(__name__)

Anonymised = Literal["nothing", "kept", "cancelled"]
"""What was done to a job: nothing (there is none, or it was done before), its end was kept, or it was cancelled."""


class Retention:
    """Deletes and anonymises jobs.

    Args:
        jobs: the rows.
        announcements: what was stored when.
        slots: of the mailbox of who is erased.
        documents: the container with the bytes.
        index: what is held for whom.
        notices: what there is to tell whom.
        clock: the time now.
    """

    def __init__(
        self,
        jobs: Jobs,
        announcements: Announcements,
        slots: Slots,
        documents: Blobs,
        index: HoldIndex,
        notices: FailureNotices,
        clock: Callable[[], datetime],
    ) -> None:
        self._jobs = jobs
        self._announcements = announcements
        self._slots = slots
        self._documents = documents
        self._index = index
        self._notices = notices
        self._clock = clock

    def expire(self) -> int:
        """Delete what is older than :data:`KEPT`, at most :data:`AT_MOST` jobs; returns how many.

        It may be cut off anywhere and run twice: the announcement goes last.
        """
        count = 0
        for old in self._announcements.before(self._clock() - KEPT, AT_MOST):
            self._documents.delete(old.blob)
            job = self._jobs.get(old.device_id, old.job_id)
            if job is not None and job.blob == old.blob:
                self._jobs.delete(old.device_id, old.job_id, old.place)
            self._announcements.forget(old)
            count += 1
        self._slots.expire()
        self._index.expire(self._clock() - KEPT)
        self._notices.expire()
        self._orphans()
        return count

    def anonymise(self, oid: str, trace: Trace) -> Anonymised:
        """Take out of a job whatever names its person or shows what he scanned, and delete the document.

        What has not been sent is cancelled. What is on its way to the mail service at this moment cannot be called
        back: its delivery may still write down how it ended. The device's history keeps state and times.

        Args:
            oid: the person.
            trace: of the job.

        Doing it again does no harm.
        """
        _, device_id, job_id, blob = trace.parts
        done: Anonymised = "nothing"

        def anonymise(job: Job) -> tuple[dict[str, Value | None], None] | None:
            nonlocal done
            done = "nothing"
            if job.oid != oid or job.blob != blob:
                return None
            changes = self._anonymous(job)
            done = "cancelled" if changes.get("state") == "cancelled" else "kept"
            return changes, None

        with suppress(faults.NotFound):
            self._jobs.change(device_id, job_id, anonymise)
        # After the job: a delivery that misses its document would write that down as the job's end.
        self._documents.delete(blob)
        self._announcements.anonymise(trace)
        return done

    def forget_person(self, tid: str, oid: str) -> None:
        """Delete what says that mails of his are leaving, what is held for him, and what there was to tell him."""
        self._slots.forget_person(tid, oid)
        self._index.forget(entry.row for entry in self._index.of_account(tid, oid))
        self._notices.forget_person(tid, oid)

    def anonymise_user(self, tid: str, group: str, user: str, cut_off: datetime) -> int:
        """Do the same with scans that wait for a printer's user and name no account yet; returns how many it cancelled.

        Args:
            tid: the tenant.
            group: the device group.
            user: who was pinned to the person that is erased.
            cut_off: what was made later stays.
        """
        cancelled = 0
        for entry in list(self._index.of_user(tid, group, user)):
            if entry.trace.since <= cut_off:
                cancelled += self.anonymise("", entry.trace) == "cancelled"
                self._index.forget([entry.row])
        return cancelled

    def _orphans(self) -> None:
        """Delete documents that no job came for, or that its end left over."""
        orphans = 0
        for name in self._documents.older_than(self._clock() - ORPHAN_AFTER):
            device_id, _, rest = name.partition("/")
            job = self._jobs.get(device_id, rest.partition("/")[0])
            if job is None or job.blob != name or job.state in RESTING:
                self._documents.delete(name)
                orphans += 1
        if orphans:
            log.warning("%d orphaned documents deleted", orphans)

    def _anonymous(self, job: Job) -> dict[str, Value | None]:
        manifest = replace(job.manifest, user="", title="", locale="", name="", size=0, sha256="")
        nobody: dict[str, Value | None] = {"oid": "", "etag": "", "draft": None, "manifest": written(manifest)}
        if job.state in RESTING:
            return nobody
        if job.state == "sending":
            # Its mail may be leaving at this moment.
            return {**nobody, "state": "uncertain", "reason": faults.OutcomeUnknown.reason}
        return {
            **nobody,
            "state": "cancelled",
            "reason": None,
            "next_attempt": None,
            "lease": None,
            "lease_until": None,
            "until": None,
        }
