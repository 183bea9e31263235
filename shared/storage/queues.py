"""Wake-ups. A message carries an id and nothing else; the row is the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.storage.errors import speaking

if TYPE_CHECKING:
    from azure.storage.queue import QueueClient

NEVER_EXPIRES = -1
LONGEST_DELAY = 7 * 24 * 3600 - 1
"""Seconds; Azure's visibility time-out must be less than seven days."""


class Queue:
    """One queue. Safe to use from many threads."""

    def __init__(self, client: QueueClient) -> None:
        self._client = client

    def send(self, text: str, *, delay: float = 0) -> None:
        """Send ``text``, visible after ``delay`` seconds. It never expires (threat R06: the default is 7 days)."""
        with speaking():
            self._client.send_message(
                text, visibility_timeout=int(min(max(delay, 0), LONGEST_DELAY)), time_to_live=NEVER_EXPIRES
            )
