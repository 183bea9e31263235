"""Who may be a printer's mailbox: an account of its organisation, or for Outlook.com a personal one, with a mailbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import faults
from shared.mail import TokenRejected
from shared.mail.headers import is_address
from shared.mailboxes.accounts import EXCHANGE_ONLINE, OUTLOOK_COM

if TYPE_CHECKING:
    from shared.identity import Redeemed
    from shared.mail import Graph
    from shared.organisations.ranges import Range


def mailbox_of(redeemed: Redeemed, tid: str, service: str, granted: Range, graph: Graph) -> tuple[str, str]:
    """Return address and id of the account that has signed in, if it may be the mailbox of a printer of this tenant.

    Args:
        redeemed: who it is, proven, and what was granted.
        tid: tenant of the printer.
        service: for which the sign-in was begun.
        granted: what the tokens must cover.
        graph: tells whose mailbox a token is for.

    Raises:
        WorkAccountNotAllowed, PersonalAccountNotAllowed, OtherOrganisation, GuestNotAllowed: the wrong account.
        PermissionMissing, NoMailbox: the right one, that cannot send.
        Fault: what Graph says.
    """
    from shared.identity.id_token import PERSONAL_TENANT

    account = redeemed.account
    personal = account.tid == PERSONAL_TENANT
    if service == OUTLOOK_COM and not personal:
        raise faults.WorkAccountNotAllowed
    if service == EXCHANGE_ONLINE:
        if personal:
            raise faults.PersonalAccountNotAllowed
        if account.tid != tid:
            raise faults.OtherOrganisation("mailbox")
        if account.guest:
            raise faults.GuestNotAllowed
    if not redeemed.covers(granted.scopes):
        raise faults.PermissionMissing
    try:
        mailbox = graph.me(redeemed.access_token)
    except TokenRejected:
        raise faults.MicrosoftUnavailable("a fresh token was rejected", retry_after=30) from None
    # Graph names a personal account by the end of its object id.
    if mailbox.oid not in {account.oid, account.oid.replace("-", "")[-16:] if personal else account.oid}:
        raise faults.ResponseNotExpected("token of another account")
    if mailbox.address is None or not is_address(mailbox.address):
        raise faults.NoMailbox("no mail address")
    return mailbox.address, mailbox.oid
