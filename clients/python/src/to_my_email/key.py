"""The device's own key: made on the device, never leaves it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any, Self

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

_COORDINATE = 32
"""Bytes of one P-256 coordinate (RFC 7518 section 6.2.1.2)."""


class DeviceKey:
    """An ES256 (ECDSA P-256) key that signs what the device says about itself."""

    def __init__(self, private: ec.EllipticCurvePrivateKey) -> None:
        self._private = private

    @classmethod
    def make(cls) -> Self:
        """Make a new key."""
        return cls(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def from_pem(cls, pem: bytes) -> Self:
        """Read a PKCS#8 PEM.

        Raises:
            ValueError: it holds no P-256 key.
        """
        private = serialization.load_pem_private_key(pem, password=None)
        if not isinstance(private, ec.EllipticCurvePrivateKey) or not isinstance(private.curve, ec.SECP256R1):
            raise ValueError("not a P-256 key")  # noqa: TRY004  (one error for every unusable file)
        return cls(private)

    @property
    def pem(self) -> bytes:
        """The private key as PKCS#8 PEM."""
        return self._private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    @property
    def jwk(self) -> dict[str, str]:
        """The public half as a JSON Web Key (RFC 7517): kty, crv, x, y."""
        numbers = self._private.public_key().public_numbers()
        return {
            "kty": "EC",
            "crv": "P-256",
            "x": base64url(numbers.x.to_bytes(_COORDINATE)),
            "y": base64url(numbers.y.to_bytes(_COORDINATE)),
        }

    @property
    def thumbprint(self) -> str:
        """The SHA-256 thumbprint of the public key, base64url (RFC 7638 section 3)."""
        canonical = json.dumps(self.jwk, sort_keys=True, separators=(",", ":"))
        return base64url(hashlib.sha256(canonical.encode()).digest())

    def sign(self, typ: str, claims: dict[str, Any], header: Mapping[str, Any] | None = None) -> str:
        """Return ``claims`` as a compact JWS under ES256 with an explicit ``typ`` (RFC 8725 section 3.11)."""
        return jwt.encode(claims, self._private, algorithm="ES256", headers={"typ": typ, **(header or {})})


def base64url(data: bytes) -> str:
    """Encode without padding (RFC 7515 section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
