"""The mailboxes, for people to read (``/mailbox``) and for tests (``/-/mailboxes``)."""

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .cloud import Cloud
from .directory import Account
from .mail import Message
from .pages import page


class MailboxPages:
    """Shows what arrived; nothing here can be changed."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self.routes = [
            Route("/mailbox", self._list),
            Route("/mailbox/{address}", self._mailbox),
            Route("/-/mailboxes/{address}", self._json),
            Route("/-/mailboxes/{address}/{folder}/{message:int}/attachments/{number:int}", self._attachment),
        ]

    async def _list(self, _request: Request) -> Response:
        boxes = self._cloud.mailboxes
        with self._cloud.lock:
            rows = [
                (account, self._cloud.tenant(account.tid), len(boxes.inbox(account.key)), len(boxes.sent(account.key)))
                for account in self._cloud.state.accounts.values()
                if account.mailbox and not account.deleted
            ]
        return page("mailboxes.html", rows=rows, external=len(boxes.external))

    async def _mailbox(self, request: Request) -> Response:
        account = self._owner(request)
        if account is None:
            return page("error.html", 404, number=404, text="There is no such mailbox.", correlation_id="")
        folder = "sent" if request.query_params.get("folder") == "sent" else "inbox"
        messages = list(enumerate(self._messages(account, folder)))
        return page("mailbox.html", account=account, folder=folder, messages=messages[::-1])

    async def _json(self, request: Request) -> Response:
        account = self._owner(request)
        if account is None:
            return JSONResponse({"detail": "There is no such mailbox."}, 404)
        return JSONResponse(
            {
                "address": account.address,
                "messages": [message.described() for message in self._messages(account, "inbox")],
                "sent": [message.described() for message in self._messages(account, "sent")],
            }
        )

    async def _attachment(self, request: Request) -> Response:
        account = self._owner(request)
        try:
            messages = self._messages(account, request.path_params["folder"]) if account else []
            attachment = messages[request.path_params["message"]].attachments[request.path_params["number"]]
        except IndexError:
            return JSONResponse({"detail": "There is no such attachment."}, 404)
        return Response(
            attachment.content,
            media_type=attachment.content_type,
            headers={
                # Always a download: what a mail brought must not run as a page of ours.
                "Content-Disposition": f"attachment; filename*=UTF-8''{quote(attachment.name, safe='')}",
                "X-Content-Type-Options": "nosniff",
            },
        )

    def _owner(self, request: Request) -> Account | None:
        try:
            account = self._cloud.account(request.path_params["address"])
        except LookupError:
            return None
        return account if account.mailbox else None

    def _messages(self, account: Account, folder: str) -> list[Message]:
        boxes = self._cloud.mailboxes
        return boxes.sent(account.key) if folder == "sent" else boxes.inbox(account.key)
