"""HTTP: the front page, static files, health, ``/.well-known``, and everything that is not found."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from functions import well_known
from functions.answers import page, problem, trouble
from functions.doors import FORM_LIMIT, door
from shared import faults
from shared.faults import Fault
from shared.pages import Front, asset
from shared.services import Services
from shared.settings import SettingsInvalid


def build(services: Callable[[], Services]) -> FastAPI:
    """Build the door."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    show_page = trouble(services)

    def show(request: Request, fault: Fault) -> Response:
        # Who asks for a file or for health reads no pages.
        machine = "text/html" not in request.headers.get("accept", "")
        return problem(request, fault) if machine else show_page(request, fault)

    @app.get("/")
    def front(request: Request) -> Response:
        return page(services().pages, request, Front())

    @app.get("/healthz")
    def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz")
    def readyz() -> Response:
        try:
            services().storage.check()
        except SettingsInvalid as error:
            return JSONResponse({"status": "not ready", "missing": error.problems}, 503)
        except faults.StorageUnavailable:
            return JSONResponse({"status": "not ready", "missing": ["storage does not answer"]}, 503)
        return JSONResponse({"status": "ready"})

    @app.get("/assets/{name}")
    def static(name: str, v: str | None = None) -> Response:
        found = asset(name, v)
        if found is None:
            raise faults.NotFound
        return Response(found.body, headers=found.headers)

    @app.get("/favicon.ico")
    def favicon() -> Response:
        return static("logo.svg")

    app.include_router(well_known.router(services))
    return door(app, show, largest=FORM_LIMIT)
