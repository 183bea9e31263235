"""What keeping sign-ins alive costs: beside 1,000 and 100,000 stored, and for 1,000 people over 400 days.

``python -m bench.renewals [--people 1000]`` starts Azurite and the emulated Microsoft, prints two tables, and ends.
"""

import argparse
import logging
import os
import secrets
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any

from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.data.tables import TableClient
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from local import azurite
from local.environment import Ports, app_environment
from local.microsoft.cloud import Cloud
from local.microsoft.records import Application
from local.microsoft.server import running
from local.microsoft.smtp_server import running as submitting
from local.microsoft.switchboard import Switchboard
from local.tls import prepare
from shared import settings
from shared.organisations import RANGES
from shared.services import Services
from shared.storage import Table, create_all
from tests.conftest import Clock, Microsoft
from tests.vault.conftest import GRANTED, TID, Staff

DUE = 60
DAYS, OUTAGE_BEGINS, OUTAGE_DAYS = 400, 75, 59
BATCH = 100
SEALED_BYTES = 512
"""Of a stored row that is not due; a real one holds about 4 KB, which no run reads."""


class Meter(SansIOHTTPPolicy):  # type: ignore[type-arg]
    """Counts requests to storage by method, and the bytes of the answers."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.bytes = 0

    def on_request(self, request: PipelineRequest[Any]) -> None:
        """Count a request."""
        self.requests[request.http_request.method] += 1

    def on_response(self, request: PipelineRequest[Any], response: PipelineResponse[Any, Any]) -> None:  # noqa: ARG002
        """Count an answer's bytes."""
        self.bytes += len(response.http_response.body() or b"")


@contextmanager
def office(directory: Path) -> Iterator[Staff]:
    """Storage, Microsoft and a worker of the service, on the loopback."""
    tls = prepare(directory / "tls")
    os.environ.pop("CURL_CA_BUNDLE", None)
    os.environ.update(REQUESTS_CA_BUNDLE=str(tls.bundle_file), SSL_CERT_FILE=str(tls.bundle_file))
    clock = Clock()
    environment = app_environment(directory, Ports())
    certificate = x509.load_pem_x509_certificate(Path(environment["CLIENT_CERTIFICATE_FILE"]).read_bytes())
    application = Application(
        environment["CLIENT_ID"], (), certificates=(certificate.public_bytes(Encoding.PEM).decode(),)
    )
    cloud = Cloud([application], clock=clock)
    switchboard = Switchboard(cloud)
    process, connection = azurite.start(log=directory / "azurite.log")
    with process, running(cloud, tls, switchboard=switchboard) as url, submitting(cloud, tls, switchboard) as smtp:
        create_all(connection)
        told = {**environment, "DataStorage": connection, "AUTHORITY_URL": url, "GRAPH_URL": url}
        rooms = Services(settings.read(told), clock=clock)
        cloud.grant("contoso", rooms.settings.client_id, GRANTED)
        rooms.organisations.consented(TID, name="Contoso", consented_range=RANGES["send"], proven_by="", oid="0")
        yield Staff(rooms, Microsoft(cloud, switchboard, url, smtp), clock, told, directory / "log")


def metered(staff: Staff) -> Meter:
    """Let a new worker do the work, with a meter on its clients of the vault's tables."""
    meter = Meter()
    staff.rooms = staff.worker()
    for name in ("grants", "renewals", "organisations"):
        client = TableClient.from_connection_string(
            staff.rooms.settings.data_storage, name, per_call_policies=[meter], retry_total=0
        )
        staff.rooms.storage._tables[name] = Table(client, lambda: secrets.token_hex(8))  # noqa: SLF001
    return meter


def insert(staff: Staff, table: str, partition: str, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows of one partition by batches."""
    with TableClient.from_connection_string(staff.rooms.settings.data_storage, table) as client:
        for begin in range(0, len(rows), BATCH):
            batch = [{**row, "PartitionKey": partition} for row in rows[begin : begin + BATCH]]
            client.submit_transaction([("create", row) for row in batch])


def fill(staff: Staff, first: int, last: int) -> None:
    """Store people who are not due: their rows, and their entries spread over ten days far ahead."""
    oids = [f"bbbbbbbb-0000-4000-8000-{number:012d}" for number in range(first, last)]
    sealed = os.urandom(SEALED_BYTES)
    grant = {"epoch": "e", "generation": 0, "sealed": sealed, "signed_in": staff.clock(), "refreshed": staff.clock()}
    insert(staff, "grants", TID, [{**grant, "RowKey": oid} for oid in oids])
    for spread in range(10):
        day = f"{datetime.now(UTC) + timedelta(days=9000 + spread):%Y%m%d}"
        entry = {"tid": TID, "made": staff.clock()}
        insert(staff, "renewals", day, [{**entry, "RowKey": f"{TID}|{oid}", "oid": oid} for oid in oids[spread::10]])


def cost(staff: Staff) -> None:
    """Print what a run costs beside more and more people who are not due."""
    staff.hire(DUE)
    meter = metered(staff)
    print("\n| stored | due | requests to storage | bytes read | seconds | an empty run: requests, ms |")
    print("|---|---|---|---|---|---|")
    stored = DUE
    for wanted in (1_000, 100_000):
        fill(staff, stored, wanted)
        stored = wanted
        staff.clock.advance(days=31)
        meter.requests.clear()
        meter.bytes = 0
        begun = monotonic()
        renewed = staff.rooms.keep_alive.run()
        spent = monotonic() - begun
        requests, read = meter.requests.total(), meter.bytes
        meter.requests.clear()
        begun = monotonic()
        assert staff.rooms.keep_alive.run() == 0
        idle = f"{meter.requests.total()}, {(monotonic() - begun) * 1000:.0f}"
        print(f"| {stored:,} | {renewed} | {requests} | {read:,} | {spent:.1f} | {idle} |")
        sys.stdout.flush()


def years(staff: Staff, count: int) -> None:
    """Print what 400 days do to people who never scan, with an outage of Entra's of 59 days."""
    begun, asked, idle = monotonic(), 0, timedelta()
    for day in range(DAYS):
        if day < 30:
            staff.hire(count // 30 + (day < count % 30))
        if OUTAGE_BEGINS <= day < OUTAGE_BEGINS + OUTAGE_DAYS:
            staff.microsoft.switchboard.remove()
            staff.microsoft.switchboard.add("token", "unavailable", times=None)
        else:
            staff.microsoft.switchboard.remove()
        if OUTAGE_BEGINS <= day <= OUTAGE_BEGINS + OUTAGE_DAYS:
            idle = max(idle, *(staff.clock() - grant.refreshed for grant in staff.rooms.grants.of_tenant(TID)))
        # Of the 1,440 runs of a day, as many as find something, and one of an outage's.
        while staff.rooms.keep_alive.run() and not staff.microsoft.switchboard.faults():
            pass
        asked += staff.asked()
        staff.microsoft.switchboard.forget()
        staff.clock.advance(days=1)
    grants = list(staff.rooms.grants.of_tenant(TID))
    ended = sum(not grant.usable for grant in grants)
    print("\n| people | days | outage | calls to Entra | longest idle, days | ended | seconds |")
    print("|---|---|---|---|---|---|---|")
    print(
        f"| {len(grants):,} | {DAYS} | {OUTAGE_DAYS} days from day {OUTAGE_BEGINS} | {asked:,} "
        f"| {idle / timedelta(days=1):.1f} | {ended} | {monotonic() - begun:.0f} |"
    )


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=1000, help="for the 400 days; 0 leaves them out")
    people = parser.parse_args().people
    logging.getLogger("shared.vault").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as name, office(Path(name)) as staff:
        cost(staff)
    if people:
        with tempfile.TemporaryDirectory() as name, office(Path(name)) as staff:
            years(staff, people)


if __name__ == "__main__":
    main()
