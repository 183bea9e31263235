"""Sealed tokens: seal, read, refresh, end, erase.

Owns: the sealed format, the data keys of the tenants and the key that wraps them (Key Vault, or a file on
one machine), and one grant per person: MSAL's cache, sealed with its row as associated data. The only room
that imports the cipher, and the only one that talks to Key Vault.

Does not own: what is said to Entra (``identity`` is handed in, and so is the token for Key Vault), who a
person is at a printer (``people``). It may import ``shared.faults``, ``shared.storage``,
``shared.outbound`` and ``shared.texts``.

::

    sealing            bytes at their place, under a tenant's data key (docs/sealed-format.md)
    data_keys          versions of a tenant's key; unwrapped_keys holds them in memory
    key_encryption     what wraps data keys: the interface, and the key file; key_vault is the other
    grants             what lets us send as a person: grant is what is known of one, grant_rows how it lies in its row,
                       refreshes how it is refreshed by one worker at a time
    key_upkeep         rotation of both keys, for the timer and the command

A grant's life::

    (none) -> active -> ended(reason)      ended: a sign-in that Entra will not take back
       ^________|__________|               a new sign-in replaces it whole
"""

from shared.vault.grant import Grant
from shared.vault.grants import PAUSED, Grants
from shared.vault.keep_alive import KeepAlive
from shared.vault.renewals import Renewals
from shared.vault.sealing import SERVICE, SealBroken, Sealer

__all__ = ["PAUSED", "SERVICE", "Grant", "Grants", "KeepAlive", "Renewals", "SealBroken", "Sealer"]
