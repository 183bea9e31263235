"""HTTP for devices: ``/api/v1``, as ``/api/docs`` and ``/api/v1/openapi.json`` describe it.

One module for each resource; ``bodies`` has what devices send, ``replies`` what they get, ``callers`` who calls.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from fastapi import FastAPI, Request, Response

from functions.answers import page, problem
from functions.device_api import enrolment, handoffs, mail_servers, scans
from functions.device_api.description import describe
from functions.doors import JSON_LIMIT, UPLOAD_LIMIT, door
from shared.pages import ApiDocs
from shared.services import Services

PREFIX = "/api/v1"


def build(services: Callable[[], Services]) -> FastAPI:
    """Build the door. It needs no settings before its first real request."""
    app = FastAPI(
        title="To My Email: device API",
        version="1",
        description="What printers and scanners talk to. Errors are application/problem+json (RFC 9457).",
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.state.services = services
    for resource in (enrolment, handoffs, scans, mail_servers):
        app.include_router(resource.router, prefix=PREFIX)

    described = cache(lambda: describe(app))
    app.openapi = described  # type: ignore[method-assign]  # FastAPI's own way to extend the document

    @app.get("/api/docs", include_in_schema=False)
    def docs(request: Request) -> Response:
        return page(services().pages, request, ApiDocs(described()))

    return door(app, problem, largest={"": JSON_LIMIT, f"{PREFIX}/scans": UPLOAD_LIMIT + JSON_LIMIT})
