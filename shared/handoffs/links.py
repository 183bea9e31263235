"""How a handoff is found: a link that only we can make, and a code that somebody can type."""

from __future__ import annotations

import base64
import hashlib
import hmac
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta

from shared import faults
from shared.short_codes import Guesses, new_code, normal_code
from shared.storage import AlreadyThere, Table, key

CODE_RESTS = timedelta(hours=24)
"""A code is not given out again before."""
_ID_BYTES, _MAC_BYTES = 16, 16


class Links:
    """Links and codes of handoffs; codes lie in the table ``handoffs``, hashed.

    Args:
        table: the table ``handoffs``.
        service_key: signs links, so that a made-up link costs no look-up (threat I03), and hashes codes.
        clock: the time now.
        below: ``below(n)`` gives an unpredictable number from 0 to n-1.
    """

    def __init__(
        self, table: Table, service_key: bytes, clock: Callable[[], datetime], below: Callable[[int], int]
    ) -> None:
        self._table = table
        self._link_key = hmac.digest(service_key, b"handoff link", "sha256")
        self._code_key = hmac.digest(service_key, b"handoff code", "sha256")
        self._below = below
        self._guesses = Guesses(table, clock)

    def link(self, handoff_id: str) -> str:
        """Return the link of a handoff: its id and a MAC over it, URL-safe."""
        raw = uuid.UUID(handoff_id).bytes
        mac = hmac.digest(self._link_key, raw, "sha256")[:_MAC_BYTES]
        return base64.urlsafe_b64encode(raw + mac).decode().rstrip("=")

    def id_of(self, link: str) -> str:
        """Return the id of the handoff that a link names, whether there is one or not.

        Raises:
            LinkUnknown: it is none of ours.
        """
        try:
            raw = base64.urlsafe_b64decode(link + "=" * (-len(link) % 4))
        except ValueError as error:
            raise faults.LinkUnknown("format") from error
        handoff_id = str(uuid.UUID(bytes=raw[:_ID_BYTES])) if len(raw) == _ID_BYTES + _MAC_BYTES else ""
        if not handoff_id or not hmac.compare_digest(self.link(handoff_id), link):
            raise faults.LinkUnknown("signature")
        return handoff_id

    def give_code(self, handoff_id: str, until: datetime) -> str:
        """Return a code that leads to a handoff, and was given to no other for a day.

        Args:
            handoff_id: the handoff.
            until: when the code has served.
        """
        while True:
            code = new_code(self._below)
            try:
                self._table.insert(
                    self._code_place(code), "code", {"handoff": handoff_id, "expires": until + CODE_RESTS}
                )
            except AlreadyThere:
                continue  # given out before (threat B07)
            return code

    def guessed(self, typed: str, address: str) -> str | None:
        """Return the id of the handoff that a typed code was given to, or None. It counts as a wrong guess.

        Raises:
            TooManyRequests: too many wrong guesses from that address, its network, or all together.
        """
        self._guesses.count(address)
        code = normal_code(typed)
        row = self._table.get(self._code_place(code), "code") if code else None
        return str(row["handoff"]) if row is not None else None

    def right(self, address: str) -> None:
        """Take back that the last guess from this address counted as a wrong one."""
        self._guesses.right(address)

    def _code_place(self, code: str) -> str:
        return key("code", hmac.new(self._code_key, code.encode(), hashlib.sha256).hexdigest())
