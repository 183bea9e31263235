"""Device identity: nonce, enrolment, token, own record."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from functions.answers import reference
from functions.device_api import bodies, replies
from functions.device_api.callers import Caller, Rooms, sent_by
from functions.device_api.refusals import may
from functions.forms import address_of, form_of
from shared import faults
from shared.devices import NONCE_SECONDS, TOKEN_SECONDS, TokenRefused, words

if TYPE_CHECKING:
    from shared.mailboxes import StatusOf

TYPES = ["application/pdf", "image/jpeg", "image/tiff", "image/png"]

log = logging.getLogger(__name__)

router = APIRouter(tags=["Device identity"])


@router.get("/nonce")
def nonce(rooms: Rooms, response: Response) -> replies.Nonce:
    """A nonce for a proof or an assertion. With it the device's clock does not matter."""
    response.headers["Cache-Control"] = "no-store"
    return replies.Nonce(nonce=rooms.nonces.make(), expires_in=NONCE_SECONDS)


@router.post(
    "/enrolments",
    status_code=201,
    openapi_extra=may(faults.ProofInvalid, faults.TicketInvalid, faults.TooManyRequests, faults.StorageUnavailable),
)
def enrol(request: Request, rooms: Rooms, enrolment: bodies.Enrolment) -> replies.Enrolled:
    """Enrol a device by an administrator's ticket or code, and a proof that it holds its key."""
    device = rooms.enrolments.enrol(
        ticket=enrolment.ticket,
        jwk=enrolment.jwk.model_dump(),
        proof=enrolment.proof,
        model=enrolment.model,
        serial=enrolment.serial,
        name=enrolment.name,
        locale=enrolment.locale,
        address=address_of(request),
    )
    return replies.Enrolled(
        device_id=device.id,
        organisation=rooms.organisations.get(device.tid).name or device.tid,
        status="active" if device.status == "active" else "pending",
        words=device.words,
    )


@router.post(
    "/token",
    response_model=replies.AccessToken,
    responses={
        400: {"model": replies.TokenError, "description": "Wrong, or to be repeated with a fresh nonce"},
        401: {"model": replies.TokenError, "description": "Not known, or not proven: one answer for both"},
    },
    openapi_extra=may(faults.UnsupportedMediaType, faults.TooManyRequests, faults.StorageUnavailable)
    | {
        "requestBody": {
            "required": True,
            "content": {
                "application/x-www-form-urlencoded": {
                    "schema": {
                        "type": "object",
                        "required": ["grant_type", "client_assertion_type", "client_assertion"],
                        "properties": {
                            "grant_type": {"type": "string", "const": "client_credentials"},
                            "client_assertion_type": {
                                "type": "string",
                                "const": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                            },
                            "client_assertion": {
                                "type": "string",
                                "description": "JWT, ES256, typ client-authentication+jwt: iss, sub, aud, jti, "
                                "nonce, iat, exp",
                            },
                        },
                    }
                }
            },
        }
    },
)
async def token(rooms: Rooms, request: Request) -> Response:
    """An access token for ten minutes (RFC 6749 section 4.4, RFC 7523). Errors are RFC 6749's.

    With a DPoP proof in the header ``DPoP`` the token is bound to the device's key (RFC 9449).
    """
    form = await form_of(request)
    sent = sent_by(request)
    headers = {"Cache-Control": "no-store", "Pragma": "no-cache"}
    if sent.proofs:
        headers["DPoP-Nonce"] = rooms.nonces.make()
    try:
        given = await run_in_threadpool(rooms.tokens.give, form, sent)
    except TokenRefused as refused:
        status = 401 if refused.error == "invalid_client" else 400
        log.info("%s token refused: %s", reference(request), refused)
        return JSONResponse({"error": refused.error, "error_description": refused.description}, status, headers)
    body = {"access_token": given.value, "token_type": given.type, "expires_in": TOKEN_SECONDS}
    return JSONResponse(body, headers=headers)


@router.put("/device/key", openapi_extra=may(faults.ProofInvalid))
def roll_over(rooms: Rooms, device: Caller, rollover: bodies.KeyRollover) -> replies.KeyRolledOver:
    """Announce the device's next key. The old one works until the new one gets its first token."""
    jwk = rollover.jwk.model_dump()
    now = rooms.rollover.announce(device, jwk, old_proof=rollover.old_proof, new_proof=rollover.new_proof)
    return replies.KeyRolledOver(status="waiting" if now.next_jwk else "in_force", words=words(now.next_jwk or now.jwk))


@router.get("/device")
def own_record(rooms: Rooms, device: Caller) -> replies.DeviceRecord:
    """The device's own record, its organisation's consent, and what it may do now."""
    organisation = rooms.organisations.get(device.tid)
    servers = [rooms.mailbox_statuses.of(device, use) for use in ("email", "fax")]
    return replies.DeviceRecord(
        device_id=device.id,
        status=device.status,
        name=device.name,
        model=device.model,
        serial=device.serial,
        group=device.group,
        location=device.location,
        locale=device.locale,
        organisation=organisation.name,
        tenant=device.tid,
        words=device.words,
        consent=replies.ConsentStatus.model_validate(
            {"status": organisation.consent, "range": organisation.range.slug if organisation.range else None}
        ),
        policy=replies.Policy(
            kinds=["to_my_email", *(found.use for found in servers if found.ready)],
            types=TYPES,
            largest_document=rooms.acceptance.largest(device),
            panel_browser=organisation.policy.panel_browser,
        ),
        email_server=_server(servers[0]),
        fax_server=_server(servers[1]),
    )


def _server(found: StatusOf) -> replies.ServerState:
    return replies.ServerState.model_validate(
        {
            "status": found.status,
            "delivered": found.delivered,
            "code": found.fault.code if found.fault else None,
            "reason": found.fault.reason if found.fault else None,
        }
    )
