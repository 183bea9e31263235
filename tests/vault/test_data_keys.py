"""Data keys: made once, rotated and erased while everybody works, and never in storage in the clear."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from shared import faults
from shared.storage import Row, Storage, key
from shared.vault.key_encryption import KeyFile, WrappedKey
from shared.vault.sealing import KEY_ID_BYTES, SealBroken, key_id_of
from tests.vault.processes import ALPHA, BETA, FILE_KEY, SECRET, start

NEW_FILE_KEY = bytes(range(64, 96))


class Killed(BaseException):
    """The process ended here."""


class Mortal(KeyFile):
    """A key file whose process is killed when it has wrapped so many keys."""

    def __init__(self, keys: list[bytes], lives: int) -> None:
        super().__init__(keys)
        self.lives = lives

    def wrap(self, data_key: bytes) -> WrappedKey:
        """Wrap, while it lives."""
        if not self.lives:
            raise Killed
        self.lives -= 1
        return super().wrap(data_key)


def at_once(works: list[Callable[[], Any]]) -> list[Any]:
    """Let threads begin together; answer what each returned."""
    gate = threading.Barrier(len(works))

    def begin(work: Callable[[], Any]) -> Any:
        gate.wait()
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(begin, works))


def rows(storage: Storage, tid: str = ALPHA) -> list[Row]:
    """A tenant's rows, as they lie in storage."""
    return list(storage.table("keys").query(key(tid)))


def test_of_sixteen_first_uses_one_makes_the_key(storage: Storage, clock: Any) -> None:
    """Processes that race for a tenant's first key all seal under the same one, and all open each other's."""
    racing = [start(storage, clock) for _ in range(16)]
    sealed = at_once([partial(process.seal, "token") for process in racing])
    assert len({key_id_of(one) for one in sealed}) == 1
    assert len(rows(storage)) == 1
    assert [process.open(sealed[0]) for process in racing] == ["token"] * 16


def test_a_rotated_key_opens_and_does_not_seal(storage: Storage, clock: Any) -> None:
    """After a rotation new bytes lie under the new key; the old ones still open, and a restart changes nothing."""
    process = start(storage, clock)
    old = process.seal("old")
    assert process.data_keys.rotate(ALPHA)
    new = process.seal("new")
    assert key_id_of(old) != key_id_of(new)
    for reader in (process, start(storage, clock)):
        assert (reader.open(old), reader.open(new)) == ("old", "new")


def test_another_process_opens_at_once_and_follows_within_a_minute(storage: Storage, clock: Any) -> None:
    """A process that has not heard of a rotation opens what is under the new key, and soon seals under it."""
    here, there = start(storage, clock), start(storage, clock)
    there.seal("before")
    here.seal("before")
    here.data_keys.rotate(ALPHA)
    assert there.open(here.seal("after")) == "after"
    there = start(storage, clock)
    there.seal("now it knows the second")
    here.data_keys.rotate(ALPHA)
    clock.advance(seconds=61)
    assert key_id_of(there.seal("x")) == key_id_of(here.seal("x"))


def test_nothing_to_rotate(storage: Storage, clock: Any) -> None:
    """A tenant without a key gets none by rotation, nor does an erased one."""
    process = start(storage, clock)
    assert not process.data_keys.rotate(ALPHA)
    process.seal("token")
    process.data_keys.erase(ALPHA)
    assert not process.data_keys.rotate(ALPHA)


def test_rotation_is_noticed_by_nobody_at_work(storage: Storage, clock: Any) -> None:
    """While a key is rotated five times, eight threads in two processes seal and open without one failure."""
    first, second = start(storage, clock), start(storage, clock)
    first.seal("made before, so that there is a key to rotate")
    done = threading.Event()

    def work(number: int) -> set[bytes]:
        writer, reader = (first, second) if number % 2 else (second, first)
        under = set()
        while not done.is_set():
            sealed = writer.seal(f"token {number}")
            under.add(key_id_of(sealed))
            assert reader.open(sealed) == f"token {number}"
        return under

    def rotate() -> set[bytes]:
        try:
            for _ in range(5):
                assert first.data_keys.rotate(ALPHA)
                clock.advance(seconds=61)
            return set()
        finally:
            done.set()

    under = set().union(*at_once([rotate, *(partial(work, number) for number in range(8))]))
    assert len(rows(storage)) == 6
    assert len(under) > 1


@pytest.mark.parametrize("lives", range(4))
def test_a_rewrap_that_dies_goes_on(storage: Storage, clock: Any, lives: int) -> None:
    """Killed at any row, every key stays usable; run again it does the rest, and the old wrapping key can go (R37)."""
    before = start(storage, clock)
    sealed = []
    for _ in range(4):
        sealed.append(before.seal("token"))
        before.data_keys.rotate(ALPHA)
    both = [NEW_FILE_KEY, FILE_KEY]
    with pytest.raises(Killed):
        start(storage, clock, Mortal(both, lives)).data_keys.rewrap(ALPHA)
    half = start(storage, clock, KeyFile(both))
    assert [half.open(one) for one in sealed] == ["token"] * 4
    assert half.data_keys.rewrap(ALPHA) == 5 - lives
    assert half.data_keys.rewrap(ALPHA) == 0
    after = start(storage, clock, KeyFile([NEW_FILE_KEY]))
    assert [after.open(one) for one in sealed] == ["token"] * 4


def test_without_the_wrapping_key_nothing_opens(storage: Storage, clock: Any) -> None:
    """The tables alone are worth nothing (G01)."""
    sealed = start(storage, clock).seal("token")
    with pytest.raises(faults.ServiceMisconfigured, match="unknown key-encryption key"):
        start(storage, clock, KeyFile([NEW_FILE_KEY])).open(sealed)


def test_a_key_that_nobody_knows_opens_nothing(storage: Storage, clock: Any) -> None:
    """G05: what names a key that the tenant never had is broken, and no other key is tried."""
    process = start(storage, clock)
    process.seal("token")
    with pytest.raises(SealBroken, match=r"^unknown key$"):
        process.data_keys.opening_key(ALPHA, os.urandom(KEY_ID_BYTES))


def test_an_erased_tenant_is_gone(storage: Storage, clock: Any) -> None:
    """Nothing of it opens, in this process at once and in others within a minute; no wrapped byte stays."""
    here, there = start(storage, clock), start(storage, clock)
    old = here.seal("old")
    here.data_keys.rotate(ALPHA)
    new = here.seal("new")
    other = here.seal("other", BETA)
    assert there.open(old) == "old"
    assert here.data_keys.erase(ALPHA) == 2
    clock.advance(seconds=61)
    for process in (here, there, start(storage, clock)):
        for sealed in (old, new):
            with pytest.raises(SealBroken, match=r"^key destroyed$"):
                process.open(sealed)
        assert process.open(other, BETA) == "other"
    assert all("wrapped" not in row.values for row in rows(storage))
    assert here.data_keys.erase(ALPHA) == 0


def test_a_worker_under_way_brings_nothing_back(storage: Storage, clock: Any) -> None:
    """After an erasure only something new makes a key; what was sealed before stays closed."""
    worker, sign_in = start(storage, clock), start(storage, clock)
    old = worker.seal("token")
    sign_in.open(old)
    worker.data_keys.erase(ALPHA)
    with pytest.raises(SealBroken, match=r"^key destroyed$"):
        worker.seal("refreshed")
    again = sign_in.seal("signed in again", anew=True)
    assert worker.open(again) == "signed in again"
    assert worker.open(worker.seal("refreshed")) == "refreshed"
    with pytest.raises(SealBroken, match=r"^key destroyed$"):
        sign_in.open(old)


def test_no_rotation_survives_an_erasure(storage: Storage, clock: Any) -> None:
    """However rotations and an erasure fall together, in the end the tenant has no key."""
    for tid in (ALPHA, BETA):
        racing = [start(storage, clock) for _ in range(6)]
        for process in racing:
            process.seal("token", tid)
        rotating = [partial(process.data_keys.rotate, tid) for process in racing[1:]]
        at_once([partial(racing[0].data_keys.erase, tid), *rotating])
        assert all("wrapped" not in row.values for row in rows(storage, tid))
        with pytest.raises(SealBroken, match=r"^key destroyed$"):
            start(storage, clock).seal("token", tid)


@pytest.mark.parametrize("copied", ["the row", "the key alone"])
def test_a_key_put_into_another_tenants_row_is_not_used(storage: Storage, clock: Any, copied: str) -> None:
    """Who writes the table cannot have one tenant's tokens sealed under another one's key (G06)."""
    process = start(storage, clock)
    process.seal("a", ALPHA)
    process.seal("b", BETA)
    [source], [target] = rows(storage, ALPHA), rows(storage, BETA)
    taken = source.values if copied == "the row" else {"wrapped": source["wrapped"]}
    storage.table("keys").replace(target, {**target.values, **taken})
    with pytest.raises(faults.ServiceMisconfigured, match="nobody vouches for a key row"):
        start(storage, clock).seal("token", BETA)


def test_rows_are_vouched_for(storage: Storage, clock: Any) -> None:
    """Without the service key a row is not believed; its predecessor is, until rows are wrapped anew."""
    sealed = start(storage, clock).seal("token")
    new = b"new service key".ljust(32)
    with pytest.raises(faults.ServiceMisconfigured, match="nobody vouches for a key row"):
        start(storage, clock, secrets=[new]).open(sealed)
    between = start(storage, clock, secrets=[new, SECRET])
    assert between.open(sealed) == "token"
    assert between.data_keys.rewrap(ALPHA) == 1
    assert start(storage, clock, secrets=[new]).open(sealed) == "token"


def test_no_data_key_lies_in_any_table(storage: Storage, clock: Any) -> None:
    """Whatever 32 bytes were drawn for keys, none of them is in a row, nor in hex, nor in base64 (G01)."""
    drawn: list[bytes] = []

    def remembering(count: int) -> bytes:
        drawn.append(os.urandom(count))
        return drawn[-1]

    process = start(storage, clock, random_bytes=remembering)
    process.data_keys.sealing_key(ALPHA)
    process.data_keys.rotate(ALPHA)
    stored = repr([row.values for row in storage.table("keys").every()]).encode()
    values = [value for row in rows(storage) for value in row.values.values() if isinstance(value, bytes)]
    assert len(drawn) == 2
    for data_key in drawn:
        assert all(data_key not in value and data_key[:16] not in value for value in values)
        assert data_key.hex().encode() not in stored
        assert repr(data_key)[2:-1].encode() not in stored
