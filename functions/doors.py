"""What every HTTP door has before its own code: how it is mounted, how long a body may be, what becomes of a fault.

How a fault is then shown, is in ``answers``.
"""

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
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import ASGIApp, Receive, Scope, Send

from functions.answers import Show, reference
from shared import faults
from shared.faults import Fault
from shared.services import Services, services
from shared.settings import SettingsInvalid

JSON_LIMIT = 64 * 1024
FORM_LIMIT = 64 * 1024
UPLOAD_LIMIT = 10 * 1000 * 1000
_BY_STATUS: dict[int, type[Fault]] = {
    404: faults.NotFound,
    405: faults.MethodNotAllowed,
    415: faults.UnsupportedMediaType,
}
_METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
_LENGTH_NEEDED = {"POST", "PUT", "PATCH"}

log = logging.getLogger(__name__)

Build = Callable[[Callable[[], Services]], FastAPI]


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
