"""A process that sends documents of given sizes by SMTP and tells its peak of memory after each (bytes)."""

import json
import os
import resource
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from shared.mail import Draft, Message, Sender, Smtp

PIECE = 4 << 20
"""Bytes that storage gives at a time."""
MESSAGE = Message("33333333-0000-4000-8000-000000000000", "Lease", "text", "lease.pdf", "application/pdf")


@dataclass
class Storage:
    """A document that is nowhere whole."""

    size: int

    def chunks(self) -> Iterator[bytes]:
        """Its pieces."""
        for start in range(0, self.size, PIECE):
            yield os.urandom(min(PIECE, self.size - start))


def main() -> None:
    """Send what standard input asks for."""
    asked = json.load(sys.stdin)
    transport = Smtp("exchange-smtp", asked["server"], "https://scan.example.com", lambda: datetime.now(UTC))
    peaks = []
    for size in asked["sizes"]:
        draft = Draft("", look=False, remember=lambda _: None)
        transport.send(asked["token"], Sender("oid", asked["address"]), MESSAGE, Storage(size), draft)
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
    json.dump(peaks, sys.stdout)


if __name__ == "__main__":
    main()
