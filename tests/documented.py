"""Holds whatever the device API answers in any test against its OpenAPI document."""

import json
import re
from functools import cache
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from functions.device_api import build

PROBLEM = "application/problem+json"


@cache
def document() -> dict[str, Any]:
    """The document, from the door itself: it needs no settings."""

    def nobody() -> Any:
        raise AssertionError("asked for services")

    return dict(build(nobody).openapi())


@cache
def _patterns() -> list[tuple[str, re.Pattern[str], dict[str, Any]]]:
    return [
        (method.upper(), re.compile(re.sub(r"{\w+}", "[^/]+", path)), operation)
        for path, found in document()["paths"].items()
        for method, operation in found.items()
    ]


def reasons(operation: dict[str, Any], status: str) -> list[str]:
    """The reasons that an operation has for a status."""
    content = operation["responses"].get(status, {}).get("content", {}).get(PROBLEM, {})
    told: list[str] = content.get("schema", {}).get("properties", {}).get("reason", {}).get("enum", [])
    return told


class Documented:
    """Watches an app; ``missing`` is what it answered and the document does not have."""

    def __init__(self) -> None:
        self.missing: set[tuple[str, str, int, str]] = set()

    def watch(self, app: ASGIApp) -> ASGIApp:
        """Return ``app``, watched."""

        async def watched(scope: Scope, receive: Receive, send: Send) -> None:
            start: Message = {}
            body = b""

            async def sending(message: Message) -> None:
                nonlocal start, body
                if message["type"] == "http.response.start":
                    start = message
                elif message["type"] == "http.response.body":
                    body += message.get("body", b"")
                await send(message)

            await app(scope, receive, sending)
            if start:
                self._compare(scope["method"], scope["path"], start, body)

        return watched

    def _compare(self, method: str, path: str, start: Message, body: bytes) -> None:
        found = [each for known, pattern, each in _patterns() if known == method and pattern.fullmatch(path)]
        if not found:
            return  # no call of the API: 404 or 405, or a page
        status, kind = start["status"], dict(start["headers"]).get(b"content-type", b"").decode().partition(";")[0]
        told = found[0]["responses"].get(str(status))
        reason = json.loads(body)["reason"] if kind == PROBLEM else ""
        if told is None or (reason and reason not in reasons(found[0], str(status))):
            self.missing.add((method, found[0]["operationId"], status, reason))
        elif body and kind not in told.get("content", {}):
            self.missing.add((method, found[0]["operationId"], status, kind))
