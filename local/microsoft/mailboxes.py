"""Everybody's mailboxes: messages are submitted, and lie where they were delivered."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from email.utils import format_datetime
from threading import RLock
from uuid import uuid4

from .directory import Account
from .mail import GraphError, Message


class Mailboxes:
    """What lies in everybody's Inbox and Sent Items, and a count of what left for elsewhere.

    Switches, for what Graph shows behind what it does: for ``sent_lag`` after it was sent, a draft is not in Sent
    Items: it still looks like a draft (and would be sent again), or where ``lag_hides`` it is not to be seen at all.
    For ``index_lag`` after it was made, a draft is not found by its extended property.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.sent_lag = timedelta()
        self.lag_hides = False
        self.index_lag = timedelta()
        self._clock = clock
        self._lock = RLock()
        self._inbox: dict[str, list[Message]] = {}
        self._sent: dict[str, list[Message]] = {}
        self.external: list[str] = []

    def inbox(self, key: str) -> list[Message]:
        """Answer an account's received messages, the latest last."""
        with self._lock:
            return list(self._inbox.get(key, []))

    def sent(self, key: str) -> list[Message]:
        """Answer an account's Sent Items, the latest last."""
        with self._lock:
            return list(self._sent.get(key, []))

    def clear(self) -> None:
        """Empty every mailbox."""
        with self._lock:
            self._inbox.clear()
            self._sent.clear()
            self.external.clear()

    def submit(
        self, message: Message, sender: Account, known: Iterable[Account], envelope: Iterable[str] | None = None
    ) -> None:
        """Stamp a message and deliver it; addresses nobody here has are noted as external.

        It goes to whom its headers name, unless it came with an ``envelope`` (RFC 5321 section 2.3.1).

        Raises:
            GraphError: the sender is not allowed, there is no recipient, or a mailbox is full.
        """
        if any(claimed.lower() not in sender.addresses for claimed in message.senders):
            raise GraphError(
                403,
                "ErrorSendAsDenied",
                "The user account which was used to submit this request does not have the right to send mail on "
                "behalf of the specified sending account., Cannot submit message.",
            )
        recipients = message.everybody() if envelope is None else list(dict.fromkeys(envelope))
        if not recipients:
            raise GraphError(400, "ErrorInvalidRecipients", "At least one recipient isn't valid., Recipient not found.")
        if sender.mailbox_full:
            raise GraphError(507, "ErrorQuotaExceeded", "The mailbox has exceeded its storage quota.")
        known = [account for account in known if account.mailbox]
        with self._lock:
            message.sender = sender.address
            message.received = self._clock()
            message.message_id = message.message_id or f"<{uuid4()}@{sender.address.rpartition('@')[2]}>"
            present = {name.lower() for name, _ in message.headers}
            for name, value in (
                ("From", f'"{sender.name}" <{sender.address}>'),
                ("To", ", ".join(message.recipients.get("to", ()))),
                ("Subject", message.subject),
                ("Date", format_datetime(message.received)),
                ("Message-ID", message.message_id),
            ):
                if name.lower() not in present:
                    message.headers.append((name, value))
            if message.save:
                self._sent.setdefault(sender.key, []).append(message)
            for address in recipients:
                found = next((account for account in known if address.lower() in account.addresses), None)
                if found:
                    self._inbox.setdefault(found.key, []).append(message)
                else:
                    self.external.append(address)
