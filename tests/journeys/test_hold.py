"""Hold and release as the person meets them: scan first, sign in later; and what an erasure finds of it."""

from typing import Any

import pytest

from shared.organisations import Policy
from tests.journeys.test_erasure import ADDRESS, BYTES, CONTOSO, FILE, NAME, TITLE, USER, document, settle, submit
from tests.leftovers import found


@pytest.fixture
def printer(world: Any) -> Any:
    """A printer of an organisation that has agreed; nobody has signed in."""
    world.cloud.change_account("contoso/adele", mail=ADDRESS)
    world.consent()
    return world.printer()


def sign_in(world: Any, printer: Any) -> None:
    """The person with the canaries signs in at the panel."""
    begun = printer.sign_ins.start({"user": {"id": USER, "email": ADDRESS, "name": NAME}})
    world.person().walk(begun.verification_uri_complete, "contoso/adele")
    printer.sign_ins.confirm(begun.id)


def left(world: Any, *more: str) -> dict[str, list[str]]:
    """Where storage still names the person or shows what he scanned."""
    return found(world.rooms.settings.data_storage, {ADDRESS, NAME, TITLE, FILE, USER, BYTES, *more})


def test_scan_first_and_sign_in_later(world: Any, printer: Any) -> None:
    """370 with a scan that is kept: shown with cause, remedy and who; his sign-in alone sends it."""
    first, second = submit(world, printer), submit(world, printer)
    assert (first.state, first.code, first.reason, first.who) == ("held", 370, "sign_in_required", "user")
    assert "sign in" in first.message
    assert [scan.state for scan in printer.history()[0]] == ["held", "held"]
    world.deliver()
    assert world.mailbox(ADDRESS) == []
    sign_in(world, printer)
    world.deliver()
    assert {printer.scan(scan.id).state for scan in (first, second)} == {"sent"}
    assert len(world.mailbox(ADDRESS)) == 2


def test_an_expired_sign_in_holds_and_the_next_one_sends(world: Any, printer: Any) -> None:
    """361: the scan waits for him, and is sent by the new sign-in without another press."""
    sign_in(world, printer)
    world.switchboard.add("token", "oauth", number=700082, account="contoso/adele", times=None)
    world.cloud.expire_access_tokens("contoso/adele")
    scan = submit(world, printer)
    world.deliver()
    held = printer.scan(scan.id)
    assert (held.state, held.code, held.reason) == ("held", 361, "sign_in_expired")
    world.switchboard.remove()
    sign_in(world, printer)
    world.deliver()
    assert printer.scan(scan.id).state == "sent"


def test_another_account_gets_nothing(world: Any, printer: Any) -> None:
    """B01: a sign-in that is refused as the wrong account lets nothing go."""
    scan = submit(world, printer)
    world.sign_in(printer, USER, ADDRESS, "contoso/ben")
    world.sign_in(printer, "ben", "ben.okoye@contoso.example")
    world.deliver()
    assert printer.scan(scan.id).state == "held"
    assert world.mailbox("ben.okoye@contoso.example") == world.mailbox(ADDRESS) == []


def test_where_nothing_is_held_it_is_refused(world: Any, printer: Any) -> None:
    """E16: with 0 hours a scan for somebody unknown is 370 before it is taken."""
    world.rooms.organisations.set_policy(CONTOSO, Policy(hold_hours=0))
    with pytest.raises(Exception, match="sign_in_required") as met:
        submit(world, printer)
    assert met.value.code == 370  # type: ignore[attr-defined]
    assert world.rows("jobs") == []


def test_an_erasure_finds_what_was_held_before_and_after_the_sign_in(world: Any, printer: Any) -> None:
    """I04: sent, held in vain, held again: of all of it no byte, name, user or object id is left."""
    oid = str(world.cloud.account("contoso/adele").oid)
    in_vain = submit(world, printer)
    world.clock.advance(hours=25)
    world.rooms.sweep.run()
    assert printer.scan(in_vain.id).reason == "hold_expired"
    before = submit(world, printer)
    sign_in(world, printer)
    world.deliver()
    world.switchboard.add("token", "oauth", number=700082, account="contoso/adele", times=None)
    world.cloud.expire_access_tokens("contoso/adele")
    world.clock.advance(hours=2)
    after = submit(world, printer)
    world.deliver()
    assert {printer.scan(scan.id).state for scan in (before, after)} == {"sent", "held"}
    assert {TITLE, FILE, USER, oid} <= set(left(world, oid))
    world.rooms.erasure.erase(CONTOSO, oid)
    assert left(world) == {}
    assert printer.scan(after.id).state == "cancelled"
    settle(world)
    assert left(world, oid) == {}


def test_an_erasure_finds_what_the_sign_in_had_no_time_for(world: Any, printer: Any) -> None:
    """I04, R19: a scan that was held for his printer's user and not let go yet is erased by his pin."""
    held = submit(world, printer)
    [entry] = [row for row in world.rows("jobs") if row["RowKey"].startswith("hold|")]
    sign_in(world, printer)
    table = world.rooms.storage.table("jobs")
    # As it was before the sign-in looked at it.
    device = printer.enrolment.device_id
    table.change(device, f"job|{held.id}", lambda _: {"oid": "", "state": "held"})
    table.put("lists", entry["RowKey"], {name: entry[name] for name in ("parts", "since", "made")})
    assert BYTES.decode() in document().decode()
    erased = world.rooms.erasure.erase(CONTOSO, str(world.cloud.account("contoso/adele").oid))
    assert erased.cancelled == 1
    assert left(world) == {}
    assert printer.scan(held.id).state == "cancelled"
