"""The cookie of a person's own page: who signed in at Microsoft a moment ago. Nothing about it is stored."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from shared import faults

if TYPE_CHECKING:
    from shared.identity import Authorizations, Finished

PURPOSE = "me"
LIFE = timedelta(minutes=15)
"""Counted from the moment Microsoft issued the ID token: who can open the page has just shown who he is."""
_MAC_BYTES = 32
_LONGEST = 2048
"""Letters of a cookie that are looked at; what we write is shorter."""
_LONGEST_SHOWN = 120
"""Letters of a name; it is shown and nothing else."""


class SessionInvalid(Exception):
    """The cookie is forged, damaged or too old, or is none of ours."""


@dataclass(frozen=True)
class Session:
    """Who is at the page. ``name`` and ``username`` are shown and never looked up (A01)."""

    tid: str
    oid: str
    name: str
    username: str
    until: datetime


class Sessions:
    """Makes and reads cookies.

    Args:
        authorizations: gives what carries the sign-in between browser and Entra. It is only asked for when a sign-in
            begins: who opens the page without a cookie waits for no SDK of storage (docs/cold-start.md).
        service_key: signs cookies.
        clock: the time now.
    """

    def __init__(
        self, authorizations: Callable[[], Authorizations], service_key: bytes, clock: Callable[[], datetime]
    ) -> None:
        self._authorizations = authorizations
        self._key = hmac.digest(service_key, b"session of the own page", "sha256")
        self._clock = clock

    def begin(self, *, browser: str) -> str:
        """Return Entra's address, where any work or school account may sign in; nothing but who it is is asked for."""
        return self._authorizations().begin(PURPOSE, "", tid=None, scopes=(), browser=browser)

    def finish(self, finished: Finished) -> Session:
        """Entra has answered: prove who it is. The tokens are dropped.

        Raises:
            GuestNotAllowed, PersonalAccountNotAllowed: nobody of these signs in at a printer.
            Fault: what Entra said, or what is wrong with its answer.
        """
        account = finished.redeem().account
        if account.guest:
            raise faults.GuestNotAllowed
        # A clock of Microsoft's that is ahead of ours makes no longer session.
        until = min(account.issued, self._clock()) + LIFE
        name, username = account.name[:_LONGEST_SHOWN], account.username[:_LONGEST_SHOWN]
        return Session(account.tid, account.oid, name, username, until)

    def write(self, session: Session) -> str:
        """Return the session as a cookie's value."""
        held = {**asdict(session), "until": int(session.until.timestamp())}
        # Not escaped: a long name in another script would be three times as long, and no browser's cookie any more.
        said = json.dumps(held, ensure_ascii=False).encode(errors="replace")
        return _text(said) + "." + _text(self._mac(said))

    def read(self, value: str) -> Session:
        """Return the session that a cookie's value proves.

        Raises:
            SessionInvalid: it proves none.
        """
        try:
            said, mac = (_bytes(part) for part in value[:_LONGEST].split("."))
        except ValueError as error:
            raise SessionInvalid("format") from error
        if not hmac.compare_digest(mac, self._mac(said)):
            raise SessionInvalid("signature")
        held = json.loads(said)
        session = Session(**{**held, "until": datetime.fromtimestamp(held["until"], UTC)})
        if self._clock() >= session.until:
            raise SessionInvalid("too old")
        return session

    def seconds_left(self, session: Session) -> int:
        """Return for how many seconds the session is good."""
        return max(0, int((session.until - self._clock()).total_seconds()))

    def _mac(self, said: bytes) -> bytes:
        return hmac.digest(self._key, said, "sha256")[:_MAC_BYTES]


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
