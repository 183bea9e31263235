"""View models: what each page shows. A view is made by a door and holds finished values, never rows or services.

Here are the root of all, the front page, the first login and what any door may show; ``consent_views``, ``me_views``,
``console_views`` and ``console_lists`` have the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from shared.faults import Fault


@dataclass(frozen=True)
class View:
    """The root of the views: a page knows its template."""

    template: ClassVar[str]


@dataclass(frozen=True)
class Front(View):
    """``/``: what this is, for a person who typed the address."""

    template = "front.html"


@dataclass(frozen=True)
class EnterCode(View):
    """``/s``: the field for the code that the printer shows.

    Attributes:
        action: where the form posts its field ``code`` (any case, with spaces and dashes as they were typed).
        refused: why the last code was not taken, or None the first time.
    """

    template = "enter_code.html"

    action: str
    refused: type[Fault] | None = None


@dataclass(frozen=True)
class FirstLogin(View):
    """``/s/{link}``: what a person is about to agree to. Opening it changes nothing; its form does (no fields).

    Attributes:
        action: where the form posts.
        printer: the printer's name.
        location: where it stands; empty where that is not known.
        organisation: the name of the organisation that owns the printer.
        account: the account's address, masked (``a•••@contoso.example``).
        person: the person's name as the printer knows it; empty where it knows none.
        minutes_left: how long the link still holds, in whole minutes.
        at_panel: whether this is the panel's own browser, which the next person uses, too.
    """

    template = "first_login.html"

    action: str
    printer: str
    location: str
    organisation: str
    account: str
    person: str
    minutes_left: int
    at_panel: bool = False


@dataclass(frozen=True)
class SignedOut(View):
    """``/auth/signed-out``: a panel's browser has forgotten its person.

    Attributes:
        waits: whether the printer now asks for OK.
    """

    template = "signed_out.html"

    waits: bool


@dataclass(frozen=True)
class FirstLoginDone(View):
    """The sign-in succeeded; the printer now asks for OK.

    Attributes:
        account: the account that signed in, masked.
        printer: the printer's name.
        confirmed: whether OK has been pressed.
    """

    template = "first_login_done.html"

    account: str
    printer: str
    confirmed: bool = False


@dataclass(frozen=True)
class MailboxSignIn(View):
    """``/s/mailbox/{id}``: signing a printer's own mailbox in. Opening it changes nothing; its form does (no fields).

    Attributes:
        action: where the form posts.
        printer: the printer's name, or that of a group of printers.
        organisation: the name of the organisation that owns it; empty where that is not known.
        use: email or fax.
        service: exchange_online or outlook_com.
        minutes_left: how long the link still holds, in whole minutes.
    """

    template = "mailbox_sign_in.html"

    action: str
    printer: str
    organisation: str
    use: str
    service: str
    minutes_left: int


@dataclass(frozen=True)
class MailboxSignedIn(View):
    """A printer's own mailbox is signed in; OK at the printer is left.

    Attributes:
        printer: the printer's name, or that of a group of printers.
        account: the account, masked.
    """

    template = "mailbox_signed_in.html"

    printer: str
    account: str


@dataclass(frozen=True)
class Trouble(View):
    """Any fault as a page: what happened, who must act, what to do next.

    Attributes:
        fault: the fault, or its leaf where only the reason was stored.
    """

    template = "trouble.html"

    fault: Fault | type[Fault]


@dataclass(frozen=True)
class ApiDocs(View):
    """``/api/docs``: the OpenAPI 3.1 document, readable.

    Attributes:
        document: the document as FastAPI publishes it.
    """

    template = "api_docs.html"

    document: Mapping[str, Any]
