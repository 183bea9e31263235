"""Signs of life of this process's deliveries: each puts its claim off while it is at work, and dies with the process.

One thread gives them for all. It is there while a delivery is, and a quick delivery never costs a request.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock, Thread
from time import monotonic, sleep
from typing import TYPE_CHECKING

from shared import faults

if TYPE_CHECKING:
    from datetime import timedelta

    from shared.scans.claims import Claims, Turn

LOOK = 10.0
"""Seconds between two looks at the deliveries, in real time."""
SILENT = 2
"""Looks after which a delivery gives a sign of life: every 20 to 30 seconds, so one may be lost (``claims.LASTS``)."""

log = logging.getLogger(__name__)


@dataclass
class _Alive:
    """A delivery at work; times of :func:`time.monotonic`."""

    turn: Turn
    last: float
    hangs: float
    """From then on it counts as dead."""


class Heartbeats:
    """Puts claims off. Safe to use from many threads.

    Args:
        claims: where they are.
        look: seconds between two looks.
    """

    def __init__(self, claims: Claims, look: float = LOOK) -> None:
        self._claims = claims
        self._look = look
        self._lock = Lock()
        self._alive: dict[str, _Alive] = {}
        self._thread: Thread | None = None

    def begin(self, turn: Turn, longest: timedelta) -> None:
        """A delivery has claimed its job. One that takes longer than ``longest`` hangs, and counts as dead."""
        now = monotonic()
        with self._lock:
            self._alive[turn.lease] = _Alive(turn, now, now + longest.total_seconds())
            if self._thread is None:
                thread = Thread(target=self._run, name="heartbeats", daemon=True)
                # Where there is none to be had the mail leaves all the same, and its claim lasts as it is.
                with suppress(RuntimeError):
                    thread.start()
                    self._thread = thread

    def end(self, turn: Turn) -> None:
        """A delivery is over, and its end is written down: a sign of life that is under way leaves that alone."""
        with self._lock:
            self._alive.pop(turn.lease, None)

    def _run(self) -> None:
        while True:
            sleep(self._look)
            now = monotonic()
            with self._lock:
                self._alive = {lease: one for lease, one in self._alive.items() if now < one.hangs}
                if not self._alive:
                    self._thread = None
                    return
                silent = [one for one in self._alive.values() if now - one.last >= SILENT * self._look]
            for one in silent:
                one.last = now
                self._put_off(one.turn)

    def _put_off(self, turn: Turn) -> None:
        try:
            with suppress(faults.NotFound, faults.StorageUnavailable):
                self._claims.put_off(turn)
        except Exception as error:  # noqa: BLE001  (no delivery of this process would be alive any more; it may quote)
            log.error("a claim was not put off: %s", type(error).__name__)  # noqa: TRY400
