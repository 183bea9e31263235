"""Tokens of our own device API: given for a signed assertion, checked on every request.

Sources: RFC 6749 section 4.4 and 5, RFC 7523 section 2.2 and 3, and the drafts that tighten them (one
audience as a string, a type in the header). Threats D06 to D10, D17.
"""

from __future__ import annotations

import hmac
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared import faults
from shared.devices.devices import Device, Devices
from shared.devices.nonces import LIFE_SECONDS, Nonces
from shared.storage import AlreadyThere, Table, key

if TYPE_CHECKING:
    from jwt.types import Options

GRANT_TYPE = "client_credentials"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_HEADER = "client-authentication+jwt"
TOKEN_HEADER = "at+jwt"  # noqa: S105  (RFC 9068's name of a kind of token)
ASSERTION_SECONDS = 300
TOKEN_SECONDS = 600
JTI_LONGEST = 128


_DESCRIPTIONS = {
    "invalid_request": "grant_type, client_assertion_type and client_assertion are needed",
    "unsupported_grant_type": "grant_type must be client_credentials",
    "use_nonce": "a fresh nonce from /api/v1/nonce is needed in the assertion",
    # One text for every reason: nobody learns from it whether a device exists (D14).
    "invalid_client": "the device is not known, or its assertion is not valid",
}
# Times are checked here, by the given clock and the nonce; PyJWT would ask the machine's clock about nbf, too.
_CHECKS: Options = {"strict_aud": True, "verify_exp": False, "verify_iat": False, "verify_nbf": False}


class TokenRefused(Exception):
    """A refusal at the token endpoint, in RFC 6749's words (section 5.2).

    Args:
        error: RFC 6749's ``error``, or ``use_nonce`` (modelled on RFC 9449 section 8).
        note: a technical remark for the log; what the caller is told is ``description``.
    """

    def __init__(self, error: str, note: str) -> None:
        super().__init__(f"{error}: {note}")
        self.error = error

    @property
    def description(self) -> str:
        """RFC 6749's ``error_description``."""
        return _DESCRIPTIONS[self.error]


class Tokens:
    """Gives and checks device tokens.

    Args:
        devices: knows the keys.
        assertions: the table ``assertions``; an assertion's id is inserted there, once.
        nonces: recognises a fresh nonce.
        issuer: our origin: audience of assertions, issuer of tokens.
        service_key: signs tokens.
        clock: the time now.
    """

    def __init__(
        self,
        devices: Devices,
        assertions: Table,
        nonces: Nonces,
        issuer: str,
        service_key: bytes,
        clock: Callable[[], datetime],
    ) -> None:
        self._devices = devices
        self._assertions = assertions
        self._nonces = nonces
        self._issuer = issuer
        self._key = hmac.digest(service_key, b"device token", "sha256")
        self._clock = clock

    def give(self, form: Mapping[str, str]) -> str:
        """Return an access token for a token request, good for :data:`TOKEN_SECONDS`.

        Raises:
            TokenRefused: with the error of RFC 6749.
        """
        import jwt

        if form.get("grant_type") != GRANT_TYPE:
            raise TokenRefused("unsupported_grant_type" if form.get("grant_type") else "invalid_request", "grant_type")
        if form.get("client_assertion_type") != ASSERTION_TYPE or not form.get("client_assertion"):
            raise TokenRefused("invalid_request", "client_assertion")
        device = self._asserted(form["client_assertion"])
        now = int(self._clock().timestamp())
        return jwt.encode(
            {
                "iss": self._issuer,
                "aud": f"{self._issuer}/api/v1",
                "sub": device.id,
                "tid": device.tid,
                "iat": now,
                "exp": now + TOKEN_SECONDS,
            },
            self._key,
            algorithm="HS256",
            headers={"typ": TOKEN_HEADER},
        )

    def device(self, authorization: str | None) -> Device:
        """Return the device behind a request's Authorization header.

        The row is read on every request: a revoked device is shut out at once, on every instance (D10).

        Raises:
            DeviceTokenInvalid, DeviceTokenExpired, DevicePending: it may not come in.
        """
        import jwt

        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise faults.DeviceTokenInvalid("no token")
        try:
            if jwt.get_unverified_header(token).get("typ") != TOKEN_HEADER:
                raise faults.DeviceTokenInvalid("type")
            claims = jwt.decode(
                token,
                self._key,
                algorithms=["HS256"],
                audience=f"{self._issuer}/api/v1",
                issuer=self._issuer,
                options={**_CHECKS, "require": ["aud", "iss", "exp", "sub", "tid"]},
            )
        except (jwt.PyJWTError, ValueError) as error:
            raise faults.DeviceTokenInvalid(type(error).__name__) from error
        if not _is_time(claims["exp"]):
            raise faults.DeviceTokenInvalid("exp")
        if self._clock().timestamp() >= claims["exp"]:
            raise faults.DeviceTokenExpired
        device = self._devices.get(claims["sub"])
        if device is None or device.status == "revoked" or device.tid != claims["tid"]:
            raise faults.DeviceTokenInvalid("device")
        if device.status != "active":
            raise faults.DevicePending
        return device

    def _asserted(self, assertion: str) -> Device:
        """Return the device that signed ``assertion``; every other end is the same ``invalid_client``."""
        import jwt

        try:
            unverified = jwt.decode(assertion, options={"verify_signature": False})
            device_id = str(uuid.UUID(str(unverified.get("sub"))))
            device = self._devices.get(device_id)
            if device is None or device.status == "revoked":
                raise TokenRefused("invalid_client", "device")
            if jwt.get_unverified_header(assertion).get("typ") != ASSERTION_HEADER:
                raise TokenRefused("invalid_client", "type")
            claims = jwt.decode(
                assertion,
                key=jwt.PyJWK(dict(device.jwk), algorithm="ES256").key,
                algorithms=["ES256"],
                audience=self._issuer,
                issuer=device_id,
                subject=device_id,
                options={**_CHECKS, "require": ["aud", "iss", "sub", "exp", "jti"]},
            )
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise TokenRefused("invalid_client", type(error).__name__) from error
        self._check(claims, device_id)
        return device

    def _check(self, claims: Mapping[str, Any], device_id: str) -> None:
        """Check what only we can: freshness, life, and that the assertion was never used."""
        # The nonce says that it was signed just now; the device's clock is not asked (D08).
        if not self._nonces.fresh(claims.get("nonce")):
            raise TokenRefused("use_nonce", "nonce")
        exp, iat = claims["exp"], claims.get("iat", claims["exp"])
        if not (_is_time(exp) and _is_time(iat) and 0 <= exp - iat <= ASSERTION_SECONDS):
            raise TokenRefused("invalid_client", "lifetime")
        jti = claims["jti"]
        if not (isinstance(jti, str) and jti.isascii() and 1 <= len(jti) <= JTI_LONGEST):
            raise TokenRefused("invalid_client", "jti")
        # The id is remembered for longer than any instance can take the nonce for fresh.
        expires = self._clock() + timedelta(seconds=2 * LIFE_SECONDS)
        try:
            self._assertions.insert(key(device_id), key(jti), {"expires": expires})
        except AlreadyThere as error:
            raise TokenRefused("invalid_client", "used before") from error


def _is_time(value: object) -> bool:
    """Say whether a claim is a NumericDate in whole seconds (RFC 7519 section 2); JSON's true is none."""
    return isinstance(value, int) and not isinstance(value, bool)
