"""What is written before a scan's first byte, so that the scan can be found by its person and by its age.

Two rows for every attempt to store a scan: the trace of its person (``privacy``), and its place in the list of what
is kept (table ``jobs``, one partition for all, oldest first). Whatever stops afterwards, erasure and expiry find the
document and the job. Where no job came of it, they find nothing, and that is fine.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from shared.privacy.traces import JOB, Trace
from shared.scans.jobs import Job, newest_first, oldest_first
from shared.storage import Table, key

if TYPE_CHECKING:
    from shared.privacy import Traces

KEPT = "kept"


@dataclass(frozen=True)
class Announced:
    """An attempt to store a scan. ``tid`` and ``oid`` are empty once its person was erased."""

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
        """Announce a scan whose document is about to be stored."""
        trace = trace_of(job)
        self._traces.note(job.tid, job.oid, trace)
        self._put(trace.parts, job.tid, job.oid)

    def anonymise(self, trace: Trace) -> None:
        """Let the list of what is kept say no longer whose it is."""
        self._put(trace.parts, "", "")

    def forget(self, announced: Announced) -> None:
        """Delete an announcement: nothing is left of what it announced."""
        parts = (announced.place, announced.device_id, announced.job_id, announced.blob)
        if announced.oid:
            self._traces.forget(announced.tid, announced.oid, JOB, *parts)
        self._table.delete(KEPT, _row(parts))

    def before(self, moment: datetime, limit: int) -> Iterator[Announced]:
        """Yield up to ``limit`` announcements made before ``moment``, the oldest first."""
        end = key(oldest_first(newest_first(moment)))
        for row in list(self._table.query(KEPT, before=end, limit=limit)):
            yield _announced(json.loads(row["parts"]), row["tid"], row["oid"])

    def _put(self, parts: tuple[str, ...], tid: str, oid: str) -> None:
        self._table.put(KEPT, _row(parts), {"parts": json.dumps(parts), "tid": tid, "oid": oid})


def announced(job: Job) -> Announced:
    """Return the announcement that was made of a job."""
    return _announced(trace_of(job).parts, job.tid, job.oid)


def trace_of(job: Job) -> Trace:
    """Return where a job and its document lie."""
    return Trace(JOB, (newest_first(job.created), job.device_id, job.manifest.id, job.blob), job.created)


def _announced(parts: Sequence[str], tid: str, oid: str) -> Announced:
    place, device_id, job_id, blob = parts
    return Announced(place, device_id, job_id, blob, tid, oid)


def _row(parts: tuple[str, ...]) -> str:
    return key(oldest_first(parts[0]), *parts[1:])
