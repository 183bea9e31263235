"""Scans as acceptance leaves them in storage, made step by step."""

import uuid
from dataclasses import dataclass, replace
from typing import Any

import pytest

from shared.scans import Job, Manifest
from shared.scans.jobs import due_row
from shared.services import Services

CONTOSO = "11111111-1111-4111-8111-111111111111"
FABRIKAM = "22222222-2222-4222-8222-222222222222"
ADELE = "33333333-3333-4333-8333-333333333333"
BEN = "44444444-4444-4444-8444-444444444444"
PRINTER = "55555555-5555-4555-8555-555555555555"
BODY = b"%PDF-1.7 the document"


@dataclass
class Desk:
    """Where scans are handed over, as far as storage is concerned."""

    rooms: Services
    clock: Any

    def announce(self, oid: str = ADELE, **more: Any) -> Job:
        """The first step: it is written down whose scan is about to be stored."""
        made = Manifest(str(uuid.uuid4()), "to_my_email", "user", "Title", "en", "f.pdf", "application/pdf", 1, "0")
        manifest = more.get("manifest", made)
        now = self.clock()
        blob = f"{PRINTER}/{manifest.id}/{uuid.uuid4()}"
        job = Job(PRINTER, manifest, CONTOSO, oid, "accepted", None, 0, now, now, None, blob, "", "Printer 2F", "")
        job = replace(job, **more)
        job = replace(job, due=due_row(job.device_id, job.manifest.id, now))
        self.rooms.announcements.make(job)
        return job

    def store(self, job: Job) -> Job:
        """The other steps: the document, and the job."""
        self.put(job)
        self.rooms.jobs.insert(job)
        return job

    def put(self, job: Job) -> None:
        """The document alone."""
        self.rooms.storage.blobs("documents").put(job.blob, BODY, len(BODY))

    def scan(self, oid: str = ADELE, **more: Any) -> Job:
        """A whole scan."""
        return self.store(self.announce(oid, **more))

    def job(self, job: Job) -> Job | None:
        """The job as it stands."""
        return self.rooms.jobs.get(job.device_id, job.manifest.id)

    def documents(self) -> set[str]:
        """The names of all documents."""
        self.clock.advance(minutes=1)
        return set(self.rooms.storage.blobs("documents").older_than(self.clock()))

    def traces(self, oid: str = ADELE) -> list[str]:
        """The blobs that a person's traces name."""
        return [trace.parts[-1] for trace in self.rooms.traces.of(CONTOSO, oid, "job")]


@pytest.fixture
def desk(rooms: Services, clock: Any) -> Desk:
    """The desk."""
    return Desk(rooms, clock)
