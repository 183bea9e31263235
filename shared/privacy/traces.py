"""Where a person's things lie: an index from (tenant, object id) to rows and documents in other tables."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain

from shared.storage import Row, Table, Value, key

LISTS = "lists"
"""The partition of table ``jobs`` in which all lists of scans lie, the traces of scans among them."""

_TRACE = "trace"
PIN, HANDOFF, JOB = "pin", "handoff", "job"
"""Kinds. Parts of a pin: group, user; of a handoff: id; of a job: place in time, device, id, document."""


@dataclass(frozen=True)
class Trace:
    """One thing of a person's.

    Attributes:
        kind: which kind of thing.
        parts: what names it.
        since: when what it stems from began: the sign-in of a pin or handoff, the arrival of a job.
    """

    kind: str
    parts: tuple[str, ...]
    since: datetime


class Traces:
    """The index, in the table ``traces`` (partition: tenant and object id; row: kind and parts).

    The traces of scans lie in the table ``jobs`` instead, beside the other lists of scans (partition :data:`LISTS`), so
    that one write makes all of a scan's entries.

    Args:
        table: the table ``traces``.
        jobs: the table ``jobs``.
    """

    def __init__(self, table: Table, jobs: Table) -> None:
        self._table = table
        self._jobs = jobs

    def note(self, tid: str, oid: str, trace: Trace) -> None:
        """Note where something of this person's is about to be written. Noting it again sets ``since`` anew."""
        table, partition, row = self._place(tid, oid, trace.kind, *trace.parts)
        table.put(partition, row, values_of(oid, trace))

    def forget(self, tid: str, oid: str, kind: str, *parts: str) -> None:
        """The thing is gone."""
        table, partition, row = self._place(tid, oid, kind, *parts)
        table.delete(partition, row)

    def of(self, tid: str, oid: str, kind: str, limit: int | None = None) -> Iterator[Trace]:
        """Yield a person's traces of one kind by their parts, at most ``limit``."""
        table, partition, after = self._place(tid, oid, kind, "")
        _, _, before = self._place(tid, oid, kind, "~")
        for row in table.query(partition, after=after, before=before, limit=limit):
            yield _read(kind, row)

    def has_any(self, tid: str, oid: str) -> bool:
        """Say whether a person has any trace at all."""
        return any(True for kind in (PIN, HANDOFF, JOB) for _ in self.of(tid, oid, kind, limit=1))

    def people(self, tid: str) -> list[str]:
        """Return the object ids of everybody in a tenant who has a trace."""
        found = self._table.within(key(tid, ""), key(tid, "~"))
        of_scans = self._jobs.query(LISTS, after=key(_TRACE, tid, ""), before=key(_TRACE, tid, "~"))
        return list(dict.fromkeys(str(row["oid"]) for row in chain(found, of_scans)))

    def _place(self, tid: str, oid: str, kind: str, *parts: str) -> tuple[Table, str, str]:
        if kind == JOB:
            return self._jobs, LISTS, row_of_scan(tid, oid, *parts)
        return self._table, key(tid, oid), key(kind, *parts)


def row_of_scan(tid: str, oid: str, *parts: str) -> str:
    """Return the row key of a scan's trace in :data:`LISTS`."""
    return key(_TRACE, tid, oid, *parts)


def values_of(oid: str, trace: Trace) -> dict[str, Value]:
    """Return the columns of a trace."""
    return {"oid": oid, "parts": json.dumps(trace.parts), "since": trace.since}


def _read(kind: str, row: Row) -> Trace:
    return Trace(kind, tuple(json.loads(row["parts"])), row["since"])
