"""Delivering a scan: claim, token, message, hand over, record.

One delivery holds a job by a lease in its row (``claims``). Before the first byte goes to the mail service it says so
(``slots``); whoever finds that mark beside a lease that ran out knows that the mail may have been sent, and does not
send it again blindly.
"""

from __future__ import annotations

import hashlib
import logging
import math
import traceback
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared import faults
from shared.faults import Action
from shared.mail import TokenRejected
from shared.scans.claims import GIVEN_UP_AFTER, LEASE, LONGEST_PAUSE, Claims
from shared.scans.compose import compose
from shared.scans.jobs import FINAL, Decision, Job, Jobs
from shared.scans.slots import AllTaken, Slots, TakenOver
from shared.storage import Blobs, Changed, Gone, Queue, Value

if TYPE_CHECKING:
    from shared.mail import Graph
    from shared.organisations import Organisations
    from shared.vault import Grants

FIRST_PAUSE = 10.0
"""Seconds before the second attempt where nobody says how long: trebled each time, up to ``LONGEST_PAUSE``."""
STEP_BACK = 2.0
"""Seconds at least that a job waits for a slot of its mailbox."""
SLOTS = 4
WAKE_MARGIN = timedelta(seconds=60)
"""The sweep looks so long after the queue should have."""

log = logging.getLogger(__name__)


@dataclass
class _Attempt:
    """A delivery that holds a job."""

    job: Job
    rows: tuple[str, ...] = ()
    """What says that the mail is about to leave or has left."""
    verified: bool = False


class Delivery:
    """Delivers scans.

    Args:
        jobs: the rows.
        documents: the container with the bytes.
        deliveries: the queue, for wake-ups at a later time.
        grants: gives access tokens.
        organisations: learns when a consent is gone.
        graph: sends.
        slots: where it is written that a mail is about to leave.
        claims: gives jobs to deliveries.
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
        graph: Graph,
        slots: Slots,
        claims: Claims,
        clock: Callable[[], datetime],
        below: Callable[[int], int],
    ) -> None:
        self._jobs = jobs
        self._documents = documents
        self._deliveries = deliveries
        self._grants = grants
        self._organisations = organisations
        self._graph = graph
        self._slots = slots
        self._claims = claims
        self._clock = clock
        self._below = below

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
        try:
            job, mine = self._claims.claim(device_id, job_id)
        except faults.NotFound:
            log.warning("queue message for unknown job %s of device %s; dropped", job_id, device_id)
            return
        if mine:
            self._attempt(_Attempt(job))
        elif job.state in FINAL:
            # Its end may have been cut off before this.
            self._documents.delete(job.blob)

    def _attempt(self, attempt: _Attempt) -> None:
        job = attempt.job
        try:
            self._send(attempt)
        except TakenOver:
            log.warning("job %s of device %s, attempt %d: lease lost", job.manifest.id, job.device_id, job.attempts)
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

    def _send(self, attempt: _Attempt) -> None:
        job = attempt.job
        scopes = self._organisations.recent(job.tid).require_consent().mail_scopes
        token = self._grants.access_token(job.tid, job.oid, scopes)
        try:
            self._send_with(token, attempt)
        except TokenRejected as rejected:
            # Revoked before its time, or a claims challenge: once more, with another token.
            token = self._grants.access_token(job.tid, job.oid, scopes, refused=token, claims=rejected.claims)
            try:
                self._send_with(token, attempt)
            except TokenRejected:
                raise faults.MicrosoftUnavailable("a fresh token was rejected") from None

    def _send_with(self, token: str, attempt: _Attempt) -> None:
        job = attempt.job
        mailbox = self._graph.me(token)
        if mailbox.oid != job.oid:
            raise faults.Unexpected("token of another account")
        if mailbox.address is None:
            raise faults.NoMailbox("no mail address")
        message, document = compose(job), self._document(job)
        if not attempt.rows:
            attempt.rows = self._slots.take(job, SLOTS, verified=False, until=self._clock() + LEASE)
        try:
            self._graph.send(token, mailbox, message, document)
        except (faults.Fault, TokenRejected):
            raise
        except Exception as error:
            raise faults.OutcomeUnknown(type(error).__name__) from error

    def _document(self, job: Job) -> bytes:
        digest, chunks = hashlib.sha256(), []
        try:
            for chunk in self._documents.read(job.blob, job.etag):
                digest.update(chunk)
                chunks.append(chunk)
        except Gone as error:
            raise faults.DocumentMissing from error
        except Changed as error:
            raise faults.DocumentMismatch("written after it was accepted") from error
        if digest.hexdigest() != job.manifest.sha256:
            raise faults.DocumentMismatch("hash")
        return b"".join(chunks)

    def _record(self, attempt: _Attempt, fault: faults.Fault) -> None:
        job = attempt.job
        log.warning("job %s of device %s, attempt %d: %s", job.manifest.id, job.device_id, job.attempts, fault)
        if isinstance(fault, faults.ConsentWithdrawn) and not self._organisations.withdraw(job.tid):
            fault = faults.MicrosoftUnavailable("a fresh consent settles", retry_after=60)
        if fault.action is Action.UNCERTAIN:
            self._end(attempt, "uncertain", fault.reason)
        elif fault.action is not Action.RETRY:
            self._end(attempt, "failed", fault.reason)
        else:
            self._wait(attempt, fault)

    def _wait(self, attempt: _Attempt, fault: faults.Fault) -> None:
        pause = fault.retry_after
        if pause is None:
            pause = min(FIRST_PAUSE * 3 ** (attempt.job.attempts - 1), LONGEST_PAUSE)
        # Jitter only ever adds: Retry-After is obeyed to the second (R40).
        pause += pause * self._below(200) / 1000
        if self._clock() + timedelta(seconds=pause) > attempt.job.created + GIVEN_UP_AFTER:
            self._end(attempt, "failed", faults.NotDeliveredInTime.reason)
            return
        self._again(attempt, pause, {"reason": fault.reason})

    def _step_back(self, attempt: _Attempt) -> None:
        """Others are sending to this mailbox: come back soon. It is no fault, and counts as no attempt."""
        self._again(
            attempt, STEP_BACK + self._below(2000) / 1000, {"reason": None, "attempts": attempt.job.attempts - 1}
        )

    def _again(self, attempt: _Attempt, pause: float, changes: Mapping[str, Value | None]) -> None:
        at = self._clock() + timedelta(seconds=pause)
        if self._write(attempt, {"state": "waiting", "next_attempt": at, **changes}, due=at + WAKE_MARGIN):
            # Not before ``at`` even where the queue cuts the fraction off or its clock is a little ahead.
            job = attempt.job
            self._deliveries.send(f"{job.device_id}/{job.manifest.id}", delay=math.ceil(pause) + 1)

    def _end(self, attempt: _Attempt, state: str, reason: str | None) -> None:
        if not self._write(attempt, {"state": state, "reason": reason, "next_attempt": None}, due=None):
            return
        job = attempt.job
        if state in FINAL:
            self._documents.delete(job.blob)
        log.info("job %s of device %s, attempt %d: %s", job.manifest.id, job.device_id, job.attempts, state)

    def _write(self, attempt: _Attempt, changes: Mapping[str, Value | None], due: datetime | None) -> bool:
        """Write how this attempt went. False: the job is somebody else's by now, and so is its document."""
        mine, written = attempt.job, False

        def write(job: Job) -> Decision:
            nonlocal written
            # A delivery whose lease ran out may still know better than "uncertain", nothing else.
            written = job.lease == mine.lease and job.state in {"sending", "uncertain"}
            return ({**changes, "lease_until": None}, due) if written else None

        self._jobs.change(mine.device_id, mine.manifest.id, write, known=mine, forget=attempt.rows)
        if not written:
            log.warning("job %s of device %s: the lease was lost", mine.manifest.id, mine.device_id)
        return written
