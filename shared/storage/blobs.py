"""Documents in a private container, pinned by ETag."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import IO, TYPE_CHECKING

from shared.storage.errors import Changed, Gone, speaking

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient


class Blobs:
    """One container. Names are ours (a UUID), never a person's."""

    def __init__(self, client: ContainerClient) -> None:
        self._client = client

    def put(self, name: str, body: bytes | IO[bytes], size: int) -> str:
        """Store ``size`` bytes under a name that nobody else uses, and return the ETag that pins them."""
        with speaking():
            # Overwriting is only ever the SDK repeating its own write: the name is made for this call.
            answer = self._client.get_blob_client(name).upload_blob(body, length=size, overwrite=True)
        return str(answer["etag"])

    def read(self, name: str, etag: str) -> Iterator[bytes]:
        """Yield the pinned bytes in chunks of at most 4 MiB.

        Raises:
            Gone: the blob is not there.
            Changed: it was written after it was pinned.
        """
        from azure.core import MatchConditions

        try:
            with speaking():
                yield from self._client.download_blob(
                    name, etag=etag, match_condition=MatchConditions.IfNotModified
                ).chunks()
        except Changed:
            # To If-Match on a blob that is gone Azure answers 404 and Azurite 412.
            with speaking():
                if self._client.get_blob_client(name).exists():
                    raise
            raise Gone from None

    def delete(self, name: str) -> None:
        """Delete the blob; one that is not there is fine."""
        try:
            with speaking():
                self._client.delete_blob(name)
        except Gone:
            return

    def older_than(self, moment: datetime) -> Iterator[str]:
        """Yield the names of blobs last written before ``moment`` (aware)."""
        with speaking():
            for blob in self._client.list_blobs():
                if blob.last_modified < moment:
                    yield blob.name
