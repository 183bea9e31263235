"""When sleeping grants must be renewed: an index by due day, so that a day costs what is due on it.

A refresh token ends after 90 days without use (Microsoft, "Refresh tokens"). A grant is due between day 20
and day 30 after its last use, spread by a hash of the person, which leaves sixty days of tries (R28, R29).

The index entry is written before the grant's row names it and deleted after the row names another one, so
every grant has its entry. An entry that no grant names is a left-over, and the renewal clears it away.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shared.storage import Table, key

FIRST_DAY, SPREAD_DAYS = 20, 10
IDLE_DAYS = 90
"""Days without use after which Entra ends a refresh token."""
WRITES_TAKE = timedelta(minutes=10)


@dataclass(frozen=True)
class Due:
    """An index entry whose day has come."""

    tid: str
    oid: str
    place: str
    made: datetime


class Renewals:
    """The index, in the table ``renewals`` (partition: due day, row: person)."""

    def __init__(self, table: Table, clock: Callable[[], datetime]) -> None:
        self._table = table
        self._clock = clock

    def note(self, tid: str, oid: str, used: datetime, latest: datetime | None = None) -> str:
        """Note that the person's grant, used at ``used``, must be renewed, or looked at by ``latest``.

        Returns:
            The entry's place.
        """
        digest = hashlib.sha256(f"{tid} {oid}".encode()).digest()
        day = used + timedelta(days=FIRST_DAY + digest[0] % SPREAD_DAYS)
        return self.note_for(tid, oid, min(day, latest) if latest else day)

    def note_for(self, tid: str, oid: str, day: datetime) -> str:
        """Note a renewal on a given day."""
        place = f"{day.astimezone(UTC):%Y%m%d}"
        self._table.put(place, key(tid, oid), {"tid": tid, "oid": oid, "made": self._clock()})
        return f"{place}/{key(tid, oid)}"

    def forget(self, place: str | None, *, unless: object = None) -> None:
        """Delete an entry, unless it is the one that counts now."""
        if place and place != unless:
            self._table.delete(*place.split("/"))

    def forget_person(self, tid: str, oid: str, *, unless: object = None) -> None:
        """Delete every entry of a person that a run would only meet on a later day, but the one that counts."""
        today = self._clock().astimezone(UTC)
        for ahead in range(FIRST_DAY + SPREAD_DAYS + 2):
            day = f"{today + timedelta(days=ahead):%Y%m%d}"
            for row in list(self._table.query(day, after=key(tid, oid[:-1]), before=key(tid, oid + "~"))):
                if row["oid"] == oid:
                    self.forget(f"{day}/{row.row}", unless=unless)

    def due(self, limit: int) -> Iterator[Due]:
        """Yield up to ``limit`` entries whose day has come, the oldest first."""
        today = f"{self._clock().astimezone(UTC):%Y%m%d}"
        for row in self._table.up_to(today, limit):
            yield Due(row["tid"], row["oid"], f"{row.partition}/{row.row}", row["made"])

    def left_over(self, due: Due) -> bool:
        """Say whether an entry that no grant names is old enough to be a left-over, and not a write under way."""
        return self._clock() - due.made > WRITES_TAKE
