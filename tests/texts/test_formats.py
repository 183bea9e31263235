"""Sizes and moments read as people of a language write them, and say nothing untrue."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.texts import LANGUAGES, moment, number, size, time_of_day

WHEN = datetime(2026, 3, 7, 1, 5, 59, tzinfo=timezone(timedelta(hours=3)))


@pytest.mark.parametrize(
    ("number", "language", "text"),
    [
        (0, "en", "0 bytes"),
        (999, "de", "999 Byte"),
        (1_000, "en", "1 kB"),
        (999_999, "be", "999 кБ"),
        (3_145_728, "en", "3.1 MB"),
        (3_145_728, "de", "3,1 MB"),
        (3_145_728, "be", "3,1 МБ"),
        (150_000_000, "en", "150 MB"),
    ],
)
def test_sizes(number: int, language: str, text: str) -> None:
    """Sizes are decimal, with the language's separator and units."""
    assert size(number, language) == text


@pytest.mark.parametrize(("language", "text"), [("en", "25,000"), ("de", "25.000"), ("be", "25\u00a0000")])
def test_numbers(language: str, text: str) -> None:
    """A whole number stands as the language writes it."""
    assert number(25_000, language) == text


@given(st.integers(min_value=1_000_000, max_value=10**12))
def test_a_size_never_promises_more(number: int) -> None:
    """What is shown is at most what is there, and less than a tenth of a megabyte below it."""
    shown = Decimal(size(number, "en").removesuffix(" MB"))
    assert 0 <= number - shown * 1_000_000 < 100_000


def test_a_negative_size_is_an_error() -> None:
    """A negative size is a mistake of ours and is not shown."""
    with pytest.raises(ValueError, match="negative"):
        size(-1, "en")


def test_moments_are_utc_and_say_so() -> None:
    """Day and time are converted to UTC and named so, in the order of the language."""
    assert moment(WHEN, "en") == "2026-03-06 22:05 UTC"
    assert moment(WHEN, "de") == moment(WHEN, "be") == "06.03.2026 22:05 UTC"
    assert {time_of_day(WHEN, language) for language in LANGUAGES} == {"22:05 UTC"}
    assert moment(WHEN.astimezone(UTC), "en") == moment(WHEN, "en")


def test_a_moment_needs_its_zone() -> None:
    """A naive datetime is not taken for UTC."""
    with pytest.raises(ValueError, match="time zone"):
        moment(WHEN.replace(tzinfo=None), "en")
    with pytest.raises(ValueError, match="time zone"):
        time_of_day(WHEN.replace(tzinfo=None), "en")
