"""``/console/audit``: who did what, and the export of it."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response

from functions.answers import page
from functions.console.callers import Exporting, Looking, Rooms, audited
from functions.console.frames import frame
from shared import faults
from shared.audit import as_csv, as_json
from shared.audit.audit import CURSOR
from shared.pages import AuditRow, ConsoleAudit

PATH = "/console/audit"
COUNT = 50
_FORMATS = {"csv": (as_csv, "text/csv; charset=utf-8"), "json": (as_json, "application/json")}
router = APIRouter()


@router.get("/audit")
def show(
    request: Request, rooms: Rooms, administrator: Looking, cursor: Annotated[str, Query(max_length=40)] = ""
) -> Response:
    """List the acts, newest first."""
    if cursor and not CURSOR.fullmatch(cursor):
        raise faults.InvalidRequest("cursor")
    entries, more = rooms.audit.page(administrator.tid, cursor, COUNT)
    view = ConsoleAudit(
        frame=frame(rooms, administrator, PATH, request=request),
        rows=[
            AuditRow(
                entry.at, entry.account, entry.oid, entry.act, entry.subject, entry.detail, entry.outcome != "begun"
            )
            for entry in entries
        ],
        more=f"{PATH}?{urlencode({'cursor': more})}" if more else "",
        csv=f"{PATH}/csv",
        json=f"{PATH}/json",
    )
    return page(rooms.pages, request, view)


@router.post("/audit/{form}")
def export(rooms: Rooms, administrator: Exporting, form: str) -> Response:
    """Give the acts as a file. A form and not a link: it is written down, and another page cannot ask for it."""
    if form not in _FORMATS:
        raise faults.NotFound("format")
    write, media_type = _FORMATS[form]
    body = audited(
        rooms, administrator, "audit_exported", lambda: write(rooms.audit.all(administrator.tid)), detail=form
    )
    headers = {
        "Content-Disposition": f'attachment; filename="audit.{form}"',
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    }
    return Response(body, headers=headers, media_type=media_type)
