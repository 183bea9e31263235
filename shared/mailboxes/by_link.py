"""Signing a printer's mailbox in by a link, where a policy blocks device codes.

Whose sign-in it is, and whether the way by a link is open for it, says the sign-in itself (``sign_ins``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import faults
from shared.mailboxes import PURPOSE
from shared.mailboxes.accounts import OUTLOOK_COM
from shared.mailboxes.sign_in import RANGE, SignIn
from shared.organisations.ranges import Range

if TYPE_CHECKING:
    from shared.identity import Authorizations, Finished
    from shared.mailboxes.sign_ins import SignIns
    from shared.organisations import Organisations


class SignInsByLink:
    """Sign-ins that go through a browser.

    Args:
        sign_ins: those under way.
        organisations: say what people's registration may be asked for.
        peoples_registration: authorizations through the app registration for people.
        own_registration: authorizations through the mailbox's.
    """

    def __init__(
        self,
        sign_ins: SignIns,
        organisations: Organisations,
        peoples_registration: Authorizations,
        own_registration: Authorizations,
    ) -> None:
        self._sign_ins = sign_ins
        self._organisations = organisations
        self._peoples_registration = peoples_registration
        self._own_registration = own_registration

    def begin(self, sign_in: str, *, browser: str) -> str:
        """The button on the link's page: return Entra's address, for authorization code and PKCE.

        A work account goes through people's app registration, which the organisation has consented to; a personal
        one through the mailbox's, as a public client.

        Raises:
            LinkUnknown, SignInTimedOut, WrongState: there is no such sign-in (any more).
            ConsentRequired, ConsentWithdrawn: the organisation must consent to people's app first.
        """
        from shared.identity.id_token import PERSONAL_TENANT

        found = self._sign_ins.by_link(sign_in)
        if found.status != "blocked":
            raise faults.WrongState(found.status)
        personal = found.service == OUTLOOK_COM
        return (self._own_registration if personal else self._peoples_registration).begin(
            PURPOSE,
            sign_in,
            tid=PERSONAL_TENANT if personal else found.owner.tid,
            scopes=self._range(found).scopes,
            browser=browser,
            owner=found.owner.tid,
        )

    def finish(self, finished: Finished) -> SignIn:
        """Entra has answered through the browser that began it: check who it is, and let the account count.

        Raises:
            Fault: why not; the tokens are dropped, and somebody else may try by the same link.
        """
        found = self._sign_ins.by_link(finished.subject)
        if found.status != "blocked":
            raise faults.WrongState(found.status)
        return self._sign_ins.activate(found.id, finished.redeem(), self._range(found))

    def _range(self, found: SignIn) -> Range:
        if found.service == OUTLOOK_COM:
            return RANGE
        return self._organisations.get(found.owner.tid).require_consent()
