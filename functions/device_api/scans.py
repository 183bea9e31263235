"""Scans: hand over, look, cancel."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import ValidationError
from starlette.datastructures import UploadFile

from functions.answers import language_of
from functions.device_api import bodies, replies
from functions.device_api.callers import ById, Caller, Rooms, known_id
from functions.device_api.handoffs import about
from functions.device_api.refusals import MAILBOX_SIGNED_OUT, SIGNED_OUT, may
from functions.doors import JSON_LIMIT
from shared import faults
from shared.devices import Device, Use
from shared.scans import CURSOR, FINAL, Job, Manifest
from shared.services import Services

LONGEST_WAIT = 20
LOOK_EVERY = 0.7
"""Seconds between two looks of a long poll."""
PAGE = 20
_RECIPIENT = {"to_my_email": "user", "email": "to", "fax": "fax_number"}
"""Which field of the manifest says where a scan of this kind goes."""

router = APIRouter(tags=["Scans"])


_MANIFEST = {"$ref": "#/components/schemas/ScanManifest"}


@router.post(
    "/scans",
    status_code=202,
    response_model=replies.ScanState,
    response_model_exclude_none=True,
    response_description="Accepted: from now on it is sent, or held, or ends in a state that says why",
    responses={
        201: {"model": replies.ScanAnnounced, "description": "Announced: upload the document, then commit"},
    },
    openapi_extra=may(
        *SIGNED_OUT,
        *MAILBOX_SIGNED_OUT,
        faults.TooLarge,
        faults.UnsupportedType,
        faults.DocumentMismatch,
        faults.RecipientInvalid,
        faults.RecipientNotAllowed,
        faults.FaxNumberInvalid,
        faults.FaxNotSetUp,
        faults.UnsupportedMediaType,
        faults.IdTaken,
    )
    | {
        "requestBody": {
            "required": True,
            "description": "JSON to upload the document of any size afterwards; multipart to hand it over at once",
            "content": {
                "application/json": {"schema": _MANIFEST},
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["manifest", "document"],
                        "properties": {
                            "manifest": _MANIFEST,
                            "document": {"type": "string", "format": "binary"},
                        },
                    }
                },
            },
        }
    },
)
async def scan(request: Request, rooms: Rooms, device: Caller) -> Response:
    """Hand over a scan, or announce one that will be uploaded.

    The same id with the same manifest answers as the first time. While its upload is awaited, announcing it again
    gives a new address; ten minutes is how long one is good.
    """
    if "content-length" not in request.headers:
        raise faults.LengthRequired
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == "application/json":
        if int(request.headers["content-length"]) > JSON_LIMIT:
            raise faults.BodyTooLarge(limit=JSON_LIMIT)
        return await run_in_threadpool(_announce, request, rooms, device, await request.body())
    if media_type != "multipart/form-data":
        raise faults.UnsupportedMediaType("neither JSON nor multipart")
    async with request.form(max_files=2, max_fields=1, max_part_size=JSON_LIMIT) as form:
        if sorted(name for name, _ in form.multi_items()) != ["document", "manifest"]:
            raise faults.InvalidRequest("parts")
        part = form.get("manifest")
        # Some clients send JSON parts as files.
        written = await part.read(JSON_LIMIT) if isinstance(part, UploadFile) else part or ""
        manifest, _ = _manifest(written, device)
        document = form.get("document")
        if not isinstance(document, UploadFile):
            raise faults.InvalidRequest("document")
        await run_in_threadpool(rooms.limits.count, Use.SCANS, device, manifest.user or None)
        job = await run_in_threadpool(rooms.acceptance.accept, device, manifest, document.file)
    return _answer(202, _scan_state(request, device, job))


@router.post(
    "/scans/{id}/commit",
    status_code=202,
    response_model_exclude_none=True,
    openapi_extra=may(faults.WrongState, faults.NotUploaded, faults.DocumentMismatch, faults.UnsupportedType),
)
def commit_scan(request: Request, rooms: Rooms, device: Caller, id: ById) -> replies.ScanState:  # noqa: A002
    """The document is uploaded. What does not fit is deleted, and may be uploaded again. Committing twice is fine."""
    return _scan_state(request, device, rooms.uploads.commit(device.id, known_id(id)))


@router.get("/scans/{id}", response_model_exclude_none=True)
async def scan_state(
    request: Request,
    rooms: Rooms,
    device: Caller,
    id: ById,  # noqa: A002
    wait: int = 0,
    since: str | None = None,
) -> replies.ScanState:
    """One scan. With ``wait`` (seconds, at most 20) the answer comes when ``updated_at`` is no longer ``since``."""
    job_id = known_id(id)
    looks = int(min(max(wait, 0), LONGEST_WAIT) / LOOK_EVERY)
    while True:
        job = await run_in_threadpool(rooms.jobs.get, device.id, job_id)
        if job is None:
            raise faults.NotFound
        state = _scan_state(request, device, job)
        if looks <= 0 or job.state in FINAL or _instant(state) != since:
            return state
        looks -= 1
        await asyncio.sleep(LOOK_EVERY)  # no thread is held meanwhile


@router.get("/scans", response_model_exclude_none=True)
def history(request: Request, rooms: Rooms, device: Caller, cursor: str = "") -> replies.History:
    """The device's job history, newest first."""
    if cursor and not CURSOR.fullmatch(cursor):
        raise faults.InvalidRequest("cursor")
    jobs, more = rooms.jobs.history(device.id, cursor, PAGE)
    return replies.History(scans=[_scan_state(request, device, job) for job in jobs], cursor=more)


@router.delete("/scans/{id}", response_model_exclude_none=True, openapi_extra=may(faults.WrongState))
def cancel_scan(request: Request, rooms: Rooms, device: Caller, id: ById) -> replies.ScanState:  # noqa: A002
    """Cancel what has not been sent."""
    return _scan_state(request, device, rooms.acceptance.cancel(device, known_id(id)))


def _announce(request: Request, rooms: Services, device: Device, body: bytes) -> Response:
    manifest, wish = _manifest(body, device)
    rooms.limits.count(Use.SCANS, device, manifest.user or None)
    job = rooms.acceptance.announce(device, manifest)
    upload = rooms.uploads.address(job, blocks=wish.blocks)
    state = _scan_state(request, device, job)
    if upload is None:
        return _answer(202, state)
    address = replies.UploadAddress(url=upload.url, headers=dict(upload.headers), expires_at=upload.expires)
    return _answer(201, replies.ScanAnnounced(**state.model_dump(), upload=address))


def _answer(status: int, body: replies.ScanState) -> Response:
    # An address is good for whoever has it.
    headers = {"Cache-Control": "no-store"}
    return Response(body.model_dump_json(exclude_none=True), status, headers, "application/json")


def _manifest(written: str | bytes, device: Device) -> tuple[Manifest, bodies.UploadWish]:
    try:
        told = bodies.ScanManifest.model_validate_json(written)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        raise faults.InvalidRequest(f"manifest {first['type']}") from None
    # Each kind has one sort of recipient, and no other may come along unseen.
    given = {name for name in _RECIPIENT.values() if getattr(told, name) is not None}
    if given != {_RECIPIENT[told.kind]}:
        raise faults.InvalidRequest("manifest recipient")
    document = told.document
    manifest = Manifest(
        id=told.id,
        kind=told.kind,
        user=told.user or "",
        title=told.title,
        locale=told.locale or device.locale,
        name=document.name,
        type=document.type,
        size=document.size,
        sha256=document.sha256,
        to=tuple(told.to or ()),
        fax_number=told.fax_number or "",
    )
    return manifest, told.upload or bodies.UploadWish()


def _scan_state(request: Request, device: Device, job: Job) -> replies.ScanState:
    return replies.ScanState.model_validate(
        {
            "id": job.manifest.id,
            "kind": job.manifest.kind,
            "state": job.state,
            "title": job.manifest.title,
            "attempts": job.attempts,
            "created_at": job.created,
            "updated_at": job.updated,
            "next_attempt_at": job.next_attempt,
            **(about(job.fault, language_of(request, device.locale)) if job.fault else {}),
        }
    )


def _instant(state: replies.ScanState) -> Any:
    return state.model_dump(mode="json")["updated_at"]
