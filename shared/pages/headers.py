"""Security headers of every page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

_NONCE = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
_HOST = re.compile(r"[A-Za-z0-9.-]+(?::[0-9]{1,5})?|\[[0-9A-Fa-f:]+\](?::[0-9]{1,5})?")

_FEATURES_NOT_USED = (
    "accelerometer",
    "autoplay",
    "camera",
    "display-capture",
    "encrypted-media",
    "fullscreen",
    "geolocation",
    "gyroscope",
    "magnetometer",
    "microphone",
    "midi",
    "payment",
    "picture-in-picture",
    "publickey-credentials-get",
    "screen-wake-lock",
    "usb",
    "xr-spatial-tracking",
)


def security_headers(form_targets: Sequence[str], nonce: str | None = None) -> dict[str, str]:
    """Return the headers that fence a page in.

    Args:
        form_targets: addresses, beside our own, to which a form may lead. Chromium applies ``form-action`` to the
            redirects of a form too (W3C CSP 3 section 6.4.2), so the way to Microsoft needs the authority here. Only
            their origins are used.
        nonce: admits the one script of a page that carries it; without it no script runs at all.

    Returns:
        Header names and values.

    Raises:
        ValueError: a target is no http(s) address, or the nonce is not base64 of at least 12 bytes.
    """
    if nonce is not None and not _NONCE.fullmatch(nonce):
        raise ValueError("a nonce is base64 of at least 12 bytes")
    directives = {
        "default-src": "'none'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "font-src": "'none'",
        "form-action": " ".join(["'self'", *(_origin(target) for target in form_targets)]),
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
    }
    if nonce is not None:
        directives["script-src"] = f"'nonce-{nonce}'"
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in directives.items()),
        "X-Frame-Options": "DENY",
        "X-Content-Type-Options": "nosniff",
        # Not no-referrer: under that a form says Origin null to its own site, and the check against forged
        # forms refuses it (Fetch standard, "append a request Origin header"). Other sites learn nothing either way.
        "Referrer-Policy": "same-origin",
        "Cache-Control": "no-store",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": ", ".join(f"{feature}=()" for feature in _FEATURES_NOT_USED),
        # RFC 6797; a browser ignores it over plain http, as on one machine.
        "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
    }


def _origin(address: str) -> str:
    parts = urlsplit(address)
    if parts.scheme not in {"http", "https"} or not _HOST.fullmatch(parts.netloc):
        raise ValueError(f"not an http(s) address: {address!r}")
    return f"{parts.scheme}://{parts.netloc}"
