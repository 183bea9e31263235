"""What became of each attempt to deliver a scan, as it lies in the scan's own row.

It is written by the write that ends an attempt, and costs no request of its own. Of a scan that is tried for a day the
newest :data:`REMEMBERED` attempts stay. They say when and how, in our own slugs, and nothing about anybody: an erased
person's scan keeps them, as it keeps its state.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from shared.storage import Value

REMEMBERED = 20
LONGEST = 4096
"""Bytes in the row, which a table's limits and its price per kilobyte would notice."""
BROKEN_OFF = "broken_off"
"""The outcome of an attempt that its process did not live to end, where the mailbox is asked what became of it."""


@dataclass(frozen=True)
class Attempt:
    """One attempt.

    Attributes:
        number: the first is 1.
        at: when it ended.
        outcome: the state that it brought the scan to, or :data:`BROKEN_OFF`.
        reason: the fault that it met, or None.
        next_attempt: when the next one is to be, as far as that was known then.
    """

    number: int
    at: datetime
    outcome: str
    reason: str | None = None
    next_attempt: datetime | None = None


def ended(number: int, at: datetime, changes: Mapping[str, Value | None]) -> Attempt:
    """Return the attempt that ends with these changes of its job's row."""
    reason, later = changes.get("reason"), changes.get("next_attempt")
    return Attempt(
        number,
        at,
        str(changes["state"]),
        reason if isinstance(reason, str) else None,
        later if isinstance(later, datetime) else None,
    )


def noted(past: str, attempt: Attempt) -> str:
    """Return the text of the row with one more attempt in it."""
    kept = [*attempts_of(past), attempt][-REMEMBERED:]
    while len(text := _written(kept)) > LONGEST:
        kept = kept[1:]
    return text


def attempts_of(past: str) -> list[Attempt]:
    """Return the attempts that a row tells of, the oldest first; of a row that was tampered with, none."""
    try:
        return [
            Attempt(int(number), _moment(at), str(outcome), reason, None if later is None else _moment(later))
            for number, at, outcome, reason, later in json.loads(past or "[]")
        ]
    except (ValueError, TypeError, OverflowError, OSError):
        return []


def _written(attempts: list[Attempt]) -> str:
    told = [
        [each.number, _seconds(each.at), each.outcome, each.reason, each.next_attempt and _seconds(each.next_attempt)]
        for each in attempts
    ]
    return json.dumps(told, separators=(",", ":"))


def _seconds(moment: datetime) -> int:
    return round(moment.timestamp())


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
