"""Nonces: ours, whole and young, or worth nothing."""

import base64
import secrets
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.devices import NONCE_SECONDS, Nonces

KEY = bytes(range(32))
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def nonces(at: datetime = NOON, key: bytes = KEY) -> Nonces:
    """The nonces of an instance whose clock stands."""
    return Nonces(key, lambda: at, secrets.token_bytes)


MADE = nonces().make()
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@given(age=st.integers(0, NONCE_SECONDS))
@settings(deadline=None, max_examples=50)
def test_a_nonce_is_good_for_its_life(age: int) -> None:
    """Every instance with the same key takes it, from the moment it is made to the last second of its life (D09)."""
    assert nonces(NOON + timedelta(seconds=age)).fresh(MADE)


@given(age=st.integers(NONCE_SECONDS + 1, 10**9))
@settings(deadline=None, max_examples=50)
def test_an_aged_nonce_is_refused(age: int) -> None:
    """One second past its life it is worth nothing, and never becomes good again (D09)."""
    assert not nonces(NOON + timedelta(seconds=age)).fresh(MADE)


@pytest.mark.parametrize(("ahead", "good"), [(0, True), (5, True), (30, True), (31, False), (86400, False)])
def test_clocks_of_two_instances_may_differ_a_little(ahead: int, good: bool) -> None:
    """A nonce from an instance whose clock is half a minute ahead is good; from further in the future it is not."""
    assert nonces().fresh(nonces(NOON + timedelta(seconds=ahead)).make()) is good


@example(where=len(MADE) - 1, other=ALPHABET[ALPHABET.index(MADE[-1]) ^ 1])
@given(where=st.integers(0, len(MADE) - 1), other=st.characters(max_codepoint=0x2FF))
@settings(deadline=None, max_examples=300)
def test_a_forged_nonce_is_refused(where: int, other: str) -> None:
    """No character of it can be another one, not even where base64 has bits to spare (D09)."""
    forged = MADE[:where] + other + MADE[where + 1 :]
    assert nonces().fresh(forged) is (forged == MADE)


@example(where=7, extra="!!!!")
@example(where=len(MADE), extra="=")
@example(where=0, extra="    ")
@given(where=st.integers(0, len(MADE)), extra=st.text(st.characters(max_codepoint=0x2FF), min_size=1, max_size=4))
@settings(deadline=None, max_examples=200)
def test_nothing_can_be_added(where: int, extra: str) -> None:
    """Padding, blanks or any other character inside or around it makes it another text, which is not ours (D09)."""
    assert not nonces().fresh(MADE[:where] + extra + MADE[where:])


@given(end=st.integers(0, len(MADE) - 1))
@settings(deadline=None, max_examples=50)
def test_a_truncated_nonce_is_refused(end: int) -> None:
    """Neither its beginning nor its end alone is one (D09)."""
    assert not nonces().fresh(MADE[:end])
    assert not nonces().fresh(MADE[len(MADE) - end :])


@given(key=st.binary(min_size=32, max_size=32).filter(lambda key: key != KEY))
@settings(deadline=None, max_examples=50)
def test_a_nonce_under_a_foreign_key_is_refused(key: bytes) -> None:
    """Only a holder of the service key makes nonces (D09)."""
    assert not nonces().fresh(nonces(key=key).make())


@pytest.mark.parametrize("junk", [None, 7, b"bytes", [MADE], {"nonce": MADE}, "", "ä", "=" * 64, "A" * 10_000, True])
def test_junk_is_refused_and_breaks_nothing(junk: object) -> None:
    """Whatever JSON can carry in its place is simply no nonce."""
    assert not nonces().fresh(junk)


def test_a_moved_time_is_not_believed() -> None:
    """The time in it is what is signed: an old nonce cannot be made young (D09)."""
    raw = base64.urlsafe_b64decode(MADE + "=" * (-len(MADE) % 4))
    later = NOON + timedelta(seconds=NONCE_SECONDS)
    moved = int(later.timestamp()).to_bytes(8, "big") + raw[8:]
    assert not nonces(later).fresh(base64.urlsafe_b64encode(moved).decode().rstrip("="))


def test_no_two_nonces_are_the_same() -> None:
    """Two of the same second differ."""
    maker = nonces()
    assert len({maker.make() for _ in range(1000)}) == 1000
