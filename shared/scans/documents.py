"""What kind of document some bytes are. Nothing is decoded or rendered (threats E08, E09, E10)."""

from __future__ import annotations

HEAD_BYTES = 1024
END_BYTES = 1024
"""How much of both ends of an uploaded document is looked at; a PDF's end mark lies in its last 1024 bytes."""
_PADDING = b"\x00\t\n\f\r "
_IMAGE_END = {"image/jpeg": b"\xff\xd9", "image/png": b"\x00\x00\x00\x00IEND\xaeB`\x82"}
_TIFF_HEADER = 8

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


def ends_well(head: bytes, tail: bytes, size: int, media_type: str) -> bool:
    """Say whether a document ends where its type says it does: it is whole, and nothing else hangs behind it.

    Scanners pad with NULs and blanks; that is let pass. A TIFF has no end: its first directory must lie within it.
    Sources: ISO 32000-1 section 7.5.5; ITU-T T.81 section B.1.1.3; PNG section 11.2.5; TIFF 6.0 section 2.

    Args:
        head: the first bytes, at least eight of a TIFF.
        tail: the last bytes.
        size: of the whole, in bytes.
        media_type: as :func:`media_type_of` found it.
    """
    end = tail.rstrip(_PADDING)
    if media_type == "application/pdf":
        return end.endswith(b"%%EOF")
    if media_type in _IMAGE_END:
        # What looks like padding may be the last bytes of the mark itself; none of these marks ends so.
        return end.endswith(_IMAGE_END[media_type])
    first = int.from_bytes(head[4:_TIFF_HEADER], "little" if head.startswith(b"II") else "big")
    return _TIFF_HEADER <= first < size
