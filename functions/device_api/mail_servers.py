"""The printer's own mailbox, and its fax account: sign in, fetch the settings, acknowledge them. The status sheet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response

from functions.answers import language_of
from functions.device_api import bodies, replies
from functions.device_api.callers import ById, Caller, Rooms, known_id
from functions.device_api.handoffs import about, qr_of
from functions.device_api.refusals import ENTRA_REFUSES, may
from shared import faults, mailboxes
from shared.devices import Device, Use
from shared.mailboxes.recipients import MOST
from shared.services import Services
from shared.texts import say

if TYPE_CHECKING:
    from shared.mailboxes import SignIn, StatusOf

SERVERS = {"email-server": "email", "fax-server": "fax"}
"""Resource -> what the account is used for."""

router = APIRouter()


def _routes(server: str, use: str, tag: str) -> None:
    """Add the routes of one of the two servers, which are alike."""

    @router.get(f"/{server}", tags=[tag], response_model_exclude_none=True, name=f"{use}_server")
    def status(request: Request, rooms: Rooms, device: Caller) -> replies.ServerStatus:
        """The account, whether the device has its settings, what was sent last, and what is wrong."""
        return shown(rooms.mailbox_statuses.of(device, use), language_of(request, device.locale))

    @router.post(
        f"/{server}/sign-ins",
        status_code=201,
        tags=[tag],
        name=f"start_{use}_sign_in",
        openapi_extra=may(*ENTRA_REFUSES, faults.KeyServiceUnavailable),
    )
    def start(
        request: Request, rooms: Rooms, device: Caller, wanted: bodies.NewMailboxSignIn
    ) -> replies.MailboxSignInStarted:
        """Begin a sign-in: whoever administers the mailbox types the code at Microsoft."""
        rooms.limits.count(Use.SIGN_INS, device)
        locale = wanted.locale or device.locale
        owner = mailboxes.Owner(device.tid, device.group, device.id)
        begun = rooms.mailbox_sign_ins.start(owner, use, wanted.service, begun_by=device.id, locale=locale)
        return replies.MailboxSignInStarted(
            id=begun.id,
            user_code=begun.user_code,
            verification_uri=begun.verification_uri,
            qr_svg=qr_of(begun.verification_uri),
            expires_in=begun.expires_in,
            interval=begun.interval,
            message=say(
                "Open {address} and enter {code}.",
                language_of(request, locale),
                address=begun.verification_uri,
                code=begun.user_code,
            ),
        )

    @router.get(
        f"/{server}/sign-ins/{{id}}",
        tags=[tag],
        response_model_exclude_none=True,
        name=f"{use}_sign_in",
        openapi_extra=may(faults.KeyServiceUnavailable),
    )
    def state(request: Request, rooms: Rooms, device: Caller, id: ById) -> replies.MailboxSignInState:  # noqa: A002
        """How far the sign-in has come. Asking faster than ``interval`` tells nothing new."""
        found = _own(rooms, device, use, known_id(id))
        return _state(rooms, found, language_of(request, device.locale))

    @router.delete(f"/{server}/sign-ins/{{id}}", status_code=204, tags=[tag], name=f"cancel_{use}_sign_in")
    def cancel(rooms: Rooms, device: Caller, id: ById) -> None:  # noqa: A002
        """Cancel at the panel; whoever types the code afterwards signs in for nothing."""
        rooms.mailbox_sign_ins.cancel(known_id(id), begun_by=device.id)

    @router.post(
        f"/{server}/acknowledge",
        tags=[tag],
        response_model_exclude_none=True,
        name=f"acknowledge_{use}",
        openapi_extra=may(faults.MailboxNotSignedIn, faults.WrongState),
    )
    def acknowledge(
        request: Request, rooms: Rooms, device: Caller, stored: bodies.SettingsStored
    ) -> replies.ServerStatus:
        """OK at the panel: the device has stored the settings. From now on it sends from this account."""
        rooms.mailbox_accounts.acknowledge(device, use, stored.settings_version)
        return shown(rooms.mailbox_statuses.of(device, use), language_of(request, device.locale))


for _server, _use in SERVERS.items():
    _routes(_server, _use, "Mail server" if _use == "email" else "Fax server")


SHEET: dict[str, Any] = {
    "application/pdf": {"schema": {"type": "string", "format": "binary"}},
    "application/json": {
        "schema": {
            "type": "object",
            "required": ["device", "organisation", "made_at", "email_server", "fax_server"],
            "properties": {
                "device": {"type": "object", "additionalProperties": {"type": "string"}},
                "organisation": {"type": "string"},
                "made_at": {"type": "string", "format": "date-time"},
                "email_server": {"$ref": "#/components/schemas/ServerStatus"},
                "fax_server": {"$ref": "#/components/schemas/ServerStatus"},
            },
        }
    },
}


@router.get(
    "/status-sheet",
    tags=["Mail server"],
    response_class=Response,
    responses={200: {"content": SHEET}},
)
def status_sheet(request: Request, rooms: Rooms, device: Caller) -> Response:
    """The status of both servers as one page to print (PDF), or the same as JSON, as ``Accept`` wishes."""
    from fastapi.responses import JSONResponse

    from functions.device_api.status_sheet import pdf

    language = language_of(request, device.locale)
    servers = {server: rooms.mailbox_statuses.of(device, use) for server, use in SERVERS.items()}
    organisation = rooms.organisations.get(device.tid).name
    headers = {"Content-Language": language, "Cache-Control": "no-store", "Vary": "Accept, Accept-Language"}
    if "application/json" in request.headers.get("accept", ""):
        body: dict[str, Any] = {
            "device": {
                "id": device.id,
                "name": device.name,
                "location": device.location,
                "model": device.model,
                "serial": device.serial,
            },
            "organisation": organisation,
            "made_at": rooms.clock().isoformat(),
        }
        for server, found in servers.items():
            body[server.replace("-", "_")] = shown(found, language).model_dump(mode="json", exclude_none=True)
        return JSONResponse(body, headers=headers)
    made = pdf(device, organisation, servers, language=language, now=rooms.clock())
    return Response(made, 200, headers, "application/pdf")


def shown(found: StatusOf, language: str) -> replies.ServerStatus:
    """Return a status as it goes over the wire."""
    account, activity = found.account, found.activity
    values: dict[str, Any] = {
        "status": found.status,
        "delivered": found.delivered,
        "last_success_at": activity.last_success,
        "last_error_at": activity.last_error,
        "valid_until": found.valid_until,
        **(about(found.fault, language) if found.fault else {}),
    }
    if account:
        values |= {
            "service": account.service,
            "account_hint": account.account_hint,
            "settings_version": account.sign_in,
            "settings": {
                "service": account.service,
                "sender": account.sender,
                "kinds": [found.use],
                "largest_document": found.largest,
                "most_recipients": MOST if found.use == "email" else 1,
            },
        }
    if activity.reason:
        error = faults.BY_REASON[activity.reason]
        said = about(error, language)
        values |= {f"last_error_{name}": said[name] for name in ("reason", "code", "message")}
    return replies.ServerStatus.model_validate(values)


def _own(rooms: Services, device: Device, use: str, sign_in: str) -> SignIn:
    found = rooms.mailbox_sign_ins.look(sign_in, begun_by=device.id)
    if found.use != use:
        raise faults.NotFound("sign-in of the other server")
    return found


def _state(rooms: Services, found: SignIn, language: str) -> replies.MailboxSignInState:
    fault = faults.BY_REASON[found.reason] if found.reason else None
    values = about(fault, language) if fault else {}
    if found.status == "blocked":
        values["link"] = f"{rooms.settings.public_url}/s/mailbox/{found.id}"
        values["qr_svg"] = qr_of(values["link"])
        values["message"] += " " + say("The link: {address}", language, address=values["link"])
    return replies.MailboxSignInState.model_validate(
        {"id": found.id, "status": found.status, "account_hint": found.account_hint, "interval": found.interval}
        | values
    )
