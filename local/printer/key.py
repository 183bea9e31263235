"""The device's own key: made on the device, never leaves it."""

import base64
import hashlib
import json
from pathlib import Path
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
    def keep(cls, path: Path) -> Self:
        """Load the key from ``path`` (PKCS#8 PEM), or make it there, readable by its owner only (0600)."""
        try:
            private = serialization.load_pem_private_key(path.read_bytes(), password=None)
        except FileNotFoundError:
            private = ec.generate_private_key(ec.SECP256R1())
            pem = private.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            path.parent.mkdir(parents=True, exist_ok=True)
            # The mode is part of the creation: there is no moment at which others could read it.
            path.touch(0o600, exist_ok=False)
            path.write_bytes(pem)
        if not isinstance(private, ec.EllipticCurvePrivateKey):
            raise TypeError(f"{path} holds no elliptic-curve key")
        return cls(private)

    @property
    def jwk(self) -> dict[str, str]:
        """The public half as a JSON Web Key (RFC 7517): kty, crv, x, y."""
        numbers = self._private.public_key().public_numbers()
        return {
            "kty": "EC",
            "crv": "P-256",
            "x": _base64url(numbers.x.to_bytes(_COORDINATE)),
            "y": _base64url(numbers.y.to_bytes(_COORDINATE)),
        }

    @property
    def thumbprint(self) -> str:
        """The SHA-256 thumbprint of the public key, base64url (RFC 7638 section 3)."""
        canonical = json.dumps(self.jwk, sort_keys=True, separators=(",", ":"))
        return _base64url(hashlib.sha256(canonical.encode()).digest())

    def sign(self, typ: str, claims: dict[str, Any]) -> str:
        """Return ``claims`` as a compact JWS under ES256, its header's ``typ`` set to ``typ`` (RFC 8725 3.11)."""
        return jwt.encode(claims, self._private, algorithm="ES256", headers={"typ": typ})


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
