"""DPoP proofs (RFC 9449): a request shows that it comes from whoever holds the key that its token is bound to.

The proof's freshness is a nonce of ours (section 8), never ``iat``: a device's clock may be years wrong (D08). Its
address is compared with ours as it is configured, never with the header Host.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from shared import faults
from shared.devices import base64url
from shared.devices.keys import public_jwk, thumbprint
from shared.devices.signatures import SignatureInvalid, signed_claims

PROOF_TYPE = "dpop+jwt"
_LONGEST_PROOF = 8192
_PORTS = {"https": 443, "http": 80}


class DpopRefused(Exception):
    """A proof that proves nothing, in RFC 9449's words; they are the reasons of our faults, too.

    Args:
        error: ``invalid_dpop_proof`` (section 5), or ``use_dpop_nonce`` (sections 8 and 9): the same again with the
            nonce in the header ``DPoP-Nonce``.
        note: a technical remark for the log.
    """

    def __init__(self, error: str, note: str) -> None:
        super().__init__(f"{error}: {note}")
        self.error = error


@dataclass(frozen=True)
class Sent:
    """The part of a request that a proof is about: every header ``DPoP``, the method, and the path (decoded)."""

    proofs: Sequence[str] = ()
    method: str = "GET"
    path: str = "/"


@dataclass(frozen=True)
class Proven:
    """A good proof: whose key, and an id that is yet to be used up."""

    jkt: str
    jti: object


def proven(sent: Sent, origin: str, fresh: Callable[[object], bool], *, token: str | None = None) -> Proven:
    """Check the proof of a request (RFC 9449 section 4.3), but for its id's single use.

    Args:
        sent: the request.
        origin: our own, as configured.
        fresh: says whether a nonce is ours and young.
        token: the access token beside it; None at the token endpoint.

    Raises:
        DpopRefused: why it proves nothing.
    """
    if len(sent.proofs) != 1 or len(sent.proofs[0]) > _LONGEST_PROOF:
        raise DpopRefused("invalid_dpop_proof", "number or size")
    proof = sent.proofs[0]
    try:
        own = public_jwk(_key_in(proof))
        claims = signed_claims(proof, own, typ=PROOF_TYPE, audience=None, required=["htm", "htu", "iat", "jti"])
    except (SignatureInvalid, faults.ProofInvalid) as error:
        raise DpopRefused("invalid_dpop_proof", str(error)) from error
    if claims["htm"] != sent.method:
        raise DpopRefused("invalid_dpop_proof", "htm")
    if not _same_address(claims["htu"], origin, sent.path):
        raise DpopRefused("invalid_dpop_proof", "htu")
    if token is not None and claims.get("ath") != base64url.encode(hashlib.sha256(token.encode()).digest()):
        raise DpopRefused("invalid_dpop_proof", "ath")
    if not fresh(claims.get("nonce")):
        raise DpopRefused("use_dpop_nonce", "nonce")
    return Proven(thumbprint(own), claims["jti"])


def _key_in(proof: str) -> Mapping[str, Any]:
    """Return the key that the proof names itself: good for nothing but to be compared with the one we know."""
    import jwt

    try:
        named = jwt.get_unverified_header(proof).get("jwk")
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise SignatureInvalid(type(error).__name__) from error
    if not isinstance(named, Mapping):
        raise SignatureInvalid("no key")
    return named


def _same_address(htu: object, origin: str, path: str) -> bool:
    """Compare as section 4.3 asks: without query and fragment, normalised by syntax and scheme (RFC 3986, 6.2)."""
    if not isinstance(htu, str):
        return False
    try:
        told = urlsplit(htu)
        return _place(told) == _place(urlsplit(origin)) and unquote(told.path) == path
    except ValueError:
        return False


def _place(address: SplitResult) -> tuple[str, str | None, int | None, bool]:
    return (
        address.scheme,  # urlsplit writes scheme and hostname in lower case
        address.hostname,
        address.port or _PORTS.get(address.scheme),
        address.username is not None,
    )
