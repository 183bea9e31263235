"""What the doctor says: checks, each with its result, its evidence and its remedy; and the whole of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from shared.doctor.remedies import Remedy, remedy_for
from shared.faults import N_, Fault
from shared.texts import say


class Result(StrEnum):
    """How a check ended. The values are part of the JSON."""

    OK = "ok"
    FAILS = "fails"
    NOT_ASKED = "not_asked"
    UNKNOWN = "unknown"
    """It was asked, and the answer does not say."""


AREAS: Mapping[str, Mapping[str, str]] = {
    N_("What is reached"): {
        "reach_storage": N_("The service's storage"),
        "reach_keys": N_("The keys that seal the sign-ins"),
        "reach_entra": N_("Microsoft Entra ID"),
        "reach_graph": N_("Microsoft Graph"),
        "reach_smtp": N_("Exchange's mail server (SMTP)"),
        "clock": N_("The clock"),
    },
    N_("The app's own proof"): {
        "app_credential": N_("Microsoft takes the app's credential"),
        "app_credential_ends": N_("The credential lasts"),
    },
    N_("Consent"): {
        "consent": N_("The organisation's consent holds"),
        "range": N_("The token has every permission of the range"),
        "consent_for_all": N_("The consent reaches other people, too"),
    },
    N_("Signing in"): {
        "account": N_("The account may use the app"),
        "sign_in": N_("The stored sign-in is accepted"),
        "conditional_access": N_("Conditional Access lets the service in"),
        "security_defaults": N_("Security defaults let the service in"),
    },
    N_("Mail"): {
        "mailbox": N_("There is a mailbox"),
        "smtp_auth_organisation": N_("The organisation allows SMTP AUTH for this mailbox"),
        "smtp_auth_mailbox": N_("The mailbox allows SMTP AUTH"),
        "smtp_rules": N_("No rule for signing in stops SMTP"),
        "size_limits": N_("Size of the largest scan"),
        "delivered": N_("The printer has the settings of its mailbox"),
        "fax": N_("The fax provider is set up"),
    },
}
"""Every check by its name, with its title, in the order in which they are shown."""
TITLES: Mapping[str, str] = {name: title for area in AREAS.values() for name, title in area.items()}


@dataclass(frozen=True)
class Check:
    """One precondition.

    Attributes:
        name: stable slug, a key of :data:`TITLES`.
        result: how it ended.
        asked: what was asked (message id); empty where nothing was.
        answer: what was answered, in technical words that are nobody's: statuses, codes, numbers, dates, scopes.
        said: what that means, or why it was not asked or cannot be known (message id).
        fault: what a scan would meet; it brings the panel's code and who must act.
        oid: object id of the account, for the lines of the remedy.
    """

    name: str
    result: Result
    asked: str = ""
    answer: str = ""
    said: str = ""
    fault: type[Fault] | None = None
    oid: str = ""

    @property
    def remedy(self) -> Remedy | None:
        """What makes it right; None where nothing is wrong."""
        return remedy_for(self.name, self.fault, self.oid) if self.result is Result.FAILS else None


@dataclass(frozen=True)
class Report:
    """Every check, once.

    Attributes:
        hint: whose account was asked with, masked; empty: nobody's.
        at: when.
        checks: in the order of :data:`AREAS`.
    """

    hint: str
    at: datetime
    checks: Sequence[Check]

    def check(self, name: str) -> Check:
        """Return the check of a name."""
        return next(check for check in self.checks if check.name == name)

    @property
    def failing(self) -> list[Check]:
        """What must be made right."""
        return [check for check in self.checks if check.result is Result.FAILS]

    def as_json(self, language: str = "en") -> dict[str, Any]:
        """Return the report as JSON has it; texts are in ``language``, slugs and technical words in none."""
        return {
            "account": self.hint,
            "at": self.at.isoformat(timespec="seconds"),
            "failing": [check.name for check in self.failing],
            "checks": [_told(check, language) for check in self.checks],
        }


def _told(check: Check, language: str) -> dict[str, Any]:
    remedy = check.remedy
    return {
        "name": check.name,
        "title": say(TITLES[check.name], language),
        "result": check.result.value,
        "asked": say(check.asked, language),
        "answer": check.answer,
        "said": say(check.said, language),
        "reason": check.fault.reason if check.fault else None,
        "code": check.fault.code if check.fault else None,
        "who": check.fault.who.value if check.fault else None,
        "remedy": None
        if remedy is None
        else {"text": say(remedy.text, language), "lines": list(remedy.lines), "role": remedy.role},
    }
