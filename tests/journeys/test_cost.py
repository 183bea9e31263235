"""What a scan costs over HTTP: what docs/cost.md says was counted, is counted here."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

from infra.bicep import files
from tests.scans.meter import metered

PAGE = (Path(__file__).parent.parent.parent / "docs" / "cost.md").read_text("utf-8")
COUNTED = re.compile(r"^\| (token|scan|delivery|state) \|[^|]*\| (\d+) \| (\d+) \| (\d+) \|$", re.MULTILINE)
ASSUMED = re.compile(r"^\| `(\w+)` \| ([\d.,]+) \|", re.MULTILINE)
BILLED = re.compile(r"^\| ([\d,]+) (scans|people, idle) \| ([\d.]+) \|", re.MULTILINE)
MINUTES, HOURS = 43_200, 720
"""Of a month of thirty days: so often run the two timers of every minute, and the one of every hour."""


def service(request: str) -> str:
    """Whose request it is."""
    place = request.partition(" ")[2]
    return "queue" if place == "deliveries/messages" else "blobs" if place == "documents/*" else "tables"


def counts() -> dict[str, Counter[str]]:
    """What the page says was counted: requests to tables, queue and blobs, by step."""
    return {
        step: Counter(tables=int(tables), queue=int(queue), blobs=int(blobs))
        for step, tables, queue, blobs in COUNTED.findall(PAGE)
    }


def test_the_page_says_what_a_scan_asks_of_storage(world: Any) -> None:
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
    asked: dict[str, list[str]] = {}
    with meter.reading() as asked["token"]:
        printer.connection.tokens.token()
    with meter.reading() as asked["scan"]:
        made = scan()
    with meter.reading() as asked["delivery"]:
        world.deliver()
    with meter.reading() as asked["state"]:
        assert printer.scan(made).state == "sent"
    assert counts() == {step: Counter(map(service, requests)) for step, requests in asked.items()}, asked


def test_the_page_has_done_its_sums() -> None:
    """Each sum follows from the page's own prices and counts; nobody changes one without the other."""
    price = {name: float(value.replace(",", "")) for name, value in ASSUMED.findall(PAGE)}
    requests = sum(counts().values(), Counter())
    of_scan = (
        price["executions_per_scan"] * (price["gb"] * price["gb_second"] + price["execution"])
        + requests["tables"] * price["table_request"]
        + (requests["queue"] + price["host_queue_requests"]) * price["queue_request"]
        + requests["blobs"] * price["blob_write"]
        + price["log_kb_per_scan"] / 1e6 * price["log_gb"]
    )
    alerts = len(next(file for file in files() if file.name == "modules/alerts.bicep").variables["rules"])

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
        (1000, "scans"): round(1000 * of_scan, 2),
        **{(people, "people, idle"): round(idle(people), 2) for people in (20, 500, 20_000)},
    }
