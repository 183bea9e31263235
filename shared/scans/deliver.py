"""Delivering a scan: token, message, claim, hand over.

A delivery gets everything ready, and just before the first byte goes to the mail service takes a slot of the mailbox
(``slots``) and claims the job (``claims``); whoever finds a claim that ran out knows that the mail may have been sent,
and does not send it again blindly. How it ended is written down in ``outcomes``.
"""

from __future__ import annotations

import logging
import traceback
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from shared import faults
from shared.mail import Draft, TokenRejected
from shared.organisations.ranges import GRAPH, GRAPH_DOCUMENT_LIMIT, SEND_MAIL
from shared.scans.claims import Claims, TakenOver
from shared.scans.compose import compose
from shared.scans.gate import Gate
from shared.scans.heartbeats import Heartbeats
from shared.scans.job import FINAL, Job
from shared.scans.jobs import Decision, Jobs
from shared.scans.outcomes import WAKE_MARGIN, Outcomes, UnderWay
from shared.scans.slots import AllTaken, Slots
from shared.scans.stored import StoredDocument
from shared.storage import Blobs, Queue

if TYPE_CHECKING:
    from shared.mail import Mailboxes, Message, Sender, Transport, Transports
    from shared.mailboxes import Outgoings
    from shared.organisations import Organisations
    from shared.vault import Grants

LIMIT_REMEMBERED = timedelta(days=7)
"""So long a mailbox's size limit is believed. Whoever raises it at Exchange tells nobody; then one scan finds out."""
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


class Delivery:
    """Delivers scans.

    Args:
        jobs: the rows.
        documents: the container with the bytes.
        deliveries: the queue, for what this process cannot take now.
        grants: gives access tokens.
        organisations: says what a consent allows.
        mailboxes: knows whose mailbox a token is for.
        transports: the ways out, and the choice between them.
        slots: how many mails leave at once for a mailbox.
        claims: gives jobs to deliveries.
        heartbeats: the signs of life of this process's deliveries.
        outgoings: the way out for printers' own mail.
        outcomes: writes down how attempts ended.
        clock: the time now.
        below: ``below(n)`` gives a random number from 0 to n-1, for the jitter of pauses.
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
        outgoings: Outgoings,
        outcomes: Outcomes,
        clock: Callable[[], datetime],
        below: Callable[[int], int],
    ) -> None:
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
        self._outgoings = outgoings
        self._outcomes = outcomes
        self._clock = clock
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
        attempt: UnderWay | None = None
        try:
            job, turn = self._claims.turn(job)
            if turn is not None:
                attempt = UnderWay(job, turn, first)
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

    def _attempt(self, attempt: UnderWay) -> None:
        try:
            self._send(attempt)
        except TakenOver:
            log.warning("job %s of device %s, attempt %d: taken over", *attempt.named)
            if attempt.slot is not None:
                self._slots.leave(attempt.slot)
        except AllTaken:
            self._outcomes.step_back(attempt)
        except faults.Fault as fault:
            self._outcomes.met(attempt, fault)
        except Exception as error:  # noqa: BLE001  (a bug of ours must not keep a job from its end)
            # The message of an exception may quote what somebody scanned; its place does not.
            log.error("%s\n%s", type(error).__name__, "".join(traceback.format_tb(error.__traceback__)))  # noqa: TRY400
            self._outcomes.met(attempt, faults.Unexpected(type(error).__name__))
        else:
            self._outcomes.sent(attempt)

    def _send(self, attempt: UnderWay) -> None:
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

    def _hand_over(self, attempt: UnderWay, way: _Way, token: str, sender: Sender) -> None:
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

    def _claim(self, attempt: UnderWay, transport: Transport) -> None:
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

    def _remember(self, attempt: UnderWay, draft: str) -> None:
        """Write down what is about to be left in the mailbox. Only who still holds the job may go on (R18)."""
        mine = attempt.job

        def remember(job: Job) -> Decision:
            if job.state != "sending" or job.lease != attempt.turn.lease:
                raise TakenOver
            return {"draft": draft}, self._clock() + WAKE_MARGIN

        attempt.job = self._jobs.change(mine.device_id, mine.manifest.id, remember, known=mine)


def _longest(transport: Transport, size: int) -> timedelta:
    """Return how long a transport may take for a document of ``size`` bytes."""
    patience = SENDING if all(scope.startswith(GRAPH) for scope in transport.scopes) else SENDING_BY_SMTP
    return patience + timedelta(seconds=size / SLOWEST)
