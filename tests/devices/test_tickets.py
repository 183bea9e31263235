"""Enrolment tickets: how many printers, for how long, and never one more."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from shared.faults import Fault, StorageUnavailable, TicketInvalid
from shared.services import Services
from tests.devices.printer import Printer

CONTOSO = "11111111-1111-4111-8111-111111111111"
PARALLEL = 50


def ends(count: int, enrol: Callable[[int], Any]) -> list[Any]:
    """Do it ``count`` times at once; return what came back or was raised."""

    def settle(number: int) -> Any:
        try:
            return enrol(number)
        except Fault as fault:
            return fault

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(settle, range(count)))


def enrolled(printer: Printer, ticket: str) -> str:
    """Enrol, and ask again as long as the row is contended; the device's id."""
    while True:
        try:
            return printer.enrol(ticket).id
        except StorageUnavailable:
            continue


def test_a_ticket_for_ten_printers_enrols_ten_of_fifty(rooms: Services) -> None:
    """Fifty printers race with a counted ticket: ten devices, and forty refusals of one kind (D02)."""
    ticket = rooms.tickets.issue(CONTOSO, "office", "", count=10)
    printers = [Printer(rooms) for _ in range(PARALLEL)]
    answers = ends(PARALLEL, lambda number: enrolled(printers[number], ticket))
    assert len({answer for answer in answers if isinstance(answer, str)}) == 10
    assert sum(isinstance(answer, TicketInvalid) for answer in answers) == PARALLEL - 10


def test_fifty_requests_of_one_printer_are_one_device(rooms: Services, printer: Printer) -> None:
    """A printer that asks again because no answer came is the same device, and uses the ticket once (D02)."""
    ticket = rooms.tickets.issue(CONTOSO, "office", "", count=2)
    assert len(set(ends(PARALLEL, lambda _: printer.enrol(ticket).id))) == 1
    Printer(rooms).enrol(ticket)
    with pytest.raises(TicketInvalid):
        Printer(rooms).enrol(ticket)


def test_a_ticket_is_counted(rooms: Services) -> None:
    """A ticket for three takes three keys; the fourth is refused, and the three are still the same devices."""
    ticket = rooms.tickets.issue(CONTOSO, "office", "", count=3)
    printers = [Printer(rooms) for _ in range(3)]
    ids = [printer.enrol(ticket).id for printer in printers]
    assert len(set(ids)) == 3
    with pytest.raises(TicketInvalid):
        Printer(rooms).enrol(ticket)
    assert [printer.enrol(ticket).id for printer in printers] == ids


def test_a_ticket_lasts_an_hour(rooms: Services, clock: Any) -> None:
    """After an hour nobody enrols with it, not even the printer that did before (D01)."""
    ticket = rooms.tickets.issue(CONTOSO, "office", "", count=5)
    printer = Printer(rooms)
    clock.advance(minutes=59)
    printer.enrol(ticket)
    clock.advance(minutes=1)
    for late in (Printer(rooms), printer):
        with pytest.raises(TicketInvalid):
            late.enrol(ticket)


@pytest.mark.parametrize("ticket", ["nonsense", "AAAAAAAAAAAAAAAAAAAAAA", "ä", "../../tickets", "'", "a" * 64])
def test_an_unknown_ticket_is_refused(settled: Services, ticket: str) -> None:
    """Guessed, foreign or malformed: the one answer (D01, E03)."""
    with pytest.raises(TicketInvalid):
        Printer(settled).enrol(ticket)


def test_a_ticket_is_stored_nowhere(rooms: Services, storage: Any) -> None:
    """Whoever reads the table cannot enrol: it holds a hash of 128 bits (G12)."""
    ticket = rooms.tickets.issue(CONTOSO, "office", "")
    Printer(rooms).enrol(ticket)
    assert len(ticket) == 22
    for table in ("tickets", "devices"):
        assert ticket not in str(list(storage.table(table)._client.list_entities()))


@pytest.mark.parametrize("count", [0, -1, 501])
def test_a_ticket_is_for_one_to_five_hundred_printers(settled: Services, count: int) -> None:
    """The row that remembers who used it has an end."""
    with pytest.raises(ValueError, match="500"):
        settled.tickets.issue(CONTOSO, "office", "", count=count)


def test_a_full_ticket_fits_into_its_row(rooms: Services) -> None:
    """The five hundredth printer of a ticket is remembered as well as the first."""
    ticket = rooms.tickets.issue(CONTOSO, "office", "", count=500)
    found = rooms.tickets.find(ticket, "first", "")
    before = " ".join(f"{number:043d}" for number in range(499))
    rooms.storage.table("tickets").change(found.place, "ticket", lambda _: {"left": 1, "used": before})
    rooms.tickets.use(found, f"{499:043d}")
    with pytest.raises(TicketInvalid):
        rooms.tickets.use(found, "x" * 43)
    assert rooms.tickets.find(ticket, f"{0:043d}", "") == found
