"""The panel's mail server, fax server and status sheet: what a person at the printer may ask of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from to_my_email import Client, Refused
from to_my_email.api import Server

SERVERS = ("email-server", "fax-server")


class Servers:
    """The routes of the printer's own accounts.

    Args:
        device: the printer.
        tray: the folder in which printed sheets come out.
        now: returns an aware time.
    """

    def __init__(self, device: Client, tray: Path, now: Callable[[], datetime]) -> None:
        self._device = device
        self._tray = tray
        self._now = now

    def routes(self) -> list[Route]:
        """Return the routes."""
        named = {"email-server": self._device.email_server, "fax-server": self._device.fax_server}
        return [
            *(route for path, server in named.items() for route in _routes(path, server)),
            Route("/panel/status-sheet", self._print, methods=["POST"]),
            Route("/panel/tray/{name}", self._printed),
        ]

    async def _print(self, _: Request) -> Response:
        """Print the status sheet: this printer's paper is a file in its tray."""
        made = await run_in_threadpool(self._device.api.status_sheet)
        name = f"status-{self._now():%Y%m%d-%H%M%S}.pdf"
        self._tray.mkdir(parents=True, exist_ok=True)
        (self._tray / name).write_bytes(made)
        return JSONResponse({"name": name, "path": f"/panel/tray/{name}"})

    def _printed(self, request: Request) -> Response:
        """Take a sheet out of the tray."""
        name = str(request.path_params["name"])
        if name not in {sheet.name for sheet in self._tray.glob("*.pdf")}:
            raise Refused("not_found", status=HTTPStatus.NOT_FOUND)
        return FileResponse(self._tray / name, media_type="application/pdf", content_disposition_type="inline")


def _routes(path: str, server: Server) -> list[Route]:
    """The two servers are alike."""

    def status(_: Request) -> Response:
        return JSONResponse(server.status().as_json())

    async def start(request: Request) -> Response:
        service = str((await request.json()).get("service", ""))
        return JSONResponse((await run_in_threadpool(server.start, service)).as_json())

    def look(request: Request) -> Response:
        return JSONResponse(server.look(str(request.path_params["id"])).as_json())

    def cancel(request: Request) -> Response:
        server.cancel(str(request.path_params["id"]))
        return Response(status_code=HTTPStatus.NO_CONTENT)

    async def acknowledge(request: Request) -> Response:
        version = str((await request.json()).get("settings_version", ""))
        await run_in_threadpool(server.acknowledge, version)
        return JSONResponse((await run_in_threadpool(server.status)).as_json())

    return [
        Route(f"/panel/{path}", status),
        Route(f"/panel/{path}/acknowledge", acknowledge, methods=["POST"]),
        Route(f"/panel/{path}/sign-ins", start, methods=["POST"]),
        Route(f"/panel/{path}/sign-ins/{{id:uuid}}", look),
        Route(f"/panel/{path}/sign-ins/{{id:uuid}}", cancel, methods=["DELETE"]),
    ]
