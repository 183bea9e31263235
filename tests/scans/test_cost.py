"""What a scan costs: every request to storage is one that a promise needs (docs/delivery.md)."""

from typing import Any

from shared import settings
from shared.services import Services
from tests.scans.conftest import Office
from tests.scans.meter import metered

ACCEPTED = [
    "GET people",
    "GET grants",
    "POST $batch",
    "PUT documents/*",
    "POST $batch",
    "POST deliveries/messages",
]
DELIVERED = [
    "GET jobs",
    "GET grants",
    "GET documents/*",
    "POST jobs",
    "PUT jobs",
    "PUT jobs",
    "DELETE documents/*",
    "POST $batch",
]


def process(office: Office) -> Any:
    """A process of the service with a meter on its storage, which knows the organisation and its key already."""
    rooms = Services(settings.read(office.told), clock=office.clock, below=office.below)
    meter = metered(rooms.storage)
    rooms.organisations.recent(office.device.tid)
    office.rooms = rooms
    office.deliver(office.accept())
    return meter


def test_accepting_costs_six_requests_and_delivering_eight(office: Any) -> None:
    """Beside the device's own row, which its token asks for: no more, and in this order."""
    meter = process(office)
    with meter.reading() as asked:
        job = office.accept()
    assert asked == ACCEPTED
    with meter.reading() as asked:
        office.rooms.delivery.deliver(f"{job.device_id}/{job.manifest.id}")
    assert asked == DELIVERED
    assert office.job(job).state == "sent"
    assert office.due() == office.listed("slot") == office.documents() == []


def test_a_message_that_comes_twice_costs_one_look(office: Any) -> None:
    """R05: a copy of a message finds the job sent, and makes sure that its document is gone."""
    meter = process(office)
    job = office.accept()
    office.deliver(job)
    with meter.reading() as asked:
        office.rooms.delivery.deliver(f"{job.device_id}/{job.manifest.id}")
    assert asked == ["GET jobs", "DELETE documents/*"]


def test_a_sweep_costs_one_request_where_nothing_is_due(office: Any) -> None:
    """R04: beside five scans that were sent, and one that is on its way."""
    meter = process(office)
    for _ in range(5):
        office.deliver(office.accept())
    office.accept()
    with meter.reading() as asked:
        assert office.rooms.sweep.run() == 0
    assert asked == ["GET jobs"]
