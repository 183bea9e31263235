"""The sealed format, version 1.

::

    0x01 | nonce (12 bytes) | AES-256-GCM ciphertext and tag of the zlib-compressed plaintext

Associated data: the place where the sealed bytes lie, as a list of texts (environment, table,
partition, row, column, and whatever else names the owner), each as four bytes of length, big
endian, and its UTF-8. Bytes moved to another row, column or table do not open.

The nonce is random; with 96 bits a key must not seal more than 2^32 times.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable

VERSION = b"\x01"
NONCE_BYTES = 12
TAG_BYTES = 16
LARGEST_PLAINTEXT = 256 * 1024


class SealBroken(Exception):
    """The bytes do not open at this place. Nothing is ever deleted because of it (threat G16)."""


class Sealer:
    """Seals and opens under one key. Safe to use from many threads.

    Args:
        key: 32 bytes.
        environment: becomes part of the associated data, so that stages cannot be mixed.
        random_bytes: gives n random bytes.
    """

    def __init__(self, key: bytes, environment: str, random_bytes: Callable[[int], bytes] = os.urandom) -> None:
        self._key = key
        self._environment = environment
        self._random_bytes = random_bytes

    def seal(self, plaintext: bytes, *place: str) -> bytes:
        """Seal ``plaintext`` for one place (table, partition, row, column …).

        Raises:
            ValueError: it is larger than :data:`LARGEST_PLAINTEXT`.
        """
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        if len(plaintext) > LARGEST_PLAINTEXT:
            raise ValueError("too large to seal")
        nonce = self._random_bytes(NONCE_BYTES)
        return VERSION + nonce + AESGCM(self._key).encrypt(nonce, zlib.compress(plaintext), self._bound_to(place))

    def open(self, sealed: bytes, *place: str) -> bytes:
        """Open what was sealed for exactly this place.

        Raises:
            SealBroken: another place, another key, an unknown version, or damaged bytes.
        """
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        if len(sealed) < len(VERSION) + NONCE_BYTES + TAG_BYTES:
            raise SealBroken("truncated")
        if sealed[:1] != VERSION:
            raise SealBroken("unknown version")
        nonce, ciphertext = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
        try:
            compressed = AESGCM(self._key).decrypt(nonce, ciphertext, self._bound_to(place))
        except InvalidTag as error:
            raise SealBroken("another place, another key, or damaged") from error
        # Only what we sealed gets here, and that was limited before it was compressed.
        return zlib.decompress(compressed)

    def _bound_to(self, place: tuple[str, ...]) -> bytes:
        parts = [part.encode() for part in (self._environment, *place)]
        return b"".join(len(part).to_bytes(4, "big") + part for part in parts)
