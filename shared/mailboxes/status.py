"""What is shown of a printer's mail server and fax server, on its panel, on the sheet and in the console."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared import faults
from shared.mailboxes.accounts import Account, Accounts, Activity
from shared.mailboxes.outgoing import Outgoings

if TYPE_CHECKING:
    from shared.devices import Device
    from shared.vault import Grants

IDLE_LIFE = timedelta(days=90)
"""Microsoft, "Refresh tokens": so long a refresh token lives without use. Ours are used after 20 to 30 days."""


@dataclass(frozen=True)
class StatusOf:
    """One server of a printer as it stands."""

    use: str
    status: str
    """signed_in, not_signed_in, expired, or blocked."""
    delivered: bool
    account: Account | None
    fault: type[faults.Fault] | None
    """What keeps it from sending, where something does."""
    activity: Activity
    largest: int
    """Bytes of the largest document; 0: nothing can be sent."""
    valid_until: datetime | None
    """When the sign-in ends if nothing used it or kept it alive until then."""

    @property
    def ready(self) -> bool:
        """Whether the printer can send from it now, as far as is known."""
        return self.fault is None


class Statuses:
    """Looks without asking Microsoft.

    Args:
        accounts: the accounts.
        grants: their tokens.
        outgoings: says what a fault means for a printer.
    """

    def __init__(self, accounts: Accounts, grants: Grants, outgoings: Outgoings) -> None:
        self._accounts = accounts
        self._grants = grants
        self._outgoings = outgoings

    def of(self, device: Device, use: str) -> StatusOf:
        """Return the status of a device's mail server (``use`` email) or fax server (fax)."""
        account = self._accounts.of(device, use)
        activity = self._accounts.activity(device, use)
        grant = self._grants.get(account.owner.tid, account.sign_in) if account else None
        if account is None or grant is None:
            return StatusOf(use, "not_signed_in", False, None, faults.MailboxNotSignedIn, activity, 0, None)
        delivered = self._accounts.delivered(device, account)
        status = "signed_in"
        fault: type[faults.Fault] | None = None if delivered else faults.MailboxNotDelivered
        if grant.ended or grant.blocked:
            found = type(self._outgoings.meant(faults.BY_REASON[grant.ended or grant.blocked or ""]()))
            fault, ended = found, "expired" if found.code == faults.MailboxSignInExpired.code else "not_signed_in"
            status = ended if grant.ended else "blocked"
        return StatusOf(
            use=use,
            status=status,
            delivered=delivered,
            account=account,
            fault=fault,
            activity=activity,
            largest=self._outgoings.largest(account),
            valid_until=None if grant.ended else grant.refreshed + IDLE_LIFE,
        )
