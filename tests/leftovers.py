"""Everything that lies in a test's storage account, byte by byte, to be searched for what must not be there."""

from collections.abc import Iterable, Iterator

from azure.data.tables import TableServiceClient
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient, TextBase64DecodePolicy


def everything(connection: str) -> Iterator[tuple[str, bytes]]:
    """Yield (where, bytes) of every row of every table, every message of every queue and every blob."""
    with TableServiceClient.from_connection_string(connection) as tables:
        for table in tables.list_tables():
            with tables.get_table_client(table.name) as rows:
                for row in rows.list_entities():
                    where = f"table {table.name}, {row['PartitionKey']}"
                    for column, value in row.items():
                        yield f"{where}, {column}", value if isinstance(value, bytes) else str(value).encode()
    with QueueServiceClient.from_connection_string(connection) as queues:
        for queue in queues.list_queues():
            with queues.get_queue_client(queue.name, message_decode_policy=TextBase64DecodePolicy()) as messages:
                for message in messages.peek_messages(32):
                    yield f"queue {queue.name}", str(message.content).encode()
    with BlobServiceClient.from_connection_string(connection) as containers:
        for container in containers.list_containers():
            with containers.get_container_client(container.name) as blobs:
                for blob in blobs.list_blobs(include=["snapshots", "versions", "deleted", "metadata"]):
                    yield f"blob in {container.name}", blob.name.encode() + str(blob.metadata).encode()
                    yield f"blob in {container.name}", blobs.download_blob(blob.name).readall()


def found(connection: str, canaries: Iterable[str | bytes]) -> dict[str, list[str]]:
    """Return for each canary that is somewhere, whatever its case, where it is."""
    wanted = {canary: canary.encode() if isinstance(canary, str) else canary for canary in canaries}
    hits: dict[str, list[str]] = {}
    for where, content in everything(connection):
        for canary, raw in wanted.items():
            if raw.lower() in content.lower():
                hits.setdefault(str(canary), []).append(where)
    return hits
