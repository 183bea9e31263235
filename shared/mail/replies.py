"""What a reply of Exchange's or Outlook.com's submission means: one of our faults.

Code and enhanced code (RFC 3463) come first; words of the text only where Exchange gives one code to several
things. The text itself goes nowhere: it can name addresses and hosts. Sources: Microsoft, "Email non-delivery
reports in Exchange Online", "Fix issues with printers, scanners, and LOB applications that send email",
"SMTP AUTH client submission: new throttling limits".
"""

from __future__ import annotations

import re

from shared import faults
from shared.mail.transport import TokenRejected

BUSY_SECONDS, DENIED_SECONDS, LIMIT_SECONDS = 60.0, 300.0, 3600.0
"""How long to wait: after a throttle (3 connections, 30 messages a minute), a refusal for now, a day's limit."""
UNAVAILABLE_SECONDS = 30.0
_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}\b")

_AUTHENTICATION: tuple[tuple[str, type[faults.Fault]], ...] = (
    ("disabled for the tenant", faults.SmtpDisabledForOrganisation),
    ("disabled for the mailbox", faults.SmtpDisabledForMailbox),
    ("did not meet the criteria", faults.SmtpBlockedByPolicy),
    ("account locked", faults.AccountLocked),
    ("basic authentication", faults.Unexpected),
)
"""535 5.7.139 by words of its text."""

_ENHANCED_CODES: dict[str, type[faults.Fault]] = {
    "5.1.1": faults.RecipientRefused,
    "5.1.2": faults.RecipientRefused,
    "5.1.3": faults.RecipientRefused,
    "5.1.10": faults.RecipientRefused,
    "5.1.8": faults.SenderRestricted,
    "5.2.252": faults.SendDenied,
    "5.2.3": faults.TooLarge,
    "5.3.4": faults.TooLarge,
    "5.7.1": faults.SendDenied,
    "5.7.30": faults.Unexpected,
    "5.7.57": faults.Unexpected,
    "5.7.60": faults.SendDenied,
    "5.7.501": faults.SenderRestricted,
    "5.7.502": faults.SenderRestricted,
    "5.7.503": faults.SenderRestricted,
    "5.7.511": faults.SenderRestricted,
    "5.7.512": faults.Unexpected,
    "5.7.705": faults.OrganisationRestricted,
    "5.7.708": faults.OrganisationRestricted,
    "5.7.750": faults.OrganisationRestricted,
}


def refusal(step: str, code: int, text: bytes, *, limit: int) -> faults.Fault:
    """Return the fault that a refusal is; nothing was sent.

    Args:
        step: where in the dialogue it came, for the log.
        code: of the reply.
        text: of the reply, behind the code.
        limit: bytes of a document, for whom is told that this one is too large.

    Raises:
        TokenRejected: 535 that another access token may mend. If that one is refused too, submission is switched
            off for the mailbox, which Exchange does not always say.
    """
    said = text.decode("ascii", "replace").lower()
    found = _ENHANCED.match(said)
    enhanced = found[0] if found else ""
    note = f"smtp {step} {code} {enhanced}".rstrip()
    if code == 535:  # noqa: PLR2004  (RFC 4954 section 6)
        leaf = next((leaf for words, leaf in _AUTHENTICATION if words in said), None)
        if leaf is None and enhanced == "5.7.139":
            leaf = faults.SmtpBlockedByPolicy
        if leaf is None:
            raise TokenRejected(None, faults.SmtpDisabledForMailbox)
        return leaf(note)
    if code // 100 == 4:  # noqa: PLR2004  (RFC 5321 section 4.2.1: transient)
        return _for_now(note, enhanced, code)
    if "submissionquota" in said.replace(" ", ""):
        return faults.SendingLimitReached(note, retry_after=LIMIT_SECONDS)
    if enhanced == "5.2.2":
        return faults.MailboxFull(note)
    if code == 552 and not enhanced:  # noqa: PLR2004  (RFC 1870 section 6.1)
        return faults.TooLarge(note, limit=limit)
    leaf = _ENHANCED_CODES.get(enhanced, faults.Unexpected)
    return leaf(note, limit=limit) if leaf is faults.TooLarge else leaf(note)


def _for_now(note: str, enhanced: str, code: int) -> faults.Fault:
    """Return what 4yz means, and for how long."""
    detail = int(enhanced.rpartition(".")[2]) if enhanced.startswith("4.7.") else 0
    if 500 <= detail < 700 or 850 <= detail < 900:  # noqa: PLR2004  (Microsoft: access denied, try again later)
        return faults.Throttled(note, retry_after=DENIED_SECONDS)
    if code == 432 or enhanced.startswith("4.7.") or enhanced == "4.3.2":  # noqa: PLR2004
        return faults.Throttled(note, retry_after=BUSY_SECONDS)
    return faults.MicrosoftUnavailable(note, retry_after=UNAVAILABLE_SECONDS)
