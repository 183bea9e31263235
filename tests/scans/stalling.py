"""A wire between a process and Azurite on which the n-th request never arrives: the process can be killed there."""

import http.client
import re
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}
_ENDPOINT = re.compile(r"((?:Blob|Queue|Table)Endpoint=http://127\.0\.0\.1:)(\d+)")


class Stalls:
    """Counts requests. The one after ``arriving`` sets ``stalled`` and waits for ``over``."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left = 0
        self.stalled = threading.Event()
        self.over = threading.Event()

    def allow(self, arriving: int) -> None:
        """Let so many requests arrive from now on."""
        with self._lock:
            self._left = arriving
            self.stalled.clear()
            self.over.clear()

    def arrives(self) -> bool:
        """Whether this request is among them."""
        with self._lock:
            self._left -= 1
            return self._left >= 0


@contextmanager
def stalling(connection: str) -> Iterator[tuple[Stalls, str]]:
    """The wire, and the connection string that goes over it."""
    stalls, ways = Stalls(), {}
    with ExitStack() as closing:
        for _, port in _ENDPOINT.findall(connection):
            if port not in ways:
                ways[port] = closing.enter_context(_way(int(port), stalls))
        closing.callback(stalls.over.set)
        yield stalls, _ENDPOINT.sub(lambda found: f"{found[1]}{ways[found[2]]}", connection)


@contextmanager
def _way(port: int, stalls: Stalls) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            if not stalls.arrives():
                stalls.stalled.set()
                stalls.over.wait(60)
                self.close_connection = True
                return
            upstream = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            try:
                upstream.request(self.command, self.path, body, dict(self.headers))
                answer = upstream.getresponse()
                content = answer.read()
                self.send_response_only(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in _HOP:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
            finally:
                upstream.close()

        do_POST = do_PUT = do_PATCH = do_DELETE = do_MERGE = do_HEAD = do_GET  # noqa: N815

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_port
    finally:
        stalls.over.set()
        server.shutdown()
        thread.join()
        server.server_close()
