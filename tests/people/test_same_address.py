"""Whether two addresses are the same: the only comparison of addresses there is, and only before the pin."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.people import same_address

locals_ = st.text(st.characters(exclude_characters="@", exclude_categories=["Cs", "Z", "C"]), min_size=1, max_size=20)
domains = st.from_regex(r"[a-z][a-z0-9-]{0,10}[a-z0-9](\.[a-z]{2,6}){1,2}", fullmatch=True)
addresses = st.builds("{}@{}".format, locals_, domains)


@given(addresses)
def test_an_address_is_itself_in_any_case(address: str) -> None:
    """A17: case of the domain, spaces around: the same; and asking the other way round answers alike."""
    local, _, domain = address.rpartition("@")
    for other in (address, f" {address}\t", f"{local}@{domain.upper()}"):
        assert same_address(address, other)
        assert same_address(other, address)


@given(st.one_of(addresses, st.text(max_size=40)), st.one_of(addresses, st.text(max_size=40)))
def test_it_is_symmetric_and_never_fails(one: str, other: str) -> None:
    """A17: any two texts have an answer, the same in both directions; what is no address equals nothing."""
    assert same_address(one, other) is same_address(other, one)
    assert not same_address(one, "")
    assert not same_address("@", "@")


@given(st.lists(addresses, min_size=3, max_size=3))
def test_it_is_transitive(three: list[str]) -> None:
    """A17: no two people merge over a third spelling."""
    one, two, other = three
    if same_address(one, two) and same_address(two, other):
        assert same_address(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("adele@contoso.example", "ADELE@Contoso.Example"),
        ("jose\u0301@contoso.example", "jos\u00e9@contoso.example"),
        ("adele@b\u00fccher.example", "adele@xn--bcher-kva.example"),
        ("adele@bu\u0308cher.example", "adele@B\u00dcCHER.example"),
        ("stra\u00dfe@contoso.example", "STRASSE@contoso.example"),
    ],
)
def test_spellings_of_one_address(one: str, other: str) -> None:
    """A17: case, composed and decomposed letters, and the two forms of a domain name one mailbox."""
    assert same_address(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("adele@contoso.example", "adele@contoso.example."),
        ("adele@contoso.example", "adele@.contoso.example"),
        ("adele@contoso.example", "adele@contoso..example"),
        ("adele@contoso.example", "\uff41dele@contoso.example"),
        ("adele@contoso.example", "\u0430dele@contoso.example"),
        ("adele@contoso.example", "adele@\uff43ontoso.example"),
        ("adele@contoso.example", "adele@contoso\u3002example"),
        ("adele@contoso.example", "adele@c\u043entoso.example"),
        ("adele@contoso.example", "adele@contoso.example@contoso.example"),
        ("adele@contoso.example", "ad\u200bele@contoso.example"),
        ("adele@contoso.example", "adele"),
        ("adele@contoso.example", "adele+scan@contoso.example"),
        ("adele@contoso.example", "a.dele@contoso.example"),
        ("", ""),
        ("adele", "adele"),
        ("@contoso.example", "@contoso.example"),
        ("adele@", "adele@"),
        ("a@b@c", "a@b@c"),
        ("adele@contoso.example.", "adele@contoso.example."),
        ("adele@" + "x" * 70 + ".example", "adele@" + "x" * 70 + ".example"),
    ],
)
def test_what_is_odd_is_not_the_same(one: str, other: str) -> None:
    """A17: look-alikes, dots at the end, full-width letters, sub-addresses and non-addresses are nobody else's."""
    assert not same_address(one, other)
