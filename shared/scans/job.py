"""A job as it stands, what the device said of it, and how both lie in a row."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any

from shared import faults
from shared.storage import Row, Value

FINAL = frozenset({"sent", "failed", "cancelled"})
RESTING = FINAL | {"uncertain"}
"""States in which nothing more happens by itself."""
KIND = "to_my_email"
"""The kind that people send to themselves; all others the printer sends in its own name."""
AWAITING, HELD = "awaiting_upload", "held"
PARKED = frozenset({AWAITING, HELD})
"""States in which the device or the person must do something before anything is delivered."""


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


def columns_of(job: Job) -> dict[str, Value | None]:
    """Return a job as its row has it."""
    values = {each.name: getattr(job, each.name) for each in fields(Job) if each.name not in {"device_id", "row"}}
    return {**values, "manifest": written(job.manifest)}


def written(manifest: Manifest) -> str:
    """Return a manifest as it lies in a job's row."""
    return json.dumps(asdict(manifest))


def read(device_id: str, row: Row) -> Job:
    """Return the job that a row of a device tells of.

    Raises:
        Unreadable: it is not one of ours.
    """
    known = {each.name: row[each.name] for each in fields(Job) if each.name in row.values}
    optional: dict[str, Any] = {"reason": None, "next_attempt": None}
    try:
        told = json.loads(row["manifest"])
        manifest = Manifest(**{**told, "to": tuple(told.get("to", ()))})
        return Job(**{**optional, **known, "device_id": device_id, "manifest": manifest, "row": row})
    except (KeyError, ValueError, TypeError) as error:
        # Its text could quote what somebody scanned.
        raise Unreadable(type(error).__name__) from None
