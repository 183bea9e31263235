"""The table of jobs: changes by compare-and-swap, the history of a device, and the list of what is due."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shared import faults
from shared.privacy.traces import LISTS
from shared.scans.job import Job, columns_of, read
from shared.storage import Gone, Row, Table, Value, key

DUE = "due"
HISTORY = "history"
_LATEST = 10**15
CURSOR = re.compile(r"[0-9]{15}\.[0-9a-f-]{36}")

WRITES_TAKE = timedelta(minutes=10)
"""No two writes of one change are further apart than this."""


Decision = tuple[Mapping[str, Value | None], datetime | None] | None
"""The columns to change and when to look again at the latest (None: never); or None, to leave the job alone."""


@dataclass(frozen=True)
class Due:
    """A place in the list of what is due. A job that names another one has left it over, or is about to name it."""

    place: str
    device_id: str
    job_id: str
    made: datetime
    blob: str = ""
    """The document of the attempt to store a scan that made it; empty where a later change did."""


class Jobs:
    """All jobs, in the table ``jobs`` (partition: device id).

    Args:
        table: the table ``jobs``.
        clock: the time now.
    """

    def __init__(self, table: Table, clock: Callable[[], datetime]) -> None:
        self._table = table
        self._clock = clock

    def get(self, device_id: str, job_id: str) -> Job | None:
        """Return the job, or None.

        Raises:
            Unreadable: its row is not one of ours.
        """
        row = self._table.get(key(device_id), key("job", job_id))
        return read(device_id, row) if row else None

    def insert(self, job: Job) -> None:
        """Write a new job that was announced, and its place in the history.

        Raises:
            AlreadyThere: the device has a job with this id.
        """
        in_history = key(HISTORY, newest_first(job.created), job.manifest.id)
        self._table.insert_together(
            key(job.device_id), [(key("job", job.manifest.id), columns_of(job)), (in_history, {"job": job.manifest.id})]
        )

    def delete(self, device_id: str, job_id: str, place: str) -> None:
        """Delete a job and its place in the history (see :func:`newest_first`); what is not there is fine."""
        self._table.delete(key(device_id), key(HISTORY, place, job_id))
        self._table.delete(key(device_id), key("job", job_id))

    def change(
        self,
        device_id: str,
        job_id: str,
        decide: Callable[[Job], Decision],
        *,
        known: Job | None = None,
        then: Callable[[Job], None] = lambda _: None,
        forget: Sequence[str] = (),
        postpone: bool = False,
    ) -> Job:
        """Change a job by compare-and-swap.

        ``updated`` always moves forward. A place in the list of what is due that is early enough stays where it is:
        the sweep that meets it too early puts it later.

        Args:
            device_id: the job's device.
            job_id: the job.
            decide: gets the job as it is, and says what becomes of it.
            known: the job as the caller read or wrote it last: saves reading it.
            then: gets the job as it is now. Whatever stops it, the sweep still finds the place among what is due.
            forget: further rows of the lists, deleted together with what the change leaves over.
            postpone: whether a place among what is due is moved although it is early enough.

        Raises:
            NotFound: there is no such job.
        """
        made: list[str] = []
        old_due = ""

        def decide_row(row: Row) -> Mapping[str, Value | None] | None:
            nonlocal old_due
            decision = decide(read(device_id, row))
            if decision is None:
                old_due = ""
                return None
            changes, due = decision
            old_due = row.get("due", "")
            place: str | None = None
            if due is not None and old_due and not postpone and old_due < key(DUE, _moment(due), "~"):
                place = old_due
            elif due is not None:
                made.append(place := self._make_due(device_id, job_id, due))
            updated = max(self._clock(), row["updated"] + timedelta(microseconds=1))
            return {**changes, "updated": updated, "due": place}

        try:
            row = self._table.change(
                key(device_id), key("job", job_id), decide_row, known=known.row if known is not None else None
            )
        except Gone as error:
            raise faults.NotFound from error
        then(read(device_id, row))
        # The change has happened; what cannot be tidied up now is tidied up by whoever lists what is due.
        left_over = [*({old_due, *made} - {row.get("due"), ""}), *forget]
        if left_over:
            with suppress(faults.StorageUnavailable):
                self._table.delete_together(LISTS, left_over)
        return read(device_id, row)

    def history(self, device_id: str, cursor: str, count: int) -> tuple[list[Job], str | None]:
        """Return up to ``count`` jobs of a device, newest first, and the cursor for those after them.

        A cursor is :data:`CURSOR`: the place of the last job that was seen. Jobs may share a millisecond.
        """
        after = key(HISTORY, *cursor.split(".")) if cursor else key(HISTORY, "")
        rows = list(self._table.query(key(device_id), after=after, before=key(HISTORY, "~"), limit=count + 1))
        jobs = [job for row in rows[:count] if (job := self.get(device_id, row["job"]))]
        more = ".".join(rows[count - 1].row.split("|")[1:]) if len(rows) > count else None
        return jobs, more

    def due(self, limit: int) -> list[Due]:
        """Return the places in the list of what is due that are over now, at most ``limit``, the earliest first."""
        now = key(DUE, _moment(self._clock()), "~")
        return list(self._listed(now, limit))

    def listed(self) -> Iterator[Due]:
        """Yield every place in the list of what is due, also of what is due later."""
        return self._listed(key(DUE, "~"), None)

    def _listed(self, before: str, limit: int | None) -> Iterator[Due]:
        for row in self._table.query(LISTS, after=key(DUE, ""), before=before, limit=limit):
            yield Due(row.row, row["device"], row["job"], row["made"], row.get("blob", ""))

    def condemn(self, device_id: str, job_id: str) -> None:
        """End a job whose row cannot be read: it can never be sent, and must not stand in the way of others."""
        with suppress(Gone):
            ended: dict[str, Value | None] = {"state": "failed", "reason": faults.Unexpected.reason, "due": None}
            self._table.change(key(device_id), key("job", job_id), lambda _: ended)

    def forget_due(self, place: str) -> None:
        """Delete a place in the list of what is due that was left over."""
        self._table.delete(LISTS, place)

    def _make_due(self, device_id: str, job_id: str, due: datetime) -> str:
        row = due_row(device_id, job_id, due)
        self._table.insert(LISTS, row, {"device": device_id, "job": job_id, "made": self._clock()})
        return row


def due_row(device_id: str, job_id: str, due: datetime) -> str:
    """Return the key of a new place in the list of what is due. No two are the same."""
    return key(DUE, _moment(due), device_id, job_id, uuid.uuid4().hex)


def due_values(job: Job) -> dict[str, Value]:
    """Return the columns of a new job's place in the list of what is due."""
    return {"device": job.device_id, "job": job.manifest.id, "made": job.created, "blob": job.blob}


def newest_first(moment: datetime) -> str:
    """Return a text that sorts before those of all earlier moments, to the millisecond."""
    return f"{_LATEST - int(moment.timestamp() * 1000):015d}"


def oldest_first(place: str) -> str:
    """Return a text that sorts the other way round than :func:`newest_first`."""
    return f"{_LATEST - int(place):015d}"


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%S.%f")
