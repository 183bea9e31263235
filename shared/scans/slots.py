"""How many mails are under way at once for one mailbox, over all processes.

A delivery that is about to send its first byte takes a slot: a row of table ``jobs``, partition ``lists``. Microsoft
takes four requests at a time for a mailbox, Exchange three connections; so many slots a mailbox has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta

from shared.privacy.traces import LISTS
from shared.storage import AlreadyThere, Changed, Row, Table, key

SLOT = "slot"
TRIES = 6
"""How often somebody else may be faster before a delivery steps back."""
KEPT = timedelta(days=2)
"""Of deliveries that died; their slots are free long before, where anybody asks for them."""


class AllTaken(Exception):
    """As many mails as the mailbox takes at once are under way."""


class Slots:
    """The slots of all mailboxes.

    Args:
        table: the table ``jobs``.
        clock: the time now.
    """

    def __init__(self, table: Table, clock: Callable[[], datetime]) -> None:
        self._table = table
        self._clock = clock

    def take(self, tid: str, oid: str, count: int, *, first: int, until: datetime) -> str:
        """Take one of ``count`` slots of a mailbox.

        Args:
            tid: the tenant.
            oid: whose mailbox.
            count: most that may be under way at once for it.
            first: the slot to begin with: whoever expects it free saves asking.
            until: when the mail will have left; the slot is free then.

        Returns:
            Its row, to be deleted (partition ``lists``) when it is written down how the mail's attempt ended.

        Raises:
            AllTaken: come back in a moment.
        """
        number = first % count
        for _ in range(TRIES):
            slot = key(SLOT, tid, oid, str(number))
            try:
                self._table.insert(LISTS, slot, {"until": until, "made": self._clock()})
            except AlreadyThere:
                number = self._free(tid, oid, count)
            else:
                return slot
        raise AllTaken

    def leave(self, slot: str) -> None:
        """Give back a slot in which no mail left."""
        self._table.delete(LISTS, slot)

    def forget_person(self, tid: str, oid: str) -> None:
        """Delete the slots of somebody's mailbox."""
        for row in list(self._of(tid, oid)):
            self._table.delete(LISTS, row.row)

    def expire(self) -> None:
        """Delete what deliveries that died have left over and nobody will ask for any more."""
        before = self._clock() - KEPT
        for row in list(self._table.query(LISTS, after=key(SLOT, ""), before=key(SLOT, "~"))):
            if row["made"] < before:
                self._table.delete(LISTS, row.row)

    def _free(self, tid: str, oid: str, count: int) -> int:
        """Return the number of a slot that is free, or was until its time was over."""
        taken = {row.row: row for row in self._of(tid, oid)}
        numbered = [(number, taken.get(key(SLOT, tid, oid, str(number)))) for number in range(count)]
        for number, row in numbered:
            if row is None:
                return number
        for number, row in numbered:
            if row is not None and row["until"] < self._clock():
                with suppress(Changed):
                    self._table.delete_unchanged(row)
                return number
        raise AllTaken

    def _of(self, tid: str, oid: str) -> Iterator[Row]:
        return self._table.query(LISTS, after=key(SLOT, tid, oid, ""), before=key(SLOT, tid, oid, "~"))
