"""How the app proves itself to Entra: by a JWT that it signs with its certificate's key, or by its managed identity's.

Sources: Microsoft, "Microsoft identity platform application authentication certificate credentials"
(PS256, ``x5t#S256``), and "Configure an application to trust a managed identity"; RFC 7523 section 3. MSAL can make
the first, but by the computer's clock, and reads the key from its PEM again for every app it builds.
"""

from __future__ import annotations

import base64
import hashlib
import re
import ssl
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cached_property
from typing import Any

from shared.identity import client_certificate

SECONDS = 600
"""How long one is good for."""
EXCHANGE = "api://AzureADTokenExchange"
"""Audience of a token that stands for an app's own proof, in Azure's public cloud."""
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


ClientProof = Callable[[Mapping[str, str]], str]
"""Returns an assertion for a token request; MSAL says in its argument for which endpoint."""


class FederatedAssertion:
    """The managed identity's token for token exchange: no secret exists that could leak or expire.

    The app registration names the identity in a federated credential (``infra/entra``). Entra answers 70021 or 700211
    to 700213 where it does not, or not yet.

    Args:
        token: returns a managed identity's access token for a resource, from its cache while that is good.
    """

    def __init__(self, token: Callable[[str], str]) -> None:
        self._token = token

    def __call__(self, _context: Mapping[str, str]) -> str:
        """Return the identity's token; it is the same for every endpoint.

        Raises:
            KeyServiceUnavailable: the identity gave none.
        """
        return self._token(EXCHANGE)

    def ends(self) -> None:
        """Ask for the token, and say that nothing here ends: Azure renews the identity's own credential.

        Raises:
            KeyServiceUnavailable: the identity gave none.
        """
        self._token(EXCHANGE)


class ClientAssertion:
    """Makes assertions with a certificate, each for one request.

    Args:
        client_id: of the app registration.
        pem: the private key and the certificate.
        clock: the time now.
    """

    def __init__(self, client_id: str, pem: str, clock: Callable[[], datetime]) -> None:
        self._client_id = client_id
        self._pem = pem
        self._clock = clock

    def __call__(self, context: Mapping[str, str]) -> str:
        """Return an assertion for the token endpoint that MSAL names in ``context``."""
        import jwt

        now = int(self._clock().timestamp())
        claims = {
            "aud": context["token_endpoint"],
            "iss": self._client_id,
            "sub": self._client_id,
            "jti": str(uuid.uuid4()),
            "iat": now,
            "nbf": now,
            "exp": now + SECONDS,
        }
        return jwt.encode(claims, self._key, algorithm="PS256", headers={"x5t#S256": self._thumbprint})

    def ends(self) -> datetime:
        """Return when the certificate ends, as it says itself."""
        return client_certificate.ends(self._pem)

    @cached_property
    def _key(self) -> Any:
        import jwt

        return jwt.get_algorithm_by_name("PS256").prepare_key(self._pem)

    @cached_property
    def _thumbprint(self) -> str:
        found = _CERTIFICATE.search(self._pem)
        assert found, "settings takes no PEM without a certificate"
        digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(found[0])).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
