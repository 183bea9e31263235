"""The first login in the panel's own browser, where an organisation allows it: then nothing may be left in it.

The next person stands at the same browser (threat B13). So Microsoft is asked to have the password typed
(``prompt=login``) whoever is signed in there. Afterwards, however it went, the browser goes by Microsoft's sign-out to
a page of ours that clears what we stored (``Clear-Site-Data``). What remains is what Microsoft's pages keep by
themselves, such as the names of accounts; so a device opens the address in a private window, and closes it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from shared import faults
from shared.people.first_login import STORY, FirstLogins

if TYPE_CHECKING:
    from shared.handoffs import Handoff, Handoffs
    from shared.identity import Entra, Finished, Redeemed
    from shared.organisations import Organisations

PURPOSE = "sign_in_at_panel"
LEFT = "/auth/signed-out"
"""Where Microsoft's sign-out leads, as registered."""
_BETWEEN = "~"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Left:
    """What there is to say in a browser that was signed out: how the first login stands, and why it failed."""

    handoff: Handoff | None
    fault: type[faults.Fault] | None


class PanelBrowser:
    """First logins in panels' own browsers.

    Args:
        first_logins: check who it is.
        handoffs: those under way.
        organisations: decide whether it is allowed.
        entra: knows Microsoft's sign-out.
        public_url: origin of this service.
    """

    def __init__(
        self, first_logins: FirstLogins, handoffs: Handoffs, organisations: Organisations, entra: Entra, public_url: str
    ) -> None:
        self._first_logins = first_logins
        self._handoffs = handoffs
        self._organisations = organisations
        self._entra = entra
        self._public_url = public_url

    def allowed(self, tid: str) -> bool:
        """Say whether an organisation allows it."""
        return self._organisations.recent(tid).policy.panel_browser

    def address(self, tid: str, link: str) -> str | None:
        """Return what a panel opens, or None where it may not."""
        return f"{self._public_url}/s/{link}/panel" if self.allowed(tid) else None

    def look(self, link: str) -> Handoff:
        """Return the first login that a panel's browser is to do.

        Raises:
            LinkUnknown: there is none, or the organisation does not allow it (any more).
        """
        handoff = self._handoffs.by_link(link, STORY)
        if not self.allowed(handoff.task["tid"]):
            raise faults.LinkUnknown("panel")
        return handoff

    def begin(self, link: str, *, browser: str) -> str:
        """The person presses the button: return Entra's address, at which he must type his password.

        Raises:
            LinkUnknown, PersonMust, WrongState: there is no such first login (any more), or not here.
        """
        self.look(link)
        return self._first_logins.begin(link, browser=browser, purpose=PURPOSE, prompt="login")

    def finish(self, finished: Finished) -> str:
        """Entra has answered: check who it is, and return the address of Microsoft's sign-out, however that went."""
        hint, fault = "", ""

        def redeem() -> Redeemed:
            nonlocal hint
            redeemed = finished.redeem()
            hint = redeemed.account.login_hint
            return redeemed

        try:
            self._first_logins.finish(replace(finished, redeem=redeem))
        except faults.Fault as met:
            log.info("a sign-in at a panel was refused: %s", met)
            fault = met.reason
        state = _BETWEEN.join((self._handoffs.link(finished.subject), fault))
        return self._entra.sign_out_url(finished.tid, f"{self._public_url}{LEFT}", hint=hint, state=state)

    def left(self, state: str) -> Left:
        """Return what Microsoft's sign-out brought back: a link and one of our reasons. Anybody can make it up."""
        link, _, reason = state.partition(_BETWEEN)
        fault = faults.BY_REASON.get(reason)
        try:
            return Left(self._handoffs.by_link(link, STORY), fault)
        except faults.LinkUnknown:
            return Left(None, fault)
