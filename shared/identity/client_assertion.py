"""How the app proves itself to Entra: a short JWT signed with the key of its certificate.

Source: Microsoft, "Microsoft identity platform application authentication certificate credentials"
(PS256, ``x5t#S256``); RFC 7523 section 3. MSAL can make one, but by the computer's clock, and reads the key
from its PEM again for every app it builds.
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

SECONDS = 600
"""How long one is good for."""
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


class ClientAssertion:
    """Makes assertions, each for one request.

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
