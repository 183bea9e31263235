"""A document in private storage, as a transport reads it (:class:`shared.mail.Document`)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import chain

from shared import faults
from shared.scans.job import Job
from shared.storage import Blobs, Changed, Gone


class StoredDocument:
    """The bytes that were accepted for a job: pinned by their ETag, hashed while they are read.

    Args:
        documents: the container.
        job: whose document it is.
    """

    def __init__(self, documents: Blobs, job: Job) -> None:
        self._documents = documents
        self._job = job
        self._begun: Iterator[bytes] | None = None

    @property
    def size(self) -> int:
        """How many bytes were accepted."""
        return self._job.manifest.size

    def begin(self) -> None:
        """Read as far as the first piece, before anything says that the mail leaves: of most documents that is all.

        Raises:
            DocumentMissing, DocumentMismatch: as :meth:`chunks`.
        """
        pieces = self._proven()
        self._begun = chain([next(pieces, b"")], pieces)

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes from the start, at most 4 MiB at a time and at most twice that in memory.

        Raises:
            DocumentMissing: they are gone.
            DocumentMismatch: they are others than were accepted; the last piece was not yielded.
        """
        begun, self._begun = self._begun, None
        return begun or self._proven()

    def _proven(self) -> Iterator[bytes]:
        digest, size, held = hashlib.sha256(), 0, b""
        try:
            for piece in self._documents.read(self._job.blob, self._job.etag):
                if held:
                    yield held
                digest.update(piece)
                size += len(piece)
                held = piece
        except Gone as error:
            raise faults.DocumentMissing from error
        except Changed as error:
            raise faults.DocumentMismatch("written after it was accepted") from error
        if digest.hexdigest() != self._job.manifest.sha256 or size != self.size:
            raise faults.DocumentMismatch("size or hash")
        yield held
