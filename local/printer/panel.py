"""The panel's own small web service: one page, and JSON for it.

The page never sees a token and never speaks to the service: it asks the printer, and the printer
asks the service by the device client. It holds no state but the language; what it shows is asked for anew.
"""

import io
import secrets
import uuid
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from local.printer.registry import User
from local.printer.servers import Servers
from local.printer.sheet import make_sheet
from to_my_email import Client, Enrolment, Error, Refused, Temporary
from to_my_email.api import LONGEST_POLL
from to_my_email.connection import PATIENCE
from to_my_email.handoffs import Handoffs

LANGUAGES = ("en", "be", "de")
MODEL = "Virtual MFP 480"
SERIAL = "VMFP480-0001"
NAME = "Virtual printer"

_HERE = Path(__file__).parent
_AT_THE_PANEL = 20.0
"""Seconds that a person waits for a service that is away; then the scan waits alone."""


class Panel:
    """The panel of one device and its register of users. ``now`` returns an aware time.

    ``tray`` is the folder in which printed sheets come out; without it, beside what the device keeps.
    """

    def __init__(
        self, device: Client, users: dict[str, User], now: Callable[[], datetime], tray: Path | None = None
    ) -> None:
        self._servers = Servers(device, tray or device.api.store.directory / "tray", now)
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
            *self._approval_routes("sign-ins", self._device.api.sign_ins, self._sign_in_request),
            *self._approval_routes("consents", self._device.api.consents, _consent_request),
            *self._servers.routes(),
            Mount("/texts", StaticFiles(directory=_HERE / "texts")),
            Mount("/static", StaticFiles(directory=_HERE / "static")),
        ]
        return Starlette(
            routes=routes,
            exception_handlers={Error: _show_error},
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
                "service": self._device.api.service,
                "language": self._device.language,
                "languages": LANGUAGES,
                "enrolment": enrolment.as_json() if enrolment else None,
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
        return _json(self._device.api.about(patience=0))

    # People

    def _user(self, request: Request) -> Response:
        user = self._registered(request.path_params["user"])
        return JSONResponse({"name": user.name, "email": user.email, **self._device.user(user.id).as_json()})

    def _registered(self, user_id: object) -> User:
        user = self._users.get(str(user_id))
        if user is None:
            raise Refused("unknown_user", status=HTTPStatus.NOT_FOUND)
        return user

    def _sign_in_request(self, body: dict[str, Any]) -> dict[str, Any]:
        user = self._registered(body.get("user"))
        return {"user": {"id": user.id, "email": user.email, "name": user.name}}

    def _approval_routes(
        self, path: str, approvals: Handoffs, make_request: Callable[[dict[str, Any]], dict[str, Any]]
    ) -> list[Route]:
        """Sign-ins and consents are the same four calls."""

        async def start(request: Request) -> Response:
            asked = make_request(await request.json())
            return _json(await run_in_threadpool(approvals.start, asked))

        def look(request: Request) -> Response:
            try:
                return _json(approvals.look(str(request.path_params["id"])))
            except Temporary as fault:
                if fault.reason != "slow_down":
                    raise
                return JSONResponse({"status": "pending", "interval": fault.retry_after or 5})

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
            told = self._told(form)
            chosen = form.get("file")
            own = isinstance(chosen, UploadFile) and bool(chosen.filename)
            document = await chosen.read() if own else b""  # type: ignore[union-attr]
            name = str(chosen.filename) if own else ""  # type: ignore[union-attr]
        if not own:
            number = secrets.token_hex(4).upper()
            document = await run_in_threadpool(make_sheet, f"{number[:4]}-{number[4:]}", self._now())
            name = f"scan-{self._now():%Y%m%d-%H%M%S}.pdf"
        return JSONResponse(await run_in_threadpool(self._hand_over, document, name, told))

    def _told(self, form: FormData) -> dict[str, Any]:
        """Return what was chosen at the panel: a person, recipients, or a fax number. The service checks it."""
        match form.get("kind"):
            case "email":
                to = [each.strip() for each in str(form.get("to", "")).replace(";", ",").split(",")]
                return {"kind": "email", "to": [each for each in to if each], "title": str(form.get("title", ""))}
            case "fax":
                return {"kind": "fax", "fax_number": str(form.get("fax_number", ""))}
            case _:
                return {"user": self._registered(form.get("user")).id}

    def _hand_over(self, document: bytes, name: str, told: dict[str, Any]) -> dict[str, Any]:
        """Hand a scan to the service; one that finds no service is kept, and shown as waiting."""
        scan_id = str(uuid.uuid4())
        try:
            job = self._device.scan(io.BytesIO(document), name=name, scan_id=scan_id, patience=_AT_THE_PANEL, **told)
        except Temporary as fault:
            kind = told.get("kind", "to_my_email")
            return {**_in_our_words(fault), "id": scan_id, "kind": kind, "state": "waiting", "message": ""}
        return job.as_json()

    def _job(self, request: Request) -> Response:
        since = request.query_params.get("since")
        return _json(self._device.api.scan(str(request.path_params["id"]), wait=LONGEST_POLL, since=since))

    def _jobs(self, request: Request) -> Response:
        scans, cursor = self._device.api.history(request.query_params.get("cursor"))
        return JSONResponse({"jobs": [scan.as_json() for scan in scans], "cursor": cursor})

    def _cancel_job(self, request: Request) -> Response:
        self._device.cancel(str(request.path_params["id"]))
        return _done()


def enrol(device: Client, ticket: str, patience: float = PATIENCE) -> Enrolment:
    """Enrol the virtual printer under a ticket, as the model, number and name that it shows."""
    return device.enrol(ticket, model=MODEL, serial=SERIAL, name=NAME, patience=patience)


def _consent_request(body: dict[str, Any]) -> dict[str, Any]:
    return {"range": body["range"]} if body.get("range") else {}


def _in_our_words(error: Error) -> dict[str, Any]:
    """Leave the words to the page, in its language, where they are not the service's."""
    words = {"title": "", "detail": "", "remedy": ""} if error.own else {}
    return {**error.as_json(), **words}


def _json(answer: Any) -> Response:
    return JSONResponse(answer.as_json())


def _done() -> Response:
    return Response(status_code=HTTPStatus.NO_CONTENT)


def _show_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, Error)
    # Whatever the service's address answered with, the page must see a refusal.
    status = error.status if error.status >= HTTPStatus.BAD_REQUEST else HTTPStatus.BAD_GATEWAY
    return JSONResponse(_in_our_words(error), status)


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
