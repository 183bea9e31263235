"""View models of ``/consent``; the console shows the same choices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.pages.views import View


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
