"""The permission ranges that an administrator can allow. What each promises is told in ``pages``.

The scopes are delegated permissions of Microsoft Graph in their full form (MSAL's cache matches them
letter by letter). ``SMTP.Send`` is consented as Graph's permission.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.organisations.policy import Policy

GRAPH = "https://graph.microsoft.com/"
SEND_MAIL = (GRAPH + "Mail.Send", GRAPH + "User.Read")
"""What sending through Graph needs, in every range."""
SEND_VERIFIED = (*SEND_MAIL, GRAPH + "Mail.ReadWrite")
"""What drafts need beside it: they are made, looked up and thrown away in the person's own mailbox."""

GRAPH_DOCUMENT_LIMIT = 3_000_000
"""Bytes. Graph takes requests up to 4 MiB; base64 makes 4,000,000 of these, and the rest is the message."""


@dataclass(frozen=True)
class Range:
    """One range: its slug, its scopes, and whether it takes documents that one request to Graph does not hold."""

    slug: str
    scopes: tuple[str, ...]
    large: bool = False

    def largest_document(self, policy: Policy) -> int:
        """Return the size in bytes up to which an administrator may count on a document being sent."""
        return max(policy.largest_document, GRAPH_DOCUMENT_LIMIT) if self.large else GRAPH_DOCUMENT_LIMIT

    @property
    def mail_scopes(self) -> tuple[str, ...]:
        """The scopes of a token for sending through Graph."""
        return SEND_MAIL


RANGES = {
    made.slug: made
    for made in (
        Range("send", SEND_MAIL),
        Range("send-large", (*SEND_MAIL, GRAPH + "SMTP.Send"), large=True),
        Range("send-verified", SEND_VERIFIED, large=True),
    )
}
