"""View models: what each page shows. A view is made by a door and holds finished values, never rows or services."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
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
    """

    template = "first_login.html"

    action: str
    printer: str
    location: str
    organisation: str
    account: str
    person: str
    minutes_left: int


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
class RangeChoice:
    """One permission range as an administrator sees it. ``range_choice`` makes those of the three ranges.

    Attributes:
        slug: the form's value.
        title: its name, translated where it is shown.
        promise: what it gives, translated where it is shown.
        asks: what it lets the service do, translated where it is shown.
        scopes: the delegated permissions by Microsoft's names.
        largest: bytes of the largest document that can be sent with it, or None to say nothing about it.
    """

    slug: str
    title: str
    promise: str
    asks: str
    scopes: Sequence[str]
    largest: int | None = None


@dataclass(frozen=True)
class ConsentStart(View):
    """``/consent``: what consent means, and the choice of the permission range.

    Attributes:
        action: where the form posts its field ``range`` (a slug).
        ranges: the choices, the smallest first.
        chosen: the slug that is ticked.
        organisation: the organisation's name where a printer began this, else None.
        printer: the printer's name where one began this, else None.
    """

    template = "consent_start.html"

    action: str
    ranges: Sequence[RangeChoice]
    chosen: str
    organisation: str | None = None
    printer: str | None = None


@dataclass(frozen=True)
class ConsentDone(View):
    """The consent was proven.

    Attributes:
        organisation: the organisation's name.
        tenant: its tenant id.
        range: the title of the range, translated where it is shown.
        scopes: the permissions that the proving token held.
        account: the administrator's account.
        confirmed: whether an ordinary person's sign-in has already confirmed it for everyone.
        at_printer: whether a printer waits for OK.
    """

    template = "consent_done.html"

    organisation: str
    tenant: str
    range: str
    scopes: Sequence[str]
    account: str
    confirmed: bool
    at_printer: bool


@dataclass(frozen=True)
class MeStart(View):
    """``/me`` before the sign-in.

    Attributes:
        action: where the form posts (no fields).
        refused: why the last sign-in was not taken, or None the first time.
        too_late: whether somebody pressed a button after the page had forgotten him.
    """

    template = "me_start.html"

    action: str
    refused: Fault | type[Fault] | None = None
    too_late: bool = False


@dataclass(frozen=True)
class MyPrinter:
    """A printer as its user knows it; ``location`` is empty where it is not known."""

    name: str
    location: str


@dataclass(frozen=True)
class MyPlace:
    """A group of printers at which somebody is signed in, with those that he has used."""

    group: str
    printers: Sequence[MyPrinter]


@dataclass(frozen=True)
class MyScan:
    """A scan as its owner sees it.

    Attributes:
        when: when it was handed over.
        printer: the printer's name.
        title: its title or file name; empty where it has none.
        state: as in the device API.
        problem: the fault that it met last, or None.
    """

    when: datetime
    printer: str
    title: str
    state: str
    problem: type[Fault] | None


@dataclass(frozen=True)
class Me(View):
    """``/me``: what is stored about a person.

    Attributes:
        name: his name, by Microsoft's word.
        username: his sign-in name.
        signed_in: since when; None where no sign-in is stored.
        used: when it was used last; None where no sign-in is stored.
        ends: when the organisation's policy ends it, or None.
        ended: whether it has ended already.
        problem: why it has ended, or what stands in its way; None where all is well.
        places: where it is used.
        scans: the latest scans, newest first.
        consented: name of the organisation for which he agreed, or empty.
        end: the page that asks before it ends everything, or empty where there is nothing to end.
        sign_out: where the form posts that leaves this page.
    """

    template = "me.html"

    name: str
    username: str
    signed_in: datetime | None
    used: datetime | None
    ends: datetime | None
    ended: bool
    problem: type[Fault] | None
    places: Sequence[MyPlace]
    scans: Sequence[MyScan]
    consented: str
    end: str
    sign_out: str


@dataclass(frozen=True)
class MeEnd(View):
    """``/me/end``: what ending it means.

    Attributes:
        action: where the form posts (no fields).
        back: the page to go back to.
    """

    template = "me_end.html"

    action: str
    back: str


@dataclass(frozen=True)
class MeEnded(View):
    """It has ended, and everything is deleted.

    Attributes:
        cancelled: how many scans were cancelled.
    """

    template = "me_ended.html"

    cancelled: int


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
