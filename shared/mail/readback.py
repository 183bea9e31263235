"""Reads a mail's head back with Python's own parser, before anything of it is sent.

Whatever the encoders did, what goes out is what was meant: exactly these headers, these recipients, this
text, and one attachment of this name and type (threats F01 to F04, F11, F17). The document itself is base64 and
cannot change how the rest is read, so the mail is read without it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes, policy

from shared import faults

LONGEST_LINE = 998
"""Octets without CRLF (RFC 5321 section 4.5.3.1.6)."""
_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")


@dataclass(frozen=True)
class Meant:
    """What a mail is to say: its headers before Content-Type in their order, and decoded."""

    headers: tuple[tuple[str, str], ...]
    text: str
    attachment: tuple[str, str] | None
    """File name and media type."""


def require_read_as(meant: Meant, mail: bytes) -> None:
    """Return if ``mail`` (its attachment empty) reads as it is meant.

    Raises:
        Unexpected: it reads otherwise. The note says where, and nothing of what stands there.
    """
    try:
        found = next(_differences(meant, mail), None)
    except Exception as error:  # noqa: BLE001  (what the parser chokes on is not what was meant; its words quote it)
        found = type(error).__name__
    if found:
        raise faults.Unexpected(f"mail reads otherwise: {found}")


def _differences(meant: Meant, mail: bytes) -> Iterator[str]:
    if not mail.isascii() or _BARE.search(mail) or any(len(line) > LONGEST_LINE for line in mail.split(b"\r\n")):
        yield "lines"
    parsed = message_from_bytes(mail, policy=policy.default)
    # Each look at a header parses it anew, so each is looked at once.
    read = parsed.items()
    if [(name, str(value)) for name, value in read[:-1]] != list(meant.headers):
        yield "headers"
    if read[-1][0] != "Content-Type" or read[-1][1].content_type != "multipart/mixed":
        yield "content type"
    for name in ("From", "To"):
        wanted = [("", address) for address in dict(meant.headers)[name].split(", ")]
        if [(each.display_name, each.addr_spec) for each in dict(read)[name].addresses] != wanted:
            yield name
    parts = list(parsed.iter_parts())
    kinds = ["text/plain", *([meant.attachment[1]] if meant.attachment else [])]
    if [part.get_content_type() for part in parts] != kinds:
        yield "parts"
        return
    if parts[0].get_content() != meant.text or parts[0].get_filename() is not None:
        yield "text"
    if meant.attachment and (parts[1].get_filename(), parts[1].get_content()) != (meant.attachment[0], b""):
        yield "attachment"
    values = [value for _, value in read] + [value for part in parts for value in part.values()]
    if any(each.defects for each in (parsed, *parts, *values)):
        yield "defects"
