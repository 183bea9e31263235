"""Messages of a mailbox as Graph shows them: making a draft, looking it up, what is attached to it.

Every call but the upload itself, which is in ``upload``. All ids are immutable ones.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import requests

from shared import faults
from shared.mail.graph.body import LARGEST_DOCUMENT, attachment_fields, body_of, message_fields
from shared.mail.graph.client import REQUEST_LIMIT, SEND_SECONDS, Graph
from shared.mail.graph.refusals import ITEM_NOT_FOUND, TOO_SMALL_FOR_UPLOAD, codes
from shared.mail.message import Message
from shared.mail.transport import Document, Sender

JOB_PROPERTY = "String {5f0c9a0e-31f5-4c2a-9d5b-6f1f3f0f6a77} Name ToMyEmailJob"
"""The extended property by which a draft is found whose id was not written down; the name is case-sensitive."""
_IMMUTABLE = {"Prefer": 'IdType="ImmutableId"'}
_JSON = {**_IMMUTABLE, "Content-Type": "application/json"}
_ID = re.compile(r"[A-Za-z0-9_=+/-]{1,512}")
_JOB = re.compile(r"[A-Za-z0-9-]{1,64}")
_BY_JOB = "singleValueExtendedProperties/Any(ep: ep/id eq '<property>' and ep/value eq '<job>')"
"""Graph has no parameters for a filter; both places take only what :data:`JOB_PROPERTY` and :data:`_JOB` allow."""


@dataclass(frozen=True)
class Found:
    """A message of the job: its immutable id, and whether it has left Drafts."""

    id: str
    sent: bool


class Messages:
    """The messages of whoever a token belongs to.

    Args:
        graph: makes the calls.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    def state(self, token: str, message_id: str) -> Found | None:
        """Return a message by its id; None: there is none under it, or it is not to be seen.

        Raises:
            Passing, Fault, TokenRejected: Graph did not say.
        """
        answer = self._graph.ask("GET", _path(message_id), token, params={"$select": "id,isDraft"}, headers=_IMMUTABLE)
        if answer.status_code == HTTPStatus.NOT_FOUND and ITEM_NOT_FOUND in codes(answer):
            return None
        if answer.status_code != HTTPStatus.OK:
            raise self._graph.refusal(answer)
        return _found(_read(answer))

    def find(self, token: str, job: str) -> list[Found]:
        """Return the messages of a job, by the extended property; a fresh one may be missing.

        Raises:
            Passing, Fault, TokenRejected: Graph did not say.
        """
        if not _JOB.fullmatch(job):
            return []
        params = {"$filter": _BY_JOB.replace("<property>", JOB_PROPERTY).replace("<job>", job), "$select": "id,isDraft"}
        answer = self._graph.ask("GET", "/messages", token, params=params, headers=_IMMUTABLE)
        if answer.status_code != HTTPStatus.OK:
            raise self._graph.refusal(answer)
        return [_found(value) for value in _listed(answer)]

    def create(self, token: str, message: Message, sender: Sender, document: Document | None) -> tuple[str, bool]:
        """Make a draft. Returns its id and whether it holds the document, which a request may be too small for.

        Raises:
            TooLarge: the mailbox takes less.
            Passing, Fault, TokenRejected: no draft was made, or one that nobody knows of.
        """
        fields = {
            **message_fields(message, sender),
            "singleValueExtendedProperties": [{"id": JOB_PROPERTY, "value": message.job}],
        }
        held = {**fields, "attachments": [] if document is None else [attachment_fields(message)]}
        body = body_of(held, document)
        whole = len(body) <= REQUEST_LIMIT
        if not whole:
            body = body_of(fields, None)
        size = 0 if document is None else document.size
        answer = self._graph.ask("POST", "/messages", token, headers=_JSON, seconds=SEND_SECONDS, data=body)
        if answer.status_code != HTTPStatus.CREATED:
            raise self._graph.refusal(answer, size)
        return _found(_read(answer)).id, whole

    def attach(self, token: str, message_id: str, message: Message, document: Document) -> bool:
        """Attach a document in one request. Returns False where one is too small for it, and nothing was done.

        Raises:
            TooLarge: the mailbox takes less.
            Passing, Fault, TokenRejected: it was not attached, or nobody knows.
        """
        body = body_of(attachment_fields(message), document)
        if len(body) > REQUEST_LIMIT:
            return False
        path = f"{_path(message_id)}/attachments"
        answer = self._graph.ask("POST", path, token, headers=_JSON, seconds=SEND_SECONDS, data=body)
        if answer.status_code != HTTPStatus.CREATED:
            raise self._graph.refusal(answer, document.size)
        return True

    def begin_upload(self, token: str, message_id: str, message: Message, size: int) -> str:
        """Begin an upload session for a document of ``size`` bytes and return its address, which is a secret.

        Raises:
            TooLarge: the mailbox takes less.
            Passing, Fault, TokenRejected: there is no session.
        """
        item = {
            "attachmentType": "file",
            "name": message.attachment_name,
            "contentType": message.attachment_type,
            "size": size,
        }
        path = f"{_path(message_id)}/attachments/createUploadSession"
        answer = self._graph.ask("POST", path, token, headers=_IMMUTABLE, json={"AttachmentItem": item})
        if TOO_SMALL_FOR_UPLOAD in codes(answer):
            # Some hundred bytes below 3 MiB are too much for one request with a long name and too few for a session.
            raise faults.TooLarge("between request and upload", limit=LARGEST_DOCUMENT)
        if answer.status_code != HTTPStatus.CREATED:
            raise self._graph.refusal(answer, size)
        url = _read(answer).get("uploadUrl")
        if not isinstance(url, str):
            raise faults.MicrosoftUnavailable("upload session", retry_after=30)
        return url

    def holds(self, token: str, message_id: str, size: int) -> bool:
        """Say whether a draft holds a document of ``size`` bytes, and remove what is half of it or one too many.

        Raises:
            Passing, Fault, TokenRejected: Graph did not say.
        """
        path = f"{_path(message_id)}/attachments"
        answer = self._graph.ask("GET", path, token, params={"$select": "id,size"}, headers=_IMMUTABLE)
        if answer.status_code != HTTPStatus.OK:
            raise self._graph.refusal(answer, size)
        complete = False
        for value in _listed(answer):
            attached, attachment_id = value.get("size"), value.get("id")
            # Exchange counts some bytes of its own with the file's.
            if not complete and isinstance(attached, int) and attached >= size:
                complete = True
            elif isinstance(attachment_id, str) and _ID.fullmatch(attachment_id):
                removed = self._graph.ask("DELETE", f"{path}/{quote(attachment_id, safe='')}", token)
                if removed.status_code not in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_FOUND}:
                    raise self._graph.refusal(removed, size)
        return complete

    def send(self, token: str, message_id: str) -> requests.Response:
        """Send a draft, and return whatever Graph answers: 202 where it has taken it over.

        Raises:
            requests.RequestException: there was no answer.
        """
        return self._graph.call("POST", f"{_path(message_id)}/send", token, seconds=SEND_SECONDS)

    def delete(self, token: str, message_id: str) -> None:
        """Remove a draft, if that works."""
        with suppress(faults.NoConnection):
            self._graph.ask("DELETE", _path(message_id), token)


def _path(message_id: str) -> str:
    return f"/messages/{quote(message_id, safe='')}"


def _read(answer: requests.Response) -> dict[str, Any]:
    try:
        found = answer.json()
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise faults.MicrosoftUnavailable("answer is no object", retry_after=30)
    return found


def _listed(answer: requests.Response) -> list[dict[str, Any]]:
    values = _read(answer).get("value")
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise faults.MicrosoftUnavailable("answer is no list", retry_after=30)
    return values


def _found(value: dict[str, Any]) -> Found:
    message_id, is_draft = value.get("id"), value.get("isDraft")
    if isinstance(message_id, str) and _ID.fullmatch(message_id) and isinstance(is_draft, bool):
        return Found(message_id, not is_draft)
    raise faults.MicrosoftUnavailable("message in an answer", retry_after=30)
