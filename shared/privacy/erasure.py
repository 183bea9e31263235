"""Erasing a person: the order of the steps, and their repetition."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared import faults
from shared.privacy.traces import HANDOFF, JOB, PIN, Trace, Traces
from shared.storage import Changed, Gone, Row, Table, key

if TYPE_CHECKING:
    from shared.administrators import Sessions as ConsoleSessions
    from shared.handoffs import Handoffs
    from shared.organisations import Organisations
    from shared.people import People
    from shared.scans import Retention
    from shared.vault import Grants

PENDING = "pending"
SETTLES_AFTER = timedelta(minutes=15)
"""Longer than anything that began before can still be on its way: a first login waits ten minutes for its OK."""
AT_MOST = 200
"""Erasures that one run of the timer goes on with."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Erased:
    """What an erasure found: printer users that were pinned to him, scans that were cancelled."""

    pins: int
    cancelled: int


class Erasure:
    """Erases people.

    Args:
        table: the table ``erasures``; a row for each that has not settled (partition ``pending``).
        traces: where a person's things lie.
        grants: the tokens.
        organisations: the account that proved a consent.
        people: the pins.
        handoffs: first logins under way.
        retention: jobs and documents.
        console_sessions: ended, because they say his name.
        clock: the time now.
    """

    def __init__(
        self,
        table: Table,
        traces: Traces,
        grants: Grants,
        organisations: Organisations,
        people: People,
        handoffs: Handoffs,
        retention: Retention,
        console_sessions: ConsoleSessions,
        clock: Callable[[], datetime],
    ) -> None:
        self._table = table
        self._traces = traces
        self._grants = grants
        self._organisations = organisations
        self._people = people
        self._handoffs = handoffs
        self._retention = retention
        self._console_sessions = console_sessions
        self._clock = clock

    def erase(self, tid: str, oid: str) -> Erased:
        """Erase a person: when this returns, nothing of his can be used, and nothing that names him is left.

        What was being written at this very moment goes with :meth:`settle`, and until then ``(tid, oid)`` stands in
        the wish and the tombstone. Asking twice, or at once, does no harm. What he signs in to afterwards is new.

        Raises:
            StorageUnavailable: the timer goes on with it, or ask again.
        """
        asked = self._clock()
        self._table.put(PENDING, key(tid, oid), {"tid": tid, "oid": oid, "asked": asked})
        cut_off = self._cut_off(tid, oid, asked)
        erased = self._erase(tid, oid, cut_off, settled=False)
        log.info("a person of tenant %s was erased", tid)
        return erased

    def erase_tenant(self, tid: str) -> int:
        """Erase everybody of a tenant; returns how many. It may be cut off and asked again.

        Raises:
            StorageUnavailable: ask again.
        """
        everybody = {*self._traces.people(tid), *(grant.oid for grant in self._grants.of_tenant(tid))}
        for oid in sorted(everybody):
            self.erase(tid, oid)
        return len(everybody)

    def settle(self) -> int:
        """Go on with what was cut off, and finish what is old enough; for the timer. Returns how many were finished."""
        finished = 0
        for row in list(self._table.query(PENDING, limit=AT_MOST)):
            try:
                finished += self._settle(row)
            except faults.Fault as fault:
                log.warning("an erasure in tenant %s is put off: %s", row["tid"], fault)
            except Exception as error:  # noqa: BLE001  (one broken row must not keep others from being erased)
                # The message of an exception may quote anything.
                log.error("an erasure in tenant %s is put off: %s", row["tid"], type(error).__name__)  # noqa: TRY400
        return finished

    def _settle(self, row: Row) -> bool:
        tid, oid, cut_off = row["tid"], row["oid"], row.get("cut_off")
        if cut_off is None:
            self._erase(tid, oid, self._cut_off(tid, oid, row["asked"]), settled=False)
            return False
        if self._clock() < cut_off + SETTLES_AFTER:
            return False
        self._erase(tid, oid, cut_off, settled=True)
        self._grants.forget_erased(tid, oid)
        self._retention.forget_person(tid, oid)
        with suppress(Changed):  # asked for again meanwhile
            self._table.delete_unchanged(row)
        return True

    def _cut_off(self, tid: str, oid: str, asked: datetime) -> datetime:
        """End the grant, and return the moment before which everything of the person's began that must go."""
        self._grants.erase(tid, oid, asked=asked)
        self._organisations.forget_person(tid, oid)
        self._console_sessions.forget_person(tid, oid)
        cut_off = self._clock()
        with suppress(Gone):
            self._table.change(
                PENDING, key(tid, oid), lambda row: {"cut_off": cut_off} if row["asked"] <= asked else None
            )
        return cut_off

    def _erase(self, tid: str, oid: str, cut_off: datetime, *, settled: bool) -> Erased:
        pins = cancelled = 0

        def done(trace: Trace, *, found: bool) -> None:
            # What it points at may be about to be written: then it is kept for the second time.
            if found or settled:
                self._traces.forget(tid, oid, trace.kind, *trace.parts)

        def old(kind: str) -> list[Trace]:
            return [trace for trace in self._traces.of(tid, oid, kind) if trace.since <= cut_off]

        for trace in old(HANDOFF):
            done(trace, found=self._handoffs.forget(*trace.parts))
        for trace in old(PIN):
            unpinned = self._people.unpin(tid, *trace.parts, oid=oid)
            pins += unpinned
            cancelled += self._retention.anonymise_user(tid, trace.parts[0], trace.parts[1], cut_off)
            done(trace, found=unpinned)
        for trace in old(JOB):
            what = self._retention.anonymise(oid, trace)
            cancelled += what == "cancelled"
            done(trace, found=what != "nothing")
        return Erased(pins, cancelled)
