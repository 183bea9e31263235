"""Nonces without memory: a signed time. They say "just now" where a printer's clock cannot (threat D08)."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from datetime import UTC, datetime

from shared.devices import base64url

LIFE_SECONDS = 300
SKEW_SECONDS = 30
"""How far the clocks of two instances may be apart."""
_TIME_BYTES, _RANDOM_BYTES, _MAC_BYTES = 8, 8, 16


class Nonces:
    """Makes nonces and recognises its own. A nonce may be used more than once; ``jti`` stops replays."""

    def __init__(self, service_key: bytes, clock: Callable[[], datetime], random_bytes: Callable[[int], bytes]) -> None:
        self._key = hmac.digest(service_key, b"device nonce", "sha256")
        self._clock = clock
        self._random_bytes = random_bytes

    def make(self) -> str:
        """Return a nonce that is good for :data:`LIFE_SECONDS`."""
        told = int(self._clock().timestamp()).to_bytes(_TIME_BYTES, "big") + self._random_bytes(_RANDOM_BYTES)
        return base64url.encode(told + self._mac(told))

    def fresh(self, nonce: object) -> bool:
        """Say whether ``nonce`` is ours, letter by letter, and still good."""
        return self.made_at(nonce) is not None

    def made_at(self, nonce: object) -> datetime | None:
        """Return when we made ``nonce``, to the second, or None where it is not ours or not good any more."""
        try:
            raw = base64url.decode(nonce, _TIME_BYTES + _RANDOM_BYTES + _MAC_BYTES)
        except ValueError:
            return None
        told, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(told)):
            return None
        made = int.from_bytes(told[:_TIME_BYTES], "big")
        age = self._clock().timestamp() - made
        return datetime.fromtimestamp(made, UTC) if -SKEW_SECONDS <= age <= LIFE_SECONDS else None

    def _mac(self, told: bytes) -> bytes:
        return hmac.digest(self._key, told, "sha256")[:_MAC_BYTES]
