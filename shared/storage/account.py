"""How the data account is reached: in Azure by the app's own identity, on one machine by a connection string."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from urllib.parse import urlsplit

from shared.faults import Fault
from shared.storage.errors import NoToken, speaking

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken, AccessTokenInfo
    from azure.core.pipeline.transport import RequestsTransport
    from azure.data.tables import TableClient
    from azure.storage.blob import ContainerClient, UserDelegationKey
    from azure.storage.queue import QueueClient

RESOURCE = "https://storage.azure.com"
"""For which the identity's token is asked; Tables, Queues and Blobs all take it."""
CONNECT_SECONDS = 5
READ_SECONDS = 15
RETRIES = 3
_PATIENCE: dict[str, Any] = {
    "connection_timeout": CONNECT_SECONDS,
    "read_timeout": READ_SECONDS,
    "retry_total": RETRIES,
}
_BLOB_PATIENCE: dict[str, Any] = {**_PATIENCE, "initial_backoff": 1, "increment_base": 2, "random_jitter_range": 1}
"""Seconds. The SDK's own pauses of Blobs and Queues begin at fifteen: a printer would not wait for the second."""
CHUNK = 4 * 1024 * 1024
"""Bytes that are read from a blob at once; by default the SDK's first request asks for 32 MiB, and holds them."""
_CONTAINER: dict[str, Any] = {**_BLOB_PATIENCE, "max_single_get_size": CHUNK, "max_chunk_get_size": CHUNK}
_TABLE_PATIENCE: dict[str, Any] = {**_PATIENCE, "retry_backoff_factor": 0.2}
KEY_LIFE = timedelta(hours=2)
"""Of a user-delegation key. Azure allows seven days; a stolen one shall sign for less."""
CLOCKS_DIFFER = timedelta(minutes=5)


class Token(NamedTuple):
    """An access token, when it ends, and from when on a newer one should be asked for (seconds since 1970)."""

    text: str
    ends: int
    stale: int | None


class Account(Protocol):
    """The way to one storage account. What it makes is made once by :class:`shared.storage.Storage`."""

    def table(self, name: str) -> TableClient:
        """Make the client of a table."""

    def queue(self, name: str, **options: Any) -> QueueClient:
        """Make the client of a queue."""

    def container(self, name: str) -> ContainerClient:
        """Make the client of a container."""

    def signing(self, until: datetime, now: datetime) -> dict[str, Any]:
        """Return what signs a SAS that ends at ``until``, as :func:`azure.storage.blob.generate_blob_sas` takes it.

        Raises:
            StorageUnavailable: no key was given.
        """


class _Connected:
    """An account whose clients share their connections."""

    @cached_property
    def _transport(self) -> RequestsTransport:
        from shared.storage.connections import transport

        # The SDK hands time-outs on only to transports that it makes itself.
        return transport(CONNECT_SECONDS, READ_SECONDS)


class ByConnectionString(_Connected):
    """An account reached by its key: for one machine.

    Args:
        connection: an Azure Storage connection string.
    """

    def __init__(self, connection: str) -> None:
        self._connection = connection

    def table(self, name: str) -> TableClient:
        """Make the client of a table."""
        from azure.data.tables import TableClient

        return TableClient.from_connection_string(self._connection, name, transport=self._transport, **_TABLE_PATIENCE)

    def queue(self, name: str, **options: Any) -> QueueClient:
        """Make the client of a queue."""
        from azure.storage.queue import QueueClient

        return QueueClient.from_connection_string(
            self._connection, name, transport=self._transport, **_BLOB_PATIENCE, **options
        )

    def container(self, name: str) -> ContainerClient:
        """Make the client of a container."""
        from azure.storage.blob import ContainerClient

        return ContainerClient.from_connection_string(self._connection, name, transport=self._transport, **_CONTAINER)

    def signing(self, until: datetime, now: datetime) -> dict[str, Any]:  # noqa: ARG002
        """Return the account's name and key."""
        said = dict(part.split("=", 1) for part in self._connection.split(";") if "=" in part)
        return {"account_name": said["AccountName"], "account_key": said["AccountKey"]}


@dataclass(frozen=True)
class Addresses:
    """The three services of an account: https URLs without a slash at their end."""

    blob: str
    queue: str
    table: str


class ByIdentity(_Connected):
    """An account reached by a managed identity: no key of it is known here.

    Args:
        addresses: of its services.
        token: gives the identity's access token for a resource; raises a Fault where it cannot.
    """

    def __init__(self, addresses: Addresses, token: Callable[[str], Token]) -> None:
        self._addresses = addresses
        self._credential = _Credential(token)
        self._lock = threading.Lock()
        self._key: UserDelegationKey | None = None
        self._key_ends: datetime | None = None

    def table(self, name: str) -> TableClient:
        """Make the client of a table."""
        from azure.data.tables import TableClient

        return TableClient(
            self._addresses.table, name, credential=self._credential, transport=self._transport, **_TABLE_PATIENCE
        )

    def queue(self, name: str, **options: Any) -> QueueClient:
        """Make the client of a queue."""
        from azure.storage.queue import QueueClient

        return QueueClient(
            self._addresses.queue,
            name,
            credential=self._credential,
            transport=self._transport,
            **_BLOB_PATIENCE,
            **options,
        )

    def container(self, name: str) -> ContainerClient:
        """Make the client of a container."""
        from azure.storage.blob import ContainerClient

        return ContainerClient(
            self._addresses.blob, name, credential=self._credential, transport=self._transport, **_CONTAINER
        )

    def signing(self, until: datetime, now: datetime) -> dict[str, Any]:
        """Return the account's name and a user-delegation key that outlives ``until``.

        Source: Microsoft, "Create a user delegation SAS": a SAS does not outlive the key that signs it.
        """
        with self._lock:
            if self._key is None or self._key_ends is None or self._key_ends - CLOCKS_DIFFER < until:
                from azure.storage.blob import BlobServiceClient

                ends = max(now + KEY_LIFE, until + 2 * CLOCKS_DIFFER)
                service = BlobServiceClient(self._addresses.blob, credential=self._credential, **_BLOB_PATIENCE)
                with speaking(), service:
                    self._key = service.get_user_delegation_key(now - CLOCKS_DIFFER, ends)
                self._key_ends = ends
            return {"account_name": _account_name(self._addresses.blob), "user_delegation_key": self._key}


def _account_name(address: str) -> str:
    """Return the account that an address names: by its host, or by its path where the host is a number."""
    parts = urlsplit(address)
    return parts.path.strip("/") or str(parts.hostname).partition(".")[0]


class _Credential:
    """The identity as azure-core wants it. It keeps nothing: the SDK's policy does, and so does MSAL."""

    def __init__(self, token: Callable[[str], Token]) -> None:
        self._token = token

    def get_token(self, *scopes: str, **_options: Any) -> AccessToken:
        """Return a token; azure.core.credentials.TokenCredential."""
        from azure.core.credentials import AccessToken

        made = self._ask(scopes)
        return AccessToken(made.text, made.ends)

    def get_token_info(self, *scopes: str, options: Any = None) -> AccessTokenInfo:  # noqa: ARG002
        """Return a token that says from when on to ask again; azure.core.credentials.SupportsTokenInfo."""
        from azure.core.credentials import AccessTokenInfo

        made = self._ask(scopes)
        return AccessTokenInfo(made.text, made.ends, refresh_on=made.stale)

    def _ask(self, scopes: tuple[str, ...]) -> Token:
        try:
            return self._token(scopes[0].removesuffix("/.default"))
        except Fault as fault:
            # No AzureError: the SDK would wait and ask again four times, with whoever waits for us.
            raise NoToken(fault.reason) from fault
