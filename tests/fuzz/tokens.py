"""Targets where a signature decides: here what they share, and the ID token; ``devices`` has a device's three.

What nobody signed is never taken, whatever it looks like; what was signed is taken only where the rules of this file,
which are written again from the specifications, say so; and nothing but the documented refusal is ever raised.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from random import Random
from typing import Any

import jwt
import requests
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.devices.printer import jwk_of
from tests.fuzz.grammar import b64, bent, dumped, hostile, jws_near
from tests.fuzz.target import Check, Edit, Modules, Target

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
TID, OTHER_TID = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
OID, CLIENT = "abcdefab-0000-4000-8000-0123456789ab", "aaaaaaaa-0000-4000-8000-000000000001"
AUTHORITY, ORIGIN, NONCE = "https://login.example", "https://scan.example.com", "a-nonce-of-this-authorization"
DEVICE = "33333333-0000-4000-8000-00000000000a"
GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
ENTRA, FORGER = (rsa.generate_private_key(65537, 2048) for _ in range(2))
OWN, NEXT, FORMER, STRANGER = (ec.generate_private_key(ec.SECP256R1()) for _ in range(4))


def signed(claims: Any, header: dict[str, Any], key: Any, algorithm: str) -> str:
    """Sign anything at all."""
    return jwt.PyJWS().encode(dumped(claims), key, algorithm, header)


def kind_of(rng: Random) -> dict[str, Any]:
    """Return what is to be done to a good token; the check does it, since keys are of this run."""
    kind = rng.choices(["good", "bent", "header", "near", "stranger"], [1, 6, 2, 6, 2])[0]
    return {"kind": kind, "number": rng.randrange(2**32)}


def made(given: dict[str, Any], claims: Any, header: dict[str, Any], keys: tuple[Any, Any], algorithm: str) -> Any:
    """Return the token, its claims and header as they are signed, and what is signed (None: nothing of it)."""
    rng, own = Random(given["number"]), keys[0]
    if given["kind"] == "bent":
        claims = bent(rng, claims)
    elif given["kind"] == "header":
        extra = {name: rng.choice([f"{AUTHORITY}/x", jwk_of(STRANGER), [], None, 7, hostile(rng, 2)])
                 for name in rng.sample(["jku", "x5u", "jwk", "kid", "typ", "crit", "x5c", "b64"], 2)}  # fmt: skip
        header = header | extra
    elif given["kind"] == "stranger":
        own = keys[1]
        header = header | rng.choice([{}, {"jwk": jwk_of(STRANGER)}, {"jku": f"{AUTHORITY}/x"}])
    try:
        token = signed(claims, header, own, algorithm)
    except (jwt.PyJWTError, TypeError, ValueError):  # PyJWT signs no such header
        token = f"{b64(dumped(header))}.{b64(dumped(claims))}.{b64(b'x' * 64)}"
        return token, claims, header, None
    return token, claims, header, (None if given["kind"] == "stranger" else token.rpartition(".")[0])


# ---- the ID token


def _id_claims(rng: Random) -> dict[str, Any]:
    return {"ver": "2.0", "iss": f"{AUTHORITY}/{TID}/v2.0", "aud": CLIENT, "iat": SECONDS, "nbf": SECONDS,
            "exp": SECONDS + rng.choice([3600, 3600, -299, -301]), "nonce": NONCE,
            "tid": rng.choice([TID, TID, OTHER_TID]),
            "oid": OID, "name": "Adele", "preferred_username": "adele@contoso.example", "acct": 0,
            "wids": ["62e90394-69f5-4237-9190-012177145e10"], "roles": ["Reader"], "auth_time": SECONDS}  # fmt: skip


def generate_id_token(rng: Random) -> dict[str, Any]:
    """Return a bent ID token's recipe."""
    return kind_of(rng) | {"claims": _id_claims(rng)}


def build_id_token(modules: Modules) -> Check:
    """Return the check: only what Entra signed for this login proves an account, and that very one."""
    room, faults = modules("shared.identity.id_token"), modules("shared.faults")
    numbers = ENTRA.public_key().public_numbers()
    published = {"keys": [{"kty": "RSA", "use": "sig", "kid": "k", "n": _number(numbers.n), "e": _number(numbers.e)}]}
    answer = requests.Response()
    answer.status_code, answer._content = 200, json.dumps(published).encode()
    keys = room.SigningKeys(AUTHORITY, lambda _: answer, lambda: NOW)

    def check(given: dict[str, Any]) -> None:
        token, claims, _, source = made(given, given["claims"], {"kid": "k", "typ": "JWT"}, (ENTRA, FORGER), "RS256")
        if given["kind"] == "near":
            token = jws_near(Random(given["number"]), token)
        try:
            account = room.prove(
                token, keys=keys, authority_url=AUTHORITY, tid=TID, client_id=CLIENT, nonce=NONCE, now=NOW
            )
        except faults.ResponseNotExpected:
            assert given["kind"] != "good" or not _may_log_in(claims), "a good one was refused"
            return
        assert token.rpartition(".")[0] == source, "nobody signed it"
        assert _may_log_in(claims), "signed, and for something else"
        assert (account.tid, account.oid) == (TID, claims["oid"].lower()), "another account"

    return check


def _may_log_in(claims: Any) -> bool:
    def number(value: Any) -> bool:
        return isinstance(value, int | float) or (isinstance(value, str) and value.strip().isdigit())

    if not isinstance(claims, dict) or not all(number(claims.get(name)) for name in ("exp", "iat")):
        return False
    begins = claims.get("nbf", claims["iat"])
    return (
        claims.get("iss") == f"{AUTHORITY}/{TID}/v2.0"
        and claims.get("aud") == CLIENT
        and claims.get("nonce") == NONCE
        and all(isinstance(claims.get(name), str) and GUID.fullmatch(claims[name]) for name in ("tid", "oid"))
        and claims["tid"].lower() == TID
        and number(begins)
        and float(begins) - 300 <= SECONDS < float(claims["exp"]) + 300
    )


def _number(value: int) -> str:
    return b64(value.to_bytes((value.bit_length() + 7) // 8, "big"))


ID_TOKEN = Target(
    "ID token",
    "what Entra did not sign for this very login proves nobody (A01 to A10)",
    4_000,
    generate_id_token,
    build_id_token,
    ("shared.identity.id_token",),
    tuple(
        (Edit("shared.identity.id_token", before, after),)
        for before, after in (
            ("audience=client_id", 'audience="x"'),
            ('            issuer=f"{authority_url}/{tid}/v2.0",\n', ""),
            ('(claims.get("nonce") != nonce or not nonce)', "not nonce"),
            (' or canonical(claims["tid"]) != tid', ""),
            ('oid = canonical(claims["oid"])', 'oid = str(claims["oid"])'),
            ("KeyError, ValueError, TypeError, Over", "KeyError, TypeError, Over"),
            ('"verify_exp": False,\n', '"verify_exp": False,\n                "verify_signature": False,\n'),
            ("moment < float(claims", "moment < 1e6 + float(claims"),
        )
    ),
)


TARGETS = (ID_TOKEN,)
