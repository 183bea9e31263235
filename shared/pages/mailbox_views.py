"""View models of the console's pages for printers' mailboxes and fax accounts. They hold no address but a hint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.faults import Fault
from shared.pages.console_views import Frame
from shared.pages.views import View


@dataclass(frozen=True)
class ServerView:
    """A printer's mail server or fax server as it stands.

    Attributes:
        fax: whether it is the fax server.
        status: signed_in, not_signed_in, expired or blocked.
        delivered: whether the printer has the settings.
        service: slug of the service; empty without an account.
        account: a hint of its address.
        shared: whether the account is the group's.
        fault: what keeps it from sending.
        last_success: when something was sent last.
        last_error: when something went wrong last.
        last_fault: what that was.
        valid_until: when the sign-in ends if nothing uses it.
        sign_in: where the form for a sign-in posts; empty for who may only look, as the next two.
        test: where the form for a test posts.
        end: where the form posts that signs the account out.
    """

    fax: bool
    status: str
    delivered: bool
    service: str = ""
    account: str = ""
    shared: bool = False
    fault: type[Fault] | None = None
    last_success: datetime | None = None
    last_error: datetime | None = None
    last_fault: type[Fault] | None = None
    valid_until: datetime | None = None
    sign_in: str = ""
    test: str = ""
    end: str = ""


@dataclass(frozen=True)
class MailRow:
    """A printer and its two servers, in the list."""

    path: str
    printer: str
    location: str
    group: str
    servers: Sequence[ServerView]


@dataclass(frozen=True)
class ConsoleMail(View):
    """``/console/mail``: every printer's accounts. ``consent`` posts to Microsoft's consent page of their app."""

    template = "console_mail.html"

    frame: Frame
    rows: Sequence[MailRow]
    more: str
    consent: str


@dataclass(frozen=True)
class ConsolePrinterMail(View):
    """``/console/mail/{printer}``: the accounts of one printer, and what can be done with them."""

    template = "console_printer_mail.html"

    frame: Frame
    printer: str
    group: str
    servers: Sequence[ServerView]
    fax_set_up: bool
    details: str


@dataclass(frozen=True)
class ConsoleMailboxSignIn(View):
    """A sign-in under way: the code while it is waited for, the link where codes are blocked, or how it ended.

    Attributes:
        frame: see ``Frame``.
        printer: name of the printer.
        fax: whether it is for the fax server.
        service: slug of the service.
        waiting: somebody is to type the code.
        blocked: codes are blocked; neither this nor waiting: it is over. One that is active is on the printer's page.
        code: what is to be typed at Microsoft; empty for who may only look.
        address: Microsoft's page for it.
        minutes_left: until it is over.
        fault: what stands in its way, or ended it.
        link: the way by a link; empty where it is not open, or for who may only look.
        offer_link: where a form posts that opens that way, for who saw Microsoft refuse the code.
        cancel: where a form posts that ends it.
        still: address of this page without reloading by itself, or, there, with it.
        reloading: whether it reloads by itself.
        back: the printer's page.
    """

    template = "console_mailbox_sign_in.html"

    frame: Frame
    printer: str
    fax: bool
    service: str
    waiting: bool
    blocked: bool
    code: str
    address: str
    minutes_left: int
    fault: type[Fault] | None
    link: str
    offer_link: str
    cancel: str
    still: str
    reloading: bool
    back: str
