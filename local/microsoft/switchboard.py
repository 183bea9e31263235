"""Faults on the wire, and the journal of requests.

An ASGI layer in front of everything. A fault is taken for a request by where it goes and, if the rule
says so, whose account or tenant it is for. Kinds, and what has happened at Microsoft when the client
hears of it:

==================================  =====================================================  =========
kind                                the client sees                                        applied
==================================  =====================================================  =========
throttled                           429, Retry-After as given                              no
server_error, unavailable,          500, 503, 504                                          no
gateway_timeout
server_error_after_applying,        the same                                               yes
unavailable_after_applying,
gateway_timeout_after_applying
ok_without_applying                 200, empty: seen from sendMail, nothing was sent       no
slow                                the answer, ``seconds`` late; gone earlier: no         if waited
slow_after_applying                 the answer, ``seconds`` late                           yes
reset                               connection reset, the body unread                      no
reset_after_applying                connection reset instead of the answer                 yes
oauth                               an error of Entra by ``number`` (error, suberror,      no
                                    claims), at token, authorize or adminconsent
graph                               an error of Graph by ``status``, ``code``, ``message``;  no
                                    with ``claims`` a 401 claims challenge
==================================  =====================================================  =========
"""

import asyncio
import base64
import socket
import struct
from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from datetime import datetime
from threading import RLock
from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4

from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .cloud import Cloud
from .graph import graph_error
from .mail import GraphError
from .refusals import Refusal

# Outlook's limit of requests under way at a time for one app and mailbox
# (https://learn.microsoft.com/graph/throttling-limits#outlook-service-limits).
MAILBOX_CONCURRENCY = 4
_JOURNAL_LENGTH = 2000

ENDPOINTS = {
    "/v2.0/.well-known/openid-configuration": "discovery",
    "/discovery/v2.0/keys": "jwks",
    "/oauth2/v2.0/authorize": "authorize",
    "/oauth2/v2.0/token": "token",
    "/adminconsent": "adminconsent",
    "/v1.0/me": "me",
    "/v1.0/me/sendMail": "sendMail",
}
_STATUS = {"throttled": 429, "server_error": 500, "unavailable": 503, "gateway_timeout": 504}
_AFTER = "_after_applying"
KINDS = (
    *_STATUS,
    *(kind + _AFTER for kind in _STATUS if kind != "throttled"),
    "ok_without_applying",
    "slow",
    "slow" + _AFTER,
    "reset",
    "reset" + _AFTER,
    "oauth",
    "graph",
)


@dataclass
class Fault:
    """A rule. ``times`` None means until it is removed; ``account`` and ``tenant`` None mean anybody's.

    ``where`` is one of the endpoints' names; ``retry_after`` is sent as it is: seconds or an HTTP date.
    """

    where: str
    kind: str
    times: int | None = 1
    account: str | None = None
    tenant: str | None = None
    retry_after: str | None = None
    seconds: float = 0.0
    number: int = 70000
    error: str = ""
    suberror: str | None = None
    claims: str | None = None
    status: int = 500
    code: str = "generalException"
    message: str = "An error was switched on."
    taken: int = 0
    id: str = field(default_factory=lambda: uuid4().hex[:8])


@dataclass(frozen=True)
class Entry:
    """A request in the journal, without any secret; ``status`` is 0 where no answer was given."""

    time: datetime
    method: str
    path: str
    where: str
    account: str | None
    status: int
    fault: str | None


class Switchboard:
    """The rules that are on, and what has been asked of the cloud."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._lock = RLock()
        self._faults: list[Fault] = []
        self._journal: deque[Entry] = deque(maxlen=_JOURNAL_LENGTH)
        self._sending: Counter[str] = Counter()
        self._peak: Counter[str] = Counter()

    def add(self, where: str, kind: str, **settings: Any) -> Fault:
        """Switch a fault on and answer it; the settings are the fields of :class:`Fault`.

        Raises:
            ValueError: an unknown place, kind or setting. LookupError: an unknown account or tenant.
        """
        if where not in ENDPOINTS.values() or kind not in KINDS:
            raise ValueError(f"no fault of kind {kind!r} at {where!r}")
        if kind == "oauth" and where not in ("token", "authorize", "adminconsent"):
            raise ValueError("an OAuth error can only come from token, authorize or adminconsent")
        try:
            fault = Fault(where, kind, **settings)
        except TypeError as error:
            raise ValueError("unknown setting of a fault") from error
        if fault.account is not None:
            fault.account = self._cloud.account(fault.account, fault.tenant).key
            fault.tenant = None
        if fault.tenant is not None:
            fault.tenant = self._cloud.tenant(fault.tenant).tid
        with self._lock:
            self._faults.append(fault)
        return fault

    def faults(self) -> list[dict[str, Any]]:
        """Answer the rules that are still on, as JSON."""
        with self._lock:
            return [asdict(fault) for fault in self._faults]

    def remove(self, fault_id: str | None = None) -> None:
        """Switch off one fault, or all."""
        with self._lock:
            self._faults = [fault for fault in self._faults if fault_id not in (None, fault.id)]

    def journal(self) -> list[Entry]:
        """Answer the latest requests, the newest last."""
        with self._lock:
            return list(self._journal)

    def count(self, where: str, account: str | None = None) -> int:
        """Count the requests to an endpoint, those for one account (key) if it is given."""
        return sum(entry.where == where and account in (None, entry.account) for entry in self.journal())

    def peak(self, account: str) -> int:
        """Answer how many sendMail requests of an account were under way at once, at most."""
        with self._lock:
            return self._peak[account]

    def forget(self) -> None:
        """Empty the journal and its counters."""
        with self._lock:
            self._journal.clear()
            self._peak.clear()

    def take(self, where: str, account: str | None, tid: str | None) -> Fault | None:
        """Use up one turn of the first rule that fits a request; None if none does."""
        with self._lock:
            for fault in self._faults:
                fits = fault.account in (None, account) and fault.tenant in (None, tid)
                if fault.where == where and fits:
                    fault.taken += 1
                    if fault.times is not None and fault.taken >= fault.times:
                        self._faults.remove(fault)
                    return fault
        return None

    def enter(self, account: str | None) -> bool:
        """Note that a mail is being sent; False if the mailbox has too many under way."""
        with self._lock:
            key = account or ""
            self._sending[key] += 1
            self._peak[key] = max(self._peak[key], self._sending[key])
            return self._sending[key] <= MAILBOX_CONCURRENCY

    def leave(self, account: str | None) -> None:
        """Note that a mail is not being sent any more."""
        with self._lock:
            self._sending[account or ""] -= 1

    def note(self, entry: Entry) -> None:
        """Write a request into the journal."""
        with self._lock:
            self._journal.append(entry)


class FaultyWire:
    """The ASGI layer. ``connections`` are the server's protocols, to find the socket that is to be reset."""

    def __init__(self, app: ASGIApp, cloud: Cloud, switchboard: Switchboard) -> None:
        self._app = app
        self._cloud = cloud
        self._switchboard = switchboard
        self.connections: set[Any] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, with a fault if one is on."""
        where = _endpoint(scope["path"]) if scope["type"] == "http" else ""
        if not where:
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send)
        account, tid = await self._whose(exchange, where)
        fault = self._switchboard.take(where, account, tid)
        try:
            if where == "sendMail":
                free = self._switchboard.enter(account)
                if not free and fault is None:
                    await exchange.answer(_concurrency(exchange.headers))
                    return
            await self._serve(exchange, fault)
        finally:
            if where == "sendMail":
                self._switchboard.leave(account)
            now, kind = self._cloud.clock(), fault.kind if fault else None
            entry = Entry(now, scope["method"], scope["path"], where, account, exchange.status, kind)
            self._switchboard.note(entry)

    async def _serve(self, exchange: "_Exchange", fault: Fault | None) -> None:
        if fault is None:
            await self._app(exchange.scope, exchange.receive, exchange.send)
            return
        kind = fault.kind.removesuffix(_AFTER)
        if fault.kind.endswith(_AFTER):
            answer = await exchange.applied(self._app)
            if kind == "slow":
                await asyncio.sleep(fault.seconds)
                await exchange.repeat(answer)
            elif kind == "reset":
                await self._reset(exchange)
            else:
                await exchange.answer(self._trouble(exchange, fault, _STATUS[kind]))
        elif kind == "slow":
            if await exchange.still_there(fault.seconds):
                await self._app(exchange.scope, exchange.receive, exchange.send)
        elif kind == "reset":
            await self._reset(exchange)
        elif kind == "oauth":
            refusal = Refusal(fault.number, "", fault.error, fault.suberror, fault.claims)
            exchange.scope["refusal"] = refusal
            await self._app(exchange.scope, exchange.receive, exchange.send)
        elif kind == "graph":
            await exchange.body()
            await exchange.answer(self._trouble(exchange, fault, fault.status))
        else:
            await exchange.body()
            status = 200 if kind == "ok_without_applying" else _STATUS[kind]
            await exchange.answer(Response() if status == 200 else self._trouble(exchange, fault, status))  # noqa: PLR2004

    async def _reset(self, exchange: "_Exchange") -> None:
        """End the connection with a TCP reset: no TLS close_notify, no answer."""
        for protocol in list(self.connections):
            if protocol.client == tuple(exchange.scope["client"]):
                protocol.transport.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )
                protocol.transport.abort()
        exchange.status = 0
        while (await exchange.receive_from_client())["type"] != "http.disconnect":
            pass

    def _trouble(self, exchange: "_Exchange", fault: Fault, status: int) -> Response:
        headers = {"Retry-After": fault.retry_after} if fault.retry_after is not None else {}
        if not exchange.scope["path"].startswith("/v1.0/"):
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
            form = parse_qs((await exchange.body()).decode("latin-1"))
            with self._cloud.lock:
                state = self._cloud.state
                found = state.refresh_tokens.get(form.get("refresh_token", [""])[0]) or state.codes.get(
                    form.get("code", [""])[0]
                )
            key = found.account if found else None
        try:
            tid = self._cloud.authority(exchange.scope["path"].split("/")[1]).tid
        except Refusal:
            tid = None
        return key, tid or (self._cloud.account(key).tid if key else None)


class _Exchange:
    """A request whose body can be read twice, and a response that can be held back."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.status = 0
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

    async def receive(self) -> Message:
        """Give the body, read before or not, to the application."""
        if self._body is None or self._replayed:
            return await self.receive_from_client()
        self._replayed = True
        return {"type": "http.request", "body": self._body, "more_body": False}

    async def send(self, message: Message) -> None:
        """Pass a part of the response on and note its status."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)

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
    for ending, name in ENDPOINTS.items():
        # Graph's paths are whole, Entra's follow a tenant.
        if path == ending or (not ending.startswith("/v1.0/") and path.endswith(ending)):
            return name
    return ""


def _graph_headers(headers: dict[str, str]) -> dict[str, str]:
    return {"request-id": str(uuid4()), "client-request-id": headers.get("client-request-id", str(uuid4()))}


def _concurrency(headers: dict[str, str]) -> Response:
    error = GraphError(429, "ApplicationThrottled", "Application is over its MailboxConcurrency limit.")
    return graph_error(error, "", _graph_headers(headers))
