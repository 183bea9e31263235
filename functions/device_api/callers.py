"""Who calls: the device behind a token, and the rooms that serve it."""

from __future__ import annotations

import uuid
from typing import Annotated

from fastapi import Depends, Request, Response

from shared import faults
from shared.devices import Device, Sent
from shared.services import Services


def rooms_of(request: Request) -> Services:
    """Return the services; asked for on a request and never before."""
    rooms: Services = request.app.state.services()
    return rooms


def sent_by(request: Request) -> Sent:
    """Return the part of a request that a DPoP proof is about."""
    return Sent(request.headers.getlist("dpop"), request.method, request.scope["path"])


def calling_device(request: Request, response: Response) -> Device:
    """Return the device that calls. Who sends a proof gets the nonce for the next one (RFC 9449 section 8.2).

    Raises:
        DeviceTokenInvalid, DeviceTokenExpired, DevicePending: it may not come in.
        InvalidDpopProof, UseDpopNonce: its token is bound, and this request is not proven.
        TooManyRequests: it had all the requests of its window.
    """
    rooms, sent = rooms_of(request), sent_by(request)
    if sent.proofs:
        request.state.dpop_nonce = response.headers["DPoP-Nonce"] = rooms.nonces.make()
    return rooms.tokens.device(request.headers.get("authorization"), sent)


Rooms = Annotated[Services, Depends(rooms_of)]
Caller = Annotated[Device, Depends(calling_device)]
ById = Annotated[str, "UUID"]


def known_id(given: str) -> str:
    """Return an id in its one form. What is none cannot exist: the same 404 as any unknown one.

    Raises:
        NotFound: it is no UUID.
    """
    try:
        return str(uuid.UUID(given))
    except ValueError:
        raise faults.NotFound("no UUID") from None
