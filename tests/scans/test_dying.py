"""No job is forgotten when the process ends between any two writes."""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any

import pytest

from shared import settings
from shared.scans.uploads import AWAITED
from shared.services import Services
from shared.storage import Blobs, Queue, Row, Table, Value
from tests.scans.conftest import CONTOSO, DOCUMENT, pin, signed_out, upload

UPLOADED = DOCUMENT + b"\n%%EOF\n"


class Dies(BaseException):
    """The process ends here."""


class Life:
    """Counts writes; the one after ``writes`` is not done any more."""

    def __init__(self, writes: int) -> None:
        self._left = writes

    def spend(self) -> None:
        """One write."""
        if not self._left:
            raise Dies
        self._left -= 1


class MortalTable(Table):
    """A table whose process dies."""

    def __init__(self, table: Table, life: Life) -> None:
        super().__init__(table._client, table._new_id)
        self._life = life

    def insert(self, partition: str, row: str, values: Mapping[str, Value | None]) -> Row:
        """As a table's."""
        self._life.spend()
        return super().insert(partition, row, values)

    def insert_together(self, partition: str, rows: Sequence[tuple[str, Mapping[str, Value | None]]]) -> None:
        """As a table's."""
        self._life.spend()
        super().insert_together(partition, rows)

    def replace(self, old: Row, values: Mapping[str, Value | None]) -> Row:
        """As a table's."""
        self._life.spend()
        return super().replace(old, values)

    def delete(self, partition: str, row: str) -> None:
        """As a table's."""
        self._life.spend()
        super().delete(partition, row)

    def delete_together(self, partition: str, rows: Sequence[str]) -> None:
        """As a table's."""
        self._life.spend()
        super().delete_together(partition, rows)

    def put(self, partition: str, row: str, values: Mapping[str, Value | None]) -> None:
        """As a table's."""
        self._life.spend()
        super().put(partition, row, values)


class MortalQueue(Queue):
    """A queue whose process dies."""

    def __init__(self, queue: Queue, life: Life) -> None:
        super().__init__(queue._client)
        self._life = life

    def send(self, text: str, *, delay: float = 0) -> None:
        """As a queue's."""
        self._life.spend()
        super().send(text, delay=delay)


class MortalBlobs(Blobs):
    """A container whose process dies."""

    def __init__(self, blobs: Blobs, life: Life) -> None:
        super().__init__(blobs._client, blobs._signing)
        self._life = life

    def put(self, name: str, body: bytes | IO[bytes], size: int) -> str:
        """As a container's."""
        self._life.spend()
        return super().put(name, body, size)

    def delete(self, name: str) -> None:
        """As a container's."""
        self._life.spend()
        super().delete(name)


def mortal(office: Any, writes: int) -> Services:
    """A process of the service that has so many writes to scans to live."""
    life = Life(writes)
    rooms = Services(settings.read(office.told), clock=office.clock, below=office.below)
    storage = rooms.storage
    storage._tables["jobs"] = MortalTable(storage.table("jobs"), life)
    storage._queues["deliveries"] = MortalQueue(storage.queue("deliveries"), life)
    storage._blobs["documents"] = MortalBlobs(storage.blobs("documents"), life)
    return rooms


def accept(office: Any, process: Services, job: Any) -> None:
    """A new scan."""
    from io import BytesIO

    process.acceptance.accept(office.device, office.manifest(), BytesIO(b"%PDF-1.7 the scan %%EOF"))


def deliver(office: Any, process: Services, job: Any) -> None:
    """A delivery that succeeds."""
    office.deliver(job, process.delivery)


def throttled(office: Any, process: Services, job: Any) -> None:
    """A delivery that must wait."""
    office.switchboard.add("sendMail", "throttled", retry_after="30")
    office.deliver(job, process.delivery)


def refused(office: Any, process: Services, job: Any) -> None:
    """A delivery that fails for good."""
    office.cloud.change_account("contoso/adele", mailbox_full=True)
    office.deliver(job, process.delivery)


def sweep(office: Any, process: Services, job: Any) -> None:
    """A sweep that finds it due."""
    office.clock.advance(minutes=2)
    process.sweep.run()


def cancel(office: Any, process: Services, job: Any) -> None:
    """A cancellation."""
    process.acceptance.cancel(office.device, job.manifest.id)


# What ends where the process lived on, and what else may come of it where it died: the hand-over is one of the
# writes, so a death after it leaves an open outcome.
Story = Callable[[Any, Services, Any], None]
STORIES: list[tuple[Story, str, set[str]]] = [
    (accept, "sent", {"sent"}),
    (deliver, "sent", {"sent", "uncertain"}),
    (throttled, "sent", {"sent", "uncertain"}),
    (refused, "failed", {"failed", "uncertain"}),
    (sweep, "sent", {"sent"}),
    (cancel, "cancelled", {"sent", "cancelled"}),
]


@pytest.mark.parametrize(("story", "whole", "else_too"), STORIES, ids=[story[0].__name__ for story in STORIES])
def test_a_death_between_any_two_writes_loses_no_job(office: Any, story: Story, whole: str, else_too: set[str]) -> None:
    """R03, R04, R07, R17: for every write, the process dies before it; later every job has ended, visibly.

    At most one mail each, none without a job, nothing left in the list of what is due, and no document beyond
    its 48 hours.
    """
    deaths = 0
    for writes in range(40):
        job = None if story is accept else office.accept()
        before = len(office.mails())
        known = {found.manifest.id for found in office.rooms.jobs.history(office.device.id, "", 100)[0]}
        try:
            story(office, mortal(office, writes), job)
        except Dies:
            deaths += 1
            died = True
        else:
            died = False
        office.switchboard.remove()
        office.recover()
        jobs, _ = office.rooms.jobs.history(office.device.id, "", 100)
        mails = len(office.mails()) - before
        states = [office.job(job).state] if job else [new.state for new in jobs if new.manifest.id not in known]
        # A scan that was never accepted has told the device so: it got no answer.
        assert states or (story is accept and died)
        assert set(states) <= (else_too if died else {whole}), writes
        assert mails == len(states) or "sent" not in states
        assert mails <= len(states) <= 1
        assert office.due() == [], writes
        office.cloud.change_account("contoso/adele", mailbox_full=False)
        if not died:
            break
    assert deaths >= 3
    assert not died
    office.clock.advance(days=3)
    office.rooms.retention.expire()
    assert office.documents() == []


def test_a_death_between_any_two_writes_of_a_hold_and_its_release_loses_no_scan(office: Any) -> None:
    """R03, R17: held for somebody unknown, then let go by his sign-in; whatever dies, it is sent once, by itself."""
    whole = 0
    for writes in range(60):
        user = "ben"
        signed_out(office, user)
        before = len(office.mails("contoso/ben"))
        manifest = office.manifest(user=user)
        process = mortal(office, writes)
        for step in range(2):
            try:
                if step == 0:
                    process.acceptance.accept(office.device, manifest, io.BytesIO(DOCUMENT))
                else:
                    pin(office.rooms, office.cloud, user)
                    process.holds.signed_in(CONTOSO, "office", user)
                    whole += 1
            except Dies:
                # The device, or the panel's OK, hears nothing and asks again; the scan's second try comes late.
                process = office.rooms
        office.recover()
        job = office.rooms.jobs.get(office.device.id, manifest.id)
        if job is None:
            continue  # nothing was promised
        assert (job.state, job.oid) == ("sent", office.cloud.account("contoso/ben").oid), writes
        assert len(office.mails("contoso/ben")) == before + 1, writes
        assert office.due() == [], writes
        if whole > 12:
            break
    assert whole > 12
    office.clock.advance(days=3)
    office.rooms.retention.expire()
    assert office.documents() == []


def test_a_death_between_any_two_writes_of_a_commit_loses_no_scan(office: Any) -> None:
    """R03, R17: announced, uploaded, committed; where the commit dies the device commits again: one mail each."""
    deaths = 0
    for writes in range(20):
        before = len(office.mails())
        job = office.rooms.acceptance.announce(office.device, office.manifest(UPLOADED))
        assert upload(office, job, UPLOADED).status_code == 201
        try:
            mortal(office, writes).uploads.commit(job.device_id, job.manifest.id)
        except Dies:
            deaths += 1
            office.rooms.uploads.commit(job.device_id, job.manifest.id)
            died = True
        else:
            died = False
        office.recover()
        assert office.job(job).state == "sent", writes
        assert len(office.mails()) == before + 1
        if not died:
            break
    assert deaths >= 2
    assert not died
    office.clock.advance(hours=25)
    office.recover()
    assert office.due() == office.documents() == []


def test_an_announcement_that_dies_leaves_nothing_for_long(office: Any) -> None:
    """R03: wherever it dies, a day later nothing is due, and what was uploaded is gone."""
    deaths = 0
    for writes in range(6):
        try:
            job = mortal(office, writes).acceptance.announce(office.device, office.manifest(UPLOADED))
            assert upload(office, job, UPLOADED).status_code == 201
        except Dies:
            deaths += 1
    assert deaths == 2
    office.clock.advance(seconds=AWAITED.total_seconds() + 60)
    office.recover()
    assert office.due() == office.documents() == office.mails() == []


def test_a_document_without_its_row_is_gone_within_minutes(office: Any) -> None:
    """I06, R02: killed between document and row: the printer comes again with another attempt, or never.

    What the dead attempt stored goes with the first sweep in which it cannot be alive, and no living scan's does.
    """
    manifests = [office.manifest(UPLOADED) for _ in range(2)]
    for manifest in manifests:
        with pytest.raises(Dies):
            mortal(office, 2).acceptance.accept(office.device, manifest, io.BytesIO(UPLOADED))
    assert len(office.documents()) == 2
    job = office.accept(manifests[0], UPLOADED)
    assert len(office.documents()) == 3
    office.clock.advance(minutes=5)
    office.rooms.sweep.run()
    assert len(office.documents()) == 3
    office.clock.advance(minutes=6)
    office.rooms.sweep.run()
    assert office.documents() == [job.blob]
    assert office.deliver(job).state == "sent"
