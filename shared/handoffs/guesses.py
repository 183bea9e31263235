"""Limits on guessing codes, kept in rows and so the same on every instance (threats B06, I01)."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from shared import faults
from shared.storage import AlreadyThere, Gone, Row, Table, Value, key

WINDOW = timedelta(minutes=5)
WRONG_PER_NETWORK = 20
"""Wrong codes per window from one /24 (IPv4) or /48 (IPv6)."""
WRONG_IN_ALL = 500
"""Wrong codes per window altogether. With 1,000 live codes that is a chance of 2 in 100,000 per window."""


class Guesses:
    """Counts wrong codes. Fails closed: who cannot be counted is refused."""

    def __init__(self, table: Table, clock: Callable[[], datetime]) -> None:
        self._table = table
        self._clock = clock

    def allow(self, address: str) -> None:
        """Let a guess pass, or not.

        Raises:
            TooManyRequests: there were too many wrong ones.
        """
        for row, limit in self._counters(address):
            counter = self._table.get(row, "guesses")
            if counter is not None and counter["wrong"] >= limit:
                raise faults.TooManyRequests("codes", retry_after=WINDOW.total_seconds())

    def wrong(self, address: str) -> None:
        """Count a wrong guess.

        Raises:
            TooManyRequests: it was one too many.
        """

        def count(row: Row) -> Mapping[str, Value | None]:
            return {"wrong": row["wrong"] + 1}

        for row, limit in self._counters(address):
            try:
                counter = self._table.change(row, "guesses", count)
            except Gone:
                try:
                    counter = self._table.insert(row, "guesses", {"wrong": 1, "expires": self._clock() + 2 * WINDOW})
                except AlreadyThere:
                    counter = self._table.change(row, "guesses", count)
            if counter["wrong"] > limit:
                raise faults.TooManyRequests("codes", retry_after=WINDOW.total_seconds())

    def _counters(self, address: str) -> list[tuple[str, int]]:
        window = str(int(self._clock().timestamp() // WINDOW.total_seconds()))
        return [
            (key("guesses", window, _network(address)), WRONG_PER_NETWORK),
            (key("guesses", window, "all"), WRONG_IN_ALL),
        ]


def _network(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    return str(ipaddress.ip_network(f"{address}/{24 if parsed.version == 4 else 48}", strict=False).network_address)  # noqa: PLR2004
