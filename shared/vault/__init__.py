"""Sealed tokens: seal, read, refresh, end, erase.

Owns: the sealed format and its key, and one grant per person: MSAL's cache, sealed with its row as
associated data. The only room that imports the cipher.

Does not own: what is said to Entra (``identity`` is handed in), who a person is at a printer
(``people``). It may import ``shared.faults``, ``shared.storage`` and ``shared.texts``.

A grant's life::

    (none) -> active -> ended(reason)      ended: a sign-in that Entra will not take back
       ^________|__________|               a new sign-in replaces it whole
"""

from shared.vault.grant import Grant
from shared.vault.grants import Grants
from shared.vault.keep_alive import KeepAlive
from shared.vault.renewals import Renewals
from shared.vault.sealing import SealBroken, Sealer

__all__ = ["Grant", "Grants", "KeepAlive", "Renewals", "SealBroken", "Sealer"]
