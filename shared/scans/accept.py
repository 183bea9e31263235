"""Accepting a scan: everything that can be refused is refused here, before anything is promised."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import IO, TYPE_CHECKING

from shared import faults
from shared.scans.announcements import Announcements
from shared.scans.documents import END_BYTES, HEAD_BYTES, ends_well, media_type_of
from shared.scans.hold_index import HoldIndex, row_of
from shared.scans.holds import Holds
from shared.scans.job import AWAITING, FINAL, HELD, KIND, Job, Manifest
from shared.scans.jobs import Jobs, due_row
from shared.scans.uploads import ADDRESS_LIFE, AWAITED, MARGIN
from shared.scans.ways import SWEPT_AFTER, Way, Ways
from shared.storage import AlreadyThere, Blobs, Value

if TYPE_CHECKING:
    from shared.devices import Device
    from shared.mail import Transports
    from shared.mailboxes import Outgoings
    from shared.organisations import Organisations

_CHUNK = 1 << 20


class Acceptance:
    """Takes scans from devices.

    Args:
        jobs: the rows.
        announcements: what is written before a document is stored.
        documents: the container for the bytes.
        organisations: says what the organisation's range can send.
        transports: say how large a document each range can send.
        ways: decides where a scan goes.
        holds: keeps what its person must sign in for.
        index: where held scans are found.
        clock: the time now.
        outgoings: says whether a printer can send in its own name.
    """

    def __init__(
        self,
        jobs: Jobs,
        announcements: Announcements,
        documents: Blobs,
        organisations: Organisations,
        transports: Transports,
        ways: Ways,
        holds: Holds,
        index: HoldIndex,
        clock: Callable[[], datetime],
        outgoings: Outgoings,
    ) -> None:
        self._outgoings = outgoings
        self._jobs = jobs
        self._announcements = announcements
        self._documents = documents
        self._organisations = organisations
        self._transports = transports
        self._ways = ways
        self._holds = holds
        self._index = index
        self._clock = clock

    def announce(self, device: Device, manifest: Manifest) -> Job:
        """Accept a scan whose document the device will upload to storage itself: everything else is checked now.

        Returns:
            The job, awaiting its upload; or as it stands, where this scan was announced before.

        Raises:
            IdTaken: the id was used for another manifest.
            Fault: why it cannot be sent; nothing was stored.
        """
        if earlier := self._earlier(device, manifest):
            return earlier
        job = self._new(device, manifest)
        until = job.created + AWAITED
        due = due_row(device.id, manifest.id, until)
        job = replace(job, state=AWAITING, reason=None, until=until, due=due)
        self._announcements.make(job)
        earlier = self._insert(job)
        if earlier is not None:
            _require_same(earlier, manifest)
        return earlier or job

    def largest(self, device: Device) -> int:
        """Return the size in bytes up to which the device's organisation can send a document now (0: not at all)."""
        consented = self._organisations.recent(device.tid)
        if consented.consent != "consented" or consented.range is None:
            return 0
        return self._transports.largest(consented.range, consented.policy)

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
            job = self._new(device, manifest)
            check(manifest, document)
        except faults.StorageUnavailable:
            raise
        except faults.Fault:
            # What was accepted before is answered as it was then, whatever stands in its way by now (E11).
            if earlier := self._earlier(device, manifest):
                return earlier
            raise
        self._announcements.make(job)
        job = replace(job, etag=self._documents.put(job.blob, document, manifest.size))
        if earlier := self._insert(job):
            self._documents.delete(job.blob)
            _require_same(earlier, manifest)
            if earlier.state != AWAITING:
                return earlier
            # Announced for an upload that never came this way: these are its bytes.
            document.seek(0)
            return self._ways.go(earlier, self._documents.put(earlier.blob, document, manifest.size))
        return self._ways.went(job)

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
            # An address for its upload may still be good: what comes late is deleted then.
            late = self._clock() + ADDRESS_LIFE + MARGIN if job.state == AWAITING else None
            return {"state": "cancelled", "reason": None, "next_attempt": None, "until": None}, late

        before = self._jobs.get(device.id, job_id)
        job = self._jobs.change(
            device.id,
            job_id,
            cancel,
            known=before,
            then=lambda job: self._documents.delete(job.blob),
            postpone=True,
        )
        if before is not None and before.state == HELD and before.oid:
            self._index.forget([row_of(before)])
        return job

    def _insert(self, job: Job) -> Job | None:
        """Write the row of a job that was announced; or return the job that another request wrote meanwhile."""
        try:
            self._jobs.insert(job)
        except AlreadyThere:
            self._announcements.withdraw(job)
            earlier = self._jobs.get(job.device_id, job.manifest.id)
            if earlier is None:
                raise faults.StorageUnavailable("row vanished", retry_after=1) from None
            return earlier
        return None

    def _new(self, device: Device, manifest: Manifest) -> Job:
        """Return the job that a scan will be, or raise why it cannot be sent."""
        # Before anybody looks whether he may: what began earlier than an erasure is erased (I04).
        began = self._clock()
        if manifest.kind == KIND:
            way = self._way(device, manifest, began)
        else:
            own = self._outgoings.way(device, manifest.kind, manifest.to, manifest.fax_number, manifest.size)
            way = Way(own.account.sign_in, "accepted", None, None)
        due = began + SWEPT_AFTER if way.until is None else self._holds.first_look(way.until)
        return Job(
            device_id=device.id,
            manifest=manifest,
            tid=device.tid,
            oid=way.oid,
            state=way.state,
            reason=way.reason,
            attempts=0,
            created=began,
            updated=began,
            next_attempt=None,
            # By its name alone an old document can be asked whether its job still lives.
            blob=f"{device.id}/{manifest.id}/{uuid.uuid4()}",
            etag="",
            printer=device.name,
            location=device.location,
            group=device.group,
            until=way.until,
            due=due_row(device.id, manifest.id, due),
        )

    def _way(self, device: Device, manifest: Manifest, began: datetime) -> Way:
        """Return the way of a scan to a person, or raise why it has none."""
        organisation = self._organisations.recent(device.tid)
        allowed = organisation.require_consent()
        way = self._ways.choose(device.tid, device.group, manifest.user, began)
        self._transports.choose(allowed, organisation.policy.for_mailbox(way.largest_taken), manifest.size)
        if way.state == HELD:
            self._holds.require_room(device.tid, device.group, manifest.user, way.oid)
        return way

    def _earlier(self, device: Device, manifest: Manifest) -> Job | None:
        job = self._jobs.get(device.id, manifest.id)
        if job is not None:
            _require_same(job, manifest)
        return job


def _require_same(earlier: Job, manifest: Manifest) -> None:
    if earlier.manifest.digest != manifest.digest:
        raise faults.IdTaken


def check(manifest: Manifest, document: IO[bytes]) -> None:
    """Check the bytes against the manifest, and leave them at their start.

    Raises:
        DocumentMismatch: another size or hash.
        UnsupportedType: another type than announced, cut off, or something stands before or behind it.
    """
    digest, size, head, tail = hashlib.sha256(), 0, b"", b""
    while chunk := document.read(_CHUNK):
        head = head or chunk[:HEAD_BYTES]
        tail = (tail + chunk)[-END_BYTES:]
        digest.update(chunk)
        size += len(chunk)
    document.seek(0)
    if size != manifest.size or digest.hexdigest() != manifest.sha256:
        raise faults.DocumentMismatch("size or hash")
    if media_type_of(head) != manifest.type:
        raise faults.UnsupportedType("content")
    if not ends_well(head, tail, size, manifest.type):
        raise faults.UnsupportedType("end")
