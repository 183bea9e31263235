"""The row of an organisation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared import faults
from shared.organisations.policy import Policy, read_policy
from shared.organisations.ranges import RANGES, Range
from shared.storage import AlreadyThere, Gone, Row, Table, Value, key

if TYPE_CHECKING:
    from shared.vault import Grant

ROW = "organisation"
STALE = timedelta(seconds=5)
"""How long :meth:`Organisations.recent` may not know of what another process wrote."""
CONSENT_SETTLES = timedelta(minutes=10)
"""A fresh consent takes minutes to reach every server of Microsoft; until then 65001 withdraws nothing."""


@dataclass(frozen=True)
class Organisation:
    """A tenant as far as its consent goes. ``name`` is shown and never looked up."""

    tid: str
    name: str
    consent: str
    """none, consented, or withdrawn."""
    range: Range | None
    confirmed: bool
    """Whether an ordinary person's sign-in has confirmed the consent for everybody."""
    proven_by: str
    """The account whose token proved the consent, for showing."""
    proven_oid: str
    """That account's object id; empty once that person was erased."""
    sign_in_days: int | None
    """Policy: a sign-in ends after so many days, however much it is used; None lets it live."""
    policy: Policy

    def require_consent(self) -> Range:
        """Return the consented range.

        Raises:
            ConsentRequired: nobody has consented yet.
            ConsentWithdrawn: it no longer holds.
        """
        if self.consent == "withdrawn":
            raise faults.ConsentWithdrawn("known")
        if self.consent != "consented" or self.range is None:
            raise faults.ConsentRequired
        return self.range


class Organisations:
    """All organisations, in the table ``organisations`` (partition: tenant id)."""

    def __init__(self, table: Table, clock: Callable[[], datetime]) -> None:
        self._table = table
        self._clock = clock
        self._recent: dict[str, tuple[datetime, Organisation]] = {}

    def recent(self, tid: str) -> Organisation:
        """Return the organisation as it was at most :data:`STALE` ago: for every scan, where a read each would add up.

        Only a consent that holds is remembered, so a new one counts at once. One that was withdrawn, or a policy that
        was changed, in another process counts here after :data:`STALE`; in this process at once.
        """
        known, now = self._recent.get(tid), self._clock()
        if known is not None and abs(now - known[0]) < STALE:
            return known[1]
        found = self.get(tid)
        if found.consent == "consented":
            self._recent[tid] = now, found
        else:
            self._recent.pop(tid, None)
        return found

    def get(self, tid: str) -> Organisation:
        """Return the organisation; one that nobody has consented for has consent ``none``."""
        row = self._table.get(key(tid), ROW)
        values: Mapping[str, Any] = row.values if row else {}
        return Organisation(
            tid=tid,
            name=str(values.get("name", "")),
            consent=str(values.get("consent", "none")),
            range=RANGES.get(str(values.get("range", ""))),
            confirmed=bool(values.get("confirmed", False)),
            proven_by=str(values.get("proven_by", "")),
            proven_oid=str(values.get("proven_oid", "")),
            sign_in_days=int(values["sign_in_days"]) if "sign_in_days" in values else None,
            policy=read_policy(str(values.get("policy", ""))),
        )

    def consented(self, tid: str, *, name: str, consented_range: Range, proven_by: str, oid: str) -> None:
        """Write down a consent that was proven by a token of ``oid``'s account."""
        values: dict[str, Value] = {
            "name": name,
            "consent": "consented",
            "range": consented_range.slug,
            "proven_by": proven_by,
            "proven_oid": oid,
            "proven": self._clock(),
            "confirmed": False,
        }
        try:
            self._table.insert(key(tid), ROW, values)
        except AlreadyThere:
            self._change(tid, lambda _: values)

    def set_sign_in_days(self, tid: str, days: int | None) -> None:
        """Set the policy on how long a sign-in lives; it counts from each person's next sign-in."""
        self._change(tid, lambda _: {"sign_in_days": days})

    def set_policy(self, tid: str, policy: Policy) -> None:
        """Write down what the organisation decided; it counts for every scan from now on.

        Raises:
            PolicyInvalid: names every field that is wrong; nothing was written.
            Gone: nobody has consented for this organisation yet.
        """
        policy.require_valid()
        self._change(tid, lambda _: {"policy": policy.written()})

    def scopes(self, grant: Grant) -> Sequence[str]:
        """Return the scopes that a person's grant is renewed with.

        Raises:
            ConsentRequired, ConsentWithdrawn: the organisation is paused.
        """
        return self.get(grant.tid).require_consent().mail_scopes

    def confirm(self, tid: str, oid: str) -> None:
        """A person has signed in with the range's scopes; if he is another than who consented, it holds for all."""

        def confirm(row: Row) -> Mapping[str, Value | None] | None:
            if row.get("confirmed") or row.get("proven_oid") in {oid, None} or row["consent"] != "consented":
                return None
            return {"confirmed": True}

        with suppress(Gone):
            self._change(tid, confirm)

    def forget_person(self, tid: str, oid: str) -> None:
        """Where this person's account proved the consent: it stays proven, and no longer says by whom.

        Without that nobody can say whether the next one to sign in is another, so it stays unconfirmed.
        """

        def forget(row: Row) -> Mapping[str, Value | None] | None:
            return {"proven_by": None, "proven_oid": None} if row.get("proven_oid") == oid else None

        with suppress(Gone):
            self._change(tid, forget)

    def withdraw(self, tid: str) -> bool:
        """Entra says that the consent is not there (65001); believed once a fresh consent had time to settle.

        Returns:
            Whether it is withdrawn now. False: it is fresh, and Entra may come round.
        """

        def withdraw(row: Row) -> Mapping[str, Value | None] | None:
            if row["consent"] != "consented" or self._clock() - row["proven"] < CONSENT_SETTLES:
                return None
            return {"consent": "withdrawn", "withdrawn": self._clock()}

        try:
            return bool(self._change(tid, withdraw)["consent"] == "withdrawn")
        except Gone:
            return False

    def _change(self, tid: str, decide: Callable[[Row], Mapping[str, Value | None] | None]) -> Row:
        try:
            return self._table.change(key(tid), ROW, decide)
        finally:
            self._recent.pop(tid, None)
