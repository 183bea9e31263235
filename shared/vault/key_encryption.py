"""Key-encryption keys: what a tenant's data key is wrapped with. Here the interface, and a key file for one machine."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from shared import faults

LOCAL = "local:"


@dataclass(frozen=True)
class WrappedKey:
    """A data key as it lies in storage: wrapped, and the id of the key version it is wrapped with."""

    wrapped_with: str
    value: bytes


class KeyEncryption(Protocol):
    """Wraps and unwraps data keys. Whoever wraps need not be able to unwrap; wrapped bytes prove no author."""

    def current(self) -> str:
        """Return the id of the key version that wraps from now on, asked of whoever keeps it.

        Raises:
            KeyServiceUnavailable, ServiceMisconfigured: it does not answer, or refuses.
        """

    def wrap(self, data_key: bytes) -> WrappedKey:
        """Wrap a data key with a current version (one that was current within the hour).

        Raises:
            KeyServiceUnavailable, ServiceMisconfigured: the keeper does not answer, or refuses.
        """

    def unwrap(self, wrapped: WrappedKey) -> bytes:
        """Return the data key.

        Raises:
            KeyServiceUnavailable: the keeper does not answer.
            ServiceMisconfigured: the keeper refuses, the bytes are damaged, or the key is none that this instance has.
        """


class KeyFile:
    """Keys from a file, for one machine: AES-256 key wrap (RFC 3394). Production refuses it (threat G10).

    Args:
        keys: 32 bytes each. The first wraps; the others, its predecessors, only unwrap.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = {LOCAL + hashlib.sha256(b"key file " + key).hexdigest()[:32]: key for key in keys}

    def current(self) -> str:
        """Return the id of the file's first key."""
        return next(iter(self._keys))

    def wrap(self, data_key: bytes) -> WrappedKey:
        """Wrap with the first key."""
        from cryptography.hazmat.primitives.keywrap import aes_key_wrap

        name = self.current()
        return WrappedKey(name, aes_key_wrap(self._keys[name], data_key))

    def unwrap(self, wrapped: WrappedKey) -> bytes:
        """Unwrap with whichever key of the file it was wrapped with.

        Raises:
            ServiceMisconfigured: the key is not in the file, or the bytes are damaged.
        """
        from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap

        key = self._keys.get(wrapped.wrapped_with)
        if key is None:
            raise faults.ServiceMisconfigured("unknown key-encryption key")
        try:
            return aes_key_unwrap(key, wrapped.value)
        except InvalidUnwrap as error:
            raise faults.ServiceMisconfigured("wrapped key damaged") from error
