"""Accepting a scan: everything that can be refused is refused here, before anything is promised."""

from __future__ import annotations

import hashlib
import logging
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import IO, TYPE_CHECKING

from shared import faults
from shared.scans.announcements import Announcements
from shared.scans.documents import HEAD_BYTES, media_type_of
from shared.scans.jobs import FINAL, KIND, Job, Jobs, Manifest, due_row
from shared.storage import AlreadyThere, Blobs, Queue, Value

if TYPE_CHECKING:
    from shared.devices import Device
    from shared.mailboxes import Outgoings
    from shared.organisations import Organisations
    from shared.people import People

SWEPT_AFTER = timedelta(seconds=60)
"""A job that nobody has picked up is woken again after this."""
_CHUNK = 1 << 20

log = logging.getLogger(__name__)


class Acceptance:
    """Takes scans from devices.

    Args:
        jobs: the rows.
        announcements: what is written before a document is stored.
        documents: the container for the bytes.
        deliveries: the queue that wakes delivery.
        organisations: says what the organisation's range can send.
        people: says whose mailbox it is.
        clock: the time now.
        outgoings: says whether a printer can send in its own name.
    """

    def __init__(
        self,
        jobs: Jobs,
        announcements: Announcements,
        documents: Blobs,
        deliveries: Queue,
        organisations: Organisations,
        people: People,
        clock: Callable[[], datetime],
        outgoings: Outgoings,
    ) -> None:
        self._outgoings = outgoings
        self._jobs = jobs
        self._announcements = announcements
        self._documents = documents
        self._deliveries = deliveries
        self._organisations = organisations
        self._people = people
        self._clock = clock

    def largest(self, device: Device) -> int:
        """Return the size in bytes up to which the device's organisation can send a document now (0: not at all)."""
        consented = self._organisations.recent(device.tid)
        return consented.range.largest_document if consented.consent == "consented" and consented.range else 0

    def accept(self, device: Device, manifest: Manifest, document: IO[bytes]) -> Job:
        """Accept a scan with its bytes. From the moment this returns, it ends in the mailbox or in a visible state.

        Args:
            device: that hands it over.
            manifest: what it says of the document.
            document: seekable, at its start.

        Raises:
            IdTaken: the id was used for another manifest.
            Fault: why it cannot be sent; nothing was stored.
        """
        try:
            job = self._new(device, manifest, document)
        except faults.StorageUnavailable:
            raise
        except faults.Fault:
            # What was accepted before is answered as it was then, whatever stands in its way by now (E11).
            if earlier := self._earlier(device, manifest):
                return earlier
            raise
        self._announcements.make(job)
        job = replace(job, etag=self._documents.put(job.blob, document, manifest.size))
        try:
            self._jobs.insert(job)
        except AlreadyThere:
            self._documents.delete(job.blob)
            self._announcements.withdraw(job)
            earlier = self._earlier(device, manifest)
            if earlier is None:
                raise faults.StorageUnavailable("row vanished", retry_after=1) from None
            return earlier
        try:
            self._deliveries.send(f"{device.id}/{manifest.id}")
        except faults.StorageUnavailable:
            log.warning(
                "job %s of device %s accepted without a wake-up; the sweep will bring it", manifest.id, device.id
            )
        return job

    def cancel(self, device: Device, job_id: str) -> Job:
        """Cancel what has not been sent.

        Raises:
            NotFound: the device has no such job.
            WrongState: it is being sent, or has ended.
        """

        def cancel(job: Job) -> tuple[dict[str, Value | None], datetime | None] | None:
            if job.state == "cancelled":
                return None
            if job.state in FINAL or job.state in {"sending", "uncertain"}:
                raise faults.WrongState(job.state)
            return {"state": "cancelled", "reason": None, "next_attempt": None}, None

        return self._jobs.change(device.id, job_id, cancel, then=lambda job: self._documents.delete(job.blob))

    def _new(self, device: Device, manifest: Manifest, document: IO[bytes]) -> Job:
        """Return the job that a scan will be, or raise why it cannot be sent."""
        # Before anybody looks whether he may: what began earlier than an erasure is erased (I04).
        began = self._clock()
        if manifest.kind == KIND:
            person = self._people.person(device, manifest.user)
            tid, oid, largest = person.tid, person.oid, self.largest(device)
            if manifest.size > largest:
                raise faults.TooLarge("declared", limit=largest)
        else:
            way = self._outgoings.way(device, manifest.kind, manifest.to, manifest.fax_number, manifest.size)
            tid, oid = way.account.owner.tid, way.account.sign_in
        _check(manifest, document)
        return Job(
            device_id=device.id,
            manifest=manifest,
            tid=tid,
            oid=oid,
            state="accepted",
            reason=None,
            attempts=0,
            created=began,
            updated=began,
            next_attempt=None,
            blob=str(uuid.uuid4()),
            etag="",
            printer=device.name,
            location=device.location,
            due=due_row(device.id, manifest.id, began + SWEPT_AFTER),
        )

    def _earlier(self, device: Device, manifest: Manifest) -> Job | None:
        job = self._jobs.get(device.id, manifest.id)
        if job is not None and job.manifest.digest != manifest.digest:
            raise faults.IdTaken
        return job


def _check(manifest: Manifest, document: IO[bytes]) -> None:
    """Check the bytes against the manifest, and leave them at their start."""
    digest, size, head = hashlib.sha256(), 0, b""
    while chunk := document.read(_CHUNK):
        head = head or chunk[:HEAD_BYTES]
        digest.update(chunk)
        size += len(chunk)
    document.seek(0)
    if size != manifest.size or digest.hexdigest() != manifest.sha256:
        raise faults.DocumentMismatch("size or hash")
    if media_type_of(head) != manifest.type:
        raise faults.UnsupportedType("content")
