"""The wire between the service and what it asks: storage, Entra, Graph, Key Vault. It misbehaves on purpose.

Each request has a name (``table jobs PUT job``, ``microsoft POST /me/sendMail``). Whoever holds the wire decides what
happens to it:

===========================  ==================================================================================
``503``, ``cut``             it does not arrive; the client hears 503, or loses its connection
``applied, 503``             it is done; the client hears 503
``applied, cut``             it is done; the client loses its connection
``applied, overtaken, 503``  it is done, then :attr:`Wire.overtake` runs; the client hears 503
``late``                     it arrives :attr:`Wire.seconds` later, behind those that were sent after it
``applied, late``            it is done at once; its answer comes so much later
``held``                     it does not arrive, and its client hears nothing: the moment to kill the process
``applied, held``            it is done, and its client hears nothing
===========================  ==================================================================================
"""

import http.client
import re
import ssl
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic
from urllib.parse import parse_qs, unquote, urlsplit

from local.tls import Tls

HELD_SECONDS = 60
"""Longer than a test takes to kill the process."""
_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}
_ENDPOINT = re.compile(r"(Blob|Queue|Table)Endpoint=http://127\.0\.0\.1:(\d+)")
_ROW = re.compile(r"RowKey[\"'=: ]+([a-z]+)(?:\||%7C)", re.IGNORECASE)
_BATCHED = re.compile(r"^(POST|PUT|PATCH|MERGE|DELETE) \S+/(\w+?)(?:\(|\s|\?)", re.MULTILINE)
Answer = tuple[int, list[tuple[str, str]], bytes]
"""Status, headers, body."""
_ID = re.compile(r"/(?=[^/]*\d)[^/]{20,}")


@dataclass(frozen=True)
class Request:
    """A request as it came over the wire, and what was answered; times are monotonic seconds."""

    name: str
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    begun: float
    ended: float = 0.0
    status: int = 0
    answered: dict[str, str] | None = None

    @property
    def writes(self) -> bool:
        """Whether it may change anything."""
        return self.method not in {"GET", "HEAD"}


class Wire:
    """What happens on the wire. ``faults`` are spent one on each write, unless ``decide`` says otherwise."""

    def __init__(self) -> None:
        self.faults: deque[str] = deque()
        self.decide: Callable[[Request], str] = self._next
        self.answered: Callable[[Request], None] = lambda _: None
        """Hears of each request that was done, when the client has not heard of it yet."""
        self.overtake: Callable[[], None] = lambda: None
        self.seconds = 0.0
        self.writes = 0
        self.held = threading.Event()
        self.over = threading.Event()

    def calm(self) -> None:
        """Let everything pass from now on, and let go what is held."""
        self.decide = lambda _: ""
        self.over.set()

    def allow(self, arriving: int) -> None:
        """Let so many requests arrive from now on; the one after them is held."""
        self.held.clear()
        self.over.clear()
        left = iter(range(arriving, -1, -1))
        self.decide = lambda _: "" if next(left, 0) else "held"

    def hold(self) -> None:
        """Keep a client waiting until somebody says that it is over."""
        self.held.set()
        self.over.wait(HELD_SECONDS)

    def _next(self, request: Request) -> str:
        self.writes += request.writes
        return self.faults.popleft() if request.writes and self.faults else ""


@contextmanager
def carried(connection: str, wire: Wire | None = None) -> Iterator[tuple[Wire, str]]:
    """A wire to Azurite, and the connection string that goes over it."""
    wire, ways = wire or Wire(), {}
    with ExitStack() as closing:
        for service, port in _ENDPOINT.findall(connection):
            ways[service] = closing.enter_context(_way(service.lower(), int(port), wire))
        yield (
            wire,
            _ENDPOINT.sub(lambda found: f"{found[1]}Endpoint=http://127.0.0.1:{ways[found[1]]}", connection),
        )


@contextmanager
def carried_to_microsoft(url: str, tls: Tls, wire: Wire) -> Iterator[str]:
    """The same wire to the emulated Microsoft; yields its origin, whose requests by browsers are let through."""
    with _way("microsoft", int(url.rpartition(":")[2]), wire, tls) as port:
        yield f"https://localhost:{port}"


def name_of(service: str, method: str, path: str, body: bytes) -> str:
    """Return what a request is, without any id."""
    where = urlsplit(path).path
    if service == "microsoft":
        kind = parse_qs(body.decode("latin-1")).get("grant_type", [""])[0] if where.endswith("/token") else ""
        shown = re.sub(r"^/v1\.0|/oauth2|/v2\.0", "", _ID.sub("/…", where))
        return f"microsoft {method} {shown} {kind}".strip()
    parts = where.split("/")
    thing = re.sub(r"\(.*", "", parts[2]) if len(parts) > 2 else ""
    if thing == "$batch":
        text = body.decode("latin-1")
        done = _BATCHED.findall(text)
        rows = "+".join(dict.fromkeys(kind.lower() for kind in _ROW.findall(text)))
        return f"table {done[0][1] if done else ''} batch {done[0][0] if done else ''} {rows}"
    row = "+".join(dict.fromkeys(_ROW.findall(unquote(path)) or _ROW.findall(body.decode("latin-1"))))
    return f"{service} {thing} {method} {row if service == 'table' else ''}".strip()


@contextmanager
def _way(service: str, port: int, wire: Wire, tls: Tls | None = None) -> Iterator[int]:
    """One way of the wire; yields the port to which requests go now."""
    upstream = _Upstream(service, port, ssl.create_default_context(cafile=str(tls.ca_file)) if tls else None)
    handler = type("Handler", (_Handler,), {"wire": wire, "upstream": upstream})
    server = _Server(("127.0.0.1", 0), handler, tls)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_port
    finally:
        wire.over.set()
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass(frozen=True)
class _Upstream:
    """Where a way ends."""

    service: str
    port: int
    trusting: ssl.SSLContext | None

    def ask(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        """Do a request there."""
        if self.trusting:
            asked = http.client.HTTPSConnection("localhost", self.port, timeout=30, context=self.trusting)
        else:
            asked = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)  # type: ignore[assignment]
        try:
            asked.request(method, path, body, headers)
            answer = asked.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            asked.close()


class _Handler(BaseHTTPRequestHandler):
    """A client's connection."""

    protocol_version = "HTTP/1.1"
    timeout = 120
    wire: Wire
    upstream: _Upstream

    def do_GET(self) -> None:
        """Let happen to a request what is decided."""
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        headers = {name.lower(): value for name, value in self.headers.items()}
        name = name_of(self.upstream.service, self.command, self.path, body)
        request = Request(name, self.command, self.path, headers, body, monotonic())
        # What a person's browser does at Microsoft is no call of ours.
        fault = "" if "sec-fetch-site" in headers else self.wire.decide(request)
        answer = self._answer(request, fault)
        if fault.endswith("held"):
            self.wire.hold()
        if fault.endswith(("cut", "held")):
            self.close_connection = True
        else:
            self._say(*((503, [], b"") if fault.endswith("503") else answer))

    do_POST = do_PUT = do_PATCH = do_DELETE = do_MERGE = do_HEAD = do_GET  # noqa: N815

    def _answer(self, request: Request, fault: str) -> Answer:
        answer: Answer = (503, [], b"")
        if fault == "late":
            self.wire.over.wait(self.wire.seconds)
        if fault in {"", "late"} or fault.startswith("applied"):
            answer = self.upstream.ask(request.method, request.path, request.body, dict(self.headers))
            told = {name.lower(): value for name, value in answer[1]}
            self.wire.answered(replace(request, ended=monotonic(), status=answer[0], answered=told))
        if "overtaken" in fault:
            self.wire.overtake()
        if fault == "applied, late":
            self.wire.over.wait(self.wire.seconds)
        return answer

    def _say(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in _HOP:
                self.send_header(name, value)
        # To HEAD it says how much there is, and comes without it.
        told = {name.lower(): value for name, value in headers}
        length = told.get("content-length", "0") if self.command == "HEAD" else str(len(content))
        self.send_header("Content-Length", length)
        self.end_headers()
        self.wfile.write(content)

    def handle(self) -> None:
        """Serve requests; who was killed says no goodbye."""
        with suppress(ConnectionError, TimeoutError, ssl.SSLError, http.client.HTTPException):
            super().handle()

    def finish(self) -> None:
        """Close what is still open."""
        with suppress(OSError):
            super().finish()

    def log_message(self, *args: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    """Shakes hands in the connection's own thread, so that no client can hold up the next."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler], tls: Tls | None) -> None:
        self._context = None
        if tls:
            self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            self._context.load_cert_chain(tls.certificate_file, tls.key_file)
        super().__init__(address, handler)

    def finish_request(self, request: object, client_address: object) -> None:
        """Serve one connection."""
        if self._context is None:
            super().finish_request(request, client_address)  # type: ignore[arg-type]
            return
        with suppress(OSError), self._context.wrap_socket(request, server_side=True) as secured:  # type: ignore[arg-type]
            super().finish_request(secured, client_address)  # type: ignore[arg-type]

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients are killed here."""
