"""Where a person goes after a fault, and who must act, in words."""

from __future__ import annotations

from dataclasses import dataclass

from shared.faults import (
    N_,
    AdministratorMust,
    ConsentDeclined,
    ConsentNotForOrganisation,
    ConsentNotProven,
    ConsentRequired,
    ConsentRoleMissing,
    ConsentWithdrawn,
    ConsoleRoleMissing,
    Fault,
    LinkUnknown,
    MethodNotAllowed,
    PersonMust,
    SignInNotFresh,
    UnsupportedMediaType,
    Who,
)

_WHO = {
    Who.USER: N_("You yourself"),
    Who.ADMIN: N_("Your organisation's administrator"),
    Who.OPERATOR: N_("The people who run this service"),
    Who.NETWORK: N_("Nobody at first. If it lasts: whoever looks after the network"),
    Who.NONE: N_("Nobody else"),
}

_WHO_FOR_ADMINISTRATORS = _WHO | {Who.USER: N_("The person"), Who.ADMIN: N_("You, as an administrator")}


@dataclass(frozen=True)
class NextStep:
    """A link under a fault: its text (a message id) and its path."""

    label: str
    path: str


_CONSENT = NextStep(N_("Connect the organisation"), "/consent")
_CODE = NextStep(N_("Enter a code from the printer"), "/s")
_CONSOLE = NextStep(N_("To the console"), "/console")
_DOCS = NextStep(N_("Read the API description"), "/api/docs")
_FRONT = NextStep(N_("To the front page"), "/")

# The first class that fits decides.
_STEPS: tuple[tuple[tuple[type[Fault], ...], NextStep], ...] = (
    (
        (
            ConsentRequired,
            ConsentWithdrawn,
            ConsentDeclined,
            ConsentRoleMissing,
            ConsentNotForOrganisation,
            ConsentNotProven,
        ),
        _CONSENT,
    ),
    ((ConsoleRoleMissing, SignInNotFresh), _CONSOLE),
    ((MethodNotAllowed, UnsupportedMediaType), _DOCS),
    ((AdministratorMust,), _FRONT),
    ((PersonMust, LinkUnknown), _CODE),
)


def who_acts(who: Who) -> str:
    """Return the message id that says who must act, to a person."""
    return _WHO[who]


def who_acts_here(who: Who) -> str:
    """Return the message id that says who must act, to an administrator."""
    return _WHO_FOR_ADMINISTRATORS[who]


def next_step(fault: Fault | type[Fault]) -> NextStep:
    """Return the link that helps after this fault; the front page where nothing nearer does."""
    leaf = fault if isinstance(fault, type) else type(fault)
    return next((step for classes, step in _STEPS if issubclass(leaf, classes)), _FRONT)
