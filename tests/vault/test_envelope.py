"""Sealed bytes open for their tenant at their place, and nowhere else."""

from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from shared import faults
from shared.storage import Storage
from shared.vault.sealing import LARGEST_PLAINTEXT, SERVICE, SealBroken, Sealer, key_id_of
from tests.vault.processes import ALPHA, BETA, PLACE, Process, start

PLACES = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), max_size=6).map(tuple)
ON_ONE_PROCESS = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def process(storage: Storage, clock: Any) -> Process:
    """One process of the app."""
    return start(storage, clock)


@pytest.mark.parametrize("text", ["", "a", "токен" * 1000])
def test_what_was_sealed_opens(process: Process, text: str) -> None:
    """Every plaintext comes back as it was."""
    assert process.open(process.seal(text)) == text


def test_the_largest_plaintext_has_a_limit(process: Process) -> None:
    """What could not lie in a column is refused before it is sealed."""
    assert process.open(process.seal("x" * LARGEST_PLAINTEXT))
    with pytest.raises(ValueError, match="too large"):
        process.seal("x" * (LARGEST_PLAINTEXT + 1))


@ON_ONE_PROCESS
@given(st.binary(max_size=4096), PLACES)
def test_any_bytes_open_at_any_place(process: Process, plaintext: bytes, place: tuple[str, ...]) -> None:
    """Whatever the bytes and however the place is called; and they are not to be read from the seal (G01)."""
    sealed = process.sealer.seal(ALPHA, plaintext, *place)
    assert process.sealer.open(ALPHA, sealed, *place) == plaintext
    assert len(plaintext) < 8 or plaintext not in sealed


@ON_ONE_PROCESS
@given(PLACES, PLACES)
def test_at_any_other_place_they_do_not(process: Process, here: tuple[str, ...], there: tuple[str, ...]) -> None:
    """Another place, however the texts are cut (G02, G03)."""
    assume(here != there)
    sealed = process.sealer.seal(ALPHA, b"token", *here)
    with pytest.raises(SealBroken, match=r"^another place$"):
        process.sealer.open(ALPHA, sealed, *there)


@ON_ONE_PROCESS
@given(st.binary(max_size=300))
def test_any_other_bytes_are_broken(process: Process, junk: bytes) -> None:
    """Nothing that we did not seal opens, and nothing crashes (G04)."""
    known = process.seal("token")[:17]
    for made in (junk, known[:1] + junk, known + junk):
        with pytest.raises(SealBroken):
            process.open(made)


def test_two_tenants_have_nothing_in_common(process: Process) -> None:
    """A tenant's bytes name a key that no other tenant has, so they do not open for another (G02, G06)."""
    sealed = process.seal("token", ALPHA)
    process.seal("token", BETA)
    with pytest.raises(SealBroken, match=r"^unknown key$"):
        process.open(sealed, BETA)


@pytest.mark.parametrize("part", range(len(PLACE)))
def test_moved_bytes_do_not_open(process: Process, part: int) -> None:
    """Another table, partition, row, column, person, epoch or generation: each breaks the seal (G02, G03)."""
    sealed = process.seal("token")
    moved = [text + "x" if number == part else text for number, text in enumerate(PLACE)]
    with pytest.raises(SealBroken, match=r"^another place$"):
        process.sealer.open(ALPHA, sealed, *moved)


def test_parts_of_a_place_do_not_run_together(process: Process) -> None:
    """``ab, c`` is another place than ``a, bc``, and than ``abc``."""
    sealed = process.sealer.seal(ALPHA, b"token", "ab", "c")
    for other in (("a", "bc"), ("abc",), ("ab", "c", ""), ("", "ab", "c")):
        with pytest.raises(SealBroken, match=r"^another place$"):
            process.sealer.open(ALPHA, sealed, *other)


def test_stages_do_not_mix(storage: Storage, clock: Any) -> None:
    """What one environment sealed another one does not open, though it has every key (G10)."""
    sealed = start(storage, clock).seal("token")
    elsewhere = start(storage, clock, environment="production")
    with pytest.raises(faults.ServiceMisconfigured, match="nobody vouches for a key row"):
        elsewhere.open(sealed)
    with pytest.raises(SealBroken, match=r"^another place$"):
        Sealer(start(storage, clock).data_keys, "production").open(ALPHA, sealed, *PLACE)


def test_no_byte_may_change(process: Process) -> None:
    """A flipped bit anywhere, and every cut, is a broken seal and never another failure (G04)."""
    sealed = process.seal("token")
    for position in range(len(sealed)):
        flipped = bytearray(sealed)
        flipped[position] ^= 1 << position % 8
        for damaged in (bytes(flipped), sealed[:position]):
            with pytest.raises(SealBroken):
                process.open(damaged)
    with pytest.raises(SealBroken, match=r"^damaged$"):
        process.open(sealed + b"\0")


def test_every_record_has_its_own_key(process: Process) -> None:
    """The same text at the same place never gives the same salt, nonce or ciphertext (G07)."""
    made = [process.seal("token") for _ in range(50)]
    assert len({key_id_of(sealed) for sealed in made}) == 1
    for part in (slice(17, 49), slice(49, 61), slice(61, 93), slice(93, None)):
        assert len({sealed[part] for sealed in made}) == len(made)


def test_what_has_no_tenant_has_a_key_of_its_own(process: Process) -> None:
    """An empty tenant is the service's own key, and no tenant's."""
    sealed = process.seal("task", "")
    assert process.open(sealed, SERVICE) == process.open(sealed, "") == "task"
    process.seal("token", ALPHA)
    with pytest.raises(SealBroken):
        process.open(sealed, ALPHA)


@pytest.mark.parametrize("tid", [ALPHA, ""])
def test_what_lies_under_an_older_key_is_known(process: Process, tid: str) -> None:
    """What seals now is current; after a rotation it is not, opens all the same, and the next seal is current."""
    process.seal("token", BETA)
    before = process.seal("token", tid)
    assert process.sealer.is_current(tid, before)
    process.data_keys.rotate(tid or SERVICE)
    assert not process.sealer.is_current(tid, before)
    assert process.open(before, tid) == "token"
    assert process.sealer.is_current(tid, process.seal("token", tid))
