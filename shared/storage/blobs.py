"""Documents in a private container, pinned by ETag."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any

from shared.storage.errors import Changed, Gone, speaking

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient


@dataclass(frozen=True)
class Stored:
    """What lies under a name: its size in bytes, the ETag that pins it, and its first and last bytes."""

    size: int
    etag: str
    head: bytes
    tail: bytes


class Blobs:
    """One container. Names are ours (a UUID), never a person's.

    Args:
        client: of the container.
        signing: gives what signs a SAS; see :meth:`shared.storage.account.Account.signing`.
    """

    def __init__(self, client: ContainerClient, signing: Callable[[datetime, datetime], dict[str, Any]]) -> None:
        self._client = client
        self._signing = signing

    def upload_url(self, name: str, *, until: datetime, now: datetime, blocks: bool) -> str:
        """Return an address to which this one blob can be written until ``until``, and with which nothing can be read.

        It may be created once. With ``blocks`` it may be written as well, which Put Block and Put Block List need.
        Only over https, unless storage itself is plain http. Source: Microsoft, "Create a service SAS" and "Create a
        user delegation SAS" (permissions of a blob, ``spr``).

        Raises:
            StorageUnavailable: no key to sign with was given.
        """
        from azure.storage.blob import BlobSasPermissions, generate_blob_sas

        url = str(self._client.get_blob_client(name).url)
        signature = generate_blob_sas(
            container_name=str(self._client.container_name),
            blob_name=name,
            permission=BlobSasPermissions(create=True, write=blocks),
            expiry=until,
            protocol="https" if url.startswith("https://") else "https,http",
            **self._signing(until, now),
        )
        return f"{url}?{signature}"

    def look(self, name: str, ends: int) -> Stored | None:
        """Return what lies under a name, with its first and last ``ends`` bytes, or None.

        Raises:
            Changed: it was written while it was looked at.
        """
        from azure.core import MatchConditions

        blob = self._client.get_blob_client(name)
        try:
            with speaking():
                found = blob.get_blob_properties()
                pinned: dict[str, Any] = {"etag": found.etag, "match_condition": MatchConditions.IfNotModified}
                size = int(found.size)
                # A range of nothing is 416.
                head = blob.download_blob(0, min(ends, size), **pinned).readall() if size else b""
                start = max(0, size - ends)
                tail = blob.download_blob(start, size - start, **pinned).readall() if start else head
        except Gone:
            return None
        except Changed:
            # Deleted after its properties were read: see read.
            with speaking():
                if blob.exists():
                    raise
            return None
        return Stored(size, str(found.etag), head, tail)

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

    def delete_unchanged(self, name: str, etag: str) -> None:
        """Delete the blob if it is still the one that was looked at; another one, or none, is fine."""
        from azure.core import MatchConditions

        try:
            with speaking():
                self._client.delete_blob(name, etag=etag, match_condition=MatchConditions.IfNotModified)
        except (Changed, Gone):
            return

    def older_than(self, moment: datetime) -> Iterator[str]:
        """Yield the names of blobs last written before ``moment`` (aware)."""
        with speaking():
            for blob in self._client.list_blobs():
                if blob.last_modified < moment:
                    yield blob.name
