"""No job is forgotten when the process ends between any two writes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any

import pytest

from shared.expiry import expire
from shared.privacy import Traces
from shared.scans import Acceptance, Announcements, Delivery, Jobs, Slots, Sweep
from shared.storage import Blobs, Queue, Row, Table, Value


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
        super().__init__(blobs._client)
        self._life = life

    def put(self, name: str, body: bytes | IO[bytes], size: int) -> str:
        """As a container's."""
        self._life.spend()
        return super().put(name, body, size)

    def delete(self, name: str) -> None:
        """As a container's."""
        self._life.spend()
        super().delete(name)


@dataclass(frozen=True)
class Mortal:
    """A process that dies."""

    acceptance: Acceptance
    delivery: Delivery
    sweep: Sweep


def mortal(office: Any, writes: int) -> Mortal:
    """The rooms of a process that has so many writes to live."""
    life, storage = Life(writes), office.rooms.storage
    jobs = Jobs(MortalTable(storage.table("jobs"), life), office.clock)
    documents = MortalBlobs(storage.blobs("documents"), life)
    queue = MortalQueue(storage.queue("deliveries"), life)
    lists = MortalTable(storage.table("jobs"), life)
    announcements = Announcements(lists, Traces(storage.table("traces"), lists))
    slots = Slots(lists, office.clock)
    rooms = office.rooms
    acceptance = Acceptance(jobs, announcements, documents, queue, rooms.organisations, rooms.people, office.clock)
    delivery = office.with_(jobs=jobs, slots=slots, documents=documents, deliveries=queue)
    return Mortal(acceptance, delivery, Sweep(jobs, documents, queue, office.clock))


def accept(office: Any, process: Mortal, job: Any) -> None:
    """A new scan."""
    from io import BytesIO

    process.acceptance.accept(office.device, office.manifest(), BytesIO(b"%PDF-1.7 the scan"))


def deliver(office: Any, process: Mortal, job: Any) -> None:
    """A delivery that succeeds."""
    office.deliver(job, process.delivery)


def throttled(office: Any, process: Mortal, job: Any) -> None:
    """A delivery that must wait."""
    office.switchboard.add("sendMail", "throttled", retry_after="30")
    office.deliver(job, process.delivery)


def refused(office: Any, process: Mortal, job: Any) -> None:
    """A delivery that fails for good."""
    office.cloud.change_account("contoso/adele", mailbox_full=True)
    office.deliver(job, process.delivery)


def sweep(office: Any, process: Mortal, job: Any) -> None:
    """A sweep that finds it due."""
    office.clock.advance(minutes=2)
    process.sweep.run()


def cancel(office: Any, process: Mortal, job: Any) -> None:
    """A cancellation."""
    process.acceptance.cancel(office.device, job.manifest.id)


# What ends where the process lived on, and what else may come of it where it died: the hand-over is one of the
# writes, so a death after it leaves an open outcome.
Story = Callable[[Any, Mortal, Any], None]
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
    expire(office.rooms.storage, datetime.now(office.clock().tzinfo).replace(year=2100))
    assert office.documents() == []
