"""What is written before a scan's first byte, so that the scan can be found by its person, its age, and its being due.

Four rows for every attempt to store a scan, written together (table ``jobs``, partition ``lists``): the trace of its
person (``privacy``), its place in the list of what is kept (oldest first), its place among its organisation's scans
(newest first, for the console), and its place in the list of what is due.
Whatever stops afterwards, erasure, expiry and the sweep find the document and the job. Where no job came of it, they
find nothing, and that is fine.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from shared.privacy.traces import JOB, LISTS, Trace, row_of_scan, values_of
from shared.scans import hold_index
from shared.scans.job import HELD, Job
from shared.scans.jobs import due_values, newest_first, oldest_first
from shared.storage import Gone, Table, Value, key

if TYPE_CHECKING:
    from shared.privacy import Traces

KEPT = "kept"
ORGANISATION = "organisation"


@dataclass(frozen=True)
class Announced:
    """An attempt to store a scan. ``oid`` is empty once its person was erased."""

    place: str
    """In the device's history (see :func:`shared.scans.jobs.newest_first`)."""
    device_id: str
    job_id: str
    blob: str
    tid: str
    oid: str


class Announcements:
    """The announcements of all scans.

    Args:
        table: the table ``jobs``.
        traces: where a person's things lie.
    """

    def __init__(self, table: Table, traces: Traces) -> None:
        self._table = table
        self._traces = traces

    def make(self, job: Job) -> None:
        """Announce a scan whose document is about to be stored. ``job.due`` is its place in the list of what is due."""
        trace = trace_of(job)
        assert job.due is not None
        whose: list[tuple[str, Mapping[str, Value | None]]] = []
        if job.oid:
            whose.append((row_of_scan(job.tid, job.oid, *trace.parts), values_of(job.oid, trace)))
        if not job.oid or job.state == HELD:
            whose.append((hold_index.row_of(job), hold_index.values_of(job)))
        self._table.insert_together(
            LISTS,
            [
                *whose,
                (_row(trace.parts), _values(trace.parts, job.tid, job.oid)),
                (row_of_organisation(job.tid, *trace.parts), {}),
                (job.due, due_values(job)),
            ],
        )

    def withdraw(self, job: Job) -> None:
        """Take back what :meth:`make` announced: no job came of it."""
        trace = trace_of(job)
        assert job.due is not None
        whose = [row_of_scan(job.tid, job.oid, *trace.parts)] if job.oid else []
        if not job.oid or job.state == HELD:
            whose.append(hold_index.row_of(job))
        in_organisation = row_of_organisation(job.tid, *trace.parts)
        self._table.delete_together(LISTS, [*whose, _row(trace.parts), in_organisation, job.due])

    def adopt(self, job: Job, oid: str) -> None:
        """Write down whose a scan is that was announced for somebody unknown."""
        trace = trace_of(job)
        self._traces.note(job.tid, oid, trace)
        self._table.put(LISTS, _row(trace.parts), _values(trace.parts, job.tid, oid))

    def anonymise(self, trace: Trace) -> None:
        """Let the list of what is kept say no longer whose it is."""
        with suppress(Gone):
            # The organisation stays: by it the scan's place among the organisation's scans is found again.
            self._table.change(LISTS, _row(trace.parts), lambda _: {"oid": ""})

    def forget(self, announced: Announced) -> None:
        """Delete an announcement: nothing is left of what it announced."""
        parts = (announced.place, announced.device_id, announced.job_id, announced.blob)
        if announced.oid:
            self._traces.forget(announced.tid, announced.oid, JOB, *parts)
        self._table.delete(LISTS, row_of_organisation(announced.tid, *parts))
        # Last: as long as it is there, the others are found again.
        self._table.delete(LISTS, _row(parts))

    def before(self, moment: datetime, limit: int) -> Iterator[Announced]:
        """Yield up to ``limit`` announcements made before ``moment``, the oldest first."""
        end = key(KEPT, oldest_first(newest_first(moment)))
        for row in list(self._table.query(LISTS, after=key(KEPT, ""), before=end, limit=limit)):
            yield _announced(json.loads(row["parts"]), row["tid"], row["oid"])


def trace_of(job: Job) -> Trace:
    """Return where a job and its document lie."""
    return Trace(JOB, (newest_first(job.created), job.device_id, job.manifest.id, job.blob), job.created)


def row_of_organisation(tid: str, *parts: str) -> str:
    """Return the row key of a scan's place among its organisation's, newest first; parts as those of its trace."""
    return key(ORGANISATION, tid, *parts)


def _announced(parts: Sequence[str], tid: str, oid: str) -> Announced:
    place, device_id, job_id, blob = parts
    return Announced(place, device_id, job_id, blob, tid, oid)


def _row(parts: tuple[str, ...]) -> str:
    return key(KEPT, oldest_first(parts[0]), *parts[1:])


def _values(parts: tuple[str, ...], tid: str, oid: str) -> dict[str, Value]:
    return {"parts": json.dumps(parts), "tid": tid, "oid": oid}
