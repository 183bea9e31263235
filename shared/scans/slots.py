"""The moment at which a mail is about to leave: who may, how many at once, and whether a dead one had come so far.

A delivery that is about to send its first byte writes two rows together (table ``jobs``, partition ``lists``): a slot,
which is its place among the few that may be under way for one mailbox, and the mark of its lease. Whoever takes a job
over writes the mark of the lease that ran out. One of the two is first, whatever the clocks of the processes say:

- the mark of the delivery is there: its mail may have left;
- the mark of the successor is there: the late delivery cannot write its own any more, and never sends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.privacy.traces import LISTS
from shared.scans.jobs import Job
from shared.storage import AlreadyThere, Changed, Row, Table, Value, key

SLOT, MARK = "slot", "mark"
TRIES = 6
"""How often somebody else may be faster before a delivery steps back."""
MARKS_KEPT = timedelta(days=2)
"""Longer than any job is tried: until then the mark of a delivery that died must be found."""


class AllTaken(Exception):
    """As many mails as the mailbox takes at once are under way."""


class TakenOver(Exception):
    """The lease ran out and somebody else has the job: nothing may be sent."""


@dataclass(frozen=True)
class HandedOver:
    """What the mark of a delivery says."""

    verified: bool
    """Whether the mailbox can be asked what became of its mail."""
    until: datetime
    """Before this it may still be at work."""


class Slots:
    """The slots of all mailboxes, and the marks of all leases.

    Args:
        table: the table ``jobs``.
        clock: the time now.
    """

    def __init__(self, table: Table, clock: Callable[[], datetime]) -> None:
        self._table = table
        self._clock = clock

    def take(self, job: Job, count: int, *, first: int, verified: bool, until: datetime) -> tuple[str, ...]:
        """Write down that the mail of ``job`` is about to leave, in one of ``count`` slots of its mailbox.

        Args:
            job: that the caller holds by its lease.
            count: most that may be under way at once for the mailbox.
            first: the slot to begin with: whoever expects it free saves asking.
            verified: whether the mailbox can be asked what became of the mail.
            until: when the mail will have left; the slot is free then.

        Returns:
            The rows to delete when it has been written down how it ended.

        Raises:
            AllTaken: come back in a moment.
            TakenOver: the job is somebody else's.
        """
        assert job.lease is not None
        mark = key(MARK, job.lease)
        number = first % count
        for _ in range(TRIES):
            slot = key(SLOT, job.tid, job.oid, str(number))
            values: dict[str, Value | None] = {"lease": job.lease, "until": until, "made": self._clock()}
            try:
                self._table.insert_together(LISTS, [(slot, values), (mark, {**values, "verified": verified})])
            except AlreadyThere:
                if self._table.get(LISTS, mark) is not None:
                    raise TakenOver from None
            else:
                return slot, mark
            number = self._free(job, count)
        raise AllTaken

    def seize(self, lease: str) -> HandedOver | None:
        """Take a lease that ran out away from its delivery.

        Returns:
            How far the delivery had come, where it had handed its mail over; None: it had not, and never will.
        """
        now = self._clock()
        try:
            self._table.insert(LISTS, key(MARK, lease), {"until": now, "made": now})
        except AlreadyThere:
            mark = self._table.get(LISTS, key(MARK, lease))
            if mark is not None and mark.get("lease"):
                return HandedOver(bool(mark["verified"]), mark["until"])
        return None

    def forget_person(self, tid: str, oid: str) -> None:
        """Delete the slots of somebody's mailbox."""
        for row in list(self._of(tid, oid)):
            self._table.delete(LISTS, row.row)

    def expire(self) -> None:
        """Delete what deliveries that died have left over and nobody will ask for any more."""
        now = self._clock()
        for kind in (SLOT, MARK):
            for row in list(self._table.query(LISTS, after=key(kind, ""), before=key(kind, "~"))):
                if row["made"] < now - MARKS_KEPT:
                    self._table.delete(LISTS, row.row)

    def _free(self, job: Job, count: int) -> int:
        """Return the number of a slot that is free, or was until its time was over."""
        taken = {row.row: row for row in self._of(job.tid, job.oid)}
        numbered = [(number, taken.get(key(SLOT, job.tid, job.oid, str(number)))) for number in range(count)]
        for number, row in numbered:
            if row is None:
                return number
        for number, row in numbered:
            if row is not None and row["until"] < self._clock():
                with suppress(Changed):
                    self._table.delete_unchanged(row)
                return number
        raise AllTaken

    def _of(self, tid: str, oid: str) -> Iterator[Row]:
        return self._table.query(LISTS, after=key(SLOT, tid, oid, ""), before=key(SLOT, tid, oid, "~"))
