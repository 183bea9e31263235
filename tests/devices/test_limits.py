"""Limits: exact over all instances, one's own, and never in the way of a scan when they cannot be counted."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Event
from time import sleep
from typing import Any

import pytest

from shared.devices import Device, Limits, TokenRefused, Use
from shared.devices.crowd import Crowd
from shared.devices.limits import LIMITS, SHARES, WINDOW
from shared.devices.tickets import LIFE, MOST_PRINTERS
from shared.faults import Fault, StorageUnavailable, TooManyRequests
from shared.services import Services
from shared.short_codes.guesses import WRONG_IN_ALL, WRONG_PER_NETWORK
from tests.devices.conftest import Build
from tests.devices.printer import Printer, request_of
from tests.devices.test_approval import window  # noqa: F401  (a fixture)

PAGE = Path(__file__).parent.parent.parent / "docs" / "limits.md"
NOWHERE = "DefaultEndpointsProtocol=http;AccountName=x;AccountKey=eA==;TableEndpoint=http://127.0.0.1:9/x;"


def fill(rooms: Services, use: Use, left: int, kind: str) -> None:
    """Bring every counter of a kind so far that ``left`` uses remain; counts first where there is none."""
    table = rooms.storage.table("assertions")
    rows = [row for row in table.every() if row.partition.startswith(f"use|{kind}|")]
    most = {
        "device": LIMITS[use].device,
        "person": LIMITS[use].person or 0,
        "organisation": (LIMITS[use].organisation or 0) // SHARES,
    }[kind]
    assert rows
    for row in rows:
        table.replace(row, {**row.values, use: most - left})


def counted(rooms: Services, use: Use, device: Device, user: str | None = None) -> bool:
    """Count one; whether it was within the limit."""
    try:
        rooms.limits.count(use, device, user)
    except TooManyRequests:
        return False
    return True


@pytest.mark.parametrize("use", [use for use in Use if LIMITS[use].device])
def test_the_last_one_is_taken_and_the_next_is_not(window: Any, rooms: Services, printer: Printer, use: Use) -> None:  # noqa: F811
    """E06: to the very number; the refusal says when the next window begins, and then it goes on."""
    device = printer.enrol()
    rooms.limits.count(use, device)
    fill(rooms, use, 2, "device")
    assert [counted(rooms, use, device) for _ in range(3)] == [True, True, False]
    with pytest.raises(TooManyRequests) as refused:
        rooms.limits.count(use, device)
    assert 0 < (refused.value.retry_after or 0) <= 300
    window.advance(seconds=refused.value.retry_after)
    assert counted(rooms, use, device)


def test_what_is_an_organisations_alone_is_counted_for_it_alone(window: Any, rooms: Services) -> None:  # noqa: F811
    """The doctor's runs: to the very number, another organisation's are its own, and the next window begins anew."""
    most = LIMITS[Use.DIAGNOSES].organisation
    assert most
    for _ in range(most):
        rooms.limits.count_organisation(Use.DIAGNOSES, "a")
    with pytest.raises(TooManyRequests) as refused:
        rooms.limits.count_organisation(Use.DIAGNOSES, "a")
    rooms.limits.count_organisation(Use.DIAGNOSES, "b")
    window.advance(seconds=refused.value.retry_after)
    rooms.limits.count_organisation(Use.DIAGNOSES, "a")


def test_many_at_once_on_two_instances_pass_the_limit_by_nobody(
    window: Any,  # noqa: F811
    build: Build,
    connection: str,
    rooms: Services,
    printer: Printer,
    clock: Any,
) -> None:
    """I01: the count is in one row for all instances: of forty together, no more than the ten that are left."""
    device = printer.enrol()
    rooms.limits.count(Use.SCANS, device)
    fill(rooms, Use.SCANS, 10, "device")
    instances = [rooms, build(connection, clock)]
    with ThreadPoolExecutor(20) as pool:
        taken = sum(pool.map(lambda number: counted(instances[number % 2], Use.SCANS, device), range(40)))
    # Some may be asked to come back in a second; then the rest of the ten is taken, and not one more.
    taken += sum(counted(rooms, Use.SCANS, device) for _ in range(12))
    assert taken == 10


def test_a_burst_of_one_printer_is_not_refused(
    window: Any,  # noqa: F811
    build: Build,
    connection: str,
    rooms: Services,
    printer: Printer,
    clock: Any,
) -> None:
    """I01, E06: far below its limit, sixty requests at once, on two instances, all pass and are all counted."""
    device = printer.enrol()
    instances = [rooms, build(connection, clock)]
    with ThreadPoolExecutor(60) as pool:
        assert all(pool.map(lambda number: counted(instances[number % 2], Use.REQUESTS, device), range(60)))
    [row] = [row for row in rooms.storage.table("assertions").every() if row.partition.startswith("use|device|")]
    assert row["requests"] == 60


def test_who_waits_together_hears_his_own_answer() -> None:
    """I01: of a crowd, as many pass as there is room for, the others hear when; a failure is everybody's."""
    crowd, entered, go = Crowd(), Event(), Event()

    def first(many: int) -> tuple[int, int]:
        entered.set()
        assert go.wait(30)
        return many, 0

    asked: list[int] = []

    def rest(many: int) -> tuple[int, int]:
        asked.append(many)
        return 3, 17

    with ThreadPoolExecutor(8) as pool:
        leader = pool.submit(crowd.join, "row", first)
        assert entered.wait(30)
        others = [pool.submit(crowd.join, "row", rest) for _ in range(7)]
        while sum(party.size for party in crowd._gathering.values()) < 7:
            sleep(0.001)
        assert crowd.join("another row", lambda many: (many, 0)) is None
        go.set()
        assert leader.result() is None
        assert sorted(str(other.result()) for other in others) == ["17"] * 4 + ["None"] * 3
    assert asked == [7]
    with pytest.raises(StorageUnavailable):
        crowd.join("row", lambda _: raise_(StorageUnavailable()))
    assert crowd.join("row", lambda many: (many, 0)) is None
    assert not crowd._gathering
    assert not crowd._turns


def raise_(fault: Fault) -> tuple[int, int]:
    """Raise it, in an expression."""
    raise fault


def test_who_cannot_be_counted_for_the_crowd_does_not_pass_uncounted(rooms: Services, printer: Printer) -> None:
    """I01: where others are faster at every try, he is asked to come back in a second, and is not let by."""
    device = printer.enrol()
    rooms.limits.count(Use.SCANS, device)
    table = rooms.storage.table("assertions")
    [row] = [row for row in table.every() if row.partition.startswith("use|device|")]

    def somebody_is_faster() -> Any:
        table.change(row.partition, row.row, lambda now: {"scans": now["scans"] + 1})
        return rooms.clock()

    crowded = Limits(table, b"", somebody_is_faster, lambda _: 0)
    with pytest.raises(TooManyRequests) as refused:
        crowded.count(Use.SCANS, device)
    assert refused.value.retry_after == 1


def test_a_device_over_its_limit_slows_nobody_else(window: Any, rooms: Services, printer: Printer) -> None:  # noqa: F811
    """E06, I02: its neighbour and another person go on, and so do other things than the one it did too often."""
    device, neighbour = printer.enrol(), Printer(rooms).enrol()
    rooms.limits.count(Use.SCANS, device, "adele")
    fill(rooms, Use.SCANS, 0, "device")
    assert not counted(rooms, Use.SCANS, device, "ben")
    assert counted(rooms, Use.SIGN_INS, device, "ben")
    assert counted(rooms, Use.SCANS, neighbour, "adele")


def test_a_person_has_one_limit_at_all_printers_of_the_group(window: Any, rooms: Services) -> None:  # noqa: F811
    """E06: and is another person in another group or organisation, though his user id is the same."""
    first, second = Printer(rooms).enrol(), Printer(rooms).enrol()
    rooms.limits.count(Use.SCANS, first, "adele")
    fill(rooms, Use.SCANS, 1, "person")
    assert counted(rooms, Use.SCANS, second, "adele")
    assert not counted(rooms, Use.SCANS, first, "adele")
    assert counted(rooms, Use.SCANS, first, "ben")
    for other in (replace(first, group="warehouse"), replace(first, tid="22222222-2222-4222-8222-222222222222")):
        assert counted(rooms, Use.SCANS, other, "adele")


def test_an_organisation_has_a_limit_and_its_neighbour_another(window: Any, rooms: Services, printer: Printer) -> None:  # noqa: F811
    """I02: a flood out of one organisation, from ever new printers, ends there."""
    device = printer.enrol()
    fresh = [replace(device, id=f"{number:08d}-0000-4000-8000-000000000000") for number in range(3)]
    shares = iter(range(SHARES))
    limits = Limits(rooms.storage.table("assertions"), b"", rooms.clock, lambda _: next(shares))
    for _ in range(SHARES):
        limits.count(Use.SIGN_INS, device)
    fill(rooms, Use.SIGN_INS, 0, "organisation")
    assert [counted(rooms, Use.SIGN_INS, one) for one in fresh] == [False] * 3
    assert counted(rooms, Use.SIGN_INS, replace(device, tid="22222222-2222-4222-8222-222222222222"))


def test_a_person_is_not_named_in_a_counter(rooms: Services, printer: Printer) -> None:
    """I04: what a reader of the table finds is no user id; after two windows the row goes."""
    device = printer.enrol()
    rooms.limits.count(Use.SCANS, device, "canaryuser")
    rows = [row for row in rooms.storage.table("assertions").every() if row.row == "use"]
    assert len(rows) == 3
    assert "canaryuser" not in str(rows)
    assert all(row["expires"] - rooms.clock() <= 2 * WINDOW for row in rows)


def test_what_cannot_be_counted_passes(build: Build, printer: Printer, clock: Any) -> None:
    """E06: without storage these limits let pass: they guard no secret, and no scan is lost for a counter."""
    device = printer.enrol()
    build(NOWHERE, clock).limits.count(Use.SCANS, device, "adele")


def test_tokens_and_requests_are_counted(window: Any, rooms: Services, printer: Printer) -> None:  # noqa: F811
    """E06: a device that asks for token after token, or polls without end, hears 429 and is not shut out for good."""
    printer.enrol()
    token = printer.token()
    rooms.tokens.device(f"Bearer {token}")
    fill(rooms, Use.REQUESTS, 1, "device")
    rooms.tokens.device(f"Bearer {token}")
    with pytest.raises(TooManyRequests):
        rooms.tokens.device(f"Bearer {token}")
    fill(rooms, Use.TOKENS, 0, "device")
    with pytest.raises(TooManyRequests):
        printer.token()
    window.advance(minutes=5)
    assert rooms.tokens.device(f"Bearer {printer.token()}").id == printer.id


def test_a_waiting_device_is_counted_too(window: Any, rooms: Services, printer: Printer) -> None:  # noqa: F811
    """E06: who waits for approval may ask whether it came, and not without end."""
    printer.enrol(rooms.tickets.issue("11111111-1111-4111-8111-111111111111", "office", "", approval=True))
    heard = []
    token = printer.token()
    for _ in range(2):
        with pytest.raises(Fault) as refused:
            rooms.tokens.device(f"Bearer {token}")
        heard.append(refused.value.reason)
        fill(rooms, Use.REQUESTS, 0, "device")
    assert heard == ["device_pending", "too_many_requests"]


def test_copies_of_an_assertion_use_nothing_up(window: Any, rooms: Services, printer: Printer) -> None:  # noqa: F811
    """D06, E06: whoever replays what he overheard cannot bring the device to its limit."""
    printer.enrol()
    assertion = printer.assertion()
    rooms.tokens.give(request_of(assertion))
    fill(rooms, Use.TOKENS, 1, "device")
    for _ in range(3):
        with pytest.raises(TokenRefused):
            rooms.tokens.give(request_of(assertion))
    assert printer.token()


def test_an_administrator_revokes_a_device_that_hammers(rooms: Services, printer: Printer) -> None:
    """D10: its counters are not in its row: however it hammers, shutting it out is not contended."""
    printer.enrol()
    token = printer.token()

    def hammer(_: int) -> str:
        try:
            return rooms.tokens.device(f"Bearer {token}").status
        except Fault as fault:
            return fault.reason

    before = rooms.storage.table("devices").get(printer.id, "device")
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(hammer, range(64)))
    assert rooms.storage.table("devices").get(printer.id, "device") == before


def test_every_number_is_on_the_page() -> None:
    """docs/limits.md says what the code does: changing a limit changes the page, where it is seen."""
    page = PAGE.read_text("utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    told = {row.split("|")[1].strip().strip("`"): [cell.strip() for cell in row.split("|")[3:6]] for row in rows}
    for use, most in LIMITS.items():
        wanted = [f"{number:,}" if number else "" for number in (most.device, most.person, most.organisation)]
        assert told[use.value] == wanted
    assert told["codes"][:1] == [f"{WRONG_PER_NETWORK} from a network, {WRONG_IN_ALL} altogether"]
    for number in (MOST_PRINTERS, SHARES):
        assert f" {number} " in page
    assert timedelta(minutes=5) == WINDOW
    assert timedelta(hours=1) == LIFE
