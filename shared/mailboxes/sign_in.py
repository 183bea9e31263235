"""A sign-in of a printer's mailbox as it stands, and what is shown to whoever is to sign in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shared.mailboxes.accounts import EXCHANGE_ONLINE, OUTLOOK_COM, Owner
from shared.organisations.ranges import RANGES

RANGE = RANGES["send-large"]
"""What is asked for: Graph's Mail.Send, which needs nothing switched on, and SMTP for what Graph does not take."""
SERVICES = (EXCHANGE_ONLINE, OUTLOOK_COM)


@dataclass(frozen=True)
class SignIn:
    """A sign-in as it stands."""

    id: str
    owner: Owner
    use: str
    service: str
    status: str
    """pending, active, denied, expired or blocked."""
    account_hint: str | None
    reason: str | None
    """Slug of the fault that stands in its way, or ended it."""
    interval: int
    ends: datetime
    locale: str


@dataclass(frozen=True)
class Begun:
    """What is shown to whoever is to sign in; times in seconds."""

    id: str
    user_code: str
    verification_uri: str
    expires_in: int
    interval: int
