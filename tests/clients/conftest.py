"""A service on the wire, a device before it, and time that passes when somebody sleeps."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from local import app as local_app
from tests.clients.proxy import Proxy, failing
from tests.clients.wire import TICKET, DeviceApi, served
from tests.conftest import Clock, Microsoft, World
from to_my_email import Client

ENROLMENT = {"model": "Virtual 1", "serial": "V0001", "name": "Second floor"}


class Time:
    """A clock that sleeping moves."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        """Tell the time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Pass the time."""
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def time() -> Time:
    """The time of the devices that the test makes."""
    return Time()


@pytest.fixture
def service() -> Iterator[DeviceApi]:
    """A service on a port of its own."""
    api = DeviceApi()
    with served(api.app) as api.url:
        yield api


@pytest.fixture
def make_device(tmp_path: Path, time: Time) -> Iterator[Callable[..., Client]]:
    """Make devices that share one store; their sleep passes at once, and nothing is random."""
    made: list[Client] = []

    def make(url: str, **given: Any) -> Client:
        clocks = {"monotonic": time, "sleep": time.sleep, "jitter": lambda: 0.0}
        made.append(Client(url, tmp_path / "store", **{**clocks, **given}))
        return made[-1]

    yield make
    for device in made:
        device.close()


@pytest.fixture
def new_device(service: DeviceApi, make_device: Callable[..., Client]) -> Client:
    """A device out of the box."""
    return make_device(service.url)


@pytest.fixture
def device(new_device: Client, time: Time) -> Client:
    """An enrolled device."""
    new_device.enrol(TICKET, **ENROLMENT)
    time.slept.clear()
    return new_device


@pytest.fixture
def pdf() -> Callable[[int], bytes]:
    """Make PDFs of a size in bytes, no two alike."""
    numbers = itertools.count()

    def make(size: int) -> bytes:
        head = b"%%PDF-1.7 %d\n" % next(numbers)
        return head + bytes(range(251)) * ((size - len(head)) // 251 + 1)

    return lambda size: make(size)[:size]


@pytest.fixture
def bad_wire(rooms: Any, clock: Clock, microsoft: Microsoft, tls: Any, tmp_path: Path) -> Iterator[tuple[World, Proxy]]:
    """The world, its public address being that of a proxy that fails."""
    public = rooms.settings.public_url
    with ExitStack() as closing, failing("http://127.0.0.1:9", int(public.rpartition(":")[2])) as proxy:
        with failing("http://127.0.0.1:9") as free:
            port = free.port
        closing.enter_context(local_app.running(rooms, port=port, queue=False))
        proxy.upstream = ("127.0.0.1", port)
        yield (
            World(rooms, clock, public, microsoft.url, microsoft.cloud, microsoft.switchboard, tls, tmp_path, closing),
            proxy,
        )
