"""``/console/consent``: what was agreed to, what each permission promises, and how it is changed."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from functions.answers import browser_of, page, remember_browser, see_other
from functions.console.callers import Acting, Form, Looking, Rooms, audited
from functions.console.frames import frame
from shared import faults
from shared.organisations import RANGES
from shared.pages import ConsoleConsent, range_choice

PATH = "/console/consent"
router = APIRouter()


@router.get("/consent")
def show(request: Request, rooms: Rooms, administrator: Looking) -> Response:
    """Show the consent and the choice."""
    organisation = rooms.organisations.get(administrator.tid)
    view = ConsoleConsent(
        frame=frame(rooms, administrator, PATH, request=request),
        action=PATH,
        ranges=[
            range_choice(
                offered.slug,
                [scope.rpartition("/")[2] for scope in offered.scopes],
                offered.largest_document(organisation.policy),
            )
            for offered in RANGES.values()
        ],
        chosen=organisation.range.slug if organisation.range else "send",
        consented=organisation.consent == "consented",
        withdrawn=organisation.consent == "withdrawn",
        account=organisation.proven_by,
        confirmed=organisation.confirmed,
        tenant=administrator.tid,
    )
    return page(rooms.pages, request, view)


@router.post("/consent")
def change(request: Request, rooms: Rooms, administrator: Acting, form: Form) -> Response:
    """Begin the consent for the administrator's own tenant, as ``/consent`` does; it is proven in the same way."""
    chosen = form.get("range", "")
    if chosen not in RANGES:
        raise faults.InvalidRequest("range")
    browser = browser_of(request) or rooms.secret()

    def begin() -> str:
        started = rooms.consents.start(tid=administrator.tid, wanted=chosen)
        return rooms.consents.begin(started.link, chosen, browser=browser)

    address = audited(rooms, administrator, "consent_begun", begin, detail=chosen)
    return remember_browser(see_other(address), browser)
