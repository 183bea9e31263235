"""What a grant's row says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shared import faults
from shared.storage import Row
from shared.vault.renewals import renewal_of

NOTICE = timedelta(days=14)
"""So long before a sign-in ends by policy, its person is told."""


@dataclass(frozen=True)
class Grant:
    """What is known of a grant without asking Entra."""

    tid: str
    oid: str
    version: tuple[str, int]
    """Which sign-in, and how often refreshed."""
    signed_in: datetime
    refreshed: datetime
    """Idle since then."""
    ended: str | None
    """Slug of the fault that ended it, where one did."""
    blocked: str | None
    """Slug of the fault of an administrator that stood in the way the last time; it may be lifted."""
    claims: str | None
    """The claims that the next sign-in must ask for (a claims challenge nobody could answer silently)."""
    ends: datetime | None
    """When the organisation's policy ends it."""
    notified: bool
    """Whether the person was told of the coming end."""
    locale: str
    """In which the person is written to."""
    due: str | None
    """The place of its entry among the renewals."""
    largest_taken: int | None
    """Bytes: what its mailbox refused was larger; None where it has lately refused nothing for its size."""

    @property
    def usable(self) -> bool:
        """Whether it is not known to be dead."""
        return self.ended is None


def read(tid: str, oid: str, row: Row, now: datetime) -> Grant:
    """Return what a row says of a grant at this moment."""
    ends = row.get("ends")
    # The moment itself ends it; the keep-alive only clears up.
    over = faults.SignInExpired.reason if ends is not None and now >= ends else None
    taken, taken_until = row.get("largest_taken"), row.get("largest_taken_until")
    return Grant(
        tid=tid,
        oid=oid,
        version=version_of(row),
        signed_in=row["signed_in"],
        refreshed=row["refreshed"],
        ended=row.get("ended") or over,
        blocked=row.get("blocked"),
        claims=row.get("claims"),
        ends=ends,
        notified=bool(row.get("notified")),
        locale=row.get("locale", ""),
        due=row.get("due"),
        largest_taken=int(taken) if taken is not None and taken_until is not None and now < taken_until else None,
    )


def version_of(row: Row) -> tuple[str, int]:
    """Return which sign-in a row is of, and how often it was refreshed."""
    return row["epoch"], row["generation"]


def looked_at(tid: str, oid: str, values: Mapping[str, Any]) -> datetime | None:
    """Return after which moment a grant must be looked at: put off, to be told of, at its end, or to be renewed.

    None: it has ended.
    """
    if values.get("ended"):
        return None
    put_off: datetime | None = values.get("put_off")
    if put_off is not None:
        return put_off
    renewal = renewal_of(tid, oid, values["refreshed"])
    ends: datetime | None = values.get("ends")
    if ends is None:
        return renewal
    return min(renewal, ends if values.get("notified") else ends - NOTICE)
