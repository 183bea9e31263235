"""The ASGI layer in front of everything, which lays the switchboard's faults on the wire."""

import asyncio
import base64
import socket
import struct
from collections.abc import Callable
from datetime import timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4

from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .cloud import Cloud
from .graph import graph_error
from .key_vault import error_body
from .mail import GraphError
from .refusals import Refusal
from .switchboard import AFTER, ENDPOINTS, MAILBOX_PLACES, STATUS, Entry, Fault, Switchboard


class FaultyWire:
    """The ASGI layer. ``connections`` are the server's protocols, to find the socket that is to be reset."""

    def __init__(self, app: ASGIApp, cloud: Cloud, switchboard: Switchboard) -> None:
        self._app = app
        self._cloud = cloud
        self._switchboard = switchboard
        self.connections: set[Any] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, with a fault if one is on; every answer says what time it is here."""

        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                moment = self._cloud.clock() + timedelta(seconds=scope.get("ahead", 0.0))
                date = (b"date", format_datetime(moment, usegmt=True).encode())
                message = {**message, "headers": [*message["headers"], date]}
            await send(message)

        await self._handle(scope, receive, dated)

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        where = _endpoint(scope["path"]) if scope["type"] == "http" else ""
        if not where:
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send)
        account, tid = await self._whose(exchange, where)
        fault = self._switchboard.take(where, account, tid)
        # Noted before the answer leaves, so that who has the answer finds the request counted.
        kind = fault.kind if fault else None
        claims = await exchange.asked("claims") if where in ("authorize", "token") else None
        exchange.entry = Entry(self._cloud.clock(), scope["method"], scope["path"], where, account, kind, claims=claims)
        self._switchboard.note(exchange.entry)
        if where not in MAILBOX_PLACES:
            await self._serve(exchange, fault)
            return
        free = self._switchboard.enter(account)
        exchange.at_end = lambda: self._switchboard.leave(account)
        try:
            if free or fault:
                await self._serve(exchange, fault)
            else:
                await exchange.answer(_concurrency(exchange.headers))
        finally:
            exchange.end()

    async def _serve(self, exchange: "_Exchange", fault: Fault | None) -> None:
        if fault is None:
            await self._app(exchange.scope, exchange.receive, exchange.send)
            return
        kind = fault.kind.removesuffix(AFTER)
        if fault.kind.endswith(AFTER):
            await self._after_applying(exchange, fault, kind)
        elif kind == "slow":
            if await exchange.still_there(fault.seconds):
                await self._app(exchange.scope, exchange.receive, exchange.send)
        elif kind == "reset":
            await self._reset(exchange)
        elif kind == "other_time":
            exchange.scope["ahead"] = fault.seconds
            await self._app(exchange.scope, exchange.receive, exchange.send)
        elif kind == "oauth":
            refusal = Refusal(fault.number, "", fault.error, fault.suberror, fault.claims)
            exchange.scope["refusal"] = refusal
            await self._app(exchange.scope, exchange.receive, exchange.send)
        elif kind == "graph":
            await exchange.body()
            await exchange.answer(self._trouble(exchange, fault, fault.status))
        else:
            await exchange.body()
            status = 200 if kind == "ok_without_applying" else STATUS[kind]
            await exchange.answer(Response() if status == 200 else self._trouble(exchange, fault, status))  # noqa: PLR2004

    async def _after_applying(self, exchange: "_Exchange", fault: Fault, kind: str) -> None:
        """Do what was asked for, and then let the client hear something else of it."""
        answer = await exchange.applied(self._app)
        if kind == "slow":
            await asyncio.sleep(fault.seconds)
            await exchange.repeat(answer)
        elif kind == "garbled":
            body = b"".join(message.get("body", b"") for message in answer)
            await exchange.answer(Response(body + b"}", media_type="application/json"))
        elif kind == "reset":
            await self._reset(exchange)
        else:
            await exchange.answer(self._trouble(exchange, fault, STATUS[kind]))

    async def _reset(self, exchange: "_Exchange") -> None:
        """End the connection with a TCP reset: no TLS close_notify, no answer."""
        for protocol in list(self.connections):
            if protocol.client == tuple(exchange.scope["client"]):
                protocol.transport.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )
                exchange.end()
                protocol.transport.abort()
        while (await exchange.receive_from_client())["type"] != "http.disconnect":
            pass

    def _trouble(self, exchange: "_Exchange", fault: Fault, status: int) -> Response:
        headers = {"Retry-After": fault.retry_after} if fault.retry_after is not None else {}
        if exchange.scope["path"].startswith("/keyvault/"):
            code = "Throttled" if status == 429 else "InternalError"  # noqa: PLR2004 - too many requests
            return JSONResponse(error_body(code, "Switched on."), status, headers)
        if not exchange.scope["path"].startswith(("/v1.0/", "/-/")):
            number = 90055 if status == 429 else 90033  # noqa: PLR2004 - too many requests
            refusal = Refusal(number, error="temporarily_unavailable")
            body = refusal.as_json(self._cloud.clock(), str(uuid4()), "https://login.microsoftonline.com")
            return JSONResponse(body, status, headers)
        headers |= _graph_headers(exchange.headers)
        code, message = {
            429: ("TooManyRequests", "Too many requests."),
            503: ("ServiceUnavailable", "The service is unavailable."),
            504: ("UnknownError", "The gateway timed out."),
        }.get(status, ("generalException", "There was an internal server error."))
        if fault.kind == "graph":
            code, message = fault.code, fault.message
            if fault.claims is not None:
                claims = base64.b64encode(fault.claims.encode()).decode()
                headers["WWW-Authenticate"] = (
                    'Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", '
                    f'client_id="00000003-0000-0000-c000-000000000000", error="insufficient_claims", claims="{claims}"'
                )
        date = self._cloud.clock().strftime("%Y-%m-%dT%H:%M:%S")
        return graph_error(GraphError(status, code, message), date, headers)

    async def _whose(self, exchange: "_Exchange", where: str) -> tuple[str | None, str | None]:
        """Answer the account key and tenant id that a request is for, as far as it shows them."""
        if exchange.scope["path"].startswith("/v1.0/"):
            value = exchange.headers.get("authorization", "").partition(" ")[2]
            token = self._cloud.access_token(value)
            return (token.account, token.tid) if token else (None, None)
        key = None
        if where == "token":
            refresh_token, code = await exchange.asked("refresh_token"), await exchange.asked("code")
            device_code = await exchange.asked("device_code")
            with self._cloud.lock:
                state = self._cloud.state
                found = state.refresh_tokens.get(refresh_token or "") or state.codes.get(code or "")
                waiting = state.device_codes.get(device_code or "")
            key = found.account if found else waiting.account if waiting else None
        try:
            tid = self._cloud.authority(exchange.scope["path"].split("/")[1]).tid
        except Refusal:
            tid = None
        return key, tid or (self._cloud.account(key).tid if key else None)


class _Exchange:
    """A request whose body can be read twice, and a response that can be held back."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.entry: Entry | None = None
        self.at_end: Callable[[], None] | None = None
        self.headers = {name.decode().lower(): value.decode("latin-1") for name, value in scope["headers"]}
        self.receive_from_client = receive
        self._send = send
        self._body: bytes | None = None
        self._replayed = False

    async def body(self) -> bytes:
        """Read the whole body, once."""
        if self._body is None:
            parts = []
            more = True
            while more:
                message = await self.receive_from_client()
                parts.append(message.get("body", b""))
                more = message.get("more_body", False)
            self._body = b"".join(parts)
        return self._body

    async def asked(self, name: str) -> str | None:
        """Answer a parameter of the query or the form, None if it has none."""
        sent = self.scope["query_string"] if self.scope["method"] == "GET" else await self.body()
        return next(iter(parse_qs(sent.decode("latin-1")).get(name, [])), None)

    async def receive(self) -> Message:
        """Give the body, read before or not, to the application."""
        if self._body is None or self._replayed:
            return await self.receive_from_client()
        self._replayed = True
        return {"type": "http.request", "body": self._body, "more_body": False}

    async def send(self, message: Message) -> None:
        """Pass a part of the response on, after its status is noted and the request counts as over."""
        if message["type"] == "http.response.start":
            if self.entry:
                self.entry.status = message["status"]
            self.end()
        await self._send(message)

    def end(self) -> None:
        """Do what is to be done once when the request is over for its client."""
        at_end, self.at_end = self.at_end, None
        if at_end:
            at_end()

    async def answer(self, response: Response) -> None:
        """Answer with a response of our own."""
        await response(self.scope, self.receive, self.send)

    async def applied(self, app: ASGIApp) -> list[Message]:
        """Let the application work, and hold its answer back."""
        held: list[Message] = []

        async def hold(message: Message) -> None:
            held.append(message)

        await self.body()
        await app(self.scope, self.receive, hold)
        return held

    async def repeat(self, held: list[Message]) -> None:
        """Send an answer that was held back."""
        for message in held:
            await self.send(message)

    async def still_there(self, seconds: float) -> bool:
        """Wait, and tell whether the client waited too."""
        await self.body()
        gone = asyncio.ensure_future(_until_gone(self.receive_from_client))
        done, _ = await asyncio.wait({gone}, timeout=seconds)
        gone.cancel()
        return not done


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _endpoint(path: str) -> str:
    """Answer the name an endpoint has on the switchboard, "" for one that has none."""
    if path.startswith("/-/uploads/"):
        return "upload"
    if path.startswith("/v1.0/me/messages"):
        return ENDPOINTS.get(path[path.rfind("/") :], "messages")
    if path.startswith("/v1.0/"):
        return ENDPOINTS.get(path, "")
    return next((name for ending, name in ENDPOINTS.items() if path.endswith(ending)), "")


def _graph_headers(headers: dict[str, str]) -> dict[str, str]:
    return {"request-id": str(uuid4()), "client-request-id": headers.get("client-request-id", str(uuid4()))}


def _concurrency(headers: dict[str, str]) -> Response:
    error = GraphError(429, "ApplicationThrottled", "Application is over its MailboxConcurrency limit.")
    return graph_error(error, "", {**_graph_headers(headers), "Retry-After": "2"})
