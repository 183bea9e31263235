"""What a JWS of a device must be, each part of it."""

import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from shared.devices.signatures import SignatureInvalid, signed_claims
from tests.devices.printer import jwk_of

OWN, OTHER = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
AUDIENCE, DEVICE = "https://scan.example.com", "33333333-0000-4000-8000-00000000000a"
CLAIMS = {"iss": DEVICE, "sub": DEVICE, "aud": AUDIENCE, "jti": "j"}


def signed(key: Any = OWN, algorithm: str = "ES256", typ: str = "x+jwt", **changes: Any) -> str:
    """A JWS; a claim changed to None is left out."""
    claims = {name: value for name, value in {**CLAIMS, **changes}.items() if value is not None}
    return jwt.PyJWS().encode(json.dumps(claims).encode(), key, algorithm, {"typ": typ})


def read(jws: str, **changes: Any) -> dict[str, Any]:
    """What is read of it."""
    asked = {"typ": "x+jwt", "audience": AUDIENCE, "issuer": DEVICE, "required": ["jti"], **changes}
    return signed_claims(jws, jwk_of(OWN), **asked)


def test_a_right_one_is_read() -> None:
    """Its claims come back as they were signed, whatever times it names (D08)."""
    assert read(signed(exp=1, iat=10**12, nbf=10**12))["jti"] == "j"
    assert read(signed(aud=None), audience=None)["jti"] == "j"


@pytest.mark.parametrize(
    "jws",
    [
        signed(OTHER),
        signed(ec.generate_private_key(ec.SECP384R1()), "ES384"),
        signed("k" * 32, "HS256"),
        signed(typ="y+jwt"),
        signed(aud="https://other.example"),
        signed(aud=[AUDIENCE]),
        signed(aud=None),
        signed(iss="somebody"),
        signed(iss=None),
        signed(sub="somebody"),
        signed(sub=DEVICE.upper()),
        signed(jti=None),
        "",
        "a.b.c",
        signed() + "A",
    ],
)
def test_anything_else_is_refused(jws: str) -> None:
    """D05, D07, D12: another key, kind, algorithm, audience, issuer, subject, or a claim that is not there."""
    with pytest.raises(SignatureInvalid):
        read(jws)


def test_who_asks_for_no_audience_takes_none() -> None:
    """D07: what was signed for somebody in particular is not for everybody."""
    with pytest.raises(SignatureInvalid):
        read(signed(), audience=None)
