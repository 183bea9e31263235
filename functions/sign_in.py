"""HTTP: the first-login page, and the answers that Entra sends through the browser.

``/s`` takes the code, ``/s/{link}`` is the first login; ``functions/panel_browser.py`` has the one in a panel's own
browser. ``/auth/callback`` takes Entra's cross-site form, which carries no cookie, and ``/auth/finish`` finishes in the
browser that began: a first login, a consent, or the sign-in to a person's own page (``functions/me.py``) or to the
console (``functions/console``).
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool

from functions import mailbox_links, panel_browser
from functions.answers import browser_of, forget_browser, page, remember_browser, require_same_site, see_other, trouble
from functions.console_session import console_signed_in
from functions.doors import FORM_LIMIT, door
from functions.forms import address_of, form_of
from functions.me_session import signed_in
from shared import faults
from shared.administrators import PURPOSE as CONSOLE
from shared.handoffs import Handoff
from shared.identity import Finished
from shared.pages import EnterCode, FirstLogin, FirstLoginDone, Trouble, View
from shared.people import STORY
from shared.people.panel_browser import PURPOSE as AT_THE_PANEL
from shared.privacy import PURPOSE
from shared.services import Services
from shared.texts import masked


def build(services: Callable[[], Services]) -> FastAPI:
    """Build the door."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)

    @app.get("/s")
    def enter_code(request: Request) -> Response:
        return page(services().pages, request, EnterCode(action="/s"))

    @app.post("/s")
    async def code_entered(request: Request) -> Response:
        require_same_site(services(), request)
        code = (await form_of(request)).get("code", "")
        try:
            story, link = await run_in_threadpool(services().handoffs.link_of, code, address_of(request))
        except faults.LinkUnknown:
            return page(services().pages, request, EnterCode(action="/s", refused=faults.LinkUnknown), 404)
        return see_other(f"/s/{link}" if story == STORY else f"/consent/{link}")

    @app.get("/s/{link}")
    def first_login(request: Request, link: str) -> Response:
        handoff = services().handoffs.by_link(link, STORY)
        view = _view(services(), handoff, request.url.path)
        status = view.fault.status if isinstance(view, Trouble) else 200
        return page(services().pages, request, view, status, handoff.task["locale"])

    @app.post("/s/{link}")
    def begin(request: Request, link: str) -> Response:
        require_same_site(services(), request)
        browser = browser_of(request) or services().secret()
        return remember_browser(see_other(services().first_logins.begin(link, browser=browser)), browser)

    app.include_router(mailbox_links.router(services))
    app.include_router(panel_browser.router(services, _view))

    @app.post("/auth/callback")
    async def answered(request: Request) -> Response:
        form = await form_of(request)
        handle = await run_in_threadpool(services().authorizations.answered, form)
        return see_other(f"/auth/finish?tx={handle}")

    @app.get("/auth/finish")
    def finish(request: Request, tx: str = "") -> Response:
        browser = browser_of(request)
        finished = services().authorizations.finish(tx, browser=browser)
        return _finished(services(), request, finished, browser or "")

    return door(app, trouble(services), largest=FORM_LIMIT)


def _finished(services: Services, request: Request, finished: Finished, browser: str) -> Response:
    """Hand an answer of Entra's to what it was for."""
    if finished.purpose == STORY:
        answer = see_other(f"/s/{services.first_logins.finish(finished)}")
    elif finished.purpose == AT_THE_PANEL:
        answer = panel_browser.at_the_panel(services, finished)
    elif finished.purpose == PURPOSE:
        answer = signed_in(services, request, finished)
    elif finished.purpose == CONSOLE:
        answer = console_signed_in(services, request, finished)
    elif finished.purpose == mailbox_links.PURPOSE:
        answer = see_other(f"/s/mailbox/{services.mailbox_sign_ins_by_link.finish(finished).id}")
    else:
        onward = services.consents.finish(finished, browser=browser)
        if onward.again:
            return see_other(onward.address)  # it comes back, and by the same cookie
        answer = see_other(f"/consent/{onward.address}")
    return forget_browser(answer)


def _view(services: Services, handoff: Handoff, action: str) -> View:
    task = handoff.task
    if handoff.status in {"confirm", "active"}:
        return FirstLoginDone(
            account=handoff.account_hint or "", printer=task["printer"], confirmed=handoff.status == "active"
        )
    if handoff.status != "pending":
        return Trouble(faults.BY_REASON[handoff.reason or faults.SignInTimedOut.reason])
    left = (handoff.expires - services.clock()).total_seconds()
    return FirstLogin(
        action=action,
        printer=task["printer"],
        location=task["location"],
        organisation=services.organisations.get(task["tid"]).name,
        account=masked(task["email"]),
        person=task["name"],
        minutes_left=max(1, ceil(left / 60)),
        at_panel=action.endswith("/panel"),
    )
