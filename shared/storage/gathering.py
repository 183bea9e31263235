"""Deletions of many threads in one request.

Most of what a transaction costs it costs once, however many rows are in it. So who comes while a request is under way
waits for its end, and one of those who wait then asks for all of them. Nobody waits while nothing is under way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock

MOST = 100
"""Rows of one transaction."""


@dataclass
class _Deletion:
    """What one thread wants deleted, and what became of it."""

    rows: Sequence[str]
    done: bool = False
    error: BaseException | None = None


class Gathering:
    """The deletions from one partition.

    Args:
        delete: deletes up to :data:`MOST` rows of a partition.
    """

    def __init__(self, delete: Callable[[str, Sequence[str]], None]) -> None:
        self._delete = delete
        self._waiting: deque[_Deletion] = deque()
        self._asking = Lock()

    def delete(self, partition: str, rows: Sequence[str]) -> None:
        """Delete rows of the partition together with those of other threads; returns when it has happened.

        Raises:
            Exception: what ``delete`` raised for a request with these rows in it.
        """
        mine = _Deletion(rows)
        self._waiting.append(mine)
        with self._asking:
            while not mine.done:
                self._ask(partition)
        if mine.error is not None:
            raise mine.error

    def _ask(self, partition: str) -> None:
        """Delete for those who have waited longest."""
        together = [self._waiting.popleft()]
        count = len(together[0].rows)
        while self._waiting and count + len(self._waiting[0].rows) <= MOST:
            together.append(self._waiting.popleft())
            count += len(together[-1].rows)
        error: BaseException | None = None
        try:
            self._delete(partition, [row for each in together for row in each.rows])
        except BaseException as raised:  # noqa: BLE001  (each of them hears it)
            error = raised
        for each in together:
            each.done, each.error = True, error
