"""uvicorn in a thread, ending at once. By itself it looks every tenth of a second whether it should."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import uvicorn

_END_SECONDS = 30.0


class Server(uvicorn.Server):
    """A uvicorn that is told when to end.

    Args:
        config: without lifespan events, of which nothing here has any.
        cut: end by cutting every connection; else requests that are under way are answered first.
    """

    def __init__(self, config: uvicorn.Config, *, cut: bool = False) -> None:
        super().__init__(config)
        self.ready = threading.Event()
        self._cut = cut
        self._loop: asyncio.AbstractEventLoop
        self._ended: asyncio.Event

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        await super().startup(sockets)
        self.ready.set()

    async def main_loop(self) -> None:
        """Serve until told to end; every tenth tick renews the Date header."""
        second = 0
        while not await self.on_tick(10 * second):
            second += 1
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), 1)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, close what is idle, and wait for what is not."""
        for listener in (*self.servers, *(sockets or ())):
            listener.close()
        for connection in list(self.server_state.connections):
            if self._cut:
                connection.transport.abort()
            else:
                connection.shutdown()
        deadline = self._loop.time() + (self.config.timeout_graceful_shutdown or _END_SECONDS)
        while (self.server_state.connections or self.server_state.tasks) and self._loop.time() < deadline:  # noqa: ASYNC110  (sets that uvicorn keeps)
            await asyncio.sleep(0.005)

    def end(self) -> None:
        """Say that it should end, from another thread."""
        self.should_exit = True
        self._loop.call_soon_threadsafe(self._ended.set)


@contextmanager
def serving(server: Server, listening: socket.socket | None = None) -> Iterator[int]:
    """Serve in a thread and yield the port; without ``listening``, on the address of the configuration.

    Raises:
        RuntimeError: it did not start, as when a port is taken.
    """
    sockets = [listening] if listening else None
    thread = threading.Thread(target=server.run, kwargs={"sockets": sockets}, name="server", daemon=True)
    thread.start()
    while not server.ready.wait(0.1):
        if not thread.is_alive():
            raise RuntimeError(f"cannot serve on port {server.config.port}")
    try:
        yield (listening or server.servers[0].sockets[0]).getsockname()[1]
    finally:
        server.end()
        thread.join(_END_SECONDS)
