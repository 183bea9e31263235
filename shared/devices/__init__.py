"""Printers: how they enrol, prove themselves, and are recognised.

Owns: enrolment tickets, the device's key, nonces, client assertions, and the ten-minute tokens of our own
API. Does not own: what a device may then do (the other rooms). It may import ``shared.faults``,
``shared.storage`` and PyJWT.

A device never has a password. It makes an ES256 key, proves that it holds it, and signs a short assertion
(RFC 7523) whenever it needs a token. Its clock does not matter: a nonce of ours says what time it is.
"""

from shared.devices.devices import Device, Devices
from shared.devices.nonces import LIFE_SECONDS as NONCE_SECONDS
from shared.devices.nonces import Nonces
from shared.devices.tickets import Tickets
from shared.devices.tokens import TOKEN_SECONDS, TokenRefused, Tokens

__all__ = ["NONCE_SECONDS", "TOKEN_SECONDS", "Device", "Devices", "Nonces", "Tickets", "TokenRefused", "Tokens"]
