"""What a piece of work costs in requests to storage, counted in the SDK's own pipeline."""

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

from azure.core.pipeline import PipelineRequest
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.data.tables import TableClient
from azure.storage.blob import ContainerClient
from azure.storage.queue import QueueClient, TextBase64EncodePolicy

from shared.storage import TABLES, Blobs, Queue, Storage, Table
from shared.storage.account import ByConnectionString

_NAMES = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(/[0-9a-f-]{36})*")


class Meter(SansIOHTTPPolicy):  # type: ignore[type-arg]
    """Notes every request: ``METHOD place``, where a batch of a table's is ``POST $batch``."""

    def __init__(self) -> None:
        self.requests: list[str] = []

    def on_request(self, request: PipelineRequest[Any]) -> None:
        """Note a request."""
        sent = request.http_request
        place = unquote(urlsplit(sent.url).path).split("/", 2)[2].partition("(")[0]
        self.requests.append(f"{sent.method} {_NAMES.sub('*', place)}")

    @contextmanager
    def reading(self) -> Iterator[list[str]]:
        """Yield what is asked from here on; whole when the block ends."""
        begun, found = len(self.requests), list[str]()
        yield found
        found += self.requests[begun:]


def metered(storage: Storage) -> Meter:
    """Put a meter on every client of this storage; the rooms that are built from it later are counted."""
    meter = Meter()
    account = storage._account
    assert isinstance(account, ByConnectionString)
    told = account._connection
    # Two names for the same in the SDKs of tables, and of queues and blobs.
    tables: dict[str, Any] = {"per_call_policies": [meter], "retry_total": 0}
    others: dict[str, Any] = {"_additional_pipeline_policies": [meter], "retry_total": 0}
    for name in TABLES:
        storage._tables[name] = Table(
            TableClient.from_connection_string(told, name, **tables), lambda: secrets.token_hex(8)
        )
    queue = QueueClient.from_connection_string(
        told, "deliveries", message_encode_policy=TextBase64EncodePolicy(), **others
    )
    storage._queues["deliveries"] = Queue(queue)
    storage._blobs["documents"] = Blobs(
        ContainerClient.from_connection_string(told, "documents", **others), account.signing
    )
    return meter
