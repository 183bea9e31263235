"""A mail that was handed over without an answer: what the organisation decided, and never more than one copy."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared import faults
from shared.organisations import Policy
from shared.organisations.ranges import GRAPH_DOCUMENT_LIMIT
from shared.scans import Claims
from shared.storage import key
from tests.scans.conftest import CONTOSO, Pausing, consent, pin

TWICE = "may be in your mailbox twice"


def decide(office: Any, outcome: str) -> None:
    """The organisation decides."""
    office.rooms.organisations.set_policy(CONTOSO, replace(Policy(), unknown_outcome=outcome))


@pytest.mark.parametrize(("outcome", "mails"), [("leave", 1), ("send_again", 2)])
def test_an_open_outcome_is_what_the_organisation_decided(office: Any, outcome: str, mails: int) -> None:
    """R43: left, or sent once more, which says of itself that it may be the second."""
    decide(office, outcome)
    office.switchboard.add("sendMail", "reset_after_applying")
    job = office.deliver(office.accept())
    office.clock.advance(seconds=20)
    if outcome == "send_again":
        assert (job.state, job.reason) == ("waiting", "outcome_unknown")
        job = office.deliver(job)
    assert job.state == ("uncertain" if outcome == "leave" else "sent")
    assert [TWICE in mail.body for mail in office.mails()] == [False, True][:mails]


def test_it_is_sent_again_once_at_most(office: Any) -> None:
    """R43: every answer is lost: two mails, and then it is left; however often it is woken."""
    decide(office, "send_again")
    office.switchboard.add("sendMail", "reset_after_applying", times=None)
    job = office.accept()
    office.deliver(job)
    for _ in range(5):
        office.clock.advance(minutes=20)
        office.deliver(job)
        office.rooms.sweep.run()
    assert office.job(job).state == "uncertain"
    assert len(office.mails()) == 2


def test_a_delivery_that_died_is_repeated_once_too(office: Any) -> None:
    """R07: it died after the first byte, twice: the second copy was the last."""

    class DiesError(BaseException):
        """The process ends here."""

    def die() -> None:
        raise DiesError

    deadly = office.with_(transports=Pausing(office.rooms.transports, after=die))
    decide(office, "send_again")
    job = office.accept()
    for _ in range(2):
        with pytest.raises(DiesError):
            office.deliver(job, deadly)
        office.clock.advance(minutes=5)
    assert office.deliver(job, deadly).state == "uncertain"
    assert len(office.mails()) == 2


def test_a_delivery_that_died_is_looked_at_within_three_minutes(office: Any) -> None:
    """R07: wherever in its minute the sweep is when the first byte goes."""
    rooms = office.rooms
    claims = Claims(rooms.jobs, rooms.organisations, office.clock)
    for second in range(0, 60, 6):
        job, turn = claims.turn(office.accept())
        assert turn is not None
        claims.claim(turn, verified=False)
        died = office.clock()
        office.clock.advance(seconds=second)
        while office.job(job).state == "sending":
            office.messages()
            office.rooms.sweep.run()
            for message in office.messages():
                office.rooms.delivery.deliver(message)
            office.clock.advance(seconds=60)
        assert (office.clock() - died).total_seconds() - 60 <= 180, second
        assert office.job(job).state == "uncertain"


def test_a_size_that_was_refused_is_learnt_of_one_mailbox(office: Any) -> None:
    """F12: one person's mailbox takes less: his next such scan is refused before its upload, everybody else's goes out.

    After a week one is tried again: whoever raises a limit at Exchange tells nobody.
    """
    consent(office.rooms, "send-large")
    pin(office.rooms, office.cloud, "ben")
    large = b"%PDF-1.7 " + bytes(4_000_000) + b"%%EOF"

    def scan(user: str) -> Any:
        return office.accept(office.manifest(large, user=user), large)

    office.switchboard.add("smtp_mail", "reply", account="contoso/adele", message="552 5.3.4 Message size exceeds")
    ended = office.deliver(scan("adele"))
    assert (ended.state, ended.reason) == ("failed", "too_large")
    with pytest.raises(faults.TooLarge) as met:
        scan("adele")
    assert GRAPH_DOCUMENT_LIMIT <= met.value.params["limit"] < len(large)
    assert office.deliver(scan("ben")).state == "sent"
    assert office.deliver(office.accept()).state == "sent"  # what fits still goes
    office.clock.advance(days=7)
    assert office.deliver(scan("adele")).state == "sent"


def test_of_two_limits_of_a_mailbox_the_lower_one_holds(office: Any) -> None:
    """What was learnt is kept beside the sign-in, never raised by a later refusal, and forgotten with an erasure."""
    grants, account = office.rooms.grants, office.cloud.account("contoso/adele")
    until = office.clock() + timedelta(days=1)
    assert grants.get(CONTOSO, account.oid).largest_taken is None
    grants.refused(CONTOSO, account.oid, 10_000_000, until)
    grants.refused(CONTOSO, account.oid, 20_000_000, until + timedelta(days=1))
    assert grants.get(CONTOSO, account.oid).largest_taken == 10_000_000
    office.clock.advance(hours=36)
    assert grants.get(CONTOSO, account.oid).largest_taken == 10_000_000
    grants.refused(CONTOSO, account.oid, 5_000_000, until + timedelta(days=1))
    assert grants.get(CONTOSO, account.oid).largest_taken == 5_000_000
    grants.erase(CONTOSO, account.oid)
    grants.refused(CONTOSO, account.oid, 5_000_000, until + timedelta(days=9))
    assert "largest_taken" not in office.rooms.storage.table("grants").get(key(CONTOSO), key(account.oid)).values


def test_a_small_document_that_is_refused_says_nothing_of_larger_ones(office: Any) -> None:
    """F12: a mailbox takes nothing just now: its scan fails with its reason, and no limit is learnt."""
    office.switchboard.add("sendMail", "graph", status=413, code="ErrorMessageSizeExceeded")
    ended = office.deliver(office.accept())
    assert (ended.state, ended.reason) == ("failed", "too_large")
    assert office.rooms.grants.get(CONTOSO, office.cloud.account("contoso/adele").oid).largest_taken is None


def test_a_paused_delivery_leaves_the_mailbox_to_its_successor(office: Any) -> None:
    """R18: it had begun to hand over and was stopped; its successor looked, and sent: one mail, sent once."""
    consent(office.rooms, "send-verified")
    job = office.accept()

    def successor() -> None:
        office.clock.advance(minutes=5)
        assert office.deliver(job).state == "sent"

    slow = office.with_(transports=Pausing(office.rooms.transports, before=successor))
    assert office.deliver(job, slow).state == "sent"
    assert len(office.mails()) == 1
    assert office.switchboard.count("send") == 1
