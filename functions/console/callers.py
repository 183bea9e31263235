"""Who is at the console, and what he may: the one place where a route asks."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Annotated, TypeVar

from fastapi import Depends, Request

from functions.answers import require_same_site
from functions.console_session import cookie_of
from functions.forms import form_of
from shared import faults
from shared.administrators import Administrator, Role
from shared.audit import Entry
from shared.devices import Device
from shared.services import Services
from shared.texts import masked

Result = TypeVar("Result")


class SignInNeeded(Exception):
    """Nobody is signed in (any more). ``acting``: something was to be done."""

    def __init__(self, *, acting: bool) -> None:
        super().__init__()
        self.acting = acting


class CheckNeeded(Exception):
    """Entra must be asked for the roles again before a page is shown."""

    def __init__(self, administrator: Administrator) -> None:
        super().__init__()
        self.administrator = administrator


class FreshNeeded(Exception):
    """What is asked for cannot be undone, and the sign-in is not of this moment; ``back`` is where to ask again."""

    def __init__(self, administrator: Administrator, back: str) -> None:
        super().__init__()
        self.administrator = administrator
        self.back = back


def rooms_of(request: Request) -> Services:
    """Return the services; asked for on a request and never before."""
    rooms: Services = request.app.state.services()
    return rooms


def looking(request: Request) -> Administrator:
    """Return who looks at a page.

    Raises:
        SignInNeeded, CheckNeeded: and what the door answers to it.
    """
    sessions = rooms_of(request).console_sessions
    administrator = sessions.read(cookie_of(request))
    if administrator is None:
        raise SignInNeeded(acting=False)
    if sessions.must_be_checked(administrator, acting=False):
        raise CheckNeeded(administrator)
    return administrator


def exporting(request: Request) -> Administrator:
    """Return who posts a form that changes nothing but the audit: a reader may.

    Raises:
        CrossSiteRequest: the form is not ours.
        SignInNeeded: nobody is signed in, or his role was not looked at for an hour.
    """
    rooms = rooms_of(request)
    require_same_site(rooms, request)
    administrator = rooms.console_sessions.read(cookie_of(request))
    if administrator is None or rooms.console_sessions.must_be_checked(administrator, acting=True):
        raise SignInNeeded(acting=True)
    return administrator


def acting(administrator: Annotated[Administrator, Depends(exporting)]) -> Administrator:
    """Return who does something.

    Raises:
        ConsoleRoleMissing: he may look only.
    """
    if administrator.role is not Role.ADMIN:
        raise faults.ConsoleRoleMissing("reader")
    return administrator


def require_fresh(rooms: Services, administrator: Administrator, back: str) -> None:
    """Let pass what cannot be undone.

    Raises:
        FreshNeeded: he must sign in once more.
    """
    if not rooms.console_sessions.is_fresh(administrator):
        raise FreshNeeded(administrator, back)


Rooms = Annotated[Services, Depends(rooms_of)]
Looking = Annotated[Administrator, Depends(looking)]
Exporting = Annotated[Administrator, Depends(exporting)]
Acting = Annotated[Administrator, Depends(acting)]
Form = Annotated[Mapping[str, str], Depends(form_of)]
"""Comes after Acting in a route: a form is not read before it is known to be ours."""


def audited(
    rooms: Services,
    administrator: Administrator,
    act: str,
    do: Callable[[], Result],
    *,
    subject: str = "",
    detail: str = "",
) -> Result:
    """Write down that something is about to be done, and do it; where it fails, write that down, too.

    Raises:
        Fault: what ``do`` raises.
    """

    def note(outcome: str) -> None:
        entry = Entry(rooms.clock(), administrator.oid, masked(administrator.username), act, subject, detail, outcome)
        rooms.audit.note(administrator.tid, entry)

    note("begun")
    try:
        return do()
    except faults.Fault as fault:
        note(fault.reason)
        raise


def own_device(rooms: Services, administrator: Administrator, given: str) -> Device:
    """Return a printer of the administrator's own organisation.

    Raises:
        NotFound: unknown, another organisation's, or no id at all: the same for all three.
    """
    return rooms.devices.owned(administrator.tid, known_id(given))


def known_id(given: str) -> str:
    """Return an id in its one form.

    Raises:
        NotFound: it is no UUID, and cannot be known.
    """
    try:
        return str(uuid.UUID(given))
    except ValueError:
        raise faults.NotFound("no UUID") from None
