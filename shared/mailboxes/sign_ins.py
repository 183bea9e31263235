"""Sign-ins of printers' mailboxes under way: begun with a device code, looked at, and ended.

There is no loop that waits for anybody: whoever looks at a sign-in makes at most one poll, and no faster than Entra
allows (RFC 8628 section 3.5), counted in the row and so for all instances.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared import faults, texts
from shared.mailboxes.accounts import OUTLOOK_COM, Account, Accounts, Owner
from shared.mailboxes.eligible import mailbox_of
from shared.mailboxes.sign_in import RANGE, Begun, SignIn
from shared.organisations.ranges import Range
from shared.storage import Gone, Row, Table, Value, key
from shared.vault import SealBroken

if TYPE_CHECKING:
    from shared.identity import MailboxEntra, Redeemed
    from shared.mail import Graph
    from shared.vault import Grants, Sealer

ROW = "mailbox"
LINK_LIFE = timedelta(minutes=15)
REMEMBERED = timedelta(hours=1)
"""How long the end of a sign-in can be looked at."""
FINAL = frozenset({"active", "denied", "expired"})

log = logging.getLogger(__name__)


class SignIns:
    """The sign-ins under way, in the table ``handoffs`` (partition: id).

    Args:
        table: the table ``handoffs``: what lies there is forgotten soon.
        accounts: the accounts that come of it.
        grants: their tokens.
        entra: of the mailbox's app registration; None where none is set up.
        graph: tells whose mailbox a token is for.
        sealer: seals what Entra gave us to poll with.
        clock: the time now.
        random_bytes: gives n unpredictable bytes.
    """

    def __init__(
        self,
        table: Table,
        accounts: Accounts,
        grants: Grants,
        entra: MailboxEntra | None,
        graph: Graph,
        sealer: Sealer,
        clock: Callable[[], datetime],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._table = table
        self._accounts = accounts
        self._grants = grants
        self._entra_or_none = entra
        self._graph = graph
        self._sealer = sealer
        self._clock = clock
        self._random_bytes = random_bytes

    def start(self, owner: Owner, use: str, service: str, *, begun_by: str = "", locale: str = "") -> Begun:
        """Begin a sign-in, and return the code to be typed at Microsoft.

        Args:
            owner: whose mailbox it is to be.
            use: email or fax.
            service: exchange_online or outlook_com.
            begun_by: the device that began it and may look at it; empty: an administrator.
            locale: of whoever is to sign in (BCP 47).

        Raises:
            ServiceMisconfigured: no app registration for mailboxes is set up.
            DeviceCodeBlocked, Fault: what Entra says.
        """
        started = self._entra.start(_authority(owner.tid, service), RANGE.scopes)
        sign_in, now = str(uuid.UUID(bytes=self._random_bytes(16), version=4)), self._clock()
        ends = now + timedelta(seconds=started.expires_in)
        self._table.insert(
            key(ROW, sign_in),
            ROW,
            {
                "tid": owner.tid,
                "group": owner.group,
                "device": owner.device,
                "begun_by": begun_by,
                "use": use,
                "service": service,
                "locale": locale,
                "status": "pending",
                "interval": started.interval,
                "next_poll": now + timedelta(seconds=started.interval),
                "ends": ends,
                "expires": ends + REMEMBERED,
                "flow": self._sealer.seal(owner.tid, started.flow.encode(), *_place(sign_in), anew=True),
            },
        )
        return Begun(sign_in, started.user_code, started.verification_uri, started.expires_in, started.interval)

    def look(self, sign_in: str, *, begun_by: str = "", tid: str = "") -> SignIn:
        """Return a sign-in as it stands; where it is time to, after asking Entra once.

        Args:
            sign_in: its id.
            begun_by: the device that began it; or
            tid: the tenant of the administrator who did.

        Raises:
            NotFound: unknown, or somebody else's: the same for both (B09).
        """
        row, mine, now = self._own(sign_in, begun_by, tid), False, self._clock()

        def turn(row: Row) -> Mapping[str, Value | None] | None:
            nonlocal mine
            mine = False
            if row["status"] in {"pending", "blocked"} and now >= row["ends"]:
                return {"status": "expired", "reason": faults.SignInTimedOut.reason, "flow": None}
            if row["status"] != "pending" or now < row["next_poll"]:
                return None
            # Written before Entra is asked: of all who look at this moment, one asks (B10).
            mine = True
            return {"next_poll": now + timedelta(seconds=row["interval"])}

        row = self._change(sign_in, turn)
        if mine:
            row = self._poll(sign_in, row)
        return self._shown(sign_in, row)

    def invitation(self, sign_in: str, *, tid: str) -> Begun | None:
        """Return once more what is shown to whoever is to sign in; None where no code is waited for.

        Raises:
            NotFound: unknown, or another tenant's.
        """
        from shared.identity.device_code import typed

        row = self._own(sign_in, "", tid)
        left = round((row["ends"] - self._clock()).total_seconds())
        if row["status"] != "pending" or left <= 0:
            return None
        try:
            code, address = typed(self._sealer.open(row["tid"], row["flow"], *_place(sign_in)).decode())
        except SealBroken:
            return None
        return Begun(sign_in, code, address, left, row["interval"])

    def offer_link(self, sign_in: str, *, tid: str) -> None:
        """An administrator saw Microsoft refuse the code: go on by a link. Entra may never tell a poll about it.

        Raises:
            NotFound: unknown, or another tenant's.
            WrongState: no code is waited for.
        """
        if self._own(sign_in, "", tid)["status"] != "pending":
            raise faults.WrongState("link")
        self._end(sign_in, "blocked", faults.DeviceCodeBlocked.reason)

    def cancel(self, sign_in: str, *, begun_by: str = "", tid: str = "") -> None:
        """Cancel at the printer; whoever signs in later signs in for nothing (B11). Twice is fine.

        Raises:
            NotFound: unknown, or somebody else's.
        """
        self._own(sign_in, begun_by, tid)
        self._end(sign_in, "denied", faults.SignInDeclined.reason)

    def by_link(self, sign_in: str) -> SignIn:
        """Return a sign-in for which the way by a link is open: codes are blocked. Its id is the link's secret.

        Raises:
            LinkUnknown: there is none, or nobody offered a link for it.
            SignInTimedOut: it is over.
        """
        try:
            row = self._row(sign_in)
        except (faults.NotFound, ValueError):
            raise faults.LinkUnknown from None
        if row["status"] not in {"blocked", "active"}:
            raise faults.LinkUnknown(str(row["status"]))
        if row["status"] == "blocked" and self._clock() >= row["ends"]:
            raise faults.SignInTimedOut
        return self._shown(sign_in, row)

    def activate(self, sign_in: str, redeemed: Redeemed, granted: Range) -> SignIn:
        """Somebody has signed in: check who he is, keep his tokens, and let the account count.

        Raises:
            Fault: why not; his tokens are dropped.
        """
        row = self._row(sign_in)
        owner, use, service = _owner(row), str(row["use"]), str(row["service"])
        sender, identity = mailbox_of(redeemed, owner.tid, service, granted, self._graph)
        hint = texts.masked(sender)
        self._accounts.announce(owner, use, sign_in)
        self._grants.store(owner.tid, sign_in, redeemed.cache, locale=row["locale"])
        if not self._end(sign_in, "active", None, hint):
            # Cancelled at this very moment. The keep-alive would find the tokens, too.
            self._grants.erase(owner.tid, sign_in)
            raise faults.WrongState("cancelled meanwhile")
        self._accounts.replace(
            Account(owner, use, service, sign_in, hint, sender, identity, granted.slug, self._clock())
        )
        log.info("an account for %s of tenant %s was signed in", use, owner.tid)
        return self._shown(sign_in, self._row(sign_in))

    def _poll(self, sign_in: str, row: Row) -> Row:
        """Ask Entra once, and write down what came of it."""
        from shared.identity.device_code import Pending

        try:
            flow = self._sealer.open(row["tid"], row["flow"], *_place(sign_in)).decode()
            found = self._entra.poll(_authority(row["tid"], row["service"]), flow, row["interval"])
            if isinstance(found, Pending):
                if found.interval != row["interval"]:
                    then = self._clock() + timedelta(seconds=found.interval)
                    self._change(sign_in, lambda _: {"interval": found.interval, "next_poll": then})
            else:
                self.activate(sign_in, found, RANGE)
        except SealBroken:
            self._end(sign_in, "expired", faults.SignInTimedOut.reason)
        except faults.Fault as fault:
            log.info("a sign-in for a mailbox of tenant %s: %s", row["tid"], fault)
            if not isinstance(fault, faults.Passing | faults.OperatorMust | faults.WrongState):
                self._end(sign_in, _END.get(type(fault), "denied"), fault.reason)
        return self._row(sign_in)

    def _shown(self, sign_in: str, row: Row) -> SignIn:
        owner, status, reason = _owner(row), str(row["status"]), row.get("reason")
        if status == "active":
            account = self._accounts.owned(owner, row["use"])
            if account is None or account.sign_in != sign_in:
                status, reason = "denied", faults.MailboxSuperseded.reason
        return SignIn(
            id=sign_in,
            owner=owner,
            use=row["use"],
            service=row["service"],
            status=status,
            account_hint=row.get("account_hint"),
            reason=reason,
            interval=row["interval"],
            ends=row["ends"],
            locale=row["locale"],
        )

    def _end(self, sign_in: str, status: str, reason: str | None, hint: str | None = None) -> bool:
        """End a sign-in that has not ended. False: it had, otherwise. What was to be polled with is forgotten."""
        ended = False

        def end(row: Row) -> Mapping[str, Value | None] | None:
            nonlocal ended
            ended = row["status"] not in FINAL
            changes: dict[str, Value | None] = {"status": status, "reason": reason, "account_hint": hint, "flow": None}
            if status == "blocked":
                until = self._clock() + LINK_LIFE
                changes |= {"ends": until, "expires": until + REMEMBERED}
            return changes if ended else None

        self._change(sign_in, end)
        return ended

    def _own(self, sign_in: str, begun_by: str, tid: str) -> Row:
        row = self._row(sign_in)
        if not (begun_by or tid) or (begun_by and row["begun_by"] != begun_by) or (tid and row["tid"] != tid):
            raise faults.NotFound("sign-in")
        return row

    def _row(self, sign_in: str) -> Row:
        row = self._table.get(key(ROW, sign_in), ROW)
        if row is None:
            raise faults.NotFound("sign-in")
        return row

    def _change(self, sign_in: str, decide: Callable[[Row], Mapping[str, Value | None] | None]) -> Row:
        try:
            return self._table.change(key(ROW, sign_in), ROW, decide)
        except Gone as error:
            raise faults.NotFound("sign-in") from error

    @property
    def _entra(self) -> MailboxEntra:
        if self._entra_or_none is None:
            raise faults.ServiceMisconfigured("MAILBOX_CLIENT_ID")
        return self._entra_or_none


_END: Mapping[type[faults.Fault], str] = {
    faults.SignInTimedOut: "expired",
    faults.DeviceCodeBlocked: "blocked",
    faults.BlockedByPolicy: "blocked",
}


def _authority(tid: str, service: str) -> str:
    from shared.identity.device_code import CONSUMERS

    return CONSUMERS if service == OUTLOOK_COM else tid


def _owner(row: Row) -> Owner:
    return Owner(row["tid"], row["group"], row["device"])


def _place(sign_in: str) -> tuple[str, ...]:
    return ("handoffs", key(ROW, sign_in), ROW, "flow")
