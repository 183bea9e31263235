"""Old things: rows that say when they expire, and documents that no job came for.

It reads whole tables, but only those whose rows live a week at most, and most of them an hour.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from shared.storage import Storage

SHORT_LIVED = ("assertions", "authorizations", "handoffs", "tickets")
ORPHAN_AFTER = timedelta(hours=48)
"""No job lives so long that its document could be older: it is given up after 24 hours."""

log = logging.getLogger(__name__)


def expire(storage: Storage, now: datetime) -> None:
    """Delete expired rows and orphaned documents. Running twice, or half, does no harm."""
    for name in SHORT_LIVED:
        table = storage.table(name)
        count = 0
        for row in table.expired(now):
            table.delete(row.partition, row.row)
            count += 1
        if count:
            log.info("%d expired rows deleted from %s", count, name)
    documents = storage.blobs("documents")
    orphans = 0
    for blob in documents.older_than(now - ORPHAN_AFTER):
        documents.delete(blob)
        orphans += 1
    if orphans:
        log.warning("%d orphaned documents deleted", orphans)
