"""What may be used once: the ids of assertions and of DPoP proofs, remembered for all instances (threat D06)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from shared.devices.nonces import LIFE_SECONDS
from shared.storage import AlreadyThere, Table, key

LONGEST = 128
"""Characters of a ``jti``."""


class UsedBefore(Exception):
    """This id was used before, or is none."""


class Once:
    """Ids that were used, in the table ``assertions`` (partition: device). An insert decides every race.

    Args:
        table: the table ``assertions``.
        clock: the time now.
    """

    def __init__(self, table: Table, clock: Callable[[], datetime]) -> None:
        self._table = table
        self._clock = clock

    def use(self, device_id: str, kind: str, jti: object) -> None:
        """Use ``jti`` up.

        Args:
            device_id: whose it is: nobody can use up another device's.
            kind: what the id is of; the same text as two kinds is two ids.
            jti: ASCII text of 1 to :data:`LONGEST` characters.

        Raises:
            UsedBefore: it is something else, or was used.
        """
        if not (isinstance(jti, str) and jti.isascii() and 1 <= len(jti) <= LONGEST):
            raise UsedBefore("no id")
        # Remembered for longer than any instance can take the nonce beside it for fresh.
        expires = self._clock() + timedelta(seconds=2 * LIFE_SECONDS)
        try:
            self._table.insert(key(device_id), key(kind, jti), {"expires": expires})
        except AlreadyThere as error:
            raise UsedBefore("used before") from error
