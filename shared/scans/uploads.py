"""Documents that a printer uploads to storage itself: the address, the commit, and uploads that never come."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared import faults
from shared.scans.documents import END_BYTES, ends_well, media_type_of
from shared.scans.job import AWAITING, Job, Manifest
from shared.scans.jobs import Decision, Jobs
from shared.scans.ways import Ways
from shared.storage import Blobs, Changed
from shared.storage.blobs import Stored

AWAITED = timedelta(hours=24)
"""So long an announced upload may take; then it is cancelled."""
ADDRESS_LIFE = timedelta(minutes=10)
MARGIN = timedelta(minutes=1)
"""After an address ended, for what was on its way."""
HEADERS: Mapping[str, str] = {"x-ms-blob-type": "BlockBlob", "If-None-Match": "*"}
"""Microsoft, "Put Blob": needed, and so that nothing is written over."""


@dataclass(frozen=True)
class Upload:
    """Where the bytes go, with which headers, and until when."""

    url: str
    headers: Mapping[str, str]
    expires: datetime


class Uploads:
    """Uploads of all devices.

    Args:
        jobs: the rows.
        documents: the container.
        ways: brings a scan on its way.
        clock: the time now.
    """

    def __init__(self, jobs: Jobs, documents: Blobs, ways: Ways, clock: Callable[[], datetime]) -> None:
        self._jobs = jobs
        self._documents = documents
        self._ways = ways
        self._clock = clock

    def address(self, job: Job, *, blocks: bool) -> Upload | None:
        """Return where the document of a job goes; None where it is awaited no longer.

        Args:
            job: as it stands.
            blocks: whether the device will send it in pieces (Put Block, Put Block List).
        """
        now = self._clock()
        if job.state != AWAITING or job.until is None or now >= job.until:
            return None
        expires = min(now + ADDRESS_LIFE, job.until).replace(microsecond=0)
        url = self._documents.upload_url(job.blob, until=expires, now=now, blocks=blocks)
        return Upload(url, HEADERS, expires)

    def commit(self, device_id: str, job_id: str) -> Job:
        """The device says that the document is there: check it, pin it, and bring the scan on its way.

        It may be called again: what was committed is answered as it stands. What does not fit is deleted, and may be
        uploaded again.

        Raises:
            NotFound: the device has no such job.
            WrongState: it was cancelled.
            NotUploaded: there is nothing (any more).
            DocumentMismatch: another size than announced, or cut off.
            UnsupportedType: another type than announced, or something stands before or behind it.
        """
        job = self._jobs.get(device_id, job_id)
        if job is None:
            raise faults.NotFound
        if job.state == "cancelled":
            raise faults.WrongState(job.state)
        if job.state != AWAITING:
            return job
        try:
            stored = self._documents.look(job.blob, END_BYTES)
        except Changed:
            raise faults.DocumentMismatch("written while it was committed") from None
        if stored is None:
            raise faults.NotUploaded
        try:
            _check(job.manifest, stored)
        except faults.DocumentRefused:
            self._documents.delete_unchanged(job.blob, stored.etag)
            raise
        return self._ways.go(job, stored.etag)

    def look(self, job: Job) -> Job:
        """Cancel an announced scan whose upload did not come in time."""

        def cancel(now: Job) -> Decision:
            if now.state != AWAITING or now.until is None or self._clock() < now.until:
                return None
            return {"state": "cancelled", "until": None}, None

        def then(job: Job) -> None:
            if job.state == "cancelled":
                self._documents.delete(job.blob)

        return self._jobs.change(job.device_id, job.manifest.id, cancel, then=then)


def _check(manifest: Manifest, stored: Stored) -> None:
    """Check what can be seen at both ends; the hash is checked while the document is sent."""
    if stored.size != manifest.size:
        raise faults.DocumentMismatch("size")
    if media_type_of(stored.head) != manifest.type:
        raise faults.UnsupportedType("content")
    if not ends_well(stored.head, stored.tail, stored.size, manifest.type):
        raise faults.UnsupportedType("end")
