"""Drafts: the mail lies in the mailbox before it is sent, so that it can be asked what became of it.

One job has one draft. Its immutable id is written down before anything is done with it, and the time is written
down beside it before the first ``/send``. From then on nothing is sent again before it is certain that nothing was
sent: a message that is no draft any more was sent; one that still is, or is not to be seen, counts as not sent only
after :data:`SETTLES`, because what Graph shows lags behind what it does ("Obtain immutable identifiers for Outlook
resources"). A draft can leave Drafts once, so that a delivery that was paused and one that took over send one mail.

What is written down: ``<id>``, and ``<id> <seconds since 1970>`` from the first ``/send`` on.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from http import HTTPStatus

import requests

from shared import faults
from shared.faults import Action
from shared.mail.graph.client import Graph
from shared.mail.graph.messages import Found, Messages
from shared.mail.graph.refusals import known, retry_after
from shared.mail.graph.upload import SessionLost, upload
from shared.mail.message import Message
from shared.mail.transport import Document, Draft, Sender, TokenRejected
from shared.organisations.ranges import SEND_VERIFIED

SETTLES = timedelta(minutes=10)
"""How long after ``/send`` a mailbox that shows no sent message proves nothing."""
LOOK_AGAIN = 60.0
"""Seconds until a mailbox that could not answer that yet is asked again."""
SESSIONS = 3
"""Upload sessions of one attempt: one, and one more each time it is lost."""
_UNCLEAR = {HTTPStatus.NOT_FOUND, HTTPStatus.REQUEST_TIMEOUT}
"""Refusals of ``/send`` that do not say that nothing was sent."""


class GraphDraft:
    """The transport that needs Mail.ReadWrite beside Mail.Send, and sends nothing twice.

    Args:
        graph: makes the calls.
        sleep: waits for so many seconds; only for a short Retry-After between two ranges of an upload.
    """

    slug = "graph-draft"
    scopes: tuple[str, ...] = SEND_VERIFIED
    slots = 4
    """Microsoft Graph, "Throttling limits": four requests at a time per app and mailbox."""
    verified = True

    def __init__(self, graph: Graph, sleep: Callable[[float], None]) -> None:
        self._graph = graph
        self._messages = Messages(graph)
        self._sleep = sleep

    def send(self, token: str, sender: Sender, message: Message, document: Document | None, draft: Draft) -> None:
        """Send as :meth:`shared.mail.transport.Transport.send` says.

        Raises:
            TooLarge: ``refused`` is a size in bytes that this mailbox does not take.
        """
        found = self._look(token, message.job, draft)
        if found is not None and found.sent:
            return
        size = 0 if document is None else document.size
        if found is not None:
            draft_id, complete = found.id, document is None
        else:
            draft_id, complete = self._messages.create(token, message, sender, document)
        try:
            self._remember(token, draft_id, draft, fresh=found is None, sending=complete)
            if document is not None and not complete:
                self._attach(token, draft_id, message, document, fresh=found is None)
                self._remember(token, draft_id, draft, fresh=False, sending=True)
            self._send(token, draft_id, draft, size)
        except faults.Fault as fault:
            if fault.action is Action.END:
                self._messages.delete(token, draft_id)
            raise

    def discard(self, token: str, draft: Draft, job: str = "") -> None:
        """Remove what a job that failed has left in Drafts, as far as that works; what was sent stays.

        Args:
            token: as for :meth:`send`.
            draft: as for :meth:`send`.
            job: the message's ``job``; with it a draft is found whose id was not written down.
        """
        draft_id, _ = _read(draft.id)
        with suppress(faults.Fault, TokenRejected):
            state = self._messages.state(token, draft_id) if draft_id else None
            drafts = [state] if state else self._messages.find(token, job) if job else []
            for found in drafts:
                if not found.sent:
                    self._messages.delete(token, found.id)

    # What an earlier attempt left

    def _look(self, token: str, job: str, draft: Draft) -> Found | None:
        """Return the job's message in the mailbox; None: there is none, and none was sent."""
        draft_id, tried = _read(draft.id)
        if not draft_id:
            # Without an id no ``/send`` was called: whatever is found is a draft that nobody wrote down.
            return _first(self._messages.find(token, job)) if draft.look else None
        found = self._messages.state(token, draft_id)
        if tried is None or (found is not None and found.sent):
            return found
        if found is None:
            found = _first(self._messages.find(token, job))
            if found is not None and found.sent:
                return found
        left = tried + SETTLES.total_seconds() - self._graph.clock().timestamp()
        if left > 0:
            raise faults.MicrosoftUnavailable("sent or not is not to be seen yet", retry_after=min(left, LOOK_AGAIN))
        return found

    # From nothing, or from a draft, to a sent mail

    def _remember(self, token: str, draft_id: str, draft: Draft, *, fresh: bool, sending: bool) -> None:
        try:
            draft.remember(f"{draft_id} {int(self._graph.clock().timestamp())}" if sending else draft_id)
        except faults.Fault:
            # It may be written down all the same.
            raise
        except Exception:
            # The job is another delivery's by now, which knows nothing of a fresh draft.
            if fresh:
                self._messages.delete(token, draft_id)
            raise

    def _attach(self, token: str, draft_id: str, message: Message, document: Document, *, fresh: bool) -> None:
        """Make the draft hold the document, once."""
        if not fresh and self._messages.holds(token, draft_id, document.size):
            return
        if self._messages.attach(token, draft_id, message, document):
            return
        for _ in range(SESSIONS):
            url = self._messages.begin_upload(token, draft_id, message, document.size)
            with suppress(SessionLost):
                upload(self._graph, url, document, self._sleep)
            # Asked even after a clear yes: a delivery that was thought dead may have attached it as well.
            if self._messages.holds(token, draft_id, document.size):
                return
        raise faults.MicrosoftUnavailable("upload sessions lost", retry_after=LOOK_AGAIN)

    def _send(self, token: str, draft_id: str, draft: Draft, size: int) -> None:
        try:
            answer = self._messages.send(token, draft_id)
        except requests.RequestException as error:
            raise faults.MicrosoftUnavailable(f"sending: {type(error).__name__}", retry_after=LOOK_AGAIN) from None
        status = answer.status_code
        if status == HTTPStatus.ACCEPTED:
            return
        clear = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in _UNCLEAR
        if not (clear or known(answer)):
            wait = max(LOOK_AGAIN, retry_after(answer, self._graph.clock()) or 0.0)
            raise faults.MicrosoftUnavailable(f"sending: status {status}", retry_after=wait)
        if status not in {HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS} and self._was_sent(token, draft_id):
            return
        # Nothing was sent, and the next attempt need not wait to know that.
        draft.remember(draft_id)
        raise self._graph.refusal(answer, size)

    def _was_sent(self, token: str, draft_id: str) -> bool:
        """Say whether a refused ``/send`` was refused because another delivery, thought dead, had sent the draft."""
        try:
            found = self._messages.state(token, draft_id)
        except (faults.Fault, TokenRejected):
            found = None
        if found is None:
            raise faults.MicrosoftUnavailable("refused, and not to be seen", retry_after=LOOK_AGAIN)
        return found.sent


def _read(word: str) -> tuple[str, int | None]:
    """Read what was written down: the id, and since when it may have been sent (seconds since 1970)."""
    draft_id, _, tried = word.partition(" ")
    return draft_id, int(tried) if tried else None


def _first(found: list[Found]) -> Found | None:
    """Return one that was sent if there is any, else a draft, else None."""
    return min(found, key=lambda each: not each.sent, default=None)
