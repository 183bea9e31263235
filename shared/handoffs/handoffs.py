"""The table of handoffs: the panel's side, the browser's side, and how one ends."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared import faults
from shared.handoffs.handoff import Handoff, Started
from shared.handoffs.links import Links
from shared.short_codes import shown
from shared.storage import Gone, Row, Table, Value, key

if TYPE_CHECKING:
    from shared.vault import Sealer

LIFE = timedelta(minutes=5)
INTERVAL = 5
SLOWER_BY = 5
"""Seconds; RFC 8628 section 3.5."""
REMEMBERED = timedelta(hours=1)
"""How long the page and the panel can still ask how it ended. What an OK never came for goes with the row."""
ROW = "handoff"
_OPEN = {"pending", "confirm"}


class Handoffs:
    """All handoffs, in the table ``handoffs``.

    Args:
        table: the table ``handoffs``.
        sealer: seals task and result to their row.
        service_key: makes links and the places of codes (see ``links``).
        clock: the time now.
        below: ``below(n)`` gives an unpredictable number from 0 to n-1.
    """

    def __init__(
        self,
        table: Table,
        sealer: Sealer,
        service_key: bytes,
        clock: Callable[[], datetime],
        below: Callable[[int], int],
    ) -> None:
        self._table = table
        self._sealer = sealer
        self._clock = clock
        self._below = below
        self._links = Links(table, service_key, clock, below)

    def start(self, story: str, task: Mapping[str, Any], *, device_id: str = "") -> Started:
        """Begin a handoff and return what the panel (or the page) needs.

        It is sealed for the tenant that ``task`` names as ``tid``, where it names one.
        """
        handoff_id = str(uuid.UUID(int=self._below(1 << 128)))
        expires = self._clock() + LIFE
        tid = str(task.get("tid", ""))
        self._table.insert(
            key(handoff_id),
            ROW,
            {
                "story": story,
                "device_id": device_id,
                "tid": tid,
                "status": "pending",
                "interval": INTERVAL,
                "ends": expires,
                "expires": expires + LIFE + REMEMBERED,
                "task": self._seal(tid, task, handoff_id, "task", anew=True),
            },
        )
        code = self._links.give_code(handoff_id, expires) if device_id else ""
        return Started(handoff_id, self._links.link(handoff_id), shown(code), int(LIFE.total_seconds()), INTERVAL)

    def by_link(self, link: str, story: str) -> Handoff:
        """Return the handoff that ``link`` names. Reading changes nothing (threats B03, B15).

        Raises:
            LinkUnknown: forged, of another story, or forgotten.
        """
        handoff_id = self._links.id_of(link)
        row = self._table.get(key(handoff_id), ROW)
        if row is None or row["story"] != story:
            raise faults.LinkUnknown
        return self._read(handoff_id, row)

    def get(self, handoff_id: str) -> Handoff:
        """Return the handoff for the browser's side, which has proven itself otherwise.

        Raises:
            LinkUnknown: it is forgotten.
        """
        row = self._table.get(key(handoff_id), ROW)
        if row is None:
            raise faults.LinkUnknown("forgotten")
        return self._read(handoff_id, row)

    def link(self, handoff_id: str) -> str:
        """Return the link of a handoff."""
        return self._links.link(handoff_id)

    def link_of(self, typed: str, address: str) -> tuple[str, str]:
        """Return the story and link that a typed code stands for.

        Args:
            typed: what the person typed.
            address: where he is, for the limit on guesses.

        Raises:
            LinkUnknown: there is no such code, or it has served; counted as a wrong guess.
            TooManyRequests: too many wrong guesses from there.
        """
        handoff_id = self._links.guessed(typed, address)
        row = self._table.get(key(handoff_id), ROW) if handoff_id else None
        if handoff_id is None or row is None or self._status(row) != "pending":
            raise faults.LinkUnknown("code")
        self._links.right(address)
        return str(row["story"]), self._links.link(handoff_id)

    def poll(self, handoff_id: str, device_id: str, story: str) -> Handoff:
        """Return the handoff to the device that began it, no faster than its interval.

        Raises:
            NotFound: unknown, or another device's (threat B09).
            SlowDown: asked too soon; the interval has grown (threat B10).
        """
        now = self._clock()
        too_fast = False

        def polled(row: Row) -> Mapping[str, Value | None]:
            nonlocal too_fast
            last = row.get("polled")
            # Half a second is allowed for the way.
            too_fast = last is not None and now - last < timedelta(seconds=row["interval"] - 0.5)
            return {"polled": now, "interval": row["interval"] + SLOWER_BY if too_fast else row["interval"]}

        row = self._change_of(handoff_id, device_id, story, polled)
        if too_fast:
            raise faults.SlowDown(retry_after=row["interval"])
        return self._read(handoff_id, row)

    def browser_done(
        self, handoff_id: str, *, account_hint: str, result: Mapping[str, Any] | None = None, outcome: str = ""
    ) -> Handoff:
        """The browser's side is done: the panel may confirm. Exactly one call succeeds (threat B18).

        Raises:
            Fault: it expired, or was cancelled at the panel meanwhile (threat B11).
            WrongState: another browser was faster.
        """

        def done(row: Row) -> Mapping[str, Value | None]:
            self._read(handoff_id, row).require_pending()
            # The person at the panel gets the full time again, to press OK.
            return {
                "status": "confirm",
                "account_hint": account_hint,
                "result": self._seal(row["tid"], result, handoff_id, "result") if result else None,
                "outcome": outcome,
                "ends": self._clock() + LIFE,
            }

        try:
            return self._read(handoff_id, self._table.change(key(handoff_id), ROW, done))
        except Gone as error:
            raise faults.SignInTimedOut("forgotten meanwhile") from error

    def forget(self, handoff_id: str) -> bool:
        """Delete it, whatever its state: nobody can go on with it. False where there is none (any more)."""
        there = self._table.get(key(handoff_id), ROW) is not None
        self._table.delete(key(handoff_id), ROW)
        return there

    def refuse(self, handoff_id: str, fault: faults.Fault) -> None:
        """The browser's side ended with a fault: the panel shows it."""

        def refuse(row: Row) -> Mapping[str, Value | None] | None:
            if self._status(row) != "pending":
                return None
            return {"status": "denied", "reason": fault.reason}

        with suppress(Gone):
            self._table.change(key(handoff_id), ROW, refuse)

    @contextmanager
    def refusing(self, handoff_id: str) -> Iterator[None]:
        """Inside the block, a fault that the browser meets is told to the panel, too.

        What passes by itself does not end the handoff: the browser may try again.
        """
        try:
            yield
        except (faults.Passing, faults.OperatorMust):
            raise
        except faults.Fault as fault:
            self.refuse(handoff_id, fault)
            raise

    def confirm(self, handoff_id: str, device_id: str, story: str, carry_out: Callable[[Handoff], None]) -> Handoff:
        """OK at the panel: carry out what was confirmed, then mark it active. A repeated OK is fine.

        ``carry_out`` may be called again when the service stopped in between; it must be idempotent.

        Raises:
            NotFound: unknown, or another device's.
            WrongState: there is nothing to confirm (yet, or any more).
            PersonMust: ``carry_out`` refused it; the handoff has ended with that.
        """

        def agree(row: Row) -> Mapping[str, Value | None] | None:
            status = self._status(row)
            if status == "active":
                return None
            if status != "confirm":
                raise faults.WrongState(status)
            # From here on it cannot be cancelled any more.
            return {"agreed": True}

        row = self._change_of(handoff_id, device_id, story, agree)
        if row["status"] == "active":
            return self._read(handoff_id, row)
        try:
            carry_out(self._read(handoff_id, row))
        except faults.PersonMust as fault:
            self._end(handoff_id, "denied", fault.reason)
            raise
        return self._end(handoff_id, "active")

    def confirm_in_browser(self, handoff_id: str) -> Handoff:
        """A handoff without a panel needs no OK: it is active as soon as the browser is done."""
        return self._end(handoff_id, "active")

    def cancel(self, handoff_id: str, device_id: str, story: str) -> None:
        """Cancel at the panel; what the browser brought is forgotten. Cancelling twice is fine.

        Raises:
            NotFound: unknown, or another device's.
            WrongState: it is already active.
        """

        def cancel(row: Row) -> Mapping[str, Value | None] | None:
            if row.get("agreed"):
                raise faults.WrongState("active")
            if row["status"] == "denied":
                return None
            return {"status": "denied", "reason": faults.SignInDeclined.reason, "result": None}

        self._change_of(handoff_id, device_id, story, cancel)

    def _end(self, handoff_id: str, status: str, reason: str | None = None) -> Handoff:
        """End what waits for the panel's OK, and forget what the browser brought. Ending twice alike is fine."""

        def end(row: Row) -> Mapping[str, Value | None] | None:
            if row["status"] == status:
                return None
            if row["status"] != "confirm":
                raise faults.WrongState(row["status"])
            return {"status": status, "reason": reason, "result": None}

        try:
            return self._read(handoff_id, self._table.change(key(handoff_id), ROW, end))
        except Gone as error:
            raise faults.NotFound("forgotten meanwhile") from error

    def _change_of(
        self, handoff_id: str, device_id: str, story: str, decide: Callable[[Row], Mapping[str, Value | None] | None]
    ) -> Row:
        def decide_if_own(row: Row) -> Mapping[str, Value | None] | None:
            if row["device_id"] != device_id or row["story"] != story:
                raise faults.NotFound
            return decide(row)

        try:
            return self._table.change(key(handoff_id), ROW, decide_if_own)
        except Gone as error:
            raise faults.NotFound from error

    def _status(self, row: Row) -> str:
        status = str(row["status"])
        return "expired" if status in _OPEN and self._clock() >= row["ends"] else status

    def _read(self, handoff_id: str, row: Row) -> Handoff:
        status = self._status(row)
        reason = row.get("reason") or (faults.SignInTimedOut.reason if status == "expired" else None)
        return Handoff(
            id=handoff_id,
            story=row["story"],
            device_id=row["device_id"],
            status=status,
            reason=reason,
            account_hint=row.get("account_hint"),
            interval=row["interval"],
            expires=row["ends"],
            task=self._open(row, "task", handoff_id),
            result=self._open(row, "result", handoff_id) if row.get("result") else {},
            outcome=row.get("outcome", ""),
        )

    def _seal(self, tid: str, value: Mapping[str, Any], handoff_id: str, column: str, *, anew: bool = False) -> bytes:
        return self._sealer.seal(tid, json.dumps(value).encode(), "handoffs", handoff_id, ROW, column, anew=anew)

    def _open(self, row: Row, column: str, handoff_id: str) -> dict[str, Any]:
        sealed = self._sealer.open(row["tid"], row[column], "handoffs", handoff_id, ROW, column)
        opened: dict[str, Any] = json.loads(sealed)
        return opened
