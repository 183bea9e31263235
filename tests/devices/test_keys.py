"""A device's key: one kind, one form, one thumbprint."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.devices.keys import public_jwk, thumbprint, words
from shared.faults import ProofInvalid
from tests.devices.printer import base64url, jwk_of

GENERATOR = {
    # The base point of P-256 (FIPS 186-5, SEC 2 section 2.4.2): the public key whose private half is 1.
    "kty": "EC",
    "crv": "P-256",
    "x": "axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY",
    "y": "T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU",
}
RFC_7517 = {
    # The EC key of RFC 7517 appendix A.1.
    "kty": "EC",
    "crv": "P-256",
    "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
    "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
}
OTHER = jwk_of(ec.generate_private_key(ec.SECP256R1()))
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@pytest.mark.parametrize("jwk", [GENERATOR, RFC_7517, OTHER])
def test_a_p_256_key_is_taken(jwk: dict[str, Any]) -> None:
    """Keys of standards, and one of ours, are taken as they are."""
    assert public_jwk(jwk) == jwk


def test_members_that_say_nothing_of_the_key_are_left_out() -> None:
    """What a maker adds (use, kid, alg) is neither stored nor part of the thumbprint (RFC 7638 section 3.2)."""
    assert public_jwk({**RFC_7517, "use": "sig", "kid": "1", "alg": "ES256"}) == RFC_7517


def test_the_thumbprint_is_rfc_7638s() -> None:
    """The SHA-256 of the required members in lexical order without blanks; made outside this code by openssl."""
    assert thumbprint(RFC_7517) == "cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s"
    assert thumbprint(dict(reversed(RFC_7517.items()))) == thumbprint(RFC_7517)


def small_curve() -> dict[str, Any]:
    """A P-224-sized, a P-384-sized key: whichever curve, it is not ours."""
    numbers = ec.generate_private_key(ec.SECP384R1()).public_key().public_numbers()
    return {"kty": "EC", "crv": "P-384", "x": base64url(numbers.x.to_bytes(48)), "y": base64url(numbers.y.to_bytes(48))}


@pytest.mark.parametrize(
    ("jwk", "why"),
    [
        ({}, "nothing"),
        (small_curve(), "P-384"),
        ({**small_curve(), "crv": "P-256"}, "P-384 that says P-256"),
        ({**OTHER, "crv": "P-192"}, "P-192"),
        (jwk_of(ec.generate_private_key(ec.SECP256K1()), crv="secp256k1"), "secp256k1"),
        (jwk_of(ec.generate_private_key(ec.BrainpoolP256R1()), crv="P-256"), "Brainpool that says P-256"),
        ({**OTHER, "crv": "Ed25519"}, "Ed25519"),
        ({**OTHER, "crv": ["P-256"]}, "a list of curves"),
        ({**OTHER, "kty": "OKP"}, "OKP"),
        ({**OTHER, "kty": "ec"}, "lower case"),
        ({"kty": "RSA", "n": "AQAB" * 43, "e": "AQAB"}, "RSA"),
        ({**OTHER, "kty": "RSA", "n": "AQAB" * 43, "e": "AQAB"}, "EC and RSA"),
        ({"kty": "oct", "k": "AAAA"}, "symmetric"),
        ({**OTHER, "d": OTHER["x"]}, "private key inside"),
        ({**OTHER, "d": None}, "private key inside, though empty"),
        ({**OTHER, "y": RFC_7517["y"]}, "not on the curve"),
        ({**OTHER, "x": base64url(bytes(32)), "y": base64url(bytes(32))}, "the point at infinity"),
        ({**OTHER, "x": base64url(b"\xff" * 32)}, "beyond the field"),
        ({**OTHER, "x": OTHER["x"] + "="}, "padded"),
        ({**OTHER, "x": base64url(bytes(1)) + OTHER["x"]}, "33 bytes"),
        ({**OTHER, "x": OTHER["x"][:-2]}, "31 bytes"),
        ({**OTHER, "x": OTHER["x"][:-2] + "\n" + OTHER["x"][-2:]}, "a line break inside"),
        ({**OTHER, "x": "!" + OTHER["x"]}, "a foreign character"),
        ({**OTHER, "x": " " + OTHER["x"]}, "a blank"),
        ({**OTHER, "x": "ä" * 43}, "not ASCII"),
        ({**GENERATOR, "y": GENERATOR["y"].replace("-", "+").replace("_", "/")}, "base64, not base64url"),
        ({**OTHER, "x": ""}, "empty"),
        ({**OTHER, "x": None}, "null"),
        ({**OTHER, "x": 7}, "a number"),
        ({**OTHER, "x": [OTHER["x"]]}, "a list"),
        ({**OTHER, "x": "A" * 10_000}, "very long"),
    ],
)
def test_any_other_key_is_refused(jwk: dict[str, Any], why: str) -> None:
    """Only a public P-256 key, on its curve and in canonical base64url, is a device's key (D12)."""
    with pytest.raises(ProofInvalid):
        public_jwk(jwk)


@given(last=st.sampled_from(ALPHABET))
@settings(deadline=None, max_examples=64)
def test_a_key_has_one_form_only(last: str) -> None:
    """Bits that base64 has to spare cannot give the same key a second thumbprint, and so a second device (D12)."""
    spelled = {**OTHER, "x": OTHER["x"][:-1] + last}
    if last == OTHER["x"][-1]:
        assert public_jwk(spelled) == OTHER
    else:
        with pytest.raises(ProofInvalid):
            public_jwk(spelled)


def test_words_change_with_the_key() -> None:
    """A key that was swapped on the way shows other words on the panel than on the console (D04)."""
    spoken = {words(jwk_of(ec.generate_private_key(ec.SECP256R1()))) for _ in range(100)}
    assert len(spoken) == 100
    assert words(RFC_7517) == words(dict(RFC_7517))
    assert all(len(said.split()) == 4 and said.isalpha() is False and said.islower() for said in spoken)


def test_words_are_proquints() -> None:
    """The words are those of the first 64 bits of the thumbprint (arXiv 0901.4016; 127.0.0.1 is lusab-babad)."""
    assert words(RFC_7517) == "lanuz mogut katas bonil"
