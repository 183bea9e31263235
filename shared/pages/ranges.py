"""What each permission range promises and asks, in an administrator's words."""

from __future__ import annotations

from collections.abc import Sequence

from shared.faults import N_
from shared.pages.consent_views import RangeChoice

_WORDS = {
    "send": (
        N_("Send"),
        N_("It works where SMTP is switched off, too."),
        N_("Send mail as the signed-in person; read that person's own name and address."),
    ),
    "send-large": (
        N_("Send large scans"),
        N_("Scans that are too large for Graph go by SMTP, which must be switched on for each mailbox."),
        N_("Send mail as the signed-in person, also by SMTP; read that person's own name and address."),
    ),
    "send-verified": (
        N_("Send and verify"),
        N_("Every sending is looked up in the mailbox, so that no scan arrives twice. SMTP is not needed."),
        N_(
            "Send mail as the signed-in person; read and change mail in that person's mailbox, used only to "
            "upload a scan and to see whether it was sent; read that person's own name and address."
        ),
    ),
}


def range_choice(slug: str, scopes: Sequence[str], largest: int | None = None) -> RangeChoice:
    """Return a permission range for the consent page.

    Args:
        slug: ``send``, ``send-large`` or ``send-verified``.
        scopes: the delegated permissions it requests, by Microsoft's names.
        largest: bytes of the largest document that can be sent with it; None leaves the sentence about it out.

    Raises:
        KeyError: there is no such range.
    """
    title, promise, asks = _WORDS[slug]
    return RangeChoice(slug=slug, title=title, promise=promise, asks=asks, scopes=tuple(scopes), largest=largest)
