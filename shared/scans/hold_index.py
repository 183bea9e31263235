"""Where to find the scans that a sign-in releases: by printer's user before the first one, by account after it.

The rows lie in table ``jobs``, partition ``lists``. A scan of somebody whom nobody knows yet has such a row from its
announcement on, whatever becomes of it: it is the one way from a person who signs in later, and from his erasure, to
what names him. A scan of a known account has one while it is held, and after that ran out until he was told.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.privacy.traces import JOB, LISTS, Trace
from shared.scans.job import Job
from shared.scans.jobs import newest_first
from shared.storage import Table, Value, key

HOLD = "hold"
_USER, _ACCOUNT = "user", "account"


@dataclass(frozen=True)
class Entry:
    """One scan in the index: the key of its row, when the row was written, and the trace of the scan."""

    row: str
    made: datetime
    trace: Trace

    @property
    def job(self) -> tuple[str, str]:
        """Device id and id of the scan."""
        return self.trace.parts[1], self.trace.parts[2]


class HoldIndex:
    """The index.

    Args:
        table: the table ``jobs``.
    """

    def __init__(self, table: Table) -> None:
        self._table = table

    def note(self, job: Job) -> None:
        """Note a scan that is about to be held."""
        self._table.put(LISTS, row_of(job), values_of(job))

    def of_user(self, tid: str, group: str, user: str) -> Iterator[Entry]:
        """Yield the scans for a printer's user from before his sign-in."""
        return self._within(HOLD, tid, _USER, group, user)

    def of_account(self, tid: str, oid: str) -> Iterator[Entry]:
        """Yield the scans that are held for an account."""
        return self._within(HOLD, tid, _ACCOUNT, oid)

    def forget(self, rows: Iterable[str]) -> None:
        """Delete entries; those that are not there are fine."""
        for some in batches(list(rows)):
            self._table.delete_together(LISTS, some)

    def expire(self, before: datetime) -> None:
        """Delete entries made before a moment. What they point at is gone by then."""
        self.forget(entry.row for entry in self._within(HOLD) if entry.made < before)

    def _within(self, *parts: str) -> Iterator[Entry]:
        found = self._table.query(LISTS, after=key(*parts, ""), before=key(*parts, "~"))
        for row in list(found):
            yield Entry(row.row, row["made"], Trace(JOB, tuple(json.loads(row["parts"])), row["since"]))


def batches(rows: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield rows in as many as one transaction takes (Microsoft, "Performing entity group transactions")."""
    for start in range(0, len(rows), 100):
        yield rows[start : start + 100]


def row_of(job: Job) -> str:
    """Return the key of a scan's entry."""
    whose = (_ACCOUNT, job.oid) if job.oid else (_USER, job.group, job.manifest.user)
    # By the document, so that two attempts to store one scan have an entry each.
    return key(HOLD, job.tid, *whose, job.blob)


def values_of(job: Job) -> dict[str, Value]:
    """Return the columns of a scan's entry."""
    parts = (newest_first(job.created), job.device_id, job.manifest.id, job.blob)
    return {"parts": json.dumps(parts), "since": job.created, "made": job.updated}
