"""The permission ranges: what an administrator can allow, what it asks, and what it gives.

The scopes are delegated permissions of Microsoft Graph in their full form (MSAL's cache matches them
letter by letter). ``SMTP.Send`` is consented as Graph's permission.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.faults import N_

GRAPH = "https://graph.microsoft.com/"
SEND_MAIL = (GRAPH + "Mail.Send", GRAPH + "User.Read")
"""What sending through Graph needs, in every range."""

GRAPH_DOCUMENT_LIMIT = 3_000_000
"""Bytes. Graph takes requests up to 4 MiB; base64 makes 4,000,000 of these, and the rest is the message."""


@dataclass(frozen=True)
class Range:
    """One range: its slug, scopes, the largest document it can send now, and its texts (message ids)."""

    slug: str
    scopes: tuple[str, ...]
    largest_document: int
    title: str
    promise: str
    asks: str

    @property
    def mail_scopes(self) -> tuple[str, ...]:
        """The scopes of a token for sending through Graph."""
        return SEND_MAIL


RANGES = {
    made.slug: made
    for made in (
        Range(
            "send",
            SEND_MAIL,
            GRAPH_DOCUMENT_LIMIT,
            N_("Send"),
            N_(
                "Scans up to 3 MB, sent through Microsoft Graph. Works with SMTP switched off and security defaults on."
            ),
            N_("May send mail as the person who signed in. May read his name and mail address."),
        ),
        Range(
            "send-large",
            (*SEND_MAIL, GRAPH + "SMTP.Send"),
            GRAPH_DOCUMENT_LIMIT,
            N_("Send large scans"),
            N_("As Send, and prepared for scans up to what the mailbox takes by SMTP, about 25 MB."),
            N_("As Send, and may use the person's mailbox by SMTP. SMTP must be switched on for the mailbox."),
        ),
        Range(
            "send-verified",
            (*SEND_MAIL, GRAPH + "Mail.ReadWrite"),
            GRAPH_DOCUMENT_LIMIT,
            N_("Send and verify"),
            N_(
                "As Send, and prepared for scans up to about 25 MB, each looked up afterwards so that none comes twice."
            ),
            N_("As Send, and may read and change all mail of the person who signed in."),
        ),
    )
}
