"""Targets where a signature decides: the ID token, a device's assertion, DPoP proof and enrolment proof; and the seal.

What nobody signed is never taken, whatever it looks like; what was signed is taken only where the rules of this file,
which are written again from the specifications, say so; and nothing but the documented refusal is ever raised.
"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, datetime
from random import Random
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import jwt
import requests
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.devices.printer import jwk_of, thumbprint_of
from tests.fuzz.grammar import b64, bent, dumped, flipped, hostile, jws_near, near, unb64
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


def _kind(rng: Random) -> dict[str, Any]:
    """Return what is to be done to a good token; the check does it, since keys are of this run."""
    kind = rng.choices(["good", "bent", "header", "near", "stranger"], [1, 6, 2, 6, 2])[0]
    return {"kind": kind, "number": rng.randrange(2**32)}


def _made(given: dict[str, Any], claims: Any, header: dict[str, Any], keys: tuple[Any, Any], algorithm: str) -> Any:
    """Return the token, its claims and header as they are signed, and what is signed (None: nothing of it)."""
    rng, own = Random(given["number"]), keys[0]
    if given["kind"] == "bent":
        claims = bent(rng, claims)
    elif given["kind"] == "header":
        extra = {name: rng.choice([f"{AUTHORITY}/x", jwk_of(STRANGER), [], None, 7, hostile(rng, 2)])
                 for name in rng.sample(["jku", "x5u", "jwk", "kid", "typ", "crit", "x5c", "b64", "cty"], 2)}  # fmt: skip
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
            "exp": SECONDS + rng.choice([3600, 3600, -299, -301]), "nonce": NONCE, "tid": rng.choice([TID, TID, OTHER_TID]),
            "oid": OID, "name": "Adele", "preferred_username": "adele@contoso.example", "acct": 0,
            "wids": ["62e90394-69f5-4237-9190-012177145e10"], "roles": ["Reader"], "auth_time": SECONDS}  # fmt: skip


def generate_id_token(rng: Random) -> dict[str, Any]:
    """Return a bent ID token's recipe."""
    return _kind(rng) | {"claims": _id_claims(rng)}


def build_id_token(modules: Modules) -> Check:
    """Return the check: only what Entra signed for this login proves an account, and that very one."""
    room, faults = modules("shared.identity.id_token"), modules("shared.faults")
    numbers = ENTRA.public_key().public_numbers()
    published = {"keys": [{"kty": "RSA", "use": "sig", "kid": "k", "n": _number(numbers.n), "e": _number(numbers.e)}]}
    answer = requests.Response()
    answer.status_code, answer._content = 200, json.dumps(published).encode()
    keys = room.SigningKeys(AUTHORITY, lambda _: answer, lambda: NOW)

    def check(given: dict[str, Any]) -> None:
        token, claims, _, source = _made(given, given["claims"], {"kid": "k", "typ": "JWT"}, (ENTRA, FORGER), "RS256")
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
    6_000,
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
            (", TypeError, OverflowError, OSError) as error", ", TypeError, OSError) as error"),
            ('"verify_exp": False,\n', '"verify_exp": False,\n                "verify_signature": False,\n'),
            ("moment < float(claims", "moment < 1e6 + float(claims"),
        )
    ),
)


# ---- what a device signs


class Known:
    """The one enrolled device, as its row would be read."""

    def __init__(self, modules: Modules, **changes: Any) -> None:
        self.device = modules("shared.devices.devices").Device(
            id=DEVICE, tid=TID, group="office", location="", name="", model="", serial="", locale="", status="active",
            jwk=jwk_of(OWN), next_jwk=jwk_of(NEXT), former_jwk=jwk_of(FORMER), enrolled_at=NOW, **changes
        )  # fmt: skip

    def get(self, device_id: str) -> Any:
        """The device, or nobody."""
        return self.device if device_id == DEVICE else None

    def former_key_used(self, device: Any, made: Any) -> None:
        """The administrator would be told."""


def _nonces(modules: Modules) -> Any:
    return modules("shared.devices.nonces").Nonces(b"k" * 32, lambda: NOW, lambda n: b"r" * n)


def generate_assertion(rng: Random) -> dict[str, Any]:
    """Return a bent assertion's recipe."""
    return _kind(rng) | {"stale": rng.random() < 0.1, "key": rng.choice(["own", "own", "next", "former"])}


def build_assertion(modules: Modules) -> Check:
    """Return the check: only who holds the key of now, and signed just now for us, is a device."""
    room, known, nonces = modules("shared.devices.assertions"), Known(modules), _nonces(modules)
    assertions = room.Assertions(known, known, nonces, ORIGIN)
    keys = {"own": OWN, "next": NEXT, "former": FORMER}
    fresh = nonces.make()

    def check(given: dict[str, Any]) -> None:
        claims = {"iss": DEVICE, "sub": DEVICE, "aud": ORIGIN, "jti": "j", "nonce": fresh, "iat": 1, "exp": 121}
        if given["stale"]:
            rng = Random(given["number"])
            claims["nonce"] = rng.choice([near(rng, fresh), b64(flipped(rng, unb64(fresh)))])
        header = {"typ": "client-authentication+jwt"}
        token, claims, header, source = _made(given, claims, header, (keys[given["key"]], STRANGER), "ES256")
        if given["kind"] == "near":
            token = jws_near(Random(given["number"]), token)
        right = given["key"] != "former" and _may_come_in(claims, header, fresh)
        try:
            asserted = assertions.check(token)
        except room.AssertionRefused:
            assert given["kind"] != "good" or not right, "a good one was refused"
            return
        assert token.rpartition(".")[0] == source, "nobody signed it"
        assert right, "signed, and for something else"
        assert asserted.device is known.device, "another device"
        assert asserted.jkt == thumbprint_of(jwk_of(keys[given["key"]])), "another key"

    return check


def _may_come_in(claims: Any, header: dict[str, Any], fresh: str) -> bool:
    def seconds(value: Any) -> bool:
        return type(value) is int

    return (
        isinstance(claims, dict)
        and header.get("typ") == "client-authentication+jwt"
        and claims.get("iss") == claims.get("sub") == DEVICE
        and claims.get("aud") == ORIGIN
        and claims.get("nonce") == fresh
        and claims.get("jti") is not None
        and seconds(claims.get("exp"))
        and seconds(claims.get("iat", claims["exp"]))
        and 0 <= claims["exp"] - claims.get("iat", claims["exp"]) <= 300
    )


_DEVICE_MODULES = (
    "shared.devices.base64url",
    "shared.devices.keys",
    "shared.devices.nonces",
    "shared.devices.signatures",
    "shared.devices.assertions",
)
_SIGNATURES = "shared.devices.signatures"
ASSERTION = Target(
    "device assertion",
    "nobody but the holder of the device's key of now, who signed for us just now, is a device (D06 to D09, D12)",
    4_000,
    generate_assertion,
    build_assertion,
    _DEVICE_MODULES,
    (
        (
            Edit(
                _SIGNATURES,
                '        if jwt.get_unverified_header(jws).get("typ") != typ:\n            raise SignatureInvalid("type")\n',
                "",
            ),
        ),
        (Edit(_SIGNATURES, "            issuer=issuer,\n            subject=issuer,\n", ""),),
        (Edit(_SIGNATURES, '"strict_aud": True,\n', '"verify_aud": False,\n'),),
        (Edit(_SIGNATURES, '"verify_exp": False,\n', '"verify_exp": False, "verify_signature": False,\n'),),
        (
            Edit(
                "shared.devices.assertions",
                '            raise AssertionRefused("nonce", stale=True)',
                "            pass",
            ),
        ),
        (Edit("shared.devices.assertions", '            raise AssertionRefused("former key")', "            pass"),),
        (Edit("shared.devices.assertions", " <= ASSERTION_SECONDS)", ")"),),
        (Edit("shared.devices.nonces", "if not hmac.compare_digest(mac, self._mac(told)):", "if False:"),),
        (Edit("shared.devices.base64url", "if encode(raw) != text:", "if False:"),),
    ),
)


def generate_dpop(rng: Random) -> dict[str, Any]:
    """Return a bent DPoP proof's recipe."""
    paths = ["/api/v1/device", "/api/v1/scans/ä b", "/api/v1/users/a%b", "/"]
    path = rng.choice(paths)
    written = ORIGIN + quote(path)
    address = rng.choice([written, written, written.replace("https", "HTTPS"), f"{ORIGIN}:443{quote(path)}?q=1#f",
                          ORIGIN.upper() + quote(path), near(rng, written), f"https://x@{ORIGIN[8:]}{quote(path)}",
                          f"{ORIGIN}.evil.example{quote(path)}", f"{ORIGIN}{quote(rng.choice(paths))}", "https://[",
                          f"http://{ORIGIN[8:]}{quote(path)}", f"{ORIGIN}:0x1bb{quote(path)}", hostile(rng)])  # fmt: skip
    return _kind(rng) | {"path": path, "htu": address, "proofs": rng.choice([1] * 9 + [0, 2]),
                         "token": rng.random() < 0.5}  # fmt: skip


def build_dpop(modules: Modules) -> Check:
    """Return the check: a proof proves its key for one method, address, token and moment."""
    room, nonces = modules("shared.devices.dpop"), _nonces(modules)
    fresh = nonces.make()
    ath = b64(hashlib.sha256(b"token").digest())

    def check(given: dict[str, Any]) -> None:
        claims = {"htm": "GET", "htu": given["htu"], "iat": 1, "jti": "j", "nonce": fresh, "ath": ath}
        header = {"typ": "dpop+jwt", "jwk": jwk_of(OWN)}
        proof, claims, header, source = _made(given, claims, header, (OWN, FORMER), "ES256")
        if given["kind"] == "near":
            proof = jws_near(Random(given["number"]), proof)
        sent = room.Sent((proof,) * given["proofs"], "GET", given["path"])
        token = "token" if given["token"] else None
        right = given["proofs"] == 1 and _proves(claims, header, given["path"], fresh, ath if token else None)
        try:
            shown = room.proven(sent, ORIGIN, nonces.fresh, token=token)
        except room.DpopRefused:
            assert given["kind"] != "good" or not right, "a good one was refused"
            return
        if given["kind"] == "stranger" and header["jwk"] == jwk_of(STRANGER):
            raise AssertionError("another key than the one that is named")
        assert proof.rpartition(".")[0] == source, "nobody signed it"
        assert right, "signed, and for something else"
        assert shown.jkt == thumbprint_of(jwk_of(OWN)), "another key"

    return check


def _proves(claims: Any, header: dict[str, Any], path: str, fresh: str, ath: str | None) -> bool:
    if not isinstance(claims, dict) or not isinstance(claims.get("htu"), str) or header.get("jwk") != jwk_of(OWN):
        return False
    try:
        told = urlsplit(claims["htu"])
        place = told.scheme.lower(), told.netloc.lower().removesuffix(":443")
    except ValueError:
        return False
    return (
        header.get("typ") == "dpop+jwt"
        and claims.get("htm") == "GET"
        and place == ("https", ORIGIN[8:])
        and unquote(told.path) == path
        and claims.get("nonce") == fresh
        and all(claims.get(name) is not None for name in ("iat", "jti"))
        and (ath is None or claims.get("ath") == ath)
    )


DPOP = Target(
    "DPoP proof",
    "a proof is good for the key, method, address, token and moment that it names, and for nothing else (D06, D11, D12)",
    5_000,
    generate_dpop,
    build_dpop,
    (*_DEVICE_MODULES[:4], "shared.devices.dpop"),
    (
        (
            Edit(
                "shared.devices.dpop",
                '    if claims["htm"] != sent.method:\n        raise DpopRefused("invalid_dpop_proof", "htm")\n',
                "",
            ),
        ),
        (Edit("shared.devices.dpop", " and unquote(told.path) == path", ""),),
        (Edit("shared.devices.dpop", "_place(told) == _place(urlsplit(origin)) and ", ""),),
        (Edit("shared.devices.dpop", "        address.username is not None,\n", ""),),
        (
            Edit(
                "shared.devices.dpop",
                '    if not fresh(claims.get("nonce")):\n        raise DpopRefused("use_dpop_nonce", "nonce")\n',
                "",
            ),
        ),
        (Edit("shared.devices.dpop", "token is not None and ", "token is None and "),),
        (Edit("shared.devices.dpop", "len(sent.proofs) != 1", "not sent.proofs"),),
        (
            Edit(
                "shared.devices.dpop",
                "    except ValueError:\n        return False\n",
                "    except KeyError:\n        return False\n",
            ),
        ),
    ),
)


def generate_enrolment(rng: Random) -> dict[str, Any]:
    """Return a bent enrolment proof's recipe, and its key's."""
    return _kind(rng) | {"jwk": rng.random() < 0.4}


def build_enrolment(modules: Modules) -> Check:
    """Return the check: who enrols holds the private half of the key that he enrols."""
    enrolment, keys, nonces = modules("shared.devices.enrolment"), modules("shared.devices.keys"), _nonces(modules)
    invalid = modules("shared.faults").ProofInvalid
    room = enrolment.Enrolments(None, None, None, nonces, ORIGIN, lambda: NOW)
    fresh, own = nonces.make(), jwk_of(OWN)

    def check(given: dict[str, Any]) -> None:
        rng = Random(given["number"])
        jwk = bent(rng, own, 1) if given["jwk"] else own
        claims = {"nonce": fresh, "jkt": thumbprint_of(own), "aud": ORIGIN}
        proof, claims, header, source = _made(given, claims, {"typ": "enrolment-proof+jwt"}, (OWN, STRANGER), "ES256")
        if given["kind"] == "near":
            proof = jws_near(rng, proof)
        right = (
            isinstance(claims, dict)
            and {name: claims.get(name) for name in ("nonce", "jkt", "aud")}
            == {"nonce": fresh, "jkt": thumbprint_of(own), "aud": ORIGIN}
            and header.get("typ") == "enrolment-proof+jwt"
            and isinstance(jwk, dict)
            and {name: jwk.get(name) for name in own} == own
            and "d" not in jwk
        )
        try:
            public = keys.public_jwk(jwk if isinstance(jwk, dict) else {})
            room._prove(public, keys.thumbprint(public), proof)
        except invalid:
            assert given["kind"] != "good" or not right, "a good one was refused"
            return
        assert proof.rpartition(".")[0] == source, "nobody signed it"
        assert right, "signed, and for something else"
        assert public == own, "another key"

    return check


ENROLMENT = Target(
    "enrolment proof",
    "a key is enrolled by its holder alone, for us, just now (D05, D09, D12)",
    4_000,
    generate_enrolment,
    build_enrolment,
    (*_DEVICE_MODULES[:4], "shared.devices.enrolment"),
    (
        (Edit("shared.devices.enrolment", 'claims["jkt"] != print_ or ', ""),),
        (Edit("shared.devices.enrolment", ' or not self._nonces.fresh(claims["nonce"])', ""),),
        (Edit("shared.devices.enrolment", "audience=self._audience", "audience=None"),),
        (Edit("shared.devices.keys", "except (PyJWTError, ValueError, TypeError)", "except (PyJWTError, TypeError)"),),
        (Edit(_SIGNATURES, '"verify_exp": False,\n', '"verify_exp": False, "verify_signature": False,\n'),),
    ),
)


# ---- the seal


class Keys:
    """Two tenants' data keys, as they are once unwrapped."""

    def __init__(self, broken: type[Exception]) -> None:
        self._broken = broken
        self._keys = {TID: (b"A" * 16, b"a" * 32), OTHER_TID: (b"B" * 16, b"b" * 32)}

    def sealing_key(self, tid: str, *, anew: bool = False) -> tuple[bytes, bytes]:
        """The key of a tenant."""
        return self._keys[tid]

    def opening_key(self, tid: str, key_id: bytes) -> bytes:
        """The key of that id, where it is the tenant's."""
        if self._keys[tid][0] != key_id:
            raise self._broken("unknown key")
        return self._keys[tid][1]


PLACE = ("grants", TID, OID, "tokens", "epoch 1")
_PARTS = (0, 1, 17, 49, 61, 93)


def generate_sealed(rng: Random) -> dict[str, Any]:
    """Return what is done to sealed bytes, or to the place where they are to open."""
    return {"kind": rng.choice(["good", "flip", "flip", "mix", "mix", "place", "tenant", "junk"]),
            "number": rng.randrange(2**32), "text": rng.choice(["", "a", "token" * 40])}  # fmt: skip


def build_sealed(modules: Modules) -> Check:
    """Return the check: only what we sealed for this tenant and place opens, and to what it was."""
    room = modules("shared.vault.sealing")
    sealer = room.Sealer(Keys(room.SealBroken), "test")

    def check(given: dict[str, Any]) -> None:
        rng, kind, text = Random(given["number"]), given["kind"], given["text"].encode()
        sealed = sealer.seal(TID, text, *PLACE)
        given_bytes, tid, place = sealed, TID, PLACE
        if kind == "flip":
            given_bytes = flipped(rng, sealed)
        elif kind == "mix":  # parts of another seal: of another place, tenant, or of the same
            other = sealer.seal(rng.choice([TID, OTHER_TID]), text, *rng.choice([PLACE, (*PLACE[:3], "other")]))
            pieces = [
                (rng.choice([sealed, other]))[start:end] for start, end in zip(_PARTS, (*_PARTS[1:], None), strict=True)
            ]
            given_bytes = b"".join(pieces)
        elif kind == "place":
            at = rng.randrange(len(PLACE))
            joined = (*PLACE[:at], "".join(PLACE[at : at + 2]), *PLACE[at + 2 :])
            place = rng.choice(
                [(*PLACE[:at], near(rng, PLACE[at]), *PLACE[at + 1 :]), joined, PLACE[::-1], (*PLACE, "")]
            )
        elif kind == "tenant":
            tid = OTHER_TID
        elif kind == "junk":
            given_bytes = rng.choice([b"", b"\x02", b"\x01", sealed[:17]]) + rng.randbytes(rng.randrange(200))
        try:
            opened = sealer.open(tid, given_bytes, *place)
        except room.SealBroken:
            assert (given_bytes, tid, place) != (sealed, TID, PLACE), "what we sealed does not open"
            return
        assert (tid, place) == (TID, PLACE), "it opens elsewhere"
        assert given_bytes == sealed or (kind == "mix" and given_bytes == other), "other bytes open"
        assert opened == text, "another text"

    return check


SEALED = Target(
    "sealed format",
    "only what we sealed opens, for its tenant and at its place (G02 to G04, G06)",
    20_000,
    generate_sealed,
    build_sealed,
    ("shared.vault.sealing",),
    (
        (Edit("shared.vault.sealing", 'if sealed[:1] not in {VERSION, b""}:', "if False:"),),
        (
            Edit(
                "shared.vault.sealing", "if not hmac.compare_digest(commitment, sealed[_NONCED:_HEADER]):", "if False:"
            ),
            Edit(
                "shared.vault.sealing",
                "decrypt(nonce, sealed[_HEADER:], bound_to)",
                "decrypt(nonce, sealed[_HEADER:], None)",
            ),
            Edit("shared.vault.sealing", "zlib.compress(plaintext), bound_to)", "zlib.compress(plaintext), None)"),
        ),
        (
            Edit("shared.vault.sealing", "len(sealed) < _HEADER + TAG_BYTES", "len(sealed) < 1"),
            Edit(
                "shared.vault.sealing", "if not hmac.compare_digest(commitment, sealed[_NONCED:_HEADER]):", "if False:"
            ),
        ),
        (
            Edit(
                "shared.vault.sealing",
                'b"".join(len(part).to_bytes(4, "big") + part for part in parts)',
                'b"".join(parts)',
            ),
        ),
    ),
)
TARGETS = (ID_TOKEN, ASSERTION, DPOP, ENROLMENT, SEALED)
