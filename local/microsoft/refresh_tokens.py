"""Refresh tokens: issue, use, rotation, revocation.

A token's life, by ``rotation``::

    entra    every token stays valid until it is revoked or idle for 90 days (what Microsoft does)
    grace    the one before the newest still works, until the newest is used; older ones end the family
    strict   a used token is dead; using it again ends the family
"""

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from threading import RLock

from .directory import Account
from .records import RefreshToken, State
from .refusals import Refusal

# https://learn.microsoft.com/entra/identity-platform/refresh-tokens (not configurable since 2021)
IDLE_LIFETIME = timedelta(days=90)


class RefreshTokens:
    """The refresh tokens of a cloud's ``state``; ``rotation`` may be changed while it runs."""

    def __init__(self, state: State, lock: RLock, clock: Callable[[], datetime], rotation: str) -> None:
        self.rotation = rotation
        self._state = state
        self._lock = lock
        self._clock = clock

    def issue(
        self, account: Account, client_id: str, after: RefreshToken | None = None, *, by_device_code: bool = False
    ) -> RefreshToken:
        """Issue a refresh token for a signed-in account, in the family of the one it replaces."""
        with self._lock:
            now = self._clock()
            family = after.family if after else secrets.token_hex(8)
            generation = self._state.newest.get(family, 0) + 1
            self._state.newest[family] = generation
            # Entra's start like this and are about 1.3 KB long; storage must not count on less.
            value = f"1.A{secrets.token_urlsafe(900)}"
            tracked = after.by_device_code if after else by_device_code
            token = RefreshToken(value, client_id, account.key, family, generation, now, now, False, tracked)
            self._state.refresh_tokens[value] = token
            return token

    def use(self, value: str, client_id: str) -> RefreshToken:
        """Answer a refresh token that may be used now, and note the use.

        Raises:
            Refusal: 70000 unknown or of another client or (with rotation) used before, 50173 revoked,
                700082 idle for 90 days.
        """
        with self._lock:
            token = self._state.refresh_tokens.get(value)
            if token is None or token.client_id != client_id:
                raise Refusal(70000, "The provided value for the input parameter 'refresh_token' is not valid.")
            if token.revoked:
                raise Refusal(50173, f"The grant was issued on '{token.issued.isoformat()}'.")
            now = self._clock()
            if now - token.used > IDLE_LIFETIME:
                raise Refusal(
                    700082, f"The token was issued on {token.issued.isoformat()} and was inactive for 90.00:00:00."
                )
            behind = self._state.newest[token.family] - token.generation
            if (self.rotation == "strict" and behind) or (self.rotation == "grace" and behind > 1):
                self._end_family(token.family)
                raise Refusal(70000, "The refresh token was used before.", suberror="bad_token")
            if self.rotation == "grace" and not behind:
                # The newest is in use, so it arrived: the one before it has had its grace.
                for other in self._state.refresh_tokens.values():
                    if other.family == token.family and other.generation < token.generation:
                        other.revoked = True
            token.used = now
            return token

    def revoke(self, account: Account) -> int:
        """Revoke every refresh token of an account, as an administrator does; answer how many."""
        with self._lock:
            found = [token for token in self._state.refresh_tokens.values() if token.account == account.key]
            for token in found:
                token.revoked = True
            return len(found)

    def _end_family(self, family: str) -> None:
        for token in self._state.refresh_tokens.values():
            if token.family == family:
                token.revoked = True
