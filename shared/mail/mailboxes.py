"""Whose mailbox a person's token is for, asked once in five minutes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Lock

from shared import faults
from shared.mail.graph import Graph
from shared.mail.transport import Sender

FRESH = timedelta(minutes=5)
"""How long an address is believed. A mail to oneself that misses a change of address by this is refused, not lost."""
AT_MOST = 10_000
"""People whose address one process remembers; the one asked for longest ago goes first."""


class Mailboxes:
    """The mailboxes of people, from Graph's ``/me``. What is remembered lies in this process's memory alone.

    Args:
        graph: is asked.
        clock: the time now.
        at_most: how many people are remembered.
    """

    def __init__(self, graph: Graph, clock: Callable[[], datetime], at_most: int = AT_MOST) -> None:
        self._graph = graph
        self._clock = clock
        self._at_most = at_most
        self._lock = Lock()
        self._known: dict[tuple[str, str], tuple[datetime, Sender]] = {}

    def of(self, tid: str, oid: str, token: str) -> Sender:
        """Return the mailbox of a person, by a token of his for Graph.

        Raises:
            NoMailbox: the account has no mail address; asked again the next time.
            Unexpected: the token is another account's (F10).
            Fault, TokenRejected: as :meth:`shared.mail.graph.Graph.me`.
        """
        now = self._clock()
        with self._lock:
            asked, sender = self._known.get((tid, oid), (None, None))
        if asked is not None and sender is not None and asked <= now < asked + FRESH:
            return sender
        found = self._graph.me(token)
        if found.oid != oid:
            raise faults.Unexpected("token of another account")
        if found.address is None:
            self.forget(tid, oid)
            raise faults.NoMailbox("no mail address")
        sender = Sender(found.oid, found.address)
        with self._lock:
            self._known.pop((tid, oid), None)
            self._known[tid, oid] = now, sender
            while len(self._known) > self._at_most:
                del self._known[next(iter(self._known))]
        return sender

    def forget(self, tid: str, oid: str) -> None:
        """Ask again the next time: the mail service refused the address, or the person is erased."""
        with self._lock:
            self._known.pop((tid, oid), None)
