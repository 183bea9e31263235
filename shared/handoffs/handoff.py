"""A handoff as it stands, and what a panel shows of one that has begun."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared import faults


@dataclass(frozen=True)
class Handoff:
    """A handoff as it stands. ``task`` is the story's own (sealed in the row)."""

    id: str
    story: str
    """sign_in or consent."""
    device_id: str
    """Empty where it was begun in a browser."""
    status: str
    """pending, confirm, active, denied or expired."""
    reason: str | None
    account_hint: str | None
    interval: int
    expires: datetime
    task: Mapping[str, Any]
    result: Mapping[str, Any]
    """What the browser's side brought for the panel's OK (sealed in the row); forgotten afterwards."""
    outcome: str
    """What stays to be shown on the page: no secret."""

    def require_pending(self) -> None:
        """Let the browser's side go on.

        Raises:
            Fault: it has ended, and this is how.
            WrongState: the browser's side is done.
        """
        if self.status in {"expired", "denied"}:
            raise faults.BY_REASON[self.reason or faults.SignInTimedOut.reason]("ended")
        if self.status != "pending":
            raise faults.WrongState(self.status)


@dataclass(frozen=True)
class Started:
    """What a panel shows: the link (for the QR code), the code, and for how long (seconds)."""

    id: str
    link: str
    user_code: str
    expires_in: int
    interval: int
