"""The serial numbers that an organisation lets enrol, where it keeps such a list, and whom the list has refused.

A serial number is what a printer says of itself: the list keeps strays out, and proves nothing about a liar.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.storage import AlreadyThere, Table, key

NOT_ALLOWED = "serial_not_allowed"
REFUSALS_STAY = timedelta(days=7)
_LIST = "list"


@dataclass(frozen=True)
class Refusal:
    """A printer that came with a good ticket and was refused all the same."""

    at: datetime
    reason: str
    """For the administrator alone: the printer heard ``ticket_invalid``."""
    group: str
    location: str
    name: str
    model: str
    serial: str


class Serials:
    """All lists, in the table ``devices`` (partition: organisation), and their refusals, in ``tickets``.

    Args:
        devices: the table ``devices``.
        tickets: the table ``tickets``; a refusal is forgotten after :data:`REFUSALS_STAY`.
        clock: the time now.
    """

    def __init__(self, devices: Table, tickets: Table, clock: Callable[[], datetime]) -> None:
        self._devices = devices
        self._tickets = tickets
        self._clock = clock

    def enforce(self, tid: str, *, enforced: bool) -> None:
        """Let only listed serial numbers enrol from now on, or any. Who is enrolled stays."""
        self._devices.put(key("serials", tid), key(_LIST), {"enforced": enforced})

    def enforced(self, tid: str) -> bool:
        """Say whether only listed serial numbers may enrol."""
        row = self._devices.get(key("serials", tid), key(_LIST))
        return bool(row and row["enforced"])

    def allow(self, tid: str, serial: str) -> None:
        """Put a serial number on the list.

        Raises:
            ValueError: it is empty.
        """
        if not canonical_serial(serial):
            raise ValueError("a serial number has at least one character")
        self._devices.put(key("serials", tid), _place(serial), {"serial": serial.strip()})

    def disallow(self, tid: str, serial: str) -> None:
        """Take a serial number from the list; one that is not on it is fine."""
        self._devices.delete(key("serials", tid), _place(serial))

    def listed(self, tid: str) -> list[str]:
        """Return the serial numbers on the list, in order."""
        rows = self._devices.query(key("serials", tid), after=key("serial", ""), before=key("serial", "~"))
        return sorted(str(row["serial"]) for row in rows)

    def may_enrol(self, tid: str, serial: str) -> bool:
        """Say whether a printer with this serial number may enrol. Both rows are read, whatever the first says."""
        listed = self._devices.get(key("serials", tid), _place(serial)) is not None
        enforced = self.enforced(tid)
        return listed or not enforced

    def refuse(self, tid: str, ticket_id: str, refusal: Refusal) -> None:
        """Write down whom the list refused: one row for a ticket and serial number, however often it tries."""
        try:
            self._tickets.insert(
                key("refused", tid),
                key(ticket_id, _place(refusal.serial)),
                {**vars(refusal), "expires": self._clock() + REFUSALS_STAY},
            )
        except AlreadyThere:
            return

    def refusals(self, tid: str) -> list[Refusal]:
        """Return whom the list has refused lately, the oldest first."""
        rows = self._tickets.query(key("refused", tid))
        names = Refusal.__dataclass_fields__
        return sorted((Refusal(**{name: row[name] for name in names}) for row in rows), key=lambda refusal: refusal.at)


def canonical_serial(serial: str) -> str:
    """Return a serial number as it is compared: without blanks at its ends, and without case."""
    return unicodedata.normalize("NFKC", serial).strip().casefold()


def serial_hash(serial: str) -> str:
    """Return what stands for a serial number in keys of rows, whatever its length and letters."""
    return hashlib.sha256(canonical_serial(serial).encode()).hexdigest()


def _place(serial: str) -> str:
    return key("serial", serial_hash(serial))
