"""A printer whose every word can be bent: it signs what an honest one would sign, but for what a test changes."""

import base64
import hashlib
import hmac
import json
import uuid
from collections.abc import Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from shared.devices import Device
from shared.services import Services

CONTOSO = "11111111-1111-4111-8111-111111111111"
GONE = object()
"""As the value of a claim or header: leave it out."""
COORDINATE_BYTES = 32


def base64url(raw: bytes) -> str:
    """Write bytes as RFC 7515 does: base64url without padding."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def jwk_of(private: ec.EllipticCurvePrivateKey, **changes: Any) -> dict[str, Any]:
    """Return the public half of a P-256 key as a JSON Web Key."""
    numbers = private.public_key().public_numbers()
    x, y = (base64url(number.to_bytes(COORDINATE_BYTES)) for number in (numbers.x, numbers.y))
    return {"kty": "EC", "crv": "P-256", "x": x, "y": y, **changes}


def thumbprint_of(jwk: Mapping[str, Any]) -> str:
    """Return the thumbprint of an EC key, as RFC 7638 section 3.2 has it."""
    members = ",".join(f'"{name}":"{jwk[name]}"' for name in ("crv", "kty", "x", "y"))
    return base64url(hashlib.sha256(f"{{{members}}}".encode()).digest())


def by_hand(header: object, payload: object, key: bytes = b"") -> str:
    """Return a compact JWS of anything at all, signed by HMAC-SHA256 with ``key`` where there is one."""
    segments = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, payload)]
    signed = ".".join(map(base64url, segments))
    return f"{signed}.{base64url(hmac.digest(key, signed.encode(), 'sha256')) if key else ''}"


class Printer:
    """One printer, with a key of its own.

    Args:
        rooms: the service it talks to.
        private: its key; made where none is given.
    """

    def __init__(self, rooms: Services, private: ec.EllipticCurvePrivateKey | None = None) -> None:
        self.rooms = rooms
        self.private = private or ec.generate_private_key(ec.SECP256R1())
        self.jwk = jwk_of(self.private)
        self.thumbprint = thumbprint_of(self.jwk)
        self.audience = rooms.settings.public_url
        self.id = ""

    def sign(
        self,
        claims: Mapping[str, Any],
        headers: Mapping[str, Any],
        *,
        algorithm: str = "ES256",
        key: PrivateKeyTypes | bytes | None = None,
    ) -> str:
        """Sign claims and headers, without those that are GONE; jwt.encode would refuse some."""
        kept = {name: value for name, value in claims.items() if value is not GONE}
        return jwt.PyJWS().encode(
            json.dumps(kept).encode(),
            key or self.private,  # type: ignore[arg-type]
            algorithm=algorithm,
            headers={name: (None if value is GONE else value) for name, value in headers.items()},
        )

    def proof(self, *, headers: Mapping[str, Any] | None = None, **changes: Any) -> str:
        """Prove possession of the key; ``algorithm`` and ``key`` as for ``sign``, the rest changes claims."""
        how = {name: changes.pop(name) for name in ("algorithm", "key") if name in changes}
        claims = {"nonce": self.rooms.nonces.make(), "jkt": self.thumbprint, "aud": self.audience} | changes
        return self.sign(claims, {"typ": "enrolment-proof+jwt", **(headers or {})}, **how)

    def enrol(self, ticket: str | None = None, **changes: Any) -> Device:
        """Enrol, with a fresh ticket of Contoso's office where none is given."""
        asked = {
            "ticket": ticket or self.rooms.tickets.issue(CONTOSO, "office", "2nd floor"),
            "jwk": self.jwk,
            "proof": self.proof(),
            "model": "Virtual",
            "serial": "S1",
            "name": "Printer 2F",
            "locale": "",
            "address": "203.0.113.7",
        }
        device = self.rooms.enrolments.enrol(**{**asked, **changes})
        self.id = device.id
        return device

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Return the claims of an honest assertion, changed."""
        now = int(self.rooms.clock().timestamp())
        honest = {
            "iss": self.id,
            "sub": self.id,
            "aud": self.audience,
            "jti": str(uuid.uuid4()),
            "nonce": self.rooms.nonces.make(),
            "iat": now,
            "exp": now + 120,
        }
        return {**honest, **changes}

    def assertion(self, *, headers: Mapping[str, Any] | None = None, **changes: Any) -> str:
        """Return a client assertion; changes as in ``proof``."""
        how = {name: changes.pop(name) for name in ("algorithm", "key") if name in changes}
        return self.sign(self.claims(**changes), {"typ": "client-authentication+jwt", **(headers or {})}, **how)

    def token(self) -> str:
        """Return an access token, asked for honestly."""
        return self.rooms.tokens.give(request_of(self.assertion())).value

    def rollover(self, new: "Printer", *, old_key: Any = None, new_key: Any = None, **changes: Any) -> dict[str, Any]:
        """Return what announces ``new``'s key as this device's next one; changes are to both proofs' claims."""
        claims = {"nonce": self.rooms.nonces.make(), "aud": self.audience, "sub": self.id, "jkt": new.thumbprint}
        headers = {"typ": changes.pop("typ", "key-rollover+jwt")}
        claims |= changes
        return {
            "jwk": new.jwk,
            "old_proof": self.sign(claims, headers, key=old_key),
            "new_proof": new.sign(claims, headers, key=new_key),
        }

    def dpop(
        self, method: str, path: str, *, token: str = "", headers: Mapping[str, Any] | None = None, **changes: Any
    ) -> str:
        """Return a DPoP proof for a request; changes as in ``proof``."""
        how = {name: changes.pop(name) for name in ("algorithm", "key") if name in changes}
        claims = {
            "htm": method,
            "htu": f"{self.audience}{path}",
            "iat": 1,  # a printer's clock may say anything
            "jti": str(uuid.uuid4()),
            "nonce": self.rooms.nonces.make(),
            "ath": base64url(hashlib.sha256(token.encode()).digest()) if token else GONE,
        }
        return self.sign({**claims, **changes}, {"typ": "dpop+jwt", "jwk": self.jwk, **(headers or {})}, **how)


def request_of(assertion: str) -> dict[str, str]:
    """Return the form of a token request."""
    return {
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": assertion,
    }
