"""Notices of failure: one mail, to himself, of what he could not see; never twice, never a loop, never a storm."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from shared import faults
from shared.scans.failure_notices import MAILS_A_DAY
from shared.texts import describe
from tests.scans.conftest import CONTOSO, pin, signed_out
from tests.scans.test_deliver import Refusing


def failed(office: Any, leaf: type[faults.Fault] = faults.DocumentMismatch, **changes: Any) -> Any:
    """A scan that fails for good."""
    job = office.deliver(
        office.accept(office.manifest(**changes)), office.with_(grants=Refusing(leaf("note", limit="3 MB")))
    )
    assert job.state == "failed"
    return job


def tell(office: Any) -> int:
    """The timer comes by."""
    return int(office.rooms.failure_notices.run())


def test_it_says_which_scan_why_and_what_to_do(office: Any) -> None:
    """Printer, time, reason, remedy; from himself to himself, and the scan's title is not in it."""
    failed(office)
    assert tell(office) == 1
    [mail] = office.mails()
    told = describe(faults.DocumentMismatch(), "en")
    assert mail.subject == "A scan of yours was not sent"
    for words in ("Printer 2F", f"{office.clock():%Y-%m-%d %H:%M} UTC", told.title, told.detail, told.remedy):
        assert words in mail.body
    assert "Lease" not in mail.body
    assert mail.attachments == []
    assert office.listed("notice") == []


def test_no_gap_is_left_in_a_text(office: Any) -> None:
    """What only the fault knew (how large a scan may be) is left out with its sentence."""
    failed(office, faults.TooLarge)
    tell(office)
    told = describe(faults.TooLarge(limit=1), "en")
    assert f"{told.title}. {told.remedy}" in office.mails()[0].body


def test_it_is_told_once(office: Any) -> None:
    """However often the timer comes by, and twice at once."""
    failed(office)
    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(lambda _: tell(office), range(4))) == 1
    assert tell(office) == 0
    assert len(office.mails()) == 1


def test_many_are_one_mail_and_a_day_has_three(office: Any) -> None:
    """I13: a run gathers what there is; the fourth mail of a day is not sent; the next day has its own."""
    # A day is one in UTC: this one shall not end in the midst of the test.
    now = office.clock()
    office.clock.advance(seconds=((25 - now.hour) % 24) * 3600)
    for _ in range(25):
        failed(office)
    assert tell(office) == 1
    assert "and 5 more" in office.mails()[0].body
    for _ in range(5):
        failed(office)
        office.clock.advance(seconds=1)
        tell(office)
    assert len(office.mails()) == MAILS_A_DAY
    office.clock.advance(days=1)
    failed(office)
    assert tell(office) == 1


def test_an_organisation_may_not_want_them(office: Any) -> None:
    """failure_notices off: nothing is written down."""
    office.decide(failure_notices=False)
    failed(office)
    assert office.listed("notice") == []
    assert tell(office) == 0


def test_what_he_did_himself_is_not_told(office: Any) -> None:
    """A cancelled scan, an upload that never came."""
    office.rooms.acceptance.cancel(office.device, office.accept().manifest.id)
    office.rooms.acceptance.announce(office.device, office.manifest())
    office.clock.advance(hours=25)
    office.rooms.sweep.run()
    assert office.listed("notice") == []
    assert tell(office) == 0


def test_a_notice_that_fails_is_dropped(office: Any) -> None:
    """A mailbox that is full takes no notice of it either: one try, no row left, and no notice about the notice."""
    office.cloud.change_account("contoso/adele", mailbox_full=True)
    job = office.deliver(office.accept())
    assert job.reason == "mailbox_full"
    asked = office.switchboard.count("sendMail")
    for _ in range(3):
        assert tell(office) == 0
    assert office.switchboard.count("sendMail") == asked + 1
    assert office.listed("notice") == []


def test_whose_sign_in_does_not_work_gets_none(office: Any) -> None:
    """Nobody is asked for a token that there is not."""
    failed(office)
    office.rooms.grants.end(
        office.rooms.grants.get(CONTOSO, office.cloud.account("contoso/adele").oid), faults.SignInRevoked
    )
    asked = office.switchboard.count("token")
    assert tell(office) == 0
    assert office.switchboard.count("token") == asked


def test_what_is_a_day_old_is_no_news(office: Any) -> None:
    """A timer that stood still tells nothing from last week; and what it counted is forgotten."""
    failed(office)
    office.clock.advance(hours=25)
    assert tell(office) == 0
    office.clock.advance(days=3)
    office.rooms.retention.expire()
    assert office.listed("told") == []


def test_what_was_held_in_vain_is_told_at_the_next_sign_in(office: Any) -> None:
    """How many, when, at which printer: one mail, once, to whom it belonged."""
    signed_out(office, "ben")
    for _ in range(3):
        office.accept(office.manifest(user="ben"))
    scanned = office.clock()
    office.clock.advance(hours=25)
    office.rooms.sweep.run()
    assert tell(office) == 0
    office.clock.advance(days=6)
    pin(office.rooms, office.cloud, "ben")
    for _ in range(2):
        office.rooms.holds.signed_in(CONTOSO, "office", "ben")
        tell(office)
    [mail] = office.mails("contoso/ben")
    assert mail.subject == "Scans of yours were deleted"
    assert "3 scans were deleted before you signed in" in mail.body
    assert mail.body.count(f"{scanned:%Y-%m-%d %H:%M} UTC, Printer 2F (2nd floor)") == 3
    assert office.mails() == []


def test_nothing_of_it_outlives_an_erasure(office: Any) -> None:
    """I04: what there was to tell, and how much was told, goes with the person."""
    failed(office)
    tell(office)
    failed(office)
    oid = office.cloud.account("contoso/adele").oid
    assert len(office.listed("notice")) == len(office.listed("told")) == 1
    office.rooms.erasure.erase(CONTOSO, oid)
    office.clock.advance(seconds=timedelta(minutes=16).total_seconds())
    office.rooms.erasure.settle()
    assert office.listed("notice") == office.listed("told") == []
    assert tell(office) == 0
