"""A mail that was handed over without an answer: what the organisation decided, and never more than one copy."""

from dataclasses import replace
from typing import Any

import pytest

from shared.organisations import Policy
from shared.organisations.ranges import GRAPH_DOCUMENT_LIMIT
from shared.scans import Claims
from shared.scans.deliver import SENDING
from tests.scans.conftest import CONTOSO, consent

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

    class Deadly:
        def choose(self, *given: Any) -> "Deadly":
            self.real = office.rooms.transports.choose(*given)
            return self

        def __getattr__(self, name: str) -> Any:
            return getattr(self.real, name)

        def send(self, *given: Any) -> None:
            self.real.send(*given)
            raise DiesError

    decide(office, "send_again")
    job = office.accept()
    for _ in range(2):
        with pytest.raises(DiesError):
            office.deliver(job, office.with_(transports=Deadly()))
        office.clock.advance(minutes=5)
    assert office.deliver(job, office.with_(transports=Deadly())).state == "uncertain"
    assert len(office.mails()) == 2


@pytest.mark.parametrize("sign_in_took", [1, 30, 80])
def test_a_delivery_that_died_is_looked_at_within_three_minutes(office: Any, sign_in_took: int) -> None:
    """R07: whenever between claim and first byte the time went, and wherever in its minute the sweep is."""
    rooms = office.rooms
    claims = Claims(rooms.jobs, rooms.slots, rooms.organisations, office.clock)
    for second in range(0, 60, 6):
        job, mine = claims.claim(office.accept())
        assert mine
        office.clock.advance(seconds=sign_in_took)
        office.rooms.slots.take(job, 4, first=0, verified=False, until=office.clock() + SENDING)
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
        office.rooms.slots.forget_person(CONTOSO, job.oid)


def test_a_size_that_was_refused_is_learnt(office: Any) -> None:
    """F12: the next of that size is refused before it is uploaded; a decision of the organisation forgets it."""
    organisations = office.rooms.organisations
    size = 20_000_000
    assert organisations.get(CONTOSO).largest_taken is None
    organisations.refused(CONTOSO, size)
    organisations.refused(CONTOSO, size + 5)
    assert organisations.recent(CONTOSO).largest_taken == size - 1
    assert organisations.recent(CONTOSO).policy.largest_document == size - 1
    organisations.refused(CONTOSO, size - 10, 10_000_000)
    assert organisations.get(CONTOSO).largest_taken == 10_000_000
    organisations.refused(CONTOSO, GRAPH_DOCUMENT_LIMIT)
    assert organisations.get(CONTOSO).largest_taken == 10_000_000
    organisations.set_policy(CONTOSO, Policy())
    assert organisations.get(CONTOSO).largest_taken is None


def test_a_small_document_that_is_refused_says_nothing_of_the_others(office: Any) -> None:
    """F12: one mailbox takes nothing: its scan fails with its reason, and the organisation's limit stays."""
    office.switchboard.add("sendMail", "graph", status=413, code="ErrorMessageSizeExceeded")
    ended = office.deliver(office.accept())
    assert (ended.state, ended.reason) == ("failed", "too_large")
    assert office.rooms.organisations.get(CONTOSO).largest_taken is None


def test_a_paused_delivery_leaves_the_mailbox_to_its_successor(office: Any) -> None:
    """R18: it had begun to hand over and was stopped; its successor looked, and sent: one mail, sent once."""
    consent(office.rooms, "send-verified")
    job = office.accept()

    class Slow:
        def choose(self, *given: Any) -> "Slow":
            self.real = office.rooms.transports.choose(*given)
            return self

        def __getattr__(self, name: str) -> Any:
            return getattr(self.real, name)

        def send(self, *given: Any) -> None:
            office.clock.advance(minutes=5)
            assert office.deliver(job).state == "sent"
            self.real.send(*given)

    assert office.deliver(job, office.with_(transports=Slow())).state == "sent"
    assert len(office.mails()) == 1
    assert office.switchboard.count("send") == 1
