"""One refresh at a time, and what is written of it.

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

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared import faults
from shared.storage import Changed, Row, Table, Value
from shared.vault.grant import version_of
from shared.vault.grant_rows import GrantRows, Values, ending

if TYPE_CHECKING:
    from shared.identity import Entra, Token

LEASE = timedelta(seconds=90)
"""Longer than a refresh takes with all its time-outs (25 s each for somebody else's discovery, ours, the token)."""
WAIT = timedelta(seconds=20)
"""How long a worker waits for another one's refresh before it gives the job back."""
FIRST_LOOK, LONGEST_LOOK = 0.05, 1.0
"""Seconds between two looks at a row that another worker is refreshing."""
SETTLE_TRIES = 8


class Refreshes:
    """Refreshes grants.

    Args:
        table: their table.
        rows: how they lie in it.
        entra: asked.
        clock: the time now.
        new_id: makes ids of leases (any unique text).
        sleep: waits for seconds.
        below: ``below(n)`` gives a random number from 0 to n-1.
    """

    def __init__(
        self,
        table: Table,
        rows: GrantRows,
        entra: Entra,
        clock: Callable[[], datetime],
        new_id: Callable[[], str],
        sleep: Callable[[float], None],
        below: Callable[[int], int],
    ) -> None:
        self._table = table
        self._rows = rows
        self._entra = entra
        self._clock = clock
        self._new_id = new_id
        self._sleep = sleep
        self._below = below

    def leased(self, row: Row) -> bool:
        """Say whether somebody is refreshing a grant."""
        return row.get("lease") is not None and self._clock() < row["lease_until"]

    def lease(self, row: Row) -> Row | None:
        """Take the lease; None where the row is another one by now."""
        until = self._clock() + LEASE
        try:
            return self._table.replace(row, {**row.values, "lease": self._new_id(), "lease_until": until})
        except Changed:
            return None

    def refresh(
        self, tid: str, oid: str, mine: Row, cache: str, scopes: Sequence[str], claims: str | None
    ) -> Token | None:
        """Ask Entra while holding the lease; None where somebody else's word about the row counts by now.

        Args:
            tid: the person's tenant.
            oid: the person.
            mine: the row with our lease.
            cache: MSAL's cache out of it.
            scopes: full addresses, of one resource.
            claims: a claims challenge to answer (JSON).

        Raises:
            Fault: what Entra says; what follows from it is written down.
        """
        try:
            token = self._entra.refresh(tid, cache, scopes, claims)
        except faults.PersonMust as fault:
            if not self._settle(tid, oid, mine, {**ending(type(fault), self._clock()), "claims": fault.claims}):
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
            "sealed": self._rows.seal(tid, oid, mine["epoch"], generation, token.cache),
            "refreshed": self._clock(),
            "blocked": None,
            "claims": None,
            "put_off": None,
        }
        # Whoever took the lease over when ours ran out: these tokens are newer than those in the row.
        return token if self._settle(tid, oid, mine, fresh, whoever_holds=True) else None

    def wait(self, look: float, until: datetime) -> float:
        """Wait for another worker's refresh, and return how long (seconds) to wait the next time.

        Raises:
            MicrosoftUnavailable: ``until`` is over.
        """
        if self._clock() >= until:
            raise faults.MicrosoftUnavailable("another worker's refresh", retry_after=5)
        self._sleep(look + look * self._below(100) / 100)
        return min(look * 2, LONGEST_LOOK)

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
                self._rows.write(tid, oid, row, {**row.values, "lease": None, "lease_until": None, **changes})
            except Changed:
                row = self._table.get(mine.partition, mine.row)
                continue
            return True
        return False
