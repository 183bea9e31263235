"""How many deliveries of this process are under way for one mailbox.

What is known here costs no request: a burst for one mailbox waits in the queue, and not in attempts that find every
slot taken. Over all processes the slots alone decide.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

MOST = 4
"""For one mailbox: as many as the most generous transport has slots."""


class Gate:
    """Counts deliveries by mailbox. Safe to use from many threads.

    Args:
        below: ``below(n)`` gives a random number from 0 to n-1: processes begin with different slots.
    """

    def __init__(self, below: Callable[[int], int]) -> None:
        self._first = below(MOST)
        self._lock = Lock()
        self._taken: dict[tuple[str, str], set[int]] = {}

    def enter(self, tid: str, oid: str) -> tuple[int, int] | None:
        """Return the delivery's number, for :meth:`leave`, and the slot to try first; None: enough are under way."""
        with self._lock:
            taken = self._taken.setdefault((tid, oid), set())
            number = next((each for each in range(MOST) if each not in taken), None)
            if number is None:
                return None
            taken.add(number)
            return number, (number + self._first) % MOST

    def found(self, slot: int) -> None:
        """The slot to try first was another process's, and ``slot`` was free: begin there from now on.

        Processes that are busy with the same mailboxes come apart by that, where each would else ask in vain each time.
        """
        self._first = slot % MOST

    def leave(self, tid: str, oid: str, number: int) -> None:
        """The delivery that was given ``number`` has ended."""
        with self._lock:
            taken = self._taken[tid, oid]
            taken.discard(number)
            if not taken:
                del self._taken[tid, oid]
