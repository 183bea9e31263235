"""View models of the console: what an organisation has many of, as a list and one by one: printers, people, scans.

They hold no document, title or file name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.faults import Fault
from shared.pages.console_views import Frame, Option
from shared.pages.views import View


@dataclass(frozen=True)
class PrinterRow:
    """A printer in the list; ``last_scan`` is None where it has handed over nothing in thirty days."""

    path: str
    name: str
    model: str
    serial: str
    location: str
    group: str
    pending: bool
    revoked: bool
    suspicious: bool
    last_scan: datetime | None


@dataclass(frozen=True)
class ConsolePrinters(View):
    """``/console/printers``: the list, and the form for a new one (``group``, ``location``, ``count``, ``kind``).

    ``more`` is the address of the next page, or empty; so it is in every list.
    """

    template = "console_printers.html"

    frame: Frame
    action: str
    printers: Sequence[PrinterRow]
    more: str


@dataclass(frozen=True)
class ConsoleTicket(View):
    """A new ticket, shown once. ``typed``: it is a code for the panel, else a text to be pasted."""

    template = "console_ticket.html"

    frame: Frame
    ticket: str
    typed: bool
    count: int
    address: str
    back: str


@dataclass(frozen=True)
class ConsolePrinter(View):
    """One printer: ``words`` are never shown while it waits, or nobody would read them at the panel.

    ``approve``, ``revoke`` and ``rule`` are where the forms post; empty where there is nothing to do.
    """

    template = "console_printer.html"

    frame: Frame
    printer: PrinterRow
    device: str
    enrolled: datetime | None
    former_key_used: datetime | None
    words_differ: bool
    approve: str
    revoke: str
    rule: str
    require_dpop: bool
    jobs: str


@dataclass(frozen=True)
class PersonRow:
    """Somebody who is signed in; ``account`` is masked and may be empty."""

    path: str
    oid: str
    account: str
    signed_in: datetime
    used: datetime
    ends: datetime | None
    ended: bool
    problem: type[Fault] | None


@dataclass(frozen=True)
class ConsolePeople(View):
    """``/console/people``: who is signed in."""

    template = "console_people.html"

    frame: Frame
    people: Sequence[PersonRow]
    more: str


@dataclass(frozen=True)
class ConsolePerson(View):
    """One person. ``end`` is where the form posts that erases him; ``again`` the page to sign in anew before."""

    template = "console_person.html"

    frame: Frame
    person: PersonRow
    groups: Sequence[str]
    jobs: str
    end: str
    again: str
    back: str


@dataclass(frozen=True)
class JobRow:
    """A scan, without what it is called: an administrator needs to know how it went, and not what it is."""

    path: str
    when: datetime
    printer: str
    account: str
    size: int
    state: str
    problem: type[Fault] | None


@dataclass(frozen=True)
class ConsoleJobs(View):
    """``/console/jobs``: scans, with a filter by ``state``, ``code``, ``printer`` (id) and ``person`` (object id)."""

    template = "console_jobs.html"

    frame: Frame
    action: str
    jobs: Sequence[JobRow]
    states: Sequence[Option]
    codes: Sequence[Option]
    printer: str
    person: str
    more: str
    looked_at: int


@dataclass(frozen=True)
class AttemptRow:
    """An attempt to deliver a scan: when it ended, how (a state or ``broken_off``), why, and when the next was due."""

    number: int
    at: datetime
    outcome: str
    problem: type[Fault] | None
    next_attempt: datetime | None


@dataclass(frozen=True)
class ConsoleJob(View):
    """One scan. ``retry``, ``release`` and ``cancel`` are where forms post; empty where there is nothing to do.

    ``past`` are its attempts, the newest first; where it has fewer than ``attempts``, the oldest are forgotten.
    """

    template = "console_job.html"

    frame: Frame
    job: JobRow
    id: str
    updated: datetime
    attempts: int
    past: Sequence[AttemptRow]
    next_attempt: datetime | None
    held_until: datetime | None
    retry: str
    risky: bool
    release: str
    cancel: str
    person: str
    printer: str
