"""How many deliveries of this process are under way for one mailbox, and which slots they are likely to get.

What is known here costs no request: a burst for one mailbox waits in the queue, and not in attempts that find every
slot taken; the more of it waits, the later each is looked at again. Over all processes the slots alone decide. A slot
that this process gave back last is likely to be free; another process's are likely to be taken, and asking for one in
vain costs three requests.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from time import monotonic

MOST = 4
"""For one mailbox: as many as the most generous transport has slots."""
REMEMBERED = 1000
"""Mailboxes of which it is known what was given back last."""
A_SECOND = 16
"""Looks at what waits for one mailbox: about what a process can send to it."""
NEXT_LOOK, LAST_LOOK = 1.0, 30.0
"""Seconds after which what waits is looked at again: before the sweep looks for it."""


@dataclass
class _Mailbox:
    """A mailbox, as this process knows it.

    Attributes:
        under_way: deliveries.
        looked_at: when the last of what waits is looked at again (:func:`time.monotonic`).
        tried: slots that they have or ask for.
        back: slots that were given back, the last last.
    """

    under_way: int = 0
    looked_at: float = 0.0
    tried: set[int] = field(default_factory=set)
    back: list[int] = field(default_factory=list)


class Gate:
    """Counts deliveries by mailbox. Safe to use from many threads.

    Args:
        below: ``below(n)`` gives a random number from 0 to n-1: processes begin with different slots.
        monotonic: seconds that pass.
    """

    def __init__(self, below: Callable[[int], int], monotonic: Callable[[], float] = monotonic) -> None:
        self._first = below(MOST)
        self._monotonic = monotonic
        self._lock = Lock()
        self._mailboxes: dict[tuple[str, str], _Mailbox] = {}

    def enter(self, tid: str, oid: str) -> int | None:
        """Return the slot to try first; None: enough are under way, come back after :meth:`pause`."""
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

    def pause(self, tid: str, oid: str) -> float:
        """Return the seconds after which a message that found enough under way should come back, one by one."""
        now = self._monotonic()
        with self._lock:
            mailbox = self._mailboxes.setdefault((tid, oid), _Mailbox())
            mailbox.looked_at = min(max(mailbox.looked_at, now + NEXT_LOOK) + 1 / A_SECOND, now + LAST_LOOK)
            return mailbox.looked_at - now

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
