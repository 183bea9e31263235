"""How many deliveries of this process are under way for one mailbox, and which slots they are likely to get.

What is known here costs no request: a burst for one mailbox waits in the queue, and not in attempts that find every
slot taken. Over all processes the slots alone decide. A slot that this process gave back last is likely to be free;
another process's are likely to be taken, and asking for one in vain costs three requests.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

MOST = 4
"""For one mailbox: as many as the most generous transport has slots."""
REMEMBERED = 1000
"""Mailboxes of which it is known what was given back last."""


@dataclass
class _Mailbox:
    """``under_way``: deliveries; ``tried``: slots that they have or ask for; ``back``: given back, the last last."""

    under_way: int = 0
    tried: set[int] = field(default_factory=set)
    back: list[int] = field(default_factory=list)


class Gate:
    """Counts deliveries by mailbox. Safe to use from many threads.

    Args:
        below: ``below(n)`` gives a random number from 0 to n-1: processes begin with different slots.
    """

    def __init__(self, below: Callable[[int], int]) -> None:
        self._first = below(MOST)
        self._lock = Lock()
        self._mailboxes: dict[tuple[str, str], _Mailbox] = {}

    def enter(self, tid: str, oid: str) -> int | None:
        """Return the slot to try first; None: enough are under way."""
        with self._lock:
            mailbox = self._mailboxes.setdefault((tid, oid), _Mailbox())
            if mailbox.under_way == MOST:
                return None
            mailbox.under_way += 1
            others = ((self._first + each) % MOST for each in range(MOST))
            likely = (*reversed(mailbox.back), *others)
            slot = next((each for each in likely if each not in mailbox.tried), self._first)
            mailbox.tried.add(slot)
            return slot

    def leave(self, tid: str, oid: str, first: int, slot: int | None) -> None:
        """A delivery has ended that tried ``first`` first, and gives back ``slot`` (None: it had none)."""
        with self._lock:
            mailbox = self._mailboxes[tid, oid]
            mailbox.under_way -= 1
            mailbox.tried.discard(first)
            mailbox.back = [each for each in mailbox.back if each not in {first, slot}]
            if slot is not None:
                mailbox.back.append(slot)
            if not mailbox.under_way and len(self._mailboxes) > REMEMBERED:
                del self._mailboxes[tid, oid]
