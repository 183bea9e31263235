"""What keeping sign-ins alive costs: beside 1,000, 10,000 and 100,000 stored, and for 1,000 people over 400 days.

``python -m bench.renewals [--people 1000] [--quick]`` starts Azurite and the emulated Microsoft, and ends.
"""

import logging
import os
import secrets
import tempfile
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any

from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.data.tables import TableClient

from bench.figures import Figures, arguments, keep
from bench.office import office
from shared.storage import Table
from tests.vault.conftest import TID, Staff

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


def cost(staff: Staff, figures: Figures, stored_then: Sequence[int]) -> None:
    """Tell what a run costs beside more and more people who are not due."""
    staff.hire(DUE)
    meter = metered(staff)
    head = ("stored", "due", "requests to storage", "KB read", "seconds", "an empty run: requests", "its ms")
    figures.table("renewals", *head)
    stored = DUE
    for wanted in stored_then:
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
        idle = (monotonic() - begun) * 1000
        figures.row(stored, renewed, requests, read / 1000, spent, meter.requests.total(), idle)


def years(staff: Staff, count: int, figures: Figures) -> None:
    """Tell what 400 days do to people who never scan, with an outage of Entra's of 59 days."""
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
    figures.table("years", "people", "days", "outage, days", "calls to Entra", "longest idle, days", "ended", "seconds")
    longest = idle / timedelta(days=1)
    figures.row(len(grants), DAYS, OUTAGE_DAYS, asked, longest, ended, monotonic() - begun)


def main() -> None:
    """Show both tables."""
    parser = arguments(__doc__)
    parser.add_argument("--people", type=int, default=0, help="for 400 days; 0 leaves them out")
    asked = parser.parse_args()
    logging.getLogger("shared.vault").setLevel(logging.CRITICAL)
    figures = Figures()
    with tempfile.TemporaryDirectory() as name, office(Path(name)) as found:
        cost(found.staff, figures, (1_000,) if asked.quick else (1_000, 10_000, 100_000))
    if asked.people:
        with tempfile.TemporaryDirectory() as name, office(Path(name)) as found:
            years(found.staff, asked.people, figures)
    keep(figures, asked.json)


if __name__ == "__main__":
    main()
