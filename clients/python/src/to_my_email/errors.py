"""What can go wrong, as one tree; catch as high or as low as the device cares.

::

    Error (the root)
    ├── NotEnrolled            this store holds no enrolment at this service
    ├── Refused                the service said no: asking again changes nothing
    │   ├── DeviceRefused      the device itself is not let in: token, pending, revoked
    │   ├── SignInRequired     the person must sign in first (panel codes 361 and 370)
    │   └── NotAvailable       this service does not offer the call
    ├── Temporary              goes away by itself; ``retry_after`` where the service named a time
    │   ├── Unreachable        no answer at all
    │   └── UnexpectedAnswer   something answered that is not the service (a proxy, a sign-in page of a network)
    ├── Cancelled              the person or the caller gave up
    └── StoreError             the store directory cannot be used
        └── StoreLocked        another process holds it

No error's text holds an address, a token, a title, a file name or a URL.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import requests

UNREACHABLE = "unreachable"
"""The reason the client gives itself where no answer came: panel code 360."""
UNEXPECTED_ANSWER = "unexpected_answer"
USE_DPOP_NONCE = "use_dpop_nonce"
"""RFC 9449 sections 8 and 9: sign again, with the nonce that came with the answer."""

_UNAUTHORIZED, _SERVER_ERROR = 401, 500
_AGAIN = {408, 425, 429}
"""Request Timeout, Too Early, Too Many Requests: the request itself is not what was wrong (RFC 9110, 8470, 6585)."""
_SIGN_IN_CODES = {361, 370}
_DEVICE_REASONS = {"device_pending", "device_token_invalid", "device_token_expired", "invalid_client"}
_LONGEST = 400
"""Characters of a text that are taken over; the service's own are shorter."""


class Error(Exception):
    """The root. Carries the members of an RFC 9457 problem, as the device API has them.

    Attributes:
        reason: a stable slug, the thing to decide by.
        status: of HTTP; 0 where no answer came.
        code: 360, 361, 370 or None: what the panel shows.
        who: must act: user, admin, operator, network or none.
        title, detail, remedy: for people, in the language asked for; may be empty.
        retry_after: seconds, or None.
        reference: by which the operator finds the request in the log; may be empty.
        errors: of a request that was not valid: the fields, as ``{field, problem}``.
        own: whether the texts are this client's (English), and not the service's in the language asked for; a panel
            in another language shows its own words for the reason then.
    """

    def __init__(self, reason: str, *, status: int = 0, **members: Any) -> None:
        self.reason = reason
        self.status = status
        code = members.get("code")
        self.code: int | None = code if isinstance(code, int) else None
        self.who = _text(members.get("who")) or "none"
        self.title = _text(members.get("title"))
        self.detail = _text(members.get("detail"))
        self.remedy = _text(members.get("remedy"))
        self.reference = _text(members.get("reference"))
        self.retry_after = _seconds(members.get("retry_after"))
        self.own = True
        self.errors: list[Any] = members["errors"] if isinstance(members.get("errors"), list) else []
        super().__init__(f"{reason}: {self.title} {self.detail}".rstrip(": "))

    def as_json(self) -> dict[str, Any]:
        """Return the members, for a panel or a log."""
        names = ("reason", "status", "code", "who", "title", "detail", "remedy", "retry_after", "reference")
        return {name: getattr(self, name) for name in names}


class NotEnrolled(Error):
    """The store holds no enrolment at this service."""

    def __init__(self) -> None:
        super().__init__(
            "not_enrolled",
            who="admin",
            title="This device is not enrolled",
            remedy="Ask an administrator for a ticket, and enrol the device with it.",
        )


class Refused(Error):
    """The service said no; the same request again gets the same answer."""


class DeviceRefused(Refused):
    """The device itself is not let in: its key is unknown or revoked, or an administrator must approve it first."""


class SignInRequired(Refused):
    """The person must sign in (again) before a scan of his can be taken."""


class NotAvailable(Refused):
    """The service does not offer this call."""


class Temporary(Error):
    """Goes away by itself."""


class Unreachable(Temporary):
    """No answer came: name, network, TLS, or a time-out."""

    def __init__(self) -> None:
        super().__init__(
            UNREACHABLE,
            code=360,
            who="network",
            title="The service cannot be reached",
            remedy="Check the network connection. It is tried again.",
        )


class UnexpectedAnswer(Temporary):
    """The answer is not the service's: a proxy, a gateway, or a wrong address."""

    def __init__(self, status: int = 0, retry_after: float | None = None) -> None:
        super().__init__(
            UNEXPECTED_ANSWER,
            status=status,
            code=360,
            who="operator",
            title="Something else answered instead of the service",
            remedy="Check the service's address, and whether a proxy or a network's sign-in page is in between.",
            retry_after=retry_after,
        )


class Cancelled(Error):
    """The person said no, or the caller gave up."""

    def __init__(self) -> None:
        super().__init__("cancelled", who="user", title="Cancelled")


class StoreError(Error):
    """The store directory cannot be used as it is."""


class StoreLocked(StoreError):
    """Another process works in the store and did not finish in time."""

    def __init__(self) -> None:
        super().__init__("store_locked", who="user", title="Another program is using this device's store")


def from_response(response: requests.Response) -> Error:
    """Read a refusal: a problem document, an OAuth 2.0 error (RFC 6749 section 5.2), or neither."""
    header = response.headers.get("Retry-After", "")
    retry_after = float(header) if header.isascii() and header.isdecimal() else None
    try:
        members = response.json()
    except requests.JSONDecodeError:
        members = None
    if not isinstance(members, Mapping):
        members = {}
    reason = members.get("reason")
    if USE_DPOP_NONCE in response.headers.get("WWW-Authenticate", ""):
        reason = USE_DPOP_NONCE
    if reason is None and isinstance(members.get("error"), str):
        reason = members["error"]
        members = {"detail": members.get("error_description"), "who": "operator"}
    if not isinstance(reason, str) or not reason:
        if response.status_code >= _SERVER_ERROR:
            return Temporary(
                UNREACHABLE,
                status=response.status_code,
                code=360,
                who="operator",
                title="The service does not answer properly",
                remedy="Nothing to do: it is tried again.",
                retry_after=retry_after,
            )
        return UnexpectedAnswer(response.status_code, retry_after)
    told = {name: value for name, value in members.items() if name not in {"reason", "status"}}
    told["retry_after"] = members.get("retry_after", retry_after)
    error = _kind(response.status_code, reason, told.get("code"))(reason, status=response.status_code, **told)
    error.own = False
    return error


def _kind(status: int, reason: str, code: object) -> type[Error]:
    if status == _UNAUTHORIZED or reason in _DEVICE_REASONS:
        return DeviceRefused
    if status >= _SERVER_ERROR or status in _AGAIN or reason == "temporarily_unavailable":
        return Temporary
    return SignInRequired if code in _SIGN_IN_CODES else Refused


def _text(value: object) -> str:
    return value[:_LONGEST] if isinstance(value, str) else ""


def _seconds(value: object) -> float | None:
    """Return a time that makes sense to wait for, or None; a service's slip must not stop a device for ever."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return min(max(float(value), 0.0), 86_400.0)
