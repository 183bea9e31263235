"""A wire between the SDK and Azurite's tables on which writes get lost, or their answers do."""

import http.client
import re
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

UNAVAILABLE = 503
_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


class Wire:
    """Carries requests to Azurite. Each of ``faults`` is spent on one write.

    ``applied, 503`` and ``applied, cut``: the write happens, its answer is lost. ``503`` and ``cut``: it
    does not happen. ``applied, overtaken, 503``: it happens, then ``overtake`` runs, and its answer is lost.
    """

    def __init__(self, connection: str) -> None:
        found = re.search(r"TableEndpoint=http://127\.0\.0\.1:(\d+)", connection)
        assert found
        self.port = int(found[1])
        self.faults: deque[str] = deque()
        self.overtake: Callable[[], None] = lambda: None
        self.writes = 0

    def take(self) -> str:
        """The fault for the next write."""
        self.writes += 1
        return self.faults.popleft() if self.faults else ""


@contextmanager
def carried(connection: str) -> Iterator[tuple[Wire, str]]:
    """A wire, and the connection string that goes over it."""
    wire = Wire(connection)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            fault = "" if self.command == "GET" else wire.take()
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            status, answer = UNAVAILABLE, b""
            headers: list[tuple[str, str]] = []
            if not fault or fault.startswith("applied"):
                status, headers, answer = self.forward(body)
            if "overtaken" in fault:
                wire.overtake()
            if fault.endswith("cut"):
                self.close_connection = True
                return
            if fault.endswith("503"):
                status, headers, answer = UNAVAILABLE, [], b""
            self.send_response_only(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_POST = do_PUT = do_PATCH = do_DELETE = do_MERGE = do_GET  # noqa: N815

        def forward(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
            upstream = http.client.HTTPConnection("127.0.0.1", wire.port, timeout=10)
            try:
                upstream.request(self.command, self.path, body, dict(self.headers))
                answer = upstream.getresponse()
                kept = [pair for pair in answer.getheaders() if pair[0].lower() not in _HOP]
                return answer.status, kept, answer.read()
            finally:
                upstream.close()

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield wire, re.sub(r"(TableEndpoint=http://127\.0\.0\.1:)\d+", rf"\g<1>{server.server_port}", connection)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
