"""Who may submit by SMTP, how much at a time, and what a message must be like: what all connections share.

Strict where the real Exchange may be lenient, so that a client's sloppiness is seen: a bare CR or LF, a line
of over 998 octets, and octets above 127 that were not announced are refused, and so is the 31st message of
a minute (Exchange is said to delay it).
"""

import ssl
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from .cloud import Cloud
from .directory import PERSONAL_TENANT, Account
from .mail import GraphError, Message
from .permissions import OUTLOOK
from .smtp_replies import MAILBOX_FULL, REPLIES, SEND_AS_DENIED, TOO_MANY_CONNECTIONS, TOO_MANY_MESSAGES
from .switchboard import Switchboard

# https://learn.microsoft.com/exchange/troubleshoot/send-emails/smtp-submission-improvements
CONNECTIONS = 3
MESSAGES_PER_MINUTE = 30
ADVERTISED_SIZE = 157_286_400
"""What smtp.office365.com answers to EHLO: the ceiling of all tenants, since it knows none yet."""
LONGEST_LINE = 998


@dataclass(frozen=True)
class Profile:
    """One of the two services: how its server is called, and whose mailboxes it has."""

    name: str
    host_name: str
    personal: bool


EXCHANGE = Profile("exchange", "AS4PR00CA0001.outlook.office365.com", personal=False)
OUTLOOK_COM = Profile("outlook", "AS4PR00CA0002.outlook.office365.com", personal=True)


@dataclass
class Submission:
    """What all connections share. ``advertised_size`` may be changed while it runs."""

    cloud: Cloud
    switchboard: Switchboard
    certificate: Callable[[], ssl.SSLContext]
    other_host: Callable[[], ssl.SSLContext]
    advertised_size: int = ADVERTISED_SIZE
    connections: Counter[str] = field(default_factory=Counter)
    peak: Counter[str] = field(default_factory=Counter)
    latest: dict[str, deque[datetime]] = field(default_factory=dict)

    def allowed(self, user: str, value: str, *, personal: bool) -> Account | None:
        """Answer the account a token lets submit as ``user``, None if it lets nobody."""
        token = self.cloud.access_token(value)
        if token is None or token.account is None or token.resource != OUTLOOK or "SMTP.Send" not in token.scopes:
            return None
        account = self.cloud.account(token.account)
        stopped = account.disabled or account.deleted or not account.mailbox
        if token.expires <= self.cloud.clock() or stopped or (account.tid == PERSONAL_TENANT) is not personal:
            return None
        return account if user.lower() in account.addresses else None

    def switched_off(self, account: Account) -> str | None:
        """Answer why an account that proved itself may not submit, None if it may.

        The mailbox's own setting wins over the organisation's; security defaults win over both (Microsoft, "Enable or
        disable authenticated client SMTP submission (SMTP AUTH) in Exchange Online").
        """
        current, tenant = self.cloud.account(account.key), self.cloud.tenant(account.tid)
        if tenant.security_defaults:
            return REPLIES["criteria_not_met"][1]
        if current.smtp_auth_disabled:
            return REPLIES["smtp_auth_off_for_mailbox"][1]
        if current.smtp_auth_disabled is None and tenant.smtp_auth_disabled:
            return REPLIES["smtp_auth_off_for_tenant"][1]
        return None

    def too_busy(self, account: Account) -> str | None:
        """Answer why a mailbox may not submit a message now, None if it may; a message is counted."""
        if self.connections[account.key] > CONNECTIONS:
            return TOO_MANY_CONNECTIONS
        now, times = self.cloud.clock(), self.latest.setdefault(account.key, deque())
        while times and now - times[0] >= timedelta(minutes=1):
            times.popleft()
        if len(times) >= MESSAGES_PER_MINUTE:
            return TOO_MANY_MESSAGES
        times.append(now)
        return None

    def deliver(self, message: Message, account: Account, sender: str, recipients: Iterable[str]) -> str | None:
        """Put a message into the mailboxes of its recipients and into Sent Items; answer why not, if not."""
        # A message that says no From is nobody's either.
        message.senders = (*(message.senders or ("",)), sender)
        with self.cloud.lock:
            current, known = self.cloud.account(account.key), list(self.cloud.state.accounts.values())
        try:
            self.cloud.mailboxes.submit(message, current, known, recipients)
        except GraphError as error:
            return {"ErrorSendAsDenied": SEND_AS_DENIED, "ErrorQuotaExceeded": MAILBOX_FULL}[error.code]
        return None


def flaw(content: bytes, *, eight_bit: bool) -> str | None:
    """Answer the reply to a message that breaks RFC 5321 section 2.3.8, 4.5.3.1.6 or 2.3.1; None if it is sound."""
    if not content.count(b"\r") == content.count(b"\n") == content.count(b"\r\n"):
        return "550 5.6.11 Message contains a bare CR or LF"
    if any(len(line) > LONGEST_LINE for line in content.split(b"\r\n")):
        return "500 5.3.3 Line too long"
    if not content.isascii() and not eight_bit:
        return "550 5.6.0 Message contains octets above 127"
    return None
