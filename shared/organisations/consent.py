"""Admin consent, from the first page to the proof.

1. The administrator chooses a range; his browser goes to Entra's admin consent endpoint.
2. Entra sends it back with unsigned parameters: they are hints, and only say where to look (C01).
3. A second authorization, without any prompt and with the range's scopes, brings an ID token and a
   token response. Who he is, in which tenant, and whether he has a role that may consent comes from the
   verified ID token; that the consent is there, from the scopes of the response (C02, C04).

Where Entra cannot answer without a prompt (nobody, or several accounts, signed in), the administrator
signs in once with ``openid profile`` alone, and step 3 is repeated for that account. Only then: asked
with the range's scopes, a prompt would let him consent for himself, and prove nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared import faults, texts
from shared.organisations.organisation import Organisations
from shared.organisations.ranges import RANGES, Range

if TYPE_CHECKING:
    from shared.handoffs import Handoff, Handoffs, Started
    from shared.identity import Account, Authorizations, Entra, Finished

STORY = "consent"
CONSENT_ROLES = frozenset(
    {
        "62e90394-69f5-4237-9190-012177145e10",  # Global Administrator
        "e8611ab8-c189-46e8-94e1-60213ab1f814",  # Privileged Role Administrator
        "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3",  # Application Administrator
        "158c047a-c907-4556-b7ef-446551a6b5f7",  # Cloud Application Administrator
    }
)
"""Template ids of the roles that may consent to delegated permissions (Microsoft, "Grant tenant-wide
admin consent" and "Microsoft Entra built-in roles")."""


@dataclass(frozen=True)
class Onward:
    """Where the browser goes next: to Entra again, or to the consent's own page (``address`` is its link)."""

    again: bool
    address: str


class Consents:
    """The story of admin consent.

    Args:
        organisations: where a proven consent is written down.
        handoffs: carries it between panel and browser.
        authorizations: carries it between browser and Entra.
        entra: knows Entra's addresses and errors.
        redirect_uri: of the consent callback, as registered.
    """

    def __init__(
        self,
        organisations: Organisations,
        handoffs: Handoffs,
        authorizations: Authorizations,
        entra: Entra,
        redirect_uri: str,
    ) -> None:
        self._organisations = organisations
        self._handoffs = handoffs
        self._authorizations = authorizations
        self._entra = entra
        self._redirect_uri = redirect_uri

    def start(
        self, *, tid: str = "", wanted: str = "send", device_id: str = "", printer: str = "", locale: str = ""
    ) -> Started:
        """Begin: at a panel (with the device's tenant), or in a browser (with neither).

        Raises:
            InvalidRequest: there is no such range.
        """
        if wanted not in RANGES:
            raise faults.InvalidRequest("range")
        return self._handoffs.start(
            STORY, {"tid": tid, "range": wanted, "printer": printer, "locale": locale}, device_id=device_id
        )

    def begin(self, link: str, range_slug: str, *, browser: str) -> str:
        """The administrator has chosen: return the address at Entra where he consents.

        Raises:
            LinkUnknown: there is no such consent under way.
            Fault: it is over, and why.
        """
        handoff = self._handoffs.by_link(link, STORY)
        handoff.require_pending()
        chosen = RANGES.get(range_slug)
        if chosen is None:
            raise faults.InvalidRequest("range")
        subject = _subject(handoff.id, chosen, step="hint")
        state = self._authorizations.expect(STORY, subject, browser=browser)
        tenant = handoff.task["tid"] or "organizations"
        return self._entra.admin_consent_url(tenant, chosen.scopes, self._redirect_uri, state)

    def called_back(self, query: Mapping[str, str], *, browser: str | None) -> str:
        """Entra's unsigned callback: return the address of the second authorization, which proves.

        Raises:
            ResponseNotExpected, OtherBrowser: forged, replayed, or another browser's.
            Fault: what the callback says, as a refusal.
        """
        subject = json.loads(self._authorizations.take(query.get("state", ""), purpose=STORY, browser=browser))
        handoff = self._handoffs.get(subject["handoff"])
        with self._handoffs.refusing(handoff.id):
            handoff.require_pending()
            tenant = self._hint(query, handoff)
            return self._prove(subject, tenant, browser or "", login_hint=None, step="proof")

    def finish(self, finished: Finished, *, browser: str) -> Onward:
        """A second authorization came back: write the consent down, or ask Entra once more.

        Raises:
            ConsentRoleMissing, ConsentNotProven, OtherOrganisation …: nothing is stored.
        """
        subject = json.loads(finished.subject)
        handoff = self._handoffs.get(subject["handoff"])
        with self._handoffs.refusing(handoff.id):
            handoff.require_pending()
            try:
                redeemed = finished.redeem()
            except faults.InteractionRequired:
                if subject["step"] != "proof":
                    raise faults.ConsentNotProven("no silent answer") from None
                return Onward(
                    again=True,
                    address=self._authorizations.begin(
                        STORY, json.dumps({**subject, "step": "who"}), tid=finished.tid, scopes=(), browser=browser
                    ),
                )
            except faults.ConsentWithdrawn as fault:
                raise faults.ConsentNotProven(fault.note) from None
            account = redeemed.account
            if not account.wids & CONSENT_ROLES:
                raise faults.ConsentRoleMissing
            if subject["step"] == "who":
                return Onward(
                    again=True,
                    address=self._prove(subject, finished.tid, browser, login_hint=account.username, step="known"),
                )
            chosen = RANGES[subject["range"]]
            if not redeemed.covers(chosen.scopes):
                raise faults.ConsentNotProven("scopes")
            self._write_down(handoff, chosen, account)
            return Onward(again=False, address=self._handoffs.link(handoff.id))

    def _hint(self, query: Mapping[str, str], handoff: Handoff) -> str:
        """Read the callback's parameters (Microsoft, "Admin consent": success has admin_consent=True and tenant)."""
        if "error" in query:
            fault = self._entra.fault_of(query)
            if isinstance(fault, faults.SignInDeclined):
                raise faults.ConsentDeclined(fault.note)
            if isinstance(fault, faults.ConsentWithdrawn):
                raise faults.ConsentRoleMissing(fault.note)  # 90093, 90094: the account may not grant
            raise fault
        if "code" in query or query.get("admin_consent", "").lower() != "true":
            raise faults.ConsentNotForOrganisation
        tenant = query.get("tenant", "").lower()
        if handoff.task["tid"] and tenant != handoff.task["tid"]:
            raise faults.OtherOrganisation("tenant of the callback")
        return tenant

    def _prove(
        self, subject: Mapping[str, Any], tenant: str, browser: str, *, login_hint: str | None, step: str
    ) -> str:
        return self._authorizations.begin(
            STORY,
            json.dumps({**subject, "step": step}),
            tid=tenant,
            scopes=RANGES[subject["range"]].scopes,
            browser=browser,
            prompt="none",
            login_hint=login_hint,
        )

    def _write_down(self, handoff: Handoff, chosen: Range, account: Account) -> None:
        if handoff.task["tid"] and account.tid != handoff.task["tid"]:
            raise faults.OtherOrganisation("tenant of the account")
        name = account.username.rpartition("@")[2]
        self._organisations.consented(
            account.tid, name=name, consented_range=chosen, proven_by=account.username, oid=account.oid
        )
        self._handoffs.browser_done(handoff.id, account_hint=texts.masked(account.username), outcome=account.tid)
        if not handoff.device_id:
            self._handoffs.confirm_in_browser(handoff.id)


def _subject(handoff_id: str, chosen: Range, *, step: str) -> str:
    return json.dumps({"handoff": handoff_id, "range": chosen.slug, "step": step})
