"""Codes, approval, lists of serial numbers, and printers that come back after a reset."""

import io
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.devices_command import run
from shared import faults
from shared.devices import Device, WordsDiffer
from shared.expiry import expire
from shared.services import Services
from shared.storage import Storage
from tests.devices.conftest import Build
from tests.devices.printer import CONTOSO, Printer

FABRIKAM = "22222222-2222-4222-8222-222222222222"
HOME = "203.0.113.7"


@pytest.fixture
def window(clock: Any) -> Any:
    """The clock at the beginning of a window for guesses, so that none ends within a test."""
    clock.advance(seconds=300 - clock().timestamp() % 300)
    return clock


def wrong(code: str) -> str:
    """A code that is none."""
    return "".join("B" if letter != "B" else "C" for letter in code if letter != "-")


def reason(printer: Printer, ticket: str, **changes: Any) -> str:
    """Enrol, and return the reason of the refusal, or the device's status."""
    try:
        return printer.enrol(ticket, **changes).status
    except faults.Fault as fault:
        return fault.reason


def command(rooms: Services, *line: str, tenant: str = CONTOSO) -> tuple[int, list[str]]:
    """Carry out a command line; its exit status and what it says."""
    out = io.StringIO()
    return run([*line, "--tenant", tenant], rooms, out), out.getvalue().splitlines()


# ------------------------------------------------------------- the code


def test_whoever_types_a_code_waits_for_approval(rooms: Services, printer: Printer) -> None:
    """D01: a typed code gives a pending device, which gets a token and is let in nowhere with it."""
    code = rooms.tickets.issue_code(CONTOSO, "office", "2nd floor")
    assert printer.enrol(code.lower().replace("-", " ")).status == "pending"
    with pytest.raises(faults.DevicePending):
        rooms.tokens.device(f"Bearer {printer.token()}")


def test_a_lost_answer_costs_no_second_code(rooms: Services, printer: Printer) -> None:
    """D02: the same printer with the same code is the same device; another one finds the code used up."""
    code = rooms.tickets.issue_code(CONTOSO, "office", "")
    assert printer.enrol(code) == printer.enrol(code)
    assert reason(Printer(rooms), code) == "ticket_invalid"


def test_a_code_lasts_an_hour_and_rests_for_a_day(rooms: Services, printer: Printer, clock: Any) -> None:
    """D01, B07: after an hour it is worth nothing; its row stays, so that chance does not give it out again."""
    code = rooms.tickets.issue_code(CONTOSO, "office", "")
    clock.advance(minutes=61)
    expire(rooms.storage, clock())
    assert reason(printer, code) == "ticket_invalid"
    assert [row for row in rooms.storage.table("tickets").every() if row.row == "ticket"]
    clock.advance(hours=25)
    expire(rooms.storage, clock())
    assert not [row for row in rooms.storage.table("tickets").every() if row.row == "ticket"]


def test_a_code_is_stored_nowhere(rooms: Services, printer: Printer) -> None:
    """G12: neither as it is shown nor as it is read."""
    code = rooms.tickets.issue_code(CONTOSO, "office", "")
    printer.enrol(code)
    stored = str([row for table in ("tickets", "devices") for row in rooms.storage.table(table).every()])
    assert code not in stored
    assert code.replace("-", "") not in stored


def test_codes_guessed_at_full_speed(window: Any, build: Build, connection: str, rooms: Services, clock: Any) -> None:
    """D01, I01: over two instances, from a network, at most twenty guesses are looked at, then not even the right one.

    A printer elsewhere is not slowed.
    """
    code = rooms.tickets.issue_code(CONTOSO, "office", "", count=9)
    instances = [rooms, build(connection, clock)]

    def guess(number: int) -> str:
        printer = Printer(instances[number % 2])
        return reason(printer, wrong(code), address=f"203.0.113.{number}:{50000 + number}")

    with ThreadPoolExecutor(16) as pool:
        heard = list(pool.map(guess, range(64)))
    assert heard.count("ticket_invalid") <= 20
    assert set(heard) <= {"ticket_invalid", "too_many_requests", "storage_unavailable"}
    while reason(Printer(rooms), wrong(code)) == "ticket_invalid":
        pass
    assert reason(Printer(rooms), code) == "too_many_requests"
    assert reason(Printer(rooms), code, address="[2001:db8::7]:50123") == "pending"


def test_all_guesses_together_are_limited(window: Any, rooms: Services) -> None:
    """D01: five hundred wrong codes in five minutes, from wherever, close the door for codes; tickets still open it."""
    code = rooms.tickets.issue_code(CONTOSO, "office", "", count=9)
    assert reason(Printer(rooms), wrong(code)) == "ticket_invalid"
    table = rooms.storage.table("tickets")
    [everybody] = [row for row in table.every() if row.partition.endswith("|all")]
    table.replace(everybody, {**everybody.values, "wrong": 499})
    heard = [reason(Printer(rooms), wrong(code), address=f"10.0.{number}.1") for number in range(3)]
    assert heard == ["ticket_invalid", "too_many_requests", "too_many_requests"]
    assert reason(Printer(rooms), code) == "too_many_requests"
    assert reason(Printer(rooms), rooms.tickets.issue(CONTOSO, "office", "")) == "active"


def test_codes_that_cannot_be_counted_are_not_looked_at(build: Build, rooms: Services, clock: Any) -> None:
    """D01: without storage nobody enrols: guessing fails closed."""
    nowhere = "DefaultEndpointsProtocol=http;AccountName=x;AccountKey=eA==;TableEndpoint=http://127.0.0.1:9/x;"
    code = rooms.tickets.issue_code(CONTOSO, "office", "")
    assert reason(Printer(build(nowhere, clock)), code) == "storage_unavailable"


def test_right_codes_are_not_guesses(window: Any, rooms: Services) -> None:
    """D01: an office behind one address enrols as many printers as its code is for."""
    code = rooms.tickets.issue_code(CONTOSO, "office", "", count=25)
    assert {reason(Printer(rooms), code) for _ in range(25)} == {"pending"}


# ------------------------------------------------------------- approval


@pytest.fixture
def pending(rooms: Services, printer: Printer) -> Device:
    """A printer that was enrolled by a pasted ticket which was issued as needing approval."""
    return printer.enrol(rooms.tickets.issue(CONTOSO, "office", "", approval=True))


def test_approved_by_its_words_it_comes_in(rooms: Services, printer: Printer, pending: Device) -> None:
    """D04: the words are those that the panel shows; with the token it has, it is let in. Twice is fine."""
    token = printer.token()
    with pytest.raises(faults.DevicePending):
        rooms.tokens.device(f"Bearer {token}")
    for _ in range(2):
        assert rooms.devices.approve(CONTOSO, pending.id, f" {pending.words.upper()} ").status == "active"
    assert rooms.tokens.device(f"Bearer {token}").status == "active"


def test_with_a_swapped_keys_words_it_stays_out(rooms: Services, pending: Device) -> None:
    """D04: whoever put his own key on the way shows other words; so do three words, and none."""
    for spoken in (Printer(rooms).enrol().words, pending.words.rpartition(" ")[0], "", pending.words + " babab"):
        with pytest.raises(WordsDiffer):
            rooms.devices.approve(CONTOSO, pending.id, spoken)
    assert rooms.devices.owned(CONTOSO, pending.id).status == "pending"


def test_another_organisation_approves_and_revokes_nothing(rooms: Services, pending: Device) -> None:
    """D03: it hears what it hears of a device that does not exist, and nothing changes."""
    for tid, device_id in ((FABRIKAM, pending.id), (CONTOSO, "00000000-0000-4000-8000-000000000001")):
        with pytest.raises(faults.NotFound):
            rooms.devices.approve(tid, device_id, pending.words)
        with pytest.raises(faults.NotFound):
            rooms.devices.revoke(tid, device_id)
    assert rooms.devices.get(pending.id) == pending
    assert list(rooms.devices.of(FABRIKAM)) == []


def test_a_revoked_device_is_not_approved(rooms: Services, pending: Device) -> None:
    """D10: shut out is shut out; it needs a new ticket."""
    rooms.devices.revoke(CONTOSO, pending.id)
    with pytest.raises(faults.WrongState):
        rooms.devices.approve(CONTOSO, pending.id, pending.words)


# ------------------------------------------------------------- after a reset


def test_after_a_reset_it_is_a_new_device_and_the_old_one_stays(rooms: Services) -> None:
    """D15: the same serial number with a new key is another device; the old one goes when somebody says so."""
    old, new = Printer(rooms).enrol(), Printer(rooms).enrol()
    assert old.serial == new.serial
    assert old.id != new.id
    assert [device.status for device in (rooms.devices.owned(CONTOSO, one.id) for one in (old, new))] == ["active"] * 2


def test_a_ticket_that_replaces_revokes_the_old_one(rooms: Services) -> None:
    """D15: of this serial number, group and organisation, and nobody else; its row, and so its history, stays."""
    old = Printer(rooms).enrol(serial="S7")
    kept = [
        Printer(rooms).enrol(serial="S8"),
        Printer(rooms).enrol(rooms.tickets.issue(CONTOSO, "warehouse", ""), serial="S7"),
        Printer(rooms).enrol(rooms.tickets.issue(FABRIKAM, "office", ""), serial="S7"),
    ]
    ticket = rooms.tickets.issue(CONTOSO, "office", "", replaces=True)
    successor = Printer(rooms)
    new = successor.enrol(ticket, serial=" s7")
    assert rooms.devices.owned(CONTOSO, old.id).status == "revoked"
    assert [rooms.devices.get(device.id) for device in kept] == kept
    # What enrolled after it is not revoked by its asking again.
    third = Printer(rooms).enrol(serial="S7")
    assert successor.enrol(ticket, serial="S7").id == new.id
    assert rooms.devices.get(third.id) == third


def test_a_pending_successor_replaces_when_it_is_approved(rooms: Services) -> None:
    """D15: who only knows a code and a serial number shuts nobody out."""
    old = Printer(rooms).enrol(serial="S7")
    new = Printer(rooms).enrol(rooms.tickets.issue_code(CONTOSO, "office", "", replaces=True), serial="S7")
    assert rooms.devices.get(old.id) == old
    rooms.devices.approve(CONTOSO, new.id, new.words)
    assert rooms.devices.owned(CONTOSO, old.id).status == "revoked"


def test_printers_without_a_serial_number_replace_nobody(rooms: Services) -> None:
    """D15: no number is not the same number."""
    old = Printer(rooms).enrol(serial="")
    Printer(rooms).enrol(rooms.tickets.issue(CONTOSO, "office", "", replaces=True), serial="")
    assert rooms.devices.get(old.id) == old


# ------------------------------------------------------------- serial numbers


def test_a_list_lets_in_whom_it_names(rooms: Services) -> None:
    """Only listed serial numbers enrol where the organisation says so; case and blanks at the ends do not matter."""
    rooms.serials.allow(CONTOSO, "ABC-1")
    ticket = rooms.tickets.issue(CONTOSO, "office", "", count=5)
    assert reason(Printer(rooms), ticket, serial="X") == "active", "a list that is not enforced refuses nobody"
    rooms.serials.enforce(CONTOSO, enforced=True)
    assert reason(Printer(rooms), ticket, serial=" abc-1 ") == "active"
    assert reason(Printer(rooms), ticket, serial="ABC-2") == "ticket_invalid"
    assert reason(Printer(rooms), ticket, serial="") == "ticket_invalid"
    assert reason(Printer(rooms), rooms.tickets.issue(FABRIKAM, "office", ""), serial="ABC-2") == "active"
    rooms.serials.disallow(CONTOSO, "ABC-1")
    assert reason(Printer(rooms), ticket, serial="ABC-1") == "ticket_invalid", "an empty list is no open door"


def test_who_is_refused_learns_nothing_and_the_administrator_all(rooms: Services, clock: Any) -> None:
    """The device gets the ticket's one answer and uses nothing up; the administrator sees it once, for a week."""
    rooms.serials.enforce(CONTOSO, enforced=True)
    ticket = rooms.tickets.issue(CONTOSO, "office", "2nd floor")
    heard = []
    for wanted in (ticket, ticket, "nonsense"):
        with pytest.raises(faults.TicketInvalid) as refused:
            Printer(rooms).enrol(wanted, serial="ABC-2")
        heard.append((type(refused.value), refused.value.params, refused.value.retry_after))
    assert len(set(map(str, heard))) == 1
    [refusal] = rooms.serials.refusals(CONTOSO)
    assert (refusal.reason, refusal.serial, refusal.location) == ("serial_not_allowed", "ABC-2", "2nd floor")
    assert rooms.serials.refusals(FABRIKAM) == []
    rooms.serials.allow(CONTOSO, "ABC-2")
    assert reason(Printer(rooms), ticket, serial="ABC-2") == "active"
    clock.advance(days=8)
    expire(rooms.storage, clock())
    assert rooms.serials.refusals(CONTOSO) == []


@given(serial=st.text(st.characters(codec="utf-8"), max_size=200))
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_serial_number_is_only_a_serial_number(settled: Services, serial: str) -> None:
    """E03: slashes, quotes, control characters and two hundred emoji enrol, and reach no other row."""
    device = Printer(settled).enrol(settled.tickets.issue(CONTOSO, "office", "", replaces=True), serial=serial)
    assert settled.devices.get(device.id) == device


@pytest.mark.parametrize("group", ["", "x" * 400])
def test_a_group_has_a_name_that_fits(settled: Services, group: str) -> None:
    """A name that no key could be made of later is refused when the ticket is made."""
    with pytest.raises(ValueError, match=r"name|key"):
        settled.tickets.issue(CONTOSO, group, "")


# ------------------------------------------------------------- the command


def test_an_administrator_enrols_approves_and_revokes_by_command(rooms: Services, storage: Storage) -> None:
    """From the code to the revocation by command lines alone."""
    status, [code] = command(rooms, "code", "--group", "office", "--location", "2nd floor")
    device = Printer(rooms).enrol(code)
    assert status == 0
    _, listed = command(rooms, "list")
    assert f"{device.id}  pending" in listed[1]
    assert device.words in listed[1]
    assert command(rooms, "approve", "--device", device.id, "--words", "babab babab babab babab")[0] == 1
    assert command(rooms, "approve", "--device", device.id, "--words", device.words, tenant=FABRIKAM)[0] == 1
    assert command(rooms, "approve", "--device", device.id, "--words", device.words)[0] == 0
    assert "active" in command(rooms, "list")[1][1]
    assert command(rooms, "list", tenant=FABRIKAM)[1][1:] == []
    assert command(rooms, "revoke", "--device", device.id)[0] == 0
    assert "revoked" in command(rooms, "list")[1][1]


def test_lists_and_rules_are_set_by_command(rooms: Services) -> None:
    """The list of serial numbers, whom it refused, and that a group must bind its tokens."""
    assert command(rooms, "allow", "A1", "B2", "--only-listed", "on")[1] == ["only these may enrol:", "A1", "B2"]
    assert command(rooms, "allow", "B2", "--remove")[1] == ["only these may enrol:", "A1"]
    _, [ticket] = command(rooms, "ticket", "--group", "office", "--count", "2", "--approval", "--replace")
    assert reason(Printer(rooms), ticket, serial="B2") == "ticket_invalid"
    assert reason(Printer(rooms), ticket, serial="A1") == "pending"
    assert "serial_not_allowed  office, , Printer 2F, Virtual, B2" in command(rooms, "list")[1][-1]
    assert command(rooms, "allow", "--only-listed", "off")[1][0] == "any may enrol; on the list:"
    assert command(rooms, "group", "--group", "office", "--dpop", "required")[0] == 0
    assert rooms.groups.rules(CONTOSO, "office").require_dpop
    assert not rooms.groups.rules(FABRIKAM, "office").require_dpop
    assert command(rooms, "group", "--group", "office", "--dpop", "optional")[0] == 0
    assert not rooms.groups.rules(CONTOSO, "office").require_dpop


@pytest.mark.parametrize(
    "line",
    [
        ["ticket"],
        ["ticket", "--group", "office", "--count", "0"],
        ["ticket", "--group", ""],
        ["revoke", "--device", "x"],
        ["approve", "--device", "00000000-0000-4000-8000-000000000001"],
        ["allow", " "],
        ["nothing"],
    ],
)
def test_a_wrong_line_does_nothing(settled: Services, line: list[str]) -> None:
    """It ends with 2."""
    assert command(settled, *line) == (2, [])


def test_what_a_printer_says_of_itself_steers_no_terminal(rooms: Services) -> None:
    """H03: escape sequences, line breaks and marks that turn the line around are shown as question marks."""
    Printer(rooms).enrol(name="\x1b[2J\u202efake\nline", model="\u2066M", serial="\r\u0085S")
    listed = command(rooms, "list")[1]
    assert len(listed) == 2
    assert listed[1].endswith("?[2J?fake?line, ?M, ??S")
