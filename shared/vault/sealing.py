"""The sealed format, version 2. ``docs/sealed-format.md`` is its specification.

::

    0x02 | key id (16) | salt (32) | nonce (12) | commitment (32) | AES-256-GCM ciphertext and tag

The key id names a data key of the tenant; every record has an encryption key of its own, derived from that data key
and the salt. The commitment says for which key and place (tenant, table, partition, row, column …) the bytes are.
"""

from __future__ import annotations

import hmac
import os
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.vault.data_keys import DataKeys

SERVICE = "service"
"""Stands in for the tenant of what belongs to none yet, such as a consent begun in a browser."""
VERSION = b"\x02"
KEY_ID_BYTES, SALT_BYTES, NONCE_BYTES, COMMITMENT_BYTES, TAG_BYTES = 16, 32, 12, 32, 16
KEY_BYTES = 32
LARGEST_PLAINTEXT = 256 * 1024
_LABEL = b"to-my-email/2/"
_NAMED = len(VERSION) + KEY_ID_BYTES
_SALTED = _NAMED + SALT_BYTES
_NONCED = _SALTED + NONCE_BYTES
_HEADER = _NONCED + COMMITMENT_BYTES


class SealBroken(Exception):
    """The bytes do not open at this place; the text says why. Nothing is ever deleted because of it (threat G16)."""


class Sealer:
    """Seals and opens, each tenant under its own data key. Safe to use from many threads.

    Args:
        data_keys: gives the tenants' keys.
        environment: becomes part of the associated data, so that stages cannot be mixed.
        random_bytes: gives n random bytes.
    """

    def __init__(
        self, data_keys: DataKeys, environment: str, random_bytes: Callable[[int], bytes] = os.urandom
    ) -> None:
        self._data_keys = data_keys
        self._environment = environment
        self._random_bytes = random_bytes

    def seal(self, tid: str, plaintext: bytes, *place: str, anew: bool = False) -> bytes:
        """Seal ``plaintext`` for one place (table, partition, row, column …) of a tenant.

        Args:
            tid: the tenant; empty means :data:`SERVICE`.
            plaintext: at most :data:`LARGEST_PLAINTEXT` bytes.
            place: where the sealed bytes will lie, and whatever else names their owner.
            anew: this begins something new, so an erased tenant gets a new key.

        Raises:
            ValueError: it is larger than :data:`LARGEST_PLAINTEXT`.
            SealBroken: the tenant was erased, and nothing new has begun since.
            KeyServiceUnavailable, ServiceMisconfigured: the tenant's key cannot be had now.
        """
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        if len(plaintext) > LARGEST_PLAINTEXT:
            raise ValueError("too large to seal")
        tid = tid or SERVICE
        key_id, data_key = self._data_keys.sealing_key(tid, anew=anew)
        salt, nonce = self._random_bytes(SALT_BYTES), self._random_bytes(NONCE_BYTES)
        bound_to = self._bound_to(key_id, tid, place)
        key, commitment = _derived(data_key, salt, bound_to)
        ciphertext = AESGCM(key).encrypt(nonce, zlib.compress(plaintext), bound_to)
        return VERSION + key_id + salt + nonce + commitment + ciphertext

    def open(self, tid: str, sealed: bytes, *place: str) -> bytes:
        """Open what was sealed for exactly this tenant and place.

        Raises:
            SealBroken: truncated, unknown version, unknown key, key destroyed, another place, or damaged.
            KeyServiceUnavailable, ServiceMisconfigured: the tenant's key cannot be had now.
        """
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        tid = tid or SERVICE
        key_id = key_id_of(sealed)
        salt, nonce = sealed[_NAMED:_SALTED], sealed[_SALTED:_NONCED]
        bound_to = self._bound_to(key_id, tid, place)
        key, commitment = _derived(self._data_keys.opening_key(tid, key_id), salt, bound_to)
        if not hmac.compare_digest(commitment, sealed[_NONCED:_HEADER]):
            raise SealBroken("another place")
        try:
            compressed = AESGCM(key).decrypt(nonce, sealed[_HEADER:], bound_to)
        except InvalidTag as error:
            raise SealBroken("damaged") from error
        # Only what we sealed gets here, and that was limited before it was compressed.
        return zlib.decompress(compressed)

    def is_current(self, tid: str, sealed: bytes) -> bool:
        """Say whether ``sealed`` lies under the key that seals for the tenant now."""
        return key_id_of(sealed) == self._data_keys.sealing_key(tid or SERVICE)[0]

    def _bound_to(self, key_id: bytes, tid: str, place: tuple[str, ...]) -> bytes:
        return VERSION + key_id + framed(self._environment, tid, *place)


def key_id_of(sealed: bytes) -> bytes:
    """Return the id of the data key under which ``sealed`` lies. Not yet proof that it does.

    Raises:
        SealBroken: it is truncated, or of an unknown version.
    """
    if sealed[:1] not in {VERSION, b""}:
        raise SealBroken("unknown version")
    if len(sealed) < _HEADER + TAG_BYTES:
        raise SealBroken("truncated")
    return sealed[1:_NAMED]


def framed(*texts: str) -> bytes:
    """Return texts as bytes such that no two lists of texts give the same: each behind its length (4, big endian)."""
    parts = [text.encode() for text in texts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def hkdf(key: bytes, salt: bytes, use: bytes, length: int, context: bytes = b"") -> bytes:
    """Derive ``length`` bytes from ``key`` for one use (RFC 5869, SHA-256; info is our label, the use, the context)."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(SHA256(), length, salt, _LABEL + use + b"\0" + context).derive(key)


def _derived(data_key: bytes, salt: bytes, bound_to: bytes) -> tuple[bytes, bytes]:
    """Return the record's encryption key, and the commitment to key and place."""
    return hkdf(data_key, salt, b"encrypt", KEY_BYTES), hkdf(data_key, salt, b"commit", COMMITMENT_BYTES, bound_to)
