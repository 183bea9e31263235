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
from starlette.types import ASGIApp, Receive, Scope, Send

from functions import HTTP_DOORS
from functions.doors import application
from local.queue_door import QueueDoor
from local.serving import Server, serving
from shared.services import Services, services

SWEEP_EVERY, EXPIRE_EVERY, KEYS_EVERY = 60.0, 3600.0, 30 * 86400.0

log = logging.getLogger(__name__)


class Doors:
    """Every HTTP door behind one ASGI app, chosen by the first segment of the path, as the routes do in Azure."""

    def __init__(self, provider: Callable[[], Services]) -> None:
        built = {module: application(module, provider) for module in set(HTTP_DOORS.values())}
        self._doors: dict[str, ASGIApp] = {first: built[module] for first, module in HTTP_DOORS.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        first = scope["path"].split("/")[1]
        await self._doors.get(first, self._doors[""])(scope, receive, send)


@contextmanager
def running(
    rooms: Services, *, port: int = 0, queue: bool = True, around: Callable[[ASGIApp], ASGIApp] = lambda app: app
) -> Iterator[int]:
    """Serve ``rooms`` on 127.0.0.1 from threads of this process; yields the port.

    Without ``queue`` it serves HTTP alone, without queue and timers. ``around`` may put something around the doors.
    """
    doors = around(Doors(lambda: rooms))
    config = uvicorn.Config(doors, host="127.0.0.1", port=port, lifespan="off", log_level="warning", access_log=False)
    stop = threading.Event()
    work: list[threading.Thread] = []
    if queue:
        door = QueueDoor(rooms.settings.data_storage, rooms)
        work = [
            threading.Thread(target=door.serve, args=(stop,), daemon=True),
            threading.Thread(target=_timers, args=(rooms, stop), daemon=True),
        ]
    with serving(Server(config)) as served:
        for thread in work:
            thread.start()
        try:
            yield served
        finally:
            stop.set()
            for thread in work:
                thread.join(30)


def _timers(rooms: Services, stop: threading.Event) -> None:
    from shared.expiry import expire

    swept = expired = rotated = time.monotonic()
    while not stop.wait(1):
        try:
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
            log.error("timer: %s", type(error).__name__)  # noqa: TRY400


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
