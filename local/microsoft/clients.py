"""How a client proves itself at the token endpoint: a secret, a certificate's assertion, or a federated token.

https://learn.microsoft.com/entra/identity-platform/certificate-credentials (PS256, ``x5t#S256``);
https://learn.microsoft.com/entra/workload-id/workload-identity-federation-config-app-trust-managed-identity.
"""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import unquote_plus

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding

from .cloud import Cloud
from .records import Application
from .refusals import Refusal

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_SKEW = timedelta(minutes=5)


def authenticate(
    cloud: Cloud, form: Mapping[str, str], authorization: str | None, audiences: Iterable[str]
) -> Application:
    """Answer the client that a token request comes from.

    ``audiences`` are the token endpoint's URLs, one of which an assertion must be for.

    Raises:
        Refusal: 900144, 700016, 7000218, 7000215, or what is wrong with the assertion.
    """
    client_id, secret = _basic(authorization) if authorization else (form.get("client_id"), form.get("client_secret"))
    if not client_id:
        raise Refusal(900144, "The request body must contain the following parameter: 'client_id'.")
    application = cloud.application(client_id)
    if application.public:
        if "client_assertion" in form or secret is not None:
            raise Refusal(700025)
        return application
    if "client_assertion" in form:
        if form.get("client_assertion_type") != ASSERTION_TYPE:
            raise Refusal(900144, "The request body must contain the following parameter: 'client_assertion_type'.")
        _check_assertion(cloud, application, form["client_assertion"], audiences)
    elif secret is None:
        raise Refusal(7000218)
    elif secret not in application.client_secrets:
        raise Refusal(7000215)
    return application


def _check_assertion(cloud: Cloud, application: Application, assertion: str, audiences: Iterable[str]) -> None:
    try:
        header = jwt.get_unverified_header(assertion)
    except jwt.PyJWTError as error:
        raise Refusal(700027, "The assertion is not a JWT.") from error
    if "kid" in header and not {"x5t", "x5t#S256"} & set(header):
        _check_federated(cloud, application, assertion, str(header["kid"]))
        return
    certificate = _registered(application, header)
    key = certificate.public_key()
    assert isinstance(key, RSAPublicKey)
    if certificate.not_valid_after_utc < cloud.clock():
        raise Refusal(700027, "The certificate has expired.")
    claims = _claims(assertion, key, ["PS256", "RS256"], ["exp", "iss", "sub", "aud", "jti"])
    if not claims["iss"] == claims["sub"] == application.client_id:
        raise Refusal(700021)
    if claims["aud"] not in set(audiences):
        raise Refusal(700023)
    _check_times(cloud, claims)


def _check_federated(cloud: Cloud, application: Application, assertion: str, kid: str) -> None:
    """Check a token of ours that the application was told to take for its proof."""
    with cloud.lock:
        signer = cloud.keys.work
    if kid != signer.kid:
        raise Refusal(700027, "The key of the assertion was not found.")
    claims = _claims(assertion, signer.private.public_key(), ["RS256"], ["exp", "iss", "sub", "aud"])
    matching = application.federated
    if not matching:
        raise Refusal(70021)
    for claim, number, written in (
        ("iss", 700211, "issuer"),
        ("aud", 700212, "audience"),
        ("sub", 700213, "subject"),
    ):
        matching = tuple(record for record in matching if getattr(record, written) == claims[claim])
        if not matching:
            raise Refusal(number)
    _check_times(cloud, claims)


def _claims(assertion: str, key: RSAPublicKey, algorithms: list[str], required: list[str]) -> dict[str, Any]:
    try:
        # Times are checked apart: PyJWT reads the computer's clock, not ours.
        claims: dict[str, Any] = jwt.decode(
            assertion,
            key,
            algorithms=algorithms,
            options={
                "require": required,
                "verify_aud": False,
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
            },
        )
    except jwt.PyJWTError as error:
        raise Refusal(700027, str(error)) from error
    return claims


def _check_times(cloud: Cloud, claims: Mapping[str, Any]) -> None:
    moment, skew = cloud.clock().timestamp(), _SKEW.total_seconds()
    if claims["exp"] < moment - skew or claims.get("nbf", 0) > moment + skew:
        raise Refusal(700024)


def _registered(application: Application, header: Mapping[str, object]) -> x509.Certificate:
    """Answer the certificate that the assertion's header names by thumbprint (RFC 7515 section 4.1.8)."""
    # RFC 7515 has no padding, but MSAL Python sends it and Entra takes it.
    named = {name: str(header.get(name, "")).rstrip("=") for name in ("x5t#S256", "x5t")}
    for pem in application.certificates:
        certificate = x509.load_pem_x509_certificate(pem.encode())
        sha256 = hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest()
        sha1 = certificate.fingerprint(hashes.SHA1())  # noqa: S303 - what an x5t is (RFC 7515 section 4.1.7)
        if named["x5t#S256"] == _base64url(sha256) or named["x5t"] == _base64url(sha1):
            return certificate
    raise Refusal(700027, "The certificate used to sign the client assertion is not registered on the application.")


def _basic(authorization: str) -> tuple[str, str]:
    """Read HTTP Basic as RFC 6749 section 2.3.1 has it: both parts form-encoded."""
    scheme, _, credentials = authorization.partition(" ")
    try:
        client_id, colon, secret = base64.b64decode(credentials, validate=True).decode().partition(":")
    except ValueError as error:
        raise Refusal(9002313, "The Authorization header cannot be read.") from error
    if scheme.lower() != "basic" or not colon:
        raise Refusal(9002313, "The Authorization header is not HTTP Basic.")
    return unquote_plus(client_id), unquote_plus(secret)


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
