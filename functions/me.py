"""HTTP: a person's own page: what is stored about him, and its end.

``/me`` shows it to whoever has just signed in at Microsoft, ``/me/end`` asks and then ends it. The answer of Entra
comes through ``/auth`` (``functions/sign_in.py``), as all do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request, Response

from functions.answers import browser_of, page, remember_browser, require_same_site, see_other, trouble
from functions.doors import FORM_LIMIT, door
from functions.me_session import forget_session, session_of
from shared.faults import BY_REASON
from shared.pages import Me, MeEnd, MeEnded, MeStart, MyPlace, MyPrinter, MyScan
from shared.privacy import Session
from shared.services import Services

if TYPE_CHECKING:
    from shared.privacy import Overview
    from shared.scans import Job


def build(services: Callable[[], Services]) -> FastAPI:
    """Build the door."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)

    @app.get("/me")
    def show(request: Request) -> Response:
        session = session_of(services(), request)
        if session is None:
            return page(services().pages, request, MeStart(action="/me"))
        return page(services().pages, request, _me(session, services().overviews.of(session.tid, session.oid)))

    @app.post("/me")
    def sign_in(request: Request) -> Response:
        require_same_site(services(), request)
        browser = browser_of(request) or services().secret()
        return remember_browser(see_other(services().sessions.begin(browser=browser)), browser)

    @app.get("/me/end")
    def ask(request: Request) -> Response:
        if session_of(services(), request) is None:
            return see_other("/me")
        return page(services().pages, request, MeEnd(action="/me/end", back="/me"))

    @app.post("/me/end")
    def end(request: Request) -> Response:
        require_same_site(services(), request)
        session = session_of(services(), request)
        if session is None:
            # Said aloud: who presses this button must not go away believing that it did something.
            return page(services().pages, request, MeStart(action="/me", too_late=True), 403)
        erased = services().erasure.erase(session.tid, session.oid)
        return forget_session(page(services().pages, request, MeEnded(cancelled=erased.cancelled)))

    @app.post("/me/sign-out")
    def sign_out(request: Request) -> Response:
        require_same_site(services(), request)
        return forget_session(see_other("/me"))

    return door(app, trouble(services), largest=FORM_LIMIT)


def _me(session: Session, overview: Overview) -> Me:
    grant = overview.grant
    reason = (grant.ended or grant.blocked) if grant else None
    return Me(
        name=session.name,
        username=session.username,
        signed_in=grant.signed_in if grant else None,
        used=grant.refreshed if grant else None,
        ends=grant.ends if grant else None,
        ended=bool(grant and grant.ended),
        problem=BY_REASON[reason] if reason else None,
        places=[
            MyPlace(place.group, [MyPrinter(printer.name, printer.location) for printer in place.printers])
            for place in overview.places
        ],
        scans=[_scan(job) for job in overview.scans],
        consented=overview.consented,
        end="/me/end" if overview.anything else "",
        sign_out="/me/sign-out",
    )


def _scan(job: Job) -> MyScan:
    manifest = job.manifest
    return MyScan(job.created, job.printer, manifest.title or manifest.name, job.state, job.fault)
