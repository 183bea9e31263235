"""The console's pages of mailboxes and fax accounts with values as they occur; ``local.show_console`` shows them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from shared.faults import (
    DeviceCodeBlocked,
    MailboxNotDelivered,
    MailboxNotSignedIn,
    MailboxSignInExpired,
    MicrosoftUnavailable,
    PersonalAccountNotAllowed,
)
from shared.pages import ConsoleMail, ConsoleMailboxSignIn, ConsolePrinterMail, Frame, MailRow, ServerView, View

SINCE = datetime(2026, 9, 14, 7, 5, tzinfo=UTC)
DEVICE = "7a2f63c0-5a55-4f6a-9a51-3f4f6e0d2b11"
PATH = f"/console/mail/{DEVICE}"


def mailbox_pages(frame: Frame) -> Iterator[tuple[str, View]]:
    """Yield the views in their states; each under a name for its file."""
    good = ServerView(
        fax=False,
        status="signed_in",
        delivered=True,
        service="exchange_online",
        account="p•••@contoso.example",
        last_success=SINCE + timedelta(days=3),
        last_error=SINCE + timedelta(days=2),
        last_fault=MicrosoftUnavailable,
        valid_until=SINCE + timedelta(days=90),
        sign_in=f"{PATH}/email/sign-in",
        test=f"{PATH}/email/test",
        end=f"{PATH}/email/end",
    )
    undelivered = replace(good, delivered=False, shared=True, fault=MailboxNotDelivered, last_fault=None)
    none = ServerView(True, "not_signed_in", False, fault=MailboxNotSignedIn, sign_in=f"{PATH}/fax/sign-in")
    expired = replace(good, fax=True, status="expired", service="outlook_com", fault=MailboxSignInExpired)
    rows = [
        MailRow(PATH, "Office 2F-01", "2nd floor, kitchen", "office", [good, none]),
        MailRow(PATH, "Office 2F-02", "", "office", [undelivered, expired]),
    ]
    mail = ConsoleMail(frame, rows, f"/console/mail?after={DEVICE}", "/console/mail/consent")
    yield "console-mail", mail
    yield "console-mail-none", replace(mail, rows=[], more="", consent="")
    printer = ConsolePrinterMail(
        frame=frame,
        printer="Office 2F-01",
        group="office",
        servers=[good, none],
        fax_set_up=False,
        details=f"/console/printers/{DEVICE}",
    )
    yield "console-printer-mail", printer
    wrong = replace(printer, servers=[undelivered, replace(expired, shared=True)], fax_set_up=True)
    yield "console-printer-mail-wrong", wrong
    waiting = ConsoleMailboxSignIn(
        frame=frame,
        printer="Office 2F-01",
        fax=False,
        service="exchange_online",
        waiting=True,
        blocked=False,
        code="GWZP4JZKC",
        address="https://microsoft.com/devicelogin",
        minutes_left=14,
        fault=None,
        link="",
        offer_link=f"{PATH}/sign-ins/x/link",
        cancel=f"{PATH}/sign-ins/x/cancel",
        still=f"{PATH}/sign-ins/x?still=1",
        reloading=True,
        back=PATH,
    )
    yield "console-mailbox-sign-in", waiting
    blocked = replace(
        waiting, waiting=False, blocked=True, code="", offer_link="", fault=DeviceCodeBlocked, reloading=False
    )
    yield "console-mailbox-blocked", replace(blocked, link="/s/mailbox/x")
    denied = replace(blocked, blocked=False, fault=PersonalAccountNotAllowed, cancel="", still="")
    yield "console-mailbox-denied", denied
