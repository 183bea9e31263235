"""Who a printer's user is, and whether he can be sent for."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from shared import faults
from shared.privacy.traces import PIN
from shared.storage import AlreadyThere, Changed, Row, Table, key

if TYPE_CHECKING:
    from shared.devices import Device
    from shared.organisations import Organisations
    from shared.privacy import Traces
    from shared.vault import Grant, Grants

ROW = "person"


@dataclass(frozen=True)
class Person:
    """The account that a printer's user is pinned to."""

    tid: str
    oid: str
    account_hint: str
    printer: str
    """At which he signed in for the first time, and where it stands."""
    location: str


@dataclass(frozen=True)
class Standing:
    """Whether a person can be sent for, and up to what size."""

    hindrance: type[faults.Fault] | None
    """What he must do first; None: nothing."""
    largest_taken: int | None
    """Bytes: what his mailbox refused was larger; None where that is not known."""


@dataclass(frozen=True)
class UserStatus:
    """What the panel needs to know before it offers a scan. ``fault`` is None where he is ready."""

    fault: type[faults.Fault] | None
    account_hint: str | None

    @property
    def status(self) -> str:
        """ready, sign_in_required, or blocked (an administrator must act)."""
        if self.fault is None:
            return "ready"
        return "sign_in_required" if issubclass(self.fault, faults.PersonMust) else "blocked"


class People:
    """The people of all device groups, in the table ``people`` (partition: tenant, group and user).

    Args:
        table: the table ``people``.
        organisations: says whether the organisation has consented, and to what.
        grants: know whose sign-in has ended.
        traces: where a person's things lie.
        clock: the time now.
    """

    def __init__(
        self,
        table: Table,
        organisations: Organisations,
        grants: Grants,
        traces: Traces,
        clock: Callable[[], datetime],
    ) -> None:
        self._table = table
        self._organisations = organisations
        self._grants = grants
        self._traces = traces
        self._clock = clock

    def person(self, device: Device, user_id: str) -> Person:
        """Return the person a printer's user is pinned to, if he can be sent for.

        Raises:
            ConsentRequired, ConsentWithdrawn: the organisation has not agreed (any more).
            PersonMust: he must sign in (again).
        """
        person, _ = self._with_grant(device, user_id)
        return person

    def account_of(self, tid: str, group: str, user_id: str) -> str:
        """Return the object id of the account that a printer's user is pinned to; empty: to none."""
        person = self.pin_of(tid, group, user_id)
        return person.oid if person is not None and person.tid == tid else ""

    def hindrance(self, tid: str, oid: str) -> type[faults.Fault] | None:
        """Return what a person must do before he can be sent for; None: nothing. An empty ``oid`` is nobody."""
        return self.standing(tid, oid).hindrance

    def standing(self, tid: str, oid: str) -> Standing:
        """Return what is known of sending for a person, by one look at his sign-in. An empty ``oid`` is nobody."""
        grant = self._grants.get(tid, oid) if oid else None
        if grant is None:
            return Standing(faults.SignInRequired, None)
        return Standing(faults.BY_REASON[grant.ended] if grant.ended else None, grant.largest_taken)

    def status(self, device: Device, user_id: str) -> UserStatus:
        """Say what the panel needs to know about a user.

        ``blocked`` is what an administrator's rule said the last time. It is shown and stops nobody: the next scan
        finds out whether it was lifted.
        """
        try:
            person, grant = self._with_grant(device, user_id)
        except (faults.PersonMust, faults.AdministratorMust) as fault:
            pinned = self.pin_of(device.tid, device.group, user_id)
            return UserStatus(type(fault), pinned.account_hint if pinned else None)
        return UserStatus(faults.BY_REASON[grant.blocked] if grant.blocked else None, person.account_hint)

    def pinned(self, tid: str, oid: str) -> list[tuple[str, Person]]:
        """Return the device groups in which a printer's user is pinned to this account, with what the pin says."""
        found = []
        for trace in self._traces.of(tid, oid, PIN):
            group, user_id = trace.parts
            person = self.pin_of(tid, group, user_id)
            if person is not None and person.oid == oid:
                found.append((group, person))
        return found

    def pin_of(self, tid: str, group: str, user_id: str) -> Person | None:
        """Return the account that a printer's user is pinned to, or None."""
        row = self._table.get(key(tid, group, user_id), ROW)
        return self._read(row) if row else None

    def pin(self, group: str, user_id: str, person: Person) -> None:
        """Pin a printer's user to an account. Whoever is pinned to it stays so.

        Raises:
            WrongAccount: he is pinned to another one.
        """
        partition = key(person.tid, group, user_id)
        try:
            self._table.insert(partition, ROW, {**asdict(person), "pinned": self._clock()})
        except AlreadyThere:
            row = self._table.get(partition, ROW)
            if row is None or row["oid"] != person.oid:
                raise faults.WrongAccount("pinned meanwhile") from None

    def unpin(self, tid: str, group: str, user_id: str, *, oid: str) -> bool:
        """Delete the pin of a printer's user, if it is to this account. False where it is not (any more)."""
        row = self._table.get(key(tid, group, user_id), ROW)
        if row is None or row["oid"] != oid:
            return False
        # Nobody changes a pin: where it is another row by now, it is one that a new sign-in made.
        with suppress(Changed):
            self._table.delete_unchanged(row)
        return True

    def _with_grant(self, device: Device, user_id: str) -> tuple[Person, Grant]:
        self._organisations.recent(device.tid).require_consent()
        person = self.pin_of(device.tid, device.group, user_id)
        if person is None:
            raise faults.SignInRequired("not pinned")
        grant = self._grants.get(person.tid, person.oid)
        if grant is None:
            raise faults.SignInRequired("no grant")
        if grant.ended:
            raise faults.BY_REASON[grant.ended]("ended earlier")
        return person, grant

    @staticmethod
    def _read(row: Row) -> Person:
        return Person(
            tid=row["tid"],
            oid=row["oid"],
            account_hint=row["account_hint"],
            printer=row.get("printer", ""),
            location=row.get("location", ""),
        )
