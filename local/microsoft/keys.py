"""Signing keys of the emulated Entra ID, and how they are published (RFC 7517)."""

import base64
import secrets
from dataclasses import dataclass
from functools import cached_property
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from .directory import PERSONAL_TENANT

_EXPONENT = 65537
_BITS = 2048


@dataclass
class SigningKey:
    """An RSA key; ``pem`` is PKCS #8, ``tid`` is set on a key that signs for one tenant alone."""

    kid: str
    pem: str
    tid: str | None = None

    @classmethod
    def generate(cls, tid: str | None = None) -> "SigningKey":
        """Make a key."""
        key = generate_private_key(_EXPONENT, _BITS)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        return cls(uuid4().hex, pem, tid)

    @cached_property
    def private(self) -> RSAPrivateKey:
        """The key itself; reading it checks it, which takes 50 ms."""
        key = load_pem_private_key(self.pem.encode(), None)
        assert isinstance(key, RSAPrivateKey)
        return key

    def published(self, issuer: str) -> dict[str, str]:
        """Answer the JWK with Entra's ``issuer`` member."""
        return _jwk(self.kid, self.private.public_key().public_numbers().n, issuer)


class KeyRing:
    """The keys that Entra publishes: for work accounts, for personal ones, and any that are retired."""

    def __init__(self, work: SigningKey | None = None, personal: SigningKey | None = None) -> None:
        self.work = work or SigningKey.generate()
        self.personal = personal or SigningKey.generate(PERSONAL_TENANT)
        self._retired: list[SigningKey] = []
        self._junk: list[tuple[str, int]] = []

    def roll(self, *, keep_old: bool = True) -> str:
        """Sign with a new key from now on and answer its ``kid``; an emergency keeps no old key."""
        if keep_old:
            self._retired.append(self.work)
        self.work = SigningKey.generate()
        return self.work.kid

    def add_junk(self, count: int) -> None:
        """Publish ``count`` keys nobody signs with: Microsoft says to expect 10 to 1000 keys."""
        for _ in range(count):
            # Only the modulus is published, so only that is made up.
            self._junk.append((uuid4().hex, secrets.randbits(_BITS) | 1 | 1 << (_BITS - 1)))

    def signer(self, tid: str) -> SigningKey:
        """Answer the key that signs for a tenant."""
        return self.personal if tid == PERSONAL_TENANT else self.work

    def published(self, base: str, tid: str | None) -> list[dict[str, str]]:
        """Answer the JWKS of an authority; ``tid`` is None for common and organizations.

        There a work key's issuer is a template, ``…/{tenantid}/v2.0``, to be filled in by the reader
        (https://learn.microsoft.com/entra/identity-platform/access-tokens#validate-the-issuer).
        """
        personal = self.personal.published(f"{base}/{PERSONAL_TENANT}/v2.0")
        if tid == PERSONAL_TENANT:
            return [personal]
        issuer = f"{base}/{tid or '{tenantid}'}/v2.0"
        work = [key.published(issuer) for key in (*self._retired, self.work)]
        junk = [_jwk(kid, modulus, issuer) for kid, modulus in self._junk]
        return [*junk, *work, personal] if tid is None else [*junk, *work]


def _jwk(kid: str, modulus: int, issuer: str) -> dict[str, str]:
    return {
        "kty": "RSA",
        "use": "sig",
        "kid": kid,
        "n": _integer(modulus),
        "e": _integer(_EXPONENT),
        "issuer": issuer,
    }


def _integer(value: int) -> str:
    """Base64urlUInt of RFC 7518 section 2."""
    return base64.urlsafe_b64encode(value.to_bytes((value.bit_length() + 7) // 8, "big")).rstrip(b"=").decode()
