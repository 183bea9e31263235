"""How much a device, a person and an organisation may ask for: counters in rows, the same on every instance (I01).

Every number is in ``docs/limits.md``. A counter belongs to one device, one person of a group, or one of the shares
of an organisation: whoever is over his limit hears 429, and nobody else waits for his row (E06, I02).

These limits protect the service from an accident or a stolen device, and guard no secret: where storage does not
answer, they let pass. The limits on guessing (``shared.short_codes``) do the opposite.
"""

from __future__ import annotations

import hmac
import logging
import math
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from shared import faults
from shared.devices.crowd import Crowd
from shared.storage import AlreadyThere, Changed, Table, key

if TYPE_CHECKING:
    from shared.devices.devices import Device

WINDOW = timedelta(minutes=5)
SHARES = 16
"""An organisation's limit is cut into so many rows, of which each request takes one by chance: one row would be
contended by all its printers at once."""
ROW = "use"
_TRIES = 8
_STEP_BACK = 8
"""Milliseconds at most before the second try, doubled after each."""

log = logging.getLogger(__name__)


class Use(StrEnum):
    """What is counted."""

    REQUESTS = "requests"
    """Every request with a good token, status polls among them."""
    TOKENS = "tokens"
    """Access tokens given."""
    SCANS = "scans"
    """Scans handed over, repetitions included."""
    SIGN_INS = "sign_ins"
    """First logins and consents begun at the panel."""
    DIAGNOSES = "diagnoses"
    """Runs of the doctor: each asks Microsoft a dozen questions."""


@dataclass(frozen=True)
class Most:
    """The most of one use in a window; None: not counted."""

    device: int | None = None
    person: int | None = None
    organisation: int | None = None


LIMITS = {
    Use.REQUESTS: Most(device=1200),
    Use.TOKENS: Most(device=60),
    Use.SCANS: Most(device=150, person=100, organisation=9600),
    Use.SIGN_INS: Most(device=60, person=20, organisation=1600),
    Use.DIAGNOSES: Most(organisation=10),
}


class Limits:
    """All counters, in the table ``assertions``: what lies there is forgotten soon.

    Args:
        table: the table ``assertions``.
        service_key: hides who the counted people are.
        clock: the time now.
        below: ``below(n)`` gives a number from 0 to n-1.
    """

    def __init__(
        self, table: Table, service_key: bytes, clock: Callable[[], datetime], below: Callable[[int], int]
    ) -> None:
        self._table = table
        self._key = hmac.digest(service_key, b"person in a limit", "sha256")
        self._clock = clock
        self._below = below
        self._crowd = Crowd()

    def count(self, use: Use, device: Device, user_id: str | None = None) -> None:
        """Count one use by a device, by the person of its group that it is for, and by its organisation.

        Raises:
            TooManyRequests: one of them had all that a window has; ``retry_after`` says when the next begins.
        """
        most = LIMITS[use]
        if most.device is not None:
            self._count(use, key("use", "device", device.id), most.device)
        if most.person is not None and user_id is not None:
            who = hmac.new(self._key, key(device.tid, device.group, user_id).encode(), "sha256").hexdigest()
            self._count(use, key("use", "person", who), most.person)
        if most.organisation is not None:
            share = str(self._below(SHARES))
            self._count(use, key("use", "organisation", device.tid, share), most.organisation // SHARES)

    def count_organisation(self, use: Use, tid: str) -> None:
        """Count one use by an organisation that is rare enough for a row alone.

        Raises:
            TooManyRequests: as :meth:`count`.
        """
        self._count(use, key("use", "alone", tid), LIMITS[use].organisation or 0)

    def _count(self, use: Use, partition: str, most: int) -> None:
        try:
            # What comes to one counter at once is added at once: a burst of one printer is one write, not a race.
            late = self._crowd.join((partition, use), lambda many: self._add(use, partition, most, many))
        except faults.StorageUnavailable:
            log.warning("a limit could not be counted; let pass")
            return
        if late is not None:
            raise faults.TooManyRequests(use, retry_after=late)

    def _add(self, use: Use, partition: str, most: int, many: int) -> tuple[int, int]:
        """Add up to ``many`` uses; return how many of them there was room for, and when there is again, in seconds."""
        for attempt in range(_TRIES):
            row = self._table.get(partition, ROW)
            now = self._clock()
            window = int(now.timestamp() // WINDOW.total_seconds())
            counted = dict(row.values) if row is not None and row["window"] == window else {"window": window}
            left = math.ceil((window + 1) * WINDOW.total_seconds() - now.timestamp())
            room = min(many, most - counted.get(use, 0))
            if room <= 0:
                return 0, left
            values = {**counted, use: counted.get(use, 0) + room, "expires": now + 2 * WINDOW}
            try:
                if row is None:
                    self._table.insert(partition, ROW, values)
                else:
                    self._table.replace(row, values)
            except (AlreadyThere, Changed):
                time.sleep(secrets.randbelow(_STEP_BACK << attempt) / 1000)
            else:
                return room, left
        # So many instances at once that none can be counted: what cannot be counted must not pass uncounted.
        return 0, 1
