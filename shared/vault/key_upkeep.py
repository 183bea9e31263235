"""Rotation of data keys and of the key that wraps them, while sends go on.

Every step may stop anywhere and be run again, also by two at once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby, pairwise

from shared import faults
from shared.vault.data_keys import DataKey, DataKeys
from shared.vault.grant_rows import GrantRows
from shared.vault.sealing import SealBroken

OLDEST = timedelta(days=90)
"""An active key gets a successor after this long."""
RESTS = timedelta(hours=48)
"""A retired key is kept at least so long: until then, what short-lived rows hold (handoffs, authorizations: 26 hours)
opens, and by then every process has long known of its successor (:data:`shared.vault.data_keys.RING_LIFE`)."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class KeyState:
    """One version of a tenant's data key, as an operator sees it."""

    tid: str
    version: int
    state: str
    """active, retired, or destroyed."""
    created: datetime
    wrapped_with: str
    """Id of the key-encryption key's version; empty where the key is destroyed."""


class KeyUpkeep:
    """What an operator and the timer do with keys.

    Args:
        data_keys: the keys.
        rows: what lies under them for longer than :data:`RESTS`: grants of people, and of printers' mailboxes.
        clock: the time now.
    """

    def __init__(self, data_keys: DataKeys, rows: Sequence[GrantRows], clock: Callable[[], datetime]) -> None:
        self._data_keys = data_keys
        self._rows = rows
        self._clock = clock

    def run(self) -> None:
        """Do for every tenant what is due: rotate, rewrap, seal again, destroy what nothing lies under.

        Raises:
            Fault, SealBroken: the last of what went wrong for single tenants; the others were done.
        """
        failed: faults.Fault | SealBroken | None = None
        for tid in self.tenants():
            try:
                self._run_for(tid)
            except (faults.Fault, SealBroken) as error:
                log.error("the keys of tenant %s were not kept up: %s", tid, error)  # noqa: TRY400  (raised below)
                failed = error
        if failed:
            raise failed

    def tenants(self) -> list[str]:
        """Return every tenant that has or had a key."""
        return [tid for tid, _ in groupby(found.tid for found in self._data_keys.all())]

    def rotate(self, tid: str, *, now: bool = False) -> bool:
        """Give the tenant a new key, and with ``now`` seal at once whatever lies under an older one.

        Returns:
            False where there is no key to rotate.
        """
        rotated = self._data_keys.rotate(tid)
        if rotated and now:
            self._reseal(tid)
        return rotated

    def rewrap(self, tid: str) -> int:
        """Wrap the tenant's keys with the current key-encryption key; returns how many were not."""
        return self._data_keys.rewrap(tid)

    def erase(self, tid: str) -> int:
        """Destroy the tenant's keys, and with them everything sealed for it; returns how many."""
        return self._data_keys.erase(tid)

    def states(self) -> Iterator[KeyState]:
        """Yield every version of every tenant's key. No key is unwrapped for it."""
        for _, of_tenant in groupby(self._data_keys.all(), lambda found: found.tid):
            versions = list(of_tenant)
            for found in versions:
                live = "active" if found is versions[-1] else "retired"
                yield KeyState(
                    found.tid,
                    found.version,
                    live if found.wrapped else "destroyed",
                    found.created,
                    found.wrapped.wrapped_with if found.wrapped else "",
                )

    def _run_for(self, tid: str) -> None:
        versions = self._data_keys.versions(tid)
        if versions[-1].wrapped is None:
            return
        if self._clock() - versions[-1].created >= OLDEST and self._data_keys.rotate(tid):
            log.info("a data key of tenant %s was rotated", tid)
            versions = self._data_keys.versions(tid)
        self._data_keys.rewrap(tid)
        unneeded = self._rested(versions)
        if unneeded:
            self._reseal(tid)
            used = {found for rows in self._rows for found in rows.key_ids(tid)}
            for found in unneeded:
                if found.id not in used and self._data_keys.destroy(found):
                    log.info("a retired data key of tenant %s was destroyed", tid)

    def _reseal(self, tid: str) -> None:
        for rows in self._rows:
            rows.reseal(tid)

    def _rested(self, versions: list[DataKey]) -> list[DataKey]:
        """Return the retired keys that have rested. A key retires when its successor is made."""
        return [
            found
            for found, successor in pairwise(versions)
            if found.wrapped is not None and self._clock() - successor.created >= RESTS
        ]
