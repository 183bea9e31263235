"""``/console/jobs``: the scans of the organisation, and what can be done with one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request, Response

from functions.answers import page, see_other
from functions.console.callers import Acting, Looking, Rooms, audited, known_id, own_device
from functions.console.frames import frame
from shared import faults
from shared.administrators import Administrator, Role
from shared.devices import Device
from shared.faults import BY_REASON
from shared.pages import CHOICES, STATES, AttemptRow, ConsoleJob, ConsoleJobs, JobRow, Option, state_words_here
from shared.scans import PLACE, Desk, Job, attempts_of
from shared.scans.desk import AGAIN
from shared.scans.job import HELD, PARKED
from shared.scans.ledger import LOOKED_AT
from shared.services import Services

PATH = "/console/jobs"
COUNT = 20
CODES = ("", "360", "361", "370", "none")
CANCELLED = PARKED | {"accepted", "waiting"}
router = APIRouter()


@dataclass(frozen=True)
class Filter:
    """What is asked for; empty: everything."""

    state: str
    code: str
    reason: str
    printer: str
    person: str

    def fits(self, job: Job) -> bool:
        """Say whether a scan is asked for. ``reason`` and ``code`` are those of the fault it last met."""
        if self.state and job.state != self.state:
            return False
        if self.reason and (job.reason != self.reason or job.state == "sent"):
            return False
        code = str(job.fault.code) if job.fault and job.fault.code else "none"
        return not self.code or (job.state != "sent" and job.reason is not None and code == self.code)


def _asked(
    state: Annotated[str, Query(max_length=20)] = "",
    code: Annotated[str, Query(max_length=4)] = "",
    reason: Annotated[str, Query(max_length=60)] = "",
    printer: Annotated[str, Query(max_length=36)] = "",
    person: Annotated[str, Query(max_length=36)] = "",
) -> Filter:
    if state not in {"", *STATES} or code not in CODES or reason not in {"", *BY_REASON}:
        raise faults.InvalidRequest("filter")
    return Filter(state, code, reason, printer.strip(), person.strip())


@router.get("/jobs")
def show(
    request: Request,
    rooms: Rooms,
    administrator: Looking,
    asked: Annotated[Filter, Depends(_asked)],
    cursor: Annotated[str, Query(max_length=100)] = "",
) -> Response:
    """List scans, newest first."""
    if cursor and not PLACE.fullmatch(cursor):
        raise faults.InvalidRequest("cursor")
    printer = own_device(rooms, administrator, asked.printer).id if asked.printer else ""
    person = known_id(asked.person) if asked.person else ""

    def wanted(job: Job) -> bool:
        return asked.fits(job) and person in {"", job.oid}

    found, more = rooms.ledger.page(
        administrator.tid,
        cursor,
        COUNT,
        device_id=printer,
        oid="" if printer else person,
        wanted=wanted,
    )
    query = {"state": asked.state, "code": asked.code, "reason": asked.reason, "printer": printer, "person": person}
    query = {name: value for name, value in query.items() if value}
    hints = _Hints(rooms, administrator.tid)
    view = ConsoleJobs(
        frame=frame(rooms, administrator, PATH, request=request),
        action=PATH,
        jobs=[_row(job, hints) for job in found],
        states=[
            Option(state, state_words_here(state) if state else CHOICES[""], state == asked.state)
            for state in ("", *STATES)
        ],
        codes=[Option(code, CHOICES.get(code, code), code == asked.code) for code in CODES],
        printer=printer,
        person=person,
        more=f"{PATH}?{urlencode({**query, 'cursor': more})}" if more else "",
        looked_at=LOOKED_AT,
    )
    return page(rooms.pages, request, view)


@router.get("/jobs/{device_id}/{job_id}")
def look(request: Request, rooms: Rooms, administrator: Looking, device_id: str, job_id: str) -> Response:
    """Show one scan."""
    device = own_device(rooms, administrator, device_id)
    job = rooms.desk.find(device, known_id(job_id))
    row, may = _row(job, _Hints(rooms, administrator.tid)), administrator.role is Role.ADMIN
    view = ConsoleJob(
        frame=frame(rooms, administrator, PATH, request=request),
        job=row,
        id=job.manifest.id,
        updated=job.updated,
        attempts=job.attempts,
        past=[
            AttemptRow(one.number, one.at, one.outcome, BY_REASON.get(one.reason or ""), one.next_attempt)
            for one in reversed(attempts_of(job.past))
        ],
        next_attempt=job.next_attempt,
        held_until=job.until,
        retry=f"{row.path}/retry" if may and job.state in AGAIN else "",
        risky=job.state == "uncertain",
        release=f"{row.path}/release" if may and job.state == HELD else "",
        cancel=f"{row.path}/cancel" if may and job.state in CANCELLED else "",
        person=f"/console/people/{job.oid}" if job.oid else "",
        printer=f"/console/printers/{device.id}",
    )
    return page(rooms.pages, request, view)


@router.post("/jobs/{device_id}/{job_id}/retry")
def retry(rooms: Rooms, administrator: Acting, device_id: str, job_id: str) -> Response:
    """Send a scan now, or once more."""
    return _act(rooms, administrator, device_id, job_id, "job_retried", Desk.retry)


@router.post("/jobs/{device_id}/{job_id}/release")
def release(rooms: Rooms, administrator: Acting, device_id: str, job_id: str) -> Response:
    """Look whether a held scan can go."""
    return _act(rooms, administrator, device_id, job_id, "job_released", Desk.release)


@router.post("/jobs/{device_id}/{job_id}/cancel")
def cancel(rooms: Rooms, administrator: Acting, device_id: str, job_id: str) -> Response:
    """Cancel a scan."""
    return _act(rooms, administrator, device_id, job_id, "job_cancelled", Desk.cancel)


def _act(
    rooms: Services,
    administrator: Administrator,
    device_id: str,
    job_id: str,
    act: str,
    do: Callable[[Desk, Device, str], Job],
) -> Response:
    device = own_device(rooms, administrator, device_id)
    job = rooms.desk.find(device, known_id(job_id))
    path = f"{PATH}/{device.id}/{job.manifest.id}"
    try:
        audited(
            rooms,
            administrator,
            act,
            lambda: do(rooms.desk, device, job.manifest.id),
            subject=f"{device.id}/{job.manifest.id}",
        )
    except (faults.WrongState, faults.SignInRequired) as fault:
        # The scan went on meanwhile: its page says where it is.
        return see_other(f"{path}?not={fault.reason}")
    return see_other(f"{path}?done={act.removeprefix('job_')}")


class _Hints:
    """Whose account is whose, each asked for once for a page."""

    def __init__(self, rooms: Services, tid: str) -> None:
        self._rooms = rooms
        self._tid = tid
        self._known: dict[str, str] = {}

    def of(self, oid: str) -> str:
        """Return a person's account, masked, or nothing."""
        if oid and oid not in self._known:
            pins = self._rooms.people.pinned(self._tid, oid)
            self._known[oid] = next((pin.account_hint for _, pin in pins), "")
        return self._known.get(oid, "")


def _row(job: Job, hints: _Hints) -> JobRow:
    return JobRow(
        path=f"{PATH}/{job.device_id}/{job.manifest.id}",
        when=job.created,
        printer=job.printer,
        account=hints.of(job.oid),
        size=job.manifest.size,
        state=job.state,
        problem=job.fault if job.state != "sent" else None,
    )
