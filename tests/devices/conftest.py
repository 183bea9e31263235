"""The rooms of the service on an Azurite account, without HTTP, and a printer in front of them."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from shared import settings
from shared.services import Services
from shared.storage import create_all
from tests.devices.printer import Printer

Build = Callable[[str, Callable[[], datetime]], Services]


@pytest.fixture(scope="module")
def build(machine_environment: dict[str, str]) -> Build:
    """Build the services on a storage account; twice on the same one are two instances."""

    def build(connection: str, clock: Callable[[], datetime]) -> Services:
        return Services(settings.read({**machine_environment, "DataStorage": connection}), clock=clock)

    return build


@pytest.fixture
def rooms(build: Build, connection: str, clock: Callable[[], datetime]) -> Services:
    """The services on an account, and under a clock, of this test's own."""
    return build(connection, clock)


@pytest.fixture
def printer(rooms: Services) -> Printer:
    """A printer out of the box."""
    return Printer(rooms)


@pytest.fixture(scope="module")
def settled(build: Build, azurite_accounts: Iterator[str]) -> Services:
    """The services of a whole module of refusals, none of which leaves anything behind."""
    connection = next(azurite_accounts)
    create_all(connection)
    return build(connection, lambda: datetime.now(UTC))
