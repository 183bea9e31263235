"""The index of what is due: spread, found again, and no dearer for what is not due."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.core.pipeline import PipelineRequest
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.data.tables import TableClient
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.storage import Storage, Table
from shared.vault import Renewals
from shared.vault.renewals import FIRST_DAY, SPREAD_DAYS, renewal_of
from tests.vault.conftest import TID, Staff

MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2040, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC))  # noqa: DTZ001


@given(st.uuids(), MOMENTS)
@settings(max_examples=300, deadline=None)
def test_a_renewal_is_due_between_day_20_and_day_30(oid: Any, used: datetime) -> None:
    """R28: with the rounding to a whole day it stays within 30 days, which leaves 60 of the 90."""
    moment = renewal_of(TID, str(oid), used)
    assert timedelta(days=FIRST_DAY) <= moment - used <= timedelta(days=FIRST_DAY + SPREAD_DAYS - 1)
    assert moment == renewal_of(TID, str(oid), used)


def test_people_are_spread_evenly() -> None:
    """R29: of 10,000 people who signed in on one morning, no day gets more than a quarter above its share."""
    used = datetime(2026, 11, 23, 9, tzinfo=UTC)
    days = [renewal_of(TID, f"person {number}", used).date() for number in range(10_000)]
    per_day = [days.count(day) for day in sorted(set(days))]
    assert len(per_day) == SPREAD_DAYS
    assert max(per_day) < 1250


@pytest.fixture
def renewals(storage: Storage, clock: Any) -> Renewals:
    """The index alone."""
    numbers = iter(range(10_000))
    return Renewals(storage.table("renewals"), clock, lambda: f"{next(numbers):04d}")


def test_an_entry_is_due_on_the_day_after_its_moment(renewals: Renewals, clock: Any) -> None:
    """Whoever is looked at finds the moment over: no entry is met again and again on the day of its moment."""
    moment = clock() + timedelta(days=3)
    place = renewals.note(TID, "adele", moment)
    while clock().date() <= moment.date():
        assert list(renewals.due(10)) == []
        clock.advance(hours=1)
    assert [due.place for due in renewals.due(10)] == [place]


def test_the_oldest_come_first_and_no_more_than_wanted(renewals: Renewals, clock: Any) -> None:
    """R29: a run takes a bounded number, and nobody is overtaken for ever."""
    for days in (5, 1, 3, 2, 4):
        renewals.note(TID, f"in {days}", clock() + timedelta(days=days))
    clock.advance(days=30)
    assert [due.oid for due in renewals.due(3)] == ["in 1", "in 2", "in 3"]


def test_the_same_day_needs_no_new_entry_and_another_day_gets_one(renewals: Renewals, clock: Any) -> None:
    """Many refreshes in one day cost one entry; no entry is ever written under a name that was used before."""
    day = clock().replace(hour=3) + timedelta(days=25)
    first = renewals.note(TID, "adele", day)
    assert renewals.note(TID, "adele", day + timedelta(hours=9), first) == first
    assert renewals.note(TID, "adele", day) != first
    assert renewals.note(TID, "adele", day + timedelta(days=1), first).split("/")[0] != first.split("/")[0]


def test_a_left_over_is_cleared_but_not_a_write_under_way(renewals: Renewals, clock: Any) -> None:
    """R31: an entry is written before a grant names it, so a young one is left alone."""
    renewals.note(TID, "adele", clock() - timedelta(days=2))
    [due] = renewals.due(10)
    renewals.clear(due)
    assert len(list(renewals.due(10))) == 1
    clock.advance(minutes=11)
    renewals.clear(due)
    assert list(renewals.due(10)) == []


class Counting(SansIOHTTPPolicy):  # type: ignore[type-arg]
    """Counts the requests to storage."""

    def __init__(self) -> None:
        self.methods: list[str] = []

    def on_request(self, request: PipelineRequest[Any]) -> None:
        """Count one."""
        self.methods.append(request.http_request.method)


def counted(staff: Staff, counting: Counting) -> Any:
    """A worker whose requests to the vault's tables are counted."""
    rooms = staff.worker()
    for name in ("grants", "renewals", "organisations"):
        client = TableClient.from_connection_string(
            rooms.settings.data_storage, name, per_call_policies=[counting], retry_total=0
        )
        rooms.storage._tables[name] = Table(client, rooms.storage._new_id)
    return rooms.keep_alive


def fill(staff: Staff, count: int) -> None:
    """Store what is not due: rows and entries of people who will be due one day."""
    day = f"{staff.clock() + timedelta(days=200):%Y%m%d}"
    with TableClient.from_connection_string(staff.rooms.settings.data_storage, "renewals") as client:
        for begin in range(0, count, 100):
            entries = [
                {"PartitionKey": day, "RowKey": f"{number:06d}", "tid": TID, "oid": f"{number}", "made": staff.clock()}
                for number in range(begin, begin + 100)
            ]
            client.submit_transaction([("create", entry) for entry in entries])
    with TableClient.from_connection_string(staff.rooms.settings.data_storage, "grants") as client:
        for begin in range(0, count, 100):
            grants = [
                {"PartitionKey": TID, "RowKey": f"stored{number:06d}", "ended": "sign_in_expired"}
                for number in range(begin, begin + 100)
            ]
            client.submit_transaction([("create", grant) for grant in grants])


def test_a_run_costs_what_is_due_and_not_what_is_stored(staff: Staff) -> None:
    """R29: the same number of requests for five due people, beside nobody and beside 2,000 (bench/: 100,000)."""
    staff.hire(5)
    costs = []
    for stored in (0, 2000):
        fill(staff, stored)
        staff.clock.advance(days=31)
        counting = Counting()
        assert counted(staff, counting).run() == 5
        costs.append(len(counting.methods))
    assert costs[1] == costs[0]
    counting = Counting()
    assert counted(staff, counting).run() == 0
    assert counting.methods == ["GET"]
