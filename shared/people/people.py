"""Who a printer's user is, and how he signs in for the first time."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared import faults, texts
from shared.mail import TokenRejected
from shared.privacy.traces import HANDOFF, PIN, Trace
from shared.storage import AlreadyThere, Changed, Row, Table, Value, key

if TYPE_CHECKING:
    from shared.devices import Device
    from shared.handoffs import Handoff, Handoffs, Started
    from shared.identity import Authorizations, Finished, Redeemed
    from shared.mail import Graph
    from shared.organisations import Organisations
    from shared.privacy import Traces
    from shared.vault import Grant, Grants

STORY = "sign_in"
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
        grants: keeps the tokens.
        handoffs: carries a first login between panel and browser.
        authorizations: carries it between browser and Entra.
        graph: tells whose mailbox a token is for.
        traces: where a person's things lie.
        signed_in: told of every sign-in that is complete: tenant, group, user.
        clock: the time now.
    """

    def __init__(
        self,
        table: Table,
        organisations: Organisations,
        grants: Grants,
        handoffs: Handoffs,
        authorizations: Authorizations,
        graph: Graph,
        traces: Traces,
        signed_in: Callable[[str, str, str], None],
        clock: Callable[[], datetime],
    ) -> None:
        self._table = table
        self._organisations = organisations
        self._grants = grants
        self._handoffs = handoffs
        self._authorizations = authorizations
        self._graph = graph
        self._traces = traces
        self._signed_in = signed_in
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
        person = self._pinned(tid, group, user_id)
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
            pinned = self._pinned(device.tid, device.group, user_id)
            return UserStatus(type(fault), pinned.account_hint if pinned else None)
        return UserStatus(faults.BY_REASON[grant.blocked] if grant.blocked else None, person.account_hint)

    def pinned(self, tid: str, oid: str) -> list[tuple[str, Person]]:
        """Return the device groups in which a printer's user is pinned to this account, with what the pin says."""
        found = []
        for trace in self._traces.of(tid, oid, PIN):
            group, user_id = trace.parts
            person = self._pinned(tid, group, user_id)
            if person is not None and person.oid == oid:
                found.append((group, person))
        return found

    def unpin(self, tid: str, group: str, user_id: str, *, oid: str) -> bool:
        """Delete the pin of a printer's user, if it is to this account. False where it is not (any more)."""
        row = self._table.get(key(tid, group, user_id), ROW)
        if row is None or row["oid"] != oid:
            return False
        # Nobody changes a pin: where it is another row by now, it is one that a new sign-in made.
        with suppress(Changed):
            self._table.delete_unchanged(row)
        return True

    def start(self, device: Device, user_id: str, email: str, name: str, locale: str) -> Started:
        """Begin a first login at the panel.

        Raises:
            ConsentRequired, ConsentWithdrawn: the organisation must agree first.
        """
        self._organisations.get(device.tid).require_consent()
        task = {
            "tid": device.tid,
            "group": device.group,
            "user": user_id,
            "email": email,
            "name": name,
            "locale": locale,
            "printer": device.name,
            "location": device.location,
        }
        return self._handoffs.start(STORY, task, device_id=device.id)

    def begin(self, link: str, *, browser: str, purpose: str = STORY, prompt: str = "select_account") -> str:
        """The person presses the button on the page: return Entra's address.

        ``purpose`` and ``prompt`` differ where that page is in a panel's own browser (``panel_browser``).

        Raises:
            LinkUnknown, PersonMust, WrongState: there is no such first login (any more).
        """
        handoff = self._handoffs.by_link(link, STORY)
        handoff.require_pending()
        tid = handoff.task["tid"]
        scopes = self._organisations.get(tid).require_consent().scopes
        pinned = self._pinned(tid, handoff.task["group"], handoff.task["user"])
        grant = self._grants.get(tid, pinned.oid) if pinned else None
        return self._authorizations.begin(
            purpose,
            handoff.id,
            tid=tid,
            scopes=scopes,
            browser=browser,
            prompt=prompt,
            claims=grant.claims if grant else None,
            owner=tid,
        )

    def finish(self, finished: Finished) -> str:
        """Entra has answered and the browser is the same: check who it is, and let the panel confirm.

        Returns:
            The handoff's link.

        Raises:
            Fault: why this sign-in is refused; its tokens are dropped and nothing is stored.
        """
        handoff = self._handoffs.get(finished.subject)
        at = self._clock()
        with self._handoffs.refusing(handoff.id):
            handoff.require_pending()
            try:
                redeemed = finished.redeem()
            except faults.ConsentWithdrawn:
                # What a browser says could end a whole organisation's consent: only Entra itself is believed.
                if not finished.refused:
                    self._organisations.withdraw(finished.tid)
                raise
            address = self._check(handoff, redeemed)
        oid = redeemed.account.oid
        self._traces.note(redeemed.account.tid, oid, Trace(HANDOFF, (handoff.id,), at))
        self._handoffs.browser_done(
            handoff.id,
            account_hint=texts.masked(address),
            result={"oid": oid, "cache": redeemed.cache, "at": at.isoformat()},
        )
        return self._handoffs.link(handoff.id)

    def confirm(self, device: Device, handoff_id: str) -> Handoff:
        """OK at the panel: pin the person, and keep his tokens.

        Raises:
            NotFound, WrongState: there is nothing to confirm.
            WrongAccount: another sign-in pinned this user to another account meanwhile.
        """
        return self._handoffs.confirm(handoff_id, device.id, STORY, self._activate)

    def _activate(self, handoff: Handoff) -> None:
        task, oid, at = handoff.task, handoff.result["oid"], datetime.fromisoformat(handoff.result["at"])
        self._traces.note(task["tid"], oid, Trace(PIN, (task["group"], task["user"]), at))
        self._pin(task, oid, handoff.account_hint or "")
        days = self._organisations.get(task["tid"]).sign_in_days
        self._grants.store(task["tid"], oid, handoff.result["cache"], locale=task["locale"], days=days, at=at)
        self._organisations.confirm(task["tid"], oid)
        # Last: whoever is let go now finds the pin and the tokens.
        self._signed_in(task["tid"], task["group"], task["user"])

    def _check(self, handoff: Handoff, redeemed: Redeemed) -> str:
        """Return the mailbox's address of an account that may be this printer's user."""
        task, account = handoff.task, redeemed.account
        if account.guest:
            raise faults.GuestNotAllowed
        wanted = self._organisations.get(task["tid"]).require_consent()
        if not redeemed.covers(wanted.scopes):
            raise faults.PermissionMissing
        pinned = self._pinned(task["tid"], task["group"], task["user"])
        if pinned is not None and pinned.oid != account.oid:
            raise faults.WrongAccount("pinned")
        try:
            mailbox = self._graph.me(redeemed.access_token)
        except TokenRejected:
            raise faults.MicrosoftUnavailable("a fresh token was rejected", retry_after=30) from None
        if mailbox.oid != account.oid:
            raise faults.ResponseNotExpected("token of another account")
        if pinned is None and not any(
            same_address(task["email"], own) for own in (mailbox.address, mailbox.user_principal_name) if own
        ):
            raise faults.WrongAccount("address")
        if mailbox.address is None:
            raise faults.NoMailbox("no mail address")
        return mailbox.address

    def _with_grant(self, device: Device, user_id: str) -> tuple[Person, Grant]:
        self._organisations.recent(device.tid).require_consent()
        person = self._pinned(device.tid, device.group, user_id)
        if person is None:
            raise faults.SignInRequired("not pinned")
        grant = self._grants.get(person.tid, person.oid)
        if grant is None:
            raise faults.SignInRequired("no grant")
        if grant.ended:
            raise faults.BY_REASON[grant.ended]("ended earlier")
        return person, grant

    def _pinned(self, tid: str, group: str, user_id: str) -> Person | None:
        row = self._table.get(key(tid, group, user_id), ROW)
        return self._read(row) if row else None

    def _pin(self, task: Mapping[str, Any], oid: str, account_hint: str) -> None:
        partition = key(task["tid"], task["group"], task["user"])
        values: dict[str, Value | None] = {
            "tid": task["tid"],
            "oid": oid,
            "account_hint": account_hint,
            "pinned": self._clock(),
            "printer": task["printer"],
            "location": task["location"],
        }
        try:
            self._table.insert(partition, ROW, values)
        except AlreadyThere:
            row = self._table.get(partition, ROW)
            if row is None or row["oid"] != oid:
                raise faults.WrongAccount("pinned meanwhile") from None

    @staticmethod
    def _read(row: Row) -> Person:
        return Person(
            tid=row["tid"],
            oid=row["oid"],
            account_hint=row["account_hint"],
            printer=row.get("printer", ""),
            location=row.get("location", ""),
        )


def same_address(one: str, other: str) -> bool:
    """Say whether two mail addresses are the same: NFC, case-folded, ASCII domain. Anything odd is not."""
    left, right = _canonical_address(one), _canonical_address(other)
    return left is not None and left == right


def _canonical_address(address: str) -> tuple[str, str] | None:
    local, at, domain = unicodedata.normalize("NFC", address.strip()).rpartition("@")
    if unicodedata.normalize("NFKC", domain) != domain or "\u3002" in domain:
        return None  # IDNA would take full-width letters and the ideographic full stop for ASCII
    try:
        ascii_domain = domain.casefold().encode("idna").decode("ascii")
    except UnicodeError:
        return None
    if not (local and at and ascii_domain) or "@" in local or ascii_domain.endswith("."):
        return None
    return unicodedata.normalize("NFC", local.casefold()), ascii_domain
