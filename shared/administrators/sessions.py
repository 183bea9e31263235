"""The console's sessions: one row for each, found by what the cookie says."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared import faults
from shared.administrators.roles import Role, role_of
from shared.storage import Gone, Row, Table, Value, key

if TYPE_CHECKING:
    from shared.identity import Account, Authorizations, Finished

PURPOSE = "console"
IDLE = timedelta(minutes=30)
LIFE = timedelta(hours=8)
CHECKED_EVERY = timedelta(minutes=45)
"""After this the next page asks Entra for the roles again."""
CHECKED_AT_LEAST = timedelta(minutes=60)
"""After this nothing is carried out before Entra was asked: a form cannot be sent there and back."""
FRESH_FOR = timedelta(minutes=10)
"""So long after it what cannot be undone may be done."""
_SEEN_EVERY = timedelta(minutes=1)
"""Between two writes of when a session was used last; an idle session ends so much earlier at most."""
_LONGEST_SHOWN = 120
"""Letters of a name; it is shown and nothing else."""
_COOKIE = re.compile(r"([0-9a-f-]{36})\.([0-9a-f-]{36})\.([0-9a-f]{64})")
_OURS = re.compile(r"/console(/[A-Za-z0-9_-]+)*")


@dataclass(frozen=True)
class Administrator:
    """Somebody at the console. ``name`` and ``username`` are shown and never looked up (A01)."""

    tid: str
    oid: str
    name: str
    username: str
    role: Role
    checked: datetime
    """When Entra last said that he has the role."""
    fresh_until: datetime
    """Until when he may do what cannot be undone."""
    place: tuple[str, str]
    """Partition and row of his session."""


class Sessions:
    """All sessions, in the table ``sessions`` (partition: tenant and object id; row: hash of the secret).

    Args:
        table: the table ``sessions``.
        authorizations: carries the sign-in between browser and Entra.
        clock: the time now.
        secret: makes an unguessable text.
    """

    def __init__(
        self, table: Table, authorizations: Authorizations, clock: Callable[[], datetime], secret: Callable[[], str]
    ) -> None:
        self._table = table
        self._authorizations = authorizations
        self._clock = clock
        self._secret = secret

    def begin(self, *, browser: str) -> str:
        """Return Entra's address, where any work or school account may sign in."""
        return self._begin("sign-in", "", "/console", browser, prompt="select_account")

    def check(self, cookie: str, administrator: Administrator, back: str, *, browser: str) -> str:
        """Return Entra's address, which says without a word whether somebody still has his role."""
        return self._begin("check", cookie, back, browser, prompt="none", known=administrator)

    def sign_in_anew(self, cookie: str, administrator: Administrator, back: str, *, browser: str) -> str:
        """Return Entra's address, where the same account must sign in once more."""
        return self._begin("anew", cookie, back, browser, prompt="login", known=administrator)

    def finish(self, finished: Finished, cookie: str) -> tuple[str, str]:
        """Entra has answered: write down who it is. The tokens are dropped.

        Args:
            finished: what Entra answered.
            cookie: of this browser, if there is one.

        Returns:
            The cookie's value from now on, and the path to go on to.

        Raises:
            ConsoleRoleMissing, GuestNotAllowed: this account may not, or not any more; its session has ended.
            WrongAccount: another account answered than the session's, which has ended.
            SignInNotFresh: the account was asked to sign in anew, and did not.
            Fault: what Entra said, or what is wrong with its answer; a session that was to be checked has ended.
        """
        asked = json.loads(finished.subject)
        step, back, known = asked["step"], _ours(asked["back"]), _hash(cookie) == asked["session"]
        try:
            account = finished.redeem().account
            if account.guest:
                raise faults.GuestNotAllowed
            role = role_of(account)
            if step == "sign-in":
                return self._open(account, role), back
            if not known or not cookie.startswith(f"{account.tid}.{account.oid}."):
                raise faults.WrongAccount("console")
        except (faults.PersonMust, faults.AdministratorMust, faults.ConsoleRoleMissing):
            # Who may not any more is out, whatever else he had open; a sign-in that another page forced on this
            # browser ends nobody else's session.
            if step != "sign-in" and known:
                self.end(cookie)
            raise
        fresh_until = self._fresh_until(account)
        if step == "anew" and fresh_until <= self._clock():
            raise faults.SignInNotFresh
        changes: dict[str, Value] = {"role": role, "checked": self._clock(), "seen": self._clock()}
        if step == "anew":
            changes["fresh_until"] = fresh_until
        place = _place(cookie)
        assert place is not None
        try:
            self._table.change(*place, lambda _: changes)
        except Gone:
            raise faults.SignInExpired("console") from None
        return cookie, back

    def read(self, cookie: str) -> Administrator | None:
        """Return who is at the console, or None where nobody is (any more)."""
        place = _place(cookie)
        row = self._table.get(*place) if place else None
        now = self._clock()
        if row is None or now >= row["expires"] or now - row["seen"] >= IDLE:
            return None
        if now - row["seen"] >= _SEEN_EVERY:
            with suppress(Gone):
                self._table.change(row.partition, row.row, self._touch)
        tid, oid, _ = cookie.split(".")
        return Administrator(
            tid=tid,
            oid=oid,
            name=row["name"],
            username=row["username"],
            role=Role(row["role"]),
            checked=row["checked"],
            fresh_until=row["fresh_until"],
            place=(row.partition, row.row),
        )

    def must_be_checked(self, administrator: Administrator, *, acting: bool) -> bool:
        """Say whether Entra must be asked for the roles again, before a page (or before something is done)."""
        return self._clock() - administrator.checked >= (CHECKED_AT_LEAST if acting else CHECKED_EVERY)

    def is_fresh(self, administrator: Administrator) -> bool:
        """Say whether somebody has signed in so lately that he may do what cannot be undone."""
        return self._clock() < administrator.fresh_until

    def end(self, cookie: str) -> None:
        """End a session; its cookie is worth nothing from now on."""
        if place := _place(cookie):
            self._table.delete(*place)

    def forget_person(self, tid: str, oid: str) -> None:
        """End every session of a person's; they say his name."""
        for row in list(self._table.query(key(tid, oid))):
            self._table.delete(row.partition, row.row)

    def _begin(
        self, step: str, cookie: str, back: str, browser: str, *, prompt: str, known: Administrator | None = None
    ) -> str:
        return self._authorizations.begin(
            PURPOSE,
            json.dumps({"step": step, "session": _hash(cookie), "back": _ours(back)}),
            tid=known.tid if known else None,
            scopes=(),
            browser=browser,
            prompt=prompt,
            login_hint=known.username if known else None,
        )

    def _open(self, account: Account, role: Role) -> str:
        """Write a new session, whatever the browser brought (H05), and return its cookie."""
        secret, now = self._secret(), self._clock()
        self._table.insert(
            key(account.tid, account.oid),
            _hash(secret),
            {
                "name": account.name[:_LONGEST_SHOWN],
                "username": account.username[:_LONGEST_SHOWN],
                "role": role,
                "checked": now,
                "seen": now,
                "fresh_until": self._fresh_until(account),
                "expires": now + LIFE,
            },
        )
        return f"{account.tid}.{account.oid}.{secret}"

    def _fresh_until(self, account: Account) -> datetime:
        """Return until when this sign-in counts as fresh: over at once where nobody says when it was."""
        now = self._clock()
        proven = account.authenticated
        if proven is None:
            return now
        # A clock of Microsoft's that is ahead of ours makes no longer time.
        return min(proven, now) + FRESH_FOR

    def _touch(self, row: Row) -> Mapping[str, Value | None] | None:
        return {"seen": max(row["seen"], self._clock())}


def _place(cookie: str) -> tuple[str, str] | None:
    found = _COOKIE.fullmatch(cookie)
    return (key(found[1], found[2]), _hash(found[3])) if found else None


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()


def _ours(path: str) -> str:
    """Return a path of the console; what is none leads to its first page (an open redirect otherwise)."""
    return path if _OURS.fullmatch(path) else "/console"
