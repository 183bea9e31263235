"""``/console``: the set-up, what is wrong and who must act, and the last days."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from urllib.parse import quote

from fastapi import APIRouter, Request, Response

from functions.answers import browser_of, page, remember_browser, see_other
from functions.console.callers import Acting, Form, Looking, Rooms
from functions.console.frames import frame
from functions.console_session import cookie_of
from shared.devices import Device
from shared.faults import BY_REASON, N_
from shared.organisations import Organisation
from shared.pages import CHOICES, Bar, Concern, ConsoleOverview, Step
from shared.scans import CODES, Figures
from shared.services import Services

DEVICES_LOOKED_AT = 100
router = APIRouter()


@router.get("")
def show(request: Request, rooms: Rooms, administrator: Looking) -> Response:
    """Show the overview."""
    tid = administrator.tid
    organisation, figures = rooms.organisations.get(tid), rooms.ledger.figures(tid)
    devices = list(rooms.devices.of(tid, limit=DEVICES_LOOKED_AT))
    view = ConsoleOverview(
        frame=frame(rooms, administrator, "/console", request=request),
        steps=_steps(rooms, organisation, devices),
        concerns=list(_concerns(organisation, devices, figures)),
        bars=[
            Bar(day.day, day.scans, day.failed, None if day.seconds is None else round(day.seconds), day.codes)
            for day in figures.days
        ],
        counted=figures.counted,
        read=figures.read,
        codes=[CHOICES["none"] if code is None else str(code) for code in CODES],
    )
    return page(rooms.pages, request, view)


@router.post("/again")
def sign_in_anew(request: Request, rooms: Rooms, administrator: Acting, form: Form) -> Response:
    """Let the same account sign in once more, and come back to where it was."""
    browser = browser_of(request) or rooms.secret()
    back = form.get("back", "")
    address = rooms.console_sessions.sign_in_anew(cookie_of(request), administrator, back, browser=browser)
    return remember_browser(see_other(address), browser)


def _steps(rooms: Services, organisation: Organisation, devices: Sequence[Device]) -> list[Step]:
    consented = organisation.consent == "consented"
    return [
        Step(
            N_("Agree for your organisation"),
            N_("You choose what the service may do, and Microsoft asks you."),
            "/console/consent",
            consented,
        ),
        Step(
            N_("Check the permission"),
            N_("It decides how large a scan may be. You can change it at any time."),
            "/console/consent",
            consented and organisation.range is not None,
        ),
        Step(
            N_("Let the first printer in"),
            N_("You get a code to type at its panel, or a ticket to paste."),
            "/console/printers",
            any(device.status == "active" for device in devices),
        ),
        Step(
            N_("Let the first person sign in"),
            N_("At the printer, with the telephone: scan, and follow the panel."),
            "/console/people",
            next(rooms.grants.of_tenant(organisation.tid, limit=DEVICES_LOOKED_AT), None) is not None,
        ),
    ]


def _concerns(organisation: Organisation, devices: Sequence[Device], figures: Figures) -> Iterator[Concern]:
    if organisation.consent == "withdrawn":
        yield Concern(BY_REASON["consent_withdrawn"], "", 0, "/console/consent")
    for device in devices:
        path = f"/console/printers/{device.id}"
        if device.former_key_used_at and device.status != "revoked":
            yield Concern(None, N_("Somebody uses the old key of a printer"), 0, path)
        elif device.status == "pending":
            yield Concern(None, N_("A printer waits to be let in"), 0, path)
    for reason, count in figures.reasons:
        if reason != "consent_withdrawn" and reason in BY_REASON:
            yield Concern(BY_REASON[reason], "", count, f"/console/jobs?reason={quote(reason)}")
