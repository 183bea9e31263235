"""One grant per person: what lets us send as him, sealed, and refreshed by one worker at a time.

Many workers may need the same person's token at once. The rules (threats R16 to R24):

- whoever refreshes holds a lease in the row, taken by compare-and-swap; the others wait for the row to
  change and use what the first one brought, so an expiry costs one call to Entra;
- what a refresh brought is written only over the row it was made from. A row that is gone or holds a
  newer sign-in wins, so nothing is resurrected;
- a refusal (``invalid_grant`` and its kin) ends the grant only if the row is still the one it was told
  about;
- our own bad credential, a throttle or a fault of Microsoft's changes nothing but the lease.

Entra does not revoke a refresh token when it is used (Microsoft, "Refresh tokens in the Microsoft
identity platform"), so an answer that could not be written costs nothing. With an identity provider that
rotates strictly, a worker that dies between answer and write costs that one sign-in; nobody can avoid
that, and docs/vault.md says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared import faults
from shared.storage import AlreadyThere, Changed, Row, Table, Value, key
from shared.vault.renewals import Renewals
from shared.vault.sealing import SealBroken, Sealer, key_id_of

if TYPE_CHECKING:
    from shared.identity import Entra

LEASE = timedelta(seconds=60)
"""Longer than a refresh takes with all its time-outs (connect 5 s, answer 20 s, twice)."""
WAIT = timedelta(seconds=20)
"""How long a worker waits for another one's refresh before it gives the job back."""
FIRST_LOOK, LONGEST_LOOK = 0.05, 1.0
"""Seconds between two looks at a row that another worker is refreshing."""
SETTLE_TRIES = 8
NOTICE = timedelta(days=14)
"""So long before a sign-in ends by policy, its person is told."""


@dataclass(frozen=True)
class Grant:
    """What is known of a grant without asking Entra."""

    tid: str
    oid: str
    signed_in: datetime
    refreshed: datetime
    ended: str | None
    """Slug of the fault that ended it, where one did."""
    blocked: str | None
    """Slug of the fault of an administrator that stood in the way the last time; it may be lifted."""
    claims: str | None
    """The claims that the next sign-in must ask for (a claims challenge nobody could answer silently)."""

    ends: datetime | None
    """When the organisation's policy ends it."""
    notified: bool
    """Whether the person was told of the coming end."""
    locale: str
    """In which the person is written to."""
    due: str | None
    """The place of its entry among the renewals."""

    @property
    def usable(self) -> bool:
        """Whether it is not known to be dead."""
        return self.ended is None


class Grants:
    """The grants of all people, in the table ``grants`` (partition: tenant, row: oid).

    Args:
        table: the table ``grants``.
        renewals: where it is noted when a sleeping grant must be renewed.
        sealer: seals MSAL's cache to its row.
        entra: refreshes.
        clock: the time now.
        new_id: makes ids (any unique text).
        sleep: waits for seconds.
        below: ``below(n)`` gives a random number from 0 to n-1.
    """

    def __init__(
        self,
        table: Table,
        renewals: Renewals,
        sealer: Sealer,
        entra: Entra,
        clock: Callable[[], datetime],
        new_id: Callable[[], str],
        sleep: Callable[[float], None],
        below: Callable[[int], int],
    ) -> None:
        self._table = table
        self._renewals = renewals
        self._sealer = sealer
        self._entra = entra
        self._clock = clock
        self._new_id = new_id
        self._sleep = sleep
        self._below = below

    def store(
        self,
        tid: str,
        oid: str,
        cache: str,
        *,
        locale: str = "",
        days: int | None = None,
        at: datetime | None = None,
    ) -> None:
        """Keep the tokens of a new sign-in. It replaces the earlier one whole, a refresh under way included.

        Args:
            tid: the person's tenant.
            oid: the person.
            cache: MSAL's cache.
            locale: in which the person is written to (BCP 47).
            days: after how many days the organisation's policy ends a sign-in; None lets it live.
            at: when the person signed in; None means now.

        Raises:
            SignInRequired: the person was erased after he signed in (threat R19).
        """
        now = at or self._clock()
        epoch = self._new_id()
        values: dict[str, Value | None] = {
            "epoch": epoch,
            "generation": 0,
            "sealed": self._seal(tid, oid, epoch, 0, cache),
            "signed_in": now,
            "refreshed": now,
            "ends": now + timedelta(days=days) if days else None,
            "locale": locale,
        }
        values["due"] = self._note(tid, oid, values)
        for _ in range(SETTLE_TRIES):
            old = self._table.get(key(tid), key(oid))
            if old is not None and old.get("erased") and now <= old["erased"]:
                raise faults.SignInRequired("erased meanwhile")
            try:
                if old is None:
                    self._table.insert(key(tid), key(oid), values)
                else:
                    self._table.replace(old, values)
            except (AlreadyThere, Changed):
                continue
            self._renewals.forget(old.get("due") if old else None, unless=values["due"])
            return
        raise faults.StorageUnavailable("contended", retry_after=1)

    def get(self, tid: str, oid: str) -> Grant | None:
        """Return what is known of a person's grant, or None where there is none."""
        row = self._table.get(key(tid), key(oid))
        return _read(tid, oid, row) if row and not row.get("erased") else None

    def of_tenant(self, tid: str) -> Iterator[Grant]:
        """Yield every grant of a tenant."""
        for row in self._table.query(key(tid)):
            if not row.get("erased"):
                yield _read(tid, row.row, row)

    def access_token(
        self, tid: str, oid: str, scopes: Sequence[str], *, refused: str | None = None, claims: str | None = None
    ) -> str:
        """Return an access token for these scopes of one resource.

        Args:
            tid: the person's tenant.
            oid: the person.
            scopes: full addresses.
            refused: an access token that the resource did not take although it was not too old; another one is
                fetched.
            claims: the claims challenge it was refused with (Microsoft, "Claims challenges"), JSON.

        Raises:
            SignInRequired: there is no grant, or it does not open.
            PersonMust: the person must sign in again; the grant is marked as ended, unless it was
                replaced meanwhile.
            Fault: anything else that Entra or the network says; the grant stays as it is.
        """
        waited_until = self._clock() + WAIT
        look = FIRST_LOOK
        while True:
            row = self._usable(tid, oid)
            cache = self._open(tid, oid, row)
            held = self._entra.held_token(cache, scopes)
            if held is not None and held != refused:
                return held
            if self._leased(row):
                if self._clock() >= waited_until:
                    raise faults.MicrosoftUnavailable("another worker's refresh", retry_after=5)
                self._sleep(look + look * self._below(100) / 100)
                look = min(look * 2, LONGEST_LOOK)
                continue
            mine = self._lease(row)
            if mine is not None:
                fresh = self._refresh(tid, oid, mine, cache, scopes, claims)
                if fresh is not None:
                    return fresh

    def renew(self, tid: str, oid: str, scopes: Sequence[str]) -> None:
        """Refresh a sleeping grant, so that it does not end by inactivity. Raises as :meth:`access_token` does."""
        row = self._usable(tid, oid)
        cache = self._open(tid, oid, row)
        self.access_token(tid, oid, scopes, refused=self._entra.held_token(cache, scopes))

    def end(self, tid: str, oid: str, reason: type[faults.PersonMust]) -> None:
        """End a grant for a reason of ours; its tokens go at once."""
        row = self._table.get(key(tid), key(oid))
        if row is not None:
            self._settle(row, self._ending(reason))
            self._renewals.forget(row.get("due"))

    def notified(self, tid: str, oid: str, *, told: bool) -> bool:
        """Write down that the person was told of the coming end (or was not, after all). One caller succeeds."""
        row = self._table.get(key(tid), key(oid))
        if row is None or bool(row.get("notified")) is told:
            return False
        changes: dict[str, Value | None] = {"notified": told or None}
        changes["due"] = self._note(tid, oid, {**row.values, **changes})
        try:
            self._table.replace(row, {**row.values, **changes})
        except Changed:
            return False
        self._renewals.forget(row.get("due"), unless=changes["due"])
        return True

    def postpone(self, tid: str, oid: str) -> None:
        """A renewal could not be done: try again tomorrow."""
        row = self._table.get(key(tid), key(oid))
        if row is None or row.get("ended"):
            return
        due = self._renewals.note_for(tid, oid, self._clock() + timedelta(days=1))
        if self._settle(row, {"due": due}):
            self._renewals.forget(row.get("due"), unless=due)

    def _ending(self, fault: faults.PersonMust | type[faults.PersonMust]) -> dict[str, Value | None]:
        # The tokens go: nobody will use them again, and whoever reads the table should not find them.
        return {"ended": fault.reason, "ended_at": self._clock(), "sealed": None, "due": None}

    def _note(self, tid: str, oid: str, values: Mapping[str, Any]) -> str:
        """Note when this grant must be looked at again: for renewal, to tell of its end, or to end it."""
        latest = None
        if values.get("ends") is not None:
            latest = values["ends"] if values.get("notified") else values["ends"] - NOTICE
        return self._renewals.note(tid, oid, values["refreshed"], latest)

    def erase(self, tid: str, oid: str, *, asked: datetime) -> None:
        """Delete everything in the grant and put a tombstone in its place (threats R19, I04).

        To a refresh under way the tombstone is another sign-in, so it writes nothing; a first login from before is
        refused by :meth:`store`. :meth:`forget_erased` takes the tombstone away when nothing from before can come.
        A sign-in later than ``asked`` stays: it replaced the earlier one whole.
        """
        for _ in range(SETTLE_TRIES):
            row = self._table.get(key(tid), key(oid))
            if row is not None and row["signed_in"] > asked:
                return
            now = self._clock()
            tombstone: dict[str, Value | None] = {
                "epoch": self._new_id(),
                "generation": 0,
                "signed_in": now,
                "refreshed": now,
                "ended": faults.SignInRequired.reason,
                "erased": now,
            }
            try:
                if row is None:
                    self._table.insert(key(tid), key(oid), tombstone)
                else:
                    self._table.replace(row, tombstone)
            except (AlreadyThere, Changed):
                continue
            self._renewals.forget(row.get("due") if row else None)
            return
        raise faults.StorageUnavailable("contended", retry_after=1)

    def forget_erased(self, tid: str, oid: str) -> None:
        """Delete the tombstone, and what a refresh that died left among the renewals. A new sign-in stays."""
        row = self._table.get(key(tid), key(oid))
        if row is not None and row.get("erased"):
            with suppress(Changed):
                self._table.delete_unchanged(row)
            row = None
        self._renewals.forget_person(tid, oid, unless=row.get("due") if row else None)

    def reseal(self, tid: str) -> int:
        """Seal again, under the tenant's present key, every grant of it that lies under an older one.

        A grant that somebody writes meanwhile is his; one that does not open is left as it is (G16).

        Returns:
            How many were sealed again.
        """
        count = 0
        for row in self._table.query(key(tid)):
            place = _place(tid, row.row, row["epoch"], row["generation"])
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

    def _refresh(
        self, tid: str, oid: str, mine: Row, cache: str, scopes: Sequence[str], claims: str | None
    ) -> str | None:
        """Ask Entra while holding the lease; None where the row has become another one meanwhile."""
        try:
            token = self._entra.refresh(tid, cache, scopes, claims)
        except faults.PersonMust as fault:
            if not self._settle(mine, {**self._ending(fault), "claims": claims}):
                return None
            self._renewals.forget(mine.get("due"))
            raise
        except faults.AdministratorMust as fault:
            self._settle(mine, {"blocked": fault.reason, "claims": claims})
            raise
        except faults.Fault:
            self._settle(mine, {})
            # An access token in its last minutes is still one, when no better is to be had.
            held = self._entra.held_token(cache, scopes, margin=0)
            if held is not None and claims is None:
                return held
            raise
        now, generation = self._clock(), mine["generation"] + 1
        changes: dict[str, Value | None] = {
            "generation": generation,
            "sealed": self._seal(tid, oid, mine["epoch"], generation, token.cache),
            "refreshed": now,
            "blocked": None,
            "claims": None,
        }
        changes["due"] = self._note(tid, oid, {**mine.values, **changes})
        if not self._settle(mine, changes):
            return None  # the entry just noted may be the one that the newer sign-in counts on
        self._renewals.forget(mine.get("due"), unless=changes["due"])
        return token.access_token

    def _settle(self, mine: Row, changes: Mapping[str, Value | None]) -> bool:
        """Write what came of a refresh and give the lease back, if the row is still the one it was made from.

        Where only the lease has moved (ours ran out while Entra answered), what we know is still true of the
        tokens in the row, and is written all the same.
        """
        row: Row | None = mine
        for _ in range(SETTLE_TRIES):
            if row is None or (row["epoch"], row["generation"]) != (mine["epoch"], mine["generation"]):
                return False
            try:
                self._table.replace(row, {**row.values, "lease": None, "lease_until": None, **changes})
            except Changed:
                row = self._table.get(mine.partition, mine.row)
                continue
            return True
        return False

    def _lease(self, row: Row) -> Row | None:
        until = self._clock() + LEASE
        try:
            return self._table.replace(row, {**row.values, "lease": self._new_id(), "lease_until": until})
        except Changed:
            return None

    def _leased(self, row: Row) -> bool:
        return row.get("lease") is not None and self._clock() < row["lease_until"]

    def _usable(self, tid: str, oid: str) -> Row:
        row = self._table.get(key(tid), key(oid))
        if row is None:
            raise faults.SignInRequired("no grant")
        if ended := row.get("ended"):
            raise faults.BY_REASON[ended]("ended earlier")
        return row

    def _seal(self, tid: str, oid: str, epoch: str, generation: int, cache: str) -> bytes:
        try:
            return self._sealer.seal(tid, cache.encode(), *_place(tid, oid, epoch, generation))
        except SealBroken as error:
            raise faults.SignInRequired("erased meanwhile") from error

    def _open(self, tid: str, oid: str, row: Row) -> str:
        try:
            place = _place(tid, oid, row["epoch"], row["generation"])
            return self._sealer.open(tid, row.get("sealed", b""), *place).decode()
        except SealBroken as error:
            # Nothing is deleted: a key that is missing today may be there tomorrow (threat G16).
            raise faults.SignInRequired("seal broken") from error


def _place(tid: str, oid: str, epoch: str, generation: int) -> tuple[str, ...]:
    return ("grants", key(tid), key(oid), "sealed", oid, epoch, str(generation))


def _read(tid: str, oid: str, row: Row) -> Grant:
    return Grant(
        tid=tid,
        oid=oid,
        signed_in=row["signed_in"],
        refreshed=row["refreshed"],
        ended=row.get("ended"),
        blocked=row.get("blocked"),
        claims=row.get("claims"),
        ends=row.get("ends"),
        notified=bool(row.get("notified")),
        locale=row.get("locale", ""),
        due=row.get("due"),
    )
