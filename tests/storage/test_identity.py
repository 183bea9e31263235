"""Storage and Key Vault reached by the app's managed identity: over TLS, with tokens alone, against a real Azurite.

The app asks for the identity's tokens with MSAL. Here Microsoft's own ``ManagedIdentityCredential`` stands in its
place, too: both are given the same tokens, and both open everything.
"""

import io
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
import requests
from azure.identity import ManagedIdentityCredential

from local import azurite
from local.microsoft.key_vault import KEY_PATH
from local.tls import Tls
from shared import settings
from shared.faults import StorageUnavailable
from shared.identity.client_assertion import EXCHANGE
from shared.identity.managed_identity import Dated, ManagedIdentity
from shared.services import Services
from shared.storage import Addresses, ByIdentity, Storage, Token, create_all
from shared.storage.account import CLOCKS_DIFFER, KEY_LIFE, RESOURCE
from shared.vault import key_vault

IDENTITY = "bbbbbbbb-0000-4000-8000-000000000002"
OF_ONE_TOKEN = {"iat", "nbf", "exp", "uti"}
"""Claims that differ between two tokens for the same thing."""


class AzureIdentity:
    """Microsoft's credential, in the shape of the app's own."""

    def __init__(self, client_id: str) -> None:
        self._credential = ManagedIdentityCredential(client_id=client_id)

    def token(self, resource: str) -> str:
        """An access token."""
        return self.dated_token(resource).text

    def dated_token(self, resource: str) -> Dated:
        """An access token with its times."""
        found = self._credential.get_token_info(f"{resource}/.default")
        return Dated(found.token, found.expires_on - int(time.time()), found.refresh_on)


Identity = ManagedIdentity | AzureIdentity
either = pytest.mark.parametrize("kind", [ManagedIdentity, AzureIdentity], ids=["msal", "azure-identity"])


@pytest.fixture(scope="module")
def addresses(tls: Tls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Addresses]:
    """An Azurite that serves https and takes tokens, with every table, queue and container."""
    log = tmp_path_factory.mktemp("azurite") / "azurite.log"
    process, connection = azurite.start(log=log, tls=(tls.certificate_file, tls.key_file))
    with process:
        create_all(connection)
        said = dict(part.split("=", 1) for part in connection.split(";") if part)
        yield Addresses(said["BlobEndpoint"], said["QueueEndpoint"], said["TableEndpoint"])


@pytest.fixture
def azure(microsoft: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The emulated Microsoft, and this process as an app with a managed identity."""
    microsoft.cloud.managed_identities.assign(IDENTITY)
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{microsoft.url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", microsoft.cloud.managed_identities.header)
    return microsoft


def made(addresses: Addresses, identity: Identity | None = None) -> Storage:
    """The room, as the services build it."""
    identity = identity or ManagedIdentity(IDENTITY)

    def token(resource: str) -> Token:
        found = identity.dated_token(resource)
        return Token(found.text, int(time.time()) + found.lives, found.stale)

    return Storage(ByIdentity(addresses, token), new_id=lambda: "x")


def test_tables_queues_and_blobs_take_the_identity(
    azure: Any, addresses: Addresses, machine_environment: dict[str, str], clock: Any
) -> None:
    """Settings as Azure has them are enough for all three services; no connection string is known to the app."""
    told = {
        **machine_environment,
        "DataStorage__blobServiceUri": addresses.blob.rstrip("/"),
        "DataStorage__queueServiceUri": addresses.queue.rstrip("/"),
        "DataStorage__tableServiceUri": addresses.table.rstrip("/"),
        "DataStorage__credential": "managedidentity",
        "DataStorage__clientId": IDENTITY,
    }
    del told["DataStorage"]
    storage = Services(settings.read(told), clock=clock).storage
    storage.check()
    storage.table("people").insert("p", "r", {"text": "x"})
    storage.queue("deliveries").send("device/job")
    etag = storage.blobs("documents").put("name", io.BytesIO(b"bytes"), 5)
    assert b"".join(storage.blobs("documents").read("name", etag)) == b"bytes"


@either
def test_either_credential_opens_tables_queues_blobs_and_the_vault(
    azure: Any, addresses: Addresses, clock: Any, kind: Callable[[str], Identity]
) -> None:
    """What the rooms ask of storage and of Key Vault is granted to MSAL's token and to azure-identity's alike."""
    identity = kind(IDENTITY)
    storage = made(addresses, identity)
    storage.check()
    row = kind.__name__
    storage.table("people").insert("p", row, {"text": "x"})
    assert (found := storage.table("people").get("p", row)) is not None
    assert found["text"] == "x"
    storage.queue("deliveries").send("device/job")
    etag = storage.blobs("documents").put(row, io.BytesIO(b"bytes"), 5)
    assert b"".join(storage.blobs("documents").read(row, etag)) == b"bytes"
    azure.cloud.key_vault.rotate()
    azure.cloud.key_vault.allow(IDENTITY)
    vault = key_vault.KeyVault(azure.url + KEY_PATH, identity.token, clock)
    assert vault.unwrap(vault.wrap(b"a data key")) == b"a data key"


@pytest.mark.parametrize("resource", [RESOURCE, key_vault.RESOURCE, EXCHANGE])
def test_both_credentials_are_given_the_same_token(azure: Any, resource: str) -> None:
    """For storage, the vault and the proof to Entra: the same issuer, audience and identity, equally long."""

    def claims(token: str) -> dict[str, Any]:
        told: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
        return {name: value for name, value in told.items() if name not in OF_ONE_TOKEN}

    ours, theirs = (kind(IDENTITY).dated_token(resource) for kind in (ManagedIdentity, AzureIdentity))
    assert ours.text != theirs.text
    assert claims(ours.text) == claims(theirs.text)
    assert {"iss", "aud", "tid"} <= set(claims(ours.text))
    assert abs(ours.lives - theirs.lives) < 60
    assert ours.stale is not None
    assert theirs.stale is not None
    assert abs(ours.stale - theirs.stale) < 60


@pytest.mark.filterwarnings("ignore:Testing an element's truth value:DeprecationWarning")  # the SDK's, on XML
def test_without_a_token_storage_is_unavailable_and_nothing_else(
    azure: Any, addresses: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R15, R35: an identity that is not ours, and an endpoint that is gone, are the fault that passes."""
    stranger = made(addresses, ManagedIdentity("cccccccc-0000-4000-8000-000000000003"))
    now = datetime.now(UTC)
    for ask in (
        stranger.check,
        lambda: stranger.queue("deliveries").send("x"),
        lambda: stranger.blobs("documents").put("x", b"x", 1),
        lambda: stranger.blobs("documents").upload_url("x", until=now, now=now, blocks=False),
    ):
        with pytest.raises(StorageUnavailable):
            ask()
    monkeypatch.setenv("IDENTITY_ENDPOINT", "http://127.0.0.1:9/msi/token")
    with pytest.raises(StorageUnavailable):
        made(addresses).check()


def test_a_token_is_asked_for_ahead_of_its_end(azure: Any, addresses: Addresses) -> None:
    """One that ends within minutes is never used, and one that may be older is replaced; a young one is kept."""
    asked = 0
    real = ManagedIdentity(IDENTITY)
    now = int(time.time())
    lives = [(now + 200, None), (now + 3600, now - 300), (now + 3600, now + 1800)]

    def token(resource: str) -> Token:
        nonlocal asked
        asked += 1
        ends, stale = lives[min(asked, len(lives)) - 1]
        return Token(real.dated_token(resource).text, ends, stale)

    table = Storage(ByIdentity(addresses, token), new_id=lambda: "x").table("people")
    for _ in range(5):
        table.get("p", "none")
    assert asked == 3


def test_a_long_lived_token_says_when_a_newer_one_is_due(azure: Any) -> None:
    """A token for a day is replaced at half its life, so an hour without the identity's endpoint is not noticed."""
    found = ManagedIdentity(IDENTITY).dated_token(RESOURCE)
    assert found.stale is not None
    assert 11 * 3600 < found.stale - time.time() < found.lives - 11 * 3600


def put(url: str, body: bytes, **headers: str) -> requests.Response:
    """Upload as a printer does."""
    told = {"x-ms-blob-type": "BlockBlob", "If-None-Match": "*", **headers}
    return requests.put(url, data=body, headers=told, timeout=10)


@either
def test_an_upload_address_signed_by_the_identity(
    azure: Any, addresses: Addresses, kind: Callable[[str], Identity]
) -> None:
    """E13: https only, one new blob, no reading; and signed by a key of the identity, not of the account."""
    blobs = made(addresses, kind(IDENTITY)).blobs("documents")
    now = datetime.now(UTC)
    name = f"upload by {kind.__name__}"
    url = blobs.upload_url(name, until=now + timedelta(minutes=10), now=now, blocks=False)
    signed = parse_qs(urlsplit(url).query)
    assert (signed["sp"], signed["spr"], signed["sr"]) == (["c"], ["https"], ["b"])
    assert signed["skoid"]
    assert put(url, b"%PDF-1.7").status_code == 201
    assert put(url, b"%PDF-1.8").status_code in {403, 409}
    assert requests.get(url, timeout=10).status_code == 403
    stored = blobs.look(name, 4)
    assert stored is not None
    assert (stored.size, stored.head, stored.tail) == (8, b"%PDF", b"-1.7")


def test_the_signing_key_is_kept_and_outlives_what_it_signs(azure: Any, addresses: Addresses) -> None:
    """One question for many signatures; a key that would end before the signature is replaced by one that does not."""
    blobs = made(addresses).blobs("documents")
    start = datetime.now(UTC)
    keys = set()
    for minutes in range(0, 360, 9):
        now = start + timedelta(minutes=minutes)
        until = now + timedelta(minutes=10)
        signed = parse_qs(urlsplit(blobs.upload_url("x", until=until, now=now, blocks=False)).query)
        ends = datetime.fromisoformat(signed["ske"][0])
        assert ends >= until.replace(microsecond=0) + CLOCKS_DIFFER - timedelta(seconds=1)
        keys.add(signed["ske"][0])
    assert 3 <= len(keys) <= 1 + timedelta(hours=6) // (KEY_LIFE - timedelta(minutes=25))
