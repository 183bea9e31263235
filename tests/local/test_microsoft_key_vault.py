"""The emulated Key Vault and managed identity refuse what Azure refuses, in its words."""

import base64
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicNumbers, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256

from local.microsoft.key_vault import KEY_PATH, RESOURCE

IDENTITY = "bbbbbbbb-0000-4000-8000-000000000002"
NOW = {"api-version": "7.4"}


@pytest.fixture(scope="module")
def private() -> RSAPrivateKey:
    """A key, made once."""
    return generate_private_key(65537, 2048)


@pytest.fixture
def vault(microsoft: Any, private: RSAPrivateKey) -> Any:
    """The emulated Microsoft with a key in its vault and an identity that may use it."""
    microsoft.cloud.key_vault.rotate(private)
    microsoft.cloud.key_vault.allow(IDENTITY)
    microsoft.cloud.managed_identities.assign(IDENTITY)
    return microsoft


def identity(vault: Any, *, header: str | None = None, **asked: str) -> requests.Response:
    """Ask the identity endpoint for a token, as the platform's documentation says."""
    query = {"api-version": "2019-08-01", "resource": RESOURCE, "client_id": IDENTITY} | asked
    proof = vault.cloud.managed_identities.header if header is None else header
    answer: requests.Response = vault.session.get(
        f"{vault.base}/msi/token", query, headers={"X-IDENTITY-HEADER": proof}, timeout=10
    )
    return answer


def bearer(vault: Any, resource: str = RESOURCE) -> dict[str, str]:
    """A token for a resource, as a header."""
    return {"Authorization": f"Bearer {identity(vault, resource=resource).json()['access_token']}"}


def get(vault: Any, headers: dict[str, str], query: dict[str, str] = NOW) -> requests.Response:
    """Read the key."""
    answer: requests.Response = vault.session.get(vault.base + KEY_PATH, query, headers=headers, timeout=10)
    return answer


def unwrap(vault: Any, value: bytes, version: str = "", alg: str = "RSA-OAEP-256") -> requests.Response:
    """Unwrap with a version, the newest where none is given."""
    named = version or vault.cloud.key_vault.version().name
    body = {"alg": alg, "value": base64.urlsafe_b64encode(value).decode().rstrip("=")}
    url = f"{vault.base}{KEY_PATH}/{named}/unwrapkey"
    answer: requests.Response = vault.session.post(url, params=NOW, json=body, headers=bearer(vault), timeout=10)
    return answer


def test_what_the_public_part_wraps_the_vault_unwraps(vault: Any) -> None:
    """Get Key names the newest version and its numbers (RFC 7518); Unwrap Key undoes RSA-OAEP-256."""

    def number(text: str) -> int:
        return int.from_bytes(base64.urlsafe_b64decode(text + "=="), "big")

    key = get(vault, bearer(vault)).json()["key"]
    assert key["kid"] == f"{vault.base}{KEY_PATH}/{vault.cloud.key_vault.version().name}"
    public = RSAPublicNumbers(number(key["e"]), number(key["n"])).public_key()
    answer = unwrap(vault, public.encrypt(b"data key", OAEP(MGF1(SHA256()), SHA256(), None)))
    assert answer.json() == {"kid": key["kid"], "value": base64.urlsafe_b64encode(b"data key").decode().rstrip("=")}


@pytest.mark.parametrize("who", ["nobody", "a stranger", "a token for Graph"])
def test_without_a_token_there_is_a_challenge(vault: Any, who: str) -> None:
    """401 says where to get a token and for which resource."""
    headers = {
        "nobody": {},
        "a stranger": {"Authorization": "Bearer made-up"},
        "a token for Graph": bearer(vault, "https://graph.microsoft.com"),
    }[who]
    answer = get(vault, headers)
    assert answer.status_code == 401
    assert f'resource="{RESOURCE}"' in answer.headers["WWW-Authenticate"]


def test_the_version_of_the_api_is_needed(vault: Any) -> None:
    """A call without api-version, or with one that is not known, is refused."""
    for query in ({}, {"api-version": "1.0"}):
        assert get(vault, bearer(vault), query).status_code == 400


def test_a_caller_without_the_role_is_refused(vault: Any) -> None:
    """403 ForbiddenByRbac."""
    vault.cloud.key_vault.forbid(IDENTITY)
    answer = get(vault, bearer(vault))
    assert (answer.status_code, answer.json()["error"]["innererror"]["code"]) == (403, "ForbiddenByRbac")


def test_a_disabled_version_unwraps_nothing(vault: Any) -> None:
    """403 KeyDisabled, until it is enabled again."""
    name = vault.cloud.key_vault.version().name
    vault.cloud.key_vault.enable(name, enabled=False)
    answer = unwrap(vault, b"x")
    assert (answer.status_code, answer.json()["error"]["innererror"]["code"]) == (403, "KeyDisabled")
    vault.cloud.key_vault.enable(name, enabled=True)
    assert unwrap(vault, b"x").status_code == 400


def test_what_does_not_unwrap(vault: Any) -> None:
    """Damaged bytes and another algorithm: 400; a version that is not there: 404."""
    assert unwrap(vault, b"x" * 256).json()["error"]["code"] == "BadParameter"
    assert unwrap(vault, b"x", alg="RSA1_5").status_code == 400
    assert unwrap(vault, b"x", version="0" * 32).json()["error"]["code"] == "KeyNotFound"


def test_the_identity_endpoint_serves_the_app_alone(vault: Any) -> None:
    """The header, the identity and the version of the API must be right."""
    assert identity(vault).json()["resource"] == RESOURCE
    assert identity(vault, header="guessed").status_code == 401
    assert identity(vault, client_id="cccccccc-0000-4000-8000-000000000003").status_code == 400
    assert identity(vault, **{"api-version": "2017-09-01"}).status_code == 400


def test_a_switched_fault_speaks_key_vaults_language(vault: Any) -> None:
    """A throttle comes with Key Vault's error JSON and the Retry-After that was set."""
    headers = bearer(vault)
    vault.switchboard.add("key", "throttled", retry_after="9")
    answer = get(vault, headers)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "9")
    assert answer.json()["error"]["code"] == "Throttled"
    assert get(vault, headers).status_code == 200
