"""``/console/mail``: the mailboxes and fax accounts of printers: how they stand, sign in, test, sign out."""

from __future__ import annotations

from math import ceil
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response

from functions.answers import language_of, page, see_other
from functions.console.callers import Acting, Form, Looking, Rooms, audited, known_id, own_device
from functions.console.frames import frame
from shared import faults
from shared.administrators import Administrator, Role
from shared.devices import Device
from shared.faults import BY_REASON
from shared.mailboxes import Owner, SignIn, StatusOf
from shared.mailboxes.accounts import FAX
from shared.mailboxes.outgoing import KINDS
from shared.mailboxes.sign_in import SERVICES
from shared.pages import ConsoleMail, ConsoleMailboxSignIn, ConsolePrinterMail, MailRow, ServerView
from shared.services import Services

PATH = "/console/mail"
COUNT = 10
"""Printers on a page: each costs about ten requests to storage."""
LEAST_RELOAD = 5
"""Seconds between two loads of a page that shows a sign-in under way."""
_LONGEST = 320
router = APIRouter()


@router.get("/mail")
def show(
    request: Request, rooms: Rooms, administrator: Looking, after: Annotated[str, Query(max_length=36)] = ""
) -> Response:
    """List the printers with how their accounts stand."""
    devices = list(rooms.devices.of(administrator.tid, after=known_id(after) if after else "", limit=COUNT + 1))
    view = ConsoleMail(
        frame=frame(rooms, administrator, PATH, request=request),
        rows=[
            MailRow(
                path=f"{PATH}/{device.id}",
                printer=device.name,
                location=device.location,
                group=device.group,
                servers=[_server(rooms.mailbox_statuses.of(device, use)) for use in KINDS],
            )
            for device in devices[:COUNT]
        ],
        more=f"{PATH}?{urlencode({'after': devices[COUNT - 1].id})}" if len(devices) > COUNT else "",
        consent=f"{PATH}/consent" if administrator.role is Role.ADMIN and rooms.mailbox_entra else "",
    )
    return page(rooms.pages, request, view)


@router.post("/mail/consent")
def consent(rooms: Rooms, administrator: Acting) -> Response:
    """Go to Microsoft's consent page of the mailbox's app registration."""
    return see_other(
        audited(rooms, administrator, "mailbox_consent_begun", lambda: rooms.mailbox_consent.link(administrator.tid))
    )


@router.get("/mail/{device_id}")
def look(request: Request, rooms: Rooms, administrator: Looking, device_id: str) -> Response:
    """Show the accounts of one printer."""
    device = own_device(rooms, administrator, device_id)
    here, may = f"{PATH}/{device.id}", administrator.role is Role.ADMIN
    found = [rooms.mailbox_statuses.of(device, use) for use in KINDS]
    view = ConsolePrinterMail(
        frame=frame(rooms, administrator, PATH, request=request),
        printer=device.name,
        group=device.group,
        servers=[_server(status, f"{here}/{status.use}" if may else "") for status in found],
        fax_set_up=bool(rooms.organisations.get(administrator.tid).policy.fax_address),
        details=f"/console/printers/{device.id}",
    )
    return page(rooms.pages, request, view)


@router.post("/mail/{device_id}/{use}/sign-in")
def sign_in(request: Request, rooms: Rooms, administrator: Acting, form: Form, device_id: str, use: str) -> Response:
    """Begin a sign-in, for this printer or for its whole group."""
    device = _served(rooms, administrator, device_id, use)
    service, whose = form.get("service", ""), form.get("whose", "printer")
    if service not in SERVICES or whose not in {"printer", "group"}:
        raise faults.InvalidRequest("service or whose")
    owner = Owner(device.tid, device.group, device.id if whose == "printer" else "")
    begun = audited(
        rooms,
        administrator,
        "mailbox_sign_in_begun",
        lambda: rooms.mailbox_sign_ins.start(owner, use, service, locale=language_of(request)),
        subject=device.id,
        detail=f"{use}, {service}, {whose}",
    )
    return see_other(f"{PATH}/{device.id}/sign-ins/{begun.id}")


@router.get("/mail/{device_id}/sign-ins/{sign_in}")
def progress(
    request: Request, rooms: Rooms, administrator: Looking, device_id: str, sign_in: str, still: str = ""
) -> Response:
    """Show how far a sign-in has come. It asks Entra at most once, and loads itself again while it is under way."""
    device = own_device(rooms, administrator, device_id)
    found = _own_sign_in(rooms, device, sign_in)
    home = f"{PATH}/{device.id}"
    if found.status == "active":
        return see_other(f"{home}?done=mailbox_signed_in")
    here, may = f"{home}/sign-ins/{found.id}", administrator.role is Role.ADMIN
    invitation = rooms.mailbox_sign_ins.invitation(found.id, tid=device.tid) if may else None
    open_ = found.status in {"pending", "blocked"}
    view = ConsoleMailboxSignIn(
        frame=frame(rooms, administrator, PATH, request=request),
        printer=device.name,
        fax=found.use == FAX,
        service=found.service,
        waiting=found.status == "pending",
        blocked=found.status == "blocked",
        code=invitation.user_code if invitation else "",
        address=invitation.verification_uri if invitation else "",
        minutes_left=max(1, ceil((found.ends - rooms.clock()).total_seconds() / 60)),
        fault=BY_REASON[found.reason] if found.reason else None,
        link=f"/s/mailbox/{found.id}" if may and found.status == "blocked" else "",
        offer_link=f"{here}/link" if invitation else "",
        cancel=f"{here}/cancel" if may and open_ else "",
        still=(here if still else f"{here}?still=1") if open_ else "",
        reloading=open_ and not still,
        back=home,
    )
    answer = page(rooms.pages, request, view)
    if view.reloading:
        # No script may run here. Whoever does not want it stops it by the link on the page (WCAG 2.2.2).
        answer.headers["Refresh"] = str(max(found.interval, LEAST_RELOAD))
    return answer


@router.post("/mail/{device_id}/sign-ins/{sign_in}/link")
def by_link(rooms: Rooms, administrator: Acting, device_id: str, sign_in: str) -> Response:
    """Microsoft refused the code: go on by a link."""
    device = own_device(rooms, administrator, device_id)
    found = _own_sign_in(rooms, device, sign_in)
    audited(
        rooms,
        administrator,
        "mailbox_link_offered",
        lambda: rooms.mailbox_sign_ins.offer_link(found.id, tid=device.tid),
        subject=device.id,
        detail=found.use,
    )
    return see_other(f"{PATH}/{device.id}/sign-ins/{found.id}")


@router.post("/mail/{device_id}/sign-ins/{sign_in}/cancel")
def cancel(rooms: Rooms, administrator: Acting, device_id: str, sign_in: str) -> Response:
    """Cancel a sign-in; whoever types the code afterwards signs in for nothing."""
    device = own_device(rooms, administrator, device_id)
    found = _own_sign_in(rooms, device, sign_in)
    audited(
        rooms,
        administrator,
        "mailbox_sign_in_cancelled",
        lambda: rooms.mailbox_sign_ins.cancel(found.id, tid=device.tid),
        subject=device.id,
        detail=found.use,
    )
    return see_other(f"{PATH}/{device.id}?done=mailbox_cancelled")


@router.post("/mail/{device_id}/{use}/test")
def test(request: Request, rooms: Rooms, administrator: Acting, form: Form, device_id: str, use: str) -> Response:
    """Send a test: a mail, or a fax, which costs money and must be confirmed."""
    device = _served(rooms, administrator, device_id, use)
    to, number = form.get("to", "").strip(), form.get("number", "").strip() if use == FAX else ""
    if len(to) > _LONGEST or len(number) > _LONGEST:
        raise faults.InvalidRequest("recipient")
    if use == FAX and (not number or form.get("sure") != "yes"):
        raise faults.InvalidRequest("a fax is not sent without a number and a confirmation")
    owner = _owner(rooms, device, use)
    act = "fax_tested" if use == FAX else "mail_tested"
    try:
        audited(
            rooms,
            administrator,
            act,
            lambda: rooms.outgoings.test(owner, use, to, fax_number=number, language=language_of(request)),
            subject=device.id,
        )
    except faults.Fault as fault:
        return see_other(f"{PATH}/{device.id}?not={fault.reason}")
    return see_other(f"{PATH}/{device.id}?done={act}")


@router.post("/mail/{device_id}/{use}/end")
def end(rooms: Rooms, administrator: Acting, device_id: str, use: str) -> Response:
    """Sign the account out that the printer sends from; its tokens go."""
    device = _served(rooms, administrator, device_id, use)
    owner = _owner(rooms, device, use)
    audited(
        rooms,
        administrator,
        "mailbox_signed_out",
        lambda: rooms.mailbox_accounts.remove(owner, use),
        subject=device.id,
        detail=f"{use}, {'printer' if owner.device else 'group'}",
    )
    return see_other(f"{PATH}/{device.id}?done=mailbox_signed_out")


def _served(rooms: Services, administrator: Administrator, device_id: str, use: str) -> Device:
    if use not in KINDS:
        raise faults.NotFound("use")
    return own_device(rooms, administrator, device_id)


def _owner(rooms: Services, device: Device, use: str) -> Owner:
    """Return whose account a printer sends from: its own, or its group's."""
    account = rooms.mailbox_accounts.of(device, use)
    return account.owner if account else Owner(device.tid, device.group, device.id)


def _own_sign_in(rooms: Services, device: Device, sign_in: str) -> SignIn:
    """Return a sign-in for this printer or its group.

    Raises:
        NotFound: unknown, or another's.
    """
    found = rooms.mailbox_sign_ins.look(known_id(sign_in), tid=device.tid)
    if found.owner not in (Owner(device.tid, device.group, device.id), Owner(device.tid, device.group)):
        raise faults.NotFound("sign-in")
    return found


def _server(found: StatusOf, forms: str = "") -> ServerView:
    account, activity = found.account, found.activity
    return ServerView(
        fax=found.use == FAX,
        status=found.status,
        delivered=found.delivered,
        service=account.service if account else "",
        account=account.account_hint if account else "",
        shared=bool(account and not account.owner.device),
        fault=found.fault,
        last_success=activity.last_success,
        last_error=activity.last_error,
        last_fault=BY_REASON[activity.reason] if activity.reason else None,
        valid_until=found.valid_until,
        sign_in=f"{forms}/sign-in" if forms else "",
        test=f"{forms}/test" if forms and account else "",
        end=f"{forms}/end" if forms and account else "",
    )
