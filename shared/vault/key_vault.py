"""The key-encryption key in Azure Key Vault: its public part wraps here, the vault unwraps.

Two calls, both asked for by URL (Microsoft, Key Vault REST API 7.4, "Get Key" and "Unwrap Key"):
``GET {key}`` for the newest version and its public part, ``POST {key}/{version}/unwrapkey``.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import requests

from shared import faults
from shared.outbound import OutboundSession
from shared.vault.key_encryption import WrappedKey

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.padding import OAEP
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

RESOURCE = "https://vault.azure.net"
"""Audience of the tokens that Key Vault takes."""
API_VERSION = "7.4"
ALGORITHM = "RSA-OAEP-256"
PUBLIC_KEY_LIFE = timedelta(hours=1)
CONNECT_SECONDS, READ_SECONDS = 3, 7
"""Short: a send waits for it."""
RETRY_SECONDS = 30
_OK, _BAD_REQUEST, _TIMEOUT, _THROTTLED, _SERVER_ERROR = 200, 400, 408, 429, 500


class KeyVault:
    """One RSA key in Key Vault. Safe to use from many threads.

    Args:
        key_url: the key's URL without a version, in lower case (Key Vault does not tell cases apart).
        token: returns an access token for a resource.
        clock: the time now.
    """

    def __init__(self, key_url: str, token: Callable[[str], str], clock: Callable[[], datetime]) -> None:
        self._key_url = key_url
        self._token = token
        self._clock = clock
        self._session = OutboundSession()
        # A row must not choose where our token is sent to.
        self._ours = re.compile(re.escape(key_url) + r"/[0-9a-f]{32}")
        self._public: tuple[str, RSAPublicKey, datetime] | None = None

    def current(self) -> str:
        """Return the URL of the newest version, asked of Key Vault now."""
        return self._fetch()[0]

    def wrap(self, data_key: bytes) -> WrappedKey:
        """Wrap with the public part, without a call while that is younger than an hour."""
        public = self._public
        version, key, _ = public if public and self._clock() - public[2] < PUBLIC_KEY_LIFE else self._fetch()
        return WrappedKey(version, key.encrypt(data_key, _oaep()))

    def unwrap(self, wrapped: WrappedKey) -> bytes:
        """Let Key Vault unwrap, with the version that wrapped."""
        if not self._ours.fullmatch(wrapped.wrapped_with):
            raise faults.ServiceMisconfigured("unknown key-encryption key")
        body = {"alg": ALGORITHM, "value": base64.urlsafe_b64encode(wrapped.value).rstrip(b"=").decode()}
        return _bytes(self._ask("POST", f"{wrapped.wrapped_with}/unwrapkey", body)["value"])

    def _fetch(self) -> tuple[str, RSAPublicKey, datetime]:
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

        asked = self._clock()
        key = self._ask("GET", self._key_url)["key"]
        version = f"{self._key_url}/{str(key['kid']).rpartition('/')[2]}"
        if not self._ours.fullmatch(version) or key["kty"] not in {"RSA", "RSA-HSM"}:
            raise faults.ServiceMisconfigured("key vault: no RSA key")
        numbers = RSAPublicNumbers(_integer(key["e"]), _integer(key["n"]))
        self._public = (version, numbers.public_key(), asked)
        return self._public

    def _ask(self, method: str, url: str, body: Mapping[str, str] | None = None) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self._token(RESOURCE)}"}
        try:
            answer = self._session.request(
                method,
                url,
                params={"api-version": API_VERSION},
                json=body,
                headers=headers,
                timeout=(CONNECT_SECONDS, READ_SECONDS),
            )
            said: dict[str, Any] = answer.json()
        except requests.JSONDecodeError:
            said = {}
        except requests.RequestException as error:
            raise faults.KeyServiceUnavailable(type(error).__name__, retry_after=RETRY_SECONDS) from None
        if answer.status_code == _OK and said:
            return said
        if answer.status_code in {_OK, _TIMEOUT, _THROTTLED} or answer.status_code >= _SERVER_ERROR:
            wait = answer.headers.get("Retry-After", "")
            raise faults.KeyServiceUnavailable(
                f"key vault: status {answer.status_code}", retry_after=int(wait) if wait.isdigit() else RETRY_SECONDS
            )
        if answer.status_code == _BAD_REQUEST and body is not None:
            raise faults.ServiceMisconfigured("wrapped key damaged")
        # 401, 403 (no role, key disabled or expired, network rules), 404: somebody's decision, not an outage.
        raise faults.ServiceMisconfigured(f"key vault: status {answer.status_code}")


def _oaep() -> OAEP:
    """RSA-OAEP-256 of RFC 7518 section 4.3: SHA-256 for both hash and mask."""
    from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
    from cryptography.hazmat.primitives.hashes import SHA256

    return OAEP(MGF1(SHA256()), SHA256(), None)


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _integer(text: str) -> int:
    return int.from_bytes(_bytes(text), "big")
