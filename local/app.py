"""The app on one machine: the same doors under uvicorn, the queue door on a real queue, the timers on a clock.

``python -m local.app --port 7071`` takes the app's settings from the environment.
"""

from __future__ import annotations

import argparse
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from azure.storage.queue import QueueClient, QueueMessage, TextBase64DecodePolicy, TextBase64EncodePolicy
from starlette.types import ASGIApp, Receive, Scope, Send

from functions import DELIVERIES, HTTP_DOORS
from functions.answers import application
from shared.services import Services, services

MOST_DEQUEUES = 5
VISIBLE_AGAIN = 30
"""Seconds after a failure; both as in host.json."""
HIDDEN = 600
"""Seconds that a message is hidden while it is worked on, as the Functions host does."""
SWEEP_EVERY, EXPIRE_EVERY, KEYS_EVERY = 60.0, 3600.0, 30 * 86400.0

log = logging.getLogger(__name__)


class Doors:
    """Every HTTP door behind one ASGI app, chosen by the first segment of the path, as the routes do in Azure."""

    def __init__(self, provider: Callable[[], Services]) -> None:
        built = {module: application(module, provider) for module in set(HTTP_DOORS.values())}
        self._doors: dict[str, ASGIApp] = {first: built[module] for first, module in HTTP_DOORS.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            return
        first = scope["path"].split("/")[1]
        await self._doors.get(first, self._doors[""])(scope, receive, send)


class QueueDoor:
    """Brings messages of the real queue to the queue door, with the host's rules for failure and poison."""

    def __init__(self, connection: str, rooms: Services) -> None:
        self._queue = _queue(connection, DELIVERIES)
        self._poison = _queue(connection, f"{DELIVERIES}-poison")
        self._rooms = rooms

    def drain(self) -> int:
        """Bring every message that is visible now; returns how many."""
        count = 0
        for message in self._queue.receive_messages(messages_per_page=8, visibility_timeout=HIDDEN):
            self._bring(message)
            count += 1
        return count

    def _bring(self, message: QueueMessage) -> None:
        try:
            self._rooms.delivery.deliver(str(message.content))
        except Exception as error:  # noqa: BLE001  (the host catches everything, too)
            log.error("the queue door failed: %s", type(error).__name__)  # noqa: TRY400
            if (message.dequeue_count or 0) < MOST_DEQUEUES:
                self._queue.update_message(message, visibility_timeout=VISIBLE_AGAIN)
                return
            self._poison.send_message(message.content)
            self._rooms.sweep.give_up(str(message.content))
        self._queue.delete_message(message)


def _queue(connection: str, name: str) -> QueueClient:
    return QueueClient.from_connection_string(
        connection,
        name,
        message_encode_policy=TextBase64EncodePolicy(),
        message_decode_policy=TextBase64DecodePolicy(),
    )


@contextmanager
def running(rooms: Services, *, port: int = 0, poll: float | None = 0.25) -> Iterator[int]:
    """Serve ``rooms`` on 127.0.0.1 from threads of this process; yields the port.

    ``poll`` is how often (seconds) the queue is looked at; None serves HTTP alone, without queue and timers.
    """
    server = uvicorn.Server(
        uvicorn.Config(Doors(lambda: rooms), host="127.0.0.1", port=port, log_level="warning", access_log=False)
    )
    stop = threading.Event()
    web = threading.Thread(target=server.run, daemon=True)
    work = threading.Thread(target=_work, args=(rooms, stop, poll or 0), daemon=True)
    web.start()
    while not server.started:
        if not web.is_alive():
            raise RuntimeError(f"cannot serve on port {port}")
        time.sleep(0.01)
    if poll is not None:
        work.start()
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        stop.set()
        server.should_exit = True
        if poll is not None:
            work.join(30)
        web.join(30)


def _work(rooms: Services, stop: threading.Event, poll: float) -> None:
    from shared.expiry import expire

    door = QueueDoor(rooms.settings.data_storage, rooms)
    swept = expired = rotated = time.monotonic()
    while not stop.wait(poll):
        try:
            door.drain()
            if time.monotonic() - swept > SWEEP_EVERY:
                swept = time.monotonic()
                rooms.sweep.run()
                rooms.keep_alive.run()
            if time.monotonic() - expired > EXPIRE_EVERY:
                expired = time.monotonic()
                rooms.erasure.settle()
                rooms.retention.expire()
                expire(rooms.storage, rooms.clock())
            if time.monotonic() - rotated > KEYS_EVERY:
                rotated = time.monotonic()
                rooms.key_upkeep.run()
        except Exception as error:  # noqa: BLE001  (a worker that stops at the first fault delivers nothing)
            log.error("queue or timer: %s", type(error).__name__)  # noqa: TRY400


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=7071)
    port = parser.parse_args().port
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    with running(services(), port=port):
        threading.Event().wait()


if __name__ == "__main__":
    main()
