"""Processes of the app, each with caches of its own, beside one storage."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from os import urandom

from shared.storage import Storage
from shared.vault.data_keys import DataKeys
from shared.vault.key_encryption import KeyEncryption, KeyFile
from shared.vault.sealing import Sealer

SECRET = bytes(range(32))
FILE_KEY = bytes(range(32, 64))
ALPHA = "11111111-1111-4111-8111-111111111111"
BETA = "22222222-2222-4222-8222-222222222222"
PLACE = ("grants", "partition", "row", "sealed", "oid", "epoch", "1")


@dataclass
class Process:
    """What one process knows: the data keys in its memory, and the sealer over them."""

    data_keys: DataKeys
    sealer: Sealer

    def seal(self, text: str, tid: str = ALPHA, *, anew: bool = False) -> bytes:
        """Seal a text at the usual place."""
        return self.sealer.seal(tid, text.encode(), *PLACE, anew=anew)

    def open(self, sealed: bytes, tid: str = ALPHA) -> str:
        """Open it there."""
        return self.sealer.open(tid, sealed, *PLACE).decode()


def start(
    storage: Storage,
    clock: Callable[[], datetime],
    key_encryption: KeyEncryption | None = None,
    *,
    environment: str = "local",
    secrets: Sequence[bytes] = (SECRET,),
    random_bytes: Callable[[int], bytes] = urandom,
) -> Process:
    """Start one more process; without a key-encryption key, with the usual key file."""
    wrapping = key_encryption or KeyFile([FILE_KEY])
    data_keys = DataKeys(storage.table("keys"), wrapping, environment, secrets, clock, random_bytes)
    return Process(data_keys, Sealer(data_keys, environment, random_bytes))
