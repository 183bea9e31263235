r"""One data key per tenant, in versions, wrapped with the key-encryption key.

Table ``keys``, partition tenant, row version. The newest version seals, the older ones open::

    (none) --first use--> active --a newer version--> retired --nothing lies under it--> destroyed
                             \_______________________________\--the tenant is erased--> destroyed

A version number is given once, by insert-if-absent, and that alone decides every race: of two that make the first
key, of two that rotate, and of a rotation against an erasure. An erasure first takes the next version for a
tombstone, so nothing can be made behind its back; only something new (a sign-in) makes a key after a tombstone.

A wrapped key proves no author: RSA wraps with a public key. So each row carries a MAC under a key that is not in
storage; without it, whoever can write the table could have everything sealed under a key of his own.
"""

from __future__ import annotations

import hmac
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared import faults
from shared.storage import AlreadyThere, Row, Table, Value, key
from shared.vault.key_encryption import KeyEncryption, WrappedKey
from shared.vault.sealing import KEY_BYTES, KEY_ID_BYTES, SealBroken, framed, hkdf
from shared.vault.unwrapped_keys import UnwrappedKeys

RING_LIFE = timedelta(seconds=60)
"""So long a process may not know of a new version or an erasure."""
_DESTROYED: Mapping[str, Value | None] = {"destroyed": True, "wrapped": None, "wrapped_with": None, "mac": None}


@dataclass(frozen=True)
class DataKey:
    """One version of a tenant's data key, as it lies in storage. A tombstone has an empty ``id``."""

    tid: str
    version: int
    id: bytes
    created: datetime
    wrapped: WrappedKey | None
    """None where it is destroyed."""
    mac: bytes


class DataKeys:
    """The data keys of all tenants. Safe to use from many threads.

    Args:
        table: the table ``keys``.
        key_encryption: wraps and unwraps.
        environment: is bound to every key, as to every record.
        mac_keys: secrets that are not in storage. The first vouches for rows; its predecessors are believed, too.
        clock: the time now.
        random_bytes: gives n random bytes.
    """

    def __init__(
        self,
        table: Table,
        key_encryption: KeyEncryption,
        environment: str,
        mac_keys: Sequence[bytes],
        clock: Callable[[], datetime],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._table = table
        self._key_encryption = key_encryption
        self._environment = environment
        self._mac_keys = [hmac.digest(secret, b"data key rows", "sha256") for secret in mac_keys]
        self._clock = clock
        self._random_bytes = random_bytes
        self._unwrapped = UnwrappedKeys(key_encryption, clock)
        self._lock = threading.Lock()
        self._rings: dict[str, tuple[datetime, list[DataKey]]] = {}

    def sealing_key(self, tid: str, *, anew: bool = False) -> tuple[bytes, bytes]:
        """Return id and bytes of the key that seals for a tenant; the first is made here.

        Args:
            tid: the tenant.
            anew: something new begins: looks afresh, and makes a new key for an erased tenant.

        Raises:
            SealBroken: the tenant was erased.
            KeyServiceUnavailable, ServiceMisconfigured: the key cannot be unwrapped or made, or nobody vouches for
                its row.
        """
        ring = self._ring(tid, fresh=anew)
        while not ring or ring[-1].wrapped is None:
            if ring and not anew:
                raise SealBroken("key destroyed")
            ring = self._add(tid, ring)
        # Unwrapped before its first use as well: nothing is sealed under a key that could not be had again.
        return ring[-1].id, self._plain(ring[-1])

    def opening_key(self, tid: str, key_id: bytes) -> bytes:
        """Return the bytes of the tenant's key called ``key_id``.

        Raises:
            SealBroken: the tenant has no such key, or it is destroyed.
            KeyServiceUnavailable, ServiceMisconfigured: the key cannot be unwrapped, or nobody vouches for its row.
        """
        for fresh in (False, True):
            for found in self._ring(tid, fresh=fresh):
                if found.id == key_id:
                    return self._plain(found)
        raise SealBroken("unknown key")

    def all(self) -> Iterator[DataKey]:
        """Yield every version of every tenant, in order. Reads the whole table."""
        return (_read(row["tid"], row) for row in self._table.every())

    def versions(self, tid: str) -> list[DataKey]:
        """Return the tenant's versions as they are now, the newest last."""
        return self._ring(tid, fresh=True)

    def rotate(self, tid: str) -> bool:
        """Make the next version, which seals from now on: here at once, in every process within :data:`RING_LIFE`.

        Returns:
            False where there is no key to rotate. Of two rotations at once, one is enough.
        """
        ring = self.versions(tid)
        if not ring or ring[-1].wrapped is None:
            return False
        self._add(tid, ring)
        return True

    def rewrap(self, tid: str) -> int:
        """Wrap the tenant's keys with the current key-encryption key, and vouch for them with the current MAC key.

        The sealed bytes stay as they are. It may stop anywhere and be run again: each row changes by compare-and-swap.

        Returns:
            How many rows were written.
        """
        current = self._key_encryption.current()
        count = 0

        def rewrapped(row: Row) -> Mapping[str, Value | None] | None:
            nonlocal count
            old = _read(tid, row)
            vouched = old.wrapped is not None and hmac.compare_digest(old.mac, self._mac(old))
            if old.wrapped is None or (old.wrapped.wrapped_with == current and vouched):
                return None
            data_key = self._plain(old)
            wrapped = self._key_encryption.wrap(data_key)
            if self._key_encryption.unwrap(wrapped) != data_key:
                # The row holds the only copy there is.
                raise faults.ServiceMisconfigured("a key does not unwrap after wrapping")
            count += 1
            return {"wrapped": wrapped.value, "wrapped_with": wrapped.wrapped_with, "mac": self._mac(old)}

        for found in self.versions(tid):
            self._table.change(key(tid), _row(found.version), rewrapped)
        return count

    def erase(self, tid: str) -> int:
        """Destroy every key of the tenant: nothing sealed for it opens again, in any process after :data:`RING_LIFE`.

        Returns:
            How many keys were destroyed.
        """
        while True:
            ring = self.versions(tid)
            if not ring:
                return 0
            if ring[-1].id:
                try:
                    self._table.insert(
                        key(tid), _row(ring[-1].version + 1), {"tid": tid, "created": self._clock(), **_DESTROYED}
                    )
                except AlreadyThere:
                    continue  # a rotation took that number
            return sum(self.destroy(found) for found in ring)

    def destroy(self, found: DataKey) -> bool:
        """Destroy one version; False where it was destroyed before. A row without the key stays, to say so."""
        if found.wrapped is None:
            return False
        self._table.change(
            key(found.tid), _row(found.version), lambda row: None if row.get("destroyed") else dict(_DESTROYED)
        )
        self._ring(found.tid, fresh=True)
        return True

    def _add(self, tid: str, ring: Sequence[DataKey]) -> list[DataKey]:
        """Make the version after ``ring``, unless somebody else has by now; return what there is then."""
        version = ring[-1].version + 1 if ring else 1
        data_key = self._random_bytes(KEY_BYTES)
        wrapped = self._key_encryption.wrap(data_key)
        made = DataKey(tid, version, self._id_of(tid, data_key), self._clock(), wrapped, b"")
        values: dict[str, Value | None] = {
            "tid": tid,
            "key_id": made.id,
            "created": made.created,
            "wrapped": wrapped.value,
            "wrapped_with": wrapped.wrapped_with,
            "mac": self._mac(made),
        }
        with suppress(AlreadyThere):  # one winner, and everybody uses what he made
            self._table.insert(key(tid), _row(version), values)
        return self.versions(tid)

    def _ring(self, tid: str, *, fresh: bool = False) -> list[DataKey]:
        with self._lock:
            read, ring = self._rings.get(tid, (None, []))
        now = self._clock()
        if read is None or fresh or now - read >= RING_LIFE:
            ring = [_read(tid, row) for row in self._table.query(key(tid))]
            for found in ring:
                if found.wrapped is None:
                    self._unwrapped.forget(found.id)
            with self._lock:
                self._rings[tid] = (now, ring)
        return ring

    def _plain(self, found: DataKey) -> bytes:
        if found.wrapped is None:
            raise SealBroken("key destroyed")
        # Forged, or vouched for under a service key that this instance does not have (yet, or any more). No person can
        # mend either, so nobody is told to sign in.
        if not any(hmac.compare_digest(found.mac, self._mac(found, by)) for by in self._mac_keys):
            raise faults.ServiceMisconfigured("nobody vouches for a key row")
        data_key = self._unwrapped.get(found.id, found.wrapped)
        if self._id_of(found.tid, data_key) != found.id:
            raise faults.ServiceMisconfigured("nobody vouches for a key row")
        return data_key

    def _id_of(self, tid: str, data_key: bytes) -> bytes:
        """Return the key's id, which follows from the key: so the MAC over the id vouches for the key."""
        return hkdf(data_key, b"", b"key id", KEY_ID_BYTES, framed(self._environment, tid))

    def _mac(self, found: DataKey, by: bytes = b"") -> bytes:
        said = framed(self._environment, found.tid, str(found.version), found.id.hex())
        return hmac.digest(by or self._mac_keys[0], said, "sha256")


def _row(version: int) -> str:
    return f"{version:08d}"


def _read(tid: str, row: Row) -> DataKey:
    wrapped = None if row.get("destroyed") else WrappedKey(row["wrapped_with"], row["wrapped"])
    return DataKey(tid, int(row.row), row.get("key_id", b""), row["created"], wrapped, row.get("mac", b""))
