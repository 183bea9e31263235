"""The rows of the audit."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.storage import Row, Table, key

KEPT = timedelta(days=400)
"""More than a year, so that a yearly review sees the last one."""
EXPORTED_AT_MOST = 10_000
CLEARED_AT_ONCE = 20
"""Rows that are too old and go with each new one."""
CURSOR = re.compile(r"[0-9]{18}\.[0-9a-f]{16}")
_LATEST = 10**18
_LONGEST = 500


@dataclass(frozen=True)
class Entry:
    """One act.

    Attributes:
        at: when.
        oid: object id of who did it.
        account: his account, masked.
        act: what, as a stable slug.
        subject: to what: an id of ours, or empty.
        detail: what else there is to say, in technical words.
        outcome: ``begun``, or the reason why it failed.
    """

    at: datetime
    oid: str
    account: str
    act: str
    subject: str
    detail: str
    outcome: str


class Audit:
    """All acts, in the table ``audit`` (partition: tenant; row: newest first).

    Args:
        table: the table ``audit``.
        clock: the time now.
        new_id: makes unique texts of 16 hexadecimal digits.
    """

    def __init__(self, table: Table, clock: Callable[[], datetime], new_id: Callable[[], str]) -> None:
        self._table = table
        self._clock = clock
        self._new_id = new_id

    def note(self, tid: str, entry: Entry) -> None:
        """Write an act down.

        Raises:
            StorageUnavailable: it is not written, and must not be done.
        """
        self._table.insert(
            key(tid),
            key(_newest_first(entry.at), self._new_id()),
            {
                "at": entry.at,
                "oid": entry.oid,
                "account": entry.account,
                "act": entry.act,
                "subject": entry.subject[:_LONGEST],
                "detail": entry.detail[:_LONGEST],
                "outcome": entry.outcome,
            },
        )
        for row in list(
            self._table.query(key(tid), after=key(_newest_first(self._clock() - KEPT)), limit=CLEARED_AT_ONCE)
        ):
            self._table.delete(row.partition, row.row)

    def page(self, tid: str, cursor: str, count: int) -> tuple[list[Entry], str | None]:
        """Return up to ``count`` acts, newest first, and the cursor (:data:`CURSOR`) for those after them."""
        after = key(*cursor.split(".")) if cursor else ""
        rows = list(self._table.query(key(tid), after=after, limit=count + 1))
        more = rows[count - 1].row.replace("|", ".") if len(rows) > count else None
        return [_read(row) for row in rows[:count]], more

    def all(self, tid: str) -> Iterator[Entry]:
        """Yield the newest :data:`EXPORTED_AT_MOST` acts, newest first."""
        for row in self._table.query(key(tid), limit=EXPORTED_AT_MOST):
            yield _read(row)


def _newest_first(moment: datetime) -> str:
    return f"{_LATEST - int(moment.timestamp() * 1_000_000):018d}"


def _read(row: Row) -> Entry:
    return Entry(
        at=row["at"],
        oid=row["oid"],
        account=row["account"],
        act=row["act"],
        subject=row["subject"],
        detail=row["detail"],
        outcome=row["outcome"],
    )
