"""One grant per person: what lets us send as him, sealed, and refreshed by one worker at a time.

Who refreshes, and what is believed of what it brings, is in ``refreshes``; how a grant lies in its row, in
``grant_rows``. What is promised beside which identity provider, and what is not, stands in docs/vault.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared import faults
from shared.storage import Changed, Gone, Row, Table, Value, key
from shared.vault.grant import Grant, read, version_of
from shared.vault.grant_rows import GrantRows, Values, ending
from shared.vault.refreshes import FIRST_LOOK, WAIT, Refreshes
from shared.vault.renewals import Renewals
from shared.vault.sealing import Sealer

if TYPE_CHECKING:
    from shared.identity import Entra, Token

SETTLE_TRIES = 8
PAUSED = "paused"
"""Note of the fault where nobody was asked, because the mailbox is paused (:meth:`Grants.pause`)."""


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
        self.rows = GrantRows(table, renewals, sealer, name)
        self._refreshes = Refreshes(table, self.rows, entra, clock, new_id, sleep, below)
        self._table = table
        self._renewals = renewals
        self._entra = entra
        self._clock = clock
        self._new_id = new_id

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
        tried: set[str] = set()
        for _ in range(SETTLE_TRIES):
            old = self._table.get(key(tid), key(oid))
            if old is not None and old["epoch"] in tried:
                # It was written, its answer was lost, and somebody has gone on from it (threat R12).
                return
            if old is not None and old.get("erased") and now < old["erased"]:
                raise faults.SignInRequired("erased meanwhile")
            tried.add(epoch := self._new_id())
            values: Values = {
                "epoch": epoch,
                "generation": 0,
                "sealed": self.rows.seal(tid, oid, epoch, 0, cache),
                "signed_in": now,
                "refreshed": now,
                "ends": now + timedelta(days=days) if days else None,
                "locale": locale,
                # A pause is the mailbox's, and no sign-in ends it.
                "not_before": old.get("not_before") if old is not None else None,
            }
            try:
                self.rows.write(tid, oid, old, values)
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
            cache = self.rows.open(tid, oid, row)
            held = self._entra.held_token(cache, scopes)
            if held is not None and held != refused:
                return held
            mine = None if self._refreshes.leased(row) else self._refreshes.lease(row)
            if mine is not None:
                try:
                    fresh = self._refreshes.refresh(tid, oid, mine, cache, scopes, claims)
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
            look = self._refreshes.wait(look, waits_until)

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
            cache = self.rows.open(tid, oid, row)
            mine = None if self._refreshes.leased(row) else self._refreshes.lease(row)
            fresh = self._refreshes.refresh(tid, oid, mine, cache, scopes, claims) if mine is not None else None
            if fresh is not None:
                return fresh
            look = self._refreshes.wait(look, waits_until)

    def renew(self, grant: Grant, scopes: Sequence[str]) -> None:
        """Refresh a sleeping grant, so that it does not end by inactivity.

        Does nothing where somebody has refreshed it since ``grant`` was read, or is about to.

        Raises:
            Fault: as :meth:`access_token` does.
        """
        row = self._usable(grant.tid, grant.oid)
        if version_of(row) != grant.version or self._refreshes.leased(row):
            return
        cache = self.rows.open(grant.tid, grant.oid, row)
        mine = self._refreshes.lease(row)
        if mine is not None:
            self._refreshes.refresh(grant.tid, grant.oid, mine, cache, scopes, None)

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
                self.rows.write(grant.tid, grant.oid, row, {**row.values, **ending(reason, self._clock())})
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
            self.rows.write(grant.tid, grant.oid, row, {**row.values, "notified": told or None, "put_off": put_off})
        except Changed:
            return False
        return True

    def postpone(self, grant: Grant) -> None:
        """A renewal could not be done: look at it again tomorrow, unless something happened to it meanwhile."""
        row = self._table.get(key(grant.tid), key(grant.oid))
        if row is None or row.get("ended") or row.get("due") != grant.due:
            return
        with suppress(Changed):
            self.rows.write(grant.tid, grant.oid, row, {**row.values, "put_off": self._clock()})

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
                self.rows.write(tid, oid, row, tombstone)
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
