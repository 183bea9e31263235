"""One grant per person: what lets us send as him, sealed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from shared import faults
from shared.storage import AlreadyThere, Changed, Gone, Row, Table, Value, key
from shared.vault.sealing import SealBroken, Sealer, key_id_of

if TYPE_CHECKING:
    from shared.identity import Entra

ROW = "grant"


@dataclass(frozen=True)
class GrantStatus:
    """What is known of a grant without asking Entra."""

    usable: bool
    reason: str | None
    """Slug of the fault that ended it, where one did."""


class Grants:
    """The grants of all people, in the table ``grants`` (partition: tenant and oid).

    Args:
        table: the table ``grants``.
        sealer: seals MSAL's cache to its row.
        entra: refreshes.
        clock: the time now.
    """

    def __init__(self, table: Table, sealer: Sealer, entra: Entra, clock: Callable[[], datetime]) -> None:
        self._table = table
        self._sealer = sealer
        self._entra = entra
        self._clock = clock

    def store(self, tid: str, oid: str, cache: str) -> None:
        """Keep the tokens of a new sign-in. It replaces the earlier one whole."""
        place = key(tid, oid)
        values: dict[str, Value | None] = {
            "tid": tid,
            "oid": oid,
            "sealed": self._sealer.seal(tid, cache.encode(), *self._place(tid, oid)),
            "signed_in": self._clock(),
            "used": self._clock(),
        }
        while True:
            try:
                self._table.insert(place, ROW, values)
            except AlreadyThere:
                try:
                    # The new sign-in wins over whatever lies there, a refresh under way included.
                    self._table.change(place, ROW, lambda old: {**dict.fromkeys(old.values), **values})
                except Gone:
                    continue
            return

    def status(self, tid: str, oid: str) -> GrantStatus:
        """Say whether the person has a grant that is not known to be dead."""
        row = self._table.get(key(tid, oid), ROW)
        if row is None:
            return GrantStatus(usable=False, reason=None)
        return GrantStatus(usable="ended" not in row.values, reason=row.get("ended"))

    def access_token(self, tid: str, oid: str, scopes: Sequence[str]) -> str:
        """Return an access token for these scopes of one resource.

        Raises:
            SignInRequired: there is no grant, or it does not open.
            PersonMust: the person must sign in again; the grant is marked as ended, unless it was
                replaced meanwhile.
            Fault: anything else that Entra or the network says; the grant stays as it is.
        """
        place = key(tid, oid)
        row = self._table.get(place, ROW)
        if row is None:
            raise faults.SignInRequired("no grant")
        if ended := row.get("ended"):
            raise faults.BY_REASON[ended]("ended earlier")
        try:
            cache = self._sealer.open(tid, row["sealed"], *self._place(tid, oid)).decode()
        except SealBroken as error:
            raise faults.SignInRequired("seal broken") from error
        try:
            token = self._entra.token(tid, cache, scopes)
        except faults.PersonMust as fault:
            self._end(row, fault)
            raise
        if token.cache is not None:
            try:
                sealed = self._sealer.seal(tid, token.cache.encode(), *self._place(tid, oid))
            except SealBroken as error:
                raise faults.SignInRequired("erased meanwhile") from error
            # Changed means: another worker refreshed, or the person signed in anew. Entra does not revoke
            # the older refresh token by use (Microsoft, "Refresh tokens"), so nothing is lost.
            with suppress(Changed):
                self._table.replace(row, {**row.values, "sealed": sealed, "used": self._clock()})
        return token.access_token

    def erase(self, tid: str, oid: str) -> None:
        """Delete the grant; no byte of it stays in the table."""
        self._table.delete(key(tid, oid), ROW)

    def reseal(self, tid: str) -> int:
        """Seal again, under the tenant's present key, every grant of it that lies under an older one.

        A grant that somebody writes meanwhile is his; one that does not open is left as it is (G16).

        Returns:
            How many were sealed again.
        """
        count = 0
        for row in self._table.under(tid):
            place = self._place(tid, row["oid"])
            with suppress(Changed, SealBroken):
                if not self._sealer.is_current(tid, row["sealed"]):
                    sealed = self._sealer.seal(tid, self._sealer.open(tid, row["sealed"], *place), *place)
                    self._table.replace(row, {**row.values, "sealed": sealed})
                    count += 1
        return count

    def key_ids(self, tid: str) -> set[bytes]:
        """Return the ids of the data keys under which grants of the tenant lie."""
        return {key_id_of(row["sealed"]) for row in self._table.under(tid)}

    def _end(self, row: Row, fault: faults.PersonMust) -> None:
        try:
            self._table.replace(row, {**row.values, "ended": fault.reason, "ended_at": self._clock()})
        except Changed:
            # Somebody wrote since we read: the refusal was for tokens that are no longer there (R22).
            return

    @staticmethod
    def _place(tid: str, oid: str, generation: str = "") -> tuple[str, ...]:
        return ("grants", key(tid, oid), ROW, "sealed", oid, generation)
