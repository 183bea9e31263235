"""Azure Key Vault with one key, ``tome``, at ``/keyvault`` of the same origin.

``GET /keyvault/keys/tome`` and ``POST /keyvault/keys/tome/{version}/unwrapkey``, as the Key Vault REST API 7.4 has
them (https://learn.microsoft.com/rest/api/keyvault/keys/get-key/get-key, unwrap-key). In Azure each vault is a host of
its own.
"""

import base64
import binascii
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from threading import RLock
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .pages import base_of
from .records import AccessToken

KEY_NAME = "tome"
KEY_PATH = f"/keyvault/keys/{KEY_NAME}"
RESOURCE = "https://vault.azure.net"
_API_VERSION = "7.4"
_BITS = 2048


class KeyVaultError(Exception):
    """A refusal in Key Vault's own words."""

    def __init__(self, status: int, code: str, message: str, inner: str = "") -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message
        self.inner = inner


@dataclass
class KeyVersion:
    """One version of the key."""

    name: str
    private: RSAPrivateKey
    created: datetime
    enabled: bool = True


class KeyVault:
    """The vault: the key's versions, and who has the role that reads and unwraps.

    A vault starts without a key; making one takes time that most tests need not spend.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._lock = RLock()
        self._versions: list[KeyVersion] = []
        self._allowed: set[str] = set()

    def allow(self, client_id: str) -> None:
        """Give a managed identity the role."""
        with self._lock:
            self._allowed.add(client_id)

    def forbid(self, client_id: str) -> None:
        """Take the role away."""
        with self._lock:
            self._allowed.discard(client_id)

    def rotate(self, private: RSAPrivateKey | None = None) -> str:
        """Make a new version, the first too, and answer its name; with the given key where there is one."""
        made = KeyVersion(uuid4().hex, private or generate_private_key(65537, _BITS), self._clock())
        with self._lock:
            self._versions.append(made)
        return made.name

    def enable(self, name: str, *, enabled: bool) -> None:
        """Switch a version off, or on again."""
        self.version(name).enabled = enabled

    def version(self, name: str = "") -> KeyVersion:
        """Answer a version, the newest where none is named.

        Raises:
            KeyVaultError: KeyNotFound.
        """
        with self._lock:
            for version in reversed(self._versions):
                if name in ("", version.name):
                    return version
        raise KeyVaultError(404, "KeyNotFound", f"A key with (name/id) {KEY_NAME}/{name} was not found in this vault.")

    def require(self, client_id: str) -> None:
        """Let a caller pass that has the role.

        Raises:
            KeyVaultError: Forbidden.
        """
        with self._lock:
            if client_id not in self._allowed:
                raise KeyVaultError(403, "Forbidden", "Caller is not authorized to perform action.", "ForbiddenByRbac")


class KeyVaultEndpoints:
    """The endpoints. ``access_token`` answers what a bearer token stands for."""

    def __init__(
        self, vault: KeyVault, access_token: Callable[[str], AccessToken | None], clock: Callable[[], datetime]
    ) -> None:
        self._vault = vault
        self._access_token = access_token
        self._clock = clock
        self.routes: Iterable[Route] = [
            Route(KEY_PATH, self._get),
            Route(KEY_PATH + "/{version}/unwrapkey", self._unwrap, methods=["POST"]),
        ]

    async def _get(self, request: Request) -> Response:
        try:
            self._admit(request)
            version = self._vault.version()
        except KeyVaultError as error:
            return _failed(request, error)
        public = version.private.public_key().public_numbers()
        return JSONResponse(
            {
                "key": {
                    "kid": f"{base_of(request)}{KEY_PATH}/{version.name}",
                    "kty": "RSA",
                    "key_ops": ["wrapKey", "unwrapKey"],
                    "n": _base64url(public.n.to_bytes((public.n.bit_length() + 7) // 8, "big")),
                    "e": _base64url(public.e.to_bytes(3, "big")),
                },
                "attributes": {"enabled": version.enabled, "created": int(version.created.timestamp())},
            }
        )

    async def _unwrap(self, request: Request) -> Response:
        try:
            self._admit(request)
            version = self._vault.version(request.path_params["version"])
            data_key = _unwrapped(version, await request.json())
        except KeyVaultError as error:
            return _failed(request, error)
        kid = f"{base_of(request)}{KEY_PATH}/{version.name}"
        return JSONResponse({"kid": kid, "value": _base64url(data_key)})

    def _admit(self, request: Request) -> None:
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not value:
            raise KeyVaultError(401, "Unauthorized", "AKV10000: Request is missing a Bearer or PoP token.")
        token = self._access_token(value)
        if token is None or token.expires <= self._clock():
            raise KeyVaultError(401, "Unauthorized", "AKV10022: Invalid token.")
        if token.resource != RESOURCE:
            raise KeyVaultError(401, "Unauthorized", f"AKV10022: Invalid audience. Expected {RESOURCE}.")
        # The documentation does not say whether the version or the caller is looked at first.
        if request.query_params.get("api-version") != _API_VERSION:
            raise KeyVaultError(400, "BadParameter", "The specified version is not recognized. Consider using 7.4.")
        self._vault.require(token.client_id)


def _unwrapped(version: KeyVersion, body: object) -> bytes:
    if not version.enabled:
        raise KeyVaultError(403, "Forbidden", "Operation unwrapKey is not allowed on a disabled key.", "KeyDisabled")
    if not isinstance(body, dict) or body.get("alg") != "RSA-OAEP-256":
        raise KeyVaultError(400, "BadParameter", "Key and signing/encryption algorithm are incompatible.")
    value = str(body.get("value", ""))
    try:
        wrapped = base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))
        return version.private.decrypt(wrapped, OAEP(MGF1(SHA256()), SHA256(), None))
    except (ValueError, binascii.Error):
        raise KeyVaultError(400, "BadParameter", "The parameter is incorrect.") from None


def error_body(code: str, message: str, inner: str = "") -> dict[str, object]:
    """Answer Key Vault's error JSON."""
    error: dict[str, object] = {"code": code, "message": message}
    return {"error": error | {"innererror": {"code": inner}} if inner else error}


def _failed(request: Request, error: KeyVaultError) -> Response:
    headers = {}
    if error.status == 401:  # noqa: PLR2004 - the one status with a challenge (RFC 9110 section 15.5.2)
        authority = f"{base_of(request)}/organizations"
        headers["WWW-Authenticate"] = f'Bearer authorization="{authority}", resource="{RESOURCE}"'
    return JSONResponse(error_body(error.code, error.message, error.inner), error.status, headers)


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
