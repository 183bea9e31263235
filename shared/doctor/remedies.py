"""What makes a failing check right: the exact setting or PowerShell line, and the least role that may do it.

Roles are Microsoft's own names, which are the same in every language. Sources: Microsoft, "Least privileged roles by
task in Microsoft Entra ID"; "Enable or disable authenticated client SMTP submission (SMTP AUTH) in Exchange Online";
"Grant tenant-wide admin consent to an application"; Exchange's role groups. PowerShell is Exchange Online PowerShell
(``Connect-ExchangeOnline``) or Microsoft Graph PowerShell (``Connect-MgGraph``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from shared.faults import N_, Fault

RECIPIENTS = "Exchange Recipient Administrator"
EXCHANGE = "Exchange Administrator"
CONDITIONAL_ACCESS = "Conditional Access Administrator"
APPLICATIONS = "Cloud Application Administrator"
_OID = "OBJECT-ID"


@dataclass(frozen=True)
class Remedy:
    """What to do.

    Attributes:
        text: what to set, and where (message id).
        lines: the same as lines to run, where there are such. ADDRESS stands for the mailbox's address, which is not
            repeated here.
        role: the least of Microsoft's roles that may; empty: no role is needed, or it is not Microsoft's to give.
    """

    text: str
    lines: tuple[str, ...] = ()
    role: str = ""


_CONSENT = Remedy(
    N_(
        "Open the page Consent of this console, choose what the service may do, and agree. Microsoft shows what was "
        "agreed to under Entra admin center, Enterprise applications, To My Email, Permissions."
    ),
    role=APPLICATIONS,
)
_MAILBOX_SIGN_IN = Remedy(N_("Sign the mailbox in again at the printer's mail server settings, and press OK there."))
_REACH = N_(
    "The people who run the service let it out to this host: DNS, port 443, and for the mail server port 587. "
    "Where Microsoft itself is disturbed, its Service health page says so; then wait."
)

BY_REASON: Mapping[str, Remedy] = {
    "consent_required": _CONSENT,
    "consent_withdrawn": _CONSENT,
    "permission_missing": _CONSENT,
    "mailbox_consent_missing": Remedy(
        N_("Sign the mailbox in again at the printer's mail server settings, and accept the permissions there.")
    ),
    "not_assigned": Remedy(
        N_(
            "Assign the person, or a group: Entra admin center, Enterprise applications, To My Email, Users and "
            "groups. Or let everybody in: there, under Properties, set Assignment required to No."
        ),
        role=APPLICATIONS,
    ),
    "account_disabled": Remedy(
        N_("Enable the account: Entra admin center, Users, the account, Edit properties, Account enabled."),
        (f"Update-MgUser -UserId {_OID} -AccountEnabled:$true",),
        "User Administrator",
    ),
    "account_locked": Remedy(
        N_(
            "Wait for the lock to end, and look in Entra admin center, Sign-in logs, where the wrong "
            "passwords come from."
        ),
        role="Reports Reader",
    ),
    "sign_in_required": Remedy(N_("The person signs in at the printer: To My Email, his name, the code.")),
    "interaction_required": Remedy(
        N_(
            "The person signs in again at the printer, and confirms with his second factor. If it returns every day, "
            "exclude the app To My Email from the sign-in frequency of your Conditional Access policies."
        ),
        role=CONDITIONAL_ACCESS,
    ),
    "mailbox_not_signed_in": _MAILBOX_SIGN_IN,
    "mailbox_sign_in_expired": _MAILBOX_SIGN_IN,
    "mailbox_sign_in_ended": _MAILBOX_SIGN_IN,
    "blocked_by_policy": Remedy(
        N_(
            "Entra admin center, Sign-in logs, User sign-ins (non-interactive), the app To My Email: the entry names "
            "the policy (role Reports Reader). Then Conditional Access, that policy, Target resources, Exclude: "
            "To My Email. Where it asks for a place, add the service's address as a named location."
        ),
        role=CONDITIONAL_ACCESS,
    ),
    "device_code_blocked": Remedy(
        N_(
            "Sign the mailbox in by a link instead of a code. Or: Entra admin center, Conditional Access, the policy "
            "with the condition Authentication flows, Target resources, Exclude: the app for printers' mailboxes."
        ),
        role=CONDITIONAL_ACCESS,
    ),
    "no_mailbox": Remedy(
        N_(
            "Give the account an Exchange Online licence: Microsoft 365 admin center, Users, Active users, Licenses "
            "and apps. A mailbox on a server of your own must be moved to Exchange Online. The line shows "
            "what there is."
        ),
        ("Get-EXOMailbox -Identity ADDRESS",),
        "License Administrator",
    ),
    "send_denied": Remedy(
        N_(
            "An application access policy or a role of Exchange keeps the app from this mailbox. The line shows the "
            "policies; take the mailbox out of the one that is meant."
        ),
        ("Get-ApplicationAccessPolicy",),
        EXCHANGE,
    ),
    "smtp_disabled_for_organisation": Remedy(
        N_(
            "Allow it for this mailbox alone (the first line, role Exchange Recipient Administrator) or for all (the "
            "second line; or Exchange admin center, Settings, Mail flow). Or choose a range that needs no SMTP."
        ),
        (
            "Set-CASMailbox -Identity ADDRESS -SmtpClientAuthenticationDisabled $false",
            "Set-TransportConfig -SmtpClientAuthenticationDisabled $false",
        ),
        EXCHANGE,
    ),
    "smtp_disabled_for_mailbox": Remedy(
        N_(
            "Microsoft 365 admin center, Users, Active users, the mailbox, Mail, Manage email apps: tick "
            "“Authenticated SMTP”. Or run the line. Or choose a range that needs no SMTP."
        ),
        ("Set-CASMailbox -Identity ADDRESS -SmtpClientAuthenticationDisabled $false",),
        RECIPIENTS,
    ),
    "smtp_blocked_by_policy": Remedy(
        N_(
            "Exchange does not say which rule it is. Security defaults: Entra admin center, Overview, Properties, "
            "Manage security defaults, Disabled, and only with Conditional Access in their place. Conditional Access: "
            "exclude the app To My Email. Or choose a range that needs no SMTP: then nothing need be switched off."
        ),
        role=CONDITIONAL_ACCESS,
    ),
    "too_large": Remedy(
        N_(
            "Lower “Largest document” on the page Policy of this console, or raise what the mailbox may send (the "
            "line; at most 150 MB). What was refused is forgotten after a week, or with the next sign-in."
        ),
        ("Set-Mailbox -Identity ADDRESS -MaxSendSize 50MB",),
        RECIPIENTS,
    ),
    "fax_not_set_up": Remedy(N_("Write the fax provider's address on the page Policy of this console.")),
    "service_credential_refused": Remedy(
        N_(
            "The people who run the service make a new credential: a certificate that is uploaded to the app "
            "registration, or the federated credential of the managed identity, which the line checks letter by letter."
        ),
        ("python -m infra.entra.check",),
        APPLICATIONS,
    ),
    "key_service_unavailable": Remedy(
        N_(
            "The people who run the service look whether Key Vault and the managed identity answer, and whether a "
            "firewall of the vault keeps the service out."
        )
    ),
    "service_misconfigured": Remedy(
        N_(
            "The people who run the service compare the app registration, and the identity's role at the key "
            "(Key Vault Crypto Service Encryption User), with what they must be."
        ),
        ("python -m infra.entra.check",),
        APPLICATIONS,
    ),
    "no_connection": Remedy(_REACH),
    "microsoft_unavailable": Remedy(_REACH),
    "storage_unavailable": Remedy(
        N_("The people who run the service look at the storage account, its firewall, and the identity's roles there.")
    ),
}
"""By the reason of the fault. What is not here has nothing more exact to say than the fault itself."""

BY_CHECK: Mapping[str, Remedy] = {
    "clock": Remedy(
        N_(
            "The people who run the service set its host's clock (NTP): tokens are good for minutes, and Microsoft "
            "refuses what comes from another time."
        )
    ),
    "app_credential_ends": Remedy(
        N_(
            "The people who run the service make a new certificate and upload it to the app registration before the "
            "old one ends. Better: let the managed identity prove the app; then nothing ends."
        ),
        role=APPLICATIONS,
    ),
    "security_defaults": Remedy(
        N_(
            "Entra admin center, Overview, Properties, Manage security defaults: Disabled, and only with Conditional "
            "Access policies in their place, which demand another factor of everybody."
        ),
        role=CONDITIONAL_ACCESS,
    ),
}
"""By the name of the check, where that is more exact than the fault."""


def remedy_for(check: str, fault: type[Fault] | None, oid: str) -> Remedy:
    """Return what makes a failing check right; at worst what the fault itself says."""
    found = BY_CHECK.get(check) or BY_REASON.get(fault.reason if fault else "")
    if found is None:
        return Remedy(fault.remedy if fault else "")
    return replace(found, lines=tuple(line.replace(_OID, oid or _OID) for line in found.lines))
