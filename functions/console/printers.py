"""``/console/printers``: let printers in, approve and revoke them, and rule their groups."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response

from functions.answers import page, see_other
from functions.console.callers import Acting, Form, Looking, Rooms, audited, known_id, own_device
from functions.console.frames import frame
from shared import faults
from shared.administrators import Administrator, Role
from shared.devices import Device, Rules, WordsDiffer
from shared.pages import ConsolePrinter, ConsolePrinters, ConsoleTicket, PrinterRow
from shared.services import Services

PATH = "/console/printers"
COUNT = 20
_LONGEST = {"group": 100, "location": 200}
router = APIRouter()


@router.get("/printers")
def show(
    request: Request, rooms: Rooms, administrator: Looking, after: Annotated[str, Query(max_length=36)] = ""
) -> Response:
    """List the printers, by id: the ids are random, so a place in the list tells nothing."""
    devices = list(rooms.devices.of(administrator.tid, after=known_id(after) if after else "", limit=COUNT + 1))
    more = f"{PATH}?{urlencode({'after': devices[COUNT - 1].id})}" if len(devices) > COUNT else ""
    view = ConsolePrinters(
        frame=frame(rooms, administrator, PATH, request=request),
        action=PATH,
        printers=[_row(rooms, device) for device in devices[:COUNT]],
        more=more,
    )
    return page(rooms.pages, request, view)


@router.post("/printers")
def enrol(request: Request, rooms: Rooms, administrator: Acting, form: Form) -> Response:
    """Make a ticket or a code, and show it this once."""
    group, location, count, kind = _wish(form)
    replaces = form.get("replaces") == "yes"

    def issue() -> str:
        if kind == "code":
            return rooms.tickets.issue_code(administrator.tid, group, location, count, replaces=replaces)
        return rooms.tickets.issue(
            administrator.tid, group, location, count, approval=kind == "approval", replaces=replaces
        )

    try:
        ticket = audited(rooms, administrator, "ticket_made", issue, detail=f"{kind} x {count}")
    except ValueError:
        raise faults.InvalidRequest("ticket") from None
    view = ConsoleTicket(
        frame=frame(rooms, administrator, PATH),
        ticket=ticket,
        typed=kind == "code",
        count=count,
        address=rooms.settings.public_url,
        back=PATH,
    )
    return page(rooms.pages, request, view)


@router.get("/printers/{device_id}")
def look(request: Request, rooms: Rooms, administrator: Looking, device_id: str) -> Response:
    """Show one printer."""
    device = own_device(rooms, administrator, device_id)
    return page(rooms.pages, request, _view(request, rooms, administrator, device))


@router.post("/printers/{device_id}/approve")
def approve(request: Request, rooms: Rooms, administrator: Acting, form: Form, device_id: str) -> Response:
    """Let a waiting printer in, by the words that its panel shows."""
    device = own_device(rooms, administrator, device_id)
    try:
        audited(
            rooms,
            administrator,
            "printer_approved",
            lambda: rooms.devices.approve(administrator.tid, device.id, form.get("words", "")[:200]),
            subject=device.id,
        )
    except WordsDiffer:
        return page(rooms.pages, request, _view(request, rooms, administrator, device, words_differ=True), 409)
    return see_other(f"{PATH}/{device.id}?done=approved")


@router.post("/printers/{device_id}/revoke")
def revoke(rooms: Rooms, administrator: Acting, device_id: str) -> Response:
    """Shut a printer out."""
    device = own_device(rooms, administrator, device_id)
    audited(
        rooms,
        administrator,
        "printer_revoked",
        lambda: rooms.devices.revoke(administrator.tid, device.id),
        subject=device.id,
    )
    return see_other(f"{PATH}/{device.id}?done=revoked")


@router.post("/printers/{device_id}/group")
def rule(rooms: Rooms, administrator: Acting, form: Form, device_id: str) -> Response:
    """Set the rules of the group that a printer is in."""
    device = own_device(rooms, administrator, device_id)
    rules = Rules(require_dpop=form.get("dpop") == "yes")
    audited(
        rooms,
        administrator,
        "group_ruled",
        lambda: rooms.groups.rule(administrator.tid, device.group, rules),
        subject=device.id,
        detail=f"require_dpop {rules.require_dpop}",
    )
    return see_other(f"{PATH}/{device.id}?done=ruled")


def _wish(form: Mapping[str, str]) -> tuple[str, str, int, str]:
    """Read the form for new printers: group, location, how many, and how.

    Raises:
        InvalidRequest: a field cannot be used.
    """
    told = {name: form.get(name, "").strip() for name in _LONGEST}
    if not told["group"] or any(len(value) > _LONGEST[name] or not value.isprintable() for name, value in told.items()):
        raise faults.InvalidRequest("group or location")
    count, kind = form.get("count", ""), form.get("kind", "")
    if not re.fullmatch("[0-9]{1,3}", count) or kind not in {"code", "ticket", "approval"}:
        raise faults.InvalidRequest("count or kind")
    return told["group"], told["location"], int(count), kind


def _row(rooms: Services, device: Device) -> PrinterRow:
    scans, _ = rooms.jobs.history(device.id, "", 1)
    return PrinterRow(
        path=f"{PATH}/{device.id}",
        name=device.name,
        model=device.model,
        serial=device.serial,
        location=device.location,
        group=device.group,
        pending=device.status == "pending",
        revoked=device.status == "revoked",
        suspicious=device.former_key_used_at is not None,
        last_scan=scans[0].created if scans else None,
    )


def _view(
    request: Request, rooms: Services, administrator: Administrator, device: Device, *, words_differ: bool = False
) -> ConsolePrinter:
    here, may = f"{PATH}/{device.id}", administrator.role is Role.ADMIN
    return ConsolePrinter(
        frame=frame(rooms, administrator, PATH, request=request),
        printer=_row(rooms, device),
        device=device.id,
        enrolled=device.enrolled_at,
        former_key_used=device.former_key_used_at,
        words_differ=words_differ,
        approve=f"{here}/approve" if may and device.status == "pending" else "",
        revoke=f"{here}/revoke" if may and device.status != "revoked" else "",
        rule=f"{here}/group" if may and device.status == "active" else "",
        require_dpop=rooms.groups.rules(administrator.tid, device.group).require_dpop,
        jobs=f"/console/jobs?{urlencode({'printer': device.id})}",
    )
