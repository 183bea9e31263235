"""Consent from the panel, and the first login of people: both go to somebody's own browser and come back."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from functions.answers import language_of
from functions.device_api import bodies, replies
from functions.device_api.callers import ById, Caller, Rooms, known_id
from functions.device_api.refusals import may
from shared import faults
from shared.devices import Device, Use
from shared.faults import Fault
from shared.handoffs import Handoff, Started
from shared.services import Services
from shared.texts import describe, say

SIGN_IN, CONSENT = "sign_in", "consent"
CONSENTS: dict[str, Any] = {"tags": ["Consent from the panel"]}
PEOPLE: dict[str, Any] = {"tags": ["People"]}
_SEALED = faults.KeyServiceUnavailable
"""A handoff's row is sealed under a key of the key service."""

router = APIRouter()


@router.post("/consents", status_code=201, **CONSENTS, response_model_exclude_none=True, openapi_extra=may(_SEALED))
def start_consent(request: Request, rooms: Rooms, device: Caller, wanted: bodies.NewConsent) -> replies.HandoffStarted:
    """Begin an admin consent: the administrator follows the link, and the panel shows how it ends."""
    rooms.limits.count(Use.SIGN_INS, device)
    locale = wanted.locale or device.locale
    started = rooms.consents.start(
        tid=device.tid, wanted=wanted.range, device_id=device.id, printer=device.name, locale=locale
    )
    return _started(rooms, request, started, "consent", locale)


@router.get("/consents/{id}", **CONSENTS, response_model_exclude_none=True, openapi_extra=may(faults.SlowDown, _SEALED))
def consent_state(request: Request, rooms: Rooms, device: Caller, id: ById) -> replies.HandoffState:  # noqa: A002
    """How far the consent has come."""
    return _state(request, device, rooms.handoffs.poll(known_id(id), device.id, CONSENT))


@router.post(
    "/consents/{id}/confirm",
    **CONSENTS,
    response_model_exclude_none=True,
    openapi_extra=may(faults.WrongState, _SEALED),
)
def confirm_consent(request: Request, rooms: Rooms, device: Caller, id: ById) -> replies.HandoffState:  # noqa: A002
    """OK at the panel: closes the confirmation."""
    return _state(request, device, rooms.handoffs.confirm(known_id(id), device.id, CONSENT, lambda _: None))


@router.delete("/consents/{id}", status_code=204, **CONSENTS, openapi_extra=may(faults.WrongState))
def cancel_consent(rooms: Rooms, device: Caller, id: ById) -> None:  # noqa: A002
    """Cancel at the panel."""
    rooms.handoffs.cancel(known_id(id), device.id, CONSENT)


@router.get("/users/{user_id}", **PEOPLE, response_model_exclude_none=True)
def user(request: Request, rooms: Rooms, device: Caller, user_id: bodies.UserId) -> replies.UserStatus:
    """Whether a scan for this user can be sent, and if not, who must act."""
    found = rooms.people.status(device, user_id)
    fault = found.fault
    return replies.UserStatus.model_validate(
        {
            "status": found.status,
            "account_hint": found.account_hint,
            **(about(fault, language_of(request, device.locale)) if fault else {}),
        }
    )


@router.post(
    "/sign-ins",
    status_code=201,
    **PEOPLE,
    response_model_exclude_none=True,
    openapi_extra=may(faults.ConsentRequired, faults.ConsentWithdrawn, _SEALED),
)
def start_sign_in(request: Request, rooms: Rooms, device: Caller, wanted: bodies.NewSignIn) -> replies.HandoffStarted:
    """Begin a first login: the person follows the link or types the code, on his own phone.

    Where the organisation allows it, the panel's own browser will do, too: open ``panel_uri`` in a private window.
    """
    rooms.limits.count(Use.SIGN_INS, device, wanted.user.id)
    locale = wanted.locale or device.locale
    started = rooms.first_logins.start(device, wanted.user.id, wanted.user.email, wanted.user.name, locale)
    panel = rooms.panel_browser.address(device.tid, started.link)
    return _started(rooms, request, started, "s", locale, panel)


@router.get("/sign-ins/{id}", **PEOPLE, response_model_exclude_none=True, openapi_extra=may(faults.SlowDown, _SEALED))
def sign_in_state(request: Request, rooms: Rooms, device: Caller, id: ById) -> replies.HandoffState:  # noqa: A002
    """How far the first login has come."""
    return _state(request, device, rooms.handoffs.poll(known_id(id), device.id, SIGN_IN))


@router.post(
    "/sign-ins/{id}/confirm",
    **PEOPLE,
    response_model_exclude_none=True,
    openapi_extra=may(faults.WrongState, faults.WrongAccount, faults.SignInRequired, _SEALED),
)
def confirm_sign_in(request: Request, rooms: Rooms, device: Caller, id: ById) -> replies.HandoffState:  # noqa: A002
    """The person's OK at the panel: from now on one press is enough."""
    return _state(request, device, rooms.first_logins.confirm(device, known_id(id)))


@router.delete("/sign-ins/{id}", status_code=204, **PEOPLE, openapi_extra=may(faults.WrongState))
def cancel_sign_in(rooms: Rooms, device: Caller, id: ById) -> None:  # noqa: A002
    """Cancel at the panel; what the browser brought is forgotten."""
    rooms.handoffs.cancel(known_id(id), device.id, SIGN_IN)


def about(fault: type[Fault], language: str) -> dict[str, Any]:
    """Return what a panel shows of a fault: code, reason, who must act, and a message."""
    said = describe(fault, language)
    return {
        "code": fault.code,
        "reason": fault.reason,
        "who": fault.who,
        "message": f"{said.title}. {said.detail} {said.remedy}",
    }


def qr_of(address: str) -> str:
    """Return an address as a QR code, an SVG to put into a page or to draw."""
    import segno

    return str(
        segno.make(address, error="m", micro=False).svg_inline(border=4, omitsize=True, dark="#000", light="#fff")
    )


def _started(
    rooms: Services, request: Request, started: Started, page_: str, locale: str, panel: str | None = None
) -> replies.HandoffStarted:
    address = f"{rooms.settings.public_url}/s"
    link = f"{rooms.settings.public_url}/{page_}/{started.link}"
    return replies.HandoffStarted(
        id=started.id,
        verification_uri=address,
        verification_uri_complete=link,
        panel_uri=panel,
        user_code=started.user_code,
        qr_svg=qr_of(link),
        expires_in=started.expires_in,
        interval=started.interval,
        message=say(
            "Scan the code with your phone, or open {address} and enter {code}.",
            language_of(request, locale),
            address=address,
            code=started.user_code,
        ),
    )


def _state(request: Request, device: Device, handoff: Handoff) -> replies.HandoffState:
    fault = faults.BY_REASON[handoff.reason] if handoff.reason else None
    return replies.HandoffState.model_validate(
        {
            "id": handoff.id,
            "status": handoff.status,
            "account_hint": handoff.account_hint,
            "interval": handoff.interval,
            **(about(fault, language_of(request, device.locale)) if fault else {}),
        }
    )
