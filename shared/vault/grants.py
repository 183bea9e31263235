"""One grant per person: what lets us send as him, sealed, and refreshed by one worker at a time.

Many workers may need the same person's token at once. The rules (threats R16 to R24):

- whoever refreshes holds a lease in the row, taken by compare-and-swap; the others wait for the row to
  change and use what the first one brought, so an expiry costs one call to Entra;
- what a refresh brought is written only over the tokens it was made from. A row that is gone, has ended or
  holds newer tokens wins, so nothing is resurrected;
- a refusal (``invalid_grant`` and its kin) is believed only by who still holds the lease: somebody else's
  refresh may have been what made the old token invalid;
- our own bad credential, a throttle or a fault of Microsoft's changes nothing but the lease.

What is promised beside which identity provider, and what is not, stands in docs/vault.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared import faults
from shared.storage import AlreadyThere, Changed, Gone, Row, Table, Value, key
from shared.vault.grant import Grant, looked_at, read, version_of
from shared.vault.renewals import Renewals
from shared.vault.sealing import SealBroken, Sealer, key_id_of

if TYPE_CHECKING:
    from shared.identity import Entra, Token

LEASE = timedelta(seconds=90)
"""Longer than a refresh takes with all its time-outs (25 s each for somebody else's discovery, ours, the token)."""
WAIT = timedelta(seconds=20)
"""How long a worker waits for another one's refresh before it gives the job back."""
FIRST_LOOK, LONGEST_LOOK = 0.05, 1.0
"""Seconds between two looks at a row that another worker is refreshing."""
SETTLE_TRIES = 8
PAUSED = "paused"
"""Note of the fault where nobody was asked, because the mailbox is paused (:meth:`Grants.pause`)."""
Values = dict[str, Value | None]


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
        name: of the table: a part of the place that tokens are sealed to. Of printers' mailboxes it is
            ``mailboxgrants``, whose rows are named by the sign-in instead of a person.
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
        name: str = "grants",
    ) -> None:
        self._table = table
        self._name = name
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
        values: Values = {
            "epoch": epoch,
            "generation": 0,
            "sealed": self._seal(tid, oid, epoch, 0, cache),
            "signed_in": now,
            "refreshed": now,
            "ends": now + timedelta(days=days) if days else None,
            "locale": locale,
        }
        for _ in range(SETTLE_TRIES):
            old = self._table.get(key(tid), key(oid))
            if old is not None and old.get("erased") and now < old["erased"]:
                raise faults.SignInRequired("erased meanwhile")
            # A pause is the mailbox's, and no sign-in ends it.
            paused = old.get("not_before") if old is not None else None
            try:
                self._write(tid, oid, old, {**values, "not_before": paused})
            except Changed:
                continue
            return
        raise faults.StorageUnavailable("contended", retry_after=1)

    def get(self, tid: str, oid: str) -> Grant | None:
        """Return what is known of a person's grant, or None where there is none."""
        row = self._table.get(key(tid), key(oid))
        return read(tid, oid, row, self._clock()) if row and not row.get("erased") else None

    def of_tenant(self, tid: str, *, after: str = "", limit: int | None = None) -> Iterator[Grant]:
        """Yield the grants of a tenant: who ends when, who is blocked, who is idle since when.

        Args:
            tid: the tenant.
            after: object id beyond which to begin.
            limit: rows at most that are looked at; those of erased people are among them and yield nothing.
        """
        for row in self._table.query(key(tid), after=key(after) if after else "", limit=limit):
            if not row.get("erased"):
                yield read(tid, row.row, row, self._clock())

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
            Throttled: the mailbox is paused (:meth:`pause`); ``retry_after`` is what is left, and nobody was asked.
            PersonMust: the person must sign in again; the grant is marked as ended, unless it was
                replaced meanwhile.
            Fault: anything else that Entra or the network says; the grant stays as it is.
        """
        waits_until, look = None, FIRST_LOOK
        while True:
            row = self._usable(tid, oid)
            if (left := self._pause_left(row)) > 0:
                raise faults.Throttled(PAUSED, retry_after=left)
            cache = self._open(tid, oid, row)
            held = self._entra.held_token(cache, scopes)
            if held is not None and held != refused:
                return held
            mine = None if self._leased(row) else self._lease(row)
            if mine is not None:
                try:
                    fresh = self._refresh(tid, oid, mine, cache, scopes, claims)
                except (faults.PersonMust, faults.AdministratorMust):
                    raise
                except faults.Fault:
                    # An access token in its last minutes is still one, when no better is to be had.
                    held = self._entra.held_token(cache, scopes, margin=0)
                    if held is None or held == refused:
                        raise
                    return held
                if fresh is not None:
                    return fresh.access_token
                continue  # the row has become another one, and may hold what we want
            waits_until = waits_until or self._clock() + WAIT
            look = self._wait(look, waits_until)

    def ask(self, tid: str, oid: str, scopes: Sequence[str], claims: str | None = None) -> Token:
        """Return what Entra says at this moment, whatever is held: to see whether it still says yes.

        What comes of it is written down as :meth:`access_token` does.

        Args:
            tid: the person's tenant.
            oid: the person.
            scopes: full addresses, of one resource.
            claims: a claims challenge to answer (JSON).

        Raises:
            Fault: as :meth:`access_token` does.
        """
        waits_until, look = self._clock() + WAIT, FIRST_LOOK
        while True:
            row = self._usable(tid, oid)
            if (left := self._pause_left(row)) > 0:
                raise faults.Throttled(PAUSED, retry_after=left)
            cache = self._open(tid, oid, row)
            mine = None if self._leased(row) else self._lease(row)
            fresh = self._refresh(tid, oid, mine, cache, scopes, claims) if mine is not None else None
            if fresh is not None:
                return fresh
            look = self._wait(look, waits_until)

    def renew(self, grant: Grant, scopes: Sequence[str]) -> None:
        """Refresh a sleeping grant, so that it does not end by inactivity.

        Does nothing where somebody has refreshed it since ``grant`` was read, or is about to.

        Raises:
            Fault: as :meth:`access_token` does.
        """
        row = self._usable(grant.tid, grant.oid)
        if version_of(row) != grant.version or self._leased(row):
            return
        cache = self._open(grant.tid, grant.oid, row)
        mine = self._lease(row)
        if mine is not None:
            self._refresh(grant.tid, grant.oid, mine, cache, scopes, None)

    def pause(self, tid: str, oid: str, until: datetime) -> None:
        """Let nobody have an access token for this mailbox before ``until``: Microsoft asked us to wait.

        It lies in the row that every delivery reads anyway, so it holds for all workers. Tokens, leases and the
        renewal of a sleeping sign-in are untouched; of two pauses the longer one holds.
        """

        def pause(row: Row) -> Mapping[str, Value | None] | None:
            longer = row.get("not_before") is None or row["not_before"] < until
            return {"not_before": until} if longer and not row.get("erased") else None

        with suppress(Gone):
            self._table.change(key(tid), key(oid), pause)

    def refused(self, tid: str, oid: str, largest: int, until: datetime) -> None:
        """Remember until a moment that this mailbox took no document larger than ``largest`` bytes.

        It lies in the row that accepting a scan reads anyway. Of two limits the lower one holds, and for longer; a new
        sign-in forgets it.
        """

        def refused(row: Row) -> Mapping[str, Value | None] | None:
            if row.get("erased"):
                return None
            known = read(tid, oid, row, self._clock()).largest_taken
            return {"largest_taken": largest if known is None else min(known, largest), "largest_taken_until": until}

        with suppress(Gone):
            self._table.change(key(tid), key(oid), refused)

    def end(self, grant: Grant, reason: type[faults.PersonMust]) -> None:
        """End this sign-in for a reason of ours; its tokens go at once. A newer sign-in stays."""
        for _ in range(SETTLE_TRIES):
            row = self._table.get(key(grant.tid), key(grant.oid))
            if row is None or row.get("ended") or version_of(row)[0] != grant.version[0]:
                return
            try:
                self._write(grant.tid, grant.oid, row, {**row.values, **self._ending(reason)})
            except Changed:
                continue
            return

    def notified(self, grant: Grant, *, told: bool) -> bool:
        """Write down that the person was told of this sign-in's end. One caller succeeds.

        Not told, after all: he is looked at again tomorrow.
        """
        row = self._table.get(key(grant.tid), key(grant.oid))
        if row is None or version_of(row)[0] != grant.version[0] or bool(row.get("notified")) is told:
            return False
        try:
            put_off = None if told else self._clock()
            self._write(grant.tid, grant.oid, row, {**row.values, "notified": told or None, "put_off": put_off})
        except Changed:
            return False
        return True

    def postpone(self, grant: Grant) -> None:
        """A renewal could not be done: look at it again tomorrow, unless something happened to it meanwhile."""
        row = self._table.get(key(grant.tid), key(grant.oid))
        if row is None or row.get("ended") or row.get("due") != grant.due:
            return
        with suppress(Changed):
            self._write(grant.tid, grant.oid, row, {**row.values, "put_off": self._clock()})

    def erase(self, tid: str, oid: str, *, asked: datetime | None = None) -> None:
        """Delete everything in the grant and put a tombstone in its place (threats R19, I04).

        To a refresh under way the tombstone is another sign-in, so it writes nothing; a first login from before is
        refused by :meth:`store`. :meth:`forget_erased` takes the tombstone away when nothing from before can come.
        A sign-in later than ``asked`` (None: now) stays: it replaced the earlier one whole.
        """
        for _ in range(SETTLE_TRIES):
            row = self._table.get(key(tid), key(oid))
            if row is not None and asked is not None and row["signed_in"] > asked:
                return
            now = self._clock()
            tombstone: Values = {
                "epoch": self._new_id(),
                "generation": 0,
                "signed_in": now,
                "refreshed": now,
                "ended": faults.SignInRequired.reason,
                "erased": now,
            }
            try:
                self._write(tid, oid, row, tombstone)
            except Changed:
                continue
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

    def _refresh(
        self, tid: str, oid: str, mine: Row, cache: str, scopes: Sequence[str], claims: str | None
    ) -> Token | None:
        """Ask Entra while holding the lease; None where somebody else's word about the row counts by now."""
        try:
            token = self._entra.refresh(tid, cache, scopes, claims)
        except faults.PersonMust as fault:
            if not self._settle(tid, oid, mine, {**self._ending(type(fault)), "claims": fault.claims}):
                return None
            raise
        except faults.ConsentWithdrawn:
            # The organisation's row says so, once, and is what a new consent mends.
            self._settle(tid, oid, mine, {})
            raise
        except faults.AdministratorMust as fault:
            # Looked at every day: nobody tells us when it is lifted.
            blocked: Values = {"blocked": fault.reason, "claims": fault.claims, "put_off": self._clock()}
            self._settle(tid, oid, mine, blocked)
            raise
        except faults.Fault:
            self._settle(tid, oid, mine, {})
            raise
        generation = mine["generation"] + 1
        fresh: Values = {
            "generation": generation,
            "sealed": self._seal(tid, oid, mine["epoch"], generation, token.cache),
            "refreshed": self._clock(),
            "blocked": None,
            "claims": None,
            "put_off": None,
        }
        # Whoever took the lease over when ours ran out: these tokens are newer than those in the row.
        return token if self._settle(tid, oid, mine, fresh, whoever_holds=True) else None

    def _settle(
        self, tid: str, oid: str, mine: Row, changes: Mapping[str, Value | None], *, whoever_holds: bool = False
    ) -> bool:
        """Write what came of a refresh and give the lease back, if the tokens are the same and the lease is ours."""
        row: Row | None = mine
        for _ in range(SETTLE_TRIES):
            if row is None or row.get("ended") or version_of(row) != version_of(mine):
                return False
            if row.get("lease") != mine["lease"] and not whoever_holds:
                return False
            try:
                self._write(tid, oid, row, {**row.values, "lease": None, "lease_until": None, **changes})
            except Changed:
                row = self._table.get(mine.partition, mine.row)
                continue
            return True
        return False

    def _write(self, tid: str, oid: str, old: Row | None, values: Mapping[str, Any]) -> None:
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

    def _ending(self, reason: type[faults.PersonMust]) -> Values:
        # The tokens go: nobody will use them again, and whoever reads the table should not find them.
        return {"ended": reason.reason, "ended_at": self._clock(), "sealed": None}

    def _wait(self, look: float, until: datetime) -> float:
        """Wait for another worker's refresh, and return how long to wait the next time."""
        if self._clock() >= until:
            raise faults.MicrosoftUnavailable("another worker's refresh", retry_after=5)
        self._sleep(look + look * self._below(100) / 100)
        return min(look * 2, LONGEST_LOOK)

    def _lease(self, row: Row) -> Row | None:
        until = self._clock() + LEASE
        try:
            return self._table.replace(row, {**row.values, "lease": self._new_id(), "lease_until": until})
        except Changed:
            return None

    def _leased(self, row: Row) -> bool:
        return row.get("lease") is not None and self._clock() < row["lease_until"]

    def _pause_left(self, row: Row) -> float:
        """Return how many seconds are left of a pause."""
        until = row.get("not_before")
        return 0.0 if until is None else float((until - self._clock()).total_seconds())

    def _usable(self, tid: str, oid: str) -> Row:
        row = self._table.get(key(tid), key(oid))
        if row is None:
            raise faults.SignInRequired("no grant")
        if ended := read(tid, oid, row, self._clock()).ended:
            raise faults.BY_REASON[ended]("ended earlier")
        return row

    def _seal(self, tid: str, oid: str, epoch: str, generation: int, cache: str) -> bytes:
        try:
            return self._sealer.seal(tid, cache.encode(), *self._place(tid, oid, epoch, generation))
        except SealBroken as error:
            raise faults.SignInRequired("erased meanwhile") from error

    def _open(self, tid: str, oid: str, row: Row) -> str:
        try:
            place = self._place(tid, oid, row["epoch"], row["generation"])
            return self._sealer.open(tid, row.get("sealed", b""), *place).decode()
        except SealBroken as error:
            # Nothing is deleted: a key that is missing today may be there tomorrow (threat G16).
            raise faults.SignInRequired("seal broken") from error

    def _place(self, tid: str, oid: str, epoch: str, generation: int) -> tuple[str, ...]:
        return (self._name, key(tid), key(oid), "sealed", oid, epoch, str(generation))
