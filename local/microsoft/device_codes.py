"""The device codes that were given out, and what became of each (RFC 8628)."""

from collections.abc import Callable
from datetime import datetime, timedelta
from threading import RLock

from .records import DeviceCode, State
from .refusals import Refusal

DECLINED = 65004


class DeviceCodes:
    """The device codes in a cloud's state."""

    def __init__(self, state: State, lock: RLock, clock: Callable[[], datetime]) -> None:
        self._state = state
        self._lock = lock
        self._clock = clock

    def keep(self, code: DeviceCode) -> None:
        """Record a device code."""
        with self._lock:
            self._state.device_codes[code.value] = code

    def typed(self, user_code: str) -> DeviceCode:
        """Answer the device code that a typed code stands for. Raises Refusal: 70018 unknown, used or too old."""
        with self._lock:
            for code in self._state.device_codes.values():
                fresh = self._clock() - code.issued <= timedelta(seconds=code.lifetime)
                if code.user_code == user_code and fresh and code.account is None and code.refusal is None:
                    return code
        raise Refusal(70018)

    def answer(self, value: str, *, account: str | None = None, refusal: int | None = None) -> None:
        """Note who has signed in for a device code, or why nobody may; None and None lets somebody else try."""
        with self._lock:
            code = self._state.device_codes[value]
            code.account, code.refusal = account, refusal

    def approve(self, user_code: str, account: str) -> None:
        """Let any account (key) have signed in for a typed code, also one that Entra would not let."""
        code = self.typed(user_code)
        with self._lock:
            code.account, code.unchecked = account, True

    def poll(self, value: str, client_id: str) -> DeviceCode:
        """Answer a device code that can be redeemed, and mark it as redeemed.

        Raises:
            Refusal: 70016 pending or polled too fast (``slow_down``), 70018 unknown, 70020 expired, 65004 declined,
                or why the person may not sign in.
        """
        with self._lock:
            code, now = self._state.device_codes.get(value), self._clock()
            if code is None or code.client_id != client_id or code.redeemed:
                raise Refusal(70018)
            if now - code.issued > timedelta(seconds=code.lifetime):
                raise Refusal(70020)
            if code.refusal is not None:
                raise Refusal(code.refusal, error="authorization_declined" if code.refusal == DECLINED else "")
            too_fast = code.polled is not None and now - code.polled < timedelta(seconds=code.interval - 1)
            code.polled = now
            if too_fast:
                code.interval += 5
                raise Refusal(70016, "Polled too fast.", error="slow_down")
            if code.account is None:
                raise Refusal(70016)
            code.redeemed = True
            return code
