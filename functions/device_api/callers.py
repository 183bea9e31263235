"""Who calls: the device behind a token, and the rooms that serve it."""

from __future__ import annotations

import uuid
from typing import Annotated

from fastapi import Depends, Request

from shared import faults
from shared.devices import Device
from shared.services import Services


def rooms_of(request: Request) -> Services:
    """Return the services; asked for on a request and never before."""
    rooms: Services = request.app.state.services()
    return rooms


def calling_device(request: Request) -> Device:
    """Return the device that calls.

    Raises:
        DeviceTokenInvalid, DeviceTokenExpired, DevicePending: it may not come in.
    """
    return rooms_of(request).tokens.device(request.headers.get("authorization"))


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
