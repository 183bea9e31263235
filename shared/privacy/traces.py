"""Where a person's things lie: an index from (tenant, object id) to rows and documents in other tables."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from shared.storage import Row, Table, Value, key

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
    """The index, in the table ``traces`` (partition: tenant and object id; row: kind and parts)."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def note(self, tid: str, oid: str, trace: Trace) -> None:
        """Note where something of this person's is about to be written. Noting it again sets ``since`` anew."""
        values: dict[str, Value] = {"oid": oid, "parts": json.dumps(trace.parts), "since": trace.since}
        self._table.put(key(tid, oid), key(trace.kind, *trace.parts), values)

    def forget(self, tid: str, oid: str, kind: str, *parts: str) -> None:
        """The thing is gone."""
        self._table.delete(key(tid, oid), key(kind, *parts))

    def of(self, tid: str, oid: str, kind: str, limit: int | None = None) -> Iterator[Trace]:
        """Yield a person's traces of one kind by their parts, at most ``limit``."""
        for row in self._table.query(key(tid, oid), after=key(kind, ""), before=key(kind, "~"), limit=limit):
            yield _read(kind, row)

    def has_any(self, tid: str, oid: str) -> bool:
        """Say whether a person has any trace at all."""
        return any(True for _ in self._table.query(key(tid, oid), limit=1))

    def people(self, tid: str) -> list[str]:
        """Return the object ids of everybody in a tenant who has a trace."""
        found = self._table.within(key(tid, ""), key(tid, "~"))
        return list(dict.fromkeys(str(row["oid"]) for row in found))


def _read(kind: str, row: Row) -> Trace:
    return Trace(kind, tuple(json.loads(row["parts"])), row["since"])
