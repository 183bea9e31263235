"""Drafts: the mail lies in the mailbox before it is sent, so that it can be asked what became of it.

One job has one draft. Its immutable id is written down before anything is done with it, and the time is written
down beside it before the first ``/send``. From then on nothing is sent again before it is certain that nothing was
sent: a message that is no draft any more was sent; one that still is, or is not to be seen, counts as not sent only
after :data:`SETTLES`, because what Graph shows lags behind what it does ("Obtain immutable identifiers for Outlook
resources"). A draft can leave Drafts once, so that a delivery that was paused and one that took over send one mail.

What is written down: ``<id>``, and ``<id> <seconds since 1970>`` from the first ``/send`` on.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import requests

from shared import faults
from shared.faults import Action
from shared.mail.graph.body import LARGEST_DOCUMENT, Body, attachment_fields, body_of, message_fields
from shared.mail.graph.client import REQUEST_LIMIT, SEND_SECONDS, Graph
from shared.mail.graph.refusals import ITEM_NOT_FOUND, TOO_SMALL_FOR_UPLOAD, codes, known, retry_after
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
JOB_PROPERTY = "String {5f0c9a0e-31f5-4c2a-9d5b-6f1f3f0f6a77} Name ToMyEmailJob"
"""The extended property by which a draft is found whose id was not written down; the name is case-sensitive."""
_IMMUTABLE = {"Prefer": 'IdType="ImmutableId"'}
_JSON = {**_IMMUTABLE, "Content-Type": "application/json"}
_UNCLEAR = {HTTPStatus.NOT_FOUND, HTTPStatus.REQUEST_TIMEOUT}
"""Refusals of ``/send`` that do not say that nothing was sent."""
_ID = re.compile(r"[A-Za-z0-9_=+/-]{1,512}")
_JOB = re.compile(r"[A-Za-z0-9-]{1,64}")
_BY_JOB = f"singleValueExtendedProperties/Any(ep: ep/id eq '{JOB_PROPERTY}' and ep/value eq '<job>')"


@dataclass(frozen=True)
class _Found:
    """A message of the job: its immutable id, and whether it has left Drafts."""

    id: str
    sent: bool


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
            body = self._draft_body(sender, message, document)
            complete = len(body) <= REQUEST_LIMIT
            draft_id = self._create(token, body if complete else self._draft_body(sender, message, None), size)
        try:
            self._remember(token, draft_id, draft, fresh=found is None, sending=complete)
            if document is not None and not complete:
                self._attach(token, draft_id, message, document, fresh=found is None)
                self._remember(token, draft_id, draft, fresh=False, sending=True)
            self._send(token, draft_id, draft, size)
        except faults.Fault as fault:
            if fault.action is Action.END:
                self._delete(token, draft_id)
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
            state = self._state(token, draft_id) if draft_id else None
            drafts = [state] if state else self._find(token, job) if job else []
            for found in drafts:
                if not found.sent:
                    self._delete(token, found.id)

    # What an earlier attempt left

    def _look(self, token: str, job: str, draft: Draft) -> _Found | None:
        """Return the job's message in the mailbox; None: there is none, and none was sent."""
        draft_id, tried = _read(draft.id)
        if not draft_id:
            # Without an id no ``/send`` was called: whatever is found is a draft that nobody wrote down.
            return _first(self._find(token, job)) if draft.look else None
        found = self._state(token, draft_id)
        if tried is None or (found is not None and found.sent):
            return found
        if found is None:
            found = _first(self._find(token, job))
            if found is not None and found.sent:
                return found
        left = tried + SETTLES.total_seconds() - self._graph.clock().timestamp()
        if left > 0:
            raise faults.MicrosoftUnavailable("sent or not is not to be seen yet", retry_after=min(left, LOOK_AGAIN))
        return found

    def _state(self, token: str, draft_id: str) -> _Found | None:
        path = f"/messages/{quote(draft_id, safe='')}"
        answer = self._graph.ask("GET", path, token, params={"$select": "id,isDraft"}, headers=_IMMUTABLE)
        if answer.status_code == HTTPStatus.NOT_FOUND and ITEM_NOT_FOUND in codes(answer):
            return None
        if answer.status_code != HTTPStatus.OK:
            raise self._graph.refusal(answer)
        return _found(_read_json(answer))

    def _find(self, token: str, job: str) -> list[_Found]:
        if not _JOB.fullmatch(job):
            return []
        params = {"$filter": _BY_JOB.replace("<job>", job), "$select": "id,isDraft"}
        answer = self._graph.ask("GET", "/messages", token, params=params, headers=_IMMUTABLE)
        if answer.status_code != HTTPStatus.OK:
            raise self._graph.refusal(answer)
        values = _read_json(answer).get("value")
        if not isinstance(values, list):
            raise faults.MicrosoftUnavailable("list of messages", retry_after=30)
        return [_found(value) for value in values]

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
                self._delete(token, draft_id)
            raise

    @staticmethod
    def _draft_body(sender: Sender, message: Message, document: Document | None) -> Body:
        fields = {
            **message_fields(message, sender),
            "singleValueExtendedProperties": [{"id": JOB_PROPERTY, "value": message.job}],
            "attachments": [] if document is None else [{**attachment_fields(message), "contentBytes": ""}],
        }
        return body_of(fields, document)

    def _create(self, token: str, body: Body, size: int) -> str:
        answer = self._graph.ask("POST", "/messages", token, headers=_JSON, seconds=SEND_SECONDS, data=body)
        if answer.status_code != HTTPStatus.CREATED:
            raise self._graph.refusal(answer, size)
        return _found(_read_json(answer)).id

    def _attach(self, token: str, draft_id: str, message: Message, document: Document, *, fresh: bool) -> None:
        """Make the draft hold the document, once."""
        path = f"/messages/{quote(draft_id, safe='')}/attachments"
        if not fresh and self._holds(token, path, document.size):
            return
        body = body_of({**attachment_fields(message), "contentBytes": ""}, document)
        if len(body) <= REQUEST_LIMIT:
            answer = self._graph.ask("POST", path, token, headers=_JSON, seconds=SEND_SECONDS, data=body)
            if answer.status_code != HTTPStatus.CREATED:
                raise self._graph.refusal(answer, document.size)
            return
        for _ in range(SESSIONS):
            with suppress(SessionLost):
                upload(self._graph, self._begin(token, path, message, document.size), document, self._sleep)
            # Asked even after a clear yes: a delivery that was thought dead may have attached it as well.
            if self._holds(token, path, document.size):
                return
        raise faults.MicrosoftUnavailable("upload sessions lost", retry_after=LOOK_AGAIN)

    def _begin(self, token: str, path: str, message: Message, size: int) -> str:
        item = {
            "attachmentType": "file",
            "name": message.attachment_name,
            "contentType": message.attachment_type,
            "size": size,
        }
        answer = self._graph.ask(
            "POST", f"{path}/createUploadSession", token, headers=_IMMUTABLE, json={"AttachmentItem": item}
        )
        if TOO_SMALL_FOR_UPLOAD in codes(answer):
            # Some hundred bytes below 3 MiB are too much for one request with a long name and too few for a session.
            raise faults.TooLarge("between request and upload", limit=LARGEST_DOCUMENT)
        if answer.status_code != HTTPStatus.CREATED:
            raise self._graph.refusal(answer, size)
        url = _read_json(answer).get("uploadUrl")
        if not isinstance(url, str):
            raise faults.MicrosoftUnavailable("upload session", retry_after=30)
        return url

    def _holds(self, token: str, path: str, size: int) -> bool:
        """Say whether the draft holds the document, and remove what is half of it or one too many."""
        answer = self._graph.ask("GET", path, token, params={"$select": "id,size"}, headers=_IMMUTABLE)
        if answer.status_code != HTTPStatus.OK:
            raise self._graph.refusal(answer, size)
        values = _read_json(answer).get("value")
        if not isinstance(values, list):
            raise faults.MicrosoftUnavailable("list of attachments", retry_after=30)
        complete = False
        for value in values:
            attached, attachment_id = value.get("size"), value.get("id")
            # Exchange counts some bytes of its own with the file's.
            if not complete and isinstance(attached, int) and attached >= size:
                complete = True
            elif isinstance(attachment_id, str) and _ID.fullmatch(attachment_id):
                removed = self._graph.ask("DELETE", f"{path}/{quote(attachment_id, safe='')}", token)
                if removed.status_code not in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_FOUND}:
                    raise self._graph.refusal(removed, size)
        return complete

    def _send(self, token: str, draft_id: str, draft: Draft, size: int) -> None:
        path = f"/messages/{quote(draft_id, safe='')}/send"
        try:
            answer = self._graph.call("POST", path, token, seconds=SEND_SECONDS)
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
            found = self._state(token, draft_id)
        except (faults.Fault, TokenRejected):
            found = None
        if found is None:
            raise faults.MicrosoftUnavailable("refused, and not to be seen", retry_after=LOOK_AGAIN)
        return found.sent

    def _delete(self, token: str, draft_id: str) -> None:
        with suppress(faults.Fault):
            self._graph.ask("DELETE", f"/messages/{quote(draft_id, safe='')}", token)


def _read(word: str) -> tuple[str, int | None]:
    """Read what was written down: the id, and since when it may have been sent (seconds since 1970)."""
    draft_id, _, tried = word.partition(" ")
    return draft_id, int(tried) if tried else None


def _read_json(answer: requests.Response) -> dict[str, Any]:
    try:
        found = answer.json()
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise faults.MicrosoftUnavailable("answer is no object", retry_after=30)
    return found


def _found(value: Any) -> _Found:
    if isinstance(value, dict):
        draft_id, is_draft = value.get("id"), value.get("isDraft")
        if isinstance(draft_id, str) and _ID.fullmatch(draft_id) and isinstance(is_draft, bool):
            return _Found(draft_id, not is_draft)
    raise faults.MicrosoftUnavailable("message in an answer", retry_after=30)


def _first(found: list[_Found]) -> _Found | None:
    """Return one that was sent if there is any, else a draft, else None."""
    return min(found, key=lambda each: not each.sent, default=None)
