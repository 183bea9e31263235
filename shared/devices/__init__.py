r"""Printers: how they enrol, prove themselves, and are recognised.

Owns: enrolment tickets and codes, the lists of serial numbers, the device's key and its replacement, nonces, client
assertions, DPoP proofs, the ten-minute tokens of our own API, and the counters of how much a device asks for. Does
not own: what a device may then do (the other rooms). It may import ``shared.faults``, ``shared.short_codes``,
``shared.storage`` and PyJWT.

A device never has a password. It makes an ES256 key, proves that it holds it, and signs a short assertion
(RFC 7523) whenever it needs a token. Its clock does not matter: a nonce of ours says what time it is.

::

    ticket, pasted ------------------------------------> active --revoked by an administrator--> revoked
       \--typed, or issued so--> pending --four words--/      \--replaced by its own successor----/
"""

from shared.devices.devices import Device, Devices, WordsDiffer
from shared.devices.dpop import Sent
from shared.devices.groups import Groups, Rules
from shared.devices.keys import words
from shared.devices.limits import Limits, Use
from shared.devices.nonces import LIFE_SECONDS as NONCE_SECONDS
from shared.devices.nonces import Nonces
from shared.devices.serials import Refusal, Serials
from shared.devices.tickets import Tickets
from shared.devices.tokens import TOKEN_SECONDS, AccessToken, TokenRefused, Tokens

__all__ = [
    "NONCE_SECONDS",
    "TOKEN_SECONDS",
    "AccessToken",
    "Device",
    "Devices",
    "Groups",
    "Limits",
    "Nonces",
    "Refusal",
    "Rules",
    "Sent",
    "Serials",
    "Tickets",
    "TokenRefused",
    "Tokens",
    "Use",
    "WordsDiffer",
    "words",
]
