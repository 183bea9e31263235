"""View models of ``/me``: what somebody sees of himself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.faults import Fault
from shared.pages.views import View


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
