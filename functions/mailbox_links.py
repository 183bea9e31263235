"""HTTP: the way by a link to sign a printer's mailbox in, where an organisation blocks codes.

``/s/mailbox/{id}`` says what it is for and has the button. ``/auth/mailbox`` takes Entra's form for the mailbox's own
app registration; a work account goes through people's, and so through ``/auth/callback`` (``functions/sign_in.py``).
An administrator who followed that registration's consent link comes back there, too.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from functions.answers import browser_of, forget_browser, page, remember_browser, require_same_site, see_other
from functions.forms import form_of
from shared.mailboxes import PURPOSE
from shared.pages import MailboxSignedIn, MailboxSignIn
from shared.services import Services

if TYPE_CHECKING:
    from shared.mailboxes import SignIn

__all__ = ["PURPOSE", "router"]


def router(services: Callable[[], Services]) -> APIRouter:
    """Return the routes."""
    routes = APIRouter()

    @routes.get("/s/mailbox/{sign_in}")
    def shown(request: Request, sign_in: str) -> Response:
        rooms = services()
        found = rooms.mailbox_sign_ins.by_link(sign_in)
        printer = _printer(rooms, found)
        if found.status == "active":
            view = MailboxSignedIn(printer=printer, account=found.account_hint or "")
            return page(rooms.pages, request, view, 200, found.locale)
        asked = MailboxSignIn(
            action=request.url.path,
            printer=printer,
            organisation=rooms.organisations.get(found.owner.tid).name,
            use=found.use,
            service=found.service,
            minutes_left=max(1, ceil((found.ends - rooms.clock()).total_seconds() / 60)),
        )
        return page(rooms.pages, request, asked, 200, found.locale)

    @routes.post("/s/mailbox/{sign_in}")
    def begin(request: Request, sign_in: str) -> Response:
        require_same_site(services(), request)
        browser = browser_of(request) or services().secret()
        address = services().mailbox_sign_ins_by_link.begin(sign_in, browser=browser)
        return remember_browser(see_other(address), browser)

    @routes.post("/auth/mailbox")
    async def answered(request: Request) -> Response:
        form = await form_of(request)
        handle = await run_in_threadpool(services().mailbox_authorizations.answered, form)
        return see_other(f"/auth/mailbox?tx={handle}")

    @routes.get("/auth/mailbox")
    def finish(request: Request, tx: str = "") -> Response:
        if not tx and {"admin_consent", "error"} & set(request.query_params):
            # The consent link of the mailbox's registration. A hint, on which nothing depends.
            refused = services().mailbox_consent.answer(request.query_params)
            return see_other(f"/console/mail?{f'not={refused.reason}' if refused else 'done=mailbox_consented'}")
        finished = services().mailbox_authorizations.finish(tx, browser=browser_of(request))
        found = services().mailbox_sign_ins_by_link.finish(finished)
        return forget_browser(see_other(f"/s/mailbox/{found.id}"))

    return routes


def _printer(rooms: Services, found: SignIn) -> str:
    """Return the printer's name; of a group's account, the group's."""
    device = rooms.devices.get(found.owner.device) if found.owner.device else None
    return device.name if device else found.owner.group
