"""360, 361 and 370 as the printer sees them: in the scan, in the history, and before the next scan."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import requests

from shared import faults
from shared.organisations import Policy
from shared.texts import describe

CONTOSO = "11111111-1111-4111-8111-111111111111"
POLLS = 60


def ready(world: Any) -> Any:
    """A printer where Adele has signed in."""
    world.consent()
    printer = world.printer()
    world.sign_in(printer)
    return printer


def nothing_held(world: Any) -> None:
    """The organisation wants no scan held until somebody signs in."""
    world.rooms.organisations.set_policy(CONTOSO, Policy(hold_hours=0))


def scanned(world: Any, printer: Any, user: str = "adele") -> Any:
    """A scan that was handed over and brought to the queue door once; as it stands then."""
    document = world.pdf()
    scan = printer.submit(world.manifest(document, user), document)
    assert scan.state == "accepted"
    assert world.deliver() == 1
    return printer.scan(scan.id)


def shown(printer: Any, scan: Any, leaf: type[faults.Fault], language: str = "en") -> None:
    """Assert that scan and history both say what the fault says, in the printer's language."""
    printer.language = language
    said = describe(leaf, language)
    for seen in (printer.scan(scan.id), printer.history()[0][0]):
        assert seen.id == scan.id
        assert (seen.code, seen.reason, seen.who) == (leaf.code, leaf.reason, leaf.who)
        assert seen.message == f"{said.title}. {said.detail} {said.remedy}"
    printer.language = "en"


def test_what_is_unreachable_waits_and_arrives(world: Any) -> None:
    """R26, R40: while Microsoft cannot be reached the scan waits with 360 and a time; then it arrives, once."""
    printer = ready(world)
    world.switchboard.add("me", "reset")
    scan = scanned(world, printer)
    assert (scan.state, scan.code, scan.attempts) == ("waiting", 360, 1)
    assert scan.next_attempt_at is not None
    shown(printer, scan, faults.NoConnection, "de")
    assert printer.user("adele").status == "ready"
    world.clock.advance(minutes=5)
    world.rooms.sweep.run()
    world.deliver()
    assert printer.scan(scan.id).state == "sent"
    assert printer.scan(scan.id).code is None
    assert len(world.mailbox()) == 1


def test_throttled_past_the_deadline_is_360_for_good(world: Any) -> None:
    """R40: Microsoft says wait, until the day is over: failed, and the person is told to scan again."""
    printer = ready(world)
    world.switchboard.add("sendMail", "throttled", times=None, retry_after="20000")
    scan = scanned(world, printer)
    assert (scan.state, scan.code, scan.reason) == ("waiting", 360, "throttled")
    for _ in range(8):
        world.clock.advance(hours=7)
        world.rooms.sweep.run()
        world.deliver()
    assert printer.scan(scan.id).state == "failed"
    shown(printer, scan, faults.NotDeliveredInTime)
    assert world.mailbox() == []


@pytest.mark.parametrize("kind", ["reset_after_applying", "gateway_timeout_after_applying", "ok_without_applying"])
def test_an_open_outcome_is_360_and_is_not_repeated(world: Any, kind: str) -> None:
    """R43: perhaps sent: said so, to the person, and nothing sends it a second time."""
    printer = ready(world)
    world.switchboard.add("sendMail", kind)
    scan = scanned(world, printer)
    assert (scan.state, scan.code) == ("uncertain", 360)
    shown(printer, scan, faults.OutcomeUnknown, "de")
    world.clock.advance(hours=1)
    world.rooms.sweep.run()
    assert world.deliver() == 0
    assert len(world.mailbox()) == (0 if kind == "ok_without_applying" else 1)


def test_an_expired_sign_in_is_361_and_a_new_one_mends_it(world: Any) -> None:
    """700082: the token slept for 90 days: 361 in the scan and for the user, before the next scan is made."""
    printer = ready(world)
    nothing_held(world)
    world.switchboard.add("token", "oauth", number=700082, account="contoso/adele", times=None)
    world.cloud.expire_access_tokens("contoso/adele")
    scan = scanned(world, printer)
    assert (scan.state, scan.code) == ("failed", 361)
    shown(printer, scan, faults.SignInExpired, "de")
    user = printer.user("adele")
    assert (user.status, user.code, user.reason, user.who) == ("sign_in_required", 361, "sign_in_expired", "user")
    document = world.pdf()
    with pytest.raises(Exception, match="sign_in_expired"):
        printer.submit(world.manifest(document), document)
    world.switchboard.remove()
    world.sign_in(printer)
    assert scanned(world, printer).state == "sent"


def revoke(world: Any) -> None:
    """An administrator revokes every session."""
    world.cloud.revoke_refresh_tokens("contoso/adele")


def withdraw(world: Any) -> None:
    """An administrator deletes the consent, long after it was given."""
    world.rooms.storage.table("organisations").change(
        CONTOSO, "organisation", lambda row: {"proven": row["proven"] - timedelta(hours=1)}
    )
    world.cloud.withdraw_consent("contoso")


def block(world: Any) -> None:
    """Conditional Access."""
    world.cloud.change_account("contoso/adele", blocked=True)


def disable(world: Any) -> None:
    """The person left."""
    world.cloud.change_account("contoso/adele", disabled=True)


@pytest.mark.parametrize(
    ("happens", "leaf", "status"),
    [
        (revoke, faults.SignInRevoked, "sign_in_required"),
        (withdraw, faults.ConsentWithdrawn, "blocked"),
        # Shown, and yet asked anew with every scan: an administrator can lift it at any time.
        (block, faults.BlockedByPolicy, "blocked"),
        (disable, faults.AccountDisabled, "blocked"),
    ],
    ids=["revoked", "withdrawn", "blocked", "disabled"],
)
def test_what_somebody_must_do_is_370_and_says_who(
    world: Any, happens: Any, leaf: type[faults.Fault], status: str
) -> None:
    """I09, R58: the first delivery meets it; scan and history, and the user where it stays, say 370, why, and who."""
    printer = ready(world)
    nothing_held(world)
    happens(world)
    world.cloud.expire_access_tokens("contoso/adele")
    scan = scanned(world, printer)
    assert (scan.state, scan.code) == ("failed", 370)
    shown(printer, scan, leaf)
    shown(printer, scan, leaf, "de")
    user = printer.user("adele")
    assert user.status == status
    assert (user.code, user.reason, user.who) == (370, leaf.reason, leaf.who)
    assert world.mailbox() == []


def test_a_fresh_consent_may_take_its_time(world: Any) -> None:
    """65001 in the first minutes after a consent says nothing yet: the scan waits, and is sent then."""
    printer = ready(world)
    granted = world.cloud.grants("contoso")
    world.cloud.withdraw_consent("contoso")
    world.cloud.expire_access_tokens("contoso/adele")
    scan = scanned(world, printer)
    assert (scan.state, scan.code) == ("waiting", 360)
    for grant in granted:
        world.cloud.grant("contoso", grant.client_id, grant.scopes, grant.principal)
    world.clock.advance(seconds=90)
    world.rooms.sweep.run()
    world.rooms.delivery.deliver(f"{printer.enrolment.device_id}/{scan.id}")
    assert printer.scan(scan.id).state == "sent"


def test_a_scan_for_somebody_who_never_signed_in_is_370_before_it_is_taken(world: Any) -> None:
    """E16: refused at once; neither row nor byte is stored."""
    world.consent()
    nothing_held(world)
    printer = world.printer()
    document = world.pdf()
    with pytest.raises(Exception, match="sign_in_required") as met:
        printer.submit(world.manifest(document), document)
    assert met.value.code == 370  # type: ignore[attr-defined]
    assert world.rows("jobs") == []


def bearer(printer: Any, **more: str) -> dict[str, str]:
    """Headers of a request of the printer's."""
    return {"Authorization": f"Bearer {printer.connection.tokens.token()[0]}", **more}


def test_a_long_poll_answers_when_something_changes(world: Any) -> None:
    """It returns with the change, well before its time; a final scan, or another `since`, is answered at once."""
    printer = ready(world)
    document = world.pdf()
    scan = printer.submit(world.manifest(document), document)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(printer.scan, scan.id, wait=20, since=scan.updated_at)
        assert not waiting.done()
        world.deliver()
        later = waiting.result(timeout=15)
    assert later.updated_at != scan.updated_at
    assert printer.scan(scan.id, wait=20, since=later.updated_at).state in {"sending", "sent"}
    address = f"{world.url}/api/v1/scans/{scan.id}"
    for query in ({"wait": "20", "since": "junk"}, {"wait": "20"}, {"wait": "-5", "since": later.updated_at}, {}):
        assert requests.get(address, params=query, headers=bearer(printer), timeout=5).status_code == 200
    for wait in ("abc", "1e9", "", "9" * 5000):
        answer = requests.get(address, params={"wait": wait}, headers=bearer(printer), timeout=5)
        assert answer.status_code in {200, 422}, wait
    huge = requests.get(
        address, params={"wait": "9" * 30, "since": later.updated_at}, headers=bearer(printer), timeout=30
    )
    assert huge.json()["state"] == "sent"


def test_many_long_polls_hold_no_thread(world: Any) -> None:
    """With more open polls than there are threads (40) the service answers others as before."""
    printer = ready(world)
    document = world.pdf()
    scan = printer.submit(world.manifest(document), document)
    headers = bearer(printer)
    address = f"{world.url}/api/v1/scans/{scan.id}"

    def poll(number: int) -> str:
        time.sleep(number / 15)  # a device does not ask sixty things in one instant: its requests are counted
        answer = requests.get(
            address, params={"wait": "20", "since": scan.updated_at}, headers=headers, timeout=60
        ).json()
        return str(answer["state"])

    with ThreadPoolExecutor(POLLS) as pool:
        polls = [pool.submit(poll, number) for number in range(POLLS)]
        time.sleep(POLLS / 15 + 1.5)  # all of them are in
        assert requests.get(f"{world.url}/api/v1/device", headers=headers, timeout=10).status_code == 200
        assert sum(poll.done() for poll in polls) == 0
        world.deliver()
        states = {poll.result() for poll in polls}
    assert states <= {"sending", "sent"}
