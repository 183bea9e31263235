"""Old things: rows that say when they expire.

It reads whole tables, but only those whose rows live a week at most, and most of them an hour.
"""

from __future__ import annotations

import logging
from datetime import datetime

from shared.storage import Storage

SHORT_LIVED = ("assertions", "authorizations", "handoffs", "tickets", "sessions")

log = logging.getLogger(__name__)


def expire(storage: Storage, now: datetime) -> None:
    """Delete expired rows. Running twice, or half, does no harm."""
    for name in SHORT_LIVED:
        table = storage.table(name)
        count = 0
        for row in table.expired(now):
            table.delete(row.partition, row.row)
            count += 1
        if count:
            log.info("%d expired rows deleted from %s", count, name)
