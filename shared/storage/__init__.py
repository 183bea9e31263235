"""Tables, Queues and Blobs of the data account: the only room that imports Azure's storage SDKs.

Owns: the clients (made once, on first use), keys that are safe by construction, compare-and-swap,
and the translation of the SDK's errors into three facts: :class:`AlreadyThere`, :class:`Changed`,
:class:`Gone`, or the fault ``storage_unavailable``.

Does not own: what a row means. It may import ``shared.faults``, and ``shared.outbound`` for how a connection is made;
nothing else of ours.

Promises: a write that reports success happened once; a write that lost a race says so. A write whose
answer was lost is settled by reading it back (every write carries an operation id, see threats R12 and
R13); only where somebody else has written over it before we look, it is reported as lost though it
happened. Not promised: transactions over more than one partition.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from shared.storage.account import Account, Addresses, ByConnectionString, ByIdentity, Token
from shared.storage.blobs import Blobs
from shared.storage.errors import AlreadyThere, Changed, Gone, speaking
from shared.storage.keys import key
from shared.storage.queues import Queue
from shared.storage.tables import Row, Table, Value

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "Addresses",
    "AlreadyThere",
    "Blobs",
    "ByIdentity",
    "Changed",
    "Gone",
    "Queue",
    "Row",
    "Storage",
    "Table",
    "Token",
    "Value",
    "create_all",
    "key",
]

TABLES = (
    "organisations",
    "tickets",
    "devices",
    "assertions",
    "people",
    "grants",
    "renewals",
    "handoffs",
    "authorizations",
    "jobs",
    "keys",
    "traces",
    "erasures",
    "mailboxes",
    "mailboxgrants",
    "mailboxrenewals",
    "sessions",
    "audit",
)
"""Every table there is. Infrastructure creates them; the app never does at run time."""
QUEUES = ("deliveries", "deliveries-poison")
CONTAINERS = ("documents",)


class Storage:
    """The data account. Clients are made lazily and shared by all threads of the process.

    Args:
        account: the way to it; a text is an Azure Storage connection string.
        new_id: makes operation ids (any unique text).
    """

    def __init__(self, account: Account | str, new_id: Callable[[], str]) -> None:
        self._account = ByConnectionString(account) if isinstance(account, str) else account
        self._new_id = new_id
        self._lock = threading.Lock()
        self._tables: dict[str, Table] = {}
        self._queues: dict[str, Queue] = {}
        self._blobs: dict[str, Blobs] = {}

    def table(self, name: str) -> Table:
        """Return the table called ``name`` (one of :data:`TABLES`)."""
        with self._lock:
            if name not in self._tables:
                self._tables[name] = Table(self._account.table(TABLES[TABLES.index(name)]), self._new_id)
            return self._tables[name]

    def queue(self, name: str) -> Queue:
        """Return the queue called ``name`` (one of :data:`QUEUES`)."""
        with self._lock:
            if name not in self._queues:
                from azure.storage.queue import TextBase64EncodePolicy

                # The Functions host expects base64 (host.json, messageEncoding).
                client = self._account.queue(QUEUES[QUEUES.index(name)], message_encode_policy=TextBase64EncodePolicy())
                self._queues[name] = Queue(client)
            return self._queues[name]

    def blobs(self, container: str) -> Blobs:
        """Return the private container called ``container`` (one of :data:`CONTAINERS`)."""
        with self._lock:
            if container not in self._blobs:
                client = self._account.container(CONTAINERS[CONTAINERS.index(container)])
                self._blobs[container] = Blobs(client, self._account.signing)
            return self._blobs[container]

    def check(self) -> None:
        """Prove that the account answers.

        Raises:
            StorageUnavailable: it does not.
        """
        self.table("organisations").get("readiness", "probe")


def create_all(connection: str) -> None:
    """Create every table, queue and container that is missing (local machines and tests only)."""
    from azure.core.exceptions import ResourceExistsError

    account = ByConnectionString(connection)
    with speaking():
        for name in TABLES:
            with suppress(ResourceExistsError):
                account.table(name).create_table()
        for name in QUEUES:
            with suppress(ResourceExistsError):
                account.queue(name).create_queue()
        for name in CONTAINERS:
            with suppress(ResourceExistsError):
                account.container(name).create_container()
