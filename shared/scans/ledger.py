"""The scans of an organisation, as its administrator looks for them.

Pages come from one of three lists that lie newest first: the organisation's, a printer's history, a person's traces. A
page costs one request for its list and one for each job that is looked at, whatever is stored; a filter looks at
:data:`LOOKED_AT` jobs at most and then says where it stopped. Scanning costs one row more for the organisation's list,
in a write that is made anyway (``announcements``).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from statistics import median
from typing import TypeGuard

from shared.privacy.traces import LISTS, row_of_scan
from shared.scans.announcements import row_of_organisation
from shared.scans.job import Job, Unreadable
from shared.scans.jobs import HISTORY, Jobs, newest_first
from shared.storage import Table, key

PLACE = re.compile(r"[0-9]{15}\.[0-9a-f-]{36}\.[0-9a-f-]{36}")
"""A cursor: place in time, device and id of the last job that was looked at."""
LOOKED_AT = 150
"""Jobs at most that one page looks at."""
AT_ONCE = 8
"""Jobs that are read at the same time."""
DAYS = 14
COUNTED_AT_MOST = 5000
"""Scans that the figures count."""
READ_AT_MOST = 200
"""Scans of which the figures know how they ended: the newest."""

CODES = (360, 361, 370, None)
"""The panel codes by which the figures count faults; None: faults without a code."""

_Place = tuple[str, str, str]


@dataclass(frozen=True)
class Day:
    """One day (UTC) of the figures: scans that came in, and of those that were looked at how they ended."""

    day: date
    scans: int
    sent: int
    failed: int
    seconds: float | None
    """Median from hand-over to mailbox, where any was sent."""
    codes: tuple[int, ...]
    """Scans that met a fault and have not been sent, for each of :data:`CODES`."""


@dataclass(frozen=True)
class Figures:
    """What the last days were like.

    Attributes:
        days: :data:`DAYS` days, the oldest first.
        reasons: how often a scan failed, or waits, or is uncertain, by the fault's slug; the most frequent first.
        counted: scans that were counted; at most :data:`COUNTED_AT_MOST`.
        read: the newest of these, whose end is known; at most :data:`READ_AT_MOST`.
    """

    days: tuple[Day, ...]
    reasons: tuple[tuple[str, int], ...]
    counted: int
    read: int


class Ledger:
    """Lists the scans of an organisation.

    Args:
        table: the table ``jobs``.
        jobs: the rows.
        clock: the time now.
    """

    def __init__(self, table: Table, jobs: Jobs, clock: Callable[[], datetime]) -> None:
        self._table = table
        self._jobs = jobs
        self._clock = clock

    def page(
        self,
        tid: str,
        cursor: str,
        count: int,
        *,
        device_id: str = "",
        oid: str = "",
        wanted: Callable[[Job], bool] = lambda _: True,
    ) -> tuple[list[Job], str | None]:
        """Return up to ``count`` jobs of an organisation, newest first, and the cursor for those after them.

        Args:
            tid: the organisation; a job of another one is never among them.
            cursor: :data:`PLACE`, or empty.
            count: jobs at most.
            device_id: one printer's alone.
            oid: one person's alone.
            wanted: the filter. Fewer than ``count`` jobs with a cursor: it looked at as many as it may.
        """
        after: _Place | None = None
        if cursor:
            place, device, job_id = cursor.split(".")
            after = place, device, job_id
        found: list[Job] = []
        looked = 0
        while looked < LOOKED_AT:
            chunk = list(self._places(tid, device_id, oid, after, count + 1))
            if not chunk:
                return found, None
            for number, (where, job) in enumerate(zip(chunk, self._read(chunk), strict=True)):
                if len(found) == count:
                    return found, ".".join(after or ())
                after, looked = where, looked + 1
                if _belongs(job, tid, oid) and wanted(job):
                    found.append(job)
                if looked == LOOKED_AT and number + 1 < len(chunk):
                    return found, ".".join(where)
            if len(chunk) <= count:
                return found, None
        return found, ".".join(after or ())

    def figures(self, tid: str) -> Figures:
        """Return what the last :data:`DAYS` days were like. Costs six requests for 5,000 scans, and 200 reads."""
        now = self._clock().astimezone(UTC)
        first = now.date() - timedelta(days=DAYS - 1)
        end = newest_first(datetime.combine(first, datetime.min.time(), UTC))
        rows = self._table.query(
            LISTS,
            after=row_of_organisation(tid, ""),
            before=row_of_organisation(tid, end, "~"),
            limit=COUNTED_AT_MOST,
        )
        places = [_in_organisation(row.row) for row in rows]
        counted = Counter(_day(place) for place, _, _ in places)
        jobs = [job for job in self._read(places[:READ_AT_MOST]) if _belongs(job, tid, "")]
        reasons = Counter(job.reason for job in jobs if job.reason and job.state != "sent")
        return Figures(
            days=tuple(self._about(first + timedelta(days=number), counted, jobs) for number in range(DAYS)),
            reasons=tuple(reasons.most_common()),
            counted=len(places),
            read=len(jobs),
        )

    @staticmethod
    def _about(day: date, counted: Counter[date], jobs: Sequence[Job]) -> Day:
        of_day = [job for job in jobs if job.created.astimezone(UTC).date() == day]
        taken = [(job.updated - job.deliverable_since).total_seconds() for job in of_day if job.state == "sent"]
        failed = sum(job.state == "failed" for job in of_day)
        met = Counter(job.fault.code for job in of_day if job.fault is not None and job.state != "sent")
        codes = tuple(met[code] for code in CODES)
        return Day(day, counted[day], len(taken), failed, median(taken) if taken else None, codes)

    def _places(self, tid: str, device_id: str, oid: str, after: _Place | None, limit: int) -> Iterator[_Place]:
        """Yield places beyond ``after``; ``~`` sorts after everything that a key holds."""
        if device_id:
            begin = key(HISTORY, after[0], after[2]) if after else key(HISTORY, "")
            for row in self._table.query(key(device_id), after=begin, before=key(HISTORY, "~"), limit=limit):
                yield row.row.split("|")[1], device_id, row["job"]
            return
        begin, last = row_of_organisation(tid, ""), row_of_organisation(tid, "~")
        if oid:
            begin, last = row_of_scan(tid, oid, ""), row_of_scan(tid, oid, "~")
        if after:
            begin = row_of_scan(tid, oid, *after, "~") if oid else row_of_organisation(tid, *after, "~")
        for row in self._table.query(LISTS, after=begin, before=last, limit=limit):
            yield _in_organisation(row.row)

    def _read(self, places: Sequence[_Place]) -> list[Job | None]:
        def read(place: _Place) -> Job | None:
            try:
                return self._jobs.get(place[1], place[2])
            except Unreadable:
                return None

        if not places:
            return []
        with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
            return list(pool.map(read, places))


def _in_organisation(row: str) -> _Place:
    """Read a place from the end of a row's key: device, job and document are UUIDs, which every key writes plainly."""
    place, device_id, job_id, _ = row.split("|")[-4:]
    return place, device_id, job_id


def _belongs(job: Job | None, tid: str, oid: str) -> TypeGuard[Job]:
    return job is not None and job.tid == tid and oid in {"", job.oid}


def _day(place: str) -> date:
    return datetime.fromtimestamp((10**15 - int(place)) / 1000, UTC).date()
