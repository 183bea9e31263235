"""Enrolment tickets, good for an hour: 128 bits that are pasted, or a short code that is typed at the panel.

A pasted ticket cannot be guessed, so nothing is counted for it. A code can: its row is found by an HMAC (34 bits are
soon tried out by a reader of the table), guesses are counted before they are looked at, and whoever comes by a code
waits for an administrator (threat D01).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared import faults
from shared.devices import base64url
from shared.short_codes import Guesses, new_code, normal_code, shown
from shared.storage import AlreadyThere, Gone, Row, Table, Value, key

LIFE = timedelta(hours=1)
CODE_RESTS = timedelta(hours=24)
"""A code is not given out again before."""
TICKET_BYTES = 16
MOST_PRINTERS = 500
"""So many thumbprints fit into the column ``used`` (64 KiB, two bytes a character)."""
ROW = "ticket"
_LONGEST_USER_ID = 128


@dataclass(frozen=True)
class Ticket:
    """What a ticket stands for."""

    id: str
    """Its own, by chance; the ticket itself is stored nowhere."""
    tid: str
    group: str
    location: str
    approval: bool
    """Whether an administrator must approve the device before it may do anything."""
    replaces: bool
    """Whether the device takes the place of those with its serial number in its group."""
    place: str
    """Partition of its row."""


class Tickets:
    """All tickets, in the table ``tickets`` (partition: hash of the ticket, or HMAC of the code).

    Args:
        table: the table ``tickets``.
        service_key: keys the HMAC of codes.
        clock: the time now.
        random_bytes: gives n unpredictable bytes.
        below: ``below(n)`` gives an unpredictable number from 0 to n-1.
    """

    def __init__(
        self,
        table: Table,
        service_key: bytes,
        clock: Callable[[], datetime],
        random_bytes: Callable[[int], bytes],
        below: Callable[[int], int],
    ) -> None:
        self._table = table
        self._code_key = hmac.digest(service_key, b"enrolment code", "sha256")
        self._clock = clock
        self._random_bytes = random_bytes
        self._below = below
        self._guesses = Guesses(table, clock)

    def issue(
        self, tid: str, group: str, location: str, count: int = 1, *, approval: bool = False, replaces: bool = False
    ) -> str:
        """Make a ticket for ``count`` printers of one group, to be pasted, and return it. It cannot be shown again.

        Raises:
            ValueError: ``count`` is not from 1 to :data:`MOST_PRINTERS`, or the group has no name or too long a one.
        """
        values = self._values(tid, group, location, count, approval=approval, replaces=replaces)
        ticket = base64url.encode(self._random_bytes(TICKET_BYTES))
        while ticket.startswith("-"):  # a command line would take it for an option
            ticket = base64url.encode(self._random_bytes(TICKET_BYTES))
        self._table.insert(_place(ticket), ROW, {**values, "expires": self._clock() + LIFE})
        return ticket

    def issue_code(self, tid: str, group: str, location: str, count: int = 1, *, replaces: bool = False) -> str:
        """Make a ticket that is typed, and return it as it is shown. Whoever uses it must be approved.

        Raises:
            ValueError: as for :meth:`issue`.
        """
        values = self._values(tid, group, location, count, approval=True, replaces=replaces)
        values["expires"] = self._clock() + LIFE + CODE_RESTS
        while True:
            code = new_code(self._below)
            try:
                self._table.insert(
                    self._code_place(code), ROW, {**values, "expires": self._clock() + LIFE + CODE_RESTS}
                )
            except AlreadyThere:
                continue  # given out before (threat B07)
            return shown(code)

    def find(self, given: str, thumbprint: str, address: str) -> Ticket:
        """Return the ticket that ``given`` is, as long as it is good for the key ``thumbprint``. Nothing is used up.

        Args:
            given: what was pasted or typed.
            thumbprint: of the key that wants to enrol.
            address: where it comes from, for the limit on guesses.

        Raises:
            TicketInvalid: unknown, used up, or expired; of a code, counted as a wrong guess.
            TooManyRequests: too many wrong guesses.
        """
        code = None if _is_pasted(given) else normal_code(given)
        if code is None:
            return self._good(self._table.get(_place(given), ROW), thumbprint)
        self._guesses.count(address)
        found = self._good(self._table.get(self._code_place(code), ROW), thumbprint)
        self._guesses.right(address)
        return found

    def use(self, ticket: Ticket, thumbprint: str) -> None:
        """Use a ticket for the key ``thumbprint``, once per key: the same key again costs nothing (D02).

        Raises:
            TicketInvalid: used up or expired meanwhile.
        """

        def use(row: Row) -> Mapping[str, Value | None] | None:
            self._good(row, thumbprint)
            used = str(row["used"]).split()
            if thumbprint in used:
                return None
            return {"left": row["left"] - 1, "used": " ".join([*used, thumbprint])}

        try:
            self._table.change(ticket.place, ROW, use)
        except Gone as error:
            raise faults.TicketInvalid("gone") from error

    def _good(self, row: Row | None, thumbprint: str) -> Ticket:
        if row is None:
            raise faults.TicketInvalid("unknown")
        if self._clock() >= row["ends"]:
            raise faults.TicketInvalid("expired")
        if row["left"] < 1 and thumbprint not in str(row["used"]).split():
            raise faults.TicketInvalid("used up")
        return Ticket(
            id=row["id"],
            tid=row["tid"],
            group=row["group"],
            location=row["location"],
            approval=row["approval"],
            replaces=row["replaces"],
            place=row.partition,
        )

    def _values(
        self, tid: str, group: str, location: str, count: int, *, approval: bool, replaces: bool
    ) -> dict[str, Value | None]:
        if not 1 <= count <= MOST_PRINTERS:
            raise ValueError(f"a ticket is for 1 to {MOST_PRINTERS} printers")
        if not group:
            raise ValueError("a group has a name")
        key(tid, group, "x" * _LONGEST_USER_ID)  # the longest key that anybody makes with a group
        return {
            "id": self._random_bytes(TICKET_BYTES).hex(),
            "tid": tid,
            "group": group,
            "location": location,
            "approval": approval,
            "replaces": replaces,
            "left": count,
            "used": "",
            "ends": self._clock() + LIFE,
        }

    def _code_place(self, code: str) -> str:
        return key("code", hmac.new(self._code_key, code.encode(), "sha256").hexdigest())


def _is_pasted(given: str) -> bool:
    try:
        base64url.decode(given, TICKET_BYTES)
    except ValueError:
        return False
    return True


def _place(ticket: str) -> str:
    return key(hashlib.sha256(ticket.encode("utf-8", "replace")).hexdigest())
