"""The scans in a mail: each document taken out to a file of its own, and whatever is none refused by name.

Nothing is dropped silently: a mail in which one attachment is no scan is refused as a whole, since 250 would
say that all of it arrived. Text that stands in the mail itself is the printer's own and is left out, as is a
picture that such a text shows (a logo), where there is a scan beside it.
"""

from __future__ import annotations

import binascii
import hashlib
import os
import re
from base64 import b64decode
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from email import message_from_binary_file, policy
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message
from pathlib import Path
from typing import IO

from to_my_email.spool import sniff
from to_my_email.store import private
from to_my_email_gateway.replies import RefusedMail, Reply

MOST = 20
"""Documents of one mail."""
DEEPEST = 20
"""Levels of parts within parts."""
LONGEST_TEXT = 200
"""Characters of a title and of a file name; the device API's own limit."""

_ENDINGS = {"application/pdf": "pdf", "image/jpeg": "jpg", "image/png": "png", "image/tiff": "tif"}
_NO_SCANS = {
    "application/ms-tnef": ("tnef", "It is in Microsoft's TNEF form (winmail.dat). Switch rich text off."),
    "application/vnd.ms-tnef": ("tnef", "It is in Microsoft's TNEF form (winmail.dat). Switch rich text off."),
    "application/pkcs7-mime": ("encrypted", "It is encrypted or signed by S/MIME. Switch that off."),
    "application/x-pkcs7-mime": ("encrypted", "It is encrypted or signed by S/MIME. Switch that off."),
    "multipart/encrypted": ("encrypted", "It is encrypted. Switch that off."),
    "message/partial": ("partial", "It is only one part of a divided mail. Switch dividing (splitting) off."),
    "message/external-body": ("external", "It only says where the scan lies. Let the printer attach the scan."),
}
_UUENCODED = re.compile(rb"^begin [0-7]{3,4} \S", re.MULTILINE)
_EXACT = {"base64", "x-uuencode", "uuencode", "x-uue", "uue"}
"""Encodings that bring every byte as it was, whatever mail does to line ends."""
_BLANKS = b" \t\r\n\x00"


@dataclass(frozen=True)
class Document:
    """One scan: the file that holds it, its own folder around it, and what is known of it. ``size`` is bytes."""

    folder: Path
    name: str
    media_type: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Mail:
    """What counts of a mail: its title, its documents, and what tells it from another of the same content."""

    title: str
    marks: tuple[str, ...]
    documents: tuple[Document, ...]


def take_apart(mail: IO[bytes], folder: Path) -> Mail:
    """Write the documents of ``mail`` to ``folder``, as ``0/document``, ``1/document`` and so on.

    Needs about four times the mail's size in memory, since Python's parser holds it as text.

    Raises:
        RefusedMail: it holds no document, something else beside, or what cannot be read.
        OSError: the disk is full.
    """
    try:
        # compat32 reads whatever there is; the newer policies raise on headers that some printers write.
        message = message_from_binary_file(mail, policy=policy.compat32)
        parts = list(_leaves(message))
    except (RecursionError, MessageError):
        raise RefusedMail(_unreadable()) from None
    if len(parts) > MOST * 5:
        raise RefusedMail(_many())
    scans: list[tuple[Message, bytes]] = []
    logos: list[tuple[Message, bytes]] = []
    for part, shown in parts:
        content = _scan(part)
        if content is not None:
            (logos if shown else scans).append((part, content))
            part.set_payload("")  # its text is not needed any more
    found = scans or logos
    if not found:
        words = "There is no scan in the mail. Let the printer attach a PDF, JPEG, TIFF or PNG."
        raise RefusedMail(Reply(554, "5.6.0", words, "no_scan"))
    if len(found) > MOST:
        raise RefusedMail(_many())
    documents = tuple(_written(folder / str(place), part, content) for place, (part, content) in enumerate(found))
    marks = tuple(_header(message, name) for name in ("message-id", "date"))
    return Mail(_text(_header(message, "subject")), marks, documents)


def _leaves(part: Message, depth: int = 0, *, related: bool = False) -> Iterator[tuple[Message, bool]]:
    """Yield each part that holds no others, and whether it is only shown by another one (RFC 2387)."""
    kind = part.get_content_type()
    name = (part.get_filename() or "").lower()
    reason, words = _NO_SCANS.get(kind) or (_NO_SCANS["application/ms-tnef"] if name == "winmail.dat" else ("", ""))
    if reason:
        raise RefusedMail(Reply(554, "5.6.1", f"The mail cannot be read. {words}", reason))
    if depth > DEEPEST:
        raise RefusedMail(_unreadable())
    if part.is_multipart():
        for inner in part.get_payload():
            if isinstance(inner, Message):
                yield from _leaves(inner, depth + 1, related=kind == "multipart/related")
        return
    yield part, related and part["content-id"] is not None and part.get_content_disposition() != "attachment"


def _scan(part: Message) -> bytes | None:
    """Return a part's document, or None where the part is the mail's own text.

    Raises:
        RefusedMail: it is neither.
    """
    content = _decoded(part)
    attached = part.get_content_disposition() == "attachment" or part.get_filename() is not None
    if sniff(content[:16]):
        if _encoding(part) not in _EXACT:
            # CR and LF have gone through mail and parser: nobody could say that the bytes are the scanner's.
            words = "The scan is attached as it is, and mail may change it. Set the printer to base64 (MIME)."
            raise RefusedMail(Reply(554, "5.6.1", words, "encoding"))
        return content
    if part.get_content_maintype() == "text" and not attached:
        if _UUENCODED.search(content):
            words = "The scan is uuencoded within the text. Set the printer to MIME."
            raise RefusedMail(Reply(554, "5.6.1", words, "uuencoded"))
        return None
    if not content.strip(_BLANKS):
        raise RefusedMail(Reply(554, "5.6.0", "An attachment is empty. Scan again.", "empty_document"))
    words = "An attachment is no PDF, JPEG, TIFF or PNG. Let the printer attach nothing else."
    raise RefusedMail(Reply(554, "5.6.1", words, "unsupported_type"))


def _decoded(part: Message) -> bytes:
    """Return a part's bytes. base64 may have lines of any length, blanks, or lack its padding, but no gaps."""
    if _encoding(part) != "base64":
        content = part.get_payload(decode=True)
        return content if isinstance(content, bytes) else b""
    text = str(part.get_payload()).encode("ascii", "surrogateescape").translate(None, _BLANKS)
    try:
        return b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        damaged = Reply(554, "5.6.0", "An attachment is damaged: it is no whole base64. Scan again.", "damaged")
    raise RefusedMail(damaged)


def _encoding(part: Message) -> str:
    return str(part.get("content-transfer-encoding", "")).strip().lower()


def _written(folder: Path, part: Message, content: bytes) -> Document:
    folder.mkdir(mode=0o700)
    with private(folder / "document", os.O_WRONLY | os.O_EXCL) as file:
        file.write(content)
    media_type = sniff(content[:16]) or ""
    name = re.split(r"[/\\]", _text(part.get_filename() or ""))[-1].strip(". ") or f"scan.{_ENDINGS[media_type]}"
    return Document(folder, name, media_type, len(content), hashlib.sha256(content).hexdigest())


def _header(message: Message, name: str) -> str:
    """Return a header as it came; bytes that are no ASCII are surrogates."""
    found = (value for each, value in message.raw_items() if each.lower() == name)
    return str(next(found, ""))


def _text(value: str) -> str:
    """Return a header's text in one printable line: encoded-words (RFC 2047), or 8-bit as printers send it."""
    raw = value.encode("utf-8", "surrogateescape")
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = raw.decode("cp1252", "replace")
    with suppress(MessageError, LookupError, ValueError):  # unknown character set, broken base64: as it came
        text = str(make_header(decode_header(text)))
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:LONGEST_TEXT]


def _unreadable() -> Reply:
    return Reply(554, "5.6.0", "The mail cannot be read: its parts are too deep or broken.", "unreadable")


def _many() -> Reply:
    return Reply(554, "5.6.0", f"There are more than {MOST} documents in the mail. Send them in several.", "documents")
