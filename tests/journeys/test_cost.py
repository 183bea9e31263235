"""What a scan costs over HTTP: what docs/cost.md says was counted, is counted here."""

import logging
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from infra.bicep import files
from tests.scans.meter import metered

PAGE = (Path(__file__).parent.parent.parent / "docs" / "cost.md").read_text("utf-8")
COUNTED = re.compile(r"^\| (token|scan|delivery|state) \| (\d+)[^|]*\| (\d+) \| (\d+) \| (\d+) \|$", re.MULTILINE)
ASSUMED = re.compile(r"^\| `(\w+)` \| ([\d.,]+) \|", re.MULTILINE)
BILLED = re.compile(r"^\| ([\d,]+) (scans|people, idle) \| ([\d.]+) \|", re.MULTILINE)
MONTHLY = re.compile(r"([\d,]+)(?: people)?\s+add ([\d,]+)(?: scans)? \(([\d.]+) EUR\)")
SCANS = 20
"""A month, of each person."""
LEAST_SECONDS = 1
"""Of an execution, as the plan bills it. How long one takes is no promise of a test's; ``bench`` measures it."""
MINUTES, HOURS = 43_200, 720
"""Of a month of thirty days: so often run the two timers of every minute, and the one of every hour."""


def service(request: str) -> str:
    """Whose request it is."""
    place = request.partition(" ")[2]
    return "queue" if place == "deliveries/messages" else "blobs" if place == "documents/*" else "tables"


def counts() -> dict[str, Counter[str]]:
    """What the page says was counted: executions, and requests to tables, queue and blobs, by step."""
    return {
        step: Counter(executions=int(executions), tables=int(tables), queue=int(queue), blobs=int(blobs))
        for step, executions, tables, queue, blobs in COUNTED.findall(PAGE)
    }


def asked_of(caplog: pytest.LogCaptureFixture, url: str) -> int:
    """How often the doors were called over HTTP since the last time; urllib3 notes every request of the printer's."""
    host, count = url.removeprefix("http://"), 0
    for record in caplog.records:
        count += record.name == "urllib3.connectionpool" and f"{host} " in record.getMessage()
    caplog.clear()
    return count


def test_the_page_says_what_a_scan_asks(world: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A printer's new token, a scan in one request, its delivery, and one look at it, where processes are warm."""
    meter = metered(world.rooms.storage)
    world.consent()
    printer = world.printer()
    world.sign_in(printer)

    def scan() -> str:
        document = world.pdf()
        return str(printer.submit(world.manifest(document), document).id)

    first = scan()
    world.deliver()
    assert printer.scan(first).state == "sent"
    printer.connection.tokens.forget()
    caplog.set_level(logging.DEBUG, "urllib3.connectionpool")
    caplog.clear()
    counted: dict[str, Counter[str]] = {}

    @contextmanager
    def counting(step: str) -> Iterator[None]:
        with meter.reading() as requests:
            yield
        counted[step] = Counter(map(service, requests))
        counted[step]["executions"] = asked_of(caplog, world.url)

    with counting("token"):
        printer.connection.tokens.token()
    with counting("scan"):
        made = scan()
    with counting("delivery"):
        messages = world.deliver()
    counted["delivery"]["executions"] += messages
    with counting("state"):
        assert printer.scan(made).state == "sent"
    assert counts() == counted


def test_the_page_has_done_its_sums() -> None:
    """Each sum follows from the page's own prices and counts; nobody changes one without the other."""
    price = {name: float(value.replace(",", "")) for name, value in ASSUMED.findall(PAGE)}
    requests = sum(counts().values(), Counter())
    of_scan = (
        requests["executions"] * (price["gb"] * LEAST_SECONDS * price["gb_second"] + price["execution"])
        + requests["tables"] * price["table_request"]
        + (requests["queue"] + price["host_queue_requests"]) * price["queue_request"]
        + requests["blobs"] * price["blob_write"]
        + price["log_kb_per_scan"] / 1e6 * price["log_gb"]
    )
    read = {file.name: file for file in files()}
    assert price["gb"] == int(read["main.bicep"].parameters["instanceMemoryMB"]["default"]) / 1024
    alerts = len(read["modules/alerts.bicep"].variables["rules"])

    def idle(people: float) -> float:
        renewals = people * price["renewals_per_person"]
        seconds = 2 * MINUTES + HOURS + renewals * price["seconds_per_renewal"]
        return (
            max(0.0, seconds * price["gb"] - price["free_gb_seconds"]) * price["gb_second"]
            + (2 * MINUTES + renewals * price["requests_per_renewal"]) * price["table_request"]
            + price["polls_per_month"] * price["queue_request"]
            + price["log_gb_idle"] * price["log_gb"]
            + alerts * price["alert_rule"]
        )

    told = {(int(number.replace(",", "")), what): float(euros) for number, what, euros in BILLED.findall(PAGE)}
    assert told == {
        (1000, "scans"): round(1000 * of_scan * price["euro"], 2),
        **{(people, "people, idle"): round(idle(people) * price["euro"], 2) for people in (20, 500, 20_000)},
    }
    assert f"= {requests['executions'] * price['gb'] * LEAST_SECONDS:.0f} GB-s" in PAGE
    for people, scans, euros in MONTHLY.findall(PAGE):
        assert int(scans.replace(",", "")) == SCANS * int(people.replace(",", ""))
        assert float(euros) == float(f"{int(scans.replace(',', '')) * of_scan * price['euro']:.3g}")
    assert len(MONTHLY.findall(PAGE)) == 3
