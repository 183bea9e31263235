"""View models of the doctor's page in the console, as in ``views``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from shared.faults import N_, Fault
from shared.pages.console_views import Frame
from shared.pages.views import View


class Outcome(Enum):
    """How a check ended; the values are those of the doctor's report."""

    OK = "ok"
    FAILS = "fails"
    NOT_ASKED = "not_asked"
    UNKNOWN = "unknown"


_SHOWN = {
    Outcome.OK: (N_("In order"), "✓"),
    Outcome.FAILS: (N_("Fails"), "!"),
    Outcome.NOT_ASKED: (N_("Not asked"), "-"),
    Outcome.UNKNOWN: (N_("Cannot be known"), "?"),
}
"""What each is called (message id), and its mark."""


@dataclass(frozen=True)
class SubjectChoice:
    """Whom the doctor can ask with. ``label`` is a name or a masked account, and is shown as it is."""

    value: str
    label: str
    chosen: bool


@dataclass(frozen=True)
class SubjectGroup:
    """Choices of one kind; ``title`` is translated where it is shown."""

    title: str
    choices: Sequence[SubjectChoice]


@dataclass(frozen=True)
class CheckRow:
    """One check. Its texts are message ids; ``answer``, ``lines`` and ``role`` are shown as they are."""

    name: str
    title: str
    result: Outcome
    asked: str = ""
    answer: str = ""
    said: str = ""
    fault: type[Fault] | None = None
    remedy: str = ""
    lines: Sequence[str] = ()
    role: str = ""

    @property
    def words(self) -> str:
        """What the result is called (message id)."""
        return _SHOWN[self.result][0]

    @property
    def mark(self) -> str:
        """A sign for it, for whoever sees."""
        return _SHOWN[self.result][1]

    @property
    def fails(self) -> bool:
        """Whether it must be made right."""
        return self.result is Outcome.FAILS


@dataclass(frozen=True)
class CheckArea:
    """Checks that belong together."""

    title: str
    checks: Sequence[CheckRow]


@dataclass(frozen=True)
class ConsoleDoctor(View):
    """``/console/doctor``: whom to ask with, and what was answered.

    Attributes:
        frame: see ``Frame``.
        action: where the form posts its field ``subject``.
        groups: the choices.
        hint: whose account was asked with, masked; or empty.
        at: when; None: nobody has asked yet.
        areas: every check.
    """

    template = "console_doctor.html"

    frame: Frame
    action: str
    groups: Sequence[SubjectGroup]
    hint: str = ""
    at: datetime | None = None
    areas: Sequence[CheckArea] = ()

    @property
    def failing(self) -> list[CheckRow]:
        """What must be made right."""
        return [check for area in self.areas for check in area.checks if check.fails]

    @property
    def open(self) -> int:
        """How many checks say nothing."""
        return sum(check.result in {Outcome.UNKNOWN, Outcome.NOT_ASKED} for area in self.areas for check in area.checks)
