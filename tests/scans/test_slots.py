"""The moment before the first byte: who is first, whatever the clocks say, and how many at once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from shared import faults
from shared.scans import Claims, Slots
from shared.scans.claims import TakenOver, Turn
from shared.scans.gate import Gate
from shared.scans.slots import AllTaken
from shared.storage import AlreadyThere, Storage, Table
from tests.scans.conftest import CONTOSO

COUNT = 4
SENDING = timedelta(seconds=90)


def claims_of(office: Any) -> Claims:
    """The claims of another process."""
    return Claims(office.rooms.jobs, office.rooms.organisations, office.clock)


def turn_of(office: Any, job: Any) -> Turn:
    """A delivery's turn."""
    _, turn = claims_of(office).turn(job)
    assert turn is not None
    return turn


def take(office: Any, oid: str = "somebody", *, slots: Slots | None = None) -> str:
    """Take a slot."""
    until = office.clock() + SENDING
    slot, _ = (slots or office.rooms.slots).take(CONTOSO, oid, COUNT, first=0, until=until)
    return str(slot)


@pytest.mark.parametrize("verified", [False, True])
def test_who_takes_over_learns_that_the_mail_may_have_left(office: Any, *, verified: bool) -> None:
    """R07: nobody may begin before the claim's end; then it is looked for, or it is an open outcome."""
    job = office.accept()
    claims_of(office).claim(turn_of(office, job), verified=verified)
    office.clock.advance(seconds=89)
    assert claims_of(office).turn(office.job(job))[1] is None
    office.clock.advance(seconds=2)
    found, turn = claims_of(office).turn(office.job(job))
    if verified:
        assert turn is not None
        assert (found.state, found.look, turn.number) == ("waiting", True, 2)
    else:
        assert turn is None
        assert (found.state, found.reason) == ("uncertain", faults.OutcomeUnknown.reason)


def test_of_two_that_are_ready_one_is_first(office: Any) -> None:
    """R08, R18, R54: at the same moment, 24 times: one may send, and the other one never does."""
    for _ in range(24):
        job = office.accept()
        turns = [turn_of(office, job) for _ in range(2)]
        gate = threading.Barrier(2)

        def claim(turn: Turn, gate: threading.Barrier = gate) -> bool:
            gate.wait()
            try:
                claims_of(office).claim(turn, verified=False)
            except TakenOver:
                return False
            return True

        with ThreadPoolExecutor(2) as pool:
            first = list(pool.map(claim, turns))
        assert sorted(first) == [False, True]
        assert office.job(job).lease == turns[first.index(True)].lease


def test_a_turn_is_over_when_another_attempt_has_ended(office: Any) -> None:
    """R18: the other one was told to wait; who was ready before that does not send into the pause."""
    job = office.accept()
    late = turn_of(office, job)
    office.switchboard.add("sendMail", "throttled", retry_after="30")
    assert office.deliver(job).state == "waiting"
    with pytest.raises(TakenOver):
        claims_of(office).claim(late, verified=False)


def test_no_more_than_the_mailbox_takes(office: Any) -> None:
    """R41: sixteen at once over two processes: four have a slot, for this mailbox; another's are free."""
    rooms = [office.rooms.slots, Slots(office.rooms.storage.table("jobs"), office.clock)]

    def get(number: int) -> bool:
        try:
            take(office, slots=rooms[number % 2])
        except AllTaken:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(get, range(16))) <= COUNT
    # Who was beaten too often stepped back though one was free: it is there for the next.
    for _ in range(COUNT - len(office.listed("slot"))):
        take(office)
    assert len(office.listed("slot")) == COUNT
    with pytest.raises(AllTaken):
        take(office)
    take(office, "another")


def test_a_slot_is_free_when_its_time_is_over(office: Any) -> None:
    """R41: the slots of deliveries that died come back, and no earlier."""
    for _ in range(COUNT):
        take(office)
    office.clock.advance(seconds=90)
    with pytest.raises(AllTaken):
        take(office)
    office.clock.advance(seconds=1)
    take(office)


def test_all_taken_costs_no_attempt_and_no_code(office: Any) -> None:
    """R41: the fifth scan of a person comes back within seconds; nothing is shown as a fault."""
    job = office.accept()
    for _ in range(COUNT):
        take(office, job.oid)
    job = office.deliver(job)
    assert (job.state, job.reason, job.attempts, job.past) == ("waiting", None, 0, "")
    assert 2 <= (job.next_attempt - office.clock()).total_seconds() <= 4
    assert office.mails() == []
    office.clock.advance(seconds=91)
    assert office.deliver(job).state == "sent"


def test_a_clock_that_goes_five_minutes_ahead_sends_nothing_twice(office: Any) -> None:
    """R54: to the other process the lease has run out while the first is about to send: one mail, and one end."""
    job = office.accept()

    def ahead() -> Any:
        return office.clock() + timedelta(minutes=5)

    claims = Claims(office.rooms.jobs, office.rooms.organisations, ahead)
    other = office.with_(claims=claims, clock=ahead)

    class Slow:
        def access_token(self, *given: Any) -> str:
            assert office.deliver(job, other).state == "sent"
            return str(office.rooms.grants.access_token(*given))

    assert office.deliver(job, office.with_(grants=Slow())).state == "sent"
    assert len(office.mails()) == 1


def test_an_erasure_stops_what_has_not_begun_to_leave(office: Any) -> None:
    """I04: a delivery has the token and the document in its hands, and not sent a byte: it never sends one."""
    job = office.accept()

    class Late:
        def take(self, *given: Any, **more: Any) -> tuple[str, int]:
            office.rooms.erasure.erase(CONTOSO, job.oid)
            taken: tuple[str, int] = office.rooms.slots.take(*given, **more)
            return taken

        def leave(self, slot: str) -> None:
            office.rooms.slots.leave(slot)

    ended = office.deliver(job, office.with_(slots=Late()))
    assert (ended.state, ended.oid) == ("cancelled", "")
    assert office.mails() == office.listed("slot") == []


def test_what_died_is_cleared_away(office: Any) -> None:
    """Slots that nobody asked for go after two days, and not an hour before."""
    take(office)
    office.clock.advance(hours=47)
    office.rooms.retention.expire()
    assert len(office.listed("slot")) == 1
    office.clock.advance(hours=2)
    office.rooms.retention.expire()
    assert office.listed("slot") == []


def test_a_claim_lasts_longer_than_a_job_is_tried(office: Any) -> None:
    """R07: a delivery that died after the first byte is known as long as its scan may be sent again."""
    job = office.accept()
    claims_of(office).claim(turn_of(office, job), verified=False)
    office.clock.advance(hours=47)
    office.rooms.retention.expire()
    assert office.deliver(job).reason == faults.OutcomeUnknown.reason


def test_a_process_asks_first_for_the_slot_that_it_gave_back_last(office: Any) -> None:
    """R41: two slots are another process's: it asks in vain once, and from then on for the one that it found free."""
    job = office.accept()
    for number in range(2):
        office.rooms.slots.take(CONTOSO, job.oid, COUNT, first=number, until=office.clock() + SENDING)
    asked: list[int] = []

    class Noting:
        def take(self, *given: Any, first: int, **more: Any) -> Any:
            asked.append(first)
            return office.rooms.slots.take(*given, first=first, **more)

    delivery = office.with_(slots=Noting())
    assert office.deliver(job, delivery).state == "sent"
    assert office.deliver(office.accept(), delivery).state == "sent"
    assert asked == [0, 2]


def test_no_two_deliveries_of_a_process_ask_for_one_slot() -> None:
    """Whatever was given back, and found elsewhere; the fifth waits outside; a mailbox knows nothing of another's."""
    gate = Gate(lambda _: 1)
    assert [gate.enter("t", "a") for _ in range(5)] == [1, 2, 3, 0, None]
    assert gate.enter("t", "b") == 1
    gate.leave("t", "a", 2, 2)
    gate.leave("t", "a", 1, 1)
    assert [gate.enter("t", "a") for _ in range(3)] == [1, 2, None]
    gate.leave("t", "a", 3, None)
    assert gate.enter("t", "a") == 3


def test_a_slot_that_was_given_back_between_two_looks_is_no_outage(storage: Storage) -> None:
    """R41: taken when it was asked for, and gone when it was looked at: another try, not a pause of minutes."""
    table = storage.table("jobs")
    table.insert("p", "r", {"n": 1})

    class Fleeting(Table):
        def get(self, partition: str, row: str) -> Any:
            table.delete(partition, row)
            return super().get(partition, row)

    with pytest.raises(AlreadyThere):
        Fleeting(table._client, lambda: "op").insert("p", "r", {"n": 2})


def test_a_burst_is_looked_at_by_what_a_mailbox_takes() -> None:
    """R41: what waits for a mailbox is looked at one after the other, whoever asks again, and within half a minute."""
    now = 100.0
    gate = Gate(lambda _: 0, lambda: now)
    assert [gate.enter("t", "a") for _ in range(5)] == [0, 1, 2, 3, None]
    pauses = [gate.pause("t", "a") for _ in range(600)]
    assert pauses == sorted(pauses)
    assert [round(pauses[each], 2) for each in (0, 16, 160, 599)] == [1.06, 2.06, 11.06, 30]
    assert gate.pause("t", "b") < 1.1
    now = 120.0  # whoever finds it full once more is put behind the others, and not behind himself
    assert round(gate.pause("t", "a"), 2) == 10.06
    now = 200.0
    assert round(gate.pause("t", "a"), 2) == 1.06
