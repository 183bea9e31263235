"""What leaves in a printer's own name: from which account, to whom, by which transport."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from shared import faults, texts
from shared.mail import Draft, Message, Sender, TokenRejected
from shared.mailboxes.accounts import EMAIL, EXCHANGE_ONLINE, FAX, OUTLOOK_COM, Account, Accounts, Owner
from shared.mailboxes.recipients import fax_address, recipients
from shared.organisations.ranges import RANGES

if TYPE_CHECKING:
    from shared.devices import Device, Devices
    from shared.mail import Transport, Transports
    from shared.organisations import Organisations
    from shared.vault import Grant, Grants

KINDS = (EMAIL, FAX)
_MEANT: Mapping[type[faults.Fault], type[faults.Fault]] = {
    faults.SignInRequired: faults.MailboxNotSignedIn,
    faults.SignInExpired: faults.MailboxSignInExpired,
    faults.SignInRevoked: faults.MailboxSignInEnded,
    faults.InteractionRequired: faults.MailboxSignInEnded,
    faults.PermissionMissing: faults.MailboxConsentMissing,
    faults.ConsentWithdrawn: faults.MailboxConsentMissing,
    faults.ConsentRequired: faults.MailboxConsentMissing,
}


@dataclass(frozen=True)
class Outgoing:
    """How one job leaves."""

    grants: Grants
    account: Account
    recipients: tuple[str, ...]
    transport: Transport


class Outgoings:
    """Finds the way out for a printer's own mail.

    Args:
        accounts: the accounts.
        grants: their tokens.
        devices: the printers, by the id in a job.
        organisations: their policies.
        transports: by service.
        clock: the time now.
    """

    def __init__(
        self,
        accounts: Accounts,
        grants: Grants,
        devices: Devices,
        organisations: Organisations,
        transports: Mapping[str, Transports],
        clock: Callable[[], datetime],
    ) -> None:
        self._accounts = accounts
        self._grants = grants
        self._devices = devices
        self._organisations = organisations
        self._transports = transports
        self._clock = clock

    def require(self, device: Device, kind: str) -> Account:
        """Return the account that a device can send from now.

        Raises:
            MailboxNotSignedIn, MailboxNotDelivered: not yet; or
            Fault: why no more.
        """
        return self._required(device, kind)[0]

    def _required(self, device: Device, kind: str) -> tuple[Account, Grant]:
        account = self._accounts.of(device, kind)
        grant = self._grants.get(account.owner.tid, account.sign_in) if account else None
        if account is None or grant is None:
            raise faults.MailboxNotSignedIn
        if grant.ended:
            raise self.meant(faults.BY_REASON[grant.ended]("ended earlier"))
        if not self._accounts.delivered(device, account):
            raise faults.MailboxNotDelivered
        return account, grant

    def largest(self, account: Account) -> int:
        """Return the size in bytes up to which a document can be sent from an account."""
        policy = self._organisations.recent(account.owner.tid).policy
        return self._transports[account.service].largest(RANGES[account.range], policy)

    def way(self, device: Device, kind: str, to: Sequence[str], fax_number: str, size: int) -> Outgoing:
        """Return how a document leaves, now: for acceptance and for delivery alike.

        Raises:
            Fault: why it does not.
        """
        account, grant = self._required(device, kind)
        policy = self._organisations.recent(device.tid).policy.for_mailbox(grant.largest_taken)
        wanted: tuple[str, ...]
        if kind == FAX:
            wanted = (fax_address(fax_number, policy),)
        else:
            wanted = recipients(to, account.sender, policy, own_domain=account.service == EXCHANGE_ONLINE)
        transport = self._transports[account.service].choose(RANGES[account.range], policy, size)
        return Outgoing(self._grants, account, wanted, transport)

    def way_of(self, device_id: str, kind: str, to: Sequence[str], fax_number: str, size: int) -> Outgoing:
        """Return how an accepted job leaves: what was allowed then must still be.

        Raises:
            Fault: why it does not.
        """
        device = self._devices.get(device_id)
        if device is None or device.status != "active":
            raise faults.MailboxNotSignedIn("device")
        return self.way(device, kind, to, fax_number, size)

    def test(self, owner: Owner, use: str, to: str = "", *, fax_number: str = "", language: str = "en") -> None:
        """Send a mail from an account, to see whether it works; it need not be delivered to any printer.

        Args:
            owner: whose account.
            use: email or fax.
            to: an address that is allowed; empty: the mailbox itself.
            fax_number: in its place: the mail goes to the fax provider, who dials it and asks for his money.
            language: of the mail.

        Raises:
            Fault: why it was not sent, or RecipientNotAllowed and its kin.
        """
        account = self._accounts.owned(owner, use)
        if account is None:
            raise faults.MailboxNotSignedIn
        policy = self._organisations.recent(owner.tid).policy
        own = account.service == EXCHANGE_ONLINE
        if fax_number:
            wanted: tuple[str, ...] = (fax_address(fax_number, policy),)
        else:
            wanted = recipients([to or account.sender], account.sender, policy, own_domain=own)
        message = Message(
            job=f"test-{owner.tid}",
            subject=texts.say("Test mail from To My Email", language),
            text=texts.say("The mailbox of the printer is signed in, and can send mail.", language),
            recipients=wanted,
        )
        transport = self._transports[account.service].choose(RANGES[account.range], policy, 0)
        try:
            token = self._grants.access_token(owner.tid, account.sign_in, transport.scopes)
            draft = Draft("", look=False, remember=lambda _: None)
            transport.send(token, Sender(account.identity, account.sender), message, None, draft)
        except TokenRejected:
            raise faults.MicrosoftUnavailable("a fresh token was rejected", retry_after=30) from None
        except faults.Fault as fault:
            raise self.meant(fault) from None

    def meant(self, fault: faults.Fault) -> faults.Fault:
        """Return what a fault of a sign-in means where the sign-in is a printer's and not a person's."""
        leaf = _MEANT.get(type(fault))
        return leaf(fault.note, retry_after=fault.retry_after) if leaf else fault

    def note(self, tid: str, device_id: str, kind: str, reason: str | None) -> None:
        """Write down how a job ended, for the status; without a reason it was sent."""
        self._accounts.note(tid, device_id, kind, self._clock(), reason)


__all__ = ["KINDS", "OUTLOOK_COM", "Outgoing", "Outgoings"]
