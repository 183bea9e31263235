"""When grants must be looked at: an index by due day, so that a day costs what is due on it.

A refresh token ends after 90 days without use (Microsoft, "Refresh tokens"). A sleeping grant is due between
day 20 and day 30 after its last use, spread by a hash of the person, which leaves sixty days of tries
(R28, R29).

An entry is written before the grant's row names it and deleted after the row names another one, and no two
entries ever have the same name; so every grant has its entry, whoever dies where. An entry that no grant names
is a left-over, and whoever meets it clears it away.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shared.storage import Row, Table, key

FIRST_DAY, SPREAD_DAYS = 20, 10
WRITES_TAKE = timedelta(minutes=10)
"""No two writes of one change are further apart than this."""


@dataclass(frozen=True)
class Due:
    """An index entry whose day has come."""

    tid: str
    oid: str
    place: str
    made: datetime


class Renewals:
    """The index, in the table ``renewals`` (partition: due day, row: person and a number of its own).

    Args:
        table: the table ``renewals``.
        clock: the time now.
        new_id: makes ids (any unique text).
    """

    def __init__(self, table: Table, clock: Callable[[], datetime], new_id: Callable[[], str]) -> None:
        self._table = table
        self._clock = clock
        self._new_id = new_id

    def note(self, tid: str, oid: str, moment: datetime, instead_of: str | None = None) -> str:
        """Note that a grant must be looked at on the first day (UTC) that begins after ``moment``.

        Args:
            tid: the person's tenant.
            oid: the person.
            moment: what must be over by then.
            instead_of: the entry it had; the same one is returned where it stands on the right day.

        Returns:
            The entry's place.
        """
        day = f"{moment.astimezone(UTC) + timedelta(days=1):%Y%m%d}"
        if instead_of and instead_of.startswith(f"{day}/"):
            return instead_of
        row = key(tid, oid, self._new_id())
        self._table.put(day, row, {"tid": tid, "oid": oid, "made": self._clock()})
        return f"{day}/{row}"

    def forget(self, place: str | None, *, unless: object = None) -> None:
        """Delete an entry, unless it is the one that counts now."""
        if place and place != unless:
            self._table.delete(*place.split("/"))

    def forget_person(self, tid: str, oid: str, *, unless: object = None) -> None:
        """Delete the left-overs of a person that a run would only meet on a later day (see :meth:`clear`)."""
        today = self._clock().astimezone(UTC)
        for ahead in range(FIRST_DAY + SPREAD_DAYS + 2):
            day = f"{today + timedelta(days=ahead):%Y%m%d}"
            for row in list(self._table.query(day, after=key(tid, oid[:-1]), before=key(tid, oid + "~"))):
                due = _due(row)
                if due.oid == oid and due.place != unless:
                    self.clear(due)

    def due(self, limit: int) -> Iterator[Due]:
        """Yield up to ``limit`` entries whose day has come, the oldest first."""
        today = f"{self._clock().astimezone(UTC):%Y%m%d}"
        for row in self._table.up_to(today, limit):
            yield _due(row)

    def clear(self, left_over: Due) -> None:
        """Delete an entry that no grant names, unless it is so young that a grant may be about to name it."""
        if self._clock() - left_over.made > WRITES_TAKE:
            self.forget(left_over.place)


def _due(row: Row) -> Due:
    return Due(row["tid"], row["oid"], f"{row.partition}/{row.row}", row["made"])


def renewal_of(tid: str, oid: str, used: datetime) -> datetime:
    """Return when a grant that was used at ``used`` must be used again: day 20 to day 29 after it."""
    digest = hashlib.sha256(f"{tid} {oid}".encode()).digest()
    return used + timedelta(days=FIRST_DAY + digest[0] % SPREAD_DAYS)
