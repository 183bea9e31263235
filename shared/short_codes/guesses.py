"""Limits on guessing codes, kept in rows and so the same on every instance (threats B06, I01)."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta

from shared import faults
from shared.storage import AlreadyThere, Gone, Row, Table, Value, key

ROW = "guesses"
_IPV4_PREFIX, _IPV6_PREFIX = 24, 48
WINDOW = timedelta(minutes=5)
WRONG_PER_NETWORK = 20
"""Wrong codes per window from one /24 (IPv4) or /48 (IPv6)."""
WRONG_IN_ALL = 500
"""Wrong codes per window altogether. With 1,000 live codes that is a chance of 2 in 100,000 per window."""


class Guesses:
    """Counts guesses before they are looked at, and takes the right ones back.

    Counted afterwards, any number of guesses at once would pass the limit. Fails closed: who cannot be
    counted is refused.
    """

    def __init__(self, table: Table, clock: Callable[[], datetime]) -> None:
        self._table = table
        self._clock = clock

    def count(self, address: str) -> None:
        """Count a guess that is about to be looked at.

        Raises:
            TooManyRequests: it is one too many.
        """
        for row, limit in self._counters(address):

            def count(counter: Row, limit: int = limit) -> Mapping[str, Value | None]:
                if counter["wrong"] >= limit:
                    raise faults.TooManyRequests("codes", retry_after=WINDOW.total_seconds())
                return {"wrong": counter["wrong"] + 1}

            try:
                self._table.change(row, ROW, count)
            except Gone:
                try:
                    self._table.insert(row, ROW, {"wrong": 1, "expires": self._clock() + 2 * WINDOW})
                except AlreadyThere:
                    self._table.change(row, ROW, count)

    def right(self, address: str) -> None:
        """Take a guess back: it was right."""
        for row, _ in self._counters(address):
            # A count that stays is on the safe side.
            with suppress(Gone, faults.StorageUnavailable):
                self._table.change(row, ROW, lambda counter: {"wrong": max(0, counter["wrong"] - 1)})

    def _counters(self, address: str) -> list[tuple[str, int]]:
        window = str(int(self._clock().timestamp() // WINDOW.total_seconds()))
        return [
            (key("guesses", window, network_of(address)), WRONG_PER_NETWORK),
            (key("guesses", window, "all"), WRONG_IN_ALL),
        ]


def network_of(address: str) -> str:
    """Return the network that ``address`` is in, as the counters know it: its /24, or its /48.

    Proxies write an address bare, with a port (``203.0.113.7:50123``), or as ``[2001:db8::1]:50123``; a dual-stack
    socket writes IPv4 as ``::ffff:203.0.113.7``. All spellings of one address are one network. What is no address
    is ``unknown``, and everybody who is unknown shares one counter.
    """
    bare = address.strip()
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        parsed = ipaddress.ip_address(bare.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv6Address):
        parsed = parsed.ipv4_mapped or parsed
    prefix = _IPV4_PREFIX if parsed.version == 4 else _IPV6_PREFIX  # noqa: PLR2004
    return str(ipaddress.ip_network((parsed, prefix), strict=False).network_address)
