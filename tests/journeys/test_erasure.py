"""I04: after an erasure nothing that names the person is left anywhere in storage, and nothing brings it back."""

import io
import json
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from time import sleep
from typing import Any

import pytest

from functions.people_command import run
from shared import faults
from shared.scans import Job, Manifest
from shared.scans.jobs import due_row
from tests.journeys.test_me import end, open_page
from tests.leftovers import found
from to_my_email import Error

CONTOSO = "11111111-1111-4111-8111-111111111111"
FABRIKAM = "22222222-2222-4222-8222-222222222222"
ADDRESS = "canaryaddress@contoso.example"
HINT = "c•••@contoso.example"
NAME, TITLE, FILE, USER = "Canaryname", "Canarytitle", "canaryfile", "canaryuser"
BYTES = b"canary bytes of the document itself"
IN_PLAIN = {HINT, TITLE, FILE, USER, str(BYTES)}
"""What lies readable in storage while the person uses the service: so the search can find something."""


def by_himself(world: Any, oid: str) -> None:
    """The person ends it on his own page."""
    assert "deleted" in end(open_page(world)).text


def by_command(world: Any, oid: str) -> None:
    """The operator removes one person."""
    out = io.StringIO()
    assert run(["remove", "--tenant", CONTOSO, "--oid", oid], world.rooms, out) == 0
    assert out.getvalue() == "removed: 1 printer users unpinned, 1 scans cancelled\n"


def whole_tenant(world: Any, oid: str) -> None:
    """The operator removes everybody of the tenant."""
    out = io.StringIO()
    assert run(["remove", "--tenant", CONTOSO.upper(), "--all"], world.rooms, out) == 0
    assert out.getvalue() == "2 people removed\n"


def canaries(world: Any) -> set[str | bytes]:
    """What names the person or shows what he scanned, and what opens his mailbox; without his object id."""
    state = world.cloud.state
    tokens = {*state.access_tokens, *state.refresh_tokens, *state.codes}
    pieces = {token[start : start + 24] for token in tokens for start in (0, 40, len(token) - 24)}
    return {ADDRESS, ADDRESS.partition("@")[0], HINT, NAME, TITLE, FILE, USER, BYTES, *pieces}


def hits(world: Any, *more: str) -> dict[str, list[str]]:
    """Where in storage the canaries are."""
    return found(world.rooms.settings.data_storage, canaries(world) | set(more))


def document() -> bytes:
    """A document that says what it is."""
    return b"%PDF-1.7 " + secrets.token_hex(8).encode() + BYTES + b"%%EOF"


def submit(world: Any, printer: Any, user: str = USER, title: str = TITLE) -> Any:
    """Hand over a scan that is full of canaries."""
    body = document()
    manifest = world.manifest(body, user, title=title)
    manifest["document"]["name"] = f"{FILE}.pdf"
    return printer.submit(manifest, body)


@pytest.fixture
def printer(world: Any) -> Any:
    """A printer that two people use: the one with the canaries, and Ben."""
    world.cloud.change_account("contoso/adele", mail=ADDRESS)
    world.consent()
    printer = world.printer()
    world.sign_in(printer, "ben", "ben.okoye@contoso.example")
    begun = printer.sign_ins.start({"user": {"id": USER, "email": ADDRESS, "name": NAME}})
    world.person().walk(begun.verification_uri_complete, "contoso/adele")
    printer.sign_ins.confirm(begun.id)
    return printer


def printer_id(printer: Any) -> str:
    """The printer's id at the service."""
    return printer.enrolment.device_id


@pytest.fixture
def oid(world: Any) -> str:
    """Who is erased."""
    return str(world.cloud.account("contoso/adele").oid)


def settle(world: Any) -> None:
    """A quarter of an hour later the timer comes by."""
    world.clock.advance(minutes=16)
    world.rooms.erasure.settle()


@pytest.mark.parametrize("erase", [by_himself, by_command, whole_tenant])
def test_not_a_byte_is_left(world: Any, printer: Any, oid: str, erase: Callable[[Any, str], None]) -> None:
    """I04: what was found in plain is nowhere afterwards, and a quarter of an hour later not even the object id is."""
    sent = submit(world, printer)
    world.deliver()
    world.switchboard.add("sendMail", "throttled", retry_after="30")
    waiting = submit(world, printer)
    world.deliver()
    world.switchboard.remove()
    assert (printer.scan(sent.id).state, printer.scan(waiting.id).state) == ("sent", "waiting")
    assert set(hits(world, oid)) == IN_PLAIN | {oid}
    erase(world, oid)
    assert hits(world) == {}
    assert (printer.scan(sent.id).state, printer.scan(waiting.id).state) == ("sent", "cancelled")
    assert {job.id for job in printer.history()[0]} == {sent.id, waiting.id}
    world.clock.advance(minutes=5)
    world.deliver()
    assert len(world.mailbox(ADDRESS)) == 1
    settle(world)
    assert hits(world, oid) == {}
    assert printer.user(USER).status == "sign_in_required"


def test_everybody_else_keeps_what_is_his(world: Any, printer: Any, oid: str) -> None:
    """I05: every row of another person's, sealed columns included, is the same to the byte, and he scans on."""
    submit(world, printer)
    submit(world, printer, "ben", "Of Ben")
    ben = world.cloud.account("contoso/ben").oid

    def his() -> list[str]:
        rows = [row for table in ("grants", "people", "traces", "renewals", "jobs") for row in world.rows(table)]
        return sorted(repr(sorted(row.items())) for row in rows if ben in repr(row))

    before = his()
    assert len(before) > 5
    by_himself(world, oid)
    settle(world)
    assert his() == before
    world.deliver()
    assert [message["subject"] for message in world.mailbox("ben.okoye@contoso.example")] == ["Of Ben"]


def test_a_command_reaches_no_other_tenant(world: Any, printer: Any, oid: str) -> None:
    """A02: a command for one tenant finds nothing in another, whatever object id it names, and takes no half ids."""
    out = io.StringIO()
    assert run(["remove", "--tenant", FABRIKAM, "--oid", oid], world.rooms, out) == 0
    assert run(["remove", "--tenant", FABRIKAM, "--all"], world.rooms, out) == 0
    assert run(["list", "--tenant", FABRIKAM], world.rooms, out) == 0
    assert oid not in out.getvalue()
    for line in (["remove", "--tenant", CONTOSO], ["remove", "--oid", oid], ["remove", "--tenant", "contoso", "--all"]):
        assert run(line, world.rooms, out) == 2
    assert run(["remove", "--tenant", CONTOSO, "--oid", ADDRESS], world.rooms, out) == 2
    assert printer.user(USER).status == "ready"


def test_the_list_says_who_and_since_when(world: Any, printer: Any, oid: str) -> None:
    """One line for everybody of the tenant: object id, days, state, the account masked; no token and no address."""
    out = io.StringIO()
    assert run(["list", "--tenant", CONTOSO], world.rooms, out) == 0
    [_, *lines] = out.getvalue().splitlines()
    [line] = [line for line in lines if oid in line]
    assert len(lines) == 2
    assert line.split() == [oid, *[f"{world.clock():%Y-%m-%d}"] * 2, "-", "active", HINT]
    assert ADDRESS not in out.getvalue()


def test_who_consented_is_forgotten_and_the_consent_stays(world: Any, printer: Any) -> None:
    """The administrator's address leaves the organisation's row; the organisation works on, and claims nothing new."""
    admin = world.cloud.account("contoso/admin")
    connection = world.rooms.settings.data_storage
    assert admin.upn in found(connection, [admin.upn])
    world.rooms.erasure.erase(CONTOSO, admin.oid)
    assert found(connection, [admin.upn]) == {}
    settle(world)
    assert found(connection, [admin.upn, admin.oid]) == {}
    world.sign_in(printer, "ben", "ben.okoye@contoso.example")
    assert printer.user("ben").status == "ready"


# ---------------------------------------------------------------- what is under way


def test_a_first_login_that_waits_for_its_ok_is_over(world: Any, printer: Any, oid: str) -> None:
    """R19: the person is erased between his sign-in and the panel's OK; the OK finds nothing, and stores nothing."""
    begun = printer.sign_ins.start({"user": {"id": USER, "email": ADDRESS, "name": NAME}})
    world.person().walk(begun.verification_uri_complete, "contoso/adele")
    by_himself(world, oid)
    with pytest.raises(Error) as refused:
        printer.sign_ins.confirm(begun.id)
    assert refused.value.status == 404
    assert printer.user(USER).status == "sign_in_required"
    settle(world)
    assert hits(world, oid) == {}


def test_an_ok_that_is_being_carried_out_brings_nothing_back(world: Any, printer: Any, oid: str) -> None:
    """R19: the OK has been read when the erasure comes: its tokens are refused, and what it wrote goes soon after."""
    begun = printer.sign_ins.start({"user": {"id": USER, "email": ADDRESS, "name": NAME}})
    world.person().walk(begun.verification_uri_complete, "contoso/adele")
    confirmed = world.rooms.handoffs.get(begun.id)
    world.rooms.erasure.erase(CONTOSO, oid)
    with pytest.raises(faults.SignInRequired):
        world.rooms.first_logins._activate(confirmed)
    assert world.rooms.grants.get(CONTOSO, oid) is None
    assert USER in hits(world)
    settle(world)
    assert hits(world, oid) == {}


def test_a_browser_that_comes_back_late_does_not_go_on(world: Any, printer: Any, oid: str) -> None:
    """R19: the handoff is erased while the browser's answer is being looked at: it is over, and no row comes back."""
    begun = printer.sign_ins.start({"user": {"id": USER, "email": ADDRESS, "name": NAME}})
    world.rooms.handoffs.forget(begun.id)
    with pytest.raises(faults.SignInTimedOut):
        world.rooms.handoffs.browser_done(begun.id, account_hint=HINT)
    assert begun.id not in {row["PartitionKey"] for row in world.rows("handoffs")}


def wait_for(world: Any, operation: str, count: int) -> None:
    """Wait until Microsoft was asked so often."""
    for _ in range(400):
        if world.switchboard.count(operation) >= count:
            return
        sleep(0.01)
    raise AssertionError(operation)


def test_a_delivery_that_waits_for_a_token_sends_nothing(world: Any, printer: Any, oid: str) -> None:
    """R19: the erasure comes while tokens are being refreshed: they are dropped, nothing is sent, nothing is left."""
    world.cloud.expire_access_tokens("contoso/adele")
    world.clock.advance(hours=2)
    accepted = submit(world, printer)
    asked = world.switchboard.count("token")
    world.switchboard.add("token", "slow_after_applying", seconds=1.0)
    with ThreadPoolExecutor(1) as pool:
        delivering = pool.submit(world.deliver)
        wait_for(world, "token", asked + 1)
        world.rooms.erasure.erase(CONTOSO, oid)
        delivering.result(30)
    assert printer.scan(accepted.id).state == "cancelled"
    assert world.mailbox(ADDRESS) == []
    assert hits(world) == {}
    settle(world)
    assert hits(world, oid) == {}


def test_what_is_already_at_microsoft_is_recorded_without_a_name(world: Any, printer: Any, oid: str) -> None:
    """What cannot be called back arrives; the row says how it ended, and nothing of whom or what."""
    accepted = submit(world, printer)
    world.switchboard.add("sendMail", "slow_after_applying", seconds=1.0)
    with ThreadPoolExecutor(1) as pool:
        delivering = pool.submit(world.deliver)
        wait_for(world, "sendMail", 1)
        world.rooms.erasure.erase(CONTOSO, oid)
        assert printer.scan(accepted.id).state == "uncertain"
        delivering.result(30)
    assert printer.scan(accepted.id).state == "sent"
    assert hits(world) == {}
    settle(world)
    assert hits(world, oid) == {}


def test_a_scan_that_is_being_accepted_is_not_sent(world: Any, printer: Any, oid: str) -> None:
    """I04: the erasure comes between the look at the sign-in and the first write: nothing is sent, all of it goes."""
    rooms = world.rooms
    began = rooms.clock()
    rooms.erasure.erase(CONTOSO, oid)
    body = document()
    told = world.manifest(body, USER, title=TITLE)
    of = {**told["document"], "name": f"{FILE}.pdf"}
    manifest = Manifest(told["id"], "to_my_email", USER, TITLE, "en", **of)
    device = rooms.devices.get(printer_id(printer))
    job = Job(device.id, manifest, CONTOSO, oid, "accepted", None, 0, began, began, None, "a-blob", "", device.name, "")
    job = replace(job, due=due_row(device.id, manifest.id, began))
    rooms.announcements.make(job)
    job = replace(job, etag=rooms.storage.blobs("documents").put("a-blob", io.BytesIO(body), len(body)))
    rooms.jobs.insert(job)
    rooms.storage.queue("deliveries").send(f"{device.id}/{manifest.id}")
    assert TITLE in hits(world)
    world.deliver()
    assert printer.scan(manifest.id).state == "failed"
    assert world.mailbox(ADDRESS) == []
    settle(world)
    assert hits(world, oid) == {}


def test_a_document_without_a_job_is_found_too(world: Any, printer: Any, oid: str) -> None:
    """R03: the service died after it had stored a document and before it wrote the job: erasure finds the document."""
    rooms, body = world.rooms, document()
    told = world.manifest(body, USER, title=TITLE)
    manifest = Manifest(told["id"], "to_my_email", USER, TITLE, "en", **{**told["document"], "name": FILE})
    began = rooms.clock()
    job = Job(
        printer_id(printer), manifest, CONTOSO, oid, "accepted", None, 0, began, began, None, "a-blob", "", "", ""
    )
    job = replace(job, due=due_row(job.device_id, manifest.id, began))
    rooms.announcements.make(job)
    rooms.storage.blobs("documents").put("a-blob", io.BytesIO(body), len(body))
    assert str(BYTES) in hits(world)
    rooms.erasure.erase(CONTOSO, oid)
    assert hits(world) == {}
    settle(world)
    assert hits(world, oid) == {}


def test_the_search_would_find_what_is_left(world: Any) -> None:
    """The tests above can fail: the search reads tables (text and bytes), queues and blobs, whatever the case."""
    storage, connection = world.rooms.storage, world.rooms.settings.data_storage
    marks = [secrets.token_hex(8) for _ in range(4)]
    storage.table("grants").insert("p", "r", {"text": f"x{marks[0].upper()}", "raw": b"\x00" + marks[1].encode()})
    storage.queue("deliveries").send(json.dumps({"x": marks[2]}))
    storage.blobs("documents").put("blob", marks[3].encode(), 16)
    assert set(found(connection, marks)) == set(marks)
