"""Our SMTP in a process of its own: ``python -m bench.smtp_worker HOST:PORT OID ADDRESS TOKEN``.

It reads sizes, sends a mail with a document of so many bytes for each, and says ``sent``.
"""

import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from shared.mail import Draft, Message, Sender, Smtp
from shared.mail.mime import Mime

DOMAIN = "bench.example"
PIECE = 4 * 1024 * 1024
MESSAGE = Message("33333333-0000-4000-8000-000000000000", "A scan", "A scan is attached.", "a.pdf", "application/pdf")


@dataclass
class Blank:
    """A document of ``size`` bytes."""

    size: int

    def chunks(self) -> Iterator[bytes]:
        """Its pieces."""
        for start in range(0, self.size, PIECE):
            yield b"%" * min(PIECE, self.size - start)


def mail_of(sender: Sender, size: int) -> bytes:
    """Return the mail as a client of the proxy has it finished."""
    out = io.BytesIO()
    for piece in Mime(sender, MESSAGE, Blank(size), DOMAIN, datetime.now(UTC)).chunks():
        out.write(piece)
    return out.getvalue()


def main() -> None:
    """Serve until the input ends."""
    server, oid, address, token = sys.argv[1:]
    smtp = Smtp("exchange-smtp", server, f"https://{DOMAIN}", lambda: datetime.now(UTC))
    for line in sys.stdin:
        smtp.send(token, Sender(oid, address), MESSAGE, Blank(int(line)), Draft("", look=False, remember=print))
        print("sent", flush=True)


if __name__ == "__main__":
    main()
