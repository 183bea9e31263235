"""Graph's drafts and their sending, which need Mail.ReadWrite.

https://learn.microsoft.com/graph/api/user-post-messages, message-send, message-list-attachments,
and https://learn.microsoft.com/graph/outlook-immutable-id: an immutable id still finds the message after
it was sent, the ordinary one does not, because it changes with the folder.
"""

import json
import re
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .cloud import Cloud
from .directory import Account
from .graph import Graph
from .mail import GraphError, Message, file_attachment, message_of
from .uploads import Uploads

_BY_PROPERTY = re.compile(
    r"singleValueExtendedProperties/Any\(ep: ?ep/id eq '([^']+)' and ep/value eq '([^']+)'\)", re.IGNORECASE
)


@dataclass
class Draft:
    """A message of a mailbox that came in as a draft; ``sent`` once it is in Sent Items."""

    account: str
    message: Message
    properties: dict[str, str]
    created: datetime
    id: str = field(default_factory=lambda: f"AAMk{secrets.token_urlsafe(60)}")
    immutable_id: str = field(default_factory=lambda: f"AAkA{secrets.token_urlsafe(60)}")
    sent: datetime | None = None

    @property
    def current_id(self) -> str:
        """The ordinary id, which changes with the folder."""
        return f"{self.id}sent" if self.sent else self.id


class Drafts:
    """The endpoints below /v1.0/me/messages. ``drafts`` are all that came in as one, sent or not."""

    def __init__(self, cloud: Cloud, graph: Graph) -> None:
        self._cloud = cloud
        self._graph = graph
        self._drafts: list[Draft] = []
        self._uploads = Uploads(cloud, graph)
        one = "/v1.0/me/messages/{id}"
        self.routes = [
            Route("/v1.0/me/messages", self._answering(self._create), methods=["POST"]),
            Route("/v1.0/me/messages", self._answering(self._find), methods=["GET"]),
            Route("/v1.0/me/mailFolders/{folder}", self._answering(self._folder), methods=["GET"]),
            Route(one, self._answering(self._get), methods=["GET"]),
            Route(one, self._answering(self._delete), methods=["DELETE"]),
            Route(f"{one}/send", self._answering(self._send), methods=["POST"]),
            Route(f"{one}/attachments", self._answering(self._attach), methods=["POST"]),
            Route(f"{one}/attachments", self._answering(self._attachments), methods=["GET"]),
            Route(f"{one}/attachments/createUploadSession", self._answering(self._begin_upload), methods=["POST"]),
            Route(f"{one}/attachments/{{attachment}}", self._answering(self._detach), methods=["DELETE"]),
            Route("/-/uploads/{token}", self._answering(self._uploads.put), methods=["PUT"]),
            Route("/-/uploads/{token}", self._answering(self._uploads.show), methods=["GET"]),
            Route("/-/uploads/{token}", self._answering(self._uploads.cancel), methods=["DELETE"]),
        ]

    def _answering(self, do: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            try:
                response = await do(request)
            except GraphError as error:
                return self._graph.failed(request, error)
            except (ValueError, KeyError, TypeError, AttributeError):
                return self._graph.failed(request, GraphError(400, "ErrorInvalidRequest", "The request is invalid."))
            response.headers.update(self._graph.headers(request))
            return response

        return endpoint

    async def _folder(self, request: Request) -> Response:
        self._allowed(request)
        name = request.path_params["folder"]
        if name not in ("drafts", "inbox", "sentitems"):
            raise GraphError(404, "ErrorItemNotFound", "The specified object was not found in the store.")
        return JSONResponse({"id": f"AAMk{name}"})

    async def _create(self, request: Request) -> Response:
        account = self._allowed(request)
        given = json.loads(await self._graph.limited_body(request, account))
        properties = {each["id"]: each["value"] for each in given.get("singleValueExtendedProperties", [])}
        draft = Draft(account.key, message_of(given), properties, self._cloud.clock())
        self._graph.require_size(draft.message.travelling_size, account)
        draft.message.message_id = given.get("internetMessageId") or f"<{secrets.token_hex(16)}@contoso.example>"
        if account.mailbox_full:
            raise GraphError(507, "ErrorQuotaExceeded", "The mailbox has exceeded its storage quota.")
        self._drafts.append(draft)
        return self._shown(request, draft, 201)

    async def _find(self, request: Request) -> Response:
        account = self._allowed(request)
        asked = _BY_PROPERTY.fullmatch(request.query_params.get("$filter", ""))
        if asked is None:
            raise GraphError(400, "ErrorInvalidRequest", "Only a filter on one extended property is emulated.")
        found = [
            self._described(request, draft)
            for draft in self._drafts
            if draft.account == account.key
            and draft.properties.get(asked[1], "").lower() == asked[2].lower()
            and draft.created + self._cloud.mailboxes.index_lag <= self._cloud.clock()
            and not self._hidden(draft)
        ]
        return JSONResponse({"value": found})

    async def _get(self, request: Request) -> Response:
        return self._shown(request, self._named(request, self._allowed(request)), 200)

    async def _delete(self, request: Request) -> Response:
        self._drafts.remove(self._named(request, self._allowed(request)))
        return Response(status_code=204)

    async def _send(self, request: Request) -> Response:
        account = self._allowed(request, "Mail.Send")
        draft = self._named(request, account)
        if not self._is_draft(draft):
            raise GraphError(403, "ErrorAccessDenied", "The message has been sent.")
        self._graph.require_size(draft.message.travelling_size, account)
        with self._cloud.lock:
            known = list(self._cloud.state.accounts.values())
        self._cloud.mailboxes.submit(draft.message, account, known)
        draft.sent = self._cloud.clock()
        return Response(status_code=202)

    async def _attach(self, request: Request) -> Response:
        account = self._allowed(request)
        draft = self._draft_named(request, account)
        attachment = file_attachment(json.loads(await self._graph.limited_body(request, account)))
        self._graph.require_size(draft.message.travelling_size + attachment.size * 4 / 3, account)
        draft.message.attachments.append(attachment)
        return JSONResponse({"id": attachment.id, "name": attachment.name}, 201)

    async def _attachments(self, request: Request) -> Response:
        draft = self._named(request, self._allowed(request))
        listed = [
            # Exchange counts its own properties of an attachment with it.
            {"id": attachment.id, "name": attachment.name, "size": attachment.size + 185}
            for attachment in draft.message.attachments
        ]
        return JSONResponse({"value": listed})

    async def _detach(self, request: Request) -> Response:
        draft = self._draft_named(request, self._allowed(request))
        kept = [each for each in draft.message.attachments if each.id != request.path_params["attachment"]]
        if len(kept) == len(draft.message.attachments):
            raise GraphError(404, "ErrorItemNotFound", "The attachment was not found.")
        draft.message.attachments = kept
        return Response(status_code=204)

    async def _begin_upload(self, request: Request) -> Response:
        account = self._allowed(request)
        draft = self._draft_named(request, account)
        item = (await request.json())["AttachmentItem"]

        answer = self._uploads.begin(request, account, draft.id, item, draft.message.attachments.append)
        self._graph.require_size(draft.message.travelling_size + int(item["size"]) * 4 / 3, account)
        return answer

    def _allowed(self, request: Request, permission: str = "Mail.ReadWrite") -> Account:
        account, token = self._graph.caller(request)
        if permission not in token.scopes:
            raise GraphError(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")
        self._graph.require_mailbox(account)
        return account

    def _named(self, request: Request, account: Account) -> Draft:
        wanted = request.path_params["id"]
        for draft in self._drafts:
            mine = draft.account == account.key and not self._hidden(draft)
            if mine and wanted in (draft.immutable_id, draft.current_id):
                return draft
        raise GraphError(404, "ErrorItemNotFound", "The specified object was not found in the store.")

    def _draft_named(self, request: Request, account: Account) -> Draft:
        draft = self._named(request, account)
        if not self._is_draft(draft):
            raise GraphError(400, "ErrorInvalidRequest", "The message is no draft.")
        return draft

    def _is_draft(self, draft: Draft) -> bool:
        return draft.sent is None or self._cloud.clock() < draft.sent + self._cloud.mailboxes.sent_lag

    def _hidden(self, draft: Draft) -> bool:
        return self._cloud.mailboxes.lag_hides and draft.sent is not None and self._is_draft(draft)

    def _shown(self, request: Request, draft: Draft, status: int) -> Response:
        applied = {"Preference-Applied": 'IdType="ImmutableId"'} if _immutable(request) else {}
        return JSONResponse(self._described(request, draft), status, applied)

    def _described(self, request: Request, draft: Draft) -> dict[str, Any]:
        return {
            "id": draft.immutable_id if _immutable(request) else draft.current_id,
            "subject": draft.message.subject,
            "isDraft": self._is_draft(draft),
            "parentFolderId": "drafts" if self._is_draft(draft) else "sentitems",
            "internetMessageId": draft.message.message_id,
            "hasAttachments": bool(draft.message.attachments),
        }


def _immutable(request: Request) -> bool:
    return 'IdType="ImmutableId"' in request.headers.get("prefer", "")
