"""One address is one network, however a proxy spells it: no second counter for one, no shared one for strangers."""

import ipaddress

import pytest
from fastapi import Request
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.forms import address_of
from shared.short_codes import network_of


@given(st.ip_addresses(v=4), st.integers(1, 65535))
@settings(deadline=None, max_examples=100)
def test_every_spelling_of_an_ipv4_address_is_one_network(address: ipaddress.IPv4Address, port: int) -> None:
    """B06: bare, with the port that Azure appends, or as a dual-stack socket writes it: its /24."""
    network = str(ipaddress.ip_network(f"{address}/24", strict=False).network_address)
    for spelled in (
        f"{address}",
        f" {address} ",
        f"{address}:{port}",
        f"::ffff:{address}",
        f"[::ffff:{address}]:{port}",
    ):
        assert network_of(spelled) == network


@given(st.ip_addresses(v=6), st.integers(1, 65535))
@settings(deadline=None, max_examples=100)
def test_every_spelling_of_an_ipv6_address_is_one_network(address: ipaddress.IPv6Address, port: int) -> None:
    """B06: bare, in brackets, with a port, with a zone, written out or in capitals: its /48."""
    if address.ipv4_mapped:
        return
    network = str(ipaddress.ip_network(f"{address}/48", strict=False).network_address)
    for spelled in (
        address.compressed,
        address.exploded.upper(),
        f"[{address}]",
        f"[{address}]:{port}",
        f"{address}%eth0",
    ):
        assert network_of(spelled) == network


@given(st.text(max_size=40))
@settings(deadline=None, max_examples=200)
def test_what_is_no_address_is_unknown(text: str) -> None:
    """B06: whatever stands in the header gives one of the networks there are, or the one counter of the unknown."""
    network = network_of(text)
    assert network == "unknown" or ipaddress.ip_address(network)


@pytest.mark.parametrize(
    ("lines", "network"),
    [
        (["203.0.113.7:50123"], "203.0.113.0"),
        (["198.51.100.1, 203.0.113.7:50123"], "203.0.113.0"),
        (["198.51.100.1", "203.0.113.7:50123"], "203.0.113.0"),
        (["198.51.100.1, 10.0.0.1", "[2001:db8:1:2::7]:50123"], "2001:db8:1::"),
        (["2001:db8:1:2::7"], "2001:db8:1::"),
        ([], "192.0.2.0"),
        ([""], "192.0.2.0"),
        (["203.0.113.7, "], "192.0.2.0"),
    ],
)
def test_the_front_ends_own_word_counts(lines: list[str], network: str) -> None:
    """B06: whatever the caller sends as X-Forwarded-For, in one line or more, the last part is the platform's."""
    headers = [(b"x-forwarded-for", line.encode()) for line in lines]
    request = Request({"type": "http", "headers": headers, "client": ("192.0.2.9", 4711)})
    assert network_of(address_of(request)) == network
