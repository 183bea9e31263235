"""Rows: compare-and-swap, inserts that race, queries, and what each refusal is called."""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.data.tables import TableServiceClient

from shared.faults import StorageUnavailable
from shared.storage import AlreadyThere, Changed, Gone, Row, Storage, Value

THREADS, INCREMENTS = 16, 160
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def together(count: int, act: Callable[[int], Any]) -> list[Any]:
    """Run ``act`` in ``count`` threads that start as one; return what each returned."""
    gate = threading.Barrier(count)

    def wait_and_act(number: int) -> Any:
        gate.wait()
        return act(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(wait_and_act, range(count)))


def test_no_increment_is_lost_when_sixteen_threads_count(storage: Storage) -> None:
    """R11: 160 increments by 16 threads through compare-and-swap end at 160."""
    table = storage.table("people")
    table.insert("p", "r", {"n": 0})

    def count(_: int) -> None:
        done = 0
        while done < INCREMENTS // THREADS:
            try:
                table.change("p", "r", lambda row: {"n": row["n"] + 1})
            except StorageUnavailable:
                continue
            done += 1

    together(THREADS, count)
    row = table.get("p", "r")
    assert row is not None
    assert row["n"] == INCREMENTS


def test_one_of_sixteen_inserts_wins(storage: Storage) -> None:
    """B18, D02: of parallel inserts of one row exactly one succeeds, and the row is that one's."""
    table = storage.table("people")

    def insert(number: int) -> int | None:
        try:
            return int(table.insert("p", "r", {"n": number})["n"])
        except AlreadyThere:
            return None

    winners = [won for won in together(THREADS, insert) if won is not None]
    row = table.get("p", "r")
    assert row is not None
    assert winners == [row["n"]]


@pytest.mark.parametrize("taken", ["first", "second"])
def test_rows_inserted_together_are_all_there_or_none(storage: Storage, taken: str) -> None:
    """R14: one row that exists keeps the other out, whichever of the two it is, and the caller hears why."""
    table = storage.table("jobs")
    table.insert("p", taken, {"n": 0})
    with pytest.raises(AlreadyThere):
        table.insert_together("p", [("first", {"n": 1}), ("second", {"n": 2})])
    assert [(row.row, row["n"]) for row in table.query("p")] == [(taken, 0)]


def test_a_replaced_row_has_the_new_columns_alone(storage: Storage) -> None:
    """Replace replaces: a column that is not given, or None, is gone."""
    table = storage.table("people")
    old = table.insert("p", "r", {"stays": 1, "goes": 2, "none": 3})
    new = table.replace(old, {"stays": 1, "none": None})
    stored = table.get("p", "r")
    assert stored is not None
    assert set(new.values) == set(stored.values) == {"stays", "op"}
    assert new.etag == stored.etag != old.etag


def test_a_stale_row_cannot_be_written(storage: Storage) -> None:
    """R11: who read before somebody else wrote hears Changed, and the other's write stays."""
    table = storage.table("people")
    stale = table.insert("p", "r", {"n": 1})
    table.replace(stale, {"n": 2})
    with pytest.raises(Changed):
        table.replace(stale, {"n": 3})
    row = table.get("p", "r")
    assert row is not None
    assert row["n"] == 2


def test_a_row_that_is_gone_cannot_be_written_and_does_not_come_back(storage: Storage) -> None:
    """R19: a write to a deleted row hears Changed; nothing is resurrected."""
    table = storage.table("people")
    row = table.insert("p", "r", {"n": 1})
    table.delete("p", "r")
    with pytest.raises(Changed):
        table.replace(row, {"n": 2})
    with pytest.raises(Gone):
        table.change("p", "r", lambda _: {"n": 3})
    assert table.get("p", "r") is None


def test_a_change_decides_again_on_what_somebody_else_wrote(storage: Storage) -> None:
    """R11: the decision is made on the row that is replaced, never on an older one."""
    table = storage.table("people")
    table.insert("p", "r", {"n": 1})
    seen = []

    def decide(row: Row) -> Mapping[str, Value | None]:
        seen.append(row["n"])
        if len(seen) == 1:
            table.replace(row, {"n": 10})
        return {"n": row["n"] + 1}

    assert table.change("p", "r", decide)["n"] == 11
    assert seen == [1, 10]


def test_a_row_that_is_always_faster_is_a_fault_and_not_an_endless_loop(storage: Storage) -> None:
    """R11: after eight tries the caller hears that storage is busy, with a time to come back."""
    table = storage.table("people")
    table.insert("p", "r", {"n": 0})
    tries = []

    def decide(row: Row) -> Mapping[str, Value | None]:
        tries.append(table.replace(row, {"n": row["n"] + 1}))
        return {"n": -1}

    with pytest.raises(StorageUnavailable) as busy:
        table.change("p", "r", decide)
    assert len(tries) == 8
    assert busy.value.retry_after is not None


def test_what_a_decision_raises_is_what_the_caller_hears(storage: Storage) -> None:
    """A decision may refuse in its own words, and nothing is written then; None leaves the row alone."""
    table = storage.table("people")
    before = table.insert("p", "r", {"n": 1})

    class RefusedError(Exception):
        """A caller's own."""

    def refuse(_: Row) -> None:
        raise RefusedError

    with pytest.raises(RefusedError):
        table.change("p", "r", refuse)
    assert table.change("p", "r", lambda _: None).etag == before.etag


def test_deleting_twice_is_fine(storage: Storage) -> None:
    """Deleting is idempotent."""
    table = storage.table("people")
    table.insert("p", "r", {"n": 1})
    table.delete("p", "r")
    table.delete("p", "r")
    assert table.get("p", "r") is None


def test_a_query_keeps_to_its_partition_its_bounds_and_its_limit(storage: Storage) -> None:
    """E03: both bounds are exclusive, the order is ascending, and neighbours in other partitions stay out."""
    table = storage.table("people")
    for partition in ("o", "p", "pp"):
        table.insert_together(partition, [(f"r{number}", {"n": number}) for number in range(6)])
    assert [row.row for row in table.query("p")] == [f"r{number}" for number in range(6)]
    assert [row.row for row in table.query("p", after="r1", before="r4")] == ["r2", "r3"]
    assert [row.row for row in table.query("p", limit=2)] == ["r0", "r1"]
    assert list(table.query("p", limit=0)) == []
    assert list(table.query("nobody")) == []


def test_a_query_is_never_made_of_its_input(storage: Storage) -> None:
    """E03: quotes and operators in a value are the value's characters."""
    table = storage.table("people")
    table.insert("p", "r", {"n": 1})
    assert list(table.query("x' or PartitionKey ne '")) == []
    assert list(table.query("p", after="' or RowKey gt '", before="'")) == []


def test_a_query_goes_on_after_its_first_thousand_rows(storage: Storage) -> None:
    """Azure gives 1000 rows at a time; the caller gets them all, once and in order."""
    table = storage.table("people")
    names = [f"r{number:05d}" for number in range(1101)]
    for start in range(0, len(names), 100):
        table.insert_together("p", [(name, {"n": 1}) for name in names[start : start + 100]])
    assert [row.row for row in table.query("p")] == names
    assert len(list(table.query("p", limit=1050))) == 1050


def test_only_rows_whose_time_is_over_are_expired(storage: Storage) -> None:
    """I06: before now is expired; now, later, and rows without an end are not."""
    table = storage.table("tickets")
    for name, expires in (("past", NOW - timedelta(seconds=1)), ("now", NOW), ("later", NOW + timedelta(seconds=1))):
        table.insert("p", name, {"expires": expires})
    table.insert("p", "never", {"n": 1})
    assert [row.row for row in table.expired(NOW)] == ["past"]


def test_what_is_read_is_what_was_written(storage: Storage) -> None:
    """Every kind of value comes back as it was, to the microsecond and the byte."""
    values: dict[str, Value] = {
        "text": "ä\U0001f600 'quoted' \x00",
        "number": -(2**31),
        "yes": True,
        "float": 0.1,
        "bytes": bytes(range(256)),
        "time": datetime(2026, 11, 23, 12, 0, 0, 123457, tzinfo=UTC),
    }
    table = storage.table("people")
    table.insert("p", "r", values)
    row = table.get("p", "r")
    assert row is not None
    assert {name: row[name] for name in values} == values
    assert row.get("nothing", 7) == 7


def test_a_table_that_is_not_there_is_no_empty_table(storage: Storage, connection: str) -> None:
    """A wrong set-up is a fault of the service (R56): it must not look like people who never signed in."""
    with TableServiceClient.from_connection_string(connection) as service:
        service.delete_table("organisations")
    with pytest.raises(StorageUnavailable):
        storage.table("organisations").get("p", "r")
    with pytest.raises(StorageUnavailable):
        storage.check()
    with pytest.raises(StorageUnavailable):
        storage.table("organisations").insert("p", "r", {})


@pytest.mark.filterwarnings("ignore:Testing an element's truth value:DeprecationWarning")  # the SDK's, on XML
def test_a_store_that_refuses_us_is_a_fault_of_the_service(connection: str) -> None:
    """R56, G11: a wrong key is answered like an outage, without a word of the account."""
    wrong = connection.replace("AccountKey=", "AccountKey=AAAA")
    with pytest.raises(StorageUnavailable) as refused:
        Storage(wrong, new_id=lambda: "1").check()
    assert "test0" not in str(refused.value)


def test_a_store_that_is_not_there_is_a_fault_that_passes() -> None:
    """R15, R56: no connection becomes one fault with a time to come back, after bounded retries."""
    nobody = (
        "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=AAAA;"
        "BlobEndpoint=http://127.0.0.1:9/a;QueueEndpoint=http://127.0.0.1:9/a;TableEndpoint=http://127.0.0.1:9/a"
    )
    with pytest.raises(StorageUnavailable) as gone:
        Storage(nobody, new_id=lambda: "1").check()
    assert gone.value.retry_after is not None


def test_clients_are_made_once_for_all_threads(storage: Storage) -> None:
    """One client for each table, however many threads ask first; a name nobody made is refused."""
    assert len({id(table) for table in together(8, lambda _: storage.table("people"))}) == 1
    with pytest.raises(ValueError, match="not in tuple"):
        storage.table("no such table")
