"""Delivering a scan: claim, token, message, send, record.

One delivery holds a job by a lease in its row. Before the first byte goes to the mail service the row says
so (``handed``); whoever finds that lease expired knows that the mail may have been sent, and does not send
it again blindly.
"""

from __future__ import annotations

import hashlib
import logging
import traceback
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared import faults
from shared.faults import Action
from shared.mail import TokenRejected
from shared.scans.compose import compose
from shared.scans.jobs import FINAL, RESTING, Job, Jobs
from shared.storage import Blobs, Changed, Gone, Queue, Value

if TYPE_CHECKING:
    from shared.mail import Graph
    from shared.organisations import Organisations
    from shared.vault import Grants

LEASE = timedelta(seconds=90)
"""Longer than everything between two writes of a delivery takes with all its time-outs."""
GIVEN_UP_AFTER = timedelta(hours=24)
FIRST_PAUSE, LONGEST_PAUSE = 10.0, 900.0
"""Seconds between attempts where nobody says how long: trebled each time."""
WAKE_MARGIN = timedelta(seconds=60)
"""The sweep looks so long after the queue should have."""
SWEEP_AT_MOST = 500

log = logging.getLogger(__name__)

Decision = tuple[dict[str, Value | None], datetime | None] | None


class Delivery:
    """Delivers scans.

    Args:
        jobs: the rows.
        documents: the container with the bytes.
        deliveries: the queue, for wake-ups at a later time.
        grants: gives access tokens.
        organisations: learns when a consent is gone.
        graph: sends.
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
        clock: Callable[[], datetime],
        below: Callable[[int], int],
    ) -> None:
        self._jobs = jobs
        self._documents = documents
        self._deliveries = deliveries
        self._grants = grants
        self._organisations = organisations
        self._graph = graph
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
        lease = str(uuid.uuid4())
        try:
            job = self._jobs.change(device_id, job_id, lambda job: self._claim(job, lease))
        except faults.NotFound:
            log.warning("queue message for unknown job %s of device %s; dropped", job_id, device_id)
            return
        if job.lease != lease:
            if job.state in FINAL:
                # Its end may have been cut off before this.
                self._documents.delete(job.blob)
            return
        try:
            self._send(job)
        except _Lost:
            log.warning("job %s of device %s, attempt %d: lease lost", job_id, device_id, job.attempts)
        except faults.Fault as fault:
            self._record(job, fault)
        except Exception as error:  # noqa: BLE001  (a bug of ours must not keep a job from its end)
            # The message of an exception may quote what somebody scanned; its place does not.
            log.error("%s\n%s", type(error).__name__, "".join(traceback.format_tb(error.__traceback__)))  # noqa: TRY400
            self._record(job, faults.Unexpected(type(error).__name__))
        else:
            self._end(job, "sent", None)

    def give_up(self, message: str) -> None:
        """A message that the queue brought too often: say whose it was.

        The queue's counter also counts crashes of the host (threat R10), so the job is left to the sweep and
        to its own counter and deadline.
        """
        device_id, _, job_id = message.partition("/")
        try:
            job = self._jobs.get(str(uuid.UUID(device_id)), str(uuid.UUID(job_id)))
        except ValueError:
            return
        if job is not None and job.state not in RESTING:
            log.error("job %s of device %s poisoned the queue in state %s", job_id, device_id, job.state)

    def sweep(self) -> int:
        """Wake every job that is due and made no progress. Returns how many."""
        count = 0
        for device_id, job_id in self._jobs.due(SWEEP_AT_MOST):
            again = self._clock() + 5 * WAKE_MARGIN

            def postpone(job: Job, again: datetime = again) -> Decision:
                return None if job.state in RESTING else ({}, again)

            self._jobs.change(device_id, job_id, postpone)
            self._deliveries.send(f"{device_id}/{job_id}")
            count += 1
        return count

    def _claim(self, job: Job, lease: str) -> Decision:
        now = self._clock()
        if job.state in RESTING or (job.next_attempt is not None and now < job.next_attempt):
            return None
        if job.state == "sending" and job.lease_until is not None and now < job.lease_until:
            return None
        if job.state == "sending" and job.handed:
            # Its delivery died between the first byte and the record: nobody knows.
            return {"state": "uncertain", "reason": faults.OutcomeUnknown.reason, "handed": None}, None
        if job.attempts and now > job.created + GIVEN_UP_AFTER + timedelta(seconds=LONGEST_PAUSE):
            # Attempts that end in a crash never come to the end of _wait.
            return {"state": "failed", "reason": faults.NotDeliveredInTime.reason, "next_attempt": None}, None
        until = now + LEASE
        return {
            "state": "sending",
            "lease": lease,
            "lease_until": until,
            "attempts": job.attempts + 1,
            "next_attempt": None,
        }, until + timedelta(seconds=1)

    def _send(self, job: Job) -> None:
        scopes = self._organisations.get(job.tid).require_consent().mail_scopes
        token = self._grants.access_token(job.tid, job.oid, scopes)
        try:
            self._send_with(token, job)
        except TokenRejected as rejected:
            # Revoked before its time, or a claims challenge: once more, with another token.
            token = self._grants.access_token(job.tid, job.oid, scopes, refused=token, claims=rejected.claims)
            try:
                self._send_with(token, job)
            except TokenRejected:
                raise faults.MicrosoftUnavailable("a fresh token was rejected") from None

    def _send_with(self, token: str, job: Job) -> None:
        mailbox = self._graph.me(token)
        if mailbox.oid != job.oid:
            raise faults.Unexpected("token of another account")
        if mailbox.address is None:
            raise faults.NoMailbox("no mail address")
        message, document = compose(job), self._document(job)
        self._jobs.change(job.device_id, job.manifest.id, lambda now: self._hand(now, job))
        try:
            self._graph.send(token, mailbox, message, document)
        except (faults.Fault, TokenRejected):
            raise
        except Exception as error:
            raise faults.OutcomeUnknown(type(error).__name__) from error

    def _hand(self, job: Job, mine: Job) -> Decision:
        if job.state != "sending" or job.lease != mine.lease:
            raise _Lost
        until = self._clock() + LEASE
        return {"handed": True, "lease_until": until}, until + timedelta(seconds=1)

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

    def _record(self, job: Job, fault: faults.Fault) -> None:
        log.warning("job %s of device %s, attempt %d: %s", job.manifest.id, job.device_id, job.attempts, fault)
        if isinstance(fault, faults.ConsentWithdrawn) and not self._organisations.withdraw(job.tid):
            fault = faults.MicrosoftUnavailable("a fresh consent settles", retry_after=60)
        if fault.action is Action.UNCERTAIN:
            self._end(job, "uncertain", fault.reason)
        elif fault.action is not Action.RETRY:
            self._end(job, "failed", fault.reason)
        else:
            self._wait(job, fault)

    def _wait(self, job: Job, fault: faults.Fault) -> None:
        pause = fault.retry_after
        if pause is None:
            pause = min(FIRST_PAUSE * 3 ** (job.attempts - 1), LONGEST_PAUSE)
        # Jitter only ever adds: Retry-After is obeyed to the second (R40).
        pause += pause * self._below(200) / 1000
        at = self._clock() + timedelta(seconds=pause)
        if at > job.created + GIVEN_UP_AFTER:
            self._end(job, "failed", faults.NotDeliveredInTime.reason)
            return
        waiting: Mapping[str, Value | None] = {"state": "waiting", "reason": fault.reason, "next_attempt": at}
        if not self._write(job, waiting, due=at + WAKE_MARGIN):
            return
        # Not before ``at`` even where the queue cuts the fraction off.
        self._deliveries.send(f"{job.device_id}/{job.manifest.id}", delay=pause + 2)

    def _end(self, job: Job, state: str, reason: str | None) -> None:
        if not self._write(job, {"state": state, "reason": reason, "next_attempt": None}, due=None):
            return
        if state in FINAL:
            self._documents.delete(job.blob)
        log.info("job %s of device %s, attempt %d: %s", job.manifest.id, job.device_id, job.attempts, state)

    def _write(self, mine: Job, changes: Mapping[str, Value | None], due: datetime | None) -> bool:
        """Write how this delivery went. False: the job is somebody else's by now, and so is its document."""
        written = False

        def write(job: Job) -> Decision:
            nonlocal written
            # A delivery whose lease ran out may still know better than "uncertain", nothing else.
            written = job.lease == mine.lease and job.state in {"sending", "uncertain"}
            return ({**changes, "handed": None, "lease_until": None}, due) if written else None

        self._jobs.change(mine.device_id, mine.manifest.id, write)
        if not written:
            log.warning("job %s of device %s: the lease was lost", mine.manifest.id, mine.device_id)
        return written


class _Lost(Exception):
    """The lease went to somebody else: it is his job now."""
