"""How every HTTP door answers: faults as problem+json or as a page, lengths, languages, the browser's cookie."""

from __future__ import annotations

import importlib
import logging
import secrets
import traceback
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import azure.functions as func
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import ASGIApp, Receive, Scope, Send

from shared import faults
from shared.faults import Fault
from shared.pages import Pages, Trouble, View
from shared.services import Services, services
from shared.settings import SettingsInvalid
from shared.texts import describe, negotiate

JSON_LIMIT = 64 * 1024
FORM_LIMIT = 64 * 1024
UPLOAD_LIMIT = 10 * 1000 * 1000
BROWSER_COOKIE = "__Host-browser"
COOKIE_SECONDS = 900
LANGUAGE_COOKIE = "__Host-language"
LANGUAGE_SECONDS = 365 * 24 * 3600
"""A language that somebody chose is remembered for a year; it says nothing else about him."""
_BY_STATUS: dict[int, type[Fault]] = {
    404: faults.NotFound,
    405: faults.MethodNotAllowed,
    415: faults.UnsupportedMediaType,
}
_METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
_LENGTH_NEEDED = {"POST", "PUT", "PATCH"}

log = logging.getLogger(__name__)

Build = Callable[[Callable[[], Services]], FastAPI]
Show = Callable[[Request, Fault], Response]


@cache
def mounted(module: str) -> func.AsgiMiddleware:
    """Return the door ``module``, mounted for the Functions worker. Built on the door's first request."""
    return func.AsgiMiddleware(application(module, services))  # type: ignore[no-untyped-call]


def application(module: str, provider: Callable[[], Services]) -> ASGIApp:
    """Build the ASGI app of a door; ``provider`` is asked for the services on its first request."""
    build: Build = importlib.import_module(f"functions.{module}").build
    return build(provider)


def door(app: FastAPI, show: Show, *, largest: Mapping[str, int] | int) -> FastAPI:
    """Give a door what all doors share.

    Args:
        app: the door's app.
        show: makes the answer for a fault.
        largest: bytes a request may have: one number, or by path ("" for the rest).
    """
    limits = {"": largest} if isinstance(largest, int) else dict(largest)

    def by_fault(request: Request, error: Exception) -> Response:
        assert isinstance(error, Fault)
        return show(request, error)

    def by_status(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        answer = show(request, _BY_STATUS.get(error.status_code, faults.InvalidRequest)())
        if error.status_code == faults.MethodNotAllowed.status:
            # Starlette names the methods of one route; here a path has several (RFC 9110 section 15.5.6).
            answer.headers["Allow"] = ", ".join(_methods(app, request))
        return answer

    def by_validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        missing = any(problem["loc"] == ("body",) and problem["type"] == "missing" for problem in error.errors())
        if missing and "content-length" not in request.headers:
            return show(request, faults.LengthRequired())
        fault = faults.InvalidRequest()
        # What was sent is not repeated: it may be somebody's address.
        request.state.errors = [
            {"field": ".".join(str(part) for part in problem["loc"]), "problem": problem["type"]}
            for problem in error.errors()[:20]
        ]
        return show(request, fault)

    def by_settings(request: Request, error: Exception) -> Response:
        assert isinstance(error, SettingsInvalid)
        log.error("settings: %s", error)
        return show(request, faults.ServiceMisconfigured("settings"))

    app.add_exception_handler(Fault, by_fault)
    app.add_exception_handler(HTTPException, by_status)
    app.add_exception_handler(RequestValidationError, by_validation)
    app.add_exception_handler(SettingsInvalid, by_settings)
    app.add_middleware(_Threshold, show=show, limits=limits)
    return app


def _methods(app: FastAPI, request: Request) -> list[str]:
    """Return what this path can be asked; routes are tried, since a router among them does not name its own."""
    return [
        method
        for method in _METHODS
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in app.routes)
    ]


class _Threshold:
    """What happens before a door's own code: a reference, the length of the body, and the last resort for bugs."""

    def __init__(self, app: ASGIApp, show: Show, limits: Mapping[str, int]) -> None:
        self._app = app
        self._show = show
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        request.state.reference = secrets.token_hex(6)
        started = False

        async def noted(message: Any) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            self._measure(request)
            await self._app(scope, receive, noted)
        except Fault as fault:
            await self._show(request, fault)(scope, receive, send)
        except Exception as error:
            # The message of an exception may quote what somebody sent; its place does not.
            log.error(  # noqa: TRY400
                "%s in %s\n%s",
                type(error).__name__,
                reference(request),
                "".join(traceback.format_tb(error.__traceback__)),
            )
            if started:
                raise
            await self._show(request, faults.Unexpected(type(error).__name__))(scope, receive, send)

    def _measure(self, request: Request) -> None:
        length = request.headers.get("content-length")
        if length is None:
            if request.method in _LENGTH_NEEDED and "transfer-encoding" in request.headers:
                raise faults.LengthRequired
            return
        limit = self._limits.get(request.url.path, self._limits.get("", JSON_LIMIT))
        if not length.isdecimal() or int(length) > limit:
            raise faults.BodyTooLarge(limit=limit)


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
    rendered = pages.render(view, language=language, reference=reference(request))
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
