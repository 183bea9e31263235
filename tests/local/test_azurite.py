"""Azurite as the tests and the runner use it."""

import socket
from pathlib import Path

import pytest
from azure.data.tables import TableServiceClient
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

from local import azurite
from local.processes import ProcessFailedError


def test_all_three_services_serve_the_sdks() -> None:
    """Inside the block Blobs, Queues and Tables accept what the SDKs of today send."""
    with azurite.running() as connection:
        with TableServiceClient.from_connection_string(connection) as tables:
            tables.create_table("promises").create_entity({"PartitionKey": "a", "RowKey": "b"})
            assert [entity["RowKey"] for entity in tables.get_table_client("promises").list_entities()] == ["b"]
        with QueueServiceClient.from_connection_string(connection) as queues:
            queue = queues.create_queue("promises")
            queue.send_message("hello")
            assert queue.receive_message().content == "hello"
            queue.close()
        with BlobServiceClient.from_connection_string(connection) as blobs:
            container = blobs.create_container("promises")
            container.upload_blob("a", b"hello")
            assert container.download_blob("a").readall() == b"hello"


def test_nothing_listens_after_the_block() -> None:
    """Leaving the block, by an exception too, leaves no Azurite behind."""
    message = "the test's own"

    def fail_inside() -> None:
        nonlocal port
        with azurite.running() as connection:
            port = int(connection.split("TableEndpoint=http://127.0.0.1:")[1].split("/")[0])
            raise RuntimeError(message)

    port = 0
    with pytest.raises(RuntimeError, match=message):
        fail_inside()
    with socket.socket() as probe:
        assert port
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_data_outlives_the_process_where_a_location_is_given(tmp_path: Path) -> None:
    """What was written before an orderly end is there after the next start."""
    with (
        azurite.running(location=tmp_path / "storage") as connection,
        TableServiceClient.from_connection_string(connection) as tables,
    ):
        tables.create_table("promises").create_entity({"PartitionKey": "a", "RowKey": "kept"})
    with (
        azurite.running(location=tmp_path / "storage") as connection,
        TableServiceClient.from_connection_string(connection) as tables,
    ):
        assert tables.get_table_client("promises").get_entity("a", "kept")["RowKey"] == "kept"


def test_a_taken_port_is_told_at_once() -> None:
    """Where a port is taken the error carries Azurite's own words and the port."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with (
            pytest.raises(ProcessFailedError, match=f"Azurite ended with code 1(.|\n)*{port}"),
            azurite.running(ports=(port, 0, 0)),
        ):
            pass


def test_a_missing_installation_names_the_command(tmp_path: Path) -> None:
    """Without an installed Azurite the error says what to run."""
    with pytest.raises(azurite.NotInstalledError, match="make install"), azurite.running(directory=tmp_path):
        pass
