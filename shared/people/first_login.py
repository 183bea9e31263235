"""The first login: from the panel's question, over a page and Entra, to the panel's OK.

Until the OK nothing of it counts: who the browser's side turned out to be lies sealed in the handoff.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from shared import faults, texts
from shared.mail import TokenRejected
from shared.people.people import People, Person
from shared.privacy.traces import HANDOFF, PIN, Trace

if TYPE_CHECKING:
    from shared.devices import Device
    from shared.handoffs import Handoff, Handoffs, Started
    from shared.identity import Authorizations, Finished, Redeemed
    from shared.mail import Graph
    from shared.organisations import Organisations
    from shared.privacy import Traces
    from shared.vault import Grants

STORY = "sign_in"


class FirstLogins:
    """First logins of printers' users.

    Args:
        people: the pins.
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
        people: People,
        organisations: Organisations,
        grants: Grants,
        handoffs: Handoffs,
        authorizations: Authorizations,
        graph: Graph,
        traces: Traces,
        signed_in: Callable[[str, str, str], None],
        clock: Callable[[], datetime],
    ) -> None:
        self._people = people
        self._organisations = organisations
        self._grants = grants
        self._handoffs = handoffs
        self._authorizations = authorizations
        self._graph = graph
        self._traces = traces
        self._signed_in = signed_in
        self._clock = clock

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
        pinned = self._people.pin_of(tid, handoff.task["group"], handoff.task["user"])
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
        person = Person(task["tid"], oid, handoff.account_hint or "", task["printer"], task["location"])
        self._people.pin(task["group"], task["user"], person)
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
        pinned = self._people.pin_of(task["tid"], task["group"], task["user"])
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
