"""What the console calls its places, the policy's fields and what administrators do."""

from __future__ import annotations

from shared.faults import N_

PLACES = (
    (N_("Overview"), "/console"),
    (N_("Consent"), "/console/consent"),
    (N_("Printers"), "/console/printers"),
    (N_("Mail and fax"), "/console/mail"),
    (N_("People"), "/console/people"),
    (N_("Scans"), "/console/jobs"),
    (N_("Diagnosis"), "/console/doctor"),
    (N_("Policy"), "/console/policy"),
    (N_("Audit"), "/console/audit"),
)
"""Label and path of every place, in the order in which they are shown."""

POLICY = {
    "hold_hours": (
        N_("Hours that a scan is kept"),
        N_("So long a scan waits for its person to sign in. With 0 it is refused instead."),
    ),
    "unknown_outcome": (
        N_("A scan that was perhaps sent"),
        N_("What becomes of it where the mailbox cannot be asked. Sent again, it may arrive twice."),
    ),
    "largest_document": (
        N_("Largest document, in megabytes"),
        N_("Counts with the two larger permissions. Your Exchange may take less or more: 25 MB fit by default."),
    ),
    "failure_notices": (
        N_("Mail about scans that failed"),
        N_("Whether a person gets a mail from himself when a scan of his cannot be sent."),
    ),
    "panel_browser": (
        N_("First login in the panel's own browser"),
        N_("Beside the phone. The next person uses the same browser: allow it where panels open private windows."),
    ),
    "subject": (
        N_("Subject of the mail"),
        N_("You may use {title}, {printer}, {location} and {date}. Empty: the scan's title, or the printer's name."),
    ),
    "text": (
        N_("Text of the mail"),
        N_("With the same placeholders. Empty: our text, in the person's language."),
    ),
    "allowed_domains": (
        N_("Domains that printers may write to"),
        N_("One in a line. For mail of a printer's own; its own domain is always allowed."),
    ),
    "fax_address": (
        N_("Address of the fax provider"),
        N_("With {number} before the @, where the number goes. Empty: no fax."),
    ),
    "fax_country": (
        N_("Country code for faxes"),
        N_("A number that begins with 0 belongs to this country, such as +375. Empty: numbers begin with +."),
    ),
    "fax_cover": (
        N_("Cover page of faxes"),
        N_("The text that the fax provider prints on the first page. Empty: none."),
    ),
    "sign_in_days": (
        N_("Days after which people sign in anew"),
        N_("Counts from each person's next sign-in. Empty: a sign-in lives as long as Microsoft lets it."),
    ),
}
"""Label and meaning of every field; a test holds this beside the policy."""

CHOICES = {
    "leave": N_("Leave it, and show it"),
    "send_again": N_("Send it once more"),
    "yes": N_("Yes"),
    "no": N_("No"),
    "": N_("Any"),
    "none": N_("Without a code"),
}

_ACTS = {
    "signed_in": N_("Signed in"),
    "signed_in_anew": N_("Signed in once more"),
    "consent_begun": N_("Began to change the consent"),
    "ticket_made": N_("Made a ticket for printers"),
    "printer_approved": N_("Approved a printer"),
    "printer_revoked": N_("Revoked a printer"),
    "group_ruled": N_("Changed the rules of a group"),
    "person_erased": N_("Ended a sign-in and deleted the person's data"),
    "job_retried": N_("Sent a scan again"),
    "job_released": N_("Looked whether a held scan can go"),
    "job_cancelled": N_("Cancelled a scan"),
    "mailbox_consent_begun": N_("Went to agree to the printers' mailbox app"),
    "mailbox_sign_in_begun": N_("Began to sign in a printer's mailbox"),
    "mailbox_link_offered": N_("Went on by a link with a printer's mailbox"),
    "mailbox_sign_in_cancelled": N_("Cancelled the sign-in of a printer's mailbox"),
    "mailbox_signed_out": N_("Signed a printer's mailbox out"),
    "mail_tested": N_("Sent a test mail"),
    "fax_tested": N_("Sent a test fax"),
    "policy_changed": N_("Changed the policy"),
    "audit_exported": N_("Exported the audit"),
    "doctor_asked": N_("Let the doctor ask"),
}
ACTS = frozenset(_ACTS)


def act_words(act: str) -> str:
    """Return the message id for an act of the audit; an unknown one as it is."""
    return _ACTS.get(act, act)
