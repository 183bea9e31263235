"""The rows of accounts: which one counts for a printer, and what the printer knows of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared import faults
from shared.organisations.ranges import SEND_MAIL
from shared.storage import AlreadyThere, Gone, Row, Table, Value, key

if TYPE_CHECKING:
    from shared.devices import Device
    from shared.vault import Grant, Grants

EXCHANGE_ONLINE, OUTLOOK_COM = "exchange_online", "outlook_com"
EMAIL, FAX = "email", "fax"
"""What an account is used for, by the kind of job: the mail server, and the fax server."""


@dataclass(frozen=True)
class Owner:
    """Whose account it is: a device's, or where ``device`` is empty, a group's."""

    tid: str
    group: str
    device: str = ""

    @property
    def partition(self) -> str:
        """Key of its rows."""
        return key("device", self.tid, self.device) if self.device else key("group", self.tid, self.group)


@dataclass(frozen=True)
class Account:
    """An account that is signed in. ``sender`` is its address, which only its own printers are told."""

    owner: Owner
    use: str
    service: str
    sign_in: str
    """Id of the sign-in that counts: its tokens lie under it, and it is the version of the settings."""
    account_hint: str
    sender: str
    identity: str
    """What Graph calls the account."""
    range: str
    """Slug of the permission range that its tokens have."""
    signed_in: datetime


@dataclass(frozen=True)
class Activity:
    """What a printer sent from its account last, and what went wrong last."""

    last_success: datetime | None = None
    last_error: datetime | None = None
    reason: str | None = None
    """Slug of the last error."""


class Accounts:
    """All accounts, in the table ``mailboxes`` (partition: owner; row: use).

    Args:
        table: the table ``mailboxes``.
        grants: the tokens of accounts, under (tenant of the printer, id of the sign-in).
    """

    def __init__(self, table: Table, grants: Grants) -> None:
        self._table = table
        self._grants = grants

    def of(self, device: Device, use: str) -> Account | None:
        """Return the account that a device sends from: its own, else its group's, else None."""
        for owner in (Owner(device.tid, device.group, device.id), Owner(device.tid, device.group)):
            if found := self.owned(owner, use):
                return found
        return None

    def owned(self, owner: Owner, use: str) -> Account | None:
        """Return an owner's account, or None."""
        row = self._table.get(owner.partition, key(use))
        return _read(owner, use, row) if row else None

    def announce(self, owner: Owner, use: str, sign_in: str) -> None:
        """Write down for whom tokens are about to be stored, so that they are found whatever happens then."""
        values = {"group": owner.group, "device": owner.device, "use": use}
        self._table.put(key("sign-in", owner.tid), key(sign_in), values)

    def replace(self, account: Account) -> None:
        """Let this account count from now on; the one before it ends, and so do its tokens."""
        owner, replaced = account.owner, ""
        values: dict[str, Value | None] = {
            "service": account.service,
            "sign_in": account.sign_in,
            "account_hint": account.account_hint,
            "sender": account.sender,
            "identity": account.identity,
            "range": account.range,
            "signed_in": account.signed_in,
        }

        def replace(row: Row) -> Mapping[str, Value | None]:
            nonlocal replaced
            replaced = row["sign_in"]
            return values

        try:
            self._table.insert(owner.partition, key(account.use), values)
        except AlreadyThere:
            try:
                self._table.change(owner.partition, key(account.use), replace)
            except Gone:  # signed out at this moment
                self._table.put(owner.partition, key(account.use), values)
        if replaced and replaced != account.sign_in:
            self._drop(owner.tid, replaced)

    def remove(self, owner: Owner, use: str) -> bool:
        """Sign an account out; its tokens go. False where there is none."""
        found = self.owned(owner, use)
        if found is None:
            return False
        self._table.delete(owner.partition, key(use))
        self._drop(owner.tid, found.sign_in)
        return True

    def remove_all(self, tid: str) -> int:
        """Sign out every account of a tenant and end its tokens; returns how many sign-ins there were."""
        rows = list(self._table.query(key("sign-in", tid)))
        for row in rows:
            owner = Owner(tid, row["group"], row["device"])
            found = self.owned(owner, row["use"])
            if found is not None and found.sign_in == row.row:
                self.remove(owner, row["use"])
            else:
                self._drop(tid, row.row)
        return len(rows)

    def acknowledge(self, device: Device, use: str, version: str) -> None:
        """The device has stored the settings of this version.

        Raises:
            MailboxNotSignedIn: there are none.
            WrongState: they are others by now.
        """
        found = self.of(device, use)
        if found is None:
            raise faults.MailboxNotSignedIn
        if found.sign_in != version:
            raise faults.WrongState("settings version")
        self._table.put(_of_device(device.tid, device.id), key("delivered", use), {"version": version})

    def delivered(self, device: Device, account: Account) -> bool:
        """Say whether the device has the account's settings as they are now."""
        row = self._table.get(_of_device(device.tid, device.id), key("delivered", account.use))
        return row is not None and row["version"] == account.sign_in

    def note(self, tid: str, device_id: str, use: str, now: datetime, reason: str | None) -> None:
        """Write down that a job of the device was sent, or what went wrong. It is shown, and decides nothing."""
        values: dict[str, Value] = {"last_error": now, "reason": reason} if reason else {"last_success": now}
        partition, row = _of_device(tid, device_id), key("activity", use)
        with suppress(faults.StorageUnavailable):
            try:
                self._table.insert(partition, row, values)
            except AlreadyThere:
                with suppress(Gone):
                    self._table.change(partition, row, lambda _: values)

    def activity(self, device: Device, use: str) -> Activity:
        """Return what a device sent last, and what went wrong last."""
        row = self._table.get(_of_device(device.tid, device.id), key("activity", use))
        values: Mapping[str, Any] = row.values if row else {}
        return Activity(values.get("last_success"), values.get("last_error"), values.get("reason"))

    # What the keep-alive asks (shared.vault.keep_alive.Consents)

    def scopes(self, grant: Grant) -> Sequence[str]:
        """Return the scopes that an account's tokens are renewed with; tokens that no account names any more go.

        Raises:
            MailboxSuperseded: they are none's.
        """
        row = self._table.get(key("sign-in", grant.tid), key(grant.oid))
        found = self.owned(Owner(grant.tid, row["group"], row["device"]), row["use"]) if row else None
        if found is None or found.sign_in != grant.oid:
            self._drop(grant.tid, grant.oid)
            raise faults.MailboxSuperseded("tokens without an account")
        return SEND_MAIL

    def withdraw(self, tid: str) -> None:
        """A consent is missing. It is the account's own: the organisation's, for people, is another one."""

    def _drop(self, tid: str, sign_in: str) -> None:
        """Erase tokens. No later sign-in ever has this id, so nothing needs to be remembered of it."""
        self._grants.erase(tid, sign_in)
        self._grants.forget_erased(tid, sign_in)
        self._table.delete(key("sign-in", tid), key(sign_in))


def _of_device(tid: str, device_id: str) -> str:
    return key("device", tid, device_id)


def _read(owner: Owner, use: str, row: Row) -> Account:
    return Account(
        owner=owner,
        use=use,
        service=row["service"],
        sign_in=row["sign_in"],
        account_hint=row["account_hint"],
        sender=row["sender"],
        identity=row["identity"],
        range=row["range"],
        signed_in=row["signed_in"],
    )
