"""A message as Graph's JSON, streamed: one document in base64 in the middle of it, never in memory as a whole.

JSON and not MIME: no header is built from text, and it carries a third more per request.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

from shared import faults
from shared.mail.graph.client import REQUEST_LIMIT
from shared.mail.headers import is_address
from shared.mail.message import Message
from shared.mail.transport import Document, Sender

ENVELOPE_LIMIT = 64 * 1024
"""Bytes that everything but the document may take at worst: JSON writes one character of a text with up to twelve."""
LARGEST_DOCUMENT = (REQUEST_LIMIT - ENVELOPE_LIMIT) // 4 * 3
"""Bytes of a document that fits into one request beside any envelope."""
_PIECE = 3 * 64 * 1024
"""Bytes of the document that become one piece; a multiple of three, so that base64 needs no padding inside."""


def message_fields(message: Message, sender: Sender) -> dict[str, Any]:
    """Return Graph's message resource, without any attachment: to whom the message says, or to the mailbox itself."""
    recipients = message.recipients or (sender.address,)
    if message.recipients and not all(is_address(each) for each in recipients):
        raise faults.Unexpected("recipient cannot be written into a mail")
    return {
        "subject": message.subject,
        "body": {"contentType": "Text", "content": message.text},
        "toRecipients": [{"emailAddress": {"address": each}} for each in recipients],
        "internetMessageHeaders": [{"name": "x-to-my-email-job", "value": message.job}],
    }


def attachment_fields(message: Message) -> dict[str, Any]:
    """Return Graph's fileAttachment resource with an empty place for its bytes."""
    return {
        "@odata.type": "#microsoft.graph.fileAttachment",
        "name": message.attachment_name,
        "contentType": message.attachment_type,
        "contentBytes": "",
    }


class Body:
    """JSON with a document's base64 in it, for ``requests``: it has a length and can be read again from its start.

    Args:
        before: the JSON up to the opening quote of the base64.
        document: the bytes.
        after: the JSON from the closing quote on.

    Attributes:
        ended: whether the last piece was handed over. Before that no server can have the whole request.
    """

    def __init__(self, before: bytes, document: Document | None, after: bytes) -> None:
        self._before = before
        self._document = document
        self._after = after
        self._size = 0 if document is None else document.size
        self.ended = False

    def __len__(self) -> int:
        """Return the exact number of bytes."""
        return len(self._before) + (self._size + 2) // 3 * 4 + len(self._after)

    def __iter__(self) -> Iterator[bytes]:
        """Yield the bytes from the start.

        Raises:
            DocumentMismatch: the document is not what was announced; the last piece was not yielded.
            Fault: as :meth:`shared.mail.transport.Document.chunks`, likewise.
        """
        self.ended = False
        yield self._before
        if self._document is not None:
            yield from self._encoded(self._document)
        self.ended = True
        yield self._after

    def _encoded(self, document: Document) -> Iterator[bytes]:
        rest, size = b"", 0
        for chunk in document.chunks():
            size += len(chunk)
            if size > self._size:
                # The length is said already: a byte more would be the beginning of another request.
                raise faults.DocumentMismatch("size")
            view = memoryview(chunk)
            for start in range(0, len(view), _PIECE):
                piece = rest + view[start : start + _PIECE]
                whole = len(piece) - len(piece) % 3
                yield base64.b64encode(piece[:whole])
                rest = piece[whole:]
        if size != self._size:
            raise faults.DocumentMismatch("size")
        yield base64.b64encode(rest)


def body_of(fields: dict[str, Any], document: Document | None) -> Body:
    """Return ``fields`` as a body; where there is a document, the empty ``contentBytes`` in it becomes its base64."""
    text = json.dumps(fields)
    if document is None:
        return Body(text.encode(), None, b"")
    # JSON escapes every quote inside of a text, so that this stands nowhere else.
    before, mark, after = text.rpartition('"contentBytes": ""')
    assert mark
    return Body(f"{before}{mark[:-1]}".encode(), document, f'"{after}'.encode())
