"""What a printer is told: one SMTP reply for whatever can happen.

The first digit decides what the printer does (RFC 5321 section 4.2.1): 2 done, 4 it tries again, 5 it tells
the person. The enhanced code (RFC 3463) and the text say why. Texts are ASCII, since a printer's report can
often show nothing else, and hold no address, subject or file name.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from to_my_email import DeviceRefused, Error, NotEnrolled, ScanJob, SignInRequired, StoreError, Temporary, Unreachable

LONGEST = 480
"""Characters of a reply line; RFC 5321 section 4.5.3.1.5 allows 512 octets with its end."""

_BY_REASON = {
    "too_large": (552, "5.3.4"),
    "body_too_large": (552, "5.3.4"),
    "mailbox_full": (552, "5.2.2"),
    "unsupported_type": (554, "5.6.1"),
    "empty_document": (554, "5.6.0"),
    "document_mismatch": (451, "4.6.0"),
    "not_uploaded": (451, "4.6.0"),
    "invalid_request": (554, "5.5.4"),
}
"""Refusals of the service that RFC 3463 has a code for. The two 4xx are bytes lost on the way to storage."""


@dataclass(frozen=True)
class Reply:
    """One reply: ``code`` as in RFC 5321, ``enhanced`` as in RFC 3463, and a text.

    ``reason`` is the slug for the log; ``str()`` is the line on the wire, without its end.
    """

    code: int
    enhanced: str
    text: str
    reason: str = ""

    def __str__(self) -> str:
        line = f"{self.code} {self.enhanced} {self.text}{f' [{self.reason}]' if self.reason else ''}"
        ascii_only = unicodedata.normalize("NFKD", line).encode("ascii", "ignore").decode()
        return " ".join("".join(c if c.isprintable() else " " for c in ascii_only).split())[:LONGEST]

    @property
    def accepted(self) -> bool:
        """Whether the printer may forget the mail."""
        return self.code < 400  # noqa: PLR2004  (RFC 5321 section 4.2.1)

    @property
    def passes(self) -> bool:
        """Whether trying again may help."""
        return 400 <= self.code < 500  # noqa: PLR2004  (RFC 5321 section 4.2.1)


class RefusedMail(Exception):
    """A mail that no scan can be made of; ``reply`` says why."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        super().__init__(str(reply))


TROUBLE = Reply(451, "4.3.0", "The gateway has a fault of its own. Its log says more.", "gateway_fault")
FULL_DISK = Reply(452, "4.3.1", "The gateway's disk is full. The printer tries again.", "disk_full")
IN_HAND = Reply(451, "4.3.0", "This scan is being handed over already. The printer asks again.", "in_hand")
BUSY = Reply(421, "4.3.2", "Too many connections. The printer tries again.", "busy")
NOT_LET_IN = Reply(
    530, "5.7.0", "This printer is not known here. Let it sign in with its name and secret.", "authentication_required"
)
WRONG_SECRET = Reply(535, "5.7.8", "The printer's name or secret is wrong.", "wrong_secret")
TOO_MANY_SECRETS = Reply(421, "4.7.0", "Too many wrong secrets.", "wrong_secret")
UNKNOWN_RECIPIENT = Reply(
    550,
    "5.1.1",
    "Nobody at this gateway has the address that the mail goes to. Correct it in the printer's address book, or add "
    "it under people in gateway.toml.",
    "recipient_unknown",
)
UNKNOWN_SENDER = Reply(
    550,
    "5.1.0",
    "Nobody at this gateway has the address that the mail comes from. Let the printer send as the person at the "
    "panel, or add the address under people in gateway.toml.",
    "sender_unknown",
)
TOO_MANY_RECIPIENTS = Reply(452, "4.5.3", "Too many recipients in one mail. Send it in several.", "recipients")
"""RFC 5321 section 4.5.3.1.10: 452, so that the client sends the rest in a mail of its own."""


def too_large(limit: int) -> Reply:
    """Return the refusal of a mail beyond ``limit`` bytes."""
    megabytes = limit / 1_000_000
    text = f"The mail is larger than {megabytes:g} MB. Scan fewer pages, or at a lower resolution."
    return Reply(552, "5.3.4", text, "too_large")


def of_error(error: Error) -> Reply:
    """Return the reply to what the device client raised.

    4xx where trying again helps without anybody doing anything, and for a printer that only waits for its
    approval; everything else is for a person to read.
    """
    words = " ".join(filter(None, (error.title, error.remedy))) or "The service refused the scan."
    # The code of the panel belongs to what a person reads: 360, 361 or 370.
    reason = f"{error.code} {error.reason}" if error.code else error.reason
    code, enhanced = 554, "5.0.0"
    if error.reason in _BY_REASON:
        code, enhanced = _BY_REASON[error.reason]
    elif isinstance(error, Unreachable):
        code, enhanced = 451, "4.4.1"
    elif isinstance(error, Temporary):
        code, enhanced = 451, "4.3.2"
    elif isinstance(error, StoreError):
        code, enhanced = 451, "4.3.0"
    elif error.reason == "device_pending":
        code, enhanced = 451, "4.7.0"
    elif isinstance(error, DeviceRefused | NotEnrolled | SignInRequired):
        code, enhanced = 554, "5.7.1"
    return Reply(code, enhanced, words, reason)


def of_job(job: ScanJob) -> Reply:
    """Return the reply to what the service made of a scan."""
    if job.state in {"failed", "cancelled"}:
        # Only a repeated mail sees this: the first one was accepted, and ended so since.
        words = job.message or "This scan has ended without being sent. Scan again."
        return Reply(554, "5.0.0", words, f"{job.code} {job.reason}" if job.code else job.reason or job.state)
    if job.state == "held":
        return Reply(250, "2.0.0", "Held: the scan is sent as soon as its owner has signed in.")
    return Reply(250, "2.0.0", "Accepted.")


def of_all(replies: list[Reply]) -> Reply:
    """Return the one reply to a mail of several scans: DATA has only one.

    One that passes decides (a repetition brings what is missing, and nothing twice), then one that is final.
    """
    passing = next((reply for reply in replies if reply.passes), None)
    final = next((reply for reply in replies if not reply.accepted), None)
    accepted = sum(reply.accepted for reply in replies)
    if passing or not final or not accepted:
        return passing or final or replies[0]
    text = f"{accepted} of {len(replies)} scans were accepted, and one was not: {final.text}"
    return Reply(final.code, final.enhanced, text, final.reason)
