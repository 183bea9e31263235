"""The sealed format: opens at its place, under its key, undamaged, or not at all."""

import os
import zlib

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import assume, given
from hypothesis import strategies as st

from shared.vault import SealBroken, Sealer
from shared.vault.sealing import LARGEST_PLAINTEXT

KEY = bytes(range(32))
PLACE = ("grants", "tenant|person", "grant", "sealed", "tenant", "person")
SEALER = Sealer(KEY, "local")
places = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), max_size=6).map(tuple)


@given(st.binary(max_size=4096), places)
def test_what_was_sealed_opens(plaintext: bytes, place: tuple[str, ...]) -> None:
    """G01: any bytes come back at the same place, and are not to be read from the seal."""
    sealed = SEALER.seal(plaintext, *place)
    assert SEALER.open(sealed, *place) == plaintext
    assert len(plaintext) < 8 or plaintext not in sealed


@given(places, places)
def test_at_any_other_place_it_does_not_open(here: tuple[str, ...], there: tuple[str, ...]) -> None:
    """G02, G03: another table, row, column or owner, however the texts are cut."""
    assume(here != there)
    sealed = SEALER.seal(b"refresh token", *here)
    with pytest.raises(SealBroken):
        SEALER.open(sealed, *there)


@pytest.mark.parametrize("moved", range(len(PLACE)))
def test_every_part_of_its_place_counts(moved: int) -> None:
    """G02, G03: table, partition, row, column, tenant and person each bind it."""
    other = tuple("other" if number == moved else part for number, part in enumerate(PLACE))
    with pytest.raises(SealBroken):
        SEALER.open(SEALER.seal(b"x", *PLACE), *other)


@pytest.mark.parametrize("cut", [("ab", "c"), ("a", "bc"), ("abc",), ("", "abc"), ("abc", "")])
def test_texts_do_not_run_together(cut: tuple[str, ...]) -> None:
    """G02: ("a", "b", "c") is not ("ab", "c")."""
    with pytest.raises(SealBroken):
        SEALER.open(SEALER.seal(b"x", "a", "b", "c"), *cut)


def test_another_stage_does_not_open_it() -> None:
    """G10: what was sealed on one machine does not open in production, even under the same key."""
    with pytest.raises(SealBroken):
        Sealer(KEY, "production").open(SEALER.seal(b"x", *PLACE), *PLACE)


def test_another_key_does_not_open_it() -> None:
    """G06: there is no trial of other keys."""
    with pytest.raises(SealBroken):
        Sealer(bytes(32), "local").open(SEALER.seal(b"x", *PLACE), *PLACE)


def test_truncated_at_every_length() -> None:
    """G04: cut anywhere, the empty one included, it is broken and nothing worse."""
    sealed = SEALER.seal(b"a refresh token", *PLACE)
    for length in range(len(sealed)):
        with pytest.raises(SealBroken):
            SEALER.open(sealed[:length], *PLACE)
    with pytest.raises(SealBroken):
        SEALER.open(sealed + b"\x00", *PLACE)


def test_every_bit_counts() -> None:
    """G04: no bit of version, nonce, ciphertext or tag can be flipped."""
    sealed = SEALER.seal(b"short", *PLACE)
    for bit in range(8 * len(sealed)):
        flipped = bytearray(sealed)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(SealBroken):
            SEALER.open(bytes(flipped), *PLACE)


@given(st.binary(max_size=200))
def test_any_other_bytes_are_broken(junk: bytes) -> None:
    """G04: nothing that we did not seal opens, and nothing crashes."""
    with pytest.raises(SealBroken):
        SEALER.open(junk, *PLACE)
    with pytest.raises(SealBroken):
        SEALER.open(b"\x01" + junk, *PLACE)


@pytest.mark.parametrize("version", [b"\x00", b"\x02", b"\xff", b"1"])
def test_an_unknown_version_is_refused_unread(version: bytes) -> None:
    """G06: only version 1 is read."""
    sealed = SEALER.seal(b"x", *PLACE)
    with pytest.raises(SealBroken, match="version"):
        SEALER.open(version + sealed[1:], *PLACE)


def test_the_format_is_this() -> None:
    """The specification in the module, followed by hand: version, nonce, AES-256-GCM of zlib, lengths in front."""
    nonce = bytes(12)
    place = b"".join(len(part).to_bytes(4, "big") + part for part in (b"local", b"grants", "ä".encode()))
    made = b"\x01" + nonce + AESGCM(KEY).encrypt(nonce, zlib.compress(b"text"), place)
    assert SEALER.open(made, "grants", "ä") == b"text"
    assert Sealer(KEY, "local", bytes).seal(b"text", "grants", "ä") == made


def test_no_nonce_comes_twice() -> None:
    """G07: the same text sealed again differs, in a forked process, too."""
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:  # pragma: no cover  (the child leaves at once)
        os.write(writer, b"".join(SEALER.seal(b"x", *PLACE)[1:13] for _ in range(100)))
        os._exit(0)
    own = [SEALER.seal(b"x", *PLACE)[1:13] for _ in range(10_000)]
    os.waitpid(child, 0)
    theirs = os.read(reader, 1200)
    os.close(reader)
    os.close(writer)
    nonces = {*own, *(theirs[start : start + 12] for start in range(0, 1200, 12))}
    assert len(nonces) == 10_100


def test_there_is_a_largest_plaintext() -> None:
    """A seal opens to a bounded size, whatever it is compressed to."""
    assert len(SEALER.open(SEALER.seal(bytes(LARGEST_PLAINTEXT), *PLACE), *PLACE)) == LARGEST_PLAINTEXT
    with pytest.raises(ValueError, match="large"):
        SEALER.seal(bytes(LARGEST_PLAINTEXT + 1), *PLACE)
