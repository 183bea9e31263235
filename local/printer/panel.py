"""The panel's own small web service: one page, and JSON for it.

The page never sees a token and never speaks to the service: it asks the printer, and the printer
asks the service by ``Device``. It holds no state but the language; what it shows is asked for anew.
"""

import secrets
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from local.printer.device import LONGEST_POLL, Approvals, Device, make_manifest
from local.printer.problem import Problem
from local.printer.registry import User
from local.printer.sheet import make_sheet

LANGUAGES = ("en", "be", "de")
MODEL = "Virtual MFP 480"
SERIAL = "VMFP480-0001"
NAME = "Virtual printer"

_HERE = Path(__file__).parent
_SIGNATURES = {
    b"%PDF-": "application/pdf",
    b"\xff\xd8\xff": "image/jpeg",
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"II*\x00": "image/tiff",
    b"MM\x00*": "image/tiff",
}
"""First bytes of the types a scanner makes; anything else goes as it is, and the service says no."""


class Panel:
    """The panel of one device and its register of users. ``now`` returns an aware time."""

    def __init__(self, device: Device, users: dict[str, User], now: Callable[[], datetime]) -> None:
        self._device = device
        self._users = users
        self._now = now

    def app(self) -> Starlette:
        """Return the panel as an ASGI app."""
        routes = [
            Route("/", self._page),
            Route("/healthz", lambda _: PlainTextResponse("ok")),
            Route("/panel/state", self._state),
            Route("/panel/language", self._language, methods=["POST"]),
            Route("/panel/enrolment", self._enrol, methods=["POST"]),
            Route("/panel/device", self._about),
            Route("/panel/users/{user}", self._user),
            Route("/panel/scans", self._scan, methods=["POST"]),
            Route("/panel/scans", self._jobs),
            Route("/panel/scans/{id:uuid}", self._job),
            Route("/panel/scans/{id:uuid}", self._cancel_job, methods=["DELETE"]),
            *self._approval_routes("sign-ins", self._device.sign_ins, self._sign_in_request),
            *self._approval_routes("consents", self._device.consents, _consent_request),
            Mount("/texts", StaticFiles(directory=_HERE / "texts")),
            Mount("/static", StaticFiles(directory=_HERE / "static")),
        ]
        return Starlette(
            routes=routes,
            exception_handlers={Problem: _show_problem},
            middleware=[
                # A page elsewhere must not reach the printer, neither by a name of its own that
                # resolves to this machine nor by a form that a browser sends without asking.
                Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"]),
                Middleware(_PanelOnly),
            ],
        )

    # The printer itself

    def _page(self, _: Request) -> Response:
        return FileResponse(_HERE / "static" / "panel.html")

    def _state(self, _: Request) -> Response:
        enrolment = self._device.enrolment
        return JSONResponse(
            {
                "name": NAME,
                "model": MODEL,
                "serial": SERIAL,
                "service": self._device.service,
                "language": self._device.language,
                "languages": LANGUAGES,
                "enrolment": enrolment.model_dump() if enrolment else None,
                "users": [{"id": user.id, "name": user.name} for user in self._users.values()],
            }
        )

    async def _language(self, request: Request) -> Response:
        language = (await request.json()).get("language")
        if language not in LANGUAGES:
            return JSONResponse({"reason": "unknown_language"}, HTTPStatus.BAD_REQUEST)
        self._device.language = language
        return _done()

    async def _enrol(self, request: Request) -> Response:
        ticket = str((await request.json()).get("ticket", ""))
        return _json(await run_in_threadpool(enrol, self._device, ticket))

    def _about(self, _: Request) -> Response:
        return JSONResponse(self._device.about())

    # People

    def _user(self, request: Request) -> Response:
        user = self._registered(request.path_params["user"])
        return JSONResponse({"name": user.name, "email": user.email, **self._device.user(user.id).model_dump()})

    def _registered(self, user_id: object) -> User:
        user = self._users.get(str(user_id))
        if user is None:
            raise Problem(HTTPStatus.NOT_FOUND, {"reason": "unknown_user"})
        return user

    def _sign_in_request(self, body: dict[str, Any]) -> dict[str, Any]:
        user = self._registered(body.get("user"))
        return {"user": {"id": user.id, "email": user.email, "name": user.name}}

    def _approval_routes(
        self, path: str, approvals: Approvals, make_request: Callable[[dict[str, Any]], dict[str, Any]]
    ) -> list[Route]:
        """Sign-ins and consents are the same four calls."""

        async def start(request: Request) -> Response:
            asked = make_request(await request.json())
            return _json(await run_in_threadpool(approvals.start, asked))

        def look(request: Request) -> Response:
            try:
                return _json(approvals.look(str(request.path_params["id"])))
            except Problem as problem:
                if problem.reason != "slow_down":
                    raise
                return JSONResponse({"status": "pending", "interval": problem.retry_after or 5})

        def confirm(request: Request) -> Response:
            return _json(approvals.confirm(str(request.path_params["id"])))

        def cancel(request: Request) -> Response:
            approvals.cancel(str(request.path_params["id"]))
            return _done()

        return [
            Route(f"/panel/{path}", start, methods=["POST"]),
            Route(f"/panel/{path}/{{id:uuid}}", look),
            Route(f"/panel/{path}/{{id:uuid}}", cancel, methods=["DELETE"]),
            Route(f"/panel/{path}/{{id:uuid}}/confirm", confirm, methods=["POST"]),
        ]

    # Scans

    async def _scan(self, request: Request) -> Response:
        """Scan what lies on the glass: the file that was chosen, or the sheet that is made on the spot."""
        async with request.form(max_files=1) as form:
            user = self._registered(form.get("user"))
            chosen = form.get("file")
            own = isinstance(chosen, UploadFile) and bool(chosen.filename)
            document = await chosen.read() if own else b""  # type: ignore[union-attr]
            name = str(chosen.filename) if own else ""  # type: ignore[union-attr]
            media_type = str(chosen.content_type) if own else ""  # type: ignore[union-attr]
        if not own:
            number = secrets.token_hex(4).upper()
            document = await run_in_threadpool(make_sheet, f"{number[:4]}-{number[4:]}", self._now())
            name = f"scan-{self._now():%Y%m%d-%H%M%S}.pdf"
        manifest = make_manifest(
            document,
            name=name,
            media_type=sniff(document) or media_type or "application/octet-stream",
            user_id=user.id,
            locale=self._device.language,
        )
        return _json(await run_in_threadpool(self._device.submit, manifest, document))

    def _job(self, request: Request) -> Response:
        since = request.query_params.get("since")
        return _json(self._device.scan(str(request.path_params["id"]), wait=LONGEST_POLL, since=since))

    def _jobs(self, request: Request) -> Response:
        scans, cursor = self._device.history(request.query_params.get("cursor"))
        return JSONResponse({"jobs": [scan.model_dump() for scan in scans], "cursor": cursor})

    def _cancel_job(self, request: Request) -> Response:
        self._device.cancel(str(request.path_params["id"]))
        return _done()


def enrol(device: Device, ticket: str) -> BaseModel:
    """Enrol the virtual printer under a ticket, as the model, number and name that it shows."""
    return device.enrol(ticket, model=MODEL, serial=SERIAL, name=NAME)


def sniff(document: bytes) -> str | None:
    """Return the media type that the document's first bytes show, or None."""
    return next((kind for start, kind in _SIGNATURES.items() if document.startswith(start)), None)


def _consent_request(body: dict[str, Any]) -> dict[str, Any]:
    return {"range": body["range"]} if body.get("range") else {}


def _json(answer: BaseModel) -> Response:
    return JSONResponse(answer.model_dump())


def _done() -> Response:
    return Response(status_code=HTTPStatus.NO_CONTENT)


def _show_problem(_: Request, problem: Exception) -> Response:
    assert isinstance(problem, Problem)
    return JSONResponse(problem.as_json(), problem.status or HTTPStatus.BAD_GATEWAY)


class _PanelOnly:
    """Changes only for our own page (a header that no form can send), and nothing from elsewhere in it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] not in {"GET", "HEAD"} and (b"x-panel", b"1") not in scope["headers"]:
            await JSONResponse({"reason": "not_the_panel"}, HTTPStatus.FORBIDDEN)(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_SECURITY]
            await send(message)

        await self._app(scope, receive, with_headers)


_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_SECURITY = [
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
]
