"""Holding and releasing: kept where it is wanted, sent by itself to the right account, or deleted in time."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from shared import faults
from shared.scans.holds import FIRST_LOOK, HELD_AT_MOST, LONGEST_LIFE
from tests.scans.conftest import CONTOSO, pin, signed_out
from tests.scans.test_deliver import Refusing


def held(office: Any, user: str = "ben") -> Any:
    """A scan for somebody who has not signed in."""
    signed_out(office, user)
    job = office.accept(office.manifest(user=user))
    assert (job.state, job.reason, job.fault.code, job.fault.who) == ("held", "sign_in_required", 370, "user")
    return job


def sign_in(office: Any, user: str = "ben") -> None:
    """He signs in."""
    pin(office.rooms, office.cloud, user)
    office.rooms.holds.signed_in(CONTOSO, "office", user)


def end_sign_in(office: Any, user: str = "adele") -> None:
    """Microsoft takes his sign-in back."""
    office.cloud.revoke_refresh_tokens(f"contoso/{user}")
    office.cloud.expire_access_tokens(f"contoso/{user}")
    office.clock.advance(hours=2)


def again(office: Any, user: str = "adele") -> None:
    """He signs in again, at another printer of the same group."""
    signed_out(office, user)
    sign_in(office, user)


def test_a_scan_before_the_sign_in_is_sent_by_itself_after_it(office: Any) -> None:
    """Kept with its bytes, then sent to him alone; a message that comes early sends nothing."""
    job = held(office)
    assert office.documents() == [job.blob]
    assert office.deliver(job).state == "held"
    sign_in(office)
    assert office.job(job).state == "accepted"
    assert office.deliver(job).state == "sent"
    assert len(office.mails("contoso/ben")) == 1
    assert office.mails() == office.documents() == office.due() == office.listed("hold") == []


@pytest.mark.parametrize("hours", [0, 24])
def test_a_sign_in_that_ended_holds_what_was_accepted(office: Any, hours: int) -> None:
    """361 and 370 at delivery: held where the organisation holds, else failed as ever; his next sign-in sends it."""
    office.decide(hold_hours=hours)
    job = office.accept()
    end_sign_in(office)
    found = office.deliver(job)
    assert (found.state, found.reason) == ("held" if hours else "failed", "sign_in_revoked")
    assert (job.blob in office.documents()) is bool(hours)
    if hours:
        later = office.accept()
        assert (later.state, later.reason) == ("held", "sign_in_revoked")
        again(office)
        assert office.deliver(job).state == office.deliver(later).state == "sent"
        assert office.due() == office.listed("hold") == office.documents() == []


def test_every_fault_that_holds_does(office: Any) -> None:
    """Each leaf with the action HOLD; the sign-in has ended in storage too, so nothing is let go at once."""
    for leaf in (leaf for leaf in faults.leaves() if leaf.action is faults.Action.HOLD):
        job = office.accept()
        office.rooms.grants.end(office.rooms.grants.get(CONTOSO, job.oid), leaf)
        found = office.deliver(job, office.with_(grants=Refusing(leaf("note"))))
        assert (found.state, found.reason) == ("held", leaf.reason)
        again(office)
        assert office.deliver(job).state == "sent"


def test_only_the_pinned_account_gets_it(office: Any) -> None:
    """B02, E15: a scan for Ben is not sent by anybody else's sign-in, nor by one of the same name in another group."""
    job = held(office)
    office.rooms.holds.signed_in(CONTOSO, "office", "adele")
    office.rooms.holds.signed_in(CONTOSO, "other", "ben")
    office.rooms.holds.signed_in("22222222-2222-4222-8222-222222222222", "office", "ben")
    assert office.job(job).state == "held"
    assert office.deliver(job).state == "held"
    assert office.mails() == office.mails("contoso/ben") == []


def test_a_row_that_names_another_account_is_not_let_go(office: Any) -> None:
    """E15: who may write rows can write an account into a held scan; the pin of its user decides."""
    job = held(office)
    adele = office.cloud.account("contoso/adele").oid
    table = office.rooms.storage.table("jobs")
    table.change(job.device_id, f"job|{job.manifest.id}", lambda _: {"oid": adele})
    found = office.rooms.holds.look(office.job(job))
    assert found.state == "held"
    sign_in(office)
    assert office.job(job).state == "held"
    assert office.mails() == office.mails("contoso/ben") == []


def test_hold_and_sign_in_may_cross(office: Any) -> None:
    """R17: at once, many times: every scan is sent, by the sign-in or by its own look, and none is left behind."""
    for _ in range(8):
        signed_out(office, "ben")
        gate = threading.Barrier(2)
        before = len(office.mails("contoso/ben"))

        def accept(gate: threading.Barrier = gate) -> Any:
            gate.wait()
            return office.accept(office.manifest(user="ben"))

        def signs_in(gate: threading.Barrier = gate) -> None:
            gate.wait()
            sign_in(office)

        with ThreadPoolExecutor(2) as pool:
            accepted = pool.submit(accept)
            pool.submit(signs_in).result()
            job = accepted.result()
        assert office.job(job).state == "accepted"
        assert office.deliver(job).state == "sent"
        assert len(office.mails("contoso/ben")) == before + 1


def test_delivery_and_sign_in_may_cross(office: Any) -> None:
    """R17: he signs in again between the refused token and the hold: the hold looks, and lets it go."""
    job = office.accept()

    class Crossing(Refusing):
        def access_token(self, *args: Any, **more: Any) -> str:
            again(office)
            return super().access_token("", "", ())

    found = office.deliver(job, office.with_(grants=Crossing(faults.SignInRevoked("x"))))
    assert found.state == "accepted"
    assert office.deliver(job).state == "sent"
    assert office.listed("hold") == office.due() == []


def test_what_the_sign_in_missed_is_found_by_the_list_of_what_is_due(office: Any) -> None:
    """R04, R17: the process died before it let anything go: minutes later the sweep does."""
    job = held(office)
    pin(office.rooms, office.cloud, "ben")
    office.clock.advance(seconds=FIRST_LOOK.total_seconds() + 1)
    office.rooms.sweep.run()
    assert office.job(job).state == "accepted"
    assert office.deliver(job).state == "sent"


def test_who_does_not_come_loses_it_in_time(office: Any) -> None:
    """After the organisation's hours, and not before: failed with the reason, no byte left, nothing due."""
    office.decide(hold_hours=5)
    job = held(office)
    for _ in range(9):
        office.clock.advance(minutes=33)
        office.rooms.sweep.run()
    assert office.job(job).state == "held"
    office.clock.advance(minutes=4)
    office.rooms.sweep.run()
    found = office.job(job)
    assert (found.state, found.reason, found.fault) == ("failed", "hold_expired", faults.HoldExpired)
    assert office.documents() == office.due() == office.messages() == []


def test_the_looks_at_a_held_scan_are_few(office: Any) -> None:
    """What waits for a day is looked at about a dozen times, not every minute."""
    held(office)
    looks = 0
    for _ in range(24 * 12):
        before = office.due()
        office.rooms.sweep.run()
        looks += before != office.due()
        office.clock.advance(minutes=5)
    assert 3 <= looks <= 20


def test_the_time_of_a_released_scan_begins_anew(office: Any) -> None:
    """R41: a scan that was held for days has a day for its delivery like any other."""
    office.decide(hold_hours=72)
    job = held(office)
    office.clock.advance(hours=70)
    sign_in(office)
    office.switchboard.add("sendMail", "throttled", retry_after="60")
    found = office.deliver(job)
    assert (found.state, found.reason) == ("waiting", "throttled")
    office.clock.advance(hours=25)
    office.rooms.retention.expire()
    assert office.documents() == [job.blob]


def test_no_scan_is_held_for_ever(office: Any) -> None:
    """I06: held again and again it ends five days after it was made, and its document with it."""
    office.decide(hold_hours=72)
    job = office.accept()
    for _ in range(3):
        end_sign_in(office)
        found = office.deliver(job)
        if found.state != "held":
            break
        assert found.until <= job.created + LONGEST_LIFE
        office.clock.advance(hours=60)
        again(office)
    assert office.job(job).state == "failed"
    assert office.documents() == []


def test_a_held_scan_is_cancelled_at_the_printer(office: Any) -> None:
    """Its document goes, and no sign-in brings it back."""
    job = held(office)
    assert office.rooms.acceptance.cancel(office.device, job.manifest.id).state == "cancelled"
    assert office.documents() == office.due() == []
    sign_in(office)
    assert office.job(job).state == "cancelled"
    assert office.messages() == office.listed("hold") == []


def test_cancel_and_release_at_once_have_one_winner(office: Any) -> None:
    """R08: sent, or cancelled without a byte left."""
    for _ in range(5):
        job = held(office)
        pin(office.rooms, office.cloud, "ben")
        before = len(office.mails("contoso/ben"))
        gate = threading.Barrier(2)

        def cancel(job: Any = job, gate: threading.Barrier = gate) -> None:
            gate.wait()
            try:
                office.rooms.acceptance.cancel(office.device, job.manifest.id)
            except faults.WrongState:
                return

        def release(job: Any = job, gate: threading.Barrier = gate) -> None:
            gate.wait()
            office.rooms.holds.signed_in(CONTOSO, "office", "ben")
            office.deliver(job)

        with ThreadPoolExecutor(2) as pool:
            for done in (pool.submit(cancel), pool.submit(release)):
                done.result()
        state = office.job(job).state
        assert state in {"sent", "cancelled"}
        assert len(office.mails("contoso/ben")) - before == (state == "sent")
        assert office.documents() == []


def test_a_person_is_held_only_so_much(office: Any) -> None:
    """E06: what would be the fifty-first is refused; another person's is not, and nothing is left of the refused."""
    signed_out(office, "ben")
    for _ in range(HELD_AT_MOST):
        office.accept(office.manifest(user="ben"))
    with pytest.raises(faults.TooManyRequests):
        office.accept(office.manifest(user="ben"))
    assert len(office.documents()) == HELD_AT_MOST
    assert office.accept(office.manifest(user="alex")).state == "held"


def test_release_costs_what_is_held(office: Any) -> None:
    """Two held among twenty stored: a sign-in reads the two."""
    for _ in range(20):
        office.deliver(office.accept())
    end_sign_in(office)
    jobs = [office.deliver(office.accept()) for _ in range(2)]
    asked: list[str] = []
    table = office.rooms.storage.table("jobs")
    real = table.get

    class Counting(type(table)):  # type: ignore[misc]
        def get(self, partition: str, row: str) -> Any:
            asked.append(row)
            return real(partition, row)

    table.__class__ = Counting
    again(office)
    assert {office.job(job).state for job in jobs} == {"accepted"}
    assert len({row for row in asked if row.startswith("job|")}) == 2


def test_an_entry_that_came_to_nothing_is_tidied_up(office: Any) -> None:
    """R03: a hold that died before its row: the next sign-in drops the entry once it is old, and expiry does."""
    job = held(office)
    table = office.rooms.storage.table("jobs")
    table.delete(job.device_id, f"job|{job.manifest.id}")
    sign_in(office)
    assert len(office.listed("hold")) == 1
    office.clock.advance(minutes=11)
    office.rooms.holds.signed_in(CONTOSO, "office", "ben")
    assert office.listed("hold") == []
    held(office)
    office.clock.advance(seconds=timedelta(days=31).total_seconds())
    office.rooms.retention.expire()
    assert office.listed("hold") == []


def test_a_sign_in_that_looks_good_and_is_not_makes_no_circle(office: Any) -> None:
    """R48: tokens that do not open are tried twice, then in growing pauses; a new sign-in sends the scan."""
    job = office.accept()
    table = office.rooms.storage.table("grants")
    table.change(CONTOSO, job.oid, lambda row: {"sealed": row["sealed"][:-1] + bytes([row["sealed"][-1] ^ 1])})
    for _ in range(5):
        found = office.deliver(job)
    assert (found.state, found.reason, found.attempts) == ("held", "sign_in_required", 2)
    for _ in range(100):
        office.clock.advance(minutes=5)
        office.rooms.sweep.run()
        found = office.deliver(job)
    assert (found.state, found.reason) == ("held", "sign_in_required")
    assert 3 <= found.attempts <= 20
    again(office)
    assert office.deliver(job).state == "sent"
    assert len(office.mails()) == 1
