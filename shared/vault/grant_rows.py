"""The rows of grants: sealed to their place, and never without their entry among the renewals."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from shared import faults
from shared.storage import AlreadyThere, Changed, Row, Table, Value, key
from shared.vault.grant import looked_at
from shared.vault.renewals import Renewals
from shared.vault.sealing import SealBroken, Sealer, key_id_of

Values = dict[str, Value | None]


class GrantRows:
    """How grants lie in their table.

    Args:
        table: the table.
        renewals: where it is noted when a sleeping grant must be renewed.
        sealer: seals MSAL's cache to its row.
        name: of the table: a part of the place that tokens are sealed to.
    """

    def __init__(self, table: Table, renewals: Renewals, sealer: Sealer, name: str) -> None:
        self._table = table
        self._renewals = renewals
        self._sealer = sealer
        self._name = name

    def write(self, tid: str, oid: str, old: Row | None, values: Mapping[str, Any]) -> None:
        """Write a grant over ``old``, and move its entry among the renewals along.

        Raises:
            Changed: ``old`` is not what the table holds (any more).
        """
        before = old.get("due") if old else None
        moment = looked_at(tid, oid, values)
        due = self._renewals.note(tid, oid, moment, before) if moment else None
        try:
            if old is None:
                self._table.insert(key(tid), key(oid), {**values, "due": due})
            else:
                self._table.replace(old, {**values, "due": due})
        except (AlreadyThere, Changed) as error:
            self._renewals.forget(due, unless=before)
            raise Changed from error
        self._renewals.forget(before, unless=due)

    def seal(self, tid: str, oid: str, epoch: str, generation: int, cache: str) -> bytes:
        """Seal MSAL's cache to its row, its sign-in (``epoch``) and how often that was refreshed (``generation``).

        Raises:
            SignInRequired: the tenant was erased meanwhile.
        """
        try:
            return self._sealer.seal(tid, cache.encode(), *self._place(tid, oid, epoch, generation))
        except SealBroken as error:
            raise faults.SignInRequired("erased meanwhile") from error

    def open(self, tid: str, oid: str, row: Row) -> str:
        """Return MSAL's cache out of a row.

        Raises:
            SignInRequired: it does not open.
        """
        try:
            place = self._place(tid, oid, row["epoch"], row["generation"])
            return self._sealer.open(tid, row.get("sealed", b""), *place).decode()
        except SealBroken as error:
            # Nothing is deleted: a key that is missing today may be there tomorrow (threat G16).
            raise faults.SignInRequired("seal broken") from error

    def reseal(self, tid: str) -> int:
        """Seal again, under the tenant's present key, every grant of it that lies under an older one.

        A grant that somebody writes meanwhile is his; one that does not open is left as it is (G16).

        Returns:
            How many were sealed again.
        """
        count = 0
        for row in self._table.query(key(tid)):
            place = self._place(tid, row.row, row["epoch"], row["generation"])
            sealed = row.get("sealed")
            with suppress(Changed, SealBroken):
                if sealed and not self._sealer.is_current(tid, sealed):
                    again = self._sealer.seal(tid, self._sealer.open(tid, sealed, *place), *place)
                    self._table.replace(row, {**row.values, "sealed": again})
                    count += 1
        return count

    def key_ids(self, tid: str) -> set[bytes]:
        """Return the ids of the data keys under which grants of the tenant lie."""
        return {key_id_of(row["sealed"]) for row in self._table.query(key(tid)) if row.get("sealed")}

    def _place(self, tid: str, oid: str, epoch: str, generation: int) -> tuple[str, ...]:
        return (self._name, key(tid), key(oid), "sealed", oid, epoch, str(generation))


def ending(reason: type[faults.PersonMust], at: datetime) -> Values:
    """Return the columns of a sign-in that has ended. The tokens go: nobody will use them again."""
    return {"ended": reason.reason, "ended_at": at, "sealed": None}
