"""The audit as a file."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import asdict, fields

from shared.audit.audit import Entry

_COLUMNS = [field.name for field in fields(Entry)]
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a spreadsheet may take for the beginning of a formula (OWASP, "CSV Injection"), full-width forms among them."""


def as_json(entries: Iterable[Entry]) -> bytes:
    """Return the acts as a JSON array; times are RFC 3339."""
    return json.dumps([_plain(entry) for entry in entries], ensure_ascii=False, indent=1).encode(errors="replace")


def as_csv(entries: Iterable[Entry]) -> bytes:
    """Return the acts as CSV (RFC 4180) in UTF-8 with a byte order mark, by which spreadsheets know the encoding.

    A value that could be a formula begins with an apostrophe (threat H07).
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)
    writer.writerow(_COLUMNS)
    for entry in entries:
        writer.writerow([_harmless(value) for value in _plain(entry).values()])
    return b"\xef\xbb\xbf" + out.getvalue().encode(errors="replace")


def _plain(entry: Entry) -> dict[str, str]:
    return {**asdict(entry), "at": entry.at.isoformat()}


def _harmless(value: str) -> str:
    # A spreadsheet may skip what is blank before it looks.
    return f"'{value}" if value.startswith(_FORMULA) or value.lstrip().startswith(_FORMULA) else value
