"""Upload sessions of large attachments (https://learn.microsoft.com/graph/outlook-large-attachments).

They have a host of their own, as Microsoft's have (outlook.office.com beside graph.microsoft.com), know no token and
refuse one. What comes lies on disk, so that a hundred megabytes are not held in memory.
"""

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .cloud import Cloud
from .directory import Account
from .graph import Graph
from .mail import Attachment, GraphError, Spool
from .pages import base_of

# Below this a file must be added in one request, above it only by an upload session.
SMALLEST_UPLOAD = 3 * 1024 * 1024
LARGEST_UPLOAD = 150 * 1024 * 1024
LARGEST_CHUNK = 4 * 1024 * 1024
LIFETIME = timedelta(hours=1)
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


@dataclass
class Upload:
    """An upload session: what has come of the ``size`` bytes that were announced for an account's draft."""

    account: str
    draft: str
    name: str
    content_type: str
    size: int
    expires: str
    done: Callable[[Attachment], None]
    came: int = 0
    held: Spool = field(default_factory=Spool)

    def progress(self) -> dict[str, Any]:
        """Answer how far it is."""
        return {"expirationDateTime": self.expires, "nextExpectedRanges": [f"{self.came}-"]}


class Uploads:
    """The upload URLs."""

    def __init__(self, cloud: Cloud, graph: Graph) -> None:
        self._cloud = cloud
        self._graph = graph
        self._uploads: dict[str, Upload] = {}

    def begin(
        self, request: Request, account: Account, draft: str, item: dict[str, Any], done: Callable[[Attachment], None]
    ) -> Response:
        """Begin a session for ``item``; ``done`` takes the attachment.

        Raises:
            GraphError: too small or too large for a session.
        """
        size = int(item["size"])
        if item["attachmentType"] != "file" or size < SMALLEST_UPLOAD:
            raise GraphError(
                400,
                "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize",
                f"The attachment size {size} must not be less than {SMALLEST_UPLOAD}.",
            )
        if size > LARGEST_UPLOAD:
            raise GraphError(413, "ErrorMessageSizeExceeded", "The attachment exceeds the maximum supported size.")
        expires = (self._cloud.clock() + LIFETIME).isoformat()
        content_type = item.get("contentType") or "application/octet-stream"
        upload = Upload(account.key, draft, item["name"], content_type, size, expires, done)
        token = secrets.token_urlsafe(32)
        self._uploads[token] = upload
        host = base_of(request).replace("://localhost", "://127.0.0.1")
        return JSONResponse({"uploadUrl": f"{host}/-/uploads/{token}", **upload.progress()}, 201)

    async def put(self, request: Request) -> Response:
        """Take the next range."""
        token, upload = self._upload(request)
        content = await request.body()
        given = _RANGE.fullmatch(request.headers.get("content-range", ""))
        if given is None or int(given[3]) != upload.size or int(given[2]) + 1 - int(given[1]) != len(content):
            raise GraphError(400, "ErrorInvalidRequest", "The Content-Range does not fit the upload.")
        if len(content) > LARGEST_CHUNK:
            raise GraphError(413, "BadRequest", "The maximum request length supported is 4MB.")
        if int(given[1]) != upload.came:
            raise GraphError(416, "ErrorInvalidRange", "The bytes must come in order.")
        self._graph.count_upload(upload.account, len(content))
        upload.held.append(content)
        upload.came += len(content)
        if upload.came < upload.size:
            return JSONResponse(upload.progress())
        del self._uploads[token]
        attachment = Attachment(upload.name, upload.content_type, upload.held)
        upload.done(attachment)
        location = f"{base_of(request)}/v1.0/me/messages/{upload.draft}/attachments/{attachment.id}"
        return Response(status_code=201, headers={"Location": location})

    async def show(self, request: Request) -> Response:
        """Answer which range is expected next."""
        return JSONResponse(self._upload(request)[1].progress())

    async def cancel(self, request: Request) -> Response:
        """End a session that is not complete."""
        token, _ = self._upload(request)
        del self._uploads[token]
        return Response(status_code=204)

    def forget(self) -> None:
        """Lose every session that is under way, as Microsoft may."""
        self._uploads.clear()

    def _upload(self, request: Request) -> tuple[str, Upload]:
        token = request.path_params["token"]
        upload = self._uploads.get(token)
        if upload is None or upload.expires < self._cloud.clock().isoformat():
            raise GraphError(404, "ErrorItemNotFound", "The upload session was not found.")
        if "authorization" in request.headers:
            raise GraphError(401, "InvalidAuthenticationToken", "An upload URL takes no Authorization header.")
        return token, upload
