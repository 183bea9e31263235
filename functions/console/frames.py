"""What stands around every page of the console."""

from __future__ import annotations

from fastapi import Request

from shared.administrators import Administrator, Role
from shared.faults import BY_REASON, N_
from shared.pages import PLACES, Frame, NavLink
from shared.services import Services

_DONE = {
    "approved": N_("The printer is in."),
    "revoked": N_("The printer is shut out."),
    "ruled": N_("The rule is set."),
    "erased": N_("The sign-in has ended and the data are deleted."),
    "retried": N_("The scan is on its way."),
    "released": N_("The scan is on its way."),
    "cancelled": N_("The scan is cancelled."),
    "mailbox_signed_in": N_("The mailbox is signed in. Now press OK at the printer's mail server settings."),
    "mailbox_signed_out": N_("The account is signed out. Its tokens are deleted."),
    "mailbox_cancelled": N_("The sign-in is cancelled."),
    "mailbox_consented": N_("Microsoft says that it is agreed. The next sign-in shows whether it holds."),
    "mail_tested": N_("The test mail is sent. Look into the mailbox."),
    "fax_tested": N_("The test is on its way to the fax provider."),
    "saved": N_("The policy is saved. It counts within seconds."),
}


def frame(rooms: Services, administrator: Administrator, current: str, *, request: Request | None = None) -> Frame:
    """Return the frame of a page.

    Args:
        rooms: the services.
        administrator: who is at the console.
        current: path of the place that the page belongs to.
        request: its query says what was done just now (``done``) or not done (``not``), by a slug of ours.
    """
    said = request.query_params if request else {}
    return Frame(
        nav=[NavLink(label, path, path == current) for label, path in PLACES],
        organisation=rooms.organisations.recent(administrator.tid).name,
        username=administrator.username,
        reader=administrator.role is not Role.ADMIN,
        notice=BY_REASON.get(said.get("not", "")),
        done=_DONE.get(said.get("done", ""), ""),
    )
