"""A Graph that answers what a test tells it, byte by byte, and remembers what it was asked."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Asked:
    """One request as it came."""

    line: str
    headers: dict[str, str]
    body: bytes


@dataclass
class GraphWire:
    """``answer`` is what goes back; None resets the connection after the whole request was read.

    ``reads`` is how many bytes of a body it reads before it resets; None reads all.
    """

    url: str = ""
    answer: bytes | None = b""
    reads: int | None = None
    asked: list[Asked] = field(default_factory=list)

    def says(self, status: int, body: bytes = b"", **headers: str) -> None:
        """Answer with a status, headers (``Retry_After=…``) and a body from now on."""
        lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}", "Connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.answer = "\r\n".join([*lines, "", ""]).encode("latin-1") + body


@contextmanager
def graph_wire() -> Iterator[GraphWire]:
    """A running one."""
    wire = GraphWire()
    listening = socket.create_server(("127.0.0.1", 0))
    wire.url = f"http://127.0.0.1:{listening.getsockname()[1]}"

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                _one(wire, connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield wire
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(5)


def _one(wire: GraphWire, connection: socket.socket) -> None:
    stream = connection.makefile("rb")
    line = stream.readline().decode("latin-1").strip()
    headers: dict[str, str] = {}
    while field_line := stream.readline().decode("latin-1").strip():
        name, _, value = field_line.partition(":")
        headers[name.lower()] = value.strip()
    length = int(headers.get("content-length", "0"))
    body = stream.read(length if wire.reads is None else min(length, wire.reads))
    wire.asked.append(Asked(line, headers, body))
    if wire.answer is None or wire.reads is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        stream.close()
        connection.close()
    else:
        connection.sendall(wire.answer)
        stream.close()
