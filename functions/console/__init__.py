"""HTTP for administrators: ``/console``, its overview, and how one gets in and out.

One module for each place; ``callers`` says who may, ``frames`` what stands around every page. Every row that a page
shows is asked for by the tenant of whoever is signed in, so another tenant's id is an unknown id.
"""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI, Request, Response

from functions.answers import browser_of, page, remember_browser, require_same_site, see_other, trouble
from functions.console import audit, consent, doctor, jobs, mailboxes, overview, people, policy, printers
from functions.console.callers import CheckNeeded, FreshNeeded, SignInNeeded
from functions.console.frames import frame
from functions.console_session import cookie_of, forget_console
from functions.doors import FORM_LIMIT, door
from shared.pages import ConsoleAgain, ConsoleStart
from shared.services import Services


def build(services: Callable[[], Services]) -> FastAPI:
    """Build the door."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.state.services = services
    for place in (overview, consent, printers, mailboxes, people, jobs, doctor, policy, audit):
        app.include_router(place.router, prefix="/console")

    @app.post("/console/sign-in")
    def sign_in(request: Request) -> Response:
        require_same_site(services(), request)
        browser = browser_of(request) or services().secret()
        return remember_browser(see_other(services().console_sessions.begin(browser=browser)), browser)

    @app.post("/console/sign-out")
    def sign_out(request: Request) -> Response:
        require_same_site(services(), request)
        services().console_sessions.end(cookie_of(request))
        return forget_console(see_other("/console"))

    def nobody(request: Request, error: Exception) -> Response:
        assert isinstance(error, SignInNeeded)
        # Said aloud: who presses a button must not go away believing that it did something.
        view = ConsoleStart(action="/console/sign-in", too_late=error.acting)
        return page(services().pages, request, view, 403 if error.acting else 200)

    def unchecked(request: Request, error: Exception) -> Response:
        assert isinstance(error, CheckNeeded)
        browser = browser_of(request) or services().secret()
        address = services().console_sessions.check(
            cookie_of(request), error.administrator, request.url.path, browser=browser
        )
        return remember_browser(see_other(address), browser)

    def stale(request: Request, error: Exception) -> Response:
        assert isinstance(error, FreshNeeded)
        around = frame(services(), error.administrator, "")
        return page(services().pages, request, ConsoleAgain(around, "/console/again", error.back), 403)

    app.add_exception_handler(SignInNeeded, nobody)
    app.add_exception_handler(CheckNeeded, unchecked)
    app.add_exception_handler(FreshNeeded, stale)
    return door(app, trouble(services), largest=FORM_LIMIT)
