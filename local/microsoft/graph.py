"""Microsoft Graph: ``GET /v1.0/me`` and ``POST /v1.0/me/sendMail``.

https://learn.microsoft.com/graph/api/user-get, user-sendmail, and errors (graph/errors).
"""

from collections import deque
from datetime import datetime, timedelta
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .cloud import Cloud
from .directory import PERSONAL_TENANT, Account
from .mail import GraphError, from_json, from_mime
from .pages import base_of, correlation_id
from .permissions import GRAPH
from .records import AccessToken

# "The maximum request length supported is 4MB": counted on the request's body.
REQUEST_LIMIT = 4 * 1024 * 1024
# https://learn.microsoft.com/graph/throttling-limits#outlook-service-limits, per app and mailbox.
UPLOAD_LIMIT = 150 * 1024 * 1024
UPLOAD_WINDOW = timedelta(minutes=5)
_DEFAULT_PROPERTIES = (
    "businessPhones",
    "displayName",
    "givenName",
    "jobTitle",
    "mail",
    "mobilePhone",
    "officeLocation",
    "preferredLanguage",
    "surname",
    "userPrincipalName",
    "id",
)
_SELECTABLE = (*_DEFAULT_PROPERTIES, "accountEnabled", "otherMails", "proxyAddresses", "userType")


class Graph:
    """The endpoints of Graph."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._came: dict[str, deque[tuple[datetime, int]]] = {}
        self.routes = [
            Route("/v1.0/me", self._me),
            Route("/v1.0/me/sendMail", self._send_mail, methods=["POST"]),
        ]

    async def _me(self, request: Request) -> Response:
        try:
            body = self._profile(request)
        except GraphError as error:
            return self.failed(request, error)
        return JSONResponse(body, headers=self.headers(request))

    def _profile(self, request: Request) -> dict[str, object]:
        account, token = self.caller(request)
        if "User.Read" not in token.scopes:
            raise GraphError(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
        select = request.query_params.get("$select")
        names = [name.strip() for name in select.split(",")] if select else list(_DEFAULT_PROPERTIES)
        unknown = [name for name in names if name not in _SELECTABLE]
        if unknown:
            problem = f"Could not find a property named '{unknown[0]}' on type 'microsoft.graph.user'."
            raise GraphError(400, "BadRequest", problem)
        given, _, surname = account.name.partition(" ")
        known: dict[str, object] = {
            "businessPhones": [],
            "displayName": account.name,
            "givenName": given,
            "surname": surname,
            "mail": account.mail,
            "userPrincipalName": account.upn,
            # A personal account's id is the end of its object id.
            "id": account.oid.replace("-", "")[-16:] if account.tid == PERSONAL_TENANT else account.oid,
            "accountEnabled": not account.disabled,
            "otherMails": [],
            "proxyAddresses": [f"SMTP:{account.mail}"] if account.mail else [],
            "userType": "Guest" if account.home else "Member",
        }
        context = f"{base_of(request)}/v1.0/$metadata#users{f'({select})' if select else ''}/$entity"
        return {"@odata.context": context} | {name: known.get(name) for name in names}

    async def _send_mail(self, request: Request) -> Response:
        try:
            await self._submit(request)
        except GraphError as error:
            return self.failed(request, error)
        return Response(status_code=202, headers=self.headers(request))

    async def _submit(self, request: Request) -> None:
        account, token = self.caller(request)
        if "Mail.Send" not in token.scopes:
            raise GraphError(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")
        body = await self.limited_body(request, account)
        self.require_mailbox(account)
        match request.headers.get("content-type", "").partition(";")[0].strip().lower():
            case "application/json":
                message = from_json(body)
            case "text/plain":
                message = from_mime(body)
            case other:
                raise GraphError(415, "UnsupportedMediaType", f"The media type '{other}' cannot be read here.")
        with self._cloud.lock:
            known = list(self._cloud.state.accounts.values())
        self.require_size(message.travelling_size, account)
        self._cloud.mailboxes.submit(message, account, known)

    async def limited_body(self, request: Request, account: Account) -> bytes:
        """Read a request's body. Raises GraphError: 413 if it is too long, 429 if too much came in five minutes."""
        body = await request.body()
        if len(body) > REQUEST_LIMIT:
            raise GraphError(413, "BadRequest", "The maximum request length supported is 4MB.")
        self.count_upload(account.key, len(body))
        return body

    def count_upload(self, account: str, size: int) -> None:
        """Count bytes that come in for a mailbox. Raises GraphError 429 over 150 MB in five minutes."""
        now = self._cloud.clock()
        came = self._came.setdefault(account, deque())
        while came and came[0][0] <= now - UPLOAD_WINDOW:
            came.popleft()
        if sum(each for _, each in came) + size > UPLOAD_LIMIT:
            wait = came[0][0] + UPLOAD_WINDOW - now if came else UPLOAD_WINDOW
            raise GraphError(
                429, "ApplicationThrottled", "Application is over its upload limit.", int(wait.total_seconds()) + 1
            )
        came.append((now, size))

    def require_size(self, size: float, account: Account) -> None:
        """Raise GraphError 413 where a message of ``size`` bytes as it travels is too large for a mailbox."""
        if size > account.message_limit:
            raise GraphError(413, "ErrorMessageSizeExceeded", "The message exceeds the maximum supported size.")

    def require_mailbox(self, account: Account) -> None:
        """Raise GraphError 404 where Exchange holds no mailbox for an account."""
        if not account.mailbox:
            problem = "The mailbox is either inactive, soft-deleted, or is hosted on-premise."
            raise GraphError(404, "MailboxNotEnabledForRESTAPI", problem)

    def caller(self, request: Request) -> tuple[Account, AccessToken]:
        """Answer whose token a request carries. Raises GraphError (401, or 400 for an app-only token)."""
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not value:
            raise GraphError(401, "InvalidAuthenticationToken", "Access token is empty.")
        token = self._cloud.access_token(value)
        if token is None:
            raise GraphError(401, "InvalidAuthenticationToken", "IDX14100: JWT is not well formed or not trusted.")
        if token.resource != GRAPH:
            raise GraphError(401, "InvalidAuthenticationToken", "Access token validation failure. Invalid audience.")
        if token.expires <= self._cloud.clock():
            raise GraphError(401, "InvalidAuthenticationToken", "Lifetime validation failed, the token is expired.")
        if token.account is None:
            raise GraphError(400, "BadRequest", "/me request is only valid with delegated authentication flow.")
        return self._cloud.account(token.account), token

    def failed(self, request: Request, error: GraphError) -> Response:
        """Answer an error as Graph does."""
        headers = self.headers(request)
        if error.status == 401:  # noqa: PLR2004 - the one status with a challenge (RFC 9110 section 15.5.2)
            headers["WWW-Authenticate"] = (
                f'Bearer realm="", authorization_uri="{base_of(request)}/common/oauth2/authorize", '
                'client_id="00000003-0000-0000-c000-000000000000"'
            )
        if error.retry_after is not None:
            headers["Retry-After"] = str(error.retry_after)
        return graph_error(error, self._cloud.clock().strftime("%Y-%m-%dT%H:%M:%S"), headers)

    def headers(self, request: Request) -> dict[str, str]:
        """Answer the headers by which Microsoft finds a request again."""
        return {
            "request-id": str(uuid4()),
            "client-request-id": correlation_id(request),
            "x-ms-ags-diagnostic": '{"ServerInfo":{"DataCenter":"Emulated","Slice":"E","Ring":"0"}}',
            "Cache-Control": "private",
        }


def graph_error(error: GraphError, date: str, headers: dict[str, str]) -> Response:
    """Answer the error JSON of Graph; ``headers`` must hold ``request-id`` and ``client-request-id``."""
    inner = {"date": date, "request-id": headers["request-id"], "client-request-id": headers["client-request-id"]}
    body = {"error": {"code": error.code, "message": error.message, "innerError": inner}}
    return JSONResponse(body, error.status, headers)
