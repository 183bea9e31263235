"""Expiry: what is over goes, everything else stays, and doing it again does no harm."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from shared.expiry import SHORT_LIVED, expire
from shared.storage import TABLES, Storage

LONG_LIVED = sorted(set(TABLES) - set(SHORT_LIVED))


def put(storage: Storage, table: str, name: str, values: Mapping[str, Any]) -> None:
    """Insert a row."""
    storage.table(table).insert(f"partition-{name}", name, values)


def names(storage: Storage, table: str) -> set[str]:
    """The rows that are there."""
    return {name for name in ("old", "new", "timeless") if storage.table(table).get(f"partition-{name}", name)}


@pytest.mark.parametrize("table", SHORT_LIVED)
def test_expired_rows_go_and_others_stay(storage: Storage, clock: Any, table: str) -> None:
    """A row goes when its own time is over; one that still has time, or none, stays."""
    put(storage, table, "old", {"expires": clock() - timedelta(seconds=1)})
    put(storage, table, "new", {"expires": clock() + timedelta(minutes=1)})
    put(storage, table, "timeless", {"status": "pending"})
    expire(storage, clock())
    assert names(storage, table) == {"new", "timeless"}
    clock.advance(minutes=2)
    expire(storage, clock())
    assert names(storage, table) == {"timeless"}


@pytest.mark.parametrize("table", LONG_LIVED)
def test_tables_that_last_are_left_alone(storage: Storage, clock: Any, table: str) -> None:
    """Jobs, grants, people, devices and organisations are nobody's to expire, whatever their columns say."""
    put(storage, table, "old", {"expires": clock() - timedelta(days=365)})
    expire(storage, clock())
    assert names(storage, table) == {"old"}


def test_more_rows_than_a_page(storage: Storage, clock: Any) -> None:
    """The answer of a table comes in pages of a thousand; no row is left for the next hour."""
    rows = [(f"row{number:04d}", {"expires": clock() - timedelta(seconds=1)}) for number in range(1001)]
    for start in range(0, len(rows), 100):
        storage.table("assertions").insert_together("device", rows[start : start + 100])
    expire(storage, clock())
    assert list(storage.table("assertions").query("device")) == []


def test_twice_is_as_good_as_once(storage: Storage, clock: Any) -> None:
    """A timer that fires twice, or begins again after a crash, finds nothing to do and does nothing."""
    put(storage, "handoffs", "old", {"expires": clock() - timedelta(seconds=1)})
    put(storage, "handoffs", "new", {"expires": clock() + timedelta(minutes=1)})
    clock.advance(seconds=5)
    for _ in range(3):
        expire(storage, clock())
    assert names(storage, "handoffs") == {"new"}


def test_an_empty_account_is_fine(storage: Storage, clock: Any) -> None:
    """The first hour of a new service has nothing to expire."""
    expire(storage, clock())


def test_the_log_counts_and_names_nobody(storage: Storage, clock: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Numbers and tables, and no key of a row (G13)."""
    put(storage, "handoffs", "old", {"expires": clock() - timedelta(seconds=1)})
    clock.advance(hours=49)
    with caplog.at_level("INFO", logger="shared"):
        expire(storage, clock())
    assert "1 expired rows deleted from handoffs" in caplog.text
    assert "partition-old" not in caplog.text
