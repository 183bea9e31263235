"""What devices get from the device API. What they send is in ``bodies``."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from shared.faults import BY_REASON


class Nonce(BaseModel):
    """A nonce, good for ``expires_in`` seconds."""

    nonce: str
    expires_in: int


class Enrolled(BaseModel):
    """An enrolled device. The administrator sees the same four ``words``."""

    device_id: str
    organisation: str
    status: Literal["active", "pending"]
    words: str


class AccessToken(BaseModel):
    """RFC 6749 section 5.1. ``token_type`` is DPoP where a DPoP proof came with the request (RFC 9449)."""

    access_token: str
    token_type: Literal["Bearer", "DPoP"]
    expires_in: int


class TokenError(BaseModel):
    """RFC 6749 section 5.2. ``use_nonce`` and ``use_dpop_nonce``: the same again with a fresh nonce."""

    error: Literal[
        "invalid_request",
        "invalid_client",
        "unsupported_grant_type",
        "use_nonce",
        "invalid_dpop_proof",
        "use_dpop_nonce",
    ]
    error_description: str


class KeyRolledOver(BaseModel):
    """Which key counts. ``waiting``: the old one still does, until the new one gets its first token."""

    status: Literal["waiting", "in_force"]
    words: str
    """Of the new key."""


class ConsentStatus(BaseModel):
    """The organisation's consent."""

    status: Literal["none", "consented", "withdrawn"]
    range: str | None


class Policy(BaseModel):
    """What the device may do now. ``largest_document`` is in bytes; 0 without consent.

    ``panel_browser``: whether people may sign in in the panel's own browser (``panel_uri`` of a sign-in).
    """

    kinds: list[str]
    types: list[str]
    largest_document: int
    panel_browser: bool


class ServerSettings(BaseModel):
    """What the device keeps of a mail server or fax server. ``largest_document`` is in bytes."""

    service: Literal["exchange_online", "outlook_com"]
    sender: str
    kinds: list[str]
    largest_document: int
    most_recipients: int


class ServerStatus(BaseModel):
    """The mail server or fax server of a device as it stands; ``message`` says what to do. Never a token.

    ``delivered``: the device has acknowledged the settings of this ``settings_version``.
    """

    service: Literal["exchange_online", "outlook_com"] | None = None
    account_hint: str | None = None
    status: Literal["signed_in", "not_signed_in", "expired", "blocked"]
    delivered: bool
    settings: ServerSettings | None = None
    settings_version: str | None = None
    code: int | None = None
    reason: str | None = None
    who: str | None = None
    message: str | None = None
    last_success_at: datetime | None = None
    last_error_at: datetime | None = None
    last_error_reason: str | None = None
    last_error_code: int | None = None
    last_error_message: str | None = None
    valid_until: Annotated[datetime | None, Field(description="If nothing used it or kept it alive until then")] = None


class ServerState(BaseModel):
    """The short form in the device's own record."""

    status: Literal["signed_in", "not_signed_in", "expired", "blocked"]
    delivered: bool
    code: int | None = None
    reason: str | None = None


class MailboxSignInStarted(BaseModel):
    """What the panel shows; times in seconds. The code is Microsoft's, and so is the address.

    ``qr_svg`` holds the address alone: Microsoft lets nobody put the code into it.
    """

    id: str
    status: Literal["pending"] = "pending"
    user_code: str
    verification_uri: str
    qr_svg: str
    expires_in: int
    interval: int
    message: str


class MailboxSignInState(BaseModel):
    """How far it has come. Where a policy blocks codes, ``link`` is another way in; ``qr_svg`` is that link."""

    id: str
    status: Literal["pending", "active", "denied", "expired", "blocked"]
    account_hint: str | None = None
    reason: str | None = None
    code: int | None = None
    who: str | None = None
    message: str | None = None
    link: str | None = None
    qr_svg: str | None = None
    interval: int


class DeviceRecord(BaseModel):
    """The device's own record."""

    device_id: str
    status: str
    name: str
    model: str
    serial: str
    group: str
    location: str
    locale: str
    organisation: str
    tenant: str
    words: str
    consent: ConsentStatus
    policy: Policy
    email_server: ServerState
    fax_server: ServerState


class UserStatus(BaseModel):
    """Whether a scan for a person can be sent."""

    status: Literal["ready", "sign_in_required", "blocked"]
    code: int | None = None
    reason: str | None = None
    who: str | None = None
    message: str | None = None
    account_hint: str | None = None


class HandoffStarted(BaseModel):
    """What the panel shows; times in seconds.

    ``panel_uri`` is there for a sign-in only, and only where the organisation allows it: what the panel may open in a
    private window of its own browser instead of showing the code.
    """

    id: str
    status: Literal["pending"] = "pending"
    verification_uri: str
    verification_uri_complete: str
    panel_uri: str | None = None
    user_code: str
    qr_svg: str
    expires_in: int
    interval: int
    message: str


class HandoffState(BaseModel):
    """How far a sign-in or consent has come. Ask no faster than every ``interval`` seconds."""

    id: str
    status: Literal["pending", "confirm", "active", "denied", "expired"]
    account_hint: str | None = None
    reason: str | None = None
    code: int | None = None
    who: str | None = None
    message: str | None = None
    interval: int


class ScanState(BaseModel):
    """A scan as it stands; ``message`` says in words what happened and what to do."""

    id: str
    kind: str
    state: Literal[
        "awaiting_upload", "accepted", "sending", "held", "waiting", "uncertain", "sent", "failed", "cancelled"
    ]
    code: int | None = None
    reason: str | None = None
    message: str | None = None
    who: str | None = None
    title: str
    attempts: int
    created_at: datetime
    updated_at: datetime
    next_attempt_at: datetime | None = None


class UploadAddress(BaseModel):
    """Where the document goes, with these headers and nothing else of ours; the address is a secret of the device.

    The headers belong to Put Blob or, for an upload in pieces, to Put Block List. 409 BlobAlreadyExists and 403
    UnauthorizedBlobOverwrite mean that the document is there already: commit.
    """

    url: str
    method: Literal["PUT"] = "PUT"
    headers: dict[str, str]
    expires_at: datetime


class ScanAnnounced(ScanState):
    """A scan whose document is awaited: upload it, then commit."""

    upload: UploadAddress


class History(BaseModel):
    """A page of the device's jobs, newest first. ``cursor`` asks for the next page."""

    scans: list[ScanState]
    cursor: str | None = None


class FieldProblem(BaseModel):
    """A field of the request, and what is wrong with it; never what it held."""

    field: str
    problem: str


class Problem(BaseModel):
    """RFC 9457. Programs go by ``reason`` and ``code``, people by ``title``, ``detail`` and ``remedy``."""

    type: str
    title: str
    status: int
    detail: str
    reason: Annotated[str, Field(json_schema_extra={"enum": sorted(BY_REASON)})]
    who: Literal["user", "admin", "operator", "network", "none"]
    remedy: str
    reference: Annotated[str, Field(description="What a help desk finds this request by")]
    code: Annotated[
        Literal[360, 361, 370] | None, Field(description="What the panel shows; absent where it shows none")
    ] = None
    retry_after: Annotated[int | None, Field(description="Seconds, as in Retry-After")] = None
    errors: Annotated[list[FieldProblem] | None, Field(description="With reason invalid_request")] = None
