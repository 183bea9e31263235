"""The short code: what is shown comes back, however it is typed; nothing else is a code."""

import random

from hypothesis import example, given
from hypothesis import strategies as st

from shared.short_codes import ALPHABET, CODE_LETTERS, new_code, normal_code, shown

codes = st.text(ALPHABET, min_size=CODE_LETTERS, max_size=CODE_LETTERS)
separators = st.text(" -\u2013\u2014_.\t", max_size=3)


@given(codes, st.lists(separators, min_size=9, max_size=9), st.booleans(), st.booleans())
def test_a_code_survives_being_typed(code: str, between: list[str], lower: bool, wide: bool) -> None:
    """B08: case, spaces, dashes and full-width letters do not matter."""
    typed = "".join(gap + letter for gap, letter in zip(between, code, strict=False)) + between[-1]
    if wide:
        typed = "".join(chr(ord(letter) + 0xFEE0) if letter in ALPHABET else letter for letter in typed)
    assert normal_code(typed.lower() if lower else typed) == code
    assert normal_code(shown(code)) == code


@given(st.text(max_size=80))
@example("BCDFGHJ0")
@example("ABCDFGHJ")
@example("BCDFGHJKL")
@example("BCDF-GHJ")
@example("ẞ" * 8)
def test_what_is_no_code_is_none(typed: str) -> None:
    """B08: anything at all becomes a code of the alphabet or nothing; letters are never guessed at."""
    found = normal_code(typed)
    assert found is None or (len(found) == CODE_LETTERS and set(found) <= set(ALPHABET))


def test_no_letter_is_taken_for_a_digit_or_makes_a_word() -> None:
    """B08: no vowels, no digits, twenty letters (RFC 8628 section 6.1)."""
    assert len(set(ALPHABET)) == 20
    assert not set(ALPHABET) & set("AEIOUY0123456789")


def test_codes_use_the_whole_alphabet_at_every_place() -> None:
    """B07: twenty to the eighth: no place and no letter is left out or preferred by far."""
    below = random.Random(1).randrange
    made = [new_code(below) for _ in range(4000)]
    for place in range(CODE_LETTERS):
        counts = [sum(code[place] == letter for code in made) for letter in ALPHABET]
        assert min(counts) > 120
        assert max(counts) < 290
    assert len(set(made)) == len(made)
