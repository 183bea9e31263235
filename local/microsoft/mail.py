"""Messages, read from Graph's JSON or from MIME."""

import base64
import binascii
import hashlib
import json
import os
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import getaddresses
from tempfile import TemporaryFile
from typing import Any


class GraphError(Exception):
    """An error of Graph: HTTP ``status``, ``code`` and ``message`` of its error JSON, and seconds for Retry-After."""

    def __init__(self, status: int, code: str, message: str, retry_after: int | None = None) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status, self.code, self.message, self.retry_after = status, code, message, retry_after


class Spool:
    """Bytes on disk, in a file without a name that goes when this goes."""

    def __init__(self) -> None:
        self._file = TemporaryFile(buffering=0)  # noqa: SIM115  (it lives as long as the attachment)

    def append(self, content: bytes) -> None:
        """Add bytes at the end."""
        self._file.write(content)

    def pieces(self) -> Iterator[bytes]:
        """Yield the bytes, a mebibyte at a time."""
        place = 0
        while piece := os.pread(self._file.fileno(), 1 << 20, place):
            place += len(piece)
            yield piece

    def __del__(self) -> None:
        self._file.close()


class Attachment:
    """A file of a message."""

    def __init__(self, name: str, content_type: str, held: bytes | Spool) -> None:
        self.id = f"AAMkA{secrets.token_urlsafe(24)}"
        self.name = name
        self.content_type = content_type
        self._held = held
        digest = hashlib.sha256()
        self.size = 0
        for piece in self.pieces():
            digest.update(piece)
            self.size += len(piece)
        self.sha256 = digest.hexdigest()

    @property
    def content(self) -> bytes:
        """All the bytes at once."""
        return b"".join(self.pieces())

    def pieces(self) -> Iterable[bytes]:
        """Answer the bytes in pieces that fit into memory."""
        return [self._held] if isinstance(self._held, bytes) else self._held.pieces()

    def described(self) -> dict[str, object]:
        """Answer ``{name, type, size, sha256}``; size in bytes."""
        return {"name": self.name, "type": self.content_type, "size": self.size, "sha256": self.sha256}


@dataclass
class Message:
    """A message as it was submitted. ``senders`` are the addresses it claims to be from."""

    subject: str = ""
    senders: tuple[str, ...] = ()
    recipients: dict[str, tuple[str, ...]] = field(default_factory=dict)
    body: str = ""
    body_type: str = "text/plain"
    headers: list[tuple[str, str]] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    message_id: str = ""
    save: bool = True
    received: datetime | None = None
    sender: str = ""

    @property
    def travelling_size(self) -> float:
        """About how many bytes it has as it travels, with its files in base64: what Exchange's limit counts."""
        return sum(attachment.size for attachment in self.attachments) * 4 / 3

    def everybody(self) -> list[str]:
        """Answer all recipients, to, cc and bcc, once each and in order."""
        return list(dict.fromkeys(address for group in self.recipients.values() for address in group))

    def described(self) -> dict[str, object]:
        """Answer the JSON that tests read; without Bcc, which a recipient does not see."""
        return {
            "message_id": self.message_id,
            "received": self.received.isoformat() if self.received else None,
            "from": self.sender,
            "to": list(self.recipients.get("to", ())),
            "cc": list(self.recipients.get("cc", ())),
            "subject": self.subject,
            "body": self.body,
            "body_type": self.body_type,
            "headers": [list(pair) for pair in self.headers],
            "attachments": [attachment.described() for attachment in self.attachments],
        }


def from_json(body: bytes) -> Message:
    """Read the body of ``POST /me/sendMail`` (https://learn.microsoft.com/graph/api/user-sendmail).

    Raises:
        GraphError: UnableToDeserializePostBody, ErrorInvalidRequest and other refusals of a bad body.
    """
    try:
        request = json.loads(body)
        return _from_parsed(request)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise GraphError(
            400, "UnableToDeserializePostBody", "were unable to deserialize the posted message."
        ) from error


def from_mime(body: bytes) -> Message:
    """Read base64 of MIME, the other form of ``POST /me/sendMail``.

    Raises:
        GraphError: ErrorMimeContentInvalidBase64String.
    """
    try:
        raw = base64.b64decode(b"".join(body.split()), validate=True)
    except binascii.Error as error:
        raise GraphError(
            400, "ErrorMimeContentInvalidBase64String", "Invalid base64 string for MIME content."
        ) from error
    return from_wire(raw)


def from_wire(raw: bytes) -> Message:
    """Read a message as it travels (RFC 5322)."""
    parsed = message_from_bytes(raw, policy=policy.default)
    text = parsed.get_body(("plain", "html"))
    return Message(
        subject=str(parsed.get("Subject", "")),
        senders=_addresses(parsed, "From") + _addresses(parsed, "Sender"),
        recipients={name: _addresses(parsed, name) for name in ("to", "cc", "bcc")},
        body=str(text.get_content()) if text is not None else "",
        body_type=text.get_content_type() if text is not None else "text/plain",
        headers=[(name, str(value)) for name, value in parsed.items() if name.lower() != "bcc"],
        attachments=[_attached(part) for part in parsed.iter_attachments()],
        message_id=str(parsed.get("Message-ID", "")),
    )


def _from_parsed(request: dict[str, Any]) -> Message:
    unknown = set(request) - {"message", "saveToSentItems"}
    if unknown:
        raise GraphError(400, "ErrorInvalidRequest", f"The parameter '{min(unknown)}' does not exist.")
    save = request.get("saveToSentItems", True)
    message = message_of(request["message"])
    message.save = save if isinstance(save, bool) else str(save).lower() == "true"
    return message


def message_of(fields: dict[str, Any]) -> Message:
    """Read Graph's message resource (https://learn.microsoft.com/graph/api/resources/message).

    Raises:
        GraphError: a header or an attachment that cannot be sent. KeyError, TypeError: a malformed one.
    """
    body = fields.get("body") or {"contentType": "Text", "content": ""}
    headers = [(header["name"], header["value"]) for header in fields.get("internetMessageHeaders", [])]
    for name, _ in headers:
        if not name.lower().startswith("x-"):
            raise GraphError(
                400,
                "InvalidInternetMessageHeader",
                f"The internet message header name '{name}' should start with 'x-' or 'X-'.",
            )
    return Message(
        subject=str(fields.get("subject") or ""),
        senders=tuple(fields[name]["emailAddress"]["address"] for name in ("from", "sender") if fields.get(name)),
        recipients={
            short: tuple(str(entry["emailAddress"]["address"]) for entry in fields.get(name, []))
            for short, name in (("to", "toRecipients"), ("cc", "ccRecipients"), ("bcc", "bccRecipients"))
        },
        body=body["content"],
        body_type="text/html" if body.get("contentType", "Text").lower() == "html" else "text/plain",
        headers=headers,
        attachments=[file_attachment(entry) for entry in fields.get("attachments", [])],
    )


def file_attachment(entry: dict[str, Any]) -> Attachment:
    """Read Graph's fileAttachment resource. Raises GraphError for another kind, KeyError if malformed."""
    if entry["@odata.type"].lstrip("#") != "microsoft.graph.fileAttachment":
        raise GraphError(400, "ErrorInvalidRequest", "Only file attachments can be sent here.")
    content = base64.b64decode(entry["contentBytes"], validate=True)
    return Attachment(entry["name"], entry.get("contentType") or "application/octet-stream", content)


def _attached(part: EmailMessage) -> Attachment:
    payload = part.get_payload(decode=True)
    content = payload if isinstance(payload, bytes) else part.as_bytes()
    return Attachment(part.get_filename() or "attachment", part.get_content_type(), content)


def _addresses(parsed: EmailMessage, name: str) -> tuple[str, ...]:
    values = [str(value) for value in parsed.get_all(name, [])]
    return tuple(address for _, address in getaddresses(values) if address)
