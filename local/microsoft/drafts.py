"""Graph's drafts, upload sessions and sending of a draft, which need Mail.ReadWrite.

https://learn.microsoft.com/graph/api/user-post-messages, attachment-createuploadsession, message-send,
and https://learn.microsoft.com/graph/outlook-immutable-id: an immutable id still finds the message after
it was sent, the ordinary one does not, because it changes with the folder.
"""

import json
import re
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .cloud import Cloud
from .directory import Account
from .graph import Graph
from .mail import Attachment, GraphError, Message, file_attachment, message_of
from .pages import base_of

# Below this a file must be added in one request, above it only by an upload session.
SMALLEST_UPLOAD = 3 * 1024 * 1024
LARGEST_CHUNK = 4 * 1024 * 1024
_UPLOAD_LIFETIME = timedelta(hours=1)
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_BY_PROPERTY = re.compile(
    r"singleValueExtendedProperties/Any\(ep: ?ep/id eq '([^']+)' and ep/value eq '([^']+)'\)", re.IGNORECASE
)


@dataclass
class Draft:
    """A message of a mailbox that came in as a draft; ``sent`` once it is in Sent Items."""

    account: str
    message: Message
    properties: dict[str, str]
    id: str = field(default_factory=lambda: f"AAMk{secrets.token_urlsafe(60)}")
    immutable_id: str = field(default_factory=lambda: f"AAkA{secrets.token_urlsafe(60)}")
    sent: bool = False

    @property
    def current_id(self) -> str:
        """The ordinary id, which changes with the folder."""
        return f"{self.id}sent" if self.sent else self.id


@dataclass
class Upload:
    """An upload session: what has come of the ``size`` bytes that were announced."""

    draft: Draft
    name: str
    content_type: str
    size: int
    expires: str
    content: bytearray = field(default_factory=bytearray)


class Drafts:
    """The endpoints below /v1.0/me/messages, and the upload URLs."""

    def __init__(self, cloud: Cloud, graph: Graph) -> None:
        self._cloud = cloud
        self._graph = graph
        self._drafts: list[Draft] = []
        self._uploads: dict[str, Upload] = {}
        one = "/v1.0/me/messages/{id}"
        self.routes = [
            Route("/v1.0/me/messages", self._answering(self._create), methods=["POST"]),
            Route("/v1.0/me/messages", self._answering(self._find), methods=["GET"]),
            Route(one, self._answering(self._get), methods=["GET"]),
            Route(one, self._answering(self._delete), methods=["DELETE"]),
            Route(f"{one}/send", self._answering(self._send), methods=["POST"]),
            Route(f"{one}/attachments", self._answering(self._attach), methods=["POST"]),
            Route(f"{one}/attachments/createUploadSession", self._answering(self._begin_upload), methods=["POST"]),
            Route("/-/uploads/{token}", self._answering(self._put), methods=["PUT"]),
            Route("/-/uploads/{token}", self._answering(self._cancel), methods=["DELETE"]),
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

    async def _create(self, request: Request) -> Response:
        account = self._allowed(request)
        given = json.loads(await self._graph.limited_body(request))
        properties = {each["id"]: each["value"] for each in given.get("singleValueExtendedProperties", [])}
        draft = Draft(account.key, message_of(given), properties)
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
            if draft.account == account.key and draft.properties.get(asked[1], "").lower() == asked[2].lower()
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
        if draft.sent:
            raise GraphError(403, "ErrorAccessDenied", "The message has been sent.")
        self._require_size(draft, 0)
        with self._cloud.lock:
            known = list(self._cloud.state.accounts.values())
        self._cloud.mailboxes.submit(draft.message, account, known)
        draft.sent = True
        return Response(status_code=202)

    async def _attach(self, request: Request) -> Response:
        draft = self._named(request, self._allowed(request))
        attachment = file_attachment(json.loads(await self._graph.limited_body(request)))
        self._require_size(draft, len(attachment.content))
        draft.message.attachments.append(attachment)
        return JSONResponse({"id": str(len(draft.message.attachments)), "name": attachment.name}, 201)

    async def _begin_upload(self, request: Request) -> Response:
        draft = self._named(request, self._allowed(request))
        item = (await request.json())["AttachmentItem"]
        size = int(item["size"])
        if item["attachmentType"] != "file" or size < SMALLEST_UPLOAD:
            raise GraphError(
                400,
                "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize",
                f"The attachment size {size} must not be less than {SMALLEST_UPLOAD}.",
            )
        self._require_size(draft, size)
        expires = (self._cloud.clock() + _UPLOAD_LIFETIME).isoformat()
        upload = Upload(draft, item["name"], item.get("contentType", "application/octet-stream"), size, expires)
        token = secrets.token_urlsafe(32)
        self._uploads[token] = upload
        return JSONResponse({"uploadUrl": f"{base_of(request)}/-/uploads/{token}", **_progress(upload)}, 201)

    async def _put(self, request: Request) -> Response:
        token, upload = self._upload(request)
        content = await request.body()
        given = _RANGE.fullmatch(request.headers.get("content-range", ""))
        if given is None or int(given[3]) != upload.size or int(given[2]) + 1 - int(given[1]) != len(content):
            raise GraphError(400, "ErrorInvalidRequest", "The Content-Range does not fit the upload.")
        if len(content) > LARGEST_CHUNK:
            raise GraphError(413, "BadRequest", "The maximum request length supported is 4MB.")
        if int(given[1]) != len(upload.content):
            raise GraphError(416, "ErrorInvalidRange", "The bytes must come in order.")
        upload.content += content
        if len(upload.content) < upload.size:
            return JSONResponse(_progress(upload))
        del self._uploads[token]
        message = upload.draft.message
        message.attachments.append(Attachment(upload.name, upload.content_type, bytes(upload.content)))
        location = f"{base_of(request)}/v1.0/me/messages/{upload.draft.id}/attachments/{len(message.attachments)}"
        return Response(status_code=201, headers={"Location": location})

    async def _cancel(self, request: Request) -> Response:
        token, _ = self._upload(request)
        del self._uploads[token]
        return Response(status_code=204)

    def _allowed(self, request: Request, permission: str = "Mail.ReadWrite") -> Account:
        account, token = self._graph.caller(request)
        if permission not in token.scopes:
            raise GraphError(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")
        self._graph.require_mailbox(account)
        return account

    def _named(self, request: Request, account: Account) -> Draft:
        wanted = request.path_params["id"]
        for draft in self._drafts:
            if draft.account == account.key and wanted in (draft.immutable_id, draft.current_id):
                return draft
        raise GraphError(404, "ErrorItemNotFound", "The specified object was not found in the store.")

    def _upload(self, request: Request) -> tuple[str, Upload]:
        token = request.path_params["token"]
        upload = self._uploads.get(token)
        if upload is None or upload.expires < self._cloud.clock().isoformat():
            raise GraphError(404, "ErrorItemNotFound", "The upload session was not found.")
        if "authorization" in request.headers:
            raise GraphError(401, "InvalidAuthenticationToken", "An upload URL takes no Authorization header.")
        return token, upload

    def _require_size(self, draft: Draft, more: int) -> None:
        """Check Exchange's limit, which counts the message as it travels: files in base64."""
        size = more + sum(len(attachment.content) for attachment in draft.message.attachments)
        if size * 4 / 3 > self._cloud.account(draft.account).message_limit:
            raise GraphError(413, "ErrorMessageSizeExceeded", "The message exceeds the maximum supported size.")

    def _shown(self, request: Request, draft: Draft, status: int) -> Response:
        applied = {"Preference-Applied": 'IdType="ImmutableId"'} if _immutable(request) else {}
        return JSONResponse(self._described(request, draft), status, applied)

    def _described(self, request: Request, draft: Draft) -> dict[str, Any]:
        return {
            "id": draft.immutable_id if _immutable(request) else draft.current_id,
            "subject": draft.message.subject,
            "isDraft": not draft.sent,
            "parentFolderId": "sentitems" if draft.sent else "drafts",
            "internetMessageId": draft.message.message_id,
            "hasAttachments": bool(draft.message.attachments),
        }


def _immutable(request: Request) -> bool:
    return 'IdType="ImmutableId"' in request.headers.get("prefer", "")


def _progress(upload: Upload) -> dict[str, Any]:
    return {"expirationDateTime": upload.expires, "nextExpectedRanges": [f"{len(upload.content)}-"]}
