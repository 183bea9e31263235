"""View models of the console: one for each page, as in ``views``. They hold no document, title or file name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from shared.faults import Fault
from shared.pages.views import RangeChoice, View


@dataclass(frozen=True)
class NavLink:
    """A place in the console; ``label`` is translated where it is shown."""

    label: str
    path: str
    current: bool


@dataclass(frozen=True)
class Frame:
    """What every page of the console shows around itself.

    Attributes:
        nav: where one can go.
        organisation: the organisation's name; empty until it has consented.
        username: who is at the console.
        reader: whether he may look only.
        notice: the fault of what was last asked for and not done, or None.
        done: what was just done, translated where it is shown; empty: nothing.
    """

    nav: Sequence[NavLink]
    organisation: str
    username: str
    reader: bool
    notice: Fault | type[Fault] | None = None
    done: str = ""


@dataclass(frozen=True)
class ConsoleStart(View):
    """``/console`` before the sign-in; ``refused`` and ``too_late`` as in ``MeStart``."""

    template = "console_start.html"

    action: str
    refused: Fault | type[Fault] | None = None
    too_late: bool = False


@dataclass(frozen=True)
class ConsoleAgain(View):
    """Sign in once more, before what cannot be undone. The form posts ``back``, the page to return to."""

    template = "console_again.html"

    frame: Frame
    action: str
    back: str


@dataclass(frozen=True)
class Step:
    """A step of the set-up; ``title`` and ``hint`` are translated where they are shown."""

    title: str
    hint: str
    path: str
    done: bool


@dataclass(frozen=True)
class Concern:
    """Something that is wrong: either a fault that scans met, or a text of its own; and where to look."""

    fault: type[Fault] | None
    text: str
    count: int
    path: str


@dataclass(frozen=True)
class Bar:
    """A day of a plot: the scans, those of them that failed, and the median seconds to the mailbox."""

    day: date
    scans: int
    failed: int
    seconds: int | None


@dataclass(frozen=True)
class ConsoleOverview(View):
    """``/console``: set-up, what is wrong, and the last days.

    Attributes:
        frame: see ``Frame``.
        steps: the set-up.
        concerns: what is wrong, the most frequent first.
        bars: the last days, the oldest first.
        counted: scans in these days.
        read: the newest of them, of which failures and times are known.
    """

    template = "console_overview.html"

    frame: Frame
    steps: Sequence[Step]
    concerns: Sequence[Concern]
    bars: Sequence[Bar]
    counted: int
    read: int

    @property
    def set_up(self) -> bool:
        """Whether every step is done."""
        return all(step.done for step in self.steps)

    @property
    def most(self) -> int:
        """The scale of the plot of scans."""
        return max((bar.scans for bar in self.bars), default=0) or 1

    @property
    def slowest(self) -> int:
        """The scale of the plot of times, in seconds."""
        return max((bar.seconds or 0 for bar in self.bars), default=0) or 1


@dataclass(frozen=True)
class ConsoleConsent(View):
    """``/console/consent``: what was agreed to, and how that is changed.

    Attributes:
        frame: see ``Frame``.
        action: where the form posts its field ``range``.
        ranges: the choices.
        chosen: the slug that is ticked.
        consented: whether the consent holds.
        withdrawn: whether it was withdrawn.
        account: whose account proved it; empty where nobody knows.
        confirmed: whether an ordinary person's sign-in has confirmed it for everyone.
        tenant: the tenant id.
    """

    template = "console_consent.html"

    frame: Frame
    action: str
    ranges: Sequence[RangeChoice]
    chosen: str
    consented: bool
    withdrawn: bool
    account: str
    confirmed: bool
    tenant: str


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
class Option:
    """A choice in a list; ``label`` is translated where it is shown."""

    value: str
    label: str
    chosen: bool


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
class ConsoleJob(View):
    """One scan. ``retry``, ``release`` and ``cancel`` are where forms post; empty where there is nothing to do."""

    template = "console_job.html"

    frame: Frame
    job: JobRow
    id: str
    updated: datetime
    attempts: int
    next_attempt: datetime | None
    held_until: datetime | None
    retry: str
    risky: bool
    release: str
    cancel: str
    person: str
    printer: str


@dataclass(frozen=True)
class PolicyField:
    """One field of the policy: a number (``least`` to ``most``), a choice, or a text with or without ``lines``.

    ``label`` and ``meaning`` are translated where they are shown; ``wrong`` is why the value was not taken.
    """

    name: str
    label: str
    meaning: str
    value: str
    least: int = 0
    most: int | None = None
    options: Sequence[Option] = ()
    longest: int = 0
    lines: bool = False
    wrong: bool = False


@dataclass(frozen=True)
class ConsolePolicy(View):
    """``/console/policy``: what the organisation decides. ``action`` is empty for who may only look."""

    template = "console_policy.html"

    frame: Frame
    action: str
    fields: Sequence[PolicyField]


@dataclass(frozen=True)
class AuditRow:
    """An act; ``act`` is translated where it is shown."""

    when: datetime
    account: str
    oid: str
    act: str
    subject: str
    detail: str
    failed: bool


@dataclass(frozen=True)
class ConsoleAudit(View):
    """``/console/audit``: who did what."""

    template = "console_audit.html"

    frame: Frame
    rows: Sequence[AuditRow]
    more: str
    csv: str
    json: str
