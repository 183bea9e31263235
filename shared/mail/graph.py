"""Microsoft Graph: whose mailbox a token is for, and sendMail.

Sources: Microsoft Graph, "user: sendMail", "Microsoft Graph error responses and resource types",
"Microsoft Graph throttling guidance". Only 202 counts as sent: an oversize request has been answered
200 and not sent.
"""

from __future__ import annotations

import base64
import io
import json
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import requests

from shared import faults
from shared.mail.message import Message
from shared.outbound import CONNECT_SECONDS, READ_SECONDS, OutboundSession

SEND_SECONDS = 60
"""How long an answer to sendMail is waited for."""
REQUEST_LIMIT = 4 * 1024 * 1024
"""Bytes of one request to Graph."""
LONGEST_WAIT = 24 * 3600.0
_CLAIMS = re.compile(r'claims="([A-Za-z0-9+/_=-]{1,8192})"')
_ACCEPTED, _UNAUTHORIZED, _FORBIDDEN, _TOO_LARGE, _THROTTLED, _UNAVAILABLE = 202, 401, 403, 413, 429, 503

_FINAL: dict[str, type[faults.Fault]] = {
    "MailboxNotEnabledForRESTAPI": faults.NoMailbox,
    "MailboxNotSupportedForRESTAPI": faults.NoMailbox,
    "ErrorSendAsDenied": faults.SendDenied,
    "ErrorAccessDenied": faults.SendDenied,
    "ErrorQuotaExceeded": faults.MailboxFull,
    "ErrorMessageSizeExceeded": faults.TooLarge,
    "ErrorMessageTooBig": faults.TooLarge,
    "ErrorAccountSuspend": faults.SenderRestricted,
    "ErrorMessageSubmissionBlocked": faults.SenderRestricted,
    "ErrorMessageBlocked": faults.SenderRestricted,
    "ErrorExceededMessageLimit": faults.SendingLimitReached,
    "ErrorExceededHourlyMessageLimit": faults.SendingLimitReached,
    "ErrorSubmissionQuotaExceeded": faults.SendingLimitReached,
    "MailboxInfoStale": faults.MicrosoftUnavailable,
}
"""Codes of the Outlook backend that were refused before anything was sent."""
_BY_STATUS: dict[int, type[faults.Fault]] = {
    _THROTTLED: faults.Throttled,
    _TOO_LARGE: faults.TooLarge,
    _FORBIDDEN: faults.SendDenied,
}
_WAIT: dict[type[faults.Fault], float] = {
    faults.Throttled: 30.0,
    faults.MicrosoftUnavailable: 30.0,
    faults.SendingLimitReached: 3600.0,
}
"""Seconds to wait where Graph does not say."""


@dataclass(frozen=True)
class Mailbox:
    """The mailbox that owns a token, as Graph's ``/me`` tells it."""

    oid: str
    address: str | None
    """``mail``; None where the account has no mail address."""
    user_principal_name: str


class TokenRejected(Exception):
    """401, or 535 5.7.3 of SMTP: the mail service did not take the access token; nothing was done.

    Attributes:
        claims: the claims challenge, as JSON, where there was one (Microsoft, "Claims challenges, claims requests
            and client capabilities").
        lasting: what it means if a fresh token is not taken either.
    """

    def __init__(self, claims: str | None, lasting: type[faults.Fault] = faults.MicrosoftUnavailable) -> None:
        super().__init__("claims challenge" if claims else "token rejected")
        self.claims = claims
        self.lasting = lasting


class Graph:
    """Microsoft Graph, with somebody's delegated token per call.

    Args:
        graph_url: origin of Graph.
        clock: the time now.
    """

    def __init__(self, graph_url: str, clock: Callable[[], datetime]) -> None:
        self._url = graph_url
        self._clock = clock
        self._session = OutboundSession()

    def me(self, token: str) -> Mailbox:
        """Return whose mailbox ``token`` is for.

        Raises:
            TokenRejected: another access token is needed.
            Passing: Graph cannot be reached or is busy.
            Fault: Graph refuses.
        """
        try:
            answer = self._session.get(
                f"{self._url}/v1.0/me",
                params={"$select": "id,mail,userPrincipalName"},
                headers=self._headers(token),
                timeout=(CONNECT_SECONDS, READ_SECONDS),
            )
        except requests.RequestException as error:
            raise faults.NoConnection(type(error).__name__, retry_after=30) from None
        if answer.status_code != requests.codes.ok:
            raise self._refusal(answer)
        try:
            found = answer.json()
            mail = found.get("mail")
            return Mailbox(str(found["id"]).lower(), str(mail) if mail else None, str(found["userPrincipalName"]))
        except (ValueError, KeyError, AttributeError, RecursionError):
            raise faults.MicrosoftUnavailable("answer of /me", retry_after=30) from None

    def send(self, token: str, mailbox: Mailbox, message: Message, document: bytes | None = None) -> None:
        """Send ``message`` from the mailbox to itself.

        Returning means that Graph has accepted it (202): submitted, not yet delivered.

        Raises:
            TokenRejected: another access token is needed; nothing was sent.
            TooLarge: it does not fit into one request; nothing was sent.
            Passing: nothing was sent; try again when the fault says.
            OutcomeUnknown: it was handed over and no clear answer came.
            Fault: Graph refused; nothing was sent.
        """
        request = self._body(mailbox, message, document)
        if len(request) > REQUEST_LIMIT:
            raise faults.TooLarge("request", limit=REQUEST_LIMIT * 3 // 4)
        body = io.BytesIO(request)
        try:
            answer = self._session.post(
                f"{self._url}/v1.0/me/sendMail",
                data=body,
                headers={**self._headers(token), "Content-Type": "application/json"},
                timeout=(CONNECT_SECONDS, SEND_SECONDS),
            )
        except requests.RequestException as error:
            # The body is read piece by piece as it goes out. Before its last piece nothing can have been sent,
            # whatever broke; after it nobody knows, even where it was TLS that broke.
            if body.tell() < len(request):
                raise faults.NoConnection(type(error).__name__, retry_after=30) from None
            raise faults.OutcomeUnknown(type(error).__name__) from None
        if answer.status_code == _ACCEPTED:
            return
        status = answer.status_code
        clear = status < requests.codes.server_error or status == _UNAVAILABLE or _known(answer) is not None
        if status < requests.codes.bad_request or not clear:
            # 200 although not sent and 504 although sent have both been seen: nobody knows.
            raise faults.OutcomeUnknown(f"status {status}")
        raise self._refusal(answer)

    @staticmethod
    def _headers(token: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {token}", "client-request-id": str(uuid.uuid4())}

    @staticmethod
    def _body(mailbox: Mailbox, message: Message, document: bytes | None) -> bytes:
        attachments = [
            {
                "@odata.type": "#microsoft.graph.fileAttachment",
                "name": message.attachment_name,
                "contentType": message.attachment_type,
                "contentBytes": base64.b64encode(content).decode(),
            }
            for content in ([] if document is None else [document])
        ]
        # JSON and not MIME: no header is built from text, and it carries a third more per request.
        return json.dumps(
            {
                "message": {
                    "subject": message.subject,
                    "body": {"contentType": "Text", "content": message.text},
                    "toRecipients": [{"emailAddress": {"address": mailbox.address}}],
                    "internetMessageHeaders": [{"name": "x-to-my-email-job", "value": message.job}],
                    "attachments": attachments,
                }
            }
        ).encode()

    def _refusal(self, answer: requests.Response) -> faults.Fault:
        """Classify a refusal by Graph's ``code`` first, then by status."""
        if answer.status_code == _UNAUTHORIZED or _challenge(answer):
            raise TokenRejected(_challenge(answer))
        leaf = _known(answer)
        if leaf is None or answer.status_code == _THROTTLED:
            leaf = _BY_STATUS.get(answer.status_code, faults.Unexpected)
            if answer.status_code >= requests.codes.server_error:
                leaf = faults.MicrosoftUnavailable
        return leaf(
            f"status {answer.status_code} {' '.join(_codes(answer))}".strip(),
            retry_after=self._retry_after(answer) or _WAIT.get(leaf),
            limit=REQUEST_LIMIT * 3 // 4,
        )

    def _retry_after(self, answer: requests.Response) -> float | None:
        """Return Retry-After in seconds (RFC 9110 section 10.2.3: seconds, or a date)."""
        value = answer.headers.get("Retry-After", "").strip()
        if value.isascii() and value.isdigit():
            return min(float(value), LONGEST_WAIT)
        try:
            wait = (parsedate_to_datetime(value) - self._clock()).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return None
        return min(max(wait, 0.0), LONGEST_WAIT)


def _challenge(answer: requests.Response) -> str | None:
    """Return the claims of a claims challenge: base64 of JSON in WWW-Authenticate, with insufficient_claims."""
    header = answer.headers.get("WWW-Authenticate", "")
    found = _CLAIMS.search(header) if "insufficient_claims" in header else None
    if not found:
        return None
    try:
        claims = base64.b64decode(found[1] + "=" * (-len(found[1]) % 4), altchars=b"-_").decode()
        return claims if isinstance(json.loads(claims), dict) else None
    except ValueError:
        return None


def _known(answer: requests.Response) -> type[faults.Fault] | None:
    """Return what a refusal means by its ``code``, where the code alone says so."""
    return next((_FINAL[code] for code in _codes(answer) if code in _FINAL), None)


def _codes(answer: requests.Response) -> list[str]:
    """Return ``error.code`` and the codes of its inner errors; anything else is no code."""
    try:
        node: Any = answer.json().get("error")
    except (ValueError, AttributeError, RecursionError):
        return []
    codes: list[str] = []
    while isinstance(node, Mapping) and len(codes) < 5:  # noqa: PLR2004
        code = node.get("code")
        if isinstance(code, str) and code.isascii() and code.replace("_", "").isalnum():
            codes.append(code[:64])
        node = node.get("innerError") or node.get("innererror")
    return codes
