"""What a bug of ours looks like from outside."""

import asyncio
import logging
from typing import Any

import pytest
from fastapi import FastAPI, Request

from functions.answers import problem
from functions.doors import door
from shared.faults import Fault

SAID = "canary7f3a adele@contoso.example"


async def ask(app: Any, path: str) -> tuple[int, bytes]:
    """Ask an app as a server does; return status and body."""
    answer: dict[str, Any] = {"body": b""}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        answer["body"] += message.get("body", b"")
        answer.setdefault("status", message.get("status"))

    scope = {"type": "http", "http_version": "1.1", "method": "GET", "path": path, "raw_path": path.encode(),
             "query_string": b"", "root_path": "", "scheme": "http", "headers": [], "client": ("x", 1),
             "server": ("x", 80)}  # fmt: skip
    # The app raises on, for the server's own log, after it has answered.
    try:
        await app(scope, receive, send)
    except RuntimeError:
        assert answer["body"]
    return answer["status"], answer["body"]


def test_a_bug_shows_a_reference_and_nothing_of_itself(caplog: pytest.LogCaptureFixture) -> None:
    """I11, G11: no trace, no words of the exception in the answer; the log has the place, and no words either."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)

    @app.get("/bug")
    def bug() -> None:
        raise RuntimeError(SAID)

    def show(request: Request, fault: Fault) -> Any:
        return problem(request, fault)

    with caplog.at_level(logging.INFO, logger="functions"):
        status, body = asyncio.run(ask(door(app, show, largest=10), "/bug"))
    assert status == 500
    assert b"reference" in body
    for word in (b"canary", b"RuntimeError", b"Traceback", b".py"):
        assert word not in body
    assert SAID not in caplog.text
    assert "test_last_resort.py" in caplog.text
