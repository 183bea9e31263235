"""View models of the console: its frame, and the pages about the organisation itself, as in ``views``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from shared.faults import Fault
from shared.pages.consent_views import RangeChoice
from shared.pages.views import View


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
    """A day of the plots: scans, those that failed, median seconds to the mailbox, and faults by code."""

    day: date
    scans: int
    failed: int
    seconds: int | None
    codes: Sequence[int] = ()


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
        codes: what the faults of each day are counted by; translated where they are shown.
    """

    template = "console_overview.html"

    frame: Frame
    steps: Sequence[Step]
    concerns: Sequence[Concern]
    bars: Sequence[Bar]
    counted: int
    read: int
    codes: Sequence[str] = ()

    @property
    def set_up(self) -> bool:
        """Whether every step is done."""
        return all(step.done for step in self.steps)

    @property
    def most(self) -> int:
        """The scale of the plot of scans."""
        return max((bar.scans for bar in self.bars), default=0) or 1

    @property
    def most_faults(self) -> int:
        """The scale of the plot of faults."""
        return max((sum(bar.codes) for bar in self.bars), default=0) or 1

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
class Option:
    """A choice in a list; ``label`` is translated where it is shown."""

    value: str
    label: str
    chosen: bool


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
