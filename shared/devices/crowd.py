"""Threads of one process that want the same of one row: one of them asks for all that wait.

Each by itself would race the others for the row, and most would lose. So who comes first to a place acts for himself;
while he does, the rest gather, and the next of them acts once for as many as have come.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from threading import Event, Lock


class _Party:
    def __init__(self) -> None:
        self.size = 0
        self.ended = Event()
        self.room = 0
        self.late = 0
        self.error: BaseException | None = None


class Crowd:
    """Gathers by place. Safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._gathering: dict[Hashable, _Party] = {}
        self._turns: dict[Hashable, tuple[Lock, int]] = {}

    def join(self, place: Hashable, act: Callable[[int], tuple[int, int]]) -> int | None:
        """Act together with whoever waits at ``place``.

        Args:
            place: what is contended.
            act: acts for a number of callers; answers for how many of them it was enough, and, for the others, a time.

        Returns:
            None where it was enough for this caller, else the time.
        """
        with self._lock:
            party = self._gathering.get(place)
            first = party is None
            if party is None:
                party = self._gathering[place] = _Party()
                turn, waiting = self._turns.get(place, (Lock(), 0))
                self._turns[place] = turn, waiting + 1
            number = party.size
            party.size += 1
        if first:
            self._lead(place, party, turn, act)
        else:
            party.ended.wait()
        if party.error is not None:
            raise party.error
        return None if number < party.room else party.late

    def _lead(self, place: Hashable, party: _Party, turn: Lock, act: Callable[[int], tuple[int, int]]) -> None:
        with turn:
            with self._lock:
                del self._gathering[place]  # whoever comes from now on is of the next party
            try:
                party.room, party.late = act(party.size)
            except BaseException as error:  # noqa: BLE001  (raised for each of them)
                party.error = error
            finally:
                party.ended.set()
        with self._lock:
            _, waiting = self._turns[place]
            if waiting == 1:
                del self._turns[place]
            else:
                self._turns[place] = turn, waiting - 1
