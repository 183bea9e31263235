"""Device identity: nonce, enrolment, token, own record."""

from __future__ import annotations

import logging

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from functions.answers import reference
from functions.device_api import bodies
from functions.device_api.callers import Caller, Rooms
from functions.forms import form_of
from shared.devices import NONCE_SECONDS, TOKEN_SECONDS, TokenRefused

KINDS = ["to_my_email"]
TYPES = ["application/pdf", "image/jpeg", "image/tiff", "image/png"]

log = logging.getLogger(__name__)

router = APIRouter(tags=["Device identity"])


@router.get("/nonce")
def nonce(rooms: Rooms, response: Response) -> bodies.Nonce:
    """A nonce for a proof or an assertion. With it the device's clock does not matter."""
    response.headers["Cache-Control"] = "no-store"
    return bodies.Nonce(nonce=rooms.nonces.make(), expires_in=NONCE_SECONDS)


@router.post("/enrolments", status_code=201)
def enrol(rooms: Rooms, enrolment: bodies.Enrolment) -> bodies.Enrolled:
    """Enrol a device by an administrator's ticket and a proof that it holds its key."""
    device = rooms.devices.enrol(
        ticket=enrolment.ticket,
        jwk=enrolment.jwk.model_dump(),
        proof=enrolment.proof,
        model=enrolment.model,
        serial=enrolment.serial,
        name=enrolment.name,
        locale=enrolment.locale,
    )
    return bodies.Enrolled(
        device_id=device.id,
        organisation=rooms.organisations.get(device.tid).name or device.tid,
        status="active" if device.status == "active" else "pending",
        words=device.words,
    )


@router.post(
    "/token",
    response_model=bodies.AccessToken,
    openapi_extra={
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
    """An access token for ten minutes (RFC 6749 section 4.4, RFC 7523). Errors are RFC 6749's."""
    form = await form_of(request)
    headers = {"Cache-Control": "no-store", "Pragma": "no-cache"}
    try:
        given = await run_in_threadpool(rooms.tokens.give, form)
    except TokenRefused as refused:
        status = 401 if refused.error == "invalid_client" else 400
        log.info("%s token refused: %s", reference(request), refused)
        return JSONResponse({"error": refused.error, "error_description": refused.description}, status, headers)
    return JSONResponse({"access_token": given, "token_type": "Bearer", "expires_in": TOKEN_SECONDS}, headers=headers)


@router.get("/device")
def own_record(rooms: Rooms, device: Caller) -> bodies.DeviceRecord:
    """The device's own record, its organisation's consent, and what it may do now."""
    organisation = rooms.organisations.get(device.tid)
    return bodies.DeviceRecord(
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
        consent=bodies.ConsentStatus.model_validate(
            {"status": organisation.consent, "range": organisation.range.slug if organisation.range else None}
        ),
        policy=bodies.Policy(kinds=KINDS, types=TYPES, largest_document=rooms.acceptance.largest(device)),
    )
