"""Base64url without padding, in its one canonical form (RFC 7515 section 2, RFC 4648 sections 3.3 to 3.5).

The standard library skips foreign characters and ignores spare bits, so that one key would have many
thumbprints, and one nonce many spellings.
"""

from __future__ import annotations

import base64


def encode(raw: bytes) -> str:
    """Return ``raw`` in base64url without padding."""
    return base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=")


def decode(text: object, length: int) -> bytes:
    """Return the ``length`` bytes of which ``text`` is the canonical form.

    Raises:
        ValueError: it is no text, or another one.
    """
    if not isinstance(text, str) or len(text) != (length * 8 + 5) // 6:
        raise ValueError("not base64url of this length")
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if encode(raw) != text:
        raise ValueError("not canonical base64url")
    return raw
