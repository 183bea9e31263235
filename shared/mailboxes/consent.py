"""The consent link of the mailbox's own app registration, for administrators of organisations that let nobody consent.

It writes nothing down: what Entra sends back is unsigned, and the next sign-in shows whether the consent is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from shared import faults
from shared.mailboxes.sign_in import RANGE

if TYPE_CHECKING:
    from shared.identity import MailboxEntra


class MailboxConsent:
    """Where an administrator consents to the printers' mailbox app, and what Entra says then.

    Args:
        entra: of the mailbox's app registration; None where none is set up.
        redirect_uri: of the mailbox's registration.
    """

    def __init__(self, entra: MailboxEntra | None, redirect_uri: str) -> None:
        self._entra = entra
        self._redirect_uri = redirect_uri

    def link(self, tid: str) -> str:
        """Return Entra's address.

        Raises:
            ServiceMisconfigured: no app registration for mailboxes is set up.
        """
        if self._entra is None:
            raise faults.ServiceMisconfigured("MAILBOX_CLIENT_ID")
        return self._entra.admin_consent_url(tid, RANGE.scopes, self._redirect_uri, "")

    def answer(self, query: Mapping[str, str]) -> faults.Fault | None:
        """Return what stands in the way by Entra's own word; None where it says that the consent was given."""
        if "error" in query:
            if self._entra is None:
                raise faults.ServiceMisconfigured("MAILBOX_CLIENT_ID")
            fault = self._entra.fault_of(query)
            return faults.ConsentDeclined(fault.note) if isinstance(fault, faults.SignInDeclined) else fault
        return None if query.get("admin_consent", "").lower() == "true" else faults.ConsentNotForOrganisation()
