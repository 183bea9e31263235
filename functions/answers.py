"""How every HTTP door answers: faults as problem+json or as a page, languages, the browser's cookie."""

from __future__ import annotations

import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse, RedirectResponse

from shared import faults
from shared.faults import Fault
from shared.pages import Pages, Trouble, View
from shared.services import Services
from shared.settings import SettingsInvalid
from shared.texts import describe, negotiate

BROWSER_COOKIE = "__Host-browser"
COOKIE_SECONDS = 900
LANGUAGE_COOKIE = "__Host-language"
LANGUAGE_SECONDS = 365 * 24 * 3600
"""A language that somebody chose is remembered for a year; it says nothing else about him."""
log = logging.getLogger(__name__)

Show = Callable[[Request, Fault], Response]


def reference(request: Request) -> str:
    """Return what a help desk finds this request by in the log."""
    return str(getattr(request.state, "reference", ""))


def language_of(request: Request, *wishes: str | None) -> str:
    """Return the language to answer in: what a person chose, then the browser's or device's wish, then ``wishes``."""
    chosen = request.query_params.get("language"), request.cookies.get(LANGUAGE_COOKIE)
    return negotiate(*chosen, request.headers.get("accept-language"), *wishes)


def problem(request: Request, fault: Fault) -> Response:
    """Return a fault as problem+json (RFC 9457)."""
    language = language_of(request)
    said = describe(fault, language)
    _tell(request, fault)
    body: dict[str, Any] = {
        "type": f"/api/docs#{fault.reason}",
        "title": said.title,
        "status": fault.status,
        "detail": said.detail,
        "reason": fault.reason,
        "who": fault.who,
        "remedy": said.remedy,
        "reference": reference(request),
    }
    if fault.code is not None:
        body["code"] = fault.code
    headers = {"Content-Language": language, "Cache-Control": "no-store"}
    if fault.retry_after is not None:
        body["retry_after"] = round(fault.retry_after)
        headers["Retry-After"] = str(round(fault.retry_after))
    if fault.status == faults.DeviceTokenInvalid.status:
        headers["WWW-Authenticate"] = _challenge(request, fault)
    if nonce := getattr(request.state, "dpop_nonce", None):
        headers["DPoP-Nonce"] = nonce
    if errors := getattr(request.state, "errors", None):
        body["errors"] = errors
    return JSONResponse(body, fault.status, headers, "application/problem+json")


def _challenge(request: Request, fault: Fault) -> str:
    """Name both schemes that open the door (RFC 9110 section 11.6.1), and what was wrong with the one that was tried.

    RFC 6750 section 3.1: who sent no token is told of no error in it.
    """
    if isinstance(fault, faults.InvalidDpopProof | faults.UseDpopNonce):  # their reasons are RFC 9449's errors
        return f'Bearer, DPoP error="{fault.reason}", algs="ES256"'
    wrong = ' error="invalid_token"' if "authorization" in request.headers else ""
    if request.headers.get("authorization", "").lower().startswith("dpop "):
        return f'Bearer, DPoP{wrong}, algs="ES256"'
    return f'Bearer{wrong}, DPoP algs="ES256"'


def page(pages: Pages, request: Request, view: View, status: int = 200, *wishes: str | None) -> Response:
    """Return a view as a page, in the person's language, and remember one that he chose at the foot of a page."""
    language = language_of(request, *wishes)
    # What a form or an answer of Microsoft's brought is not to be had twice: asked again, it would be another refusal.
    again = status < HTTPStatus.BAD_REQUEST or (request.method == "GET" and set(request.query_params) <= {"language"})
    rendered = pages.render(view, language=language, reference=reference(request), choice=again)
    answer = Response(rendered.body, status, rendered.headers)
    if request.query_params.get("language") == language:
        answer.set_cookie(
            LANGUAGE_COOKIE, language, LANGUAGE_SECONDS, path="/", secure=True, httponly=True, samesite="lax"
        )
    return answer


def trouble(provider: Callable[[], Services]) -> Show:
    """Return how a door for people shows a fault: as a page."""

    def show(request: Request, fault: Fault) -> Response:
        _tell(request, fault)
        try:
            pages = provider().pages
        except SettingsInvalid:
            pages = Pages([])  # such a page leads nowhere
        answer = page(pages, request, Trouble(fault), fault.status)
        if fault.retry_after is not None:
            answer.headers["Retry-After"] = str(round(fault.retry_after))
        return answer

    return show


def see_other(address: str) -> Response:
    """Send the browser on with GET (303, never 307: RFC 9700 section 4.12)."""
    return RedirectResponse(address, 303, {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})


def require_same_site(services: Services, request: Request) -> None:
    """Let a form pass that one of our own pages posted.

    Raises:
        CrossSiteRequest: it was another page's, or nobody says whose (threat H02).
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site not in {None, "same-origin"} or (site is None and origin is None):
        raise faults.CrossSiteRequest("sec-fetch-site")
    if origin not in {None, services.settings.public_url}:
        raise faults.CrossSiteRequest("origin")


def browser_of(request: Request) -> str | None:
    """Return the secret in this browser's cookie, or None."""
    return request.cookies.get(BROWSER_COOKIE) or None


def remember_browser(answer: Response, browser: str) -> Response:
    """Put the browser's secret into its cookie."""
    answer.set_cookie(
        BROWSER_COOKIE, browser, max_age=COOKIE_SECONDS, path="/", secure=True, httponly=True, samesite="lax"
    )
    return answer


def forget_browser(answer: Response) -> Response:
    """Leave nothing behind in the browser (it may be a printer's)."""
    answer.delete_cookie(BROWSER_COOKIE, path="/", secure=True, httponly=True, samesite="lax")
    return answer


def _tell(request: Request, fault: Fault) -> None:
    level = logging.WARNING if fault.status >= 500 else logging.INFO  # noqa: PLR2004
    log.log(level, "%s answered %d %s", reference(request), fault.status, fault)
