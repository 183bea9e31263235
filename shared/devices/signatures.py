"""What a device signed: one place that says what a JWS of a device must be, whatever it is for.

ES256 and nothing else, under a key that we know beforehand: no header names a key, an algorithm or an address
(threats A05, A06, D12). Times are not looked at: a nonce of ours says when it was signed (D08).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class SignatureInvalid(Exception):
    """The JWS is not what it must be; the message says which part, and nothing that was sent."""


def signed_claims(
    jws: str,
    jwk: Mapping[str, str],
    *,
    typ: str,
    audience: str | None,
    required: Sequence[str],
    issuer: str | None = None,
) -> dict[str, Any]:
    """Return the claims of ``jws``.

    Args:
        jws: compact, signed by the private half of ``jwk``.
        jwk: an EC P-256 key that we know.
        typ: the header ``typ`` it must have, so that no JWS made for one purpose serves another.
        audience: the one audience, as a string and not in a list (rfc7523bis); None: it must have none.
        required: claims that must be there.
        issuer: what ``iss`` and ``sub`` must be, where given.

    Raises:
        SignatureInvalid: it is something else.
    """
    import jwt

    try:
        if jwt.get_unverified_header(jws).get("typ") != typ:
            raise SignatureInvalid("type")
        return jwt.decode(
            jws,
            key=jwt.PyJWK(dict(jwk), algorithm="ES256").key,
            algorithms=["ES256"],
            audience=audience,
            issuer=issuer,
            subject=issuer,
            # By the machine's clock PyJWT would judge exp, iat and nbf.
            options={
                "require": list(required),
                "strict_aud": True,
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
            },
        )
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise SignatureInvalid(type(error).__name__) from error
