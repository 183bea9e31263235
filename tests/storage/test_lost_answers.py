"""R12, R13: a write whose answer was lost is never mistaken for somebody else's."""

from collections.abc import Iterator

import pytest

from shared.faults import StorageUnavailable
from shared.storage import AlreadyThere, Changed, Storage
from tests.proof.wire import Wire, carried

LOST = ["applied, 503", "applied, cut"]


@pytest.fixture
def wire(connection: str) -> Iterator[tuple[Wire, Storage]]:
    """Storage over a wire that loses answers."""
    ids = iter(range(10**6))
    with carried(connection) as (wire, bent):
        yield wire, Storage(bent, new_id=lambda: f"op{next(ids)}")


@pytest.mark.parametrize("fault", LOST)
@pytest.mark.parametrize("times", [1, 5])
def test_an_insert_that_happened_is_reported_once(wire: tuple[Wire, Storage], fault: str, times: int) -> None:
    """R12, R13: after lost answers, repeated by the SDK (1) or not to be had at all (5), the insert is ours."""
    faulty, storage = wire
    faulty.faults.extend([fault] * times)
    row = storage.table("people").insert("p", "r", {"n": 1})
    assert row["n"] == 1
    with pytest.raises(AlreadyThere):
        storage.table("people").insert("p", "r", {"n": 2})


@pytest.mark.parametrize("fault", LOST)
@pytest.mark.parametrize("times", [1, 5])
def test_a_replacement_that_happened_is_reported_once(wire: tuple[Wire, Storage], fault: str, times: int) -> None:
    """R12, R13: the SDK's own second try hears 412; it lost against itself, so it has won."""
    faulty, storage = wire
    old = storage.table("people").insert("p", "r", {"n": 1})
    faulty.faults.extend([fault] * times)
    new = storage.table("people").replace(old, {"n": 2})
    assert new["n"] == 2
    assert storage.table("people").replace(new, {"n": 3})["n"] == 3


@pytest.mark.parametrize("fault", LOST)
def test_a_change_whose_answer_was_lost_happens_once(wire: tuple[Wire, Storage], fault: str) -> None:
    """R12: a counter counts one."""
    faulty, storage = wire
    table = storage.table("people")
    table.insert("p", "r", {"n": 1})
    faulty.faults.append(fault)
    assert table.change("p", "r", lambda row: {"n": row["n"] + 1})["n"] == 2


@pytest.mark.parametrize("fault", LOST)
@pytest.mark.parametrize("times", [1, 5])
def test_rows_inserted_together_are_reported_once(wire: tuple[Wire, Storage], fault: str, times: int) -> None:
    """R12, R14: the same for a transaction."""
    faulty, storage = wire
    faulty.faults.extend([fault] * times)
    storage.table("jobs").insert_together("p", [("a", {"n": 1}), ("b", {"n": 2})])
    assert [row.row for row in storage.table("jobs").query("p")] == ["a", "b"]


@pytest.mark.parametrize("fault", ["503", "cut"])
def test_a_write_that_never_happened_says_so(wire: tuple[Wire, Storage], fault: str) -> None:
    """R13, R15: after the SDK's bounded tries the caller hears that storage is not there, and nothing is."""
    faulty, storage = wire
    faulty.faults.extend([fault] * 20)
    with pytest.raises(StorageUnavailable):
        storage.table("people").insert("p", "r", {"n": 1})
    assert 1 <= faulty.writes <= 4
    faulty.faults.clear()
    assert storage.table("people").get("p", "r") is None


def test_a_lost_race_stays_lost_when_its_answer_is_lost_too(wire: tuple[Wire, Storage]) -> None:
    """R12: an ambiguous answer over somebody else's row is Changed or AlreadyThere, never a success."""
    faulty, storage = wire
    table = storage.table("people")
    stale = table.insert("p", "r", {"n": 1})
    table.replace(stale, {"n": 2})
    faulty.faults.extend(["applied, 503"] * 5)
    with pytest.raises(Changed):
        table.replace(stale, {"n": 3})
    faulty.faults.clear()
    faulty.faults.extend(["applied, 503"] * 5)
    with pytest.raises(AlreadyThere):
        table.insert("p", "r", {"n": 4})
    faulty.faults.clear()
    row = table.get("p", "r")
    assert row is not None
    assert row["n"] == 2


def test_a_row_deleted_under_a_lost_answer_is_changed(wire: tuple[Wire, Storage], storage: Storage) -> None:
    """R19: the write came too late or was undone; it is neither repeated nor reported as an outage."""
    faulty, bent = wire
    row = bent.table("people").insert("p", "r", {"n": 1})
    faulty.overtake = lambda: storage.table("people").delete("p", "r")
    faulty.faults.append("applied, overtaken, 503")
    with pytest.raises(Changed):
        bent.table("people").replace(row, {"n": 2})
    assert storage.table("people").get("p", "r") is None
