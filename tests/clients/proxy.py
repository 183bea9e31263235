"""A wire that fails on purpose: a TCP proxy that loses answers and cuts connections."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

_PIECE = 16_384


@dataclass
class Proxy:
    """Carries bytes to ``upstream`` (host, port).

    Attributes:
        lose: for a part of a request's head, how many of its answers are still to be lost: the server does the work.
        cut_after: bytes towards the server after which each connection is cut, or None.
        cuts: how many connections are still to be cut so.
        carried: bytes that went towards the server, in all.
        down: whether every connection is closed at once.
        stop_at: bytes in all after which nothing more is carried, and the line stays silent, or None.
    """

    upstream: tuple[str, int]
    port: int = 0
    lose: dict[bytes, int] = field(default_factory=dict)
    lost: int = 0
    cut_after: int | None = None
    cuts: int = 1_000_000
    carried: int = 0
    down: bool = False
    stop_at: int | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def serve(self, client: socket.socket) -> None:
        """Carry one connection until either side ends it."""
        if self.down:
            client.close()
            return
        server = socket.create_connection(self.upstream, timeout=30)
        losing = threading.Event()
        back = threading.Thread(target=self._back, args=(server, client, losing), daemon=True)
        back.start()
        sent = 0
        with suppress(OSError):
            while piece := client.recv(_PIECE):
                if self.down:
                    break
                while self.stop_at is not None and self.carried >= self.stop_at:
                    time.sleep(0.02)
                if self._to_lose(piece):
                    losing.set()
                with self._lock:
                    room = None if self.cut_after is None or self.cuts <= 0 else self.cut_after - sent
                    if room is not None and len(piece) >= room:
                        piece = piece[: max(room, 0)]
                        self.cuts -= 1
                    else:
                        room = None
                    self.carried += len(piece)
                sent += len(piece)
                server.sendall(piece)
                if room is not None:
                    break
        _end(client, server)
        back.join(10)

    def _back(self, server: socket.socket, client: socket.socket, losing: threading.Event) -> None:
        with suppress(OSError):
            while piece := server.recv(_PIECE):
                if losing.is_set():  # the answer exists, so the server has done the work
                    break
                client.sendall(piece)
        _end(client, server)

    def _to_lose(self, piece: bytes) -> bool:
        with self._lock:
            for start, left in self.lose.items():
                if left > 0 and start in piece:
                    self.lose[start] -= 1
                    self.lost += 1
                    return True
        return False


@contextmanager
def failing(upstream: str, port: int = 0) -> Iterator[Proxy]:
    """Serve a proxy before the origin ``upstream`` on a loopback port."""
    host, _, number = upstream.removeprefix("http://").partition(":")
    listening = socket.create_server(("127.0.0.1", port))
    proxy = Proxy((host, int(number)), listening.getsockname()[1])

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listening.accept()
                threading.Thread(target=proxy.serve, args=(client,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield proxy
    finally:
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        listening.close()


def _end(*sockets: socket.socket) -> None:
    for each in sockets:
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()
