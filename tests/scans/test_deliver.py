"""Delivering: one mail, whatever comes twice, too early, too late, or wakes after it was given up."""

import threading
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from shared import faults
from shared.faults import Action
from tests.scans.conftest import CONTOSO, Pausing


class Refusing:
    """Grants, or a Graph, that meet one fault whatever they are asked."""

    def __init__(self, fault: Exception) -> None:
        self._fault = fault

    def access_token(self, tid: str, oid: str, scopes: Sequence[str]) -> str:
        """Raise it."""
        raise self._fault


def test_every_fault_ends_in_what_its_action_says(office: Any) -> None:
    """R47: RETRY waits with a known time, UNCERTAIN stops, END and HOLD fail; reason, code and who can be seen."""
    office.decide(hold_hours=0)
    office.clock.advance(minutes=11)  # in the consent's first minutes its absence would say nothing
    # The consent's end is the last: nothing is accepted after it.
    for leaf in sorted(faults.leaves(), key=lambda leaf: leaf is faults.ConsentWithdrawn):
        job = office.deliver(office.accept(), office.with_(grants=Refusing(leaf("note", retry_after=7, limit=1))))
        expected = {Action.RETRY: "waiting", Action.UNCERTAIN: "uncertain"}.get(leaf.action, "failed")
        assert (job.state, job.reason, job.fault, job.attempts) == (expected, leaf.reason, leaf, 1)
        assert (job.next_attempt is not None) == (job.due is not None) == (expected == "waiting"), leaf
        assert (job.blob in office.documents()) == (expected != "failed"), leaf
    assert office.mails() == []


def test_a_bug_of_ours_is_a_fault_like_any_other(office: Any) -> None:
    """R09: an exception nobody thought of leaves the job waiting with a reason, and not in the hands of the queue."""
    job = office.deliver(office.accept(), office.with_(grants=Refusing(KeyError("adele@contoso.example"))))
    assert (job.state, job.reason) == ("waiting", "unexpected")


def test_a_bug_of_ours_after_the_hand_over_is_an_open_outcome(office: Any) -> None:
    """R43: what broke after the first byte may have been sent."""

    def broken() -> None:
        raise KeyError("x")

    job = office.deliver(office.accept(), office.with_(transports=Pausing(office.rooms.transports, after=broken)))
    assert (job.state, job.reason) == ("uncertain", "outcome_unknown")


@pytest.mark.parametrize("where", ["me", "sendMail"])
def test_a_token_that_graph_does_not_take_is_replaced_within_the_attempt(office: Any, where: str) -> None:
    """R24: revoked before its time: another token is fetched, and the person notices nothing."""
    office.switchboard.add(where, "graph", status=401, code="InvalidAuthenticationToken")
    job = office.deliver(office.accept())
    assert (job.state, job.attempts) == ("sent", 1)
    assert office.switchboard.count("token") == 2
    assert len(office.mails()) == 1


def test_ten_messages_are_one_mail(office: Any) -> None:
    """R05: the second and all others see that it is being or has been sent."""
    job = office.accept()
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda _: office.deliver(job), range(10)))
    assert office.job(job).state == "sent"
    office.deliver(job)
    assert len(office.mails()) == 1
    assert office.job(job).attempts == 1


JUNK = (
    "", "/", "x", "{}", '{"job": "' + "a" * 36 + '"}', "\x00", "\ufffd" * 10, "a/b/c", "x" * 65536,
    "00000000-0000-4000-8000-000000000000", "00000000-0000-4000-8000-000000000000/",
    "00000000-0000-4000-8000-000000000000/00000000-0000-4000-8000-000000000000",
    "00000000-0000-4000-8000-000000000000/due", "due/due", "' or PartitionKey ne '/x",
)  # fmt: skip


def test_a_message_that_names_no_job_is_dropped(office: Any) -> None:
    """E14, R55: junk, forged ids and unknown ones raise nothing and change nothing."""
    job = office.accept()
    for message in JUNK:
        office.rooms.delivery.deliver(message)
        office.rooms.sweep.give_up(message)
    assert office.job(job).state == "accepted"
    assert office.mails() == []


def test_a_lost_message_costs_minutes_and_no_scan(office: Any) -> None:
    """R04, R06: the sweep wakes what is due, once, and not before it is."""
    job = office.accept()
    assert office.messages() != []
    assert office.rooms.sweep.run() == 0
    office.clock.advance(minutes=2)
    assert office.rooms.sweep.run() == 1
    assert office.rooms.sweep.run() == 0
    [message] = office.messages()
    office.rooms.delivery.deliver(message)
    assert office.job(job).state == "sent"
    assert office.due() == []


def test_a_sweep_costs_what_is_due_and_not_what_was_sent(office: Any) -> None:
    """The list of what is due holds no finished job."""
    for _ in range(5):
        office.deliver(office.accept())
    waiting = office.accept()
    assert len(office.due()) == 1
    office.clock.advance(minutes=2)
    assert office.rooms.sweep.run() == 1
    office.deliver(waiting)
    assert office.due() == []


def test_a_poisoned_message_leaves_its_job_to_the_sweep(office: Any) -> None:
    """R09, R10: the queue gives up, the job does not."""
    job = office.accept()
    office.messages()
    office.rooms.sweep.give_up(f"{job.device_id}/{job.manifest.id}")
    office.recover()
    assert office.job(job).state == "sent"


def test_a_row_that_cannot_be_read_fails_and_stops_nobody(office: Any) -> None:
    """R09: it can never be sent: the poison queue ends it with a code, and so does the sweep, which goes on."""
    broken, other, third = office.accept(), office.accept(), office.accept()
    office.messages()
    table = office.rooms.storage.table("jobs")
    for job, manifest in ((broken, "{}"), (third, "no JSON")):
        table.change(job.device_id, f"job|{job.manifest.id}", lambda _, manifest=manifest: {"manifest": manifest})
    office.rooms.sweep.give_up(f"{third.device_id}/{third.manifest.id}")
    office.clock.advance(minutes=2)
    assert office.rooms.sweep.run() == 1
    for job in (broken, third):
        row = table.get(job.device_id, f"job|{job.manifest.id}")
        assert (row["state"], row["reason"], row.get("due")) == ("failed", "unexpected", None)
    assert [place for place in office.due() if other.manifest.id not in place] == []
    assert office.deliver(other).state == "sent"


# ---------------------------------------------------------------- the lease


def test_while_one_holds_it_a_second_does_nothing(office: Any) -> None:
    """R08: also just before the lease ends."""
    job = office.accept()

    def second() -> None:
        office.clock.advance(seconds=80)
        assert office.deliver(job).attempts == 1

    assert office.deliver(job, office.with_(transports=Pausing(office.rooms.transports, before=second))).state == "sent"
    assert len(office.mails()) == 1


class Dies(BaseException):
    """The process ends here."""


def test_a_delivery_that_dies_before_the_hand_over_leaves_no_trace(office: Any) -> None:
    """R07: the next one sends it, at once; nothing was sent before, so nothing can come twice."""
    job = office.accept()
    with pytest.raises(Dies):
        office.deliver(job, office.with_(grants=Refusing(Dies())))  # type: ignore[arg-type]
    taken = office.deliver(job)
    assert (taken.state, taken.attempts) == ("sent", 1)
    assert len(office.mails()) == 1


def die() -> None:
    """End the process."""
    raise Dies


@pytest.mark.parametrize("sent", [False, True])
def test_a_delivery_that_dies_after_the_hand_over_is_never_repeated(office: Any, *, sent: bool) -> None:
    """R07, R43: nobody knows whether it was sent, so it is uncertain for good, and the document is kept to look at."""
    job = office.accept()
    transports = Pausing(office.rooms.transports, after=die) if sent else Pausing(office.rooms.transports, before=die)
    with pytest.raises(Dies):
        office.deliver(job, office.with_(transports=transports))
    office.recover()
    assert (office.job(job).state, office.job(job).reason) == ("uncertain", "outcome_unknown")
    office.deliver(job)
    assert len(office.mails()) == int(sent)
    assert office.documents() == [job.blob]


def test_a_paused_delivery_that_wakes_may_still_say_that_it_was_sent(office: Any) -> None:
    """R18: others have called it uncertain; who did it knows better."""
    job = office.accept()

    def sleep() -> None:
        office.clock.advance(minutes=5)
        assert office.deliver(job).state == "uncertain"

    assert office.deliver(job, office.with_(transports=Pausing(office.rooms.transports, after=sleep))).state == "sent"
    assert len(office.mails()) == 1
    assert office.documents() == office.due() == []


def test_a_paused_delivery_that_lost_its_lease_sends_nothing(office: Any) -> None:
    """R08, R18: it wakes before its hand-over, and the job is somebody else's: one mail, and his word stands."""
    job = office.accept()

    class Slow:
        def access_token(self, *given: Any) -> str:
            office.clock.advance(minutes=5)
            assert office.deliver(job).state == "sent"
            return str(office.rooms.grants.access_token(*given))

    assert office.deliver(job, office.with_(grants=Slow())).state == "sent"
    assert len(office.mails()) == 1


def test_a_paused_delivery_does_not_hand_over_what_another_is_working_on(office: Any) -> None:
    """R08, R18: the document is still there and the token is good: the claim alone decides."""
    job = office.accept()

    class Slow:
        def access_token(self, *given: Any) -> str:
            with pytest.raises(Dies):
                office.deliver(job, office.with_(transports=Pausing(office.rooms.transports, before=die)))
            return str(office.rooms.grants.access_token(*given))

    assert office.deliver(job, office.with_(grants=Slow())).state == "sending"
    assert office.mails() == []
    # Of the two slots the one that is left is the dead delivery's.
    assert len(office.listed("slot")) == 1
    office.clock.advance(minutes=2)
    assert office.deliver(job).state == "uncertain"
    assert office.mails() == []


@pytest.mark.parametrize("fault", [faults.SignInExpired(), faults.Throttled(retry_after=1), KeyError("x")])
def test_a_paused_delivery_that_fails_late_leaves_the_job_of_another_alone(office: Any, fault: Exception) -> None:
    """R18: neither the state, nor the document that the other is about to read."""
    job = office.accept()
    slow_is_done = threading.Event()

    class Slow:
        def access_token(self, *_: Any) -> str:
            with pytest.raises(Dies):
                office.deliver(job, office.with_(transports=Pausing(office.rooms.transports, before=die)))
            slow_is_done.set()
            raise fault

    office.deliver(job, office.with_(grants=Slow()))
    assert slow_is_done.is_set()
    assert office.job(job).state == "sending"
    assert office.documents() == [job.blob]


# ---------------------------------------------------------------- the document


def test_a_document_that_is_gone_ends_the_job(office: Any) -> None:
    """R49: final, with a reason."""
    job = office.accept()
    office.rooms.storage.blobs("documents").delete(job.blob)
    ended = office.deliver(job)
    assert (ended.state, ended.reason) == ("failed", "document_missing")


def test_a_document_that_was_replaced_is_not_sent(office: Any) -> None:
    """E18, R50: not even by the same bytes: what was pinned is not there any more."""
    for body in (b"%PDF-1.7 another %%EOF", b"%PDF-1.7 the scan %%EOF"):
        job = office.accept()
        office.rooms.storage.blobs("documents").put(job.blob, body, len(body))
        ended = office.deliver(job)
        assert (ended.state, ended.reason) == ("failed", "document_mismatch")
    assert office.mails() == []


def test_other_bytes_with_the_right_etag_are_not_sent(office: Any) -> None:
    """R50, E18: who can write rows and documents still lacks bytes with the hash that the device gave."""
    job, other = office.accept(), b"%PDF-1.7 the scaN %%EOF"
    etag = office.rooms.storage.blobs("documents").put(job.blob, other, job.manifest.size)
    office.rooms.storage.table("jobs").change(job.device_id, f"job|{job.manifest.id}", lambda _: {"etag": etag})
    ended = office.deliver(job)
    assert (ended.state, ended.reason) == ("failed", "document_mismatch")
    assert office.mails() == []


def test_a_row_that_was_tampered_with_sends_nothing_elsewhere(office: Any) -> None:
    """E15, E17: who may write rows can point a job at another account, but has no token for it, or the wrong one."""
    ben = office.cloud.account("contoso/ben").oid
    job = office.accept()
    table = office.rooms.storage.table("jobs")
    table.change(job.device_id, f"job|{job.manifest.id}", lambda _: {"oid": ben})
    ended = office.deliver(job)
    assert (ended.state, ended.reason) == ("failed", "sign_in_required")
    assert office.mails() == office.mails("contoso/ben") == []


# ---------------------------------------------------------------- waiting


@pytest.mark.parametrize(("jitter", "most"), [(0, 120.0), (199, 144.0)])
def test_retry_after_is_obeyed_to_the_second(office: Any, jitter: int, most: float) -> None:
    """R40: never earlier, at most a fifth later; a message that comes too early calls nobody."""
    office.jitter[0] = jitter
    office.switchboard.add("sendMail", "throttled", retry_after="120")
    began = office.clock()
    job = office.deliver(office.accept())
    assert (job.state, job.reason) == ("waiting", "throttled")
    wait = (job.next_attempt - began).total_seconds()
    assert 120 <= wait <= most
    office.clock.advance(seconds=wait - 0.001)
    office.switchboard.forget()
    assert office.deliver(job).state == "waiting"
    assert office.switchboard.count("me") == office.switchboard.count("sendMail") == 0
    office.clock.advance(seconds=0.001)
    assert office.deliver(job).state == "sent"
    assert len(office.mails()) == 1


def test_the_queue_wakes_a_waiting_job_no_earlier_than_it_may_be_sent(office: Any) -> None:
    """R40, R06: its message is hidden meanwhile, and the sweep does not bring it either; without it the sweep does."""
    office.switchboard.add("sendMail", "throttled", retry_after="120")
    office.messages()
    job = office.deliver(office.accept())
    assert office.messages() == [f"{job.device_id}/{job.manifest.id}"]  # the first one, from accepting
    office.clock.advance(seconds=119)
    assert office.rooms.sweep.run() == 0
    office.recover()
    assert office.job(job).state == "sent"


def test_pauses_grow_where_nobody_says_how_long(office: Any) -> None:
    """R26, R57: 10 s, 30 s, 90 s and so on, up to 15 minutes."""
    delivery = office.with_(grants=Refusing(faults.NoConnection()))
    job, pauses = office.accept(), []
    for _ in range(6):
        job = office.deliver(job, delivery)
        pauses.append((job.next_attempt - office.clock()).total_seconds())
        office.clock.advance(seconds=pauses[-1])
    assert pauses == [10, 30, 90, 270, 810, 900]


def test_after_a_day_it_is_given_up(office: Any) -> None:
    """R26: the job fails with 360, its document goes, and nothing tries again."""
    delivery = office.with_(grants=Refusing(faults.NoConnection(retry_after=6 * 3600)))
    job = office.accept()
    for _ in range(5):
        job = office.deliver(job, delivery)
        office.clock.advance(hours=6, seconds=1)
    assert (job.state, job.reason, job.fault.code) == ("failed", "not_delivered_in_time", 360)
    assert office.documents() == office.due() == []


def test_a_wait_beyond_the_day_is_given_up_at_once(office: Any) -> None:
    """R40: Microsoft asks for more than the job's day: the person hears it now."""
    office.switchboard.add("sendMail", "throttled", retry_after="90000")
    job = office.accept()
    office.clock.advance(seconds=1)
    job = office.deliver(job)
    assert (job.state, job.reason) == ("failed", "not_delivered_in_time")


def test_a_job_that_kills_its_worker_is_given_up_after_a_day_too(office: Any) -> None:
    """R09: attempts that never come to their end do not go on for ever."""
    job = office.accept()
    deadly = office.with_(grants=Refusing(Dies()))  # type: ignore[arg-type]
    for _ in range(3):
        with pytest.raises(Dies):
            office.deliver(job, deadly)
        office.clock.advance(minutes=2)
    office.clock.advance(hours=25)
    with pytest.raises(Dies):
        office.deliver(job, deadly)
    ended = office.deliver(job, deadly)
    assert (ended.state, ended.reason, ended.attempts) == ("failed", "not_delivered_in_time", 1)
    assert office.documents() == office.due() == []


def test_a_job_nobody_looked_at_for_a_day_is_still_tried(office: Any) -> None:
    """R56: the service was away, not Microsoft."""
    job = office.accept()
    office.clock.advance(hours=25)
    office.cloud.expire_access_tokens()
    assert office.deliver(job, office.with_(grants=Refusing(faults.NoConnection()))).attempts == 1


def test_updated_always_moves_forward(office: Any) -> None:
    """The long poll compares it: a clock that stands still or runs back must not hide a change."""
    job = office.accept()
    office.clock.advance(seconds=-30)
    assert office.deliver(job).updated > job.updated


def test_a_withdrawn_consent_is_learnt_from_the_first_delivery(office: Any) -> None:
    """R58: the organisation is marked once, and the next scan is refused before it is stored."""
    office.clock.advance(minutes=30)
    job = office.deliver(office.accept(), office.with_(grants=Refusing(faults.ConsentWithdrawn())))
    assert (job.state, job.reason, job.fault.code) == ("failed", "consent_withdrawn", 370)
    with pytest.raises(faults.ConsentWithdrawn):
        office.accept()
    assert office.rooms.organisations.get(CONTOSO).consent == "withdrawn"


def test_old_documents_go_and_those_of_living_jobs_do_not(office: Any) -> None:
    """R03, I06: after 48 hours a document is asked for its job: one that lives keeps it, others and orphans go."""
    living, ended = office.accept(), office.accept()
    blobs = office.rooms.storage.blobs("documents")
    office.rooms.jobs.change(ended.device_id, ended.manifest.id, lambda _: ({"state": "uncertain"}, None))
    odd = [f"{ended.device_id}/{uuid.uuid4()}/{uuid.uuid4()}", f"{living.blob}x", "name", "a/b/c/d", "//"]
    for name in odd:
        blobs.put(name, b"orphan", 6)
    office.clock.advance(hours=47)
    office.rooms.retention.expire()
    assert len(office.documents()) == 2 + len(odd)
    office.clock.advance(hours=2)
    office.rooms.retention.expire()
    assert office.documents() == [living.blob]
