"""``/console/people``: who is signed in, until when, and the end of it."""

from __future__ import annotations

from itertools import islice
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response

from functions.answers import page, see_other
from functions.console.callers import Acting, Looking, Rooms, audited, known_id, require_fresh
from functions.console.frames import frame
from shared import faults
from shared.administrators import Role
from shared.faults import BY_REASON
from shared.pages import ConsolePeople, ConsolePerson, PersonRow
from shared.people import Person
from shared.services import Services
from shared.vault import Grant

PATH = "/console/people"
COUNT = 20
router = APIRouter()


@router.get("/people")
def show(
    request: Request, rooms: Rooms, administrator: Looking, after: Annotated[str, Query(max_length=36)] = ""
) -> Response:
    """List who is signed in, by object id. Costs one request for the list, and two or three for each person."""
    tid = administrator.tid
    found = rooms.grants.of_tenant(tid, after=known_id(after) if after else "")
    grants = list(islice(found, COUNT + 1))
    more = f"{PATH}?{urlencode({'after': grants[COUNT - 1].oid})}" if len(grants) > COUNT else ""
    view = ConsolePeople(
        frame=frame(rooms, administrator, PATH, request=request),
        people=[_row(grant, rooms.people.pinned(tid, grant.oid)) for grant in grants[:COUNT]],
        more=more,
    )
    return page(rooms.pages, request, view)


@router.get("/people/{oid}")
def look(request: Request, rooms: Rooms, administrator: Looking, oid: str) -> Response:
    """Show one person."""
    grant = _grant(rooms, administrator.tid, oid)
    pins = rooms.people.pinned(administrator.tid, grant.oid)
    here, fresh = f"{PATH}/{grant.oid}", rooms.console_sessions.is_fresh(administrator)
    may = administrator.role is Role.ADMIN
    view = ConsolePerson(
        frame=frame(rooms, administrator, PATH, request=request),
        person=_row(grant, pins),
        groups=[group for group, _ in pins],
        jobs=f"/console/jobs?{urlencode({'person': grant.oid})}",
        end=f"{here}/end" if may and fresh else "",
        again="/console/again" if may else "",
        back=here,
    )
    return page(rooms.pages, request, view)


@router.post("/people/{oid}/end")
def end(rooms: Rooms, administrator: Acting, oid: str) -> Response:
    """Erase a person, as he himself can do at ``/me``. It cannot be undone."""
    grant = _grant(rooms, administrator.tid, oid)
    require_fresh(rooms, administrator, f"{PATH}/{grant.oid}")
    audited(
        rooms,
        administrator,
        "person_erased",
        lambda: rooms.erasure.erase(administrator.tid, grant.oid),
        subject=grant.oid,
    )
    return see_other(f"{PATH}?done=erased")


def _grant(rooms: Services, tid: str, oid: str) -> Grant:
    """Return the sign-in of somebody of the administrator's own tenant.

    Raises:
        NotFound: there is none.
    """
    grant = rooms.grants.get(tid, known_id(oid))
    if grant is None:
        raise faults.NotFound("person")
    return grant


def _row(grant: Grant, pins: list[tuple[str, Person]]) -> PersonRow:
    reason = grant.ended or grant.blocked
    return PersonRow(
        path=f"{PATH}/{grant.oid}",
        oid=grant.oid,
        account=next((pin.account_hint for _, pin in pins), ""),
        signed_in=grant.signed_in,
        used=grant.refreshed,
        ends=grant.ends,
        ended=grant.ended is not None,
        problem=BY_REASON.get(reason) if reason else None,
    )
