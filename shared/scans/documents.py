"""What kind of document some bytes are. Nothing is decoded or rendered (threats E08, E09, E10)."""

from __future__ import annotations

HEAD_BYTES = 1024

_MAGIC = (
    (b"%PDF-", "application/pdf"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
)


def media_type_of(head: bytes) -> str | None:
    """Return the media type that the first bytes show, or None. The mark must be at byte 0."""
    return next((media_type for magic, media_type in _MAGIC if head.startswith(magic)), None)
