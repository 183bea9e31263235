"""MSAL's token cache on the clock we are given: MSAL alone would date every access token by the computer's own.

Imports MSAL when it is imported, so who needs it imports it late.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from msal import SerializableTokenCache


class TokenCache(SerializableTokenCache):  # type: ignore[misc]  # MSAL has no types
    """One person's tokens.

    Args:
        clock: the time now.
        serialized: what an earlier one was written as; empty for a new one.
    """

    def __init__(self, clock: Callable[[], datetime], serialized: str = "") -> None:
        super().__init__()
        self._now = clock
        if serialized:
            self.deserialize(serialized)

    def add(self, event: dict[str, Any], **_: Any) -> None:
        """Keep what a token response brought (MSAL calls this)."""
        super().add(event, now=int(self._now().timestamp()))

    def access_token(self, client_id: str, scopes: Sequence[str], margin: float) -> str | None:
        """Return an access token for these scopes that is good for ``margin`` seconds at least, or None."""
        now = self._now().timestamp()
        kind = self.CredentialType.ACCESS_TOKEN
        for entry in self.search(kind, target=list(scopes), query={"client_id": client_id}, now=int(now)):
            if float(entry["expires_on"]) - now > margin:
                return str(entry["secret"])
        return None
