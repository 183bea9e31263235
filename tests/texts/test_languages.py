"""A wish for a language is met as well as it can be, whatever text it comes as."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.texts import LANGUAGES, negotiate

JUNK = st.one_of(st.none(), st.text(), st.text(alphabet="deb-_*,;q=01. "))


@pytest.mark.parametrize(
    ("wishes", "language"),
    [
        ((), "en"),
        ((None, ""), "en"),
        (("de",), "de"),
        (("de-AT",), "de"),
        (("DE_ch.UTF-8",), "de"),
        (("be-tarask",), "be"),
        (("fr-FR,fr;q=0.9,be;q=0.4,en;q=0.2",), "be"),
        (("en;q=0.2, be;q=0.9",), "be"),
        (("de;q=0, be;q=0.1",), "be"),
        (("de ; q=0.5 , be ; q=0.6",), "be"),
        (("be;q=0.5,de;q=0.5",), "be"),
        (("fr", "de"), "de"),
        (("*", "de"), "de"),
        (("be", "de"), "be"),
        (("de;q=7,be;q=0.9",), "de"),
        (("deutsch",), "en"),
    ],
)
def test_wishes_are_met_in_order(wishes: tuple[str | None, ...], language: str) -> None:
    """The first wish that names one of our languages decides; within a header, the q-values do."""
    assert negotiate(*wishes) == language


@given(st.lists(JUNK, max_size=4))
def test_any_text_gives_a_language(wishes: list[str | None]) -> None:
    """No text raises, and the answer is always a language that is spoken."""
    assert negotiate(*wishes) in LANGUAGES


@given(st.lists(JUNK, max_size=3), st.sampled_from(LANGUAGES))
def test_the_first_wish_wins(others: list[str | None], language: str) -> None:
    """A plain tag of ours as the first wish is met, whatever follows."""
    assert negotiate(language, *others) == language


@given(st.permutations(["en;q=0.3", "be;q=0.8", "de;q=0.5", "fr"]))
def test_the_order_in_a_header_does_not_matter(items: list[str]) -> None:
    """Distinct q-values decide alone."""
    assert negotiate(",".join(items)) == "be"


def test_a_long_header_is_not_read_to_its_end() -> None:
    """The work is bounded: a language named behind a flood of others is not looked for."""
    assert negotiate("fr," * 10_000 + "de") == "en"
    assert negotiate("x" * 100_000 + ",de") == "en"
