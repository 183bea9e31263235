"""Enrolment tickets: 128 bits that an administrator pastes into a printer, good for an hour."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared import faults
from shared.devices import base64url
from shared.storage import Gone, Row, Table, Value, key

LIFE = timedelta(hours=1)
TICKET_BYTES = 16
MOST_PRINTERS = 500
"""So many thumbprints fit into the column ``used`` (64 KiB, two bytes a character)."""
ROW = "ticket"


@dataclass(frozen=True)
class Ticket:
    """What a ticket stands for."""

    id: str
    """Hash of the ticket; the ticket itself is stored nowhere."""
    tid: str
    group: str
    location: str


class Tickets:
    """All tickets, in the table ``tickets``."""

    def __init__(self, table: Table, clock: Callable[[], datetime], random_bytes: Callable[[int], bytes]) -> None:
        self._table = table
        self._clock = clock
        self._random_bytes = random_bytes

    def issue(self, tid: str, group: str, location: str, count: int = 1) -> str:
        """Make a ticket for ``count`` printers of one group and return it. It cannot be shown again.

        Raises:
            ValueError: ``count`` is not from 1 to :data:`MOST_PRINTERS`.
        """
        if not 1 <= count <= MOST_PRINTERS:
            raise ValueError(f"a ticket is for 1 to {MOST_PRINTERS} printers")
        ticket = base64url.encode(self._random_bytes(TICKET_BYTES))
        self._table.insert(
            key(_id(ticket)),
            ROW,
            {"tid": tid, "group": group, "location": location, "left": count, "expires": self._clock() + LIFE},
        )
        return ticket

    def use(self, ticket: str, thumbprint: str) -> Ticket:
        """Use a ticket for the key ``thumbprint``, once per key: the same key again costs nothing (D02).

        Raises:
            TicketInvalid: unknown, used up, or expired.
        """
        ticket_id = _id(ticket)

        def use(row: Row) -> Mapping[str, Value | None] | None:
            if self._clock() >= row["expires"]:
                raise faults.TicketInvalid("expired")
            used = str(row.get("used", "")).split()
            if thumbprint in used:
                return None
            if row["left"] < 1:
                raise faults.TicketInvalid("used up")
            return {"left": row["left"] - 1, "used": " ".join([*used, thumbprint])}

        try:
            row = self._table.change(key(ticket_id), ROW, use)
        except Gone as error:
            raise faults.TicketInvalid("unknown") from error
        return Ticket(ticket_id, row["tid"], row["group"], row["location"])


def _id(ticket: str) -> str:
    return hashlib.sha256(ticket.encode("utf-8", "replace")).hexdigest()
