"""Targets that a device signs: its assertion, its DPoP proof, and the proof with which it enrols."""

from __future__ import annotations

import hashlib
from random import Random
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from tests.devices.printer import jwk_of, thumbprint_of
from tests.fuzz.grammar import b64, bent, flipped, jws_near, near, respelt, unb64
from tests.fuzz.target import Check, Edit, Modules, Target
from tests.fuzz.tokens import FORMER, NEXT, NOW, OWN, STRANGER, TID, kind_of, made

ORIGIN, DEVICE = "https://scan.example.com", "33333333-0000-4000-8000-00000000000a"


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
    return kind_of(rng) | {
        "stale": rng.random() < 0.25,
        "life": rng.choice([120] * 6 + [300, 301, -1]),
        "key": rng.choice(["own", "own", "next", "former"]),
    }


def build_assertion(modules: Modules) -> Check:
    """Return the check: only who holds the key of now, and signed just now for us, is a device."""
    room, known, nonces = modules("shared.devices.assertions"), Known(modules), _nonces(modules)
    assertions = room.Assertions(known, known, nonces, ORIGIN)
    keys = {"own": OWN, "next": NEXT, "former": FORMER}
    fresh = nonces.make()

    def check(given: dict[str, Any]) -> None:
        claims: dict[str, Any] = {"iss": DEVICE, "sub": DEVICE, "aud": ORIGIN, "jti": "j", "nonce": fresh, "iat": 1}
        claims["exp"] = 1 + given["life"]
        if given["stale"]:
            rng = Random(given["number"])
            claims["nonce"] = rng.choice([near(rng, fresh), b64(flipped(rng, unb64(fresh))), respelt(rng, fresh)])
        header = {"typ": "client-authentication+jwt"}
        token, claims, header, source = made(given, claims, header, (keys[given["key"]], STRANGER), "ES256")
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
    3_000,
    generate_assertion,
    build_assertion,
    _DEVICE_MODULES,
    (
        (
            Edit(
                _SIGNATURES,
                'if jwt.get_unverified_header(jws).get("typ") != typ:',
                "if False:",
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
                          f"http://{ORIGIN[8:]}{quote(path)}", f"{ORIGIN}:0x1bb{quote(path)}", "x"])  # fmt: skip
    return kind_of(rng) | {"path": path, "htu": address, "proofs": rng.choice([1] * 9 + [0, 2]),
                         "token": rng.random() < 0.5}  # fmt: skip


def build_dpop(modules: Modules) -> Check:
    """Return the check: a proof proves its key for one method, address, token and moment."""
    room, nonces = modules("shared.devices.dpop"), _nonces(modules)
    fresh = nonces.make()
    ath = b64(hashlib.sha256(b"token").digest())

    def check(given: dict[str, Any]) -> None:
        claims = {"htm": "GET", "htu": given["htu"], "iat": 1, "jti": "j", "nonce": fresh, "ath": ath}
        header = {"typ": "dpop+jwt", "jwk": jwk_of(OWN)}
        proof, claims, header, source = made(given, claims, header, (OWN, FORMER), "ES256")
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
    "a proof is good for the key, method, address, token and moment it names, and nothing else (D06, D11, D12)",
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
    return kind_of(rng) | {"jwk": rng.random() < 0.4}


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
        proof, claims, header, source = made(given, claims, {"typ": "enrolment-proof+jwt"}, (OWN, STRANGER), "ES256")
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

TARGETS = (ASSERTION, DPOP, ENROLMENT)
