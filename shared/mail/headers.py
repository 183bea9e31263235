"""How text that a device may have chosen is written into a header: encoded by us, and strictly.

Python's own generator has been talked into second headers and recipients by encoded-words (threats F01, F03,
F04), so it writes nothing here. What these functions give is ASCII, in lines of at most 78 octets where the
text is not one short word of it.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from urllib.parse import quote

FOLD = "\r\n "
_SHORT = 60
"""Characters of a value that is written as it is."""
_WORD_BYTES = 42
"""UTF-8 in one encoded-word, which may be 75 characters long (RFC 2047 section 2): 12 are its frame."""
_NAME_BYTES = 18
"""UTF-8 in one piece of a file name: three characters each, in a line of 78 with the longest parameter's name."""
# RFC 5321 section 4.1.2: Dot-string and Domain, both ASCII. No quoted local part, and nothing but letters, digits
# and hyphens in the domain: neither needs quoting anywhere.
_ADDRESS = re.compile(
    r"(?=.{3,254}\Z)(?=[^@]{1,64}@)"
    r"[A-Za-z0-9_!#$%&'*+/=?^`{|}~-]+(\.[A-Za-z0-9_!#$%&'*+/=?^`{|}~-]+)*"
    r"@[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
)
_PLAIN_TEXT = re.compile(r"[\x21-\x7e]+( [\x21-\x7e]+)*")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9._()+-]+( [A-Za-z0-9._()+-]+)*")


def is_address(text: str) -> bool:
    """Say whether a text is an address that can stand in a header and in MAIL FROM as it is (F03, F08)."""
    return _ADDRESS.fullmatch(text) is not None


def addresses(listed: str) -> str:
    """Return the value of a header such as To, for plain addresses joined by a comma and a space: one in a line."""
    return listed.replace(", ", f",{FOLD}")


def unstructured(text: str) -> str:
    """Return the value of a header such as Subject: as it is, or in encoded-words (RFC 2047 section 5, rule 1).

    Whatever looks like an encoded-word is itself encoded (F01).
    """
    if not text or (len(text) <= _SHORT and "=?" not in text and _PLAIN_TEXT.fullmatch(text)):
        return text
    words = (binascii.b2a_base64(piece.encode(), newline=False).decode() for piece in _pieces(text, _WORD_BYTES))
    return FOLD.join(f"=?utf-8?B?{word}?=" for word in words)


def attachment(name: str) -> str:
    """Return the value of Content-Disposition with a file name: as it is, or in pieces (RFC 2231 section 4)."""
    if len(name) <= _SHORT and _PLAIN_NAME.fullmatch(name):
        return f'attachment;{FOLD}filename="{name}"'
    # No character is split: each piece is decoded alone by some readers.
    pieces = [quote(piece, safe="") for piece in _pieces(name, _NAME_BYTES)]
    parameters = [f"filename*0*=utf-8''{pieces[0]}", *(f"filename*{n}*={each}" for n, each in enumerate(pieces[1:], 1))]
    return f"attachment;{FOLD}" + f";{FOLD}".join(parameters)


def _pieces(text: str, most: int) -> Iterator[str]:
    """Yield the text in pieces of at most ``most`` bytes of UTF-8, cut between characters."""
    piece, size = "", 0
    for character in text:
        more = len(character.encode())
        if size + more > most:
            yield piece
            piece, size = "", 0
        piece, size = piece + character, size + more
    yield piece
