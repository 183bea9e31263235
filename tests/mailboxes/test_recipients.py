"""Recipients, numbers and templates: what is let through is exactly what was meant."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared import faults
from shared.mail.headers import is_address
from shared.mailboxes.recipients import MOST, e164, fax_address, recipients
from shared.organisations.policy import Policy

SENDER = "printer@contoso.example"
TEMPLATE = Policy(fax_address="{number}@fax.example.com")


@pytest.mark.parametrize(
    "to",
    [
        "a@contoso.example\r\nBcc: eve@evil.example",
        "a@contoso.example, eve@evil.example",
        "a@contoso.example;eve@evil.example",
        "Ann <a@contoso.example>",
        "=?utf-8?q?a=40contoso.example?=",
        '"eve@evil.example "@contoso.example',
        "a@contoso.example>",
        "a@contoso.example\x00",
        "a@contoso.example\n",
        " a@contoso.example",
        "a@\u0441ontoso.example",
        "a@contoso.example.",
        "@contoso.example",
        "a",
        "",
    ],
)
def test_what_is_no_plain_address_is_refused(to: str) -> None:
    """F03, F08: lists, names, line ends, look-alikes, quotes: refused whole, not repaired."""
    with pytest.raises(faults.RecipientInvalid):
        recipients(["ok@contoso.example", to], SENDER, Policy(), own_domain=True)


@pytest.mark.parametrize("count", [0, MOST + 1])
def test_none_and_more_than_fifty_are_refused(count: int) -> None:
    """A mail has one to fifty recipients."""
    with pytest.raises(faults.RecipientInvalid):
        recipients([f"a{each}@contoso.example" for each in range(count)], SENDER, Policy(), own_domain=True)


@pytest.mark.parametrize("to", ["a@evil.example", "a@sub.contoso.example", "a@xcontoso.example", "a@example"])
def test_other_domains_are_not_allowed(to: str) -> None:
    """By default the mailbox's own domain, compared whole: no subdomain and no ending slips in."""
    with pytest.raises(faults.RecipientNotAllowed):
        recipients([to], SENDER, Policy(), own_domain=True)


def test_the_policy_allows_more_and_outlook_com_less() -> None:
    """A listed domain is allowed in any case; everybody's domain is nobody's own: there only the mailbox itself."""
    policy = Policy(allowed_domains=("Partner.example",))
    assert recipients(["A@PARTNER.example"], SENDER, policy, own_domain=False) == ("A@PARTNER.example",)
    assert recipients([SENDER.upper()], SENDER, Policy(), own_domain=False) == (SENDER.upper(),)
    with pytest.raises(faults.RecipientNotAllowed):
        recipients(["other@contoso.example"], SENDER, Policy(), own_domain=False)


def test_nobody_gets_it_twice() -> None:
    """The same address in another case is the same recipient; the order stays."""
    to = ["b@contoso.example", "a@contoso.example", "B@contoso.example"]
    assert recipients(to, SENDER, Policy(), own_domain=True) == ("b@contoso.example", "a@contoso.example")


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(max_size=30) | st.from_regex(r"[a-z]{1,5}@contoso\.example", fullmatch=True), max_size=4))
def test_whatever_is_given_only_plain_addresses_come_through(to: list[str]) -> None:
    """F03: a property of every list: all are plain and allowed, or it is refused."""
    try:
        found = recipients(to, SENDER, Policy(), own_domain=True)
    except (faults.RecipientInvalid, faults.RecipientNotAllowed):
        return
    assert found
    assert all(is_address(each) and each.endswith("@contoso.example") and each in to for each in found)


@pytest.mark.parametrize(
    ("typed", "country", "number"),
    [
        ("+375 17 200-11-22", "", "+375172001122"),
        ("+1 (425) 555-0100", "", "+14255550100"),
        ("017 200 11 22", "+375", "+375172001122"),
        ("00 49 30 1234567", "+375", "+49301234567"),
    ],
)
def test_a_number_becomes_e164(typed: str, country: str, number: str) -> None:
    """As people type it, with the dial rule's country for numbers that begin with 0."""
    assert e164(typed, country) == number


@pytest.mark.parametrize(
    "typed",
    ["", "+", "112", "0172001122", "+375abc1234", "+37517200112233445", "++375172001122", "+0375172001122",
     "+375172001122@evil.example", "+375172001122\n", "+٣٧٥١٧٢٠٠١١٢٢", "+375172001122;ext=1", "+375" + "-" * 60],
)  # fmt: skip
def test_what_is_no_number_is_refused(typed: str) -> None:
    """Letters, other digits, too many, addresses, and national numbers without a dial rule."""
    with pytest.raises(faults.FaxNumberInvalid):
        fax_address(typed, TEMPLATE)


@pytest.mark.parametrize(
    "template",
    ["", "fax@example.com", "{number}", "{number}{number}@fax.example.com", "fax@{number}.example.com",
     "{number}@fax.example.com\r\nBcc: e@evil.example", "{number}@a@b.example", "{0}@fax.example.com",
     "{number}@{number}.example", "{number.__class__}@fax.example.com", "{number} @fax.example.com"],
)  # fmt: skip
def test_a_template_with_a_hole_is_refused(template: str) -> None:
    """Exactly one number, before the @, and what comes of it is a plain address; otherwise fax is not set up."""
    with pytest.raises(faults.FaxNotSetUp):
        fax_address("+375172001122", Policy(fax_address=template))


def test_a_country_that_is_none_is_refused() -> None:
    """A dial rule of anything but a country's code would make numbers of its own."""
    with pytest.raises(faults.FaxNotSetUp):
        fax_address("0172001122", Policy(fax_address=TEMPLATE.fax_address, fax_country="+375@"))


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="+0123456789 -()@.\r\nabc", max_size=24))
def test_whatever_is_typed_goes_to_the_provider_alone(typed: str) -> None:
    """A number never chooses the server: digits before the template's domain, or refused."""
    try:
        found = fax_address(typed, TEMPLATE)
    except faults.FaxNumberInvalid:
        return
    digits, _, domain = found.partition("@")
    assert set(digits) <= set("0123456789")
    assert domain == "fax.example.com"
