"""One mail as it travels by SMTP: a stream of known length that can be begun again (RFC 5322, RFC 2045).

Subject and file name may come from a device. They go through the room's own cleaning and encoding, and the
finished head is read back with Python's parser and compared with what was meant; a head that reads otherwise
is never sent (threats F01 to F06, F11, F13).

The boundary cannot occur in the content: every part is base64, whose alphabet has neither the hyphens that
begin a boundary line nor the underscore in ours (F17). For the same reason no line of it begins with a dot.
"""

from __future__ import annotations

import binascii
import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterator
from datetime import datetime
from email.utils import format_datetime

from shared import faults
from shared.mail import headers
from shared.mail.message import ENDINGS, SUBJECT_LONGEST, Message, clean, file_name
from shared.mail.readback import Meant, require_read_as
from shared.mail.transport import Document, Sender

CRLF = b"\r\n"
LINE_BYTES, LINE_OCTETS = 57, 78
"""Raw bytes of a line of base64, and its octets: 76 characters (RFC 2045 section 6.8) and CRLF."""
BLOCK = 1024 * LINE_BYTES
"""Raw bytes that are encoded at a time."""
_JOB = re.compile(r"[A-Za-z0-9-]{1,64}")
_WRITTEN: dict[str, Callable[[str], str]] = {"Subject": headers.unstructured, "To": headers.addresses}


class Mime:
    """A mail from a mailbox, to itself unless the message says otherwise, ready to be sent any number of times.

    Args:
        sender: the mailbox.
        message: what it says. Its ``job`` becomes the Message-ID, by which a duplicate can be recognised: no two
            mails to a mailbox may share it.
        document: the attachment, or None.
        domain: what stands behind the @ of the Message-ID.
        date: when it is sent, aware.

    Attributes:
        recipients: to whom it goes: the addresses of its header, and of the envelope.
        size: its octets, as RFC 1870 counts them: every CRLF, and neither added dots nor the final one.

    Raises:
        Unexpected: it cannot be written, or would not be read, as it is meant.
    """

    def __init__(
        self, sender: Sender, message: Message, document: Document | None, domain: str, date: datetime
    ) -> None:
        _require(headers.is_address(sender.address), "mailbox address")
        recipients = message.recipients or (sender.address,)
        _require(all(headers.is_address(each) for each in recipients), "recipient")
        _require(_JOB.fullmatch(message.job) is not None, "job")
        _require(document is None or message.attachment_type in ENDINGS, "attachment type")
        name = "" if document is None else file_name(message.attachment_name, message.attachment_type, "scan")
        meant = Meant(
            headers=(
                ("From", sender.address),
                ("To", ", ".join(recipients)),
                ("Subject", clean(message.subject, SUBJECT_LONGEST)),
                ("Date", format_datetime(date)),
                ("Message-ID", f"<{message.job}@{domain}>"),
                ("MIME-Version", "1.0"),
                ("x-to-my-email-job", message.job),
                # Nobody typed it, so no absence note is to answer it (F16): RFC 3834 section 5, [MS-OXCMAIL].
                ("Auto-Submitted", "auto-generated"),
                ("X-Auto-Response-Suppress", "OOF, AutoReply"),
            ),
            text=_text(message.text),
            attachment=(name, message.attachment_type) if name else None,
        )
        boundary = f"=_{hashlib.sha256(message.job.encode()).hexdigest()[:32]}"
        self.recipients = recipients
        self._head = _head(meant, boundary)
        self._tail = f"--{boundary}--\r\n".encode()
        self._document = document
        self.size = len(self._head) + base64_octets(document.size if document else 0) + len(self._tail)
        require_read_as(meant, self._head + self._tail)

    @property
    def overhead(self) -> int:
        """Octets of the mail without its document."""
        return len(self._head) + len(self._tail)

    def chunks(self) -> Iterator[bytes]:
        """Yield the mail from its start, in pieces of at most some 100 KB that end with a line.

        Raises:
            DocumentMismatch, DocumentMissing: as the document does, before the last piece.
        """
        yield self._head
        if self._document is not None:
            yield from _encoded(self._document)
        yield self._tail


def base64_octets(size: int) -> int:
    """Return how many octets ``size`` bytes are in lines of base64."""
    lines, rest = divmod(size, LINE_BYTES)
    return lines * LINE_OCTETS + (4 * ((rest + 2) // 3) + len(CRLF) if rest else 0)


def largest_document(octets: int) -> int:
    """Return how many bytes fit into so many octets of base64, in whole lines."""
    return max(octets, 0) // LINE_OCTETS * LINE_BYTES


def _encoded(document: Document) -> Iterator[bytes]:
    """Yield the document in lines of base64, one of its pieces at a time."""
    rest, size = b"", 0
    for chunk in document.chunks():
        size += len(chunk)
        # The line that two pieces share is made first, so that nothing longer is copied.
        shared = min(-len(rest) % LINE_BYTES, len(chunk))
        rest += chunk[:shared]
        if len(rest) % LINE_BYTES:
            continue
        piece = memoryview(chunk)[shared:]
        whole = len(piece) // LINE_BYTES * LINE_BYTES
        if rest:
            yield _base64(memoryview(rest))
        for start in range(0, whole, BLOCK):
            yield _base64(piece[start : min(start + BLOCK, whole)])
        rest = bytes(piece[whole:])
    if size != document.size:
        raise faults.DocumentMismatch("size")
    if rest:
        yield _base64(memoryview(rest))


def _base64(content: memoryview) -> bytes:
    """Return whole lines of base64, each with its CRLF."""
    starts = range(0, len(content), LINE_BYTES)
    lines = [binascii.b2a_base64(content[start : start + LINE_BYTES], newline=False) for start in starts]
    return CRLF.join([*lines, b""])


def _head(meant: Meant, boundary: str) -> bytes:
    """Return everything before the document: the headers, the text, and the attachment's headers."""
    lines = [f"{name}: {_WRITTEN.get(name, str)(value)}" for name, value in meant.headers]
    lines += [f'Content-Type: multipart/mixed;{headers.FOLD}boundary="{boundary}"', ""]
    lines += [f"--{boundary}", "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: base64", "", ""]
    # That it is ASCII is seen when it is read back.
    head = "\r\n".join(lines).encode() + _base64(memoryview(meant.text.encode()))
    if meant.attachment is None:
        return head
    name, kind = meant.attachment
    lines = [f"--{boundary}", f"Content-Type: {kind}", "Content-Transfer-Encoding: base64"]
    lines += [f"Content-Disposition: {headers.attachment(name)}", "", ""]
    return head + "\r\n".join(lines).encode()


def _text(text: str) -> str:
    """Return a text with every line ended by CRLF, without controls and lone surrogates (F18)."""
    kept = (each for each in text if each in "\r\n\t" or unicodedata.category(each) not in {"Cc", "Cs"})
    return "".join(f"{line}\r\n" for line in re.split(r"\r\n|\r|\n", "".join(kept)))


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise faults.Unexpected(f"{what} cannot be written into a mail")
