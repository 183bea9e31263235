"""Client assertions: how a device proves itself at the token endpoint (RFC 7523 sections 2.2 and 3).

With what the drafts that tighten it ask: one audience as a string, a type in the header (threats D06 to D09, D12).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.devices.devices import Device, Devices
from shared.devices.keys import DECOY, thumbprint
from shared.devices.nonces import Nonces
from shared.devices.rollover import Rollover
from shared.devices.signatures import SignatureInvalid, signed_claims

ASSERTION_HEADER = "client-authentication+jwt"
ASSERTION_SECONDS = 300
_REQUIRED = ("aud", "iss", "sub", "exp", "jti")


class AssertionRefused(Exception):
    """The assertion is not an enrolled device's own, or not of now.

    Args:
        note: a technical remark for the log.
        stale: whether nothing is wrong with it but its nonce. Only the holder of the key ever hears that.
    """

    def __init__(self, note: str, *, stale: bool = False) -> None:
        super().__init__(note)
        self.stale = stale


@dataclass(frozen=True)
class Asserted:
    """Whose assertion it is, the key it was signed with, and its id, which is yet to be used up."""

    device: Device
    jkt: str
    jti: object
    first_use: bool
    """Whether that key was in waiting."""


class Assertions:
    """Checks assertions.

    Args:
        devices: knows the keys.
        rollover: hears of a former key that is used again.
        nonces: recognises a fresh nonce.
        issuer: our origin, the one audience.
    """

    def __init__(self, devices: Devices, rollover: Rollover, nonces: Nonces, issuer: str) -> None:
        self._devices = devices
        self._rollover = rollover
        self._nonces = nonces
        self._issuer = issuer

    def check(self, assertion: str) -> Asserted:
        """Return who signed ``assertion``, just now.

        Whether its device is unknown, revoked or another one, the work is the same: one row is read, and three
        signatures are looked at (threat D14).

        Raises:
            AssertionRefused: nobody who may come in.
        """
        claimed = _claimed_id(assertion)
        device = self._devices.get(claimed)
        signer, claims = self._signer(assertion, device, claimed)
        if device is None or signer is None or claims is None:
            raise AssertionRefused("signature or claims")
        made = self._nonces.made_at(claims.get("nonce"))
        if signer is device.former_jwk:
            if made is not None:
                self._rollover.former_key_used(device, made)
            raise AssertionRefused("former key")
        if device.status == "revoked":
            raise AssertionRefused("revoked")
        # The nonce says that it was signed just now; the device's clock is not asked (D08).
        if made is None:
            raise AssertionRefused("nonce", stale=True)
        exp, iat = claims["exp"], claims.get("iat", claims["exp"])
        if not (is_time(exp) and is_time(iat) and 0 <= exp - iat <= ASSERTION_SECONDS):
            raise AssertionRefused("lifetime")
        return Asserted(device, thumbprint(signer), claims["jti"], first_use=signer is device.next_jwk)

    def _signer(
        self, assertion: str, device: Device | None, claimed: str
    ) -> tuple[Mapping[str, str] | None, dict[str, Any] | None]:
        keys = (device.jwk, device.next_jwk, device.former_jwk) if device else (None, None, None)
        for known in keys:
            try:
                claims = signed_claims(
                    assertion,
                    known or DECOY,
                    typ=ASSERTION_HEADER,
                    audience=self._issuer,
                    issuer=claimed,
                    required=_REQUIRED,
                )
            except SignatureInvalid:
                continue
            return known, claims  # no key, for who has the decoy's private half: he is nobody
        return None, None


def is_time(value: object) -> bool:
    """Say whether a claim is a NumericDate in whole seconds (RFC 7519 section 2); JSON's true is none."""
    return isinstance(value, int) and not isinstance(value, bool)


def _claimed_id(assertion: str) -> str:
    """Return the device id that an assertion names, or one that nobody has. It decides whose keys are tried."""
    import jwt

    try:
        claimed = jwt.decode(assertion, options={"verify_signature": False}).get("sub")
        return str(uuid.UUID(str(claimed)))
    except (jwt.PyJWTError, ValueError, TypeError):
        return str(uuid.UUID(int=0))
