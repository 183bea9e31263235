"""The rows of jobs, and their keys."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Any

from shared import faults
from shared.privacy.traces import LISTS
from shared.storage import Gone, Row, Table, Value, key

FINAL = frozenset({"sent", "failed", "cancelled"})
RESTING = FINAL | {"uncertain"}
"""States in which nothing more happens by itself."""
KIND = "to_my_email"
"""The kind that people send to themselves; all others the printer sends in its own name."""
AWAITING, HELD = "awaiting_upload", "held"
PARKED = frozenset({AWAITING, HELD})
"""States in which the device or the person must do something before anything is delivered."""
DUE = "due"
HISTORY = "history"
_LATEST = 10**15
CURSOR = re.compile(r"[0-9]{15}\.[0-9a-f-]{36}")

WRITES_TAKE = timedelta(minutes=10)
"""No two writes of one change are further apart than this."""


class Unreadable(Exception):
    """A job's row lacks columns, or holds what was never written."""


@dataclass(frozen=True)
class Manifest:
    """What the device says of a scan. The same id with the same manifest is the same job."""

    id: str
    kind: str
    user: str
    title: str
    locale: str
    name: str
    type: str
    size: int
    sha256: str
    to: tuple[str, ...] = ()
    """Recipients of a printer's own mail."""
    fax_number: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 over all of it."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Job:
    """A job as it stands."""

    device_id: str
    manifest: Manifest
    tid: str
    oid: str
    state: str
    reason: str | None
    attempts: int
    created: datetime
    updated: datetime
    next_attempt: datetime | None
    blob: str
    etag: str
    printer: str
    location: str
    lease: str | None = None
    """Id of the delivery that holds it."""
    lease_until: datetime | None = None
    verified: bool = False
    """Whether the delivery that holds it sends in a way in which the mailbox can be asked what became of the mail."""
    look: bool = False
    """Whether an earlier attempt may have gone further in the mailbox than it wrote down."""
    draft: str = ""
    """Id of the draft that an earlier attempt left in the mailbox."""
    repeated: bool = False
    """Whether it was sent once more after an outcome that nobody knows, as the organisation's policy says."""
    group: str = ""
    """The device's group when it was handed over: with the user it names whose it is before anybody signed in."""
    until: datetime | None = None
    """When its upload is awaited no longer, or it is held no longer."""
    began: datetime | None = None
    """Since when it can be delivered, where that is later than ``created``."""
    due: str | None = None
    """Row key of its place in the list of what is due. What it says is never later than what the row says."""
    past: str = ""
    """What became of the attempts so far (see ``attempts``)."""
    row: Row | None = field(default=None, compare=False, repr=False)
    """As it was read or written."""

    @property
    def own(self) -> bool:
        """Whether the printer sends it in its own name; then ``oid`` is the sign-in of its mailbox at acceptance."""
        return self.manifest.kind != KIND

    @property
    def deliverable_since(self) -> datetime:
        """From when on the time counts after which its delivery is given up."""
        return self.began or self.created

    @property
    def fault(self) -> type[faults.Fault] | None:
        """The fault it last met, where it met one."""
        return faults.BY_REASON[self.reason] if self.reason else None


Decision = tuple[Mapping[str, Value | None], datetime | None] | None
"""The columns to change and when to look again at the latest (None: never); or None, to leave the job alone."""


@dataclass(frozen=True)
class Due:
    """A place in the list of what is due. A job that names another one has left it over, or is about to name it."""

    place: str
    device_id: str
    job_id: str
    made: datetime
    blob: str = ""
    """The document of the attempt to store a scan that made it; empty where a later change did."""


class Jobs:
    """All jobs, in the table ``jobs`` (partition: device id).

    Args:
        table: the table ``jobs``.
        clock: the time now.
    """

    def __init__(self, table: Table, clock: Callable[[], datetime]) -> None:
        self._table = table
        self._clock = clock

    def get(self, device_id: str, job_id: str) -> Job | None:
        """Return the job, or None.

        Raises:
            Unreadable: its row is not one of ours.
        """
        row = self._table.get(key(device_id), key("job", job_id))
        return _read(device_id, row) if row else None

    def insert(self, job: Job) -> None:
        """Write a new job that was announced, and its place in the history.

        Raises:
            AlreadyThere: the device has a job with this id.
        """
        in_history = key(HISTORY, newest_first(job.created), job.manifest.id)
        self._table.insert_together(
            key(job.device_id), [(key("job", job.manifest.id), _write(job)), (in_history, {"job": job.manifest.id})]
        )

    def delete(self, device_id: str, job_id: str, place: str) -> None:
        """Delete a job and its place in the history (see :func:`newest_first`); what is not there is fine."""
        self._table.delete(key(device_id), key(HISTORY, place, job_id))
        self._table.delete(key(device_id), key("job", job_id))

    def change(
        self,
        device_id: str,
        job_id: str,
        decide: Callable[[Job], Decision],
        *,
        known: Job | None = None,
        then: Callable[[Job], None] = lambda _: None,
        forget: Sequence[str] = (),
        postpone: bool = False,
    ) -> Job:
        """Change a job by compare-and-swap.

        ``updated`` always moves forward. A place in the list of what is due that is early enough stays where it is:
        the sweep that meets it too early puts it later.

        Args:
            device_id: the job's device.
            job_id: the job.
            decide: gets the job as it is, and says what becomes of it.
            known: the job as the caller read or wrote it last: saves reading it.
            then: gets the job as it is now. Whatever stops it, the sweep still finds the place among what is due.
            forget: further rows of the lists, deleted together with what the change leaves over.
            postpone: whether a place among what is due is moved although it is early enough.

        Raises:
            NotFound: there is no such job.
        """
        made: list[str] = []
        old_due = ""

        def decide_row(row: Row) -> Mapping[str, Value | None] | None:
            nonlocal old_due
            decision = decide(_read(device_id, row))
            if decision is None:
                old_due = ""
                return None
            changes, due = decision
            old_due = row.get("due", "")
            place: str | None = None
            if due is not None and old_due and not postpone and old_due < key(DUE, _moment(due), "~"):
                place = old_due
            elif due is not None:
                made.append(place := self._make_due(device_id, job_id, due))
            updated = max(self._clock(), row["updated"] + timedelta(microseconds=1))
            return {**changes, "updated": updated, "due": place}

        try:
            row = self._table.change(
                key(device_id), key("job", job_id), decide_row, known=known.row if known is not None else None
            )
        except Gone as error:
            raise faults.NotFound from error
        then(_read(device_id, row))
        # The change has happened; what cannot be tidied up now is tidied up by whoever lists what is due.
        left_over = [*({old_due, *made} - {row.get("due"), ""}), *forget]
        if left_over:
            with suppress(faults.StorageUnavailable):
                self._table.delete_together(LISTS, left_over)
        return _read(device_id, row)

    def history(self, device_id: str, cursor: str, count: int) -> tuple[list[Job], str | None]:
        """Return up to ``count`` jobs of a device, newest first, and the cursor for those after them.

        A cursor is :data:`CURSOR`: the place of the last job that was seen. Jobs may share a millisecond.
        """
        after = key(HISTORY, *cursor.split(".")) if cursor else key(HISTORY, "")
        rows = list(self._table.query(key(device_id), after=after, before=key(HISTORY, "~"), limit=count + 1))
        jobs = [job for row in rows[:count] if (job := self.get(device_id, row["job"]))]
        more = ".".join(rows[count - 1].row.split("|")[1:]) if len(rows) > count else None
        return jobs, more

    def due(self, limit: int) -> list[Due]:
        """Return the places in the list of what is due that are over now, at most ``limit``, the earliest first."""
        now = key(DUE, _moment(self._clock()), "~")
        return list(self._listed(now, limit))

    def listed(self) -> Iterator[Due]:
        """Yield every place in the list of what is due, also of what is due later."""
        return self._listed(key(DUE, "~"), None)

    def _listed(self, before: str, limit: int | None) -> Iterator[Due]:
        for row in self._table.query(LISTS, after=key(DUE, ""), before=before, limit=limit):
            yield Due(row.row, row["device"], row["job"], row["made"], row.get("blob", ""))

    def condemn(self, device_id: str, job_id: str) -> None:
        """End a job whose row cannot be read: it can never be sent, and must not stand in the way of others."""
        with suppress(Gone):
            ended: dict[str, Value | None] = {"state": "failed", "reason": faults.Unexpected.reason, "due": None}
            self._table.change(key(device_id), key("job", job_id), lambda _: ended)

    def forget_due(self, place: str) -> None:
        """Delete a place in the list of what is due that was left over."""
        self._table.delete(LISTS, place)

    def _make_due(self, device_id: str, job_id: str, due: datetime) -> str:
        row = due_row(device_id, job_id, due)
        self._table.insert(LISTS, row, {"device": device_id, "job": job_id, "made": self._clock()})
        return row


def due_row(device_id: str, job_id: str, due: datetime) -> str:
    """Return the key of a new place in the list of what is due. No two are the same."""
    return key(DUE, _moment(due), device_id, job_id, uuid.uuid4().hex)


def due_values(job: Job) -> dict[str, Value]:
    """Return the columns of a new job's place in the list of what is due."""
    return {"device": job.device_id, "job": job.manifest.id, "made": job.created, "blob": job.blob}


def newest_first(moment: datetime) -> str:
    """Return a text that sorts before those of all earlier moments, to the millisecond."""
    return f"{_LATEST - int(moment.timestamp() * 1000):015d}"


def oldest_first(place: str) -> str:
    """Return a text that sorts the other way round than :func:`newest_first`."""
    return f"{_LATEST - int(place):015d}"


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%S.%f")


def _write(job: Job) -> dict[str, Value | None]:
    values = {each.name: getattr(job, each.name) for each in fields(Job) if each.name not in {"device_id", "row"}}
    return {**values, "manifest": written(job.manifest)}


def written(manifest: Manifest) -> str:
    """Return a manifest as it lies in a job's row."""
    return json.dumps(asdict(manifest))


def _read(device_id: str, row: Row) -> Job:
    known = {each.name: row[each.name] for each in fields(Job) if each.name in row.values}
    optional: dict[str, Any] = {"reason": None, "next_attempt": None}
    try:
        told = json.loads(row["manifest"])
        manifest = Manifest(**{**told, "to": tuple(told.get("to", ()))})
        return Job(**{**optional, **known, "device_id": device_id, "manifest": manifest, "row": row})
    except (KeyError, ValueError, TypeError) as error:
        # Its text could quote what somebody scanned.
        raise Unreadable(type(error).__name__) from None
