"""``/console/doctor``: what sending needs, asked of whoever knows it, when a button is pressed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query, Request, Response

from functions.answers import page, see_other
from functions.console.callers import Exporting, Form, Looking, Rooms, audited, known_id
from functions.console.frames import frame
from shared import faults
from shared.administrators import Administrator
from shared.faults import N_
from shared.pages import CheckArea, CheckRow, ConsoleDoctor, Outcome, SubjectChoice, SubjectGroup
from shared.services import Services

if TYPE_CHECKING:
    from shared.doctor import Check, Report, Subject

PATH = "/console/doctor"
OFFERED = 20
"""People, and printers, that can be chosen from: each costs a few reads."""
router = APIRouter()


@router.get("/doctor")
def show(
    request: Request, rooms: Rooms, administrator: Looking, subject: Annotated[str, Query(max_length=50)] = ""
) -> Response:
    """Show whom can be asked with; nobody is asked before the button is pressed."""
    return page(rooms.pages, request, _view(request, rooms, administrator, _read(subject)))


@router.post("/doctor")
def ask(request: Request, rooms: Rooms, administrator: Exporting, form: Form) -> Response:
    """Ask, and show the answers. A reader may: nothing is changed but what a scan would change."""
    subject = _read(form.get("subject", ""))
    try:
        report = audited(
            rooms,
            administrator,
            "doctor_asked",
            lambda: rooms.doctor.examine(administrator.tid, subject),
            subject=subject.id,
            detail=subject.written().partition(":")[0],
        )
    except faults.TooManyRequests:
        return see_other(f"{PATH}?not=too_many_requests")
    return page(rooms.pages, request, _view(request, rooms, administrator, subject, report))


def _read(given: str) -> Subject:
    from shared.doctor.subjects import read

    subject = read(given[:50])
    if subject.id:
        known_id(subject.id)
    return subject


def _view(
    request: Request, rooms: Services, administrator: Administrator, subject: Subject, report: Report | None = None
) -> ConsoleDoctor:
    chosen = subject.written()
    people = list(_people(rooms, administrator.tid))
    printers = list(_printers(rooms, administrator.tid))
    offered = [value for value, _ in (*people, *printers)]
    if not chosen and report is None and people:
        chosen = people[0][0]
    other = [(chosen, chosen)] if chosen and chosen not in offered else []
    groups = ((N_("People"), people), (N_("Printers"), printers), (N_("Chosen on another page"), other))
    return ConsoleDoctor(
        frame=frame(rooms, administrator, PATH, request=request),
        action=PATH,
        groups=[
            SubjectGroup(title, [SubjectChoice(value, label, value == chosen) for value, label in choices])
            for title, choices in groups
        ],
        hint=report.hint if report else "",
        at=report.at if report else None,
        areas=areas(report) if report else [],
    )


def _people(rooms: Services, tid: str) -> Iterator[tuple[str, str]]:
    for grant in islice(rooms.grants.of_tenant(tid, limit=OFFERED), OFFERED):
        hint = next((pin.account_hint for _, pin in rooms.people.pinned(tid, grant.oid)), "")
        # Two of one domain can look alike: the beginning of the object id tells them apart.
        yield f"person:{grant.oid}", f"{hint} ({grant.oid[:8]})".strip()


def _printers(rooms: Services, tid: str) -> Iterator[tuple[str, str]]:
    for device in rooms.devices.of(tid, limit=OFFERED):
        for use, kind in (("email", "printer"), ("fax", "fax")):
            account = rooms.mailbox_accounts.of(device, use)
            if account is not None:
                yield f"{kind}:{device.id}", f"{device.name or device.id[:8]}: {use}, {account.account_hint}"


def areas(report: Report) -> list[CheckArea]:
    """Return a report as the page shows it."""
    from shared.doctor import AREAS

    areas = []
    for title, names in AREAS.items():
        rows = [_row(check, names[check.name]) for check in report.checks if check.name in names]
        areas.append(CheckArea(title, rows))
    return areas


def _row(check: Check, title: str) -> CheckRow:
    remedy = check.remedy
    return CheckRow(
        name=check.name,
        title=title,
        result=Outcome(check.result.value),
        asked=check.asked,
        answer=check.answer,
        said=check.said,
        fault=check.fault,
        remedy=remedy.text if remedy else "",
        lines=remedy.lines if remedy else (),
        role=remedy.role if remedy else "",
    )
