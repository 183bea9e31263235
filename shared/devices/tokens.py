"""Tokens of our own device API: given for a signed assertion, checked on every request.

Sources: RFC 6749 sections 4.4 and 5, RFC 9068 (what a token says), RFC 9449 (tokens that are bound to a key).
Threats D06 to D10, D17.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared import faults
from shared.devices import base64url
from shared.devices.assertions import AssertionRefused, Assertions, is_time
from shared.devices.devices import Device, Devices
from shared.devices.dpop import DpopRefused, Sent, proven
from shared.devices.groups import Groups
from shared.devices.keys import thumbprint
from shared.devices.limits import Limits, Use
from shared.devices.nonces import Nonces
from shared.devices.once import Once, UsedBefore
from shared.devices.rollover import Rollover

GRANT_TYPE = "client_credentials"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
TOKEN_HEADER = "at+jwt"  # noqa: S105  (RFC 9068's name of a kind of token)
TOKEN_SECONDS = 600
_ID_BYTES = 16
_NO_REQUEST = Sent()

_DESCRIPTIONS = {
    "invalid_request": "grant_type, client_assertion_type and client_assertion are needed",
    "unsupported_grant_type": "grant_type must be client_credentials",
    "use_nonce": "a fresh nonce from /api/v1/nonce is needed in the assertion",
    # One text for every reason: nobody learns from it whether a device exists (D14).
    "invalid_client": "the device is not known, or its assertion is not valid",
    "invalid_dpop_proof": "the DPoP proof is missing or not valid, or not by the key of the assertion",
    "use_dpop_nonce": "the nonce in the header DPoP-Nonce is needed in the DPoP proof",
}


class TokenRefused(Exception):
    """A refusal at the token endpoint, in RFC 6749's words (section 5.2), or RFC 9449's.

    Args:
        error: RFC 6749's ``error``, one of RFC 9449's, or ``use_nonce`` (modelled on its section 8).
        note: a technical remark for the log; what the caller is told is ``description``.
    """

    def __init__(self, error: str, note: str) -> None:
        super().__init__(f"{error}: {note}")
        self.error = error

    @property
    def description(self) -> str:
        """RFC 6749's ``error_description``."""
        return _DESCRIPTIONS[self.error]


@dataclass(frozen=True)
class AccessToken:
    """A token, and its ``token_type``: Bearer, or DPoP where it is bound to the device's key."""

    value: str
    type: str


class Tokens:
    """Gives and checks device tokens.

    Args:
        devices: knows the devices.
        assertions: checks who asks.
        rollover: hears of the first use of a key.
        groups: says which groups must bind their tokens.
        limits: counts tokens and requests.
        once: ids that may be used once.
        nonces: recognises a fresh nonce.
        issuer: our origin: issuer of tokens, and where DPoP proofs must point.
        service_key: signs tokens.
        clock: the time now.
        random_bytes: gives n unpredictable bytes.
    """

    def __init__(
        self,
        devices: Devices,
        assertions: Assertions,
        rollover: Rollover,
        groups: Groups,
        limits: Limits,
        once: Once,
        nonces: Nonces,
        issuer: str,
        service_key: bytes,
        clock: Callable[[], datetime],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._devices = devices
        self._assertions = assertions
        self._rollover = rollover
        self._groups = groups
        self._limits = limits
        self._once = once
        self._nonces = nonces
        self._issuer = issuer
        self._key = hmac.digest(service_key, b"device token", "sha256")
        self._clock = clock
        self._random_bytes = random_bytes

    def give(self, form: Mapping[str, str], sent: Sent = _NO_REQUEST) -> AccessToken:
        """Return an access token for a token request, good for :data:`TOKEN_SECONDS`.

        Args:
            form: the request's fields.
            sent: the request itself, with its DPoP proof where it has one.

        Raises:
            TokenRefused: with the error of RFC 6749 or 9449.
            TooManyRequests: the device had all the tokens of its window.
        """
        if form.get("grant_type") != GRANT_TYPE:
            raise TokenRefused("unsupported_grant_type" if form.get("grant_type") else "invalid_request", "grant_type")
        if form.get("client_assertion_type") != ASSERTION_TYPE or not form.get("client_assertion"):
            raise TokenRefused("invalid_request", "client_assertion")
        try:
            asserted = self._assertions.check(form["client_assertion"])
        except AssertionRefused as error:
            raise TokenRefused("use_nonce" if error.stale else "invalid_client", str(error)) from error
        device = asserted.device
        bound = self._bound(device, asserted.jkt, sent)
        try:
            self._once.use(device.id, "assertion", asserted.jti)
        except UsedBefore as error:
            raise TokenRefused("invalid_client", str(error)) from error
        # Counted only now: a copy of an assertion uses nothing up.
        self._limits.count(Use.TOKENS, device)
        if asserted.first_use and not self._rollover.first_use(device.id, asserted.jkt):
            raise TokenRefused("invalid_client", "another key was first")
        return AccessToken(self._signed(device, asserted.jkt, bound=bound), "DPoP" if bound else "Bearer")

    def device(self, authorization: str | None, sent: Sent = _NO_REQUEST) -> Device:
        """Return the device behind a request.

        The row is read on every request and kept nowhere: a revoked device is shut out at once, on every instance
        (D10), and so is a key that another one has replaced.

        Args:
            authorization: the header.
            sent: the request itself, with its DPoP proof where it has one.

        Raises:
            DeviceTokenInvalid, DeviceTokenExpired, DevicePending: it may not come in.
            InvalidDpopProof, UseDpopNonce: the token is bound, and the request is not proven.
            TooManyRequests: the device had all the requests of its window.
        """
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() not in {"bearer", "dpop"} or not token:
            raise faults.DeviceTokenInvalid("no token")
        claims = self._claims(token)
        device = self._devices.get(claims["sub"])
        if device is None or device.status == "revoked" or device.tid != claims["tid"]:
            raise faults.DeviceTokenInvalid("device")
        if claims["key"] != thumbprint(device.jwk):
            raise faults.DeviceTokenInvalid("key")
        # RFC 9449 section 7.1: a bound token is no bearer token, nor the other way round.
        if (scheme.lower() == "dpop") != ("cnf" in claims):
            raise faults.DeviceTokenInvalid("scheme")
        if "cnf" in claims:
            self._require_proof(device, claims["cnf"]["jkt"], sent, token)
        self._limits.count(Use.REQUESTS, device)
        if device.status != "active":
            raise faults.DevicePending
        return device

    def _bound(self, device: Device, jkt: str, sent: Sent) -> bool:
        """Say whether the token is to be bound; a proof must be by the key of the assertion."""
        if not sent.proofs:
            if self._groups.rules(device.tid, device.group).require_dpop:
                raise TokenRefused("invalid_dpop_proof", "missing, and the group requires it")
            return False
        try:
            shown = proven(sent, self._issuer, self._nonces.fresh)
            if shown.jkt != jkt:
                raise TokenRefused("invalid_dpop_proof", "another key")
            self._once.use(device.id, "dpop", shown.jti)
        except DpopRefused as error:
            raise TokenRefused(error.error, str(error)) from error
        except UsedBefore as error:
            raise TokenRefused("invalid_dpop_proof", str(error)) from error
        return True

    def _require_proof(self, device: Device, jkt: str, sent: Sent, token: str) -> None:
        try:
            shown = proven(sent, self._issuer, self._nonces.fresh, token=token)
            if shown.jkt != jkt:
                raise faults.InvalidDpopProof("another key")
            self._once.use(device.id, "dpop", shown.jti)
        except DpopRefused as error:
            raise faults.BY_REASON[error.error](str(error)) from error
        except UsedBefore as error:
            raise faults.InvalidDpopProof(str(error)) from error

    def _signed(self, device: Device, jkt: str, *, bound: bool) -> str:
        import jwt

        now = int(self._clock().timestamp())
        claims: dict[str, Any] = {
            "iss": self._issuer,
            "aud": f"{self._issuer}/api/v1",
            "sub": device.id,
            "client_id": device.id,
            "jti": base64url.encode(self._random_bytes(_ID_BYTES)),
            "tid": device.tid,
            "iat": now,
            "exp": now + TOKEN_SECONDS,
            "key": jkt,
        }
        if bound:
            claims["cnf"] = {"jkt": jkt}
        return jwt.encode(claims, self._key, algorithm="HS256", headers={"typ": TOKEN_HEADER})

    def _claims(self, token: str) -> dict[str, Any]:
        import jwt

        try:
            if jwt.get_unverified_header(token).get("typ") != TOKEN_HEADER:
                raise faults.DeviceTokenInvalid("type")
            claims = jwt.decode(
                token,
                self._key,
                algorithms=["HS256"],
                audience=f"{self._issuer}/api/v1",
                issuer=self._issuer,
                # By the machine's clock PyJWT would judge exp, iat and nbf.
                options={
                    "require": ["aud", "iss", "exp", "sub", "tid", "key"],
                    "strict_aud": True,
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
        except (jwt.PyJWTError, ValueError) as error:
            raise faults.DeviceTokenInvalid(type(error).__name__) from error
        if not is_time(claims["exp"]):
            raise faults.DeviceTokenInvalid("exp")
        if self._clock().timestamp() >= claims["exp"]:
            raise faults.DeviceTokenExpired
        return dict(claims)
