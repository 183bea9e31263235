"""Everything that is said to Entra ID: authorize, redeem, refresh, the proof of an ID token.

Owns: MSAL (the only room that imports it), the classes of Entra's errors, the keys that Entra
signs with, the authorizations under way (one row per ``state``, used once), and the tokens of this
app's managed identity.

Does not own: where tokens are kept (``vault``), or what a finished authorization means
(``people``, ``organisations``). It may import ``shared.faults``, ``shared.storage`` and
``shared.vault.sealing``.
"""

from typing import TYPE_CHECKING

from shared.exports import exported

if TYPE_CHECKING:
    from shared.identity.authorizations import Authorizations, Finished
    from shared.identity.device_code import MailboxEntra
    from shared.identity.entra import Entra
    from shared.identity.id_token import Account
    from shared.identity.token_response import Redeemed, Token

__all__ = ["Account", "Authorizations", "Entra", "Finished", "MailboxEntra", "Redeemed", "Token"]

__getattr__ = exported(
    __name__,
    {
        "Authorizations": "authorizations",
        "Finished": "authorizations",
        "MailboxEntra": "device_code",
        "Entra": "entra",
        "Redeemed": "token_response",
        "Token": "token_response",
        "Account": "id_token",
    },
)
