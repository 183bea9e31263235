"""A device's public key: what we accept, its thumbprint, and the words people compare."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from shared import faults
from shared.devices import base64url

_MEMBERS = ("kty", "crv", "x", "y")
_COORDINATE_BYTES = 32
_DIGEST_BYTES = 32
_CONSONANTS, _VOWELS = "bdfghjklmnprstvz", "aiou"

DECOY = {
    # The key of RFC 7517 appendix A.1: looked at where there is none, so that it takes as long; it lets nobody in.
    "crv": "P-256",
    "kty": "EC",
    "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
    "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
}


def public_jwk(offered: Mapping[str, Any]) -> dict[str, str]:
    """Return the four members of an EC P-256 public key, or refuse (threat D12).

    Raises:
        ProofInvalid: another kind of key, a private one, or a point that is not on the curve.
    """
    from jwt import PyJWK
    from jwt.exceptions import PyJWTError

    jwk = {name: offered.get(name) for name in sorted(_MEMBERS)}
    if jwk["kty"] != "EC" or jwk["crv"] != "P-256" or "d" in offered:
        raise faults.ProofInvalid("kind of key")
    try:
        for name in ("x", "y"):
            base64url.decode(jwk[name], _COORDINATE_BYTES)
        PyJWK(jwk, algorithm="ES256")
    except (PyJWTError, ValueError, TypeError) as error:
        raise faults.ProofInvalid("key") from error
    return {name: str(value) for name, value in jwk.items()}


def thumbprint(jwk: Mapping[str, str]) -> str:
    """Return the SHA-256 thumbprint of an EC key in base64url (RFC 7638 section 3)."""
    told = json.dumps({name: jwk[name] for name in _MEMBERS}, separators=(",", ":"), sort_keys=True)
    return base64url.encode(hashlib.sha256(told.encode()).digest())


def words(jwk: Mapping[str, str]) -> str:
    """Return four pronounceable words for the first 64 bits of the thumbprint (proquints, arXiv 0901.4016)."""
    digest = base64url.decode(thumbprint(jwk), _DIGEST_BYTES)
    return " ".join(_proquint(int.from_bytes(digest[at : at + 2], "big")) for at in range(0, 8, 2))


def _proquint(number: int) -> str:
    return (
        _CONSONANTS[number >> 12]
        + _VOWELS[(number >> 10) & 3]
        + _CONSONANTS[(number >> 6) & 15]
        + _VOWELS[(number >> 4) & 3]
        + _CONSONANTS[number & 15]
    )
