"""Wake-ups and documents."""

import base64
import io
from datetime import UTC, datetime, timedelta

import pytest
from azure.storage.blob import ContainerClient
from azure.storage.queue import QueueClient

from shared.storage import Changed, Gone, Storage


def test_a_message_is_base64_of_the_text_and_never_expires(storage: Storage, connection: str) -> None:
    """R06, G12: the host reads base64; the message holds the id and nothing else, and outlives seven days."""
    storage.queue("deliveries").send("device/job")
    with QueueClient.from_connection_string(connection, "deliveries") as queue:
        [message] = queue.peek_messages()
    assert message.content == base64.b64encode(b"device/job").decode()
    assert message.expires_on is not None
    assert message.expires_on > datetime.now(UTC) + timedelta(days=1000)


def test_a_message_can_wait_and_the_longest_wait_is_what_azure_takes(storage: Storage, connection: str) -> None:
    """R40: a delayed message is hidden; a delay of a year or below zero is brought into Azure's bounds."""
    queue = storage.queue("deliveries")
    queue.send("later", delay=3600)
    queue.send("much later", delay=365 * 24 * 3600)
    queue.send("now", delay=-5)
    with QueueClient.from_connection_string(connection, "deliveries") as client:
        assert [base64.b64decode(message.content) for message in client.receive_messages()] == [b"now"]
        assert client.get_queue_properties().approximate_message_count == 3


def test_a_document_is_read_as_it_was_put(storage: Storage) -> None:
    """The bytes come back whole, in chunks of at most 4 MiB, from bytes and from a file."""
    blobs = storage.blobs("documents")
    document = bytes(range(256)) * (40 * 1024)
    for name, body in (("bytes", document), ("file", io.BytesIO(document))):
        etag = blobs.put(name, body, len(document))
        chunks = list(blobs.read(name, etag))
        assert b"".join(chunks) == document
        assert max(map(len, chunks)) <= 4 * 1024 * 1024


def test_a_document_that_was_written_again_is_not_read(storage: Storage) -> None:
    """E18: the ETag pins what was accepted; another version under the same name is Changed."""
    blobs = storage.blobs("documents")
    etag = blobs.put("name", b"accepted", 8)
    blobs.put("name", b"replaced", 8)
    with pytest.raises(Changed):
        list(blobs.read("name", etag))


def test_a_document_changed_while_it_is_read_is_not_completed(storage: Storage) -> None:
    """E18: the pin holds for every chunk, not for the first alone."""
    blobs = storage.blobs("documents")
    size = 40 * 1024 * 1024
    etag = blobs.put("name", bytes(size), size)
    reading = blobs.read("name", etag)
    next(reading)
    blobs.put("name", b"replaced", 8)
    with pytest.raises((Changed, Gone)):
        list(reading)


def test_a_document_that_is_gone_is_gone_and_may_be_deleted_again(storage: Storage) -> None:
    """R49: reading raises Gone, deleting twice is fine."""
    blobs = storage.blobs("documents")
    etag = blobs.put("name", b"bytes", 5)
    blobs.delete("name")
    blobs.delete("name")
    with pytest.raises(Gone):
        list(blobs.read("name", etag))


def test_documents_are_listed_by_age(storage: Storage) -> None:
    """R03, I06: what is older than a moment is named, what is not is not."""
    blobs = storage.blobs("documents")
    blobs.put("name", b"bytes", 5)
    assert list(blobs.older_than(datetime.now(UTC) - timedelta(minutes=5))) == []
    assert list(blobs.older_than(datetime.now(UTC) + timedelta(minutes=5))) == ["name"]


def test_documents_are_not_public(storage: Storage, connection: str) -> None:
    """E13: without a signature nobody reads or lists the container."""
    storage.blobs("documents").put("name", b"bytes", 5)
    with ContainerClient.from_connection_string(connection, "documents") as container:
        assert container.get_container_properties().public_access is None
