"""Keys are safe whatever goes into them."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.storage import Storage, key

ALLOWED = re.compile(r"[A-Za-z0-9_.~=|-]*")
NASTY = st.text(st.sampled_from("/\\#?%=|'\x00\x1f\x7f\x85aé:\U0001f600 +&"), max_size=12)
PARTS = st.lists(NASTY | st.text(max_size=12).filter(lambda text: max(text, default="") < "\ud800"), max_size=4)


@settings(max_examples=300, deadline=None)
@given(PARTS)
def test_a_key_holds_nothing_that_azure_forbids(parts: list[str]) -> None:
    r"""E03: only letters, digits and ``_ . ~ = | -`` are left, so no ``/ \\ # ?`` and no control characters."""
    assert ALLOWED.fullmatch(key(*parts))


@settings(max_examples=300, deadline=None)
@given(PARTS, PARTS)
def test_two_lists_of_parts_never_give_the_same_key(one: list[str], other: list[str]) -> None:
    """E03: what goes into a key can be told from the key, so nobody reaches another's row."""
    assert (key(*one) == key(*other)) == (one == other or ({len(one), len(other)} == {0, 1} and not any(one + other)))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a", "b"), ("a|b",)),
        (("a", "", "b"), ("a", "b")),
        (("=41",), ("A",)),
        (("%41",), ("A",)),
        (("é",), ("e\u0301",)),
    ],
)
def test_parts_that_look_alike_stay_apart(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    """E03: the separator, the escape and the two ways to write é do not collide."""
    assert key(*one) != key(*other)


def test_a_key_is_at_most_512_characters() -> None:
    """Azure takes 1 KiB of UTF-16; what is longer is refused and never cut, since a cut key could be another's."""
    assert len(key("a" * 512)) == 512
    with pytest.raises(ValueError, match="at most 512"):
        key("a" * 513)
    with pytest.raises(ValueError, match="at most 512"):
        key("é" * 100)


def test_a_lone_surrogate_makes_no_key() -> None:
    """F18: text that is no Unicode is an error and not some other key."""
    with pytest.raises(UnicodeEncodeError):
        key("\ud800")


@settings(max_examples=25, deadline=None)
@given(st.lists(NASTY, min_size=1, max_size=3))
def test_a_row_is_found_under_its_key_and_in_a_query(parts: list[str]) -> None:
    """E03: the store takes every key as it is, in a point read and in a filter."""
    table = LENT[0].table("people")
    made = key(*parts) or "empty"
    table.delete(made, made)
    table.insert(made, made, {"n": 1})
    found = table.get(made, made)
    assert found is not None
    assert found["n"] == 1
    assert [row.row for row in table.query(made)] == [made]


LENT: list[Storage] = []


@pytest.fixture(autouse=True)
def lend(request: pytest.FixtureRequest) -> None:
    """Hypothesis runs its examples within one test, so the storage is lent by the module."""
    if request.node.originalname == "test_a_row_is_found_under_its_key_and_in_a_query":
        LENT[:] = [request.getfixturevalue("storage")]
