"""What is sent: one mail, from a mailbox to itself unless it says otherwise, with one attachment.

Nothing a device says can become a header: subject and file name are reduced to plain printable text (threats F01 to
F06). A mail to oneself takes no recipient from anybody; those of a printer's own mail are plain addresses, each of
which was checked before (F03, F08), and no names.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

SUBJECT_LONGEST = 200
NAME_LONGEST = 100
"""Characters, without the ending."""
ENDINGS = {"application/pdf": ".pdf", "image/jpeg": ".jpg", "image/tiff": ".tif", "image/png": ".png"}
_ALSO_FINE = {"image/jpeg": {".jpg", ".jpeg"}, "image/tiff": {".tif", ".tiff"}}
# Microsoft, "Naming Files, Paths, and Namespaces": with any ending too, and with superscript digits.
_WINDOWS_DEVICES = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])( *\..*)?", re.IGNORECASE)


@dataclass(frozen=True)
class Message:
    """A mail. Build it with cleaned texts only (:func:`clean`, :func:`file_name`)."""

    job: str
    """What it is about, for the header ``x-to-my-email-job``: the scan's id, or a word of ours."""
    subject: str
    text: str
    attachment_name: str = ""
    attachment_type: str = ""
    recipients: tuple[str, ...] = ()
    """Plain addresses (:func:`shared.mail.headers.is_address`); none: the sender himself."""


def clean(text: str, longest: int) -> str:
    """Return ``text`` as one line of visible characters in NFC, cut to ``longest``.

    Controls, line and paragraph separators, bidi and zero-width characters, private use and lone
    surrogates go; encoded-words are harmless because no header is built from text here, but ``=?`` is
    broken up all the same, for readers that decode twice.
    """
    kept = []
    for character in text:
        kind = unicodedata.category(character)
        if kind in {"Cc", "Zl", "Zp", "Zs"}:
            kept.append(" ")
        elif kind[0] != "C":
            kept.append(character)
    # Only now: what stood between a letter and its accent may have gone.
    line = unicodedata.normalize("NFC", "".join(kept))
    return " ".join(line.replace("=?", "= ?").split())[:longest].rstrip()


def file_name(name: str, media_type: str, otherwise: str) -> str:
    """Return a file name that is safe on every system and ends in what the document really is.

    Args:
        name: what the device called it; paths, reserved names and other endings are dealt with.
        media_type: the type found in the content; decides the ending.
        otherwise: the name without ending, where nothing is left.
    """
    stem = clean(name, 4 * NAME_LONGEST).replace("\\", "/").rpartition("/")[2]
    stem = re.sub(r'[<>:"|?*;,=%]', "_", stem)
    fine = _ALSO_FINE.get(media_type, {ENDINGS[media_type]})
    head, dot, tail = stem.rpartition(".")
    ending = f".{tail.lower()}" if dot and f".{tail.lower()}" in fine else ENDINGS[media_type]
    if dot and f".{tail.lower()}" in fine:
        stem = head
    stem = stem.strip(" .")[:NAME_LONGEST].rstrip(" .")
    if not stem or _WINDOWS_DEVICES.fullmatch(stem):
        stem = otherwise
    return stem + ending
