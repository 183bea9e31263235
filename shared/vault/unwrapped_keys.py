"""Data keys in the clear: in the memory of this process, and for how long."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from shared import faults
from shared.vault.key_encryption import KeyEncryption, WrappedKey

FRESH = timedelta(hours=1)
"""A key is unwrapped again after this long: at most one call per key, process and hour (threat R36)."""
LONGEST = timedelta(hours=24)
"""So long it is used while nobody can be asked (R35)."""
PAUSE = timedelta(seconds=30)
"""Between two questions to a keeper that did not answer."""
_NEVER = datetime.min.replace(tzinfo=UTC)

log = logging.getLogger(__name__)


@dataclass
class _Held:
    lock: threading.Lock = field(default_factory=threading.Lock)
    key: bytes | None = None
    unwrapped: datetime = _NEVER
    asked: datetime = _NEVER
    fault: faults.Fault | None = None


class UnwrappedKeys:
    """The unwrapped data keys of this process. Safe to use from many threads; one thread asks, the others wait.

    Args:
        key_encryption: unwraps.
        clock: the time now.
    """

    def __init__(self, key_encryption: KeyEncryption, clock: Callable[[], datetime]) -> None:
        self._key_encryption = key_encryption
        self._clock = clock
        self._lock = threading.Lock()
        self._held: dict[bytes, _Held] = {}

    def get(self, key_id: bytes, wrapped: WrappedKey) -> bytes:
        """Return the data key called ``key_id``, which lies wrapped as ``wrapped``.

        Raises:
            KeyServiceUnavailable: nobody can be asked, and the key is not held, or for longer than a day.
            ServiceMisconfigured: whoever keeps the key refuses, or it does not unwrap; it is then forgotten here, too.
        """
        with self._lock:
            held = self._held.setdefault(key_id, _Held())
        with held.lock:
            now = self._clock()
            if held.key and now - held.unwrapped < FRESH:
                return held.key
            if held.fault is None or now - held.asked >= PAUSE:
                self._ask(held, wrapped, now)
            if held.key and now - held.unwrapped < LONGEST:
                return held.key
            held.key = None
            assert held.fault is not None
            raise type(held.fault)(held.fault.note, retry_after=held.fault.retry_after)

    def forget(self, key_id: bytes) -> None:
        """Drop a key that was destroyed."""
        with self._lock:
            self._held.pop(key_id, None)

    def _ask(self, held: _Held, wrapped: WrappedKey, now: datetime) -> None:
        held.asked, held.fault = now, None
        try:
            held.key, held.unwrapped = self._key_encryption.unwrap(wrapped), now
        except faults.KeyServiceUnavailable as fault:
            held.fault = fault
            log.warning("a data key could not be unwrapped: %s", fault)
        except faults.OperatorMust as fault:
            # A key that was switched off must not live on in a cache for a day.
            held.key, held.fault = None, fault
            log.error("a data key may not be unwrapped: %s", fault)  # noqa: TRY400  (the fault says it all)
