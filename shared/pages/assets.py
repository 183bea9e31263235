"""Static files: a closed list, each cacheable for as long as its content does not change."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_STATIC = Path(__file__).parent / "static"

_MEDIA_TYPES = {
    "style.css": "text/css; charset=utf-8",
    "logo.svg": "image/svg+xml",
}
"""The files that are served; nothing else in the folder is, whatever name is asked for."""


@dataclass(frozen=True)
class Asset:
    """A static file as it is served.

    Attributes:
        body: its bytes.
        media_type: its Content-Type.
        headers: caching and protection; Content-Type is among them.
    """

    body: bytes
    media_type: str
    headers: dict[str, str]


def asset(name: str, version: str | None = None) -> Asset | None:
    """Return a static file for ``/assets/{name}?v={version}``, or None where there is no such file.

    A browser may keep for a year what it asked for by the right version. Under another version (two releases side
    by side while one replaces the other) or none it must ask again.
    """
    if name not in _MEDIA_TYPES:
        return None
    body, digest = _read(name)
    headers = {
        "Content-Type": _MEDIA_TYPES[name],
        "Cache-Control": "public, max-age=31536000, immutable" if version == digest else "no-cache",
        "ETag": f'"{digest}"',
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
        # An SVG opened by itself is a document.
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    }
    return Asset(body=body, media_type=_MEDIA_TYPES[name], headers=headers)


def asset_address(name: str) -> str:
    """Return the path under which a page links a static file.

    Raises:
        KeyError: there is no such file.
    """
    if name not in _MEDIA_TYPES:
        raise KeyError(name)
    return f"/assets/{name}?v={_read(name)[1]}"


@cache
def _read(name: str) -> tuple[bytes, str]:
    body = (_STATIC / name).read_bytes()
    return body, hashlib.sha256(body).hexdigest()[:16]
