"""What a refusal by Graph means: by its ``code`` first, then by its status.

The codes are Exchange's own and come through Graph as they are ("Microsoft Graph error responses and resource
types": only ``code`` is there to be relied upon; inner errors are more specific).
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import requests

from shared import faults
from shared.mail.transport import TokenRejected

LONGEST_WAIT = 24 * 3600.0
"""Seconds; a longer Retry-After is not believed."""
ITEM_NOT_FOUND = "ErrorItemNotFound"
TOO_SMALL_FOR_UPLOAD = "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize"
_CLAIMS = re.compile(r'claims="([A-Za-z0-9+/_=-]{1,8192})"')
_UNAUTHORIZED, _FORBIDDEN, _TOO_LARGE, _THROTTLED = 401, 403, 413, 429

_BY_CODE: dict[str, type[faults.Fault]] = {
    "MailboxNotEnabledForRESTAPI": faults.NoMailbox,
    "MailboxNotSupportedForRESTAPI": faults.NoMailbox,
    "ErrorSendAsDenied": faults.SendDenied,
    "ErrorAccessDenied": faults.SendDenied,
    "ErrorInvalidRecipients": faults.RecipientRefused,
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


def refusal(answer: requests.Response, now: datetime, size: int = 0) -> faults.Fault:
    """Return the fault that a refusal is.

    Args:
        answer: any answer that is not the one hoped for.
        now: for a Retry-After that is a date.
        size: bytes of the document that was offered. A refusal because of it is a TooLarge with ``refused`` = this,
            for who remembers it, and ``limit`` = one less, for who reads it.

    Raises:
        TokenRejected: 401, or a claims challenge; nothing was done.
    """
    if answer.status_code == _UNAUTHORIZED or challenge(answer):
        raise TokenRejected(challenge(answer))
    leaf = known(answer)
    if leaf is None or answer.status_code == _THROTTLED:
        leaf = _BY_STATUS.get(answer.status_code, faults.Unexpected)
        if answer.status_code >= requests.codes.server_error or answer.status_code < requests.codes.bad_request:
            # An unexpected yes says as little as a trouble of Microsoft's own.
            leaf = faults.MicrosoftUnavailable
    params = {"limit": max(size - 1, 0), "refused": size} if leaf is faults.TooLarge else {}
    return leaf(
        f"status {answer.status_code} {' '.join(codes(answer))}".strip(),
        retry_after=retry_after(answer, now) or _WAIT.get(leaf),
        **params,
    )


def retry_after(answer: requests.Response, now: datetime) -> float | None:
    """Return Retry-After in seconds (RFC 9110 section 10.2.3: seconds, or a date), or None."""
    value = answer.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value), LONGEST_WAIT)
    try:
        wait = (parsedate_to_datetime(value) - now).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(wait, 0.0), LONGEST_WAIT)


def challenge(answer: requests.Response) -> str | None:
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


def known(answer: requests.Response) -> type[faults.Fault] | None:
    """Return what a refusal means by its ``code``, where the code alone says so."""
    return next((_BY_CODE[code] for code in codes(answer) if code in _BY_CODE), None)


def codes(answer: requests.Response) -> list[str]:
    """Return ``error.code`` and the codes of its inner errors; anything else is no code."""
    try:
        node: Any = answer.json().get("error")
    except (ValueError, AttributeError, RecursionError):
        return []
    found: list[str] = []
    while isinstance(node, Mapping) and len(found) < 5:  # noqa: PLR2004
        code = node.get("code")
        if isinstance(code, str) and code.isascii() and code.replace("_", "").isalnum():
            found.append(code[:64])
        node = node.get("innerError") or node.get("innererror")
    return found
