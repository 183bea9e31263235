"""Which faults each call can answer with, as the OpenAPI document tells them.

Every call lists at its route what it has of its own (:func:`may`); what all calls have in common is added here. So the
document knows the very reasons of each call, and whatever a call answers in a test is held against it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from shared import faults
from shared.faults import BY_REASON, Fault
from shared.texts import describe

MARK = "x-refusals"
"""Where a route keeps its own reasons, until the document is made."""
EXAMPLE_RETRY = 30
EXAMPLE_REFERENCE = "3f9a01c2d4e5"
_EXAMPLE_PARAMS: dict[str, str | int] = {"limit": 65_536, "range": "send-large", "largest": 25_000_000}

_ALWAYS = (faults.BodyTooLarge, faults.ServiceMisconfigured, faults.Unexpected)
_STORED = (faults.StorageUnavailable,)
_GUARDED = (
    faults.DeviceTokenExpired,
    faults.DeviceTokenInvalid,
    faults.InvalidDpopProof,
    faults.UseDpopNonce,
    faults.DevicePending,
    faults.TooManyRequests,
)
_READS = (faults.InvalidRequest,)
_WRITES = (faults.LengthRequired,)
_HAS_ID = (faults.NotFound,)

SIGNED_OUT = (
    faults.ConsentRequired,
    faults.ConsentWithdrawn,
    faults.SignInRequired,
    faults.SignInExpired,
    faults.SignInRevoked,
    faults.InteractionRequired,
    faults.PermissionMissing,
)
"""Why a person cannot be sent for."""
MAILBOX_SIGNED_OUT = (
    faults.MailboxNotSignedIn,
    faults.MailboxNotDelivered,
    faults.MailboxSignInExpired,
    faults.MailboxSignInEnded,
    faults.MailboxConsentMissing,
)
"""Why nothing can be sent from the printer's own mailbox."""
ENTRA_REFUSES = (
    faults.DeviceCodeBlocked,
    faults.BlockedByPolicy,
    faults.ConsentWithdrawn,
    faults.InteractionRequired,
    faults.NotAssigned,
    faults.AccountDisabled,
    faults.SignInDeclined,
    faults.OtherOrganisation,
    faults.OwnCredentialRefused,
    faults.MicrosoftUnavailable,
    faults.NoConnection,
    faults.Throttled,
)
"""What Entra may say to a request for a device code."""

_STATUS = {
    400: "A proof is not valid",
    401: "No good token, or no proof",
    403: "Somebody must act first; see who",
    404: "Unknown, or another device's: one answer for both",
    409: "Not in this state",
    411: "Content-Length is missing",
    413: "Too large",
    415: "Another type",
    422: "Not valid; errors names the fields, where they are fields",
    429: "More than allowed; retry_after says when",
    500: "A fault of the service; nothing was promised",
    503: "Passing, or the operator's; see who",
}
_HEADERS = {
    401: ("WWW-Authenticate", "Which schemes open the door (RFC 9110), and what was wrong (RFC 6750, RFC 9449)"),
    429: ("Retry-After", "Seconds"),
}


def may(*own: type[Fault]) -> dict[str, Any]:
    """Return, as ``openapi_extra`` of a route, the faults that it can answer beside those of every call."""
    return {MARK: [leaf.reason for leaf in own]}


def refusals(method: str, path: str, operation: dict[str, Any], *, guarded: bool) -> list[type[Fault]]:
    """Return every fault that a call can answer, in the order of the tree. Takes the mark off the operation."""
    own = {BY_REASON[reason] for reason in operation.pop(MARK, ())}
    found = {*own, *_ALWAYS}
    names = {one["name"] for one in operation.get("parameters", ())}
    if guarded:
        found |= {*_GUARDED, *_STORED}
    if "requestBody" in operation or names - {"id"}:
        found |= {*_READS}
    if method in {"post", "put"}:
        found |= {*_WRITES}
    if "{id}" in path:
        found |= {*_HAS_ID}
    return [leaf for leaf in BY_REASON.values() if leaf in found]


def responses(leaves: Iterable[type[Fault]]) -> dict[str, Any]:
    """Return the responses of faults: by status, with the very reasons, and an example of each."""
    by_status: dict[int, list[type[Fault]]] = {}
    for leaf in leaves:
        by_status.setdefault(leaf.status, []).append(leaf)
    return {str(status): _response(status, found) for status, found in by_status.items()}


def example(leaf: type[Fault]) -> dict[str, Any]:
    """Return a fault as a device gets it, in English, as an Example Object (OpenAPI 3.1.0 section 4.8.19)."""
    said = describe(leaf, "en", **_EXAMPLE_PARAMS)
    told: dict[str, Any] = {
        "type": f"/api/docs#{leaf.reason}",
        "title": said.title,
        "status": leaf.status,
        "detail": said.detail,
        "reason": leaf.reason,
        "who": str(leaf.who),
        "remedy": said.remedy,
        "reference": EXAMPLE_REFERENCE,
    }
    if leaf.code is not None:
        told["code"] = leaf.code
    if leaf.status in {429, 503}:
        told["retry_after"] = EXAMPLE_RETRY
    if leaf is faults.InvalidRequest:
        told["errors"] = [{"field": "body.locale", "problem": "string_type"}]
    shows = f"panel code {leaf.code}" if leaf.code else "no panel code"
    return {"summary": f"{leaf.title} ({shows})", "value": told}


def _response(status: int, leaves: list[type[Fault]]) -> dict[str, Any]:
    made: dict[str, Any] = {
        "description": _STATUS[status],
        "content": {
            "application/problem+json": {
                "schema": {
                    "$ref": "#/components/schemas/Problem",
                    "properties": {"reason": {"enum": [leaf.reason for leaf in leaves]}},
                },
                "examples": {leaf.reason: {"$ref": f"#/components/examples/{leaf.reason}"} for leaf in leaves},
            }
        },
    }
    if status in _HEADERS:
        name, description = _HEADERS[status]
        made["headers"] = {name: {"description": description, "required": True, "schema": {"type": "string"}}}
    return made
