"""Delivering a scan: token, message, claim, hand over, record.

A delivery gets everything ready, and just before the first byte goes to the mail service takes a slot of the mailbox
(``slots``) and claims the job (``claims``); whoever finds a claim that ran out knows that the mail may have been sent,
and does not send it again blindly.
"""

from __future__ import annotations

import logging
import math
import traceback
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from shared import faults
from shared.faults import Action
from shared.mail import Draft, TokenRejected
from shared.organisations.ranges import GRAPH, GRAPH_DOCUMENT_LIMIT, SEND_MAIL
from shared.scans.attempts import ended, noted
from shared.scans.claims import GIVEN_UP_AFTER, LONGEST_PAUSE, Claims, TakenOver, Turn
from shared.scans.compose import compose
from shared.scans.failure_notices import FailureNotices
from shared.scans.gate import Gate
from shared.scans.heartbeats import Heartbeats
from shared.scans.holds import Holds
from shared.scans.jobs import FINAL, HELD, Decision, Job, Jobs
from shared.scans.slots import AllTaken, Slots
from shared.scans.stored import StoredDocument
from shared.storage import Blobs, Queue, Value

if TYPE_CHECKING:
    from shared.mail import Mailboxes, Message, Sender, Transport, Transports
    from shared.mailboxes import Outgoings
    from shared.organisations import Organisations
    from shared.vault import Grants

FIRST_PAUSE = 10.0
"""Seconds before the second attempt where nobody says how long: trebled each time, up to ``LONGEST_PAUSE``."""
STEP_BACK = 2.0
"""Seconds at least that a job waits for a slot of its mailbox, while other processes have them all."""
LIMIT_REMEMBERED = timedelta(days=7)
"""So long a mailbox's size limit is believed. Whoever raises it at Exchange tells nobody; then one scan finds out."""
WAKE_MARGIN = timedelta(seconds=60)
"""The sweep looks so long after the queue should have."""

SENDING = timedelta(seconds=90)
SENDING_BY_SMTP = timedelta(seconds=570)
"""From the first byte to the written end: longer than the transport takes with all its time-outs."""
SLOWEST = 1_000_000
"""Bytes a second that an upload is allowed beside that. A slower one is not lost: see ``claims``."""

Result = TypeVar("Result")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Way:
    """How a job leaves: by whose tokens, from whose mailbox, and what it says to whom."""

    grants: Grants
    tid: str
    oid: str
    """Under which the tokens lie."""
    identity: str
    """What Graph must call the mailbox's account."""
    transport: Transport
    message: Message


@dataclass
class _Attempt:
    """A delivery whose turn it is."""

    job: Job
    turn: Turn
    first_slot: int
    """Of its mailbox, to try first."""
    slot: str | None = None
    """The row of the slot that it has: from then on its mail is about to leave, or has left."""
    number: int | None = None
    """Of that slot."""
    verified: bool = False


class Delivery:
    """Delivers scans.

    Args:
        jobs: the rows.
        documents: the container with the bytes.
        deliveries: the queue, for wake-ups at a later time.
        grants: gives access tokens.
        organisations: learns when a consent is gone.
        mailboxes: knows whose mailbox a token is for.
        transports: the ways out, and the choice between them.
        slots: how many mails leave at once for a mailbox.
        claims: gives jobs to deliveries.
        heartbeats: the signs of life of this process's deliveries.
        holds: keeps what its person must sign in for.
        notices: tells a person what failed for good.
        clock: the time now.
        below: ``below(n)`` gives a random number from 0 to n-1, for the jitter of pauses.
        outgoings: the way out for printers' own mail.
    """

    def __init__(
        self,
        jobs: Jobs,
        documents: Blobs,
        deliveries: Queue,
        grants: Grants,
        organisations: Organisations,
        mailboxes: Mailboxes,
        transports: Transports,
        slots: Slots,
        claims: Claims,
        heartbeats: Heartbeats,
        holds: Holds,
        notices: FailureNotices,
        clock: Callable[[], datetime],
        below: Callable[[int], int],
        outgoings: Outgoings,
    ) -> None:
        self._outgoings = outgoings
        self._jobs = jobs
        self._documents = documents
        self._deliveries = deliveries
        self._grants = grants
        self._organisations = organisations
        self._mailboxes = mailboxes
        self._transports = transports
        self._slots = slots
        self._claims = claims
        self._heartbeats = heartbeats
        self._holds = holds
        self._notices = notices
        self._clock = clock
        self._below = below
        self._gate = Gate(below)

    def deliver(self, message: str) -> None:
        """Deliver the job that a queue message names. Whatever happens is written into its row.

        A message that names no job, or one that has ended or is held by another delivery, is dropped.

        Raises:
            StorageUnavailable: the row could not be written; the queue brings the message again.
        """
        device_id, _, job_id = message.partition("/")
        try:
            device_id, job_id = str(uuid.UUID(device_id)), str(uuid.UUID(job_id))
        except ValueError:
            log.warning("a queue message is no job id; dropped")
            return
        job = self._jobs.get(device_id, job_id)
        if job is None:
            log.warning("queue message for unknown job %s of device %s; dropped", job_id, device_id)
            return
        mailbox = job.tid, job.oid
        first = self._gate.enter(*mailbox)
        if first is None:
            self._deliveries.send(message, delay=self._gate.pause(*mailbox))
            return
        attempt: _Attempt | None = None
        try:
            job, turn = self._claims.turn(job)
            if turn is not None:
                attempt = _Attempt(job, turn, first)
                self._attempt(attempt)
            elif job.state in FINAL:
                # Its end may have been cut off before this.
                self._documents.delete(job.blob)
        except faults.NotFound:
            log.warning("job %s of device %s is gone", job_id, device_id)
        finally:
            if attempt is not None:
                self._heartbeats.end(attempt.turn)
            self._gate.leave(*mailbox, first, attempt.number if attempt is not None else None)

    def _attempt(self, attempt: _Attempt) -> None:
        job = attempt.job
        try:
            self._send(attempt)
        except TakenOver:
            log.warning("job %s of device %s, attempt %d: taken over", *_named(attempt))
            if attempt.slot is not None:
                self._slots.leave(attempt.slot)
        except AllTaken:
            self._step_back(attempt)
        except faults.Fault as fault:
            self._record(attempt, fault)
        except Exception as error:  # noqa: BLE001  (a bug of ours must not keep a job from its end)
            # The message of an exception may quote what somebody scanned; its place does not.
            log.error("%s\n%s", type(error).__name__, "".join(traceback.format_tb(error.__traceback__)))  # noqa: TRY400
            self._record(attempt, faults.Unexpected(type(error).__name__))
        else:
            self._end(attempt, "sent", None)
            if job.own:
                self._outgoings.note(job.tid, job.device_id, job.manifest.kind, None)

    def _send(self, attempt: _Attempt) -> None:
        way = self._way(attempt.job)
        if all(scope.startswith(GRAPH) for scope in way.transport.scopes):
            self._with_token(
                way,
                way.transport.scopes,
                lambda token: self._hand_over(attempt, way, token, self._sender(way, token)),
            )
            return
        sender = self._with_token(way, SEND_MAIL, lambda token: self._sender(way, token))
        self._with_token(way, way.transport.scopes, lambda token: self._hand_over(attempt, way, token, sender))

    def _way(self, job: Job) -> _Way:
        told, organisation = job.manifest, self._organisations.recent(job.tid)
        if job.own:
            found = self._outgoings.way_of(job.device_id, told.kind, told.to, told.fax_number, told.size)
            account = found.account
            message = compose(job, organisation.policy, found.recipients)
            return _Way(found.grants, job.tid, account.sign_in, account.identity, found.transport, message)
        allowed = organisation.require_consent()
        transport = self._transports.choose(allowed, organisation.policy, told.size)
        return _Way(self._grants, job.tid, job.oid, job.oid, transport, compose(job, organisation.policy))

    def _with_token(self, way: _Way, scopes: Sequence[str], use: Callable[[str], Result]) -> Result:
        """Call ``use`` with an access token, and once more with another where that one is not taken."""
        token = way.grants.access_token(way.tid, way.oid, scopes)
        try:
            return self._asking(way, use, token)
        except TokenRejected as rejected:
            # Revoked before its time, or a claims challenge.
            token = way.grants.access_token(way.tid, way.oid, scopes, refused=token, claims=rejected.claims)
            try:
                return self._asking(way, use, token)
            except TokenRejected as again:
                raise again.lasting("a fresh token was rejected") from None

    def _asking(self, way: _Way, use: Callable[[str], Result], token: str) -> Result:
        """Ask Microsoft; a pause that it asks for holds for the mailbox and for all workers (R40)."""
        try:
            return use(token)
        except (faults.Throttled, faults.SendingLimitReached) as fault:
            if fault.retry_after:
                way.grants.pause(way.tid, way.oid, self._clock() + timedelta(seconds=fault.retry_after))
            raise

    def _sender(self, way: _Way, token: str) -> Sender:
        return self._mailboxes.of(way.tid, way.identity, token)

    def _hand_over(self, attempt: _Attempt, way: _Way, token: str, sender: Sender) -> None:
        transport, again = way.transport, attempt.slot is not None
        document = StoredDocument(self._documents, attempt.job)
        document.begin()
        if not again:
            self._claim(attempt, transport)
        job = attempt.job
        draft = Draft(job.draft, look=job.look or again, remember=lambda made: self._remember(attempt, made))
        try:
            transport.send(token, sender, way.message, document, draft)
        except faults.TooLarge as fault:
            self._learn(way, document.size, fault)
            raise
        except (faults.Fault, TokenRejected, TakenOver):
            raise
        except Exception as error:
            if transport.verified:
                raise
            raise faults.OutcomeUnknown(type(error).__name__) from error

    def _claim(self, attempt: _Attempt, transport: Transport) -> None:
        """Say, before the first byte, that the mail is about to leave."""
        job = attempt.job
        longest = _longest(transport, job.manifest.size)
        attempt.slot, attempt.number = self._slots.take(
            job.tid, job.oid, transport.slots, first=attempt.first_slot, until=self._clock() + longest
        )
        attempt.job = self._claims.claim(attempt.turn, verified=transport.verified)
        self._heartbeats.begin(attempt.turn, longest)
        attempt.verified = transport.verified

    def _learn(self, way: _Way, size: int, fault: faults.TooLarge) -> None:
        """Remember of the mailbox, and of no other, what it did not take: limits are set for each."""
        limit = fault.params.get("limit")
        largest = min(size - 1, limit if isinstance(limit, int) else size)
        # What fits into every request of Graph's was refused for another reason than a limit of the mailbox's.
        if largest >= GRAPH_DOCUMENT_LIMIT:
            way.grants.refused(way.tid, way.oid, largest, self._clock() + LIMIT_REMEMBERED)

    def _remember(self, attempt: _Attempt, draft: str) -> None:
        """Write down what is about to be left in the mailbox. Only who still holds the job may go on (R18)."""
        mine = attempt.job

        def remember(job: Job) -> Decision:
            if job.state != "sending" or job.lease != attempt.turn.lease:
                raise TakenOver
            return {"draft": draft}, self._clock() + WAKE_MARGIN

        attempt.job = self._jobs.change(mine.device_id, mine.manifest.id, remember, known=mine)

    def _record(self, attempt: _Attempt, fault: faults.Fault) -> None:
        job = attempt.job
        if job.own:
            fault = self._outgoings.meant(fault)
            self._outgoings.note(job.tid, job.device_id, job.manifest.kind, fault.reason)
        log.warning("job %s of device %s, attempt %d: %s", *_named(attempt), fault)
        if isinstance(fault, faults.ConsentWithdrawn) and not self._organisations.withdraw(job.tid):
            fault = faults.MicrosoftUnavailable("a fresh consent settles", retry_after=60)
        match fault.action:
            case Action.RETRY:
                self._wait(attempt, fault)
            case Action.UNCERTAIN if self._claims.repeats(job):
                self._again(attempt, FIRST_PAUSE, {"reason": fault.reason, "repeated": True})
            case Action.UNCERTAIN:
                self._end(attempt, "uncertain", fault.reason)
            case Action.HOLD:
                self._hold(attempt, fault)
            case _:
                self._end(attempt, "failed", fault.reason)

    def _hold(self, attempt: _Attempt, fault: faults.Fault) -> None:
        """Keep the scan until its person has signed in again, where the organisation wants that."""
        job = attempt.job
        until = self._holds.until_again(job)
        if until is None:
            self._end(attempt, "failed", fault.reason)
            return
        # Before the row says so, so that a sign-in that comes now finds it; and one that came meanwhile is found here.
        self._holds.note(job)
        held: dict[str, Value | None] = {"state": HELD, "reason": fault.reason, "next_attempt": None, "until": until}
        if attempt.verified:
            held["look"] = True
        kept = replace(job, state=HELD, until=until)
        # A sign-in that looks good and is not, as one whose seal is broken, would go round here for ever. So only the
        # first attempt looks at once; after others the sweep does, in pauses that grow.
        if attempt.turn.number > 1:
            later = self._holds.later(kept)
            self._write(attempt, {**held, "next_attempt": later}, due=later)
        elif self._write(attempt, held, due=self._holds.first_look(until)):
            self._holds.look(kept)

    def _wait(self, attempt: _Attempt, fault: faults.Fault) -> None:
        pause = fault.retry_after
        if pause is None:
            pause = min(FIRST_PAUSE * 3 ** (attempt.turn.number - 1), LONGEST_PAUSE)
        # Jitter only ever adds: Retry-After is obeyed to the second (R40).
        pause += pause * self._below(200) / 1000
        if self._clock() + timedelta(seconds=pause) > attempt.job.deliverable_since + GIVEN_UP_AFTER:
            self._end(attempt, "failed", faults.NotDeliveredInTime.reason)
            return
        self._again(attempt, pause, {"reason": fault.reason})

    def _step_back(self, attempt: _Attempt) -> None:
        """Others are sending to this mailbox: come back soon. It is no fault, and counts as no attempt."""
        pause = STEP_BACK + self._below(2000) / 1000
        self._again(attempt, pause, {"reason": None, "attempts": attempt.turn.begun.attempts})

    def _again(self, attempt: _Attempt, pause: float, changes: Mapping[str, Value | None]) -> None:
        at = self._clock() + timedelta(seconds=pause)
        if attempt.verified:
            # However it ended: what it left in the mailbox, the next attempt finds.
            changes = {**changes, "look": True}
        if self._write(attempt, {"state": "waiting", "next_attempt": at, **changes}, due=at + WAKE_MARGIN):
            # Not before ``at`` even where the queue cuts the fraction off or its clock is a little ahead.
            job = attempt.job
            self._deliveries.send(f"{job.device_id}/{job.manifest.id}", delay=math.ceil(pause) + 1)

    def _end(self, attempt: _Attempt, state: str, reason: str | None) -> None:
        if self._write(attempt, {"state": state, "reason": reason, "next_attempt": None}, due=None):
            job = attempt.job
            if state == "failed" and reason is not None and not job.own:
                self._notices.failed(job, reason)
            log.info("job %s of device %s, attempt %d: %s", *_named(attempt), state)

    def _write(self, attempt: _Attempt, changes: Mapping[str, Value | None], due: datetime | None) -> bool:
        """Write how this attempt went. False: the job is somebody else's by now, and so is its document."""
        mine, number, written = attempt.job, attempt.turn.number, False
        # One that found no free slot is none.
        counts = changes.get("attempts", number) == number
        told = ended(number, self._clock(), changes)

        def write(job: Job) -> Decision:
            nonlocal written
            written = attempt.turn.holds(job)
            past = noted(job.past, told) if counts else job.past
            return ({"attempts": number, **changes, "lease_until": None, "past": past}, due) if written else None

        def then(job: Job) -> None:
            if written and job.state in FINAL:
                self._documents.delete(job.blob)

        forget = () if attempt.slot is None else (attempt.slot,)
        self._jobs.change(mine.device_id, mine.manifest.id, write, known=mine, then=then, forget=forget)
        if not written:
            log.warning("job %s of device %s, attempt %d: the job was taken over", *_named(attempt))
        return written


def _named(attempt: _Attempt) -> tuple[str, str, int]:
    """Return what logs call an attempt."""
    return attempt.job.manifest.id, attempt.job.device_id, attempt.turn.number


def _longest(transport: Transport, size: int) -> timedelta:
    """Return how long a transport may take for a document of ``size`` bytes."""
    patience = SENDING if all(scope.startswith(GRAPH) for scope in transport.scopes) else SENDING_BY_SMTP
    return patience + timedelta(seconds=size / SLOWEST)
