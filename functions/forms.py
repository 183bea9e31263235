"""What browsers and devices post as forms, and where they are."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import Request

from shared import faults


async def form_of(request: Request) -> Mapping[str, str]:
    """Return the fields of a posted form.

    Raises:
        UnsupportedMediaType: it is no form.
        InvalidRequest: a field is there twice (RFC 6749 section 3.2 forbids it, and no form of ours does it).
    """
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        raise faults.UnsupportedMediaType
    form = await request.form(max_fields=50)
    if len(form.multi_items()) != len(form):
        raise faults.InvalidRequest("repeated field")
    return {name: value for name, value in form.items() if isinstance(value, str)}


def address_of(request: Request) -> str:
    """Return where a request comes from: what the platform's front end appended last, else the peer.

    Anybody can send X-Forwarded-For, in one line or in many; the last part of the last line is the front end's own.
    It is handed on as it is written, with port and brackets: ``shared.short_codes`` reads it.
    """
    forwarded = ",".join(request.headers.getlist("x-forwarded-for")).rpartition(",")[2].strip()
    return forwarded or (request.client.host if request.client else "")
